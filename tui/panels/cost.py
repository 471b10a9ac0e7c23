"""What market orders of several sizes would pay, fees included, and what flow does to the price."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

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
#: What tells whether the square-root law was seen for such an order, and its share of a day's volume.
SHARES = {
    f"impact_sqrt({order})": (f"impact_share({order})", f"impact_seen({order})") for order in ("adv/1000", "adv/100")
}
#: What resting is reckoned with, as the engine does: what the mid does to one who was filled, and to one who was not.
ADVERSE, DRIFT = "markout(5s,5m)", "markout(60s,5m)"
METRICS = (*keys_of(LINES), *(key for keys in SHARES.values() for key in keys))
SIZE, CELL, NAME = 6, 7, 20
#: The size at which markets are compared, and how many are shown.
COMPARED, MOST_MARKETS = 1e5, 6
_SIDES: tuple[Literal["buy", "sell"], ...] = ("buy", "sell")


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


def maker_runs(view: MarketView, glyphs: Glyphs) -> Runs:
    """What resting at the touch costs when it fills, and from which chance of filling it beats taking; else what is
    missing to know."""
    rows = [row for row in own_rows(view) if row.side == "buy" and row.filled_maker_bps is not None]
    if not rows:
        maker = view.instrument.maker_bps if view.fees is None else view.fees.maker_bps
        missing = "the maker fee" if maker is None else ADVERSE
        return (("dim", f" resting: unknown without {missing}"),)
    row = next((row for row in rows if row.all_in_bps is not None), rows[0])
    filled, taken = row.filled_maker_bps, row.all_in_bps
    if row.break_even_fill is not None:
        chance = f"better from p {fmt.percent(row.break_even_fill).strip()} on"
    elif taken is None:
        chance = "break-even unknown without the taker fee and depth"
    elif filled is not None and filled > taken:
        chance = "never better than taking"
    else:
        chance = f"break-even unknown without {DRIFT}"
    return (("text", f" resting {bps_text(filled, CELL).strip()} bps if filled, {chance}"),)


def own_rows(view: MarketView) -> list[CostRow]:
    """The costs on the market that is looked at."""
    return [row for row in view.costs if row.market == view.instrument.market]


def market_rows(view: MarketView, most: int, glyphs: Glyphs) -> list[Runs]:
    """All-in costs of one size on all markets of the base currency, the cheapest to buy on first; none without others.

    The market that is looked at is marked, and stays when there is no room for all."""
    at = [row for row in view.costs if row.notional == COMPARED]
    by_market = {row.market: {r.side: r for r in at if r.market == row.market} for row in at}
    if len(by_market) < 2 or most < 3:
        return []
    order = sorted(by_market.items(), key=lambda item: _rank(item[1].get("buy")))
    own = view.instrument.market
    if own in by_market and own not in [market for market, _ in order[: most - 1]]:
        order = [*order[: most - 2], (own, by_market[own])]
    rows: list[Runs] = [(("dim", fmt.left(f" all-in, {size_text(COMPARED)}", NAME) + f"{'buy':>10}{'sell':>10}"),)]
    for market, sides in order[: most - 1]:
        name = fmt.left(("*" if market == own else " ") + fmt.foreign(market, NAME - 1), NAME)
        cells = "".join(_ranked_cell(sides.get(side), glyphs) for side in _SIDES)
        rows.append((("text", name + cells),))
    return rows


def _rank(row: CostRow | None) -> float:
    return math.inf if row is None or row.rank is None else row.rank


def _ranked_cell(row: CostRow | None, glyphs: Glyphs) -> str:
    if row is None or row.all_in_bps is None:
        return fmt.right(glyphs.none, 10)
    return bps_text(row.all_in_bps, CELL) + fmt.left(f" #{row.rank}", 3)


def fee_runs(view: MarketView) -> Runs:
    """The user's tier and what the next one would save, or how to tell the fees."""
    fees, venue = view.fees, fmt.foreign(view.instrument.venue, 16)
    if fees is None and view.members:
        return (("dim", " fees unknown: those of each venue apply, a composite has none of its own"),)
    if fees is None:
        known = view.instrument.taker_bps is not None
        return (
            ("dim", f" fees {'as the venue lists them' if known else 'unknown'}; yours: flowtape config fees {venue}"),
        )
    tier = f" tier {fees.tier}/{fees.tiers}: maker {fees.maker_bps:g} taker {fees.taker_bps:g}"
    if fees.missing is None or fees.saving_made is None or fees.saving_taken is None:
        return (("text", tier + ", the highest"),)
    away = f"; next in {fmt.size(fees.missing).strip()}"
    if not fees.volume:
        return (("text", f"{tier}{away}"), ("dim", f"; set volume in [fees.{venue}] to see what it saves"))
    saved = " to ".join(fmt.size(saving).strip() for saving in (fees.saving_made, fees.saving_taken))
    return (("text", f"{tier}{away}"), ("dim", f", saves {saved} a month (all made to all taken)"))


def impact_lines(view: MarketView) -> tuple[Line | Heading, ...]:
    """The rows of impact; those of the square-root law say whether it was ever seen for such a share of a day."""
    return tuple(_told(view, line) if isinstance(line, Line) else line for line in LINES)


def _told(view: MarketView, line: Line) -> Line:
    share, seen = (view.metrics.get(key) for key in SHARES.get(line.metrics[0], ("", "")))
    if share is None or seen is None or not fmt.known(share):
        return line
    return line._replace(note=f"{share * 100:.3g} % of a day: {'law seen there' if seen else 'EXTRAPOLATED'}")


def cost_rows(view: MarketView, width: int, height: int, glyphs: Glyphs) -> list[Runs]:
    """The table, the other markets, resting and fees, then what flow did to the price."""
    sizes = shown_notionals(max(3, min(len(NOTIONALS), height - 6)))
    rows = table_rows(own_rows(view), sizes, glyphs)
    rows += market_rows(view, min(MOST_MARKETS + 1, height - len(rows) - 2), glyphs)
    rows += [maker_runs(view, glyphs), fee_runs(view)]
    return (rows + block(view, impact_lines(view), glyphs))[: max(0, height)]


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
        fee = next((row.taker_bps for row in own_rows(view) if row.taker_bps is not None), None)
        quote = fmt.foreign(view.instrument.quote, 6)
        text = "taker fee unknown" if fee is None else f"taker fee {fee:g} bps"
        return (("dim", f"bps, sizes in {quote}; {text}"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """See `no_data`."""
        return no_data(view, "book", "order book")

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `cost_rows`."""
        return cost_rows(view, width, height, self._glyphs)
