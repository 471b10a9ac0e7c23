"""Any metric against its own past: percentile, median, least, most, z-score. METRICS 5.2.

The past is sampled every second of the market's clock. At time t the values of (t - W, t) are compared,
strictly earlier ones: a value never enters its own baseline. Unknown values are no values.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import UNIT_OF_METRIC, Bound, MetricSpec, Param
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints

if TYPE_CHECKING:
    from engine.metrics.names import Metric
    from engine.sampling import Reader

#: Sampling of the past, ns.
EVERY: Final = 1_000_000_000
#: `pct`, `median` and `z` need so many earlier values, known for the window or for `SEASONED` ns, whichever is less.
FEWEST_VALUES: Final = 250
SEASONED: Final = 3_600 * EVERY
LONGEST: Final = 7 * DAY
_SHORTEST_BASELINE: Final = 300 * EVERY
#: Beyond so many steps (or this part of the window) sorting again is cheaper than moving there.
_FAR, _FAR_PART = 256, 64


class Derived(ABC):
    """A calculator that learns the values of another metric, every second of the clock, as a `Sampler`.

    What the market asks at an instant it asks through `beside`, which also gets the metric's value there.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    @abstractmethod
    def learn(self, times: Ints, values: Floats) -> None:
        """Values of the metric at later instants than all before; NaN = unknown."""

    @abstractmethod
    def beside(self, field: str, times: Ints, now: Floats) -> Floats:
        """As `Calculator.sample`, where the metric's own values are `now`; learned are all instants up to each
        time but perhaps the last one's."""

    @property
    def every(self) -> int:
        """See Sampler."""
        return EVERY

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See Sampler."""
        return (self._metric,)

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        if len(times):
            self.learn(times, reader.values(self._metric, times))

    def update(self, batch: Batch) -> None:
        """Nothing: what it learns comes by `take`."""
        del batch

    def sample(self, field: str, times: Ints) -> Floats:
        """As `beside` where the metric itself is unknown."""
        return self.beside(field, times, np.full(len(times), np.nan))

    @abstractmethod
    def advance(self, t: int) -> None:
        """See Calculator."""

    @abstractmethod
    def state(self) -> State:
        """See Calculator."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """See Calculator."""


class History(Derived):
    """The past of one metric and its statistics. Fields are `name:window in ns`."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self._rows = Columns(np.int64, np.float64)  # instants and known values
        self._dropped = 0  # rows forgotten
        self._first: int | None = None  # instant of the first value ever
        self._longest = 0
        self._sorted: dict[int, _SortedWindow] = {}  # by window; derived from the rows

    def learn(self, times: Ints, values: Floats) -> None:
        """Values of the metric at later instants than all before; NaN = unknown."""
        known = ~np.isnan(values)
        if known.any():
            if self._first is None:
                self._first = int(times[known][0])
            self._rows.append(times[known], values[known] + 0.0)  # no negative zeros: they would sort at random

    def beside(self, field: str, times: Ints, now: Floats) -> Floats:
        """A statistic at ascending `times`, where the metric's own values are `now`."""
        name, _, text = field.partition(":")
        window = int(text)
        self._longest = max(self._longest, window)
        out = np.full(len(times), np.nan)
        if self._first is None or not len(times):
            return out
        clock = self._rows[0]
        begin = clock.searchsorted(times - window, "right") + self._dropped
        end = clock.searchsorted(times, "left") + self._dropped
        least = 1 if name in ("min", "max") else FEWEST_VALUES
        enough = end - begin >= least
        if least > 1:
            enough &= times - self._first >= min(window, SEASONED)
        if name in ("pct", "z"):
            enough &= ~np.isnan(now)
        for i in np.flatnonzero(enough).tolist():
            out[i] = self._statistic(name, window, int(begin[i]), int(end[i]), float(now[i]))
        return out

    def advance(self, t: int) -> None:
        gone = int(self._rows[0].searchsorted(t - self._longest, "right"))
        if gone > _FAR + len(self._rows) // _FAR_PART:  # rarely: sorted windows must find what has left them
            self._rows.drop(gone)
            self._dropped += gone

    def state(self) -> State:
        return {
            "kind": "history",
            "version": 1,
            "metric": self._metric.canonical,
            "rows": self._rows.state(),
            "dropped": self._dropped,
            "first": self._first,
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "history", 1)
        if state["metric"] != self._metric.canonical:
            raise ValueError(f"state of the past of {state['metric']!r}, not of {self._metric.canonical!r}")
        self._rows.restore(state["rows"])
        self._dropped, self._first = state["dropped"], state["first"]
        self._longest = max(self._longest, state["longest"])
        self._sorted.clear()

    # ---- its parts

    def _statistic(self, name: str, window: int, begin: int, end: int, now: float) -> float:
        if name == "z":
            return self._z(begin, end, now)
        past = self._sorted.setdefault(window, _SortedWindow())
        past.move(self._rows[1], self._dropped, begin, end)
        values = past.values
        count = len(values)
        if name == "min":
            return values[0]
        if name == "max":
            return values[-1]
        if name == "median":
            middle = count // 2
            return values[middle] if count % 2 else (values[middle - 1] + values[middle]) / 2
        below, up_to = bisect_left(values, now), bisect_right(values, now)
        return (below + up_to) / 2 / count

    def _z(self, begin: int, end: int, now: float) -> float:
        # a copy: how a sum is rounded may then not depend on where the rows lie in memory
        past = self._rows[1][begin - self._dropped : end - self._dropped].copy()
        with np.errstate(invalid="ignore"):
            mean = float(np.mean(past))
            deviation = math.sqrt(float(np.sum((past - mean) ** 2)) / (len(past) - 1))
        if not deviation > 0 or not math.isfinite(deviation) or not math.isfinite(now):
            return math.nan
        return (now - mean) / deviation


