"""The condition of an alert, as parsed: comparisons of quantities, joined by and, or, not, then.

What each part means at an instant stands in `engine.alerts.evaluation`; how it is written in `engine.alerts.language`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.alerts.quantity import Arithmetic, Number, Quantity, Reading, constant, metrics_of
from engine.metrics.names import Metric, parse_metric


class ConditionError(ValueError):
    """A condition or level that can't be watched; the text says what, where and what to write instead.

    `column` is where the trouble begins in the text of the condition, from 1; None: all of it.
    """

    def __init__(self, what: str, column: int | None = None) -> None:
        super().__init__(what if column is None else f"column {column}: {what}")
        self.column = column


# ---- what is measured


@dataclass(frozen=True)
class Plain:
    """A quantity as it is."""

    quantity: Quantity


@dataclass(frozen=True)
class Extent:
    """How far a quantity has come from the least (rises), greatest (falls) or farther (moves) of its known values at
    the instants of (t - window, t]; `relative`: as a share of that value."""

    quantity: Quantity
    direction: str  # rises, falls, moves
    relative: bool
    window: int  # ns


@dataclass(frozen=True)
class Count:
    """How often a condition has become true within (t - window, t]."""

    condition: Condition
    window: int  # ns


@dataclass(frozen=True)
class Absence:
    """For how long (s) a quantity has been unknown, or a channel (book, trades, feed: either) silent."""

    of: Quantity | str


Measure = Plain | Extent | Count | Absence


# ---- what is asked of it


@dataclass(frozen=True)
class Compared:
    """`> >= < <=` a level."""

    comparison: str
    level: Quantity


@dataclass(frozen=True)
class Crosses:
    """Beyond a level since it was crossed; `direction` is up, down or either."""

    direction: str
    level: Quantity


@dataclass(frozen=True)
class Within:
    """In or out of [low, high], the ends being in: `inside`, `outside`, or since it `enters`, `exits`."""

    kind: str
    low: Quantity
    high: Quantity


Test = Compared | Crosses | Within


@dataclass(frozen=True)
class Leaf:
    """One comparison."""

    what: str  # the measure as written
    measure: Measure
    test: Test
    unit: str = ""

    @property
    def above(self) -> bool | None:
        """Whether high values are what it waits for; None: neither high nor low ones."""
        if isinstance(self.test, Compared):
            return self.test.comparison[0] == ">"
        if isinstance(self.test, Crosses) and self.test.direction != "either":
            return self.test.direction == "up"
        return None

    @property
    def level(self) -> Quantity | None:
        """What it is compared with; None: a range."""
        return None if isinstance(self.test, Within) else self.test.level


@dataclass(frozen=True)
class All:
    """Every part is true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    """Some part is true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """The part is not true."""

    part: Condition


@dataclass(frozen=True)
class Then:
    """`second` has become true, and is since, when `first` was true at some instant of the `within` ns before."""

    first: Condition
    second: Condition
    within: int  # ns


Condition = Leaf | All | Some | Not | Then


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Every comparison, in the order they are written; that of a count comes before those it counts."""
    if isinstance(condition, Leaf):
        yield condition
        if isinstance(condition.measure, Count):
            yield from leaves(condition.measure.condition)
    elif isinstance(condition, Not):
        yield from leaves(condition.part)
    elif isinstance(condition, Then):
        yield from leaves(condition.first)
        yield from leaves(condition.second)
    else:
        for part in condition.parts:
            yield from leaves(part)


def edges(condition: Condition) -> Iterator[str]:
    """The words for what is true from a moment on, of those parts that are not counted."""
    if isinstance(condition, Leaf):
        if isinstance(condition.test, Crosses):
            yield "crosses either" if condition.test.direction == "either" else "crosses"
        elif isinstance(condition.test, Within) and condition.test.kind in ("enters", "exits"):
            yield condition.test.kind
    elif isinstance(condition, Then):
        yield "then"
        yield from edges(condition.second)
    else:
        for part in (condition.part,) if isinstance(condition, Not) else condition.parts:
            yield from edges(part)


def channel_ages(channel: str) -> tuple[Metric, ...]:
    """The metrics that tell how long a channel (book, trades, feed) has been silent."""
    names = ("book", "trades") if channel == "feed" else (channel,)
    return tuple(parse_metric(f"age({name})") for name in names)


def condition_metrics(condition: Condition) -> tuple[Metric, ...]:
    """Every metric it reads, each once."""
    found: dict[str, Metric] = {}
    for leaf in leaves(condition):
        for quantity in _quantities(leaf):
            found.update({metric.canonical: metric for metric in metrics_of(quantity)})
        if isinstance(leaf.measure, Absence) and isinstance(leaf.measure.of, str):
            found.update({metric.canonical: metric for metric in channel_ages(leaf.measure.of)})
    return tuple(found.values())


def leaf_metrics(leaf: Leaf) -> tuple[Metric, ...]:
    """The metrics that one comparison reads itself, not those of what it counts."""
    found = [metric for quantity in _quantities(leaf) for metric in metrics_of(quantity)]
    return tuple({metric.canonical: metric for metric in found}.values())


def _quantities(leaf: Leaf) -> Iterator[Quantity]:
    if isinstance(leaf.measure, Plain | Extent):
        yield leaf.measure.quantity
    elif isinstance(leaf.measure, Absence) and not isinstance(leaf.measure.of, str):
        yield leaf.measure.of
    if isinstance(leaf.test, Within):
        yield from (leaf.test.low, leaf.test.high)
    else:
        yield leaf.test.level


def factor_of(level: Quantity) -> tuple[float, Quantity] | None:
    """A level as (number, the quantity it multiplies), for comparing levels on paper: 3 * median(x) and so on.
    Number(1) stands for the quantity of a constant. None where it is no such product."""
    value = constant(level)
    if value is not None:
        return value, Number(1.0)
    if isinstance(level, Reading):
        return 1.0, level
    if isinstance(level, Arithmetic) and level.operator in "*/":
        left, right = constant(level.left), constant(level.right)
        if level.operator == "*" and left is not None:
            return left, level.right
        if right is not None and right != 0:
            return (right if level.operator == "*" else 1 / right), level.left
    return None
