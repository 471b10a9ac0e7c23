"""What the price did after trades: markouts by side and size, and how impact grows with size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import Floats, Quotes, Trades
from engine.metrics.markout import moved_bps
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.response import Responses, by_side, by_size, mean_response, responses, size_deciles
from engine.study.table import Cell, Table
from engine.tape import Ints

HORIZONS_S: Final = (0.1, 1, 2, 5, 10, 30, 60)
#: A run of takers ends with a trade of the other side, or a pause longer than this (ns).
PAUSE: Final = 1_000_000_000
#: Its impact is read so long after its last trade (ns): books that come every 100 ms must have shown it.
SETTLED: Final = 200_000_000
GROUPS: Final = (10, 20)
FEWEST_GROUPS: Final = 5


def markout_tables(instrument: Instrument, trades: Trades, quotes: Quotes, end: int) -> list[Table]:
    """Mean markouts by taker side and by size decile."""
    horizons = np.array([round(h * 1e9) for h in HORIZONS_S], np.int64)
    found = responses(trades, quotes, horizons, end)
    names = tuple(f"{h:g} s" for h in HORIZONS_S)
    return [_by_side(found, names), _by_decile(instrument, found, names)]


def _by_side(found: Responses, names: tuple[str, ...]) -> Table:
    side = found.trades.side
    buys, sells = by_side(found)
    together = mean_response(found.markouts[side != 0])
    rows: list[tuple[Cell, ...]] = [
        (name, int(wanted.sum()), *group.mean.tolist())
        for name, wanted, group in (
            ("buys", side > 0, buys),
            ("sells", side < 0, sells),
            ("all", side != 0, together),
        )
    ]
    rows.append(("all: standard error", None, *together.error.tolist()))
    rows.append(("all: fills known", None, *together.n.tolist()))
    return Table(
        "markouts_by_side",
        "Markouts: mean move of the mid in the taker's direction after a fill, bps",
        ("taker", "fills", *names),
        tuple(rows),
        "Per fill, unweighted; positive: the price went on the taker's way. Fills of one sweep share one outcome, so "
        "standard errors read far too small; a trend of the span shows as buys and sells of opposite sign. "
        "Descriptive.",
    )


def _by_decile(instrument: Instrument, found: Responses, names: tuple[str, ...]) -> Table:
    qty = found.trades.qty
    decile = size_deciles(qty)
    rows: list[tuple[Cell, ...]] = []
    for i, group in enumerate(by_size(found)):
        inside = qty[decile == i]
        largest = instrument.amount(int(inside.max())) if len(inside) else None
        rows.append((i + 1, largest, len(inside), *group.mean.tolist()))
    return Table(
        "markouts_by_size",
        "Markouts by size of the fill, bps",
        ("decile", f"up to, {instrument.unit or 'units'}", "fills", *names),
        tuple(rows),
        "Equal sizes share the lowest of their deciles, so deciles of round sizes are uneven or empty. A fill is not "
        "an order: one large taker order is many fills of whatever size rested.",
    )


# ---- how impact grows with size


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """impact = exp(intercept) size^delta through `groups` points, ordinary least squares of the logs."""

    delta: float
    error: float  # standard error of delta; NaN when the points lie on a line by construction
    intercept: float
    r2: float
    groups: int


def fit_power_law(size: Floats, impact: Floats) -> PowerLaw | None:
    """Through points of shape (n,); those not above 0 have no log and are left out. None below FEWEST_GROUPS points,
    or when all sizes are one."""
    use = (size > 0) & (impact > 0)
    if int(use.sum()) < FEWEST_GROUPS:
        return None
    x, y = np.log(size[use]), np.log(impact[use])
    n, dx, dy = len(x), x - x.mean(), y - y.mean()
    sxx, sxy, syy = float(dx @ dx), float(dx @ dy), float(dy @ dy)
    if sxx <= 0:
        return None
    delta = sxy / sxx
    rest = max(0.0, syy - delta * sxy)
    r2 = 1 - rest / syy if syy > 0 else math.nan
    return PowerLaw(delta, math.sqrt(rest / (n - 2) / sxx), float(y.mean() - delta * x.mean()), r2, n)


def taker_runs(trades: Trades, quotes: Quotes, end: int) -> tuple[Ints, Floats]:
    """(lots, impact in bps) of the runs of one taker side that met a mid and had one of the same epoch after it.

    Impact: side x (mid `SETTLED` after the last trade - mid that the first trade met) / the latter.
    """
    none = np.empty(0, np.int64), np.empty(0)
    if not len(trades):
        return none
    side, t = trades.side, trades.t
    fresh = np.concatenate(([True], (side[1:] != side[:-1]) | (np.diff(t) > PAUSE)))
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(t)) - 1
    lots = np.add.reduceat(trades.qty, first)
    mids = PrevailingMid().extend(quotes)
    before, due = mids.met(trades.seq[first]), t[last] + SETTLED
    after = mids.at(due)
    then, now = mids.twice[before], mids.twice[after]
    use = (side[first] != 0) & (then > 0) & (now > 0) & (mids.epoch[before] == mids.epoch[after]) & (due <= end)
    return lots[use], moved_bps(side[first][use], then[use], now[use])


def square_root_table(instrument: Instrument, trades: Trades, quotes: Quotes, end: int) -> Table:
    """The exponent of impact in size, of runs as proxies of metaorders, by how finely they are grouped."""
    lots, impact = taker_runs(trades, quotes, end)
    rows = tuple(_law_cells(instrument.amounts(lots), impact, size_deciles(lots, n)) for n in GROUPS)
    unit = instrument.unit or "units"
    return Table(
        "square_root",
        "Impact against size: ln(mean impact) = a + delta ln(mean size), over groups of runs of one taker side",
        ("runs", "groups", "fitted", "delta", "std. error", "R2", f"least, {unit}", f"most, {unit}", "least, bps",
         "most, bps"),
        rows,
        "Groups of nearly equal numbers by size; those whose mean impact is not above 0 have no log and are left out, "
        "which bends delta. A run is consecutive fills of one side with pauses of at "
        f"most {PAUSE // 10**9} s; its impact is the mid's move from before its first fill to {SETTLED / 1e9:g} s "
        "after its last. Public data does not tell takers apart: a run is no metaorder, may mix several takers or cut "
        "one apart, and ends where others answer, so delta is no test of the square-root law (0.5). The error counts "
        "groups as independent.",
    )  # fmt: skip


def _law_cells(size: Floats, impact: Floats, group: Ints) -> tuple[Cell, ...]:
    found = [group == g for g in np.unique(group).tolist()]
    sizes = np.array([size[inside].mean() for inside in found])
    means = np.array([impact[inside].mean() for inside in found])
    fit = fit_power_law(sizes, means)
    shown: tuple[Cell, ...] = (None,) * 4 if fit is None else (fit.groups, fit.delta, fit.error, fit.r2)
    edges: tuple[Cell, ...] = (None,) * 4
    if len(found):
        edges = (float(sizes.min()), float(sizes.max()), float(means.min()), float(means.max()))
    return (len(size), len(found), *shown, *edges)
