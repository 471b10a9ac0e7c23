"""Who leans on the market: imbalance of the resting book, of the trades, and of the order flow at the touch.

Each bar grows from the centre: right (and +) for bids and buys, left (and −) for asks and sells.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

from engine.view import EngineView, MarketView
from tui.panels import format as fmt
from tui.panels.base import TRUSTED, Role, RowPanel, Runs, fit
from tui.panels.glyphs import Glyphs

#: OFI is unbounded, in mean best queues: the bar shows x / (HALF + |x|), half full at this many.
HALF_QUEUES = 5.0
LABEL, VALUE = 10, 7


class Gauge(NamedTuple):
    """One bar: what it shows, and which channel it stands on."""

    metric: str
    label: str
    channel: Literal["book", "trades"]
    queues: bool = False  # unbounded, in mean best queues
    rank: int = 0  # where rows are few, the highest ranks go first


FLOW, OFI = "60s", "10s"  # how far back trades and order flow look by default

_BOOK = (
    Gauge("imbalance(1)", "best", "book", rank=1),
    Gauge("imbalance(5)", "5 levels", "book"),
    Gauge("imbalance(10)", "10 levels", "book", rank=4),
    Gauge("imbalance(20)", "20 levels", "book", rank=2),
    Gauge("imbalance(5bps)", "5 bps", "book", rank=3),
    Gauge("imbalance(10bps)", "10 bps", "book", rank=1),
    Gauge("imbalance(25bps)", "25 bps", "book", rank=5),
)


def gauges(flow: str = FLOW, ofi: str = OFI) -> tuple[Gauge, ...]:
    """All bars, those of trades and order flow over a short window and over the user's own."""
    every = (
        *_BOOK,
        Gauge("ti(10s)", "trade 10s", "trades"),
        Gauge(f"ti({flow})", f"trade {flow}", "trades", rank=1),
        Gauge("ofi(1s)", "OFI 1s", "book", queues=True, rank=2),
        Gauge(f"ofi({ofi})", f"OFI {ofi}", "book", queues=True),
    )
    return tuple({gauge.metric: gauge for gauge in every}.values())


GAUGES = gauges()
METRICS = tuple(gauge.metric for gauge in GAUGES)


class BarRow(NamedTuple):
    """Key of one gauge."""

    label: str
    halves: int  # signed half cells from the centre
    value: str
    trades: bool  # colours of taker sides instead of resting ones
    stale: bool


def chosen(height: int, every: Sequence[Gauge] = GAUGES) -> list[Gauge]:
    """The gauges for so many rows, in their order."""
    least = sorted(range(len(every)), key=lambda index: (every[index].rank, index))[: max(0, height)]
    return [every[index] for index in sorted(least)]


def arm(width: int) -> int:
    """Cells of a bar on either side of the centre."""
    return max(0, (width - LABEL - VALUE - 3) // 2)


def imbalance_rows(view: MarketView, width: int, height: int, every: Sequence[Gauge] = GAUGES) -> list[BarRow]:
    """Keys of the gauges that fit."""
    rows = []
    for gauge in chosen(height, every):
        value = view.metrics.get(gauge.metric)
        part = 0.0
        if value is not None and fmt.known(value):
            part = value / (HALF_QUEUES + abs(value)) if gauge.queues else max(-1.0, min(1.0, value))
        halves = fmt.bar_halves(abs(part), arm(width)) * (1 if part > 0 else -1)
        text = fmt.signed(value, VALUE) if gauge.queues else fmt.ratio(value, VALUE)
        stale = getattr(view, gauge.channel).state not in TRUSTED
        rows.append(BarRow(gauge.label, halves, text, gauge.channel == "trades", stale))
    return rows


def paint_bar(key: BarRow, width: int, glyphs: Glyphs) -> Runs:
    """label | left arm | centre | right arm | value; the bar alone is coloured."""
    cells = arm(width)
    positive: Role = "buy" if key.trades else "bid"
    negative: Role = "sell" if key.trades else "ask"
    plain: Role = "stale" if key.stale else "text"
    whole, half = divmod(abs(key.halves), 2)
    filled = whole + half
    label = fmt.left(" " + key.label, LABEL + 1)
    if key.halves >= 0:
        bar = glyphs.full * whole + glyphs.half_left * half
        return (
            (plain, label + " " * cells + glyphs.centre),
            ("stale" if key.stale else positive, bar),
            (plain, " " * (cells - filled) + " " + key.value),
        )
    bar = glyphs.half_right * half + glyphs.full * whole
    return (
        (plain, label + " " * (cells - filled)),
        ("stale" if key.stale else negative, bar),
        (plain, glyphs.centre + " " * cells + " " + key.value),
    )


def scale_row(width: int, glyphs: Glyphs) -> Runs:
    """Which way is which."""
    cells = arm(width)
    if cells < 6:
        return ()
    text = " " * (LABEL + 1) + fmt.left(f"{glyphs.minus}1 asks", cells) + glyphs.centre
    return (("dim", text + fmt.right("bids +1", cells)),)


class Imbalance(RowPanel):
    """Bars of book, trade and order-flow imbalance."""

    TITLE = "IMBALANCE"
    HZ = 5.0

    def __init__(self, *, id: str | None = None, classes: str | None = None, flow: str = FLOW, ofi: str = OFI) -> None:
        super().__init__(id=id, classes=classes)
        self._gauges = gauges(flow, ofi)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Keys of all gauges."""
        return tuple(gauge.metric for gauge in self._gauges)

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """Which channel is not to be trusted: its rows are dim."""
        bad = [name for name in ("book", "trades") if getattr(view, name).state not in TRUSTED]
        return (("alert", " ".join(f"{name} {getattr(view, name).state}" for name in bad)),) if bad else ()

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """Whether any of the values is known."""
        if any(fmt.known(view.metrics.get(key)) for key in self.metrics):
            return None
        reason = fmt.foreign(view.book.reason)
        return "no data yet: waiting for the book and the first trades" + (f" ({reason})" if reason else "")

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """A row of directions where there is room, then the gauges."""
        head: list[Hashable] = [fit(scale_row(width, self._glyphs), width)] if height > len(self._gauges) else []
        return head + list(imbalance_rows(view, width, height - len(head), self._gauges))

    def paint(self, key: Hashable, width: int) -> Runs:
        """A gauge, or runs."""
        return paint_bar(key, width, self._glyphs) if isinstance(key, BarRow) else super().paint(key, width)
