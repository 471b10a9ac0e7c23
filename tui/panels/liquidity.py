"""What rests near the mid, how hard it is used, and what comes and goes without trading."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from engine.view import EngineView, MarketView
from tui.panels.base import RowPanel, Runs
from tui.panels.glyphs import Glyphs
from tui.panels.lines import Heading, Line, block, keys_of, no_data

BAND, WINDOW = "10bps", "60s"


def sides(name: str, *arguments: str) -> tuple[str, str]:
    """The keys of a metric of both sides."""
    bid, ask = (f"{name}({','.join((side, *arguments))})" for side in ("bid", "ask"))
    return bid, ask


#: Most wanted first: a low panel shows the beginning.
LINES: tuple[Line | Heading, ...] = (
    Heading("within", ("bids", "asks")),
    Line("depth 10bps", sides("depth", BAND), "amount"),
    Line("fill 10bps", sides("capacity", BAND), "amount"),
    Line("turnover", (f"turnover({BAND},{WINDOW})",), "ratio", "x 60s"),
    Line("half-life", (f"liquidity_half_life({BAND},{WINDOW})",), "seconds", note="at the pace of 60 s"),
    Line("pulled 30s", sides("pulling", "30s", BAND), "amount", note="estimated"),
    Line("stacked 30s", sides("stacking", "30s", BAND), "amount", note="estimated"),
    Line("wall at", sides("wall", BAND), "number", "bps"),
    Line("wall size", sides("wall_size", BAND), "amount"),
    Line("absorbed 60s", sides("absorption", WINDOW), "amount", note="inferred"),
    Line("refilled 60s", sides("replenishment", WINDOW), "amount", note="inferred"),
    Line("confidence", sides("absorption_confidence", WINDOW), "share", "of 100%"),
    Line("resting mean", (f"resting({BAND},{WINDOW})",), "number", "quote"),
    Line("used 60s", sides("turnover_hit", BAND, WINDOW), "ratio", "x"),
    Line("cancelled", ("cancel_share(30s)",), "share", "of 100%", "of what left the touch, estimated"),
    Line("recovered in", ("resilience(10bps)",), "seconds", note="after the last depletion"),
)
METRICS = keys_of(LINES)


def liquidity_rows(view: MarketView, width: int, height: int, glyphs: Glyphs) -> list[Runs]:
    """As many lines as there is room for."""
    return block(view, LINES[: max(0, height)], glyphs)


class Liquidity(RowPanel):
    """Depth, use, pulling and stacking, walls, absorption."""

    TITLE = "LIQUIDITY"
    CHANNEL = "book"
    HZ = 2.0
    METRICS = METRICS

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """Over what."""
        return (("dim", f"within {BAND[:-3]} bps of the mid"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """See `no_data`."""
        return no_data(view, "book", "order book")

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `liquidity_rows`."""
        return liquidity_rows(view, width, height, self._glyphs)
