"""Find a market by typing a part of its name."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tui.screens.dialog import Dialog
from tui.untrusted import escape_text


def matching(markets: Sequence[str], typed: str) -> list[str]:
    """Markets that contain every typed word, in any order and case; those beginning with the text first."""
    words = typed.casefold().split()
    found = [market for market in markets if all(word in market.casefold() for word in words)]
    symbol = {market: market.partition(":")[2].casefold() for market in found}
    return sorted(found, key=lambda market: not words or not symbol[market].startswith(words[0]))


class MarketSearch(Dialog[str]):
    """Returns the market chosen, or None."""

    def __init__(self, markets: Sequence[str], current: str | None) -> None:
        super().__init__()
        self._markets = markets
        self._current = current
        self._found: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Find market"
            box.border_subtitle = "Enter shows it · Esc closes"
            yield Input(placeholder="a part of its name, such as eth", compact=True, id="typed")
            yield OptionList(id="found", compact=True)

    def on_mount(self) -> None:
        """Everything is found before anything is typed."""
        self._fill("")

    @on(Input.Changed, "#typed")
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def _fill(self, typed: str) -> None:
        self._found = matching(self._markets, typed)
        options = self.query_one("#found", OptionList)
        options.clear_options()
        options.add_options([Option(Text(escape_text(market, 60))) for market in self._found])
        if not self._found:
            options.add_option(Option(Text("no such market among those being watched", "dim"), disabled=True))
        elif self._current in self._found and not typed:
            options.highlighted = self._found.index(self._current)
        else:
            options.highlighted = 0

    def on_key(self, event: Key) -> None:
        """Arrows move in the list while the text keeps the focus."""
        options = self.query_one("#found", OptionList)
        if event.key in ("down", "up") and self._found:
            event.stop()
            if event.key == "down":
                options.action_cursor_down()
            else:
                options.action_cursor_up()

    @on(Input.Submitted, "#typed")
    def _submitted(self) -> None:
        index = self.query_one("#found", OptionList).highlighted
        if self._found and index is not None:
            self.dismiss(self._found[index])

    @on(OptionList.OptionSelected, "#found")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        if self._found:
            self.dismiss(self._found[event.option_index])
