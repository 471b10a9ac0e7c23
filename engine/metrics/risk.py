"""Value at risk and expected shortfall of the price, live. METRICS 1.12.

Returns are log returns of the mid between instants k x h of the clock (anchored at the Unix epoch), so they never
overlap: with a horizon h and a look-back W there are W / h of them, and no root-of-time scaling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import numpy as np

from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.metrics.seconds import SECOND, OnSeconds, log_return
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.tail import METHODS, WARM, next_variance, rescaled
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints

LONGEST: Final = 30 * DAY
MOST_RETURNS: Final = 10_000

_T, _RETURN, _THEN, _NOW = range(4)


class TailRisk(OnSeconds):
    """VaR and ES of returns over `horizon` ns, in bps. Fields: `var:method:side:c:W` and `es:...`, W in ns."""

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self._horizon = horizon
        self._last: tuple[int, int] | None = None  # the latest known instant of the grid, and its mid
        self._variance = math.nan  # EWMA of squared returns
        self._count = 0
        self._rows = Columns(np.int64, *[np.float64] * 3)  # end, return, variance before it (NaN: not warm) and after
        self._dropped = 0
        self._longest = 0
        self._known: dict[str, tuple[int, int, float]] = {}  # by field: first and last row, value

    # ---- OnSeconds

    def close(self, seconds: Ints, mids: Ints) -> None:
        on_grid = seconds % self._horizon == 0
        for t, mid in zip(seconds[on_grid].tolist(), mids[on_grid].tolist(), strict=True):
            if self._last is not None and t - self._last[0] == self._horizon:
                r = log_return(self._last[1], mid)
                then = self._variance if self._count >= WARM else math.nan
                self._variance = next_variance(self._variance, r)
                self._count += 1
                self._rows.append([t], [r], [then], [self._variance])
            self._last = (t, mid)

    def read(self, field: str, times: Ints) -> Floats:
        name, method, side, confidence, text = field.split(":")
        window = int(text)
        self._longest = max(self._longest, window)
        estimate = METHODS[method][name == "es"]
        clock = self._rows[_T]
        begin = clock.searchsorted(times - window, "right")
        end = clock.searchsorted(times, "right")
        out = np.full(len(times), np.nan)
        for i, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
            rows = (first + self._dropped, last + self._dropped)
            known = self._known.get(field)
            if known is None or known[:2] != rows:
                value = 1e4 * estimate(self._returns(method, side, first, last), float(confidence))
                self._known[field] = known = (*rows, value)
            out[i] = known[2]
        return out

    def _returns(self, method: str, side: str, first: int, last: int) -> Floats:
        """Gains of a position of one unit of money, by the log of the price."""
        returns = self._rows[_RETURN][first:last] * (1.0 if side == "long" else -1.0)
        if method != "filtered" or not len(returns):
            return returns
        return rescaled(returns, self._rows[_THEN][first:last].copy(), float(self._rows[_NOW][last - 1]))

    def mark(self) -> Any:
        return len(self._rows), self._last, self._variance, self._count

    def rewind(self, mark: Any) -> None:
        rows, self._last, self._variance, self._count = mark
        if rows < len(self._rows):
            self._rows.retract(len(self._rows) - rows)
            self._known.clear()

    # ---- Calculator

    def advance(self, t: int) -> None:
        gone = int(self._rows[_T].searchsorted(t - self._longest, "right"))
        self._rows.drop(gone)
        self._dropped += gone

    def state(self) -> State:
        return {
            "kind": "tail risk",
            "version": 1,
            "horizon": self._horizon,
            "mids": self._mids.state(),
            "last": self._last and list(self._last),
            "variance": self._variance,
            "count": self._count,
            "rows": self._rows.state(),
            "dropped": self._dropped,
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "tail risk", 1)
        if state["horizon"] != self._horizon:
            raise ValueError(f"state of a horizon of {state['horizon']} ns, not {self._horizon}")
        self._mids.restore(state["mids"])
        self._last = None if state["last"] is None else (state["last"][0], state["last"][1])
        self._variance, self._count = state["variance"], state["count"]
        self._rows.restore(state["rows"])
        self._dropped = state["dropped"]
        self._longest = max(self._longest, state["longest"])
        self._known.clear()


def _binder(name: str) -> Callable[[int, float, str, int, str], Bound]:
    def bind(horizon: int, confidence: float, method: str, window: int, side: str) -> Bound:
        if horizon % SECOND or not SECOND <= horizon <= DAY:
            raise ValueError("the horizon must be whole seconds, from 1 s to 1 day")
        count = window // horizon
        if window > LONGEST or count > MOST_RETURNS:
            raise ValueError(f"the look-back must hold at most {MOST_RETURNS} horizons and {LONGEST // DAY} days")
        if count * (1 - Fraction(repr(confidence))) < 1:
            raise ValueError(f"{count} returns have no tail beyond {confidence}: lengthen the look-back")
        return Bound(
            share=("tail risk", horizon),
            make=lambda context: TailRisk(horizon),
            field=f"{name}:{method}:{side}:{confidence!r}:{window}",
            needs_book=True,
        )

    return bind


_PARAMS = (
    Param("h", "window", "1m", "horizon; returns are taken one after the other, they don't overlap"),
    Param("c", "confidence", "0.99", "confidence"),
    Param(
        "method",
        "choice:historical|normal|cornish|filtered",
        "historical",
        "how the tail is estimated; cornish only where skewness and tails are mild",
    ),
    Param("W", "window", "1d", "look-back, at most 30d and 10000 horizons"),
    Param("side", "choice:long|short", "long", "who loses: long by a fall of the price, short by a rise"),
)
_WARMUP = "once the look-back holds 1 / (1 - c) returns; filtered also leaves out the first 50"

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "var",
        _PARAMS,
        "bps",
        "value at risk: the move of the mid against the side within h that is not exceeded with confidence c",
        _WARMUP,
        _binder("var"),
        "risk",
    ),
    MetricSpec(
        "es",
        _PARAMS,
        "bps",
        "expected shortfall: mean move of the mid against the side within h in the worst 1 - c of past cases",
        _WARMUP,
        _binder("es"),
        "risk",
    ),
)
