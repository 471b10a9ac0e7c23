"""What market orders of several sizes would pay, fees included, and what flow does to the price."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.view import EngineView, MarketView
from tui.panels import format as fmt
from tui.panels.base import RowPanel, Runs
from tui.panels.glyphs import Glyphs
from tui.panels.lines import Heading, Line, block, bps_text, keys_of, no_data

if TYPE_CHECKING:
    from engine.metrics.cost_table import CostRow

#: Sizes of the table, quote units; a low panel leaves out the outer ones first.
NOTIONALS = (1e3, 1e4, 1e5, 5e5, 1e6, 5e6)
_LEAVE_OUT = (5e6, 1e3, 5e5)
LINES: tuple[Line | Heading, ...] = (
    Line("eff. spread", ("effective_spread(5m)",), "bps", "bps", "paid by takers, 5 min"),
    Line("realised", ("realised_spread(5s,5m)",), "bps", "bps", "kept by makers after 5 s"),
    Line("markout 1s", ("markout(1s,5m)",), "bps", "bps", "mid in the takers' direction"),
    Line("markout 60s", ("markout(60s,5m)",), "bps", "bps"),
    Line("Kyle", ("kyle_bps(10s,180)",), "bps", "bps/1M", "signed volume on price, 30 min"),
    Line("Kyle R2", ("kyle_r2(10s,180)",), "ratio", "of 1"),
    Line("Amihud", ("amihud(1m,60)",), "bps", "bps/1M", "unsigned, 1 h"),
    Line("Hasbrouck", ("hasbrouck(1m,60)",), "bps", "bps/rt1M"),
    Line("root 0.1%ADV", ("impact_sqrt(adv/1000)",), "bps", "bps", "peak of a worked order"),
    Line("root 1% ADV", ("impact_sqrt(adv/100)",), "bps", "bps", "law seen for 0.01-10 % of a day"),
)
METRICS = keys_of(LINES)
SIZE, CELL = 6, 7


def size_text(notional: float) -> str:
    """1k, 500k, 5M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if notional >= unit:
            return f"{notional / unit:g}{letter}"
    return f"{notional:g}"


def cost_cell(row: CostRow | None, glyphs: Glyphs) -> str:
    """Slip and all-in cost of one order; where the known book does not fill it, the least it would slip."""
    if row is None or row.slip_bps is None:
        return fmt.right(glyphs.none, CELL) * 2
    if row.fill_ratio < 1:
        return fmt.right(glyphs.at_least + bps_text(row.slip_bps, 6).strip(), CELL) + fmt.right(glyphs.none, CELL)
    return fmt.right(bps_text(row.slip_bps, CELL), CELL) + fmt.right(bps_text(row.all_in_bps, CELL), CELL)


def shown_notionals(rows: int) -> tuple[float, ...]:
    """The sizes that so many rows have room for."""
    gone = _LEAVE_OUT[: max(0, len(NOTIONALS) - rows)]
    return tuple(size for size in NOTIONALS if size not in gone)[: max(0, rows)]


def table_rows(costs: Sequence[CostRow], notionals: Sequence[float], glyphs: Glyphs) -> list[Runs]:
    """The table: a row a size, buying and selling, slip and all-in."""
    by_key = {(row.side, row.notional): row for row in costs}
    head = f" {'size':>{SIZE}}" + "".join(f"{name:>{CELL}}" for name in ("buy", "all-in", "sell", "all-in"))
    rows: list[Runs] = [(("dim", head),)]
    for size in notionals:
        cells = "".join(cost_cell(by_key.get((side, size)), glyphs) for side in ("buy", "sell"))
        rows.append((("text", f" {size_text(size):>{SIZE}}{cells}"),))
    return rows


def maker_runs(costs: Sequence[CostRow], glyphs: Glyphs) -> Runs:
    """What resting at the touch costs when it fills, and from which chance of filling it beats taking."""
    row = next((row for row in costs if row.side == "buy" and row.filled_maker_bps is not None), None)
    if row is None:
        return (("dim", " resting: unknown without maker fee and markout"),)
    chance = "" if row.break_even_fill is None else f", better from p {fmt.percent(row.break_even_fill).strip()} on"
    return (("text", f" resting {bps_text(row.filled_maker_bps, CELL).strip()} bps if filled{chance}"),)


def cost_rows(view: MarketView, width: int, height: int, glyphs: Glyphs) -> list[Runs]:
    """The table, then what flow did to the price."""
    sizes = shown_notionals(max(3, min(len(NOTIONALS), height - 6)))
    rows = [*table_rows(view.costs, sizes, glyphs), maker_runs(view.costs, glyphs)]
    return (rows + block(view, LINES, glyphs))[: max(0, height)]


class Cost(RowPanel):
    """Costs of orders now, and impact of late."""

    TITLE = "COST"
    CHANNEL = "book"
    HZ = 2.0
    METRICS = METRICS

    def request_fields(self) -> Mapping[str, tuple[float, ...]]:
        """The sizes of the table."""
        return {"notionals": NOTIONALS}

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """The unit, and the fee that is in it."""
        fee = next((row.taker_bps for row in view.costs if row.taker_bps is not None), None)
        quote = fmt.foreign(view.instrument.quote, 6)
        text = "taker fee unknown" if fee is None else f"taker fee {fee:g} bps"
        return (("dim", f"bps, sizes in {quote}; {text}"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """See `no_data`."""
        return no_data(view, "book", "order book")

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `cost_rows`."""
        return cost_rows(view, width, height, self._glyphs)
