"""Where volume traded, since the session or an anchor began: a histogram by price, control point, value area, nodes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.instant import instant_text
from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs
from tui.panels.lines import Line, block, keys_of, no_data

if TYPE_CHECKING:
    from engine.detail_view import HistogramView
    from engine.view import EngineView, MarketView
    from tui.panels.glyphs import Glyphs

#: The present 5 minutes against the same time of other days, then the nodes nearest to the price.
LINES: tuple[Line, ...] = (
    Line("rel. volume", ("rvol",), "number", "x usual", "5 minutes so far, this time of day"),
    Line("volume", ("volume_z",), "number", "z", "against this time of day"),
    Line("trades", ("trades_z",), "number", "z", "against this time of day"),
    Line("spread", ("spread_z",), "number", "z", "against this time of day"),
    Line("depth b, a", ("depth_z(bid)", "depth_z(ask)"), "number", "z", "10 bps, this time of day"),
    Line("busy day", ("busy_day",), "number", "x usual", "median of today's 5 minutes"),
    Line("HVN near", ("hvn",), "price", "", "of rows of 10 ticks"),
    Line("LVN near", ("lvn",), "price", "", "of rows of 10 ticks"),
)
METRICS = keys_of(LINES)
_NODES = {1: "H", -1: "L", 0: " "}
SIZE = 7


def histogram_rows(view: MarketView, shown: HistogramView, width: int, glyphs: Glyphs) -> list[Runs]:
    """One row a price: price, node, bar, volume. The value area is bright, the row of the last trade marked."""
    instrument = view.instrument
    prices = [instrument.price_text(row.px) for row in shown.rows]
    wide = max((len(text) for text in prices), default=0)
    most = max((row.volume for row in shown.rows), default=0.0)
    last = view.tape[0].px if view.tape else None
    room = max(0, width - wide - SIZE - 5)
    rows: list[Runs] = []
    for row, price in zip(shown.rows, prices, strict=True):
        here = last is not None and row.px <= last < row.px + shown.width
        control = row.px <= shown.poc < row.px + shown.width
        inside = row.px + shown.width > shown.val and row.px <= shown.vah
        bar = fmt.bar(row.volume / most if most > 0 else 0.0, room, glyphs)
        role: Role = "large" if control else "mid" if here else "text" if inside else "dim"
        mark = glyphs.best_ask if here else glyphs.poc if control else " "
        size = fmt.size(row.volume, SIZE) if row.volume else " " * SIZE
        rows.append(((role, f"{mark}{fmt.right(price, wide)} {_NODES[row.node]} {bar}{size} "),))
    return rows


def legend(view: MarketView, shown: HistogramView, glyphs: Glyphs) -> Runs:
    """What the marks mean, and the value area in numbers."""
    instrument = view.instrument
    poc, low, high = (instrument.price_text(px) for px in (shown.poc, shown.val, shown.vah))
    return (("dim", f" {glyphs.poc} POC {poc} VA {low}-{high}"),)


def anchored_lines(anchor: int | None) -> tuple[Line, ...]:
    """What else counts from an anchor (ns)."""
    if anchor is None:
        return ()
    since = instant_text(anchor)
    return (
        Line("VWAP since", (f"vwap({since})",), "price", "", "the anchor"),
        Line("delta since", (f"cvd({since})",), "signed"),
    )


def lines_in(height: int, anchor: int | None = None) -> tuple[Line, ...]:
    """The lines below a histogram when there are so many rows for both: at most a half of them are lines."""
    return (*anchored_lines(anchor), *LINES)[: max(0, (height - 1) // 2)]


class Profile(RowPanel):
    """Session profile around the price. `anchor_of` a market: where the user wants it to begin (ns), if anywhere."""

    TITLE = "PROFILE"
    CHANNEL = "trades"
    HZ = 1.0
    METRICS = METRICS

    def __init__(self, *, id: str | None = None, anchor_of: Callable[[str], int | None] = lambda _: None) -> None:
        super().__init__(id=id)
        self._anchor_of = anchor_of

    @property
    def begins(self) -> int | None:
        """Where it begins in the market that is shown, ns; None: with the session."""
        return None if self.view is None else self._anchor_of(self.view.instrument.market)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metric keys the panel needs now."""
        return (*keys_of(anchored_lines(self.begins)), *self.METRICS)

    def request_for(self, market: str) -> Mapping[str, Any]:
        """As many prices as there are rows between the header and the legend, from the market's anchor on."""
        room, anchor = self.size.height - 1, self._anchor_of(market)
        return {"histogram_rows": max(1, room - 1 - len(lines_in(room, anchor))), "anchor": anchor}

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """What a row holds."""
        since = "session" if self.begins is None else f"since {fmt.clock(self.begins)}"
        if view.histogram is None:
            return (("dim", f"{since}, volume by price"),)
        unit = fmt.foreign(view.instrument.unit, 8)
        step = view.histogram.width * float(view.instrument.tick)
        return (("dim", f"{since}, {unit} a row of {fmt.size(step, 8).strip()}; H L nodes"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """Before the first trade of the session there is none."""
        text = no_data(view, "trades", "trades")
        return text or (
            None
            if view.histogram is not None
            else "no data yet: waiting for the first trade of the session or since the anchor"
        )

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """The histogram, then its numbers."""
        if view.histogram is None:
            return []
        rows = histogram_rows(view, view.histogram, width, self._glyphs)
        tail = [legend(view, view.histogram, self._glyphs), *block(view, lines_in(height, self.begins), self._glyphs)]
        return [*rows[: max(0, height - len(tail))], *tail][:height]
