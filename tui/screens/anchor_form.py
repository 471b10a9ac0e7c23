"""Choose where the profile, its VWAP and its delta begin."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, Static

from engine.instant import instant_text
from tui.anchors import read_anchor
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

_ABOUT = (
    "Empty: the session (UTC day). What the monitor saw counts, up to 24 hours back (less where very many prices "
    "traded), from whole minutes on; the numbers say since when they count."
)


class AnchorForm(Dialog[tuple[int | None]]):
    """Returns a tuple of the time in ns (None in it: the session), or None when it was left. `now`: the market's
    clock, ns."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save", show=False)]

    def __init__(self, market: str, anchor: int | None, now: int) -> None:
        super().__init__()
        self._name = market
        self._anchor = anchor
        self._now = now

    def compose(self) -> ComposeResult:
        value = "" if self._anchor is None else instant_text(self._anchor)
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = escape_text(f"Anchor the profile of {self._name}", 60)
            box.border_subtitle = "Enter sets · Esc closes"
            with Horizontal(classes="field"):
                yield Label("From")
                yield Input(value=value, placeholder="14:05, 10m, now, 2024-08-08T14:05", compact=True, id="from")
            yield Static(_ABOUT, markup=False)
            yield Static("", markup=False, id="problem")

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Check and leave; stay open and say why when it is no time."""
        try:
            anchor = read_anchor(self.query_one("#from", Input).value, self._now)
        except ValueError as error:
            self.query_one("#problem", Static).update(escape_text(str(error), 300))
            return
        self.dismiss((anchor,))
