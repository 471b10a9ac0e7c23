"""One piece of the tape as a rule's machine read it: its comparisons at any instant of it, for what is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.alert_view import AlertEvent, LeafReading
from engine.alerts.condition import All, Compared, Crosses, Leaf, Plain, Within
from engine.alerts.quantity import Magnitude, Reading, constant

if TYPE_CHECKING:
    from engine.alerts.evaluation import LeafNode
    from engine.alerts.instants import Truth
    from engine.alerts.rule import Rule
    from engine.metrics.batch import Floats
    from engine.tape import Ints


@dataclass(frozen=True)
class LeafPiece:
    """A comparison as it was at the instants of one piece, after the last instant of the piece before."""

    node: LeafNode
    shown: Floats  # shape (1 + n,)
    levels: Floats
    uppers: Floats | None
    truth: Truth


class Joins(Protocol):
    """What a piece asks of the machine that reads it."""

    def joined(self) -> list[LeafPiece]:
        """Every comparison at the last instant of the piece before and those of the piece read now."""


class Piece:
    """What is told of one piece of the tape."""

    def __init__(self, machine: Joins, times: Ints, detected: int, events: list[AlertEvent]) -> None:
        self._machine = machine
        self.times = times
        self.detected = detected
        self.events = events
        self._leaves: list[LeafPiece] | None = None

    @property
    def leaves(self) -> list[LeafPiece]:
        """Of the instants read now; none when there were none."""
        if self._leaves is None:
            self._leaves = self._machine.joined() if len(self.times) else []
        return self._leaves


def joined(node: LeafNode, last: tuple[float, float, float, int]) -> LeafPiece:
    uppers = None if node.uppers is None else np.concatenate(([last[2]], node.uppers))
    truth = np.concatenate((np.array([last[3]], np.int8), node.truth))
    return LeafPiece(
        node, np.concatenate(([last[0]], node.shown)), np.concatenate(([last[1]], node.levels)), uppers, truth
    )


def known_or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def reading(leaf: Leaf, value: float, level: float, upper: float, truth: int) -> LeafReading:
    test = leaf.test
    if isinstance(test, Compared):
        comparison = test.comparison
    elif isinstance(test, Crosses):
        comparison = "crosses" if test.direction == "either" else f"crosses {test.direction}"
    else:
        comparison = test.kind
    return LeafReading(
        what=leaf.what,
        comparison=comparison,
        value=known_or_none(value),
        level=known_or_none(level),
        upper=known_or_none(upper) if isinstance(test, Within) else None,
        unit=leaf.unit,
        truth=None if truth == 0 else truth > 0,
    )


def extremity(leaf: LeafPiece, values: Floats, begin: int, end: int) -> Floats:
    """How far values lie on the side that the comparison waits for; where there is none, from its level."""
    above = leaf.node.leaf.above
    if above is not None:
        return values if above else -values
    middle = leaf.levels if leaf.uppers is None else (leaf.levels + leaf.uppers) / 2
    away = np.abs(values - middle[1 + begin : 1 + end])
    return np.where(np.isnan(away), np.abs(values), away)


def plain_comparisons(rule: Rule) -> tuple[tuple[str, bool, str, float], ...]:
    """(metric, whether its sign counts not, comparison, level) of each comparison, of a rule that is nothing but such
    comparisons with numbers, joined by and; else nothing."""
    if rule.expires is not None:
        return ()
    found = []
    for leaf in rule.condition.parts if isinstance(rule.condition, All) else (rule.condition,):
        if not (isinstance(leaf, Leaf) and isinstance(leaf.measure, Plain) and isinstance(leaf.test, Compared)):
            return ()
        quantity, level = leaf.measure.quantity, constant(leaf.test.level)
        absolute = isinstance(quantity, Magnitude)
        inner = quantity.of if isinstance(quantity, Magnitude) else quantity
        if level is None or not isinstance(inner, Reading):
            return ()
        found.append((inner.metric.canonical, absolute, leaf.test.comparison, level))
    return tuple(found)
