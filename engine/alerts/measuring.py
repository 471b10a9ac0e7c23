"""The numbers that the comparisons of a condition compare, and what they remember of the instants before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Final, Protocol

import numpy as np

from engine.alerts.condition import Absence, Count, Extent, Plain, channel_ages
from engine.alerts.instants import Instants, Truth, before
from engine.alerts.quantity import evaluate
from engine.metrics.batch import Floats

#: So many onsets are counted, older ones forgotten.
_MOST_ONSETS: Final = 10_000


class Counted(Protocol):
    """A condition whose onsets are counted (engine.alerts.evaluation.Node)."""

    def read(self, now: Instants) -> tuple[Truth, Truth, Truth]:
        """Whether it holds, at the next instants; the rest is not looked at."""


class Measured(ABC):
    """The numbers that a leaf compares."""

    node: Counted | None = None  # what it counts

    @abstractmethod
    def read(self, now: Instants) -> Floats:
        """At the next instants; NaN unknown."""

    def interrupt(self) -> None:
        """See Node."""
        return

    def state(self) -> Any:
        """See Node."""
        return None

    def restore(self, state: Any) -> None:
        """See Node."""
        if state is not None:
            raise ValueError("a measure that remembers nothing has no state")


class PlainMeasure(Measured):
    def __init__(self, of: Plain) -> None:
        self._quantity = of.quantity

    def read(self, now: Instants) -> Floats:
        return evaluate(self._quantity, now.values, len(now), now.lot)


class ExtentMeasure(Measured):
    def __init__(self, of: Extent) -> None:
        self._of = of
        self._low: deque[tuple[int, float]] = deque()  # candidates for the least value, ascending in time and value
        self._high: deque[tuple[int, float]] = deque()

    def read(self, now: Instants) -> Floats:
        of = self._of
        values = evaluate(of.quantity, now.values, len(now), now.lot)
        out = np.full(len(values), np.nan)
        for i, (t, value) in enumerate(zip(now.times.tolist(), values.tolist(), strict=True)):
            if value != value:
                continue
            ways = []
            for queue, sign in ((self._low, 1), (self._high, -1)):
                if of.direction == ("falls" if sign > 0 else "rises"):
                    continue
                while queue and queue[0][0] <= t - of.window:
                    queue.popleft()
                while queue and sign * queue[-1][1] >= sign * value:
                    queue.pop()
                queue.append((t, value))
                extreme = queue[0][1]
                way = sign * (value - extreme)
                if not of.relative:
                    ways.append(way)
                elif extreme:
                    ways.append(way / abs(extreme))
            out[i] = max(ways, default=np.nan)
        return out

    def state(self) -> Any:
        return [[list(map(list, queue)) for queue in (self._low, self._high)]]

    def restore(self, state: Any) -> None:
        (queues,) = state
        self._low, self._high = (deque((int(t), float(value)) for t, value in queue) for queue in queues)


class CountMeasure(Measured):
    def __init__(self, of: Count, node: Counted, least: int) -> None:
        self.node = node
        self._window = of.window
        self._least = least
        self._onsets = np.empty(0, np.int64)
        self._before = 0

    def read(self, now: Instants) -> Floats:
        assert self.node is not None
        holds = self.node.read(now)[0]
        onsets = now.times[(holds == 1) & (before(holds, self._before) == -1)]
        self._before = int(holds[-1])
        if len(onsets):
            self._onsets = np.concatenate((self._onsets, onsets))
        begin = self._onsets.searchsorted(now.times - self._window, "right")
        counts = np.minimum(self._onsets.searchsorted(now.times, "right") - begin, _MOST_ONSETS).astype(np.float64)
        gone = max(int(begin[-1]), len(self._onsets) - _MOST_ONSETS)
        if gone > 0:
            self._onsets = self._onsets[gone:]
        # While the condition is unknown there may be more of them than were seen.
        return np.where((holds == 0) & (counts < self._least), np.nan, counts)

    def interrupt(self) -> None:
        self._before = 0

    def state(self) -> Any:
        return [self._onsets.tolist(), self._before]

    def restore(self, state: Any) -> None:
        onsets, before = state
        self._onsets, self._before = np.array(onsets, np.int64), int(before)


class AbsenceMeasure(Measured):
    def __init__(self, of: Absence) -> None:
        self._of = of.of
        self._since: int | None = None  # of the present silence: first instant without a value; of a channel: listened

    def read(self, now: Instants) -> Floats:
        times = now.times
        if self._since is None:
            self._since = int(times[0])
        if isinstance(self._of, str):
            # A silence from before we listened was not the channel's.
            silent = (times - self._since) / 1e9
            for metric in channel_ages(self._of):
                silent = np.fmin(silent, now.raw[metric.canonical])
            return silent
        known = ~np.isnan(evaluate(self._of, now.values, len(now), now.lot))
        index = np.arange(1, len(now) + 1)
        last = np.maximum.accumulate(np.where(known, index, 0))  # 1 + the last known instant
        begins = np.where(last == 0, self._since, times[np.minimum(last, len(now) - 1)])
        silent = np.where(known, 0.0, (times - begins) / 1e9)
        # Where a value is known to the end, silence begins with the next instant.
        self._since = None if known[-1] else int(begins[-1])
        return silent

    def interrupt(self) -> None:
        self._since = None

    def state(self) -> Any:
        return [self._since]

    def restore(self, state: Any) -> None:
        (since,) = state
        self._since = None if since is None else int(since)
