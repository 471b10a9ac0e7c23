"""Enter a position, to see what it stands to lose. Nothing is sent anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, Static

from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.instrument import Instrument
    from engine.position import Position

_NAMES = ("size", "entry", "margin", "maintenance")


def read_position(texts: dict[str, str], inverse: bool) -> Position | None:
    """The position as typed; None for an empty size. Raises ValueError that says which field is wrong, and how."""
    from engine.position import Position, with_leverage

    if not texts["size"]:
        return None
    numbers = {}
    leveraged = texts["margin"].lower().endswith("x")
    for name, text in texts.items():
        share = name == "maintenance" and text.endswith("%")
        digits = text[:-1] if share or (name == "margin" and leveraged) else text
        try:
            numbers[name] = float(digits.replace(",", "")) / (100 if share else 1)
        except ValueError:
            raise ValueError(f"{name.capitalize()}: {text[:20]!r} is not a number") from None
    if leveraged:
        return with_leverage(numbers["size"], numbers["entry"], numbers["margin"], numbers["maintenance"], inverse)
    return Position(numbers["size"], numbers["entry"], numbers["margin"], numbers["maintenance"], inverse)


class PositionForm(Dialog[tuple["Position | None"]]):
    """Returns a tuple of the position (None in it: take it away), or None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", "Save", show=False)]

    def __init__(self, instrument: Instrument, now: Position | None) -> None:
        super().__init__()
        self._instrument = instrument
        self._now = now

    def compose(self) -> ComposeResult:
        now, instrument = self._now, self._instrument
        inverse = instrument.kind == "inverse"
        money = instrument.base if inverse else instrument.quote
        rows = (
            ("size", f"in {instrument.unit}, below 0: short; empty: no position", now and f"{now.size:.10g}"),
            ("entry", "average price", now and f"{now.entry:.10g}"),
            ("margin", f"in {money}, what backs it; or the leverage, such as 10x", now and f"{now.margin:.10g}"),
            ("maintenance", "share of the notional, such as 0.5%", f"{100 * now.maintenance:g}%" if now else "0.5%"),
        )
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = escape_text(f"Position in {instrument.market}", 60)
            box.border_subtitle = "Enter saves · Tab next · Esc closes"
            for name, about, value in rows:
                with Horizontal(classes="field"):
                    yield Label(name.capitalize())
                    yield Input(value=value or "", placeholder=escape_text(about, 60), compact=True, id=name)
            yield Static("Kept on this machine and only used to reckon with; nothing is sent anywhere.", markup=False)
            yield Static("", markup=False, id="problem")

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Check and leave; stay open and say why when something is wrong."""
        texts = {name: self.query_one(f"#{name}", Input).value.strip() for name in _NAMES}
        try:
            position = read_position(texts, self._instrument.kind == "inverse")
        except ValueError as error:
            self.query_one("#problem", Static).update(escape_text(str(error), 300))
            return
        self.dismiss((position,))
