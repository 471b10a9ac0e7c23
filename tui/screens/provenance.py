"""Where the numbers of a panel come from: meaning, window, what of it the tape holds, gaps, age, warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.panels.format import age, clock, percent, size
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.detail_view import Explanation

_NO_NUMBERS = "This panel shows the tape as it came; there is no number in it that was computed over a window."


def number_text(told: Explanation) -> str:
    """The number as it stands: prices with all their digits, others short; marked where it comes from bars."""
    if told.value is None:
        return "unknown"
    shown = f"{told.value:,.10g}" if told.unit == "price" else size(told.value, 12).strip()
    return ("~" if told.warmed else "") + shown


def card(told: Explanation, now: int) -> Text:
    """The lines of one number. `now`: the market's clock, ns."""
    text = Text()
    value = number_text(told) + (" now" if told.value is None else "")
    text.append(escape_text(told.metric, 60), "bold")
    text.append(f"  {value} {escape_text(told.unit, 20)}\n")
    text.append(f"  {escape_text(told.meaning, 400)}\n")
    facts = [f"window {told.window}" if told.window else "the state of this moment"]
    if told.covered is not None:
        facts.append(f"{percent(told.covered).strip()} of it on the tape")
    if told.since is not None:
        facts.append(f"counted since {clock(told.since)}")
    if told.holes:
        missing = ", ".join(f"{clock(begin)} to {clock(end)}" for begin, end in told.holes[-3:])
        facts.append(f"trades missing {missing}" + (f" and {len(told.holes) - 3} more" if len(told.holes) > 3 else ""))
    elif told.covered is not None:
        facts.append("no known gap")
    text.append("  " + "; ".join(facts) + "\n", "dim")
    for name, channel in told.inputs:
        last = "nothing yet" if channel.last is None else f"last message {age(now - channel.last)} ago"
        text.append(f"  {name} {channel.state}, {last}\n", "dim")
    text.append(f"  warm-up: {escape_text(told.warmup, 300)}\n", "dim")
    if told.warmed:
        text.append(f"  ~ partly from bars, not the tape: {escape_text(told.warmed, 200)}\n", "dim")
    return text


class ProvenanceScreen(Dialog[None]):
    """One card a number, in the order of the panel."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e,q", "close", "Close", show=False),
        Binding("j,down", "line(1)", "Down", show=False),
        Binding("k,up", "line(-1)", "Up", show=False),
        Binding("space,pagedown", "page(1)", "Page down", show=False),
        Binding("b,pageup", "page(-1)", "Page up", show=False),
    ]

    def __init__(self, title: str, told: Sequence[Explanation], now: int) -> None:
        super().__init__()
        self._title = title
        self._told = told
        self._now = now

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -full", can_focus=False) as box:
            box.border_title = f"{self._title}: where its numbers come from"
            box.border_subtitle = "↑ ↓ Space scroll · Esc closes"
            body = Text("\n").join(card(each, self._now) for each in self._told)
            yield Static(body if self._told else Text(_NO_NUMBERS), id="provenance", markup=False)

    def action_line(self, step: int) -> None:
        """One line."""
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        """One page."""
        box = self.query_one(VerticalScroll)
        box.scroll_relative(y=step * max(1, box.size.height - 2), animate=False)
