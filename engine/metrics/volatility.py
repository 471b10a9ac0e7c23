"""Realised volatility of the mid on the one-second grid. METRICS 1.10, 1.12.

    RV = sum r_i^2                                   Andersen, Bollerslev, Diebold & Labys, 2003
    BV = (pi/2) (n/(n-1)) sum |r_i| |r_{i-1}|        Barndorff-Nielsen & Shephard, JFEC 2(1):1-37, 2004

over the log returns of the mid that end in (t - W, t]. Volatilities are annualised, sqrt(RV / n * seconds of a
year), n the returns that are known: a second without a mid, and the returns that touch it, are left out of the
sum and of the time. Squares are summed in ints of 80 binary places, so that values do not depend on cuts and a
quiet window after a storm keeps its digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.metrics.seconds import SECOND, YEAR_S, OnSeconds, Returns, log_return
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints

#: Fewest known returns of a window; all of them in a shorter one.
FEWEST_RETURNS: Final = 30
LONGEST: Final = 7 * DAY
_PLACES: Final = 40  # binary places of each of the two halves of a square
_NEVER: Final = -(1 << 63)
_ROOM: Final = 64  # rows always kept: the longest return reaches 30 s back

#: Columns: second, its mid, and running totals of (count, high half, low half) of each kind of product.
_T, _MID = 0, 1
_ONE, _PAIR, _FIVE, _THIRTY = 2, 5, 8, 11


class _Totals:
    """Count and sum of the products of one kind over windows."""

    def __init__(self, rows: Columns, column: int, end: Ints, begin: Ints) -> None:
        held = [rows[column + i] for i in range(3)]
        count, high, low = (h[end] - h[begin] for h in held)
        self.count: Floats = count.astype(np.float64)
        self.sum: Floats = np.ldexp(high.astype(np.float64), -_PLACES) + np.ldexp(low.astype(np.float64), -2 * _PLACES)


class RealisedVolatility(OnSeconds):
    """All realised volatilities of a market. Fields are `name:window in ns`."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._returns = Returns()
        self._previous = math.nan  # |return| of the latest known second
        self._rows = Columns(*[np.int64] * 14)
        self._rows.append([_NEVER], *[[0]] * 13)  # holds the totals before the oldest retained second
        self._longest = 0

    # ---- OnSeconds

    def close(self, seconds: Ints, mids: Ints) -> None:
        ones = [abs(r) for r in self._returns.of(seconds, mids)]
        before = [self._previous, *ones[:-1]]
        self._previous = ones[-1]
        held = slice(max(1, len(self._rows) - _ROOM), None)
        past = dict(zip(self._rows[_T][held].tolist(), self._rows[_MID][held].tolist(), strict=True))
        past.update(zip(seconds.tolist(), mids.tolist(), strict=True))
        fives, thirties = [], []
        for t, mid in zip(seconds.tolist(), mids.tolist(), strict=True):
            fives.append(_return(past.get(t - 5 * SECOND), mid))
            thirties.append(_return(past.get(t - 30 * SECOND), mid) if t % (30 * SECOND) == 0 else math.nan)
        self._rows.append(
            seconds,
            mids,
            *self._totals(_ONE, [r * r for r in ones]),
            *self._totals(_PAIR, [r * b for r, b in zip(ones, before, strict=True)]),
            *self._totals(_FIVE, [r * r for r in fives]),
            *self._totals(_THIRTY, [r * r for r in thirties]),
        )

    def _totals(self, column: int, products: Sequence[float]) -> list[Ints]:
        """Running totals of the new rows, going on from the held ones; unknown products don't count."""
        x = np.array(products)
        known = ~np.isnan(x)
        scaled = np.ldexp(np.where(known, x, 0.0), _PLACES)
        high = np.floor(scaled)
        low = np.rint(np.ldexp(scaled - high, _PLACES))
        return [
            np.cumsum(terms.astype(np.int64)) + self._rows[column + i][-1] for i, terms in enumerate((known, high, low))
        ]

    def read(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        window = int(text)
        self._longest = max(self._longest, window)
        clock = self._rows[_T]

        def row(at: Ints) -> Ints:
            return np.maximum(clock.searchsorted(at, "right") - 1, 0)

        end = row(times)

        def totals(column: int, span: int) -> _Totals:
            return _Totals(self._rows, column, end, np.minimum(end, row(times - span)))

        ones = totals(_ONE, window)
        with np.errstate(divide="ignore", invalid="ignore"):
            values: Floats = _VALUES[name](ones, totals, window)
        values[~(ones.count >= min(FEWEST_RETURNS, window // SECOND)) | np.isinf(values)] = np.nan
        return values

    def mark(self) -> Any:
        return len(self._rows), self._returns.last, self._previous

    def rewind(self, mark: Any) -> None:
        rows, self._returns.last, self._previous = mark
        self._rows.retract(len(self._rows) - rows)

    # ---- Calculator

    def advance(self, t: int) -> None:
        oldest = int(self._rows[_T].searchsorted(t - self._longest, "right")) - 1
        self._rows.drop(min(oldest, len(self._rows) - _ROOM))

    def state(self) -> State:
        return {
            "kind": "volatility",
            "version": 1,
            "mids": self._mids.state(),
            "returns": self._returns.state(),
            "previous": self._previous,
            "rows": self._rows.state(),
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "volatility", 1)
        self._mids.restore(state["mids"])
        self._returns.restore(state["returns"])
        self._previous = state["previous"]
        self._rows.restore(state["rows"])
        self._longest = max(self._longest, state["longest"])


def _return(before: int | None, mid: int) -> float:
    if before is None:
        return math.nan
    return log_return(before, mid) if mid != before else 0.0


# ---- the metrics

_Read = Callable[[int, int], _Totals]


def _rv(ones: _Totals, totals: _Read, window: int) -> Floats:
    return np.sqrt(ones.sum / ones.count * YEAR_S)


def _rv_5s(ones: _Totals, totals: _Read, window: int) -> Floats:
    """Mean of the five grids of 5 s returns."""
    fives = totals(_FIVE, window)
    return np.sqrt(fives.sum / (5 * fives.count) * YEAR_S)


def _bipower_rate(totals: _Read, window: int) -> Floats:
    """BV per second. A product belongs to the window when both its returns do."""
    pairs = totals(_PAIR, window - SECOND)
    return math.pi / 2 * pairs.sum / pairs.count


def _bipower(ones: _Totals, totals: _Read, window: int) -> Floats:
    return np.sqrt(_bipower_rate(totals, window) * YEAR_S)


def _jump(ones: _Totals, totals: _Read, window: int) -> Floats:
    return np.maximum(0.0, 1 - _bipower_rate(totals, window) / (ones.sum / ones.count))


def _signature(ones: _Totals, totals: _Read, window: int) -> Floats:
    thirties = totals(_THIRTY, window)
    return (ones.sum / ones.count) / (thirties.sum / (30 * thirties.count))


_VALUES: dict[str, Callable[[_Totals, _Read, int], Floats]] = {
    "rv": _rv,
    "rv_5s": _rv_5s,
    "bipower": _bipower,
    "jump": _jump,
    "signature": _signature,
}


def whole_seconds(window: int, shortest: int, longest: int = LONGEST) -> None:
    """Raises ValueError unless a window (ns) is whole seconds, and from `shortest` to `longest` seconds / ns long."""
    if window % SECOND or not shortest * SECOND <= window <= longest:
        raise ValueError(f"the window must be whole seconds, from {shortest} s to {longest // DAY} days")


_WARMUP = (
    "from 30 known seconds on (all of a shorter window), covering what is known of W; null without a valid mid for long"
)


def _spec(name: str, default: str, shortest: int, unit: str, meaning: str) -> MetricSpec:
    def bind(window: int) -> Bound:
        whole_seconds(window, shortest)
        return Bound(share="volatility", make=RealisedVolatility, field=f"{name}:{window}", needs_book=True)

    return MetricSpec(name, (Param("W", "window", default, "window"),), unit, meaning, _WARMUP, bind, "volatility")


SPECS: tuple[MetricSpec, ...] = (
    _spec("rv", "5m", 2, "ratio", "realised volatility a year, from 1 s returns of the mid; 0.5 is 50 % a year"),
    _spec(
        "rv_5s",
        "5m",
        10,
        "ratio",
        "realised volatility a year from 5 s returns, mean over their five grids; the one to read while the "
        "signature is above 1.5",
    ),
    _spec("bipower", "5m", 3, "ratio", "volatility a year without its jumps: bipower variation of 1 s returns"),
    _spec("jump", "5m", 3, "ratio", "share of jumps in the realised variance: max(0, 1 - bipower / realised)"),
    _spec(
        "signature",
        "1h",
        60,
        "ratio",
        "variance from 1 s returns over variance from 30 s returns; above 1.5 the 1 s returns are mostly noise, far "
        "below 1 the price trends",
    ),
)
