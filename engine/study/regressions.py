"""Order flow imbalance against trade imbalance: which explains the mid's changes, and which knows the next one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.instrument import Instrument
from engine.metrics.bars import BarCutter, Bars
from engine.metrics.batch import Quotes, Trades
from engine.metrics.kyle import FEWEST_BARS, fit_line
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.queue_flow import QueueFlow
from engine.study.table import Cell, Table
from engine.tape import Ints

#: Lengths of the bars, s.
BARS_S: Final = (1, 10)
_SECOND: Final = 1_000_000_000
_SILENCE: Final = 300  # bars of a book that says nothing


def regression_table(instrument: Instrument, trades: Trades, quotes: Quotes, end: int) -> Table:
    """Ordinary least squares of the mid's change of a bar, and of the bar after it, on the flow of the bar.

    Both flows stand on the same bars: those with a mid at both ends and no new epoch inside.
    """
    amount = Fraction(instrument.lot) * Fraction(instrument.contract)
    unit = Fraction(instrument.tick) / 2 / amount
    rows: list[tuple[Cell, ...]] = []
    for length in BARS_S:
        ends, ofi, signed, change = bar_flows(trades, quotes, end, length * _SECOND)
        follows = np.flatnonzero(np.diff(ends) == length * _SECOND)
        for name, flow in (("OFI, best level", ofi), ("trade imbalance", signed)):
            rows.append((f"{length} s", name, "same bar", *_fitted(flow, change, unit)))
            rows.append((f"{length} s", name, "next bar", *_fitted(flow[follows], change[follows + 1], unit)))
    money = f"{instrument.quote or 'price'} per {instrument.unit or 'unit'}"
    return Table(
        "regressions",
        "Change of the mid on order flow imbalance, and on trade imbalance (signed taker volume)",
        ("bar", "flow", "change of", f"beta, {money}", "R2", "t", "bars"),
        tuple(rows),
        "Same bar is contemporaneous: price-moving messages are part of OFI, so its R2 explains and does not forecast; "
        f"next bar is the predictive one, in sample. A fit needs {FEWEST_BARS} bars; t assumes independent errors of "
        "one size, so it reads too large. One market, one span: no claim beyond it.",
    )


def bar_flows(trades: Trades, quotes: Quotes, end: int, bar: int) -> tuple[Ints, Any, Any, Ints]:
    """(ends, OFI in lots, signed volume in lots, change of the mid in half-ticks) of the bars that count."""
    mids = PrevailingMid().extend(quotes)
    times, flow = QueueFlow(1).of_touch(quotes)
    none = np.empty(0, np.int64)
    found = [
        _cut(mids.t[1:], mids.fresh, t, (x,), end, bar)
        for t, x in ((times, flow[:, 0]), (trades.t, trades.qty * trades.side))
    ]
    if found[0] is None or found[1] is None:
        return none, none, none, none
    _, first, second = np.intersect1d(found[0].end, found[1].end, return_indices=True)
    (begun, old), (ended, new) = found[0].before[:, first], found[0].after[:, first]
    counts = (begun > 0) & (ended > 0) & (old == new)
    return (
        found[0].end[first][counts],
        found[0].flows[0][first][counts],
        found[1].flows[0][second][counts],
        (ended - begun)[counts],
    )


def _cut(level_t: Ints, levels: Ints, flow_t: Ints, flows: Sequence[Any], end: int, bar: int) -> Bars | None:
    """All whole bars; the first one may have begun before the recording, so it is left out."""
    bars = BarCutter(bar, 2, 1, _SILENCE).cut(level_t, levels, flow_t, flows, end)
    if bars is None or not len(bars):
        return None
    return Bars(bars.end[1:], bars.before[:, 1:], bars.after[:, 1:], tuple(flow[1:] for flow in bars.flows))


def _fitted(x: NDArray[Any], y: NDArray[Any], unit: Fraction) -> tuple[Cell, ...]:
    fit = fit_line(x, y)
    if fit is None:
        return (None, None, None, len(x))
    return (float(fit.slope * unit), fit.r2, fit.t, len(x))
