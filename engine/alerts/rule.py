"""One alert rule: when it fires, on which markets, and what keeps it from nagging."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from engine.alerts.condition import Condition, ConditionError, parse_condition, parse_level
from engine.duration import parse_duration

SEVERITIES = ("info", "warning", "high")


@dataclass(frozen=True)
class Rule:
    """A validated rule; build it with `compile_rule`."""

    name: str
    condition: Condition
    on: str = "*"  # a market or a pattern of markets
    hold: int = 0  # ns the condition must hold (`for`)
    rearm: float | None = None  # level it must come back beyond; None: the condition's own
    cooldown: int = 0  # ns between two deliveries
    severity: str = "warning"
    message: str = ""

    def applies(self, market: str) -> bool:
        """Whether it watches this market."""
        return fnmatchcase(market, self.on) or market == self.on

    @property
    def toxicity(self) -> bool:
        """Whether it watches a VPIN metric."""
        return self.condition.metric.name.startswith("vpin")


def compile_rule(
    name: str,
    when: str,
    on: str | None = None,
    hold: str | None = None,
    rearm: str | None = None,
    cooldown: str | None = None,
    severity: str | None = None,
    message: str | None = None,
) -> Rule:
    """A rule from the texts of an `[[alerts]]` table (`hold` is its key `for`). Raises ConditionError, which
    names the key that is wrong."""
    if not re.fullmatch(r"[\w .:+-]{1,60}", name):
        raise ConditionError(f"name: {name[:60]!r} must be 1 to 60 letters, digits, spaces or any of _ . : + -")
    condition = _keyed("when", parse_condition, when)
    release = None if rearm is None else _keyed("rearm", lambda text: parse_level(text, condition.metric), rearm)
    if release is not None and (release > condition.level if condition.above else release < condition.level):
        side = "at or below" if condition.above else "at or above"
        raise ConditionError(f"rearm: {rearm} must lie {side} the level of {condition.text!r}")
    if severity is not None and severity not in SEVERITIES:
        raise ConditionError(f"severity: {severity!r} must be one of {', '.join(SEVERITIES)}")
    return Rule(
        name,
        condition,
        on or "*",
        0 if hold is None else _keyed("for", parse_duration, hold),
        release,
        0 if cooldown is None else _keyed("cooldown", parse_duration, cooldown),
        severity or "warning",
        message or "",
    )


_Value = TypeVar("_Value")


def _keyed(key: str, read: Callable[[str], _Value], text: str) -> _Value:
    try:
        return read(text)
    except ValueError as error:
        raise ConditionError(f"{key}: {error}") from None
