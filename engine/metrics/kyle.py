"""Kyle's lambda: how far the mid moved per unit of signed volume in the same bar.

Ordinary least squares over K bars: change of the mid over the bar on the signed base volume inside it,

    dm_k = alpha + lambda x_k + e_k

Aligned on purpose: regressing the change before a trade on that trade gives about 0. It describes the bars it
saw; it does not say that the volume moved the price. Kyle, Econometrica 53(6):1315-1335, 1985. METRICS 1.9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.instrument import Instrument
from engine.metrics.bar_store import BarStore, Table
from engine.metrics.bars import Bars
from engine.metrics.batch import Batch, Bools, Floats
from engine.metrics.calculator import State
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import check_state
from engine.tape import Ints

FEWEST_BARS: Final = 30
MOST_BARS: Final = 10_000
_SAFE: Final = 1 << 62
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Fit:
    """A line through n bars, y in half-ticks on x in lots; from exact integer moments, rounded once each."""

    n: int
    slope: Fraction
    intercept: Fraction
    r2: float | None  # None: y did not move
    t: float | None  # of the slope; None: no residual, or y did not move


def fit_line(x: NDArray[Any], y: NDArray[Any]) -> Fit | None:
    """Least squares of y on x, ints of shape (n,). None when n < 30 or x does not vary."""
    n = len(x)
    if n < FEWEST_BARS:
        return None
    sx, sy, sxx, sxy, syy = _moments(x, y)
    dxx, dxy, dyy = n * sxx - sx * sx, n * sxy - sx * sy, n * syy - sy * sy
    if not dxx:
        return None
    slope = Fraction(dxy, dxx)
    rest = dxx * dyy - dxy * dxy  # residual sum of squares times n dxx
    return Fit(
        n,
        slope,
        (sy - slope * sx) / n,
        float(Fraction(dxy * dxy, dxx * dyy)) if dyy else None,
        math.copysign(math.sqrt(Fraction((n - 2) * dxy * dxy, rest)), dxy) if rest else None,
    )


def _moments(x: NDArray[Any], y: NDArray[Any]) -> tuple[int, ...]:
    """Sums of x, y, xx, xy, yy, exact."""
    largest = max(1, *(abs(int(edge)) for v in (x, y) for edge in (v.min(), v.max())))
    kind = np.int64 if len(x) * largest * largest < _SAFE else object
    x, y = x.astype(kind), y.astype(kind)
    return int(x.sum()), int(y.sum()), int(x @ x), int(x @ y), int(y @ y)


def aligned(bars: Bars) -> tuple[Bools, tuple[NDArray[Any], ...]]:
    """The bars with a mid of one epoch at both ends: their flow, change of the mid, and mid at the end.

    Levels: bid + ask in half-ticks (0: none), epoch. The mids are in half-ticks.
    """
    (begun, old), (ended, new) = bars.before, bars.after
    counts: Bools = (begun > 0) & (ended > 0) & (old == new)
    return counts, (bars.flows[0][counts], (ended - begun)[counts], ended[counts])


class Kyle:
    """The regression over the last K bars. Fields: `lambda`, `r2`, `t`, `bps` (per 1M quote), `n`.

    A bar counts when a mid was in force at both ends and no epoch began inside it.
    """

    def __init__(self, instrument: Instrument, bar: int, count: int) -> None:
        amount = Fraction(instrument.lot) * Fraction(instrument.contract)
        self._half_tick = Fraction(instrument.tick) / 2
        self._unit = self._half_tick / amount  # price per unit of amount, of one half-tick per lot
        self._inverse = instrument.kind == "inverse"
        self._mid = PrevailingMid()
        self._fits: dict[tuple[int, int] | None, Fit | None] = {}  # since the last update, by first and last bar
        self._bars = BarStore(bar, count, 2, 1, (object, np.int64, np.int64), aligned)

    def update(self, batch: Batch) -> None:
        mids, trades = self._mid.extend(batch.quotes), batch.trades
        self._fits.clear()
        self._bars.update(mids.t[1:], mids.fresh, trades.t, (trades.qty * trades.side,), batch.end)

    def sample(self, field: str, times: Ints) -> Floats:
        return self._bars.values(times, lambda table: self._value(field, table))

    def _value(self, field: str, table: Table) -> float:
        end, flow, change, mid = table
        if field == "n":
            return float(len(flow))
        window = (int(end[0]), int(end[-1])) if len(end) else None
        if window not in self._fits:
            self._fits[window] = fit_line(flow, change)
        fit = self._fits[window]
        if fit is None:
            return math.nan
        if field == "lambda":
            return float(fit.slope * self._unit)
        if field == "bps":
            price = int(mid[-1]) * self._half_tick
            amount = _MILLION if self._inverse else _MILLION / price
            return float(10_000 * fit.slope * self._unit * amount / price)
        value = {"r2": fit.r2, "t": fit.t}[field]
        return math.nan if value is None else value

    def advance(self, t: int) -> None:
        self._bars.forget(t)

    def state(self) -> State:
        return {"kind": "kyle", "version": 1, "mid": self._mid.state(), "bars": self._bars.state()}

    def restore(self, state: State) -> None:
        check_state(state, "kyle", 1)
        self._mid.restore(state["mid"])
        self._bars.restore(state["bars"])


def check_bars(count: int, fewest: int = 1) -> None:
    """Raises ValueError for a number of bars that no value can come of, or that costs too much."""
    if not fewest <= count <= MOST_BARS:
        raise ValueError(f"the number of bars must be from {fewest} to {MOST_BARS}, not {count}")


def _bind(field: str, bar: int, count: int) -> Bound:
    check_bars(count, FEWEST_BARS)
    return Bound(
        share=("kyle", bar, count),
        make=lambda context: Kyle(context.instrument, bar, count),
        field=field,
        needs_book=True,
        needs_trades=True,
    )


def _spec(name: str, field: str, unit: str, meaning: str) -> MetricSpec:
    params = (
        Param("bar", "window", "10s", "length of a bar"),
        Param("K", "count", "180", "number of bars, at least 30"),
    )
    warmup = "from 30 bars on; bars without a mid at both ends, or with a new snapshot inside, are left out"
    return MetricSpec(name, params, unit, meaning, warmup, lambda bar, count: _bind(field, bar, count), "cost")


SPECS: tuple[MetricSpec, ...] = (
    _spec(
        "kyle",
        "lambda",
        "price/base",
        "Kyle's lambda: change of the mid per base unit (inverse contracts: quote unit) of signed taker volume in "
        "the same bar, least squares over the last K bars",
    ),
    _spec("kyle_bps", "bps", "bps", "Kyle's lambda in bps of the mid per 1M quote of signed taker volume"),
    _spec(
        "kyle_r2",
        "r2",
        "ratio",
        "share of the variance of the mid's changes that the signed volume of the same bars explains, 0..1",
    ),
    _spec("kyle_t", "t", "t", "t statistic of Kyle's lambda"),
    _spec("kyle_n", "n", "count", "number of bars that Kyle's lambda stands on"),
)
