"""Price moves per money traded, bar by bar: Amihud's illiquidity and Hasbrouck's impact coefficient.

Amihud, Journal of Financial Markets 5(1):31-56, 2002: the mean of |r| / N over bars that traded. It has no sign
and is no lambda. Hasbrouck, Journal of Finance 64(3):1445-1477, 2009: least squares without intercept of the
log return of the mid on the sum of s sqrt(n) of the bar's trades, s the taker's side and n its notional.
METRICS 1.9.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.instrument import Instrument
from engine.metrics.bar_store import BarStore, Table
from engine.metrics.bars import Bars
from engine.metrics.batch import Batch, Bools, Floats, Trades
from engine.metrics.calculator import State
from engine.metrics.kyle import FEWEST_BARS, aligned, check_bars
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Exact, check_state, exact_product
from engine.tape import Ints

#: Square roots of notionals are summed in ints of so many binary places, so that sums do not depend on cuts.
_PLACES: Final = 28
_WIDE: Final = 2.0**62
#: bps per 1M quote, and bps per square root of 1M quote.
_PER_MILLION: Final = 10_000 * 1_000_000
_PER_ROOT_MILLION: Final = 10_000 * 1_000


def money(instrument: Instrument, trades: Trades) -> Exact:
    """Worth of each trade in `money_unit`s: ticks x lots, or lots of an inverse contract."""
    if instrument.kind == "inverse" or not len(trades):
        return trades.qty
    largest = int(trades.qty.max()) * max(int(trades.px.max()), -int(trades.px.min()))
    return exact_product(largest, trades.px, trades.qty)


def money_unit(instrument: Instrument) -> Fraction:
    """Quote units of one unit of `money`."""
    amount = Fraction(instrument.lot) * Fraction(instrument.contract)
    return amount if instrument.kind == "inverse" else amount * Fraction(instrument.tick)


class Amihud:
    """Mean of |last price / last price before - 1| over the bar's notional, of the bars of the last K that traded.

    Prices are those of trades, so a tape without a book has it too.
    """

    def __init__(self, instrument: Instrument, bar: int, count: int) -> None:
        self._instrument = instrument
        self._unit = float(money_unit(instrument))
        self._bars = BarStore(bar, count, 1, 1, (np.float64,), _ratios)

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        worth = money(self._instrument, trades)
        self._bars.update(trades.t, trades.px[None, :], trades.t, (worth,), batch.end)

    def sample(self, field: str, times: Ints) -> Floats:
        return self._bars.values(times, self._mean)

    def _mean(self, table: Table) -> float:
        ratios = table[1]
        return math.fsum(ratios.tolist()) / len(ratios) / self._unit * _PER_MILLION if len(ratios) else math.nan

    def advance(self, t: int) -> None:
        self._bars.forget(t)

    def state(self) -> State:
        return {"kind": "amihud", "version": 1, "bars": self._bars.state()}

    def restore(self, state: State) -> None:
        check_state(state, "amihud", 1)
        self._bars.restore(state["bars"])


def _ratios(bars: Bars) -> tuple[Bools, tuple[NDArray[Any], ...]]:
    """|return| per unit of money of the bars that traded and began with a price above 0."""
    begun, ended, worth = bars.before[0], bars.after[0], bars.flows[0]
    counts: Bools = (begun > 0) & (ended > 0) & (worth > 0)
    begun, ended = begun[counts], ended[counts]
    return counts, (np.abs(ended - begun) / begun / worth[counts].astype(np.float64),)


class Hasbrouck:
    """Sum of S r over sum of S^2, over the bars of the last K that count; S in square roots of money units."""

    def __init__(self, instrument: Instrument, bar: int, count: int) -> None:
        self._instrument = instrument
        self._unit = math.sqrt(money_unit(instrument))
        self._mid = PrevailingMid()
        self._bars = BarStore(bar, count, 2, 1, (np.float64, np.float64), _returns)

    def update(self, batch: Batch) -> None:
        mids, trades = self._mid.extend(batch.quotes), batch.trades
        self._bars.update(mids.t[1:], mids.fresh, trades.t, (self._signed_roots(trades),), batch.end)

    def _signed_roots(self, trades: Trades) -> Exact:
        """s sqrt(notional) in fixed point, 0 where the price is not above 0."""
        worth = trades.qty.astype(np.float64)
        if self._instrument.kind != "inverse":
            worth = worth * np.maximum(trades.px, 0)
        fixed = np.rint(np.ldexp(np.sqrt(worth), _PLACES)) * trades.side
        if not len(fixed) or float(np.abs(fixed).max()) < _WIDE:
            return fixed.astype(np.int64)
        wide: Exact = np.array([int(v) for v in fixed.tolist()], object)
        return wide

    def sample(self, field: str, times: Ints) -> Floats:
        return self._bars.values(times, self._slope)

    def _slope(self, table: Table) -> float:
        _, flow, change = table
        squares = math.fsum((flow * flow).tolist())
        if len(flow) < FEWEST_BARS or not squares:
            return math.nan
        return math.fsum((flow * change).tolist()) / squares / self._unit * _PER_ROOT_MILLION

    def advance(self, t: int) -> None:
        self._bars.forget(t)

    def state(self) -> State:
        return {"kind": "hasbrouck", "version": 1, "mid": self._mid.state(), "bars": self._bars.state()}

    def restore(self, state: State) -> None:
        check_state(state, "hasbrouck", 1)
        self._mid.restore(state["mid"])
        self._bars.restore(state["bars"])


def _returns(bars: Bars) -> tuple[Bools, tuple[NDArray[Any], ...]]:
    """Signed root volume and log return of the bars with a mid of one epoch at both ends."""
    counts, (flow, change, ended) = aligned(bars)
    relative = (change / (ended - change)).tolist()
    returns = np.array([math.log1p(r) for r in relative], np.float64)  # not numpy's, which may differ by array length
    return counts, (np.ldexp(flow.astype(np.float64), -_PLACES), returns)


def _bind_amihud(bar: int, count: int) -> Bound:
    check_bars(count)

    def make(context: Context) -> Amihud:
        return Amihud(context.instrument, bar, count)

    return Bound(share=("amihud", bar, count), make=make, field="", needs_trades=True)


def _bind_hasbrouck(bar: int, count: int) -> Bound:
    check_bars(count, FEWEST_BARS)

    def make(context: Context) -> Hasbrouck:
        return Hasbrouck(context.instrument, bar, count)

    return Bound(share=("hasbrouck", bar, count), make=make, field="", needs_book=True, needs_trades=True)


_BAR = Param("bar", "window", "1m", "length of a bar")

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="amihud",
        params=(_BAR, Param("K", "count", "60", "number of bars")),
        unit="bps",
        meaning="Amihud's illiquidity: mean over the bars that traded of |return| per 1M quote traded; unsigned, "
        "from trade prices",
        warmup="from the second bar with a trade on; covers K bars only after K bars",
        bind=_bind_amihud,
        group="cost",
    ),
    MetricSpec(
        name="hasbrouck",
        params=(_BAR, Param("K", "count", "60", "number of bars, at least 30")),
        unit="bps",
        meaning="Hasbrouck's impact coefficient in bps per square root of 1M quote: log return of the mid on the sum "
        "of side x sqrt(notional) of the same bar, no intercept, over the last K bars",
        warmup="from 30 bars on; bars without a mid at both ends, or with a new snapshot inside, are left out",
        bind=_bind_hasbrouck,
        group="cost",
    ),
)
