"""What conditions compare: numbers with units, metrics, and sums and products of them, over many instants at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.metrics.batch import Floats
from engine.metrics.names import Metric

#: Values at the instants that are read, by canonical metric; NaN = unknown.
Values = Mapping[str, Floats]
#: Unit of a plain number: it goes with any.
ANY: Final = ""
#: Unit of what has one that we have no name for, such as a product of two metrics.
OTHER: Final = "?"
#: What the sign written at a number says of its unit, and which units of metrics that goes with.
SIGNS: Final[Mapping[str, tuple[str, ...]]] = {
    "%": ("ratio",),
    "bps": ("bps",),
    "$": ("quote", "price"),
    "s": ("s",),
    "lots": ("base",),
}


@dataclass(frozen=True)
class Number:
    """A number as written. `sign` is one of SIGNS, or empty; lots are turned into the unit of sizes when read."""

    value: float
    sign: str = ""


@dataclass(frozen=True)
class Reading:
    """The value of a metric."""

    metric: Metric


@dataclass(frozen=True)
class Magnitude:
    """Regardless of sign."""

    of: Quantity


@dataclass(frozen=True)
class Arithmetic:
    """Two quantities joined by + - * or /."""

    operator: str
    left: Quantity
    right: Quantity


Quantity = Number | Reading | Magnitude | Arithmetic


def metrics_of(quantity: Quantity) -> Iterator[Metric]:
    """Every metric in it."""
    if isinstance(quantity, Reading):
        yield quantity.metric
    elif isinstance(quantity, Magnitude):
        yield from metrics_of(quantity.of)
    elif isinstance(quantity, Arithmetic):
        yield from metrics_of(quantity.left)
        yield from metrics_of(quantity.right)


def constant(quantity: Quantity) -> float | None:
    """Its value where no metric is in it; None otherwise."""
    if next(metrics_of(quantity), None) is not None or _in_lots(quantity):
        return None
    value = float(evaluate(quantity, {}, 1, 1.0)[0])
    return None if np.isnan(value) else value


def _in_lots(quantity: Quantity) -> bool:
    if isinstance(quantity, Number):
        return quantity.sign == "lots"
    if isinstance(quantity, Magnitude):
        return _in_lots(quantity.of)
    return isinstance(quantity, Arithmetic) and (_in_lots(quantity.left) or _in_lots(quantity.right))


def evaluate(quantity: Quantity, values: Values, count: int, lot: float) -> Floats:
    """Its value at `count` instants, shape (count,); NaN where a metric is unknown or something is divided by 0.
    `lot` is what one lot comes to in the unit of sizes."""
    if isinstance(quantity, Number):
        value = quantity.value * lot if quantity.sign == "lots" else quantity.value
        return np.array([value]) if count == 1 else np.full(count, value)
    if isinstance(quantity, Reading):
        return values[quantity.metric.canonical]
    if isinstance(quantity, Magnitude):
        return np.abs(evaluate(quantity.of, values, count, lot))
    left, right = evaluate(quantity.left, values, count, lot), evaluate(quantity.right, values, count, lot)
    with np.errstate(all="ignore"):
        if quantity.operator == "+":
            return left + right
        if quantity.operator == "-":
            return left - right
        if quantity.operator == "*":
            return left * right
        return np.where(right == 0, np.nan, left / right)


class UnitError(ValueError):
    """Quantities that can't be added or compared."""


def unit_of(quantity: Quantity) -> str:
    """Its unit: that of a metric, ANY, OTHER, or the sign of a number. Raises UnitError."""
    if isinstance(quantity, Number):
        return quantity.sign
    if isinstance(quantity, Reading):
        return quantity.metric.spec.unit
    if isinstance(quantity, Magnitude):
        return unit_of(quantity.of)
    left, right = unit_of(quantity.left), unit_of(quantity.right)
    if quantity.operator in "+-":
        return together(left, right, "added")
    if quantity.operator == "*":
        # A share of something is in the unit of that.
        if right == ANY or (right in ("%", "ratio") and left != ANY):
            return left
        return right if left in (ANY, "%", "ratio") else OTHER
    if right in (ANY, "%"):
        return left
    return "ratio" if _alike(left, right) else OTHER


def together(left: str, right: str, verb: str) -> str:
    """The unit of two quantities that are compared or added. Raises UnitError where that makes no sense."""
    if not _alike(left, right):
        signs = [unit for unit in (left, right) if unit in SIGNS and unit not in ("bps", "s")]
        if signs:
            other = right if left == signs[0] else left
            raise UnitError(f"what is in {other} can't be {verb} with a number in {signs[0]}")
        raise UnitError(f"what is in {left} can't be {verb} with what is in {right}")
    return next((unit for unit in (left, right) if unit not in (ANY, OTHER) and unit not in SIGNS), left or right)


def _alike(left: str, right: str) -> bool:
    if left in (ANY, OTHER) or right in (ANY, OTHER) or left == right:
        return True
    return right in SIGNS.get(left, ()) or left in SIGNS.get(right, ())
