"""One alert and the moment it was about: what was read, how the market stood, and the trades around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.panels import format as fmt
from tui.panels import glyphs
from tui.screens.dialog import Dialog
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent, EvidenceView, LeafReading

_BEFORE_NS = 5_000_000_000


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.6g}"


def reading_text(reading: LeafReading) -> str:
    """A comparison as it was evaluated: `spread_bps 3.1 > 2.4 bps, true`."""
    level = _number(reading.level) if reading.upper is None else f"[{_number(reading.level)}, {_number(reading.upper)}]"
    truth = {True: "true", False: "false", None: "unknown"}[reading.truth]
    unit = f" {reading.unit}" if reading.unit else ""
    value = _number(reading.value)
    if reading.what.startswith("abs(") and reading.value is not None and reading.value < 0:
        value = f"{_number(-reading.value)} (from {value})"  # the sign says which side it was
    return f"{reading.what}  {value} {reading.comparison} {level}{unit}, {truth}"


def news_text(event: AlertEvent) -> str:
    """What became of it."""
    told = "announced" if event.delivered else f"not announced: {event.suppressed}" if event.suppressed else "listed"
    reason = f" ({event.reason})" if event.reason else ""
    return f"{event.kind}{reason}, {told}"


def evidence_text(kept: EvidenceView) -> Text:
    """Everything but the trades."""
    event, around = kept.fired, kept.fired.surroundings
    text = Text()

    def row(name: str, value: str, style: str = "") -> None:
        text.append(f"{name:<11}", "dim")
        text.append(escape_text(value, 300) + "\n", style)

    row("rule", f"{event.rule}  ({event.severity}, version {event.version})", "bold")
    row("when", event.when)
    row("market", event.market)
    if event.message:
        row("message", event.message)
    row("held since", f"{fmt.clock(event.t0, millis=True)} UTC")
    late = (event.detected - event.t) / 1e6
    row("fired", f"{fmt.clock(event.t, millis=True)} UTC, found out {late:,.0f} ms of tape later")
    for i, reading in enumerate(event.readings):
        row("compared" if not i else "", reading_text(reading))
    percentile = "unknown" if event.percentile is None else f"{100 * event.percentile:.1f} % of its past"
    row("percentile", percentile)
    peak = next((news.peak for news in reversed(kept.news) if news.peak is not None), None)
    row("peak", _number(peak))
    row("mid", f"{_number(around.mid)}   spread {_number(around.spread_bps)} bps")
    row("cvd", f"{_number(around.cvd)}   vpin {_number(around.vpin)}")
    row("trust", f"book {around.book or 'none'}, trades {around.trades or 'none'}")
    for i, news in enumerate(kept.news):
        row("news" if not i else "", f"{fmt.clock(news.t, millis=True)}  {news_text(news)}")
    return text


def trades_text(kept: EvidenceView) -> tuple[Text, int]:
    """The trades of the minute before and the minute after, oldest first; and in which line the alert stands."""
    text, event = Text(), kept.fired
    line = at = 0
    told = False

    def moment() -> None:
        rule = glyphs.current().line * 8
        text.append(f"{rule} fired {fmt.clock(event.t, millis=True)} ", "bold reverse")
        text.append("\n")

    if kept.before:
        text.append(f"{kept.before:,} earlier trades of this minute are not kept\n", "dim")
        line += 1
    for trade in kept.trades:
        if trade.t > event.t and not told:
            told, at = True, line
            moment()
            line += 1
        away = (trade.t - event.t) / 1e9
        arrow = {1: glyphs.current().up, -1: glyphs.current().down}.get(trade.side, " ")
        price = kept.instrument.price_text(trade.px) if kept.instrument else str(trade.px)
        size = f"{kept.instrument.amount(trade.qty):,.10g}" if kept.instrument else str(trade.qty)
        text.append(f"{away:+9.3f} s  ", "dim")
        text.append(f"{arrow} {'buy ' if trade.side > 0 else 'sell' if trade.side < 0 else '?   '} ")
        text.append(f"{price:>14}  {size:>14}\n")
        line += 1
    if not told:
        at = line
        moment()
    if kept.after:
        text.append(f"{kept.after:,} later trades of this minute are not kept\n", "dim")
    if not kept.trades:
        text.append("no trades are kept of that minute\n", "dim")
    elif not kept.complete:
        text.append("the minute after has not passed yet\n", "dim")
    return text, at


class EvidenceScreen(Dialog[None]):
    """`look` gives what is kept; `seek` goes to a time (ns) of the recording that plays, None live."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "close", "Close", show=False),
        Binding("j,down", "line(1)", "Down", show=False),
        Binding("k,up", "line(-1)", "Up", show=False),
        Binding("g", "go", "Go there", show=False),
    ]

    def __init__(self, look: Callable[[], EvidenceView | None], seek: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self._look = look
        self._seek = seek
        self._told = False
        self._at: int | None = None  # the line of the moment, once it was shown

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -full", can_focus=False) as box:
            box.border_title = "What the alert was about"
            box.border_subtitle = "↑ ↓ scroll · " + ("g plays that moment · " if self._seek else "") + "Esc closes"
            yield Static("", id="facts", markup=False)
            with VerticalScroll(id="moment"):
                yield Static("", id="trades", markup=False)

    def on_mount(self) -> None:
        """Once now, and every second until the minute after has passed."""
        self._show()
        self.set_interval(1.0, self._show)

    def _show(self) -> None:
        if self._told:
            return
        kept = self._look()
        if kept is None:
            self._told = True
            self.query_one("#facts", Static).update("Nothing is kept of this alert any more.")
            return
        self._told = kept.complete
        self.query_one("#facts", Static).update(evidence_text(kept))
        trades, at = trades_text(kept)
        self.query_one("#trades", Static).update(trades)
        if self._at is None:
            self._at = at
            self.call_after_refresh(self._to_the_moment)

    def _to_the_moment(self) -> None:
        moment = self.query_one("#moment", VerticalScroll)
        moment.scroll_to(y=max(0, (self._at or 0) - moment.size.height // 2), animate=False)

    def action_line(self, step: int) -> None:
        """One line of trades."""
        self.query_one("#moment", VerticalScroll).scroll_relative(y=step, animate=False)

    def action_go(self) -> None:
        """Play the recording from some seconds before."""
        kept = self._look()
        if self._seek is not None and kept is not None:
            self._seek(kept.fired.t - _BEFORE_NS)
            self.dismiss(None)
