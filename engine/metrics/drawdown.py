"""How far the price is below its high, and above its low, and since when. METRICS 1.12.

    drawdown = 1 - P / max P,   run-up = P / min P - 1

over the trades of a window, of the session or of the whole tape, P the last of them. Prices are ints, extremes exact.
Only trades that may still be an extreme of some window are kept: those above (below) everything later.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.metrics.anchored import since
from engine.metrics.batch import Batch, Bools, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import DAY, Anchor, Columns, Span, Spoken, check_state
from engine.tape import Ints

_FEWEST_TO_SIFT: Final = 256


class Drawdown:
    """Fields: `drawdown:span`, `run_up:span`, and `..._time:span` (seconds since the extreme)."""

    def __init__(self) -> None:
        self._rows = Columns(np.int64, np.int64)  # clock, ticks
        self._sifted = 0  # rows left by the last sifting
        self._longest = 0  # ns
        self._unbounded = False  # some field looks back to the session's or the tape's start

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        if len(batch.trades):
            self._rows.append(batch.trades.t, batch.trades.px)

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        span: Span = text if text in ("session", "start") else int(text)
        self._note(span)
        clock, px = self._rows[0], self._rows[1]
        out = np.full(len(times), np.nan)
        end = clock.searchsorted(times, "right")
        begin = self._begin(clock, times, end, span)
        some = end > begin
        if not some.any():
            return out
        begin, end = begin[some], end[some]
        high = name.startswith("drawdown")
        # the latest of equal extremes: a return to the high ends a drawdown
        extreme = _latest_extreme(px if high else -px, begin, end)
        if name.endswith("_time"):
            out[some] = (times[some] - clock[extreme]) / 1e9
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                change = (px[end - 1] - px[extreme]) / px[extreme]
            change[px[extreme] <= 0] = np.nan
            out[some] = -change + 0.0 if high else change
        return out

    def _note(self, span: Span) -> None:
        if isinstance(span, int):
            self._longest = max(self._longest, span)
        else:
            self._unbounded = True

    def _begin(self, clock: Ints, times: Ints, end: Ints, span: Span) -> Ints:
        if isinstance(span, int):
            return clock.searchsorted(times - span, "right").astype(np.int64)
        if span == "start" or not len(clock):
            return np.zeros(len(times), np.int64)
        session = clock[np.maximum(end - 1, 0)] // DAY * DAY
        return clock.searchsorted(session, "left").astype(np.int64)

    def advance(self, t: int) -> None:
        if not self._unbounded:
            self._rows.drop(int(self._rows[0].searchsorted(t - self._longest, "right")))
        if len(self._rows) > 2 * self._sifted + _FEWEST_TO_SIFT:
            self._sift(t)

    def _sift(self, t: int) -> None:
        """Every window to come ends at or after `t`: of the rows up to `t` only those matter that no later one
        of them reaches."""
        past = int(self._rows[0].searchsorted(t, "right"))
        keep = np.ones(len(self._rows), np.bool_)
        px = self._rows[1][:past]
        if past:
            keep[: past - 1] = (px[:-1] > _later_maximum(px)) | (-px[:-1] > _later_maximum(-px))
        columns = [self._rows[i][keep] for i in range(2)]
        self._rows.drop(len(self._rows))
        self._rows.append(*columns)
        self._sifted = len(self._rows)

    def state(self) -> State:
        return {
            "kind": "drawdown",
            "version": 1,
            "rows": self._rows.state(),
            "sifted": self._sifted,
            "longest": self._longest,
            "unbounded": self._unbounded,
        }

    def restore(self, state: State) -> None:
        check_state(state, "drawdown", 1)
        self._rows.restore(state["rows"])
        self._sifted = state["sifted"]
        self._longest = max(self._longest, state["longest"])
        self._unbounded = self._unbounded or state["unbounded"]


def _later_maximum(px: Ints) -> Ints:
    """The greatest of all later values, for all but the last."""
    return np.maximum.accumulate(px[::-1])[::-1][1:]


def _latest_extreme(px: Ints, begin: Ints, end: Ints) -> Ints:
    """Row of the last greatest value of each [begin, end), not empty, by a sparse table: O(1) a window."""
    low, high = int(begin.min()), int(end.max())
    values = px[low:high]
    best: Ints = np.arange(len(values))
    length = end - begin
    # the power of two that is at most the length, exactly
    level = np.frexp(length.astype(np.float64))[1].astype(np.int64) - 1
    out = np.empty(len(begin), np.int64)
    for k in range(int(level.max()) + 1):
        here: Bools = level == k
        if here.any():
            first, second = best[begin[here] - low], best[end[here] - low - (1 << k)]
            out[here] = _better(values, first, second)
        best = _better(values, best[: -(1 << k) or None], best[1 << k :]) if len(best) > 1 << k else best
    return out + low


def _better(values: Ints, first: NDArray[np.int64], second: NDArray[np.int64]) -> Ints:
    """The row with the greater value; the later one of equals (`second` is never earlier)."""
    return np.where(values[first] > values[second], first, second)


_W = Param("W", "anchored", "1h", "window, or session (the UTC day), or start, or a UTC time")
_WARMUP = "from the first trade on, covering what the tape holds of W; null while nothing traded in it"


def _spec(name: str, unit: str, meaning: str) -> MetricSpec:
    def bind(span: Spoken) -> Bound:
        if isinstance(span, Anchor):
            return since(bind("start"), span)
        return Bound(share="drawdown", make=lambda context: Drawdown(), field=f"{name}:{span}", needs_trades=True)

    return MetricSpec(name, (_W,), unit, meaning, _WARMUP, bind, "risk")


SPECS: tuple[MetricSpec, ...] = (
    _spec("drawdown", "ratio", "how far the last price is below the high of W; 0.03 is 3 %"),
    _spec("drawdown_time", "s", "time since the price was last at the high of W"),
    _spec("run_up", "ratio", "how far the last price is above the low of W"),
    _spec("run_up_time", "s", "time since the price was last at the low of W"),
)
