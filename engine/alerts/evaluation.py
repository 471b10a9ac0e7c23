"""What a condition means at ascending instants, however they come in pieces. METRICS 5.

Truth has three values: +1 true, -1 false, 0 unknown, so that `and` is the least, `or` the greatest and `not` the
negative (Kleene). Every part gives whether it *holds* (an episode may begin), whether it *stays* (an episode may not
end for its sake), and whether it stays at the *moment* itself. They differ for edges alone: a crossing holds from the
crossing on, and stays as long as the value is beyond the level, whether or not the crossing itself was seen; one that
may go either way does not stay at the moment at which the level is crossed again.

An edge compares with the instant before. It is none on the first value, after an unknown one, or across an epoch (the
book was replaced, trades are missing).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from engine.alerts.condition import (
    All,
    Compared,
    Condition,
    Count,
    Crosses,
    Extent,
    Leaf,
    Not,
    Plain,
    Then,
    leaf_metrics,
)
from engine.alerts.instants import Instants, Truth, before
from engine.alerts.measuring import AbsenceMeasure, CountMeasure, ExtentMeasure, Measured, PlainMeasure
from engine.alerts.quantity import Magnitude, evaluate
from engine.metrics.batch import Bools, Floats
from engine.metrics.names import Metric

#: Holds, stays, stays at the moment.
Truths = tuple[Truth, Truth, Truth]
#: Arrays of one truth.
_ONE: Final = {value: np.array([value], np.int8) for value in (-1, 0, 1)}
for _array in _ONE.values():
    _array.flags.writeable = False


class Node(ABC):
    """One part of a condition, with what it remembers of the instants before."""

    @abstractmethod
    def read(self, now: Instants) -> Truths:
        """At the next instants, of which there is at least one."""

    @abstractmethod
    def parts(self) -> Iterator[Node]:
        """The nodes right below."""

    def interrupt(self) -> None:
        """What comes next does not follow what came before."""
        for part in self.parts():
            part.interrupt()

    def state(self) -> Any:
        """What it remembers itself, as plain data."""
        return None

    def restore(self, state: Any) -> None:
        """Take over a `state()`. Raises ValueError (or what unpacking raises) when it does not fit."""
        if state is not None:
            raise ValueError("a part that remembers nothing has no state")

    def walk(self) -> Iterator[Node]:
        """This node and all below, in order."""
        yield self
        for part in self.parts():
            yield from part.walk()


def build(condition: Condition) -> Node:
    """The nodes of a condition."""
    if isinstance(condition, Leaf):
        return LeafNode(condition)
    if isinstance(condition, Not):
        return _NotNode(build(condition.part))
    if isinstance(condition, Then):
        return _ThenNode(build(condition.first), build(condition.second), condition.within)
    nodes = [build(part) for part in condition.parts]
    return _JoinNode(nodes, np.minimum if isinstance(condition, All) else np.maximum)


def tree_state(node: Node) -> list[Any]:
    """Of a node and all below it."""
    return [each.state() for each in node.walk()]


def restore_tree(node: Node, state: list[Any]) -> None:
    """Take over a `tree_state()` of the same condition. Raises ValueError and the like when it is of another."""
    for each, held in zip(list(node.walk()), state, strict=True):
        each.restore(held)


# ---- joining


class _JoinNode(Node):
    def __init__(self, nodes: list[Node], join: np.ufunc) -> None:
        self._nodes = nodes
        self._join = join

    def parts(self) -> Iterator[Node]:
        yield from self._nodes

    def read(self, now: Instants) -> Truths:
        holds, stays, moment = self._nodes[0].read(now)
        for node in self._nodes[1:]:
            more_holds, more_stays, more_moment = node.read(now)
            plain = moment is stays and more_moment is more_stays
            holds, stays = self._join(holds, more_holds), self._join(stays, more_stays)
            moment = stays if plain else self._join(moment, more_moment)
        return holds, stays, moment


class _NotNode(Node):
    def __init__(self, part: Node) -> None:
        self._part = part

    def parts(self) -> Iterator[Node]:
        yield self._part

    def read(self, now: Instants) -> Truths:
        holds, stays, _ = self._part.read(now)  # no edges in it
        stays = -stays
        return -holds, stays, stays


class _ThenNode(Node):
    """Both parts are step functions: what is true at an instant is true up to the next one."""

    def __init__(self, first: Node, second: Node, within: int) -> None:
        self._first = first
        self._second = second
        self._within = within
        self._was_true = False  # the first, at the last instant
        self._end = -(1 << 62)  # its last true stretch ended
        self._before = 0  # the second's truth at the last instant
        self._latched = False

    def parts(self) -> Iterator[Node]:
        yield self._first
        yield self._second

    def interrupt(self) -> None:
        super().interrupt()
        self._was_true, self._end, self._before, self._latched = False, -(1 << 62), 0, False

    def read(self, now: Instants) -> Truths:
        first = self._first.read(now)[0]
        second, stays, moment = self._second.read(now)
        times, count = now.times, len(now)
        # Until when the first had been true, as seen from each instant (that instant itself not counted).
        true_at = np.concatenate(([0 if self._was_true else -1], np.where(first == 1, np.arange(1, count + 1), -1)))
        last = np.maximum.accumulate(true_at)[:-1]
        ends = np.where(last >= 0, times[np.maximum(last, 0)], self._end)
        onset = (second == 1) & (before(second, self._before) == -1)
        latched = _latch(onset & (ends > times - self._within), second != 1, self._latched)
        if first[-1] == 1:
            self._was_true = True
        else:
            ever = int(np.maximum.accumulate(true_at)[-1])
            if ever >= 0:
                self._end = int(times[ever])
            self._was_true = False
        self._before, self._latched = int(second[-1]), bool(latched[-1])
        holds = np.where(second == 0, 0, np.where(latched, 1, -1)).astype(np.int8)
        return holds, stays, moment

    def state(self) -> Any:
        return [self._was_true, self._end, self._before, self._latched]

    def restore(self, state: Any) -> None:
        was, end, before, latched = state
        self._was_true, self._end, self._before, self._latched = bool(was), int(end), int(before), bool(latched)


def _latch(sets: Bools, resets: Bools, was: bool) -> Bools:
    """True from a set on until a reset; a reset that is one as well wins."""
    if len(sets) == 1:
        return np.array([(was or bool(sets[0])) and not bool(resets[0])])
    index = np.arange(1, len(sets) + 1)
    on = np.maximum.accumulate(np.where(sets, index, 0))
    off = np.maximum.accumulate(np.where(resets, index, 0))
    latched: Bools = (on > off) | ((off == 0) & was)
    return latched


# ---- leaves


class LeafNode(Node):
    """One comparison. What it read last stands in `measured`, `shown`, `levels`, `uppers` (of a range) and `truth`."""

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf
        self.measured: Floats = np.empty(0)
        self.shown: Floats = np.empty(0)  # what was measured, with its sign where that does not count
        self.levels: Floats = np.empty(0)
        self.uppers: Floats | None = None
        self.truth: Truth = np.empty(0, np.int8)
        measure, test = leaf.measure, leaf.test
        self._counted: Node | None = None
        self._measure: Measured
        if isinstance(measure, Plain):
            self._measure = PlainMeasure(measure)
        elif isinstance(measure, Extent):
            self._measure = ExtentMeasure(measure)
        elif isinstance(measure, Count):
            assert isinstance(test, Compared)
            level = float(evaluate(test.level, {}, 1, 1.0)[0])
            self._counted = build(measure.condition)
            self._measure = CountMeasure(measure, self._counted, int(level) + (test.comparison == ">"))
        else:
            self._measure = AbsenceMeasure(measure)
        self._channels = _channels(leaf_metrics(leaf))
        # Of edges: the last instant's side of the level (or whether it was in the range), None = unknown.
        self._side: int | None = None
        self._epochs: tuple[int, int] | None = None
        self._latched = False

    def parts(self) -> Iterator[Node]:
        if self._counted is not None:
            yield self._counted

    def interrupt(self) -> None:
        super().interrupt()
        self._measure.interrupt()
        self._side, self._epochs, self._latched = None, None, False

    def read(self, now: Instants) -> Truths:
        test = self.leaf.test
        self.measured = self.shown = measured = self._measure.read(now)
        if isinstance(self.leaf.measure, Plain) and isinstance(self.leaf.measure.quantity, Magnitude):
            self.shown = evaluate(self.leaf.measure.quantity.of, now.values, len(now), now.lot)
        if isinstance(test, Compared):
            self.levels = levels = evaluate(test.level, now.values, len(now), now.lot)
            if len(measured) == 1:
                self.truth = truth = _single(float(measured[0]), test.comparison, float(levels[0]))
                return truth, truth, truth
            self.truth = truth = _truth(
                compare(measured, test.comparison, levels), ~(np.isnan(measured) | np.isnan(levels))
            )
            return truth, truth, truth
        if isinstance(test, Crosses):
            self.levels = levels = evaluate(test.level, now.values, len(now), now.lot)
            with np.errstate(invalid="ignore"):
                difference = measured - levels
            known = ~np.isnan(difference)
            side = np.where(known, np.sign(difference), 0).astype(np.int8)
            return self._edge(now, known, side, test.direction)
        self.levels = low = evaluate(test.low, now.values, len(now), now.lot)
        self.uppers = high = evaluate(test.high, now.values, len(now), now.lot)
        known = ~(np.isnan(measured) | np.isnan(low) | np.isnan(high))
        inside = known & (low <= measured) & (measured <= high)
        if test.kind in ("inside", "outside"):
            self.truth = truth = _truth(inside if test.kind == "inside" else known & ~inside, known)
            return truth, truth, truth
        beyond = inside if test.kind == "enters" else known & ~inside
        return self._edge(now, known, np.where(known, np.where(beyond, 1, -1), 0).astype(np.int8), "up")

    def _edge(self, now: Instants, known: Bools, side: Truth, direction: str) -> Truths:
        """Holds from the crossing on; `side` is +1 above (or where an edge of a range leads to), -1 below, 0 on it."""
        earlier = before(side, 0 if self._side is None else self._side)
        was_known = before(known, self._side is not None)
        comparable = known & was_known & self._same_epoch(now)
        up = comparable & (earlier <= 0) & (side > 0)
        down = comparable & (earlier >= 0) & (side < 0)
        if direction == "either":
            crossed, beyond = up | down, known & (side != 0)
        else:
            crossed, beyond = (up, known & (side > 0)) if direction == "up" else (down, known & (side < 0))
        stays = _truth(beyond, known)
        moment = _truth(beyond & ~crossed, known) if direction == "either" else stays
        latched = _latch(crossed, ~beyond, self._latched)
        self._latched = bool(latched[-1])
        self._side = int(side[-1]) if known[-1] else None
        self._epochs = int(now.epochs[0][-1]), int(now.epochs[1][-1])
        self.truth = _truth(latched, known)
        return self.truth, stays, moment

    def _same_epoch(self, now: Instants) -> Bools:
        same = np.ones(len(now), np.bool_)
        for channel in self._channels:
            epochs = now.epochs[channel]
            same &= epochs == before(epochs, epochs[0] if self._epochs is None else self._epochs[channel])
        return same

    def state(self) -> Any:
        epochs = None if self._epochs is None else list(self._epochs)
        return [self._side, epochs, self._latched, self._measure.state()]

    def restore(self, state: Any) -> None:
        side, epochs, latched, measure = state
        self._side, self._latched = None if side is None else int(side), bool(latched)
        self._epochs = None if epochs is None else (int(epochs[0]), int(epochs[1]))
        self._measure.restore(measure)


def compare(values: Floats, comparison: str, levels: Floats | float) -> Bools:
    """Elementwise; what is not known compares as false."""
    with np.errstate(invalid="ignore"):
        if comparison == ">":
            return values > levels
        if comparison == ">=":
            return values >= levels
        return values < levels if comparison == "<" else values <= levels


def _single(value: float, comparison: str, level: float) -> Truth:
    """The truth of one comparison, without the toll of working on arrays."""
    if value != value or level != level:
        return _ONE[0]
    return _ONE[1 if holds_single(value, comparison, level) else -1]


def holds_single(value: float, comparison: str, level: float) -> bool:
    """Whether one comparison of two known numbers is true."""
    if comparison[0] == ">":
        return value > level or (value == level and len(comparison) == 2)
    return value < level or (value == level and len(comparison) == 2)


def _truth(true: Bools, known: Bools) -> Truth:
    return np.where(known, np.where(true, 1, -1), 0).astype(np.int8)


def _channels(metrics: tuple[Metric, ...]) -> tuple[int, ...]:
    """Which channels (0 book, 1 trades) metrics stand on."""
    bounds = [metric.spec.bind(*metric.args) for metric in metrics]
    book, trades = any(bound.needs_book for bound in bounds), any(bound.needs_trades for bound in bounds)
    return (*((0,) if book else ()), *((1,) if trades else ()))


def channels_of(metric: Metric) -> tuple[int, ...]:
    """Which channels (0 book, 1 trades) a metric stands on."""
    return _channels((metric,))
