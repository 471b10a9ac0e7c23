"""Closed time bars on an absolute grid: what held at both ends of each, and what flowed inside it.

Bar k is (k D, (k + 1) D] since the Unix epoch, so that a value at the end of a bar is the state after all rows
with clock <= that end. Bars are cut from the rows alone: where the tape was cut into batches moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.metrics.calculator import State
from engine.metrics.windows import Exact, check_state
from engine.tape import Ints

_SAFE: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Bars:
    """Closed bars, ascending. `before` and `after` have shape (levels, n), `flows` one array of n each."""

    end: Ints  # ns, the last instant of the bar
    before: Ints  # the levels in force at the bar's beginning
    after: Ints  # and at its end
    flows: tuple[Exact, ...]

    def __len__(self) -> int:
        return len(self.end)


class BarCutter:
    """Cuts levels (step functions, int64) and flows (sums of ints) into bars of `bar` ns.

    Levels are 0 before their first row. When no row comes for more than `silence` bars, only the first
    `silence` silent ones are made, so that a hole of years costs nothing.
    """

    def __init__(self, bar: int, levels: int, flows: int, silence: int) -> None:
        self._bar = bar
        self._silence = silence
        self._next: int | None = None  # number of the open bar; None before the first row
        self._touched = 0  # the latest bar that a row fell into
        self._opened = np.zeros(levels, np.int64)  # levels at the beginning of the open bar
        self._levels = np.zeros(levels, np.int64)  # levels now
        self._flows: list[int] = [0] * flows  # in the open bar so far

    @property
    def open_end(self) -> int | None:
        """The end of the open bar, ns; None before the first row."""
        return None if self._next is None else (self._next + 1) * self._bar

    def cut(self, level_t: Ints, levels: Ints, flow_t: Ints, flows: Sequence[Exact], until: int) -> Bars | None:
        """Take in rows with ascending clocks; the bars that end before `until`, the clock after these rows.

        `levels` has shape (levels, n). A bar that ends at `until` stays open: more may come at that instant.
        """
        rows = len(level_t) + len(flow_t)
        if self._next is None:
            if not rows:
                return None
            first = min(int(t[0]) for t in (level_t, flow_t) if len(t))
            self._next = self._touched = self._bar_of(first)
        stop = self._bar_of(until)
        bars = self._between(level_t, levels, flow_t, flows, stop) if stop > self._next else None
        if rows:
            self._touched = self._bar_of(max(int(t[-1]) for t in (level_t, flow_t) if len(t)))
        if stop > self._next:
            begun = level_t.searchsorted(stop * self._bar, "right")
            self._opened = levels[:, begun - 1].copy() if begun else self._levels
            rest = int(flow_t.searchsorted(stop * self._bar, "right"))
            self._flows = [_total(flow[rest:]) for flow in flows]
            self._next = stop
        elif len(flow_t):
            self._flows = [carried + _total(flow) for carried, flow in zip(self._flows, flows, strict=True)]
        if len(level_t):
            self._levels = levels[:, -1].copy()
        return bars

    def pending(self, until: int) -> Bars | None:
        """The bars that end by `until` and are not cut yet, if nothing more comes by then. Changes nothing."""
        if self._next is None or until < (self._next + 1) * self._bar:
            return None
        none = np.empty(0, np.int64)
        flows: list[Exact] = [none] * len(self._flows)
        return self._between(none, np.empty((len(self._levels), 0), np.int64), none, flows, until // self._bar)

    def _between(self, level_t: Ints, levels: Ints, flow_t: Ints, flows: Sequence[Exact], stop: int) -> Bars:
        """The bars from the open one to that before `stop`."""
        assert self._next is not None
        number = self._numbers(level_t, flow_t, stop)
        begin, end = number * self._bar, (number + 1) * self._bar
        inside = number > self._next  # the open bar's beginning lies before these rows
        held = np.concatenate((self._levels[:, None], levels), axis=1)
        before = held[:, level_t.searchsorted(begin, "right")]
        before[:, ~inside] = self._opened[:, None]
        last = flow_t.searchsorted(end, "right") + 1
        since = np.where(inside, flow_t.searchsorted(begin, "right") + 1, 0)
        sums = []
        for carried, flow in zip(self._flows, flows, strict=True):
            running = _running(carried, flow)
            sums.append(running[last] - running[since])
        return Bars(end, before, held[:, level_t.searchsorted(end, "right")], tuple(sums))

    def _numbers(self, level_t: Ints, flow_t: Ints, stop: int) -> Ints:
        """Numbers of the bars to close: all but those deep in a silence."""
        touched = np.unique(np.concatenate(([self._touched], *(self._touches(t) for t in (level_t, flow_t) if len(t)))))
        ends = np.minimum(np.append(touched[1:], stop), touched + 1 + self._silence)
        starts = np.maximum(touched, self._next or 0)
        counts = np.maximum(np.minimum(ends, stop) - starts, 0)
        offsets = np.concatenate(([0], np.cumsum(counts)[:-1]))
        numbers: Ints = np.repeat(starts - offsets, counts) + np.arange(int(counts.sum()))
        return numbers

    def _touches(self, t: Ints) -> Ints:
        """Numbers of the bars that ascending clocks fall into, each once."""
        first, last = self._bar_of(int(t[0])), self._bar_of(int(t[-1]))
        if first == last:
            return np.array([first])
        numbers = (t - 1) // self._bar
        different: Ints = numbers[np.flatnonzero(np.diff(numbers, prepend=first - 1))]
        return different

    def _bar_of(self, t: int) -> int:
        """The bar that contains an instant."""
        return (t - 1) // self._bar

    def state(self) -> State:
        return {
            "kind": "bars",
            "version": 1,
            "bar": self._bar,
            "next": self._next,
            "touched": self._touched,
            "opened": self._opened.copy(),
            "levels": self._levels.copy(),
            "flows": list(self._flows),
        }

    def restore(self, state: State) -> None:
        check_state(state, "bars", 1)
        if (state["bar"], len(state["flows"])) != (self._bar, len(self._flows)):
            raise ValueError(f"state of bars of {state['bar']} ns, not {self._bar}")
        self._next, self._touched = state["next"], state["touched"]
        self._opened = np.array(state["opened"], np.int64).reshape(len(self._opened))
        self._levels = np.array(state["levels"], np.int64).reshape(len(self._levels))
        self._flows = list(state["flows"])


def _bound(flow: Exact) -> int:
    """At least the sum of the absolute values."""
    return 0 if not len(flow) else len(flow) * max(abs(int(flow.max())), abs(int(flow.min())))


def _total(flow: Exact) -> int:
    return int(flow.sum()) if flow.dtype == object or _bound(flow) < _SAFE else sum(flow.tolist())


def _running(carried: int, flow: Exact) -> Exact:
    """0, carried, carried + flow[0], ...: int64 while it fits, Python ints beyond."""
    wide = flow.dtype == object or abs(carried) + _bound(flow) >= _SAFE
    terms: Exact = np.empty(len(flow) + 2, object if wide else np.int64)
    terms[0], terms[1] = 0, carried
    terms[2:] = flow.tolist() if wide else flow
    total: Exact = np.cumsum(terms)
    return total
