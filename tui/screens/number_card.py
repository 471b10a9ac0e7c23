"""Where one number comes from: choose it among those of the focused panel, or type the name of any metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Key
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tui.screens.dialog import Dialog
from tui.screens.market_search import matching
from tui.screens.provenance import card, number_text
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.detail_view import Explanation

_REFRESH_S = 1.0
_NONE = "no number of this name: type a metric such as cvd or ti(30s), `?` lists them"


class NumberCard(Dialog[None]):
    """`numbers` are those of the panel; `explain` and `clock` tell how a number and the market's clock (ns) stand."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
    ]

    def __init__(
        self,
        title: str,
        numbers: Sequence[str],
        explain: Callable[[str], Explanation | None],
        clock: Callable[[], int],
    ) -> None:
        super().__init__()
        self._title = title
        self._numbers = numbers
        self._explain = explain
        self._clock = clock
        self._found: list[str] = []

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = f"{self._title}: where a number comes from"
            box.border_subtitle = "↑ ↓ choose · type any metric · Esc closes"
            yield Input(placeholder="a part of its name, or any metric", compact=True, id="typed")
            yield OptionList(id="numbers", compact=True)
            yield Static("", markup=False, id="card")

    def on_mount(self) -> None:
        """The first number of the panel, and every second how it stands."""
        self._fill("")
        self.set_interval(_REFRESH_S, self._again)

    @on(Input.Changed, "#typed")
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value.strip())

    def _fill(self, typed: str) -> None:
        self._found = matching(self._numbers, typed)
        if typed and typed not in self._found and self._explain(typed) is not None:
            self._found.insert(0, typed)
        options = self.query_one("#numbers", OptionList)
        options.clear_options()
        options.add_options([Option(self._option(name)) for name in self._found])
        options.highlighted = 0 if self._found else None
        self._show()

    def _option(self, name: str) -> Text:
        told = self._explain(name)
        value = "unknown" if told is None else number_text(told)
        return Text.assemble(escape_text(name, 40), ("  " + value, "dim"))

    def _again(self) -> None:
        options = self.query_one("#numbers", OptionList)
        for index, name in enumerate(self._found):
            options.replace_option_prompt_at_index(index, self._option(name))
        self._show()

    def _show(self) -> None:
        index = self.query_one("#numbers", OptionList).highlighted
        told = self._explain(self._found[index]) if index is not None and index < len(self._found) else None
        self.query_one("#card", Static).update(Text(_NONE, "dim") if told is None else card(told, self._clock()))

    @on(OptionList.OptionHighlighted, "#numbers")
    def _highlighted(self) -> None:
        self._show()

    def on_key(self, event: Key) -> None:
        """Arrows move in the list while the text keeps the focus."""
        options = self.query_one("#numbers", OptionList)
        if event.key in ("down", "up") and self._found:
            event.stop()
            if event.key == "down":
                options.action_cursor_down()
            else:
                options.action_cursor_up()

    def action_page(self, step: int) -> None:
        """One page of a card that is longer than the box."""
        box = self.query_one(VerticalScroll)
        box.scroll_relative(y=step * max(1, box.size.height - 2), animate=False)