class _SortedWindow:
    """The values of rows begin ... end - 1 in order, moved row by row."""

    def __init__(self) -> None:
        self.values = array("d")
        self._begin = self._end = 0

    def move(self, rows: Floats, dropped: int, begin: int, end: int) -> None:
        """Be the window begin ... end - 1; `rows` holds the values from row `dropped` on."""
        was_begin, was_end = self._begin, self._end
        self._begin, self._end = begin, end
        steps = abs(begin - was_begin) + abs(end - was_end)
        apart = begin >= was_end or end <= was_begin
        if apart or was_begin < dropped or steps > _FAR + len(self.values) // _FAR_PART:
            self.values = array("d", np.sort(rows[begin - dropped : end - dropped]).tobytes())
        elif steps:
            for low, high in ((begin, was_begin), (was_end, end)):
                for value in rows[low - dropped : high - dropped].tolist() if low < high else ():
                    insort(self.values, value)
            for low, high in ((was_begin, begin), (end, was_end)):
                for value in rows[low - dropped : high - dropped].tolist() if low < high else ():
                    del self.values[bisect_left(self.values, value)]


# ---- their descriptions

_METRIC = Param("metric", "metric", None, "any metric, such as spread_bps or ti(30s)")
_W = Param("W", "window", "1d", "look-back, at most 7d")
_SEASONED = (
    "from 250 earlier values on, sampled every second, once the metric has been known for W or an hour, whichever is "
    "less; covers what is known of W"
)
_FIRST = "from the first earlier value on, sampled every second; covers what is known of W"


def _spec(name: str, unit: str, meaning: str, warmup: str, shortest: int) -> MetricSpec:
    def bind(metric: Metric, window: int) -> Bound:
        if not shortest <= window <= LONGEST:
            raise ValueError(f"the look-back must be from {shortest // EVERY} s to {LONGEST // DAY} days")
        inner = metric.spec.bind(*metric.args)
        return Bound(
            share=("history", metric.canonical),
            make=lambda context: History(metric),
            field=f"{name}:{window}",
            needs_book=inner.needs_book,
            needs_trades=inner.needs_trades,
            of=metric,
        )

    return MetricSpec(name, (_METRIC, _W), unit, meaning, warmup, bind, "statistics")


SPECS: tuple[MetricSpec, ...] = (
    _spec(
        "pct",
        "ratio",
        "share (0..1) of a metric's earlier values of W that are below the present one, ties half",
        _SEASONED,
        _SHORTEST_BASELINE,
    ),
    _spec("median", UNIT_OF_METRIC, "median of a metric's earlier values of W", _SEASONED, _SHORTEST_BASELINE),
    _spec("min", UNIT_OF_METRIC, "least of a metric's earlier values of W", _FIRST, EVERY),
    _spec("max", UNIT_OF_METRIC, "greatest of a metric's earlier values of W", _FIRST, EVERY),
    _spec(
        "z",
        "z",
        "a metric's distance from the mean of its earlier values of W, in their standard deviations",
        _SEASONED,
        _SHORTEST_BASELINE,
    ),
)
