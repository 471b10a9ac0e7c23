"""The condition of an alert: `metric comparison level`, as in `vpin_pct(adv/50,50) >= 0.99`.

A parsed grammar, nothing is evaluated as code. `abs(metric)` compares a size regardless of side.
Levels take `k` and `M`, and where the metric's unit allows it `%`, `bps` and `$`: 50k, 1.5M, 70%, 10bps, $100k.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput
from numpy.typing import NDArray

from engine.metrics.batch import Floats
from engine.metrics.names import Metric, MetricError, parse_metric

_GRAMMAR = r"""
    condition: measure CMP LEVEL
    measure: ABS "(" metric ")" -> size | metric -> plain
    metric: NAME [ARGUMENTS]
    ABS: /abs(?=\s*\()/
    NAME: /(?!abs\s*\()[A-Za-z_][A-Za-z_0-9]*/
    ARGUMENTS: /\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)/
    CMP: ">=" | "<=" | ">" | "<"
    LEVEL: /[^\s<>=]+/
    %ignore /\s+/
"""
_LEVEL = re.compile(r"([+-]?)(\$?)(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(k|M|%|bps)?")
_EXPONENT = {"k": 3, "M": 6, "%": -2, "bps": 0, None: 0}
_UNITS_OF = {"%": ("ratio",), "bps": ("bps",), "$": ("quote", "price")}  # sign of a level: what it can be compared with
_WORDS = re.compile(r"\s(and|or)\s|&&|\|\|", re.IGNORECASE)
EXAMPLE = "'vpin_pct(adv/50,50) >= 0.99' or 'abs(delta(30s)) > 50'"


class ConditionError(ValueError):
    """A condition or level that can't be watched; the text says what, where and what to write instead."""


@dataclass(frozen=True)
class Condition:
    """`metric comparison level`; `absolute` compares the metric's magnitude."""

    text: str
    metric: Metric
    comparison: str  # > >= < <=
    level: float
    absolute: bool = False

    @property
    def above(self) -> bool:
        """Whether high values are what it waits for."""
        return self.comparison[0] == ">"

    def measure(self, values: Floats) -> Floats:
        """What is compared, from the metric's values."""
        return np.abs(values) if self.absolute else values

    def holds(self, measured: Floats) -> NDArray[np.bool_]:
        """Where it is true; unknown is not true."""
        return _compare(measured, self.comparison, self.level)

    def released(self, measured: float, rearm: float | None) -> bool:
        """Whether an episode ends at this value: the negation, or beyond the re-arm level when there is one."""
        if rearm is None:
            return not bool(_compare(np.array([measured]), self.comparison, self.level)[0])
        return measured < rearm if self.above else measured > rearm


def _compare(values: Floats, comparison: str, level: float) -> NDArray[np.bool_]:
    if comparison == ">":
        return values > level
    if comparison == ">=":
        return values >= level
    return values < level if comparison == "<" else values <= level


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, start="condition", parser="lalr")


def parse_condition(text: str) -> Condition:
    """Raises ConditionError."""
    if len(text) > 500:
        raise ConditionError("a condition longer than 500 characters")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        ended = getattr(getattr(error, "token", None), "type", None) == "$END"
        at = len(text) if ended else getattr(error, "pos_in_stream", None) or 0
        if _WORDS.search(text):
            raise ConditionError("one comparison a rule: write two rules instead of joining conditions") from None
        _explain_metric(text)
        raise ConditionError(
            f"can't read {text.strip()[:80]!r} from character {at + 1} on: expected a metric, one of > >= < <= "
            f"and a level, such as {EXAMPLE}"
        ) from None
    measure, comparison, level = tree.children
    assert isinstance(measure, Tree)
    metric_tree = measure.children[-1]
    assert isinstance(metric_tree, Tree)
    name = "".join(token for token in metric_tree.children if isinstance(token, Token))
    try:
        metric = parse_metric(name)
    except MetricError as error:
        raise ConditionError(str(error)) from None
    value, absolute = parse_level(str(level), metric), measure.data == "size"
    if absolute and value <= 0:
        raise ConditionError(f"{str(level)!r}: abs({metric.key}) is never below 0, so its level must be above 0")
    return Condition(text.strip(), metric, str(comparison), value, absolute)


def _explain_metric(text: str) -> None:
    """When the trouble is the metric itself, its own message is the better one."""
    head = re.split(r"[<>=]", text, maxsplit=1)[0].strip()
    if head and not head.startswith("abs"):
        try:
            parse_metric(head)
        except MetricError as error:
            raise ConditionError(str(error)) from None


def parse_level(text: str, metric: Metric) -> float:
    """A level with its unit, to compare `metric` with; raises ConditionError."""
    text = text.strip()
    match = _LEVEL.fullmatch(text)
    if match is None:
        raise ConditionError(f"{text[:40]!r} is not a level: write a number such as 0.99, 70%, 10bps, 50k or $1.5M")
    sign, dollar, digits, unit = match.groups()
    for written in (dollar, unit):
        units = _UNITS_OF.get(written or "")
        if units is not None and metric.spec.unit not in units:
            raise ConditionError(
                f"{text!r}: {metric.name} is not in {written} (its unit: {metric.spec.unit}); write a plain number"
            )
    return float(Decimal(f"{sign}{digits}").scaleb(_EXPONENT[unit]))
