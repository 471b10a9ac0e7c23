"""One alert rule: when it fires, on which markets, and what keeps it from nagging."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from engine.alerts.condition import Condition, ConditionError, parse_condition, parse_level

SEVERITIES = ("info", "warning", "high")
_LONGEST = 366 * 86_400 * 10**9
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}


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


def parse_duration(text: str) -> int:
    """A duration such as 500ms, 3s, 30m or 0s in ns; raises ConditionError."""
    if text.strip() == "0":
        return 0
    match = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,3}))?\s*(ms|s|m|h|d)", text.strip())
    if match is None:
        raise ConditionError(f"{text.strip()[:40]!r} is not a duration: write 500ms, 3s, 30m, 2h or 1d")
    thousandths = int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))
    ns = thousandths * _UNITS[match[3]] // 1000
    if ns > _LONGEST:
        raise ConditionError(f"{text.strip()[:40]!r} is longer than a year")
    return ns
