"""One alert rule: when it fires, on which markets, and what keeps it from nagging."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final, TypeVar

from engine.alerts.condition import (
    Absence,
    All,
    Compared,
    Condition,
    ConditionError,
    Count,
    Extent,
    Leaf,
    Plain,
    condition_metrics,
    edges,
    factor_of,
    leaves,
)
from engine.alerts.language import is_condition, parse_condition, parse_quantity
from engine.alerts.quantity import Magnitude, Quantity, UnitError, constant, metrics_of, together, unit_of
from engine.duration import parse_duration
from engine.metrics.names import Metric

SEVERITIES: Final = ("info", "warning", "high")
#: What a message may name in braces.
PLACEHOLDERS: Final = (
    *("rule", "market", "when", "severity", "value", "level", "pctl", "peak"),
    *("mid", "spread", "cvd", "vpin", "book", "trades"),
)
#: A firing rule whose value has been unknown for so long (ns) is resolved: no data. Unless it says otherwise.
STALE_AFTER: Final = 10_000_000_000
#: Reminders are no oftener than this (ns).
_LEAST_REPEAT: Final = 1_000_000_000


@dataclass(frozen=True)
class Rule:
    """A validated rule; build it with `compile_rule`. Lengths of time in ns."""

    name: str
    when: str  # the condition as written
    condition: Condition
    on: str = "*"  # a market or a pattern of markets, or several separated by commas
    hold: int = 0  # the condition must hold for so long (`for`)
    rearm: Quantity | Condition | None = None  # level of the first comparison, or condition; None: the negation
    rearm_text: str = ""
    keep: int = 0  # an episode ends when the re-arm test has been true for so long (`keep_firing_for`)
    stale_after: int = STALE_AFTER
    cooldown: int = 0  # between two deliveries
    repeat: int = 0  # reminders of an episode that goes on; 0: none
    expires: int | None = None  # ns since the Unix epoch: nothing is watched from here on
    severity: str = "warning"
    message: str = ""

    def applies(self, market: str) -> bool:
        """Whether it watches this market."""
        return any(fnmatchcase(market, each) or market == each for each in map(str.strip, self.on.split(",")))

    @property
    def first(self) -> Leaf:
        """The comparison whose value and level are shown."""
        return next(leaves(self.condition))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric it reads, each once."""
        found = {metric.canonical: metric for metric in condition_metrics(self.condition)}
        if self.rearm is not None:
            more = condition_metrics(self.rearm) if isinstance(self.rearm, Condition) else metrics_of(self.rearm)
            found.update({metric.canonical: metric for metric in more})
        return tuple(found.values())

    @property
    def toxicity(self) -> bool:
        """Whether it watches a VPIN metric."""
        return any(metric.name.startswith("vpin") for metric in condition_metrics(self.condition))

    @property
    def trigger(self) -> str:
        """Names what decides when it fires and ends: a rule that changes otherwise goes on in the state it has."""
        meaning = (_spaced(self.when), self.hold, _spaced(self.rearm_text), self.keep, self.stale_after, self.expires)
        return _digest(*map(str, meaning))

    @property
    def version(self) -> str:
        """Names everything about it but its name."""
        rest = (self.on, self.cooldown, self.repeat, self.severity, self.message)
        return _digest(self.trigger, *map(str, rest))


def compile_rule(
    name: str,
    when: str,
    on: str | None = None,
    hold: str | None = None,
    rearm: str | None = None,
    cooldown: str | None = None,
    severity: str | None = None,
    message: str | None = None,
    *,
    keep_firing_for: str | None = None,
    repeat: str | None = None,
    stale_after: str | None = None,
    expires: str | None = None,
) -> Rule:
    """A rule from the texts of an `[[alerts]]` table (`hold` is its key `for`). Raises ConditionError, whose text
    begins with the key that is wrong."""
    if not re.fullmatch(r"[\w .:+-]{1,60}", name):
        raise ConditionError(f"name: {name[:60]!r} must be 1 to 60 letters, digits, spaces or any of _ . : + -")
    condition = _keyed("when", parse_condition, when)
    if severity is not None and severity not in SEVERITIES:
        raise ConditionError(f"severity: {severity!r} must be one of {', '.join(SEVERITIES)}")
    stale = STALE_AFTER if stale_after is None else _keyed("stale_after", parse_duration, stale_after)
    if not stale:
        raise ConditionError("stale_after: must be above 0")
    again = 0 if repeat in (None, "never") else _keyed("repeat", parse_duration, str(repeat))
    if 0 < again < _LEAST_REPEAT:
        raise ConditionError(f"repeat: {repeat!r} must be at least 1s, or never")
    if on is not None and not all(part.strip() for part in on.split(",")):
        raise ConditionError(f"on: {on[:60]!r} must be a market, a pattern such as binance:*, or several with commas")
    keep = 0 if keep_firing_for is None else _keyed("keep_firing_for", parse_duration, keep_firing_for)
    for key, given in (("keep_firing_for", keep), ("rearm", rearm)):
        if given and "crosses either" in edges(condition):
            raise ConditionError(
                f"{key}: does not go with crosses, which ends with the crossing back; write crosses up or crosses down"
            )
    return Rule(
        name=name,
        when=when.strip(),
        condition=condition,
        on=on or "*",
        hold=0 if hold is None else _keyed("for", parse_duration, hold),
        rearm=None if rearm is None else _keyed("rearm", lambda text: _rearm(text, condition), rearm),
        rearm_text="" if rearm is None else rearm.strip(),
        keep=keep,
        stale_after=stale,
        cooldown=0 if cooldown is None else _keyed("cooldown", parse_duration, cooldown),
        repeat=again,
        expires=None if expires is None else _keyed("expires", parse_expiry, expires),
        severity=severity or "warning",
        message=_keyed("message", _message, message or ""),
    )


_Value = TypeVar("_Value")


def _keyed(key: str, read: Callable[[str], _Value], text: str) -> _Value:
    try:
        return read(text)
    except ValueError as error:
        raise ConditionError(f"{key}: {error}") from None


# ---- re-arming


def _rearm(text: str, condition: Condition) -> Quantity | Condition:
    """A level of the first comparison, or a condition; on the safe side of what fires. Raises ConditionError."""
    if is_condition(text):
        rearm = parse_condition(text)
        _check_apart(rearm, condition, text)
        return rearm
    level = parse_quantity(text)
    first = condition.parts[0] if isinstance(condition, All) else condition
    if not isinstance(first, Leaf) or first.above is None or first.level is None:
        raise ConditionError(
            f"{text!r}: here it must be a condition, such as {_example(first)!r}; a level alone goes with a condition "
            "that begins with one comparison (> >= < <=, crosses up or down)"
        )
    try:
        together(first.unit, unit_of(level), "compared")
    except UnitError as error:
        raise ConditionError(f"{text!r}: {error}") from None
    ours, theirs = factor_of(level), factor_of(first.level)
    if ours is not None and theirs is not None and ours[1] == theirs[1]:
        beyond = ours[0] > theirs[0] if first.above else ours[0] < theirs[0]
        if beyond:
            side = "at or below" if first.above else "at or above"
            raise ConditionError(f"{text!r} must lie {side} the level of {first.what!r}, or the alert never rests")
    value = constant(level)
    if first.above and value is not None and value <= 0 and _never_negative(first):
        raise ConditionError(f"{text!r}: {first.what} is never below 0, so the alert would never end")
    return level


def _example(first: Condition) -> str:
    what = next(leaves(first)).what
    return f"{what} inside [-0.5, 0.5]" if isinstance(first, Leaf) else f"{what} < 0.5"


def _never_negative(leaf: Leaf) -> bool:
    if isinstance(leaf.measure, Plain):
        return isinstance(leaf.measure.quantity, Magnitude)
    return isinstance(leaf.measure, Extent | Count | Absence)


def _check_apart(rearm: Condition, condition: Condition, text: str) -> None:
    """Comparisons of the same measure with numbers must not be true together."""
    for ours in rearm.parts if isinstance(rearm, All) else (rearm,):
        for theirs in condition.parts if isinstance(condition, All) else (condition,):
            if not (isinstance(ours, Leaf) and isinstance(theirs, Leaf) and ours.measure == theirs.measure):
                continue
            if not (isinstance(ours.test, Compared) and ours.above is not None and theirs.above is not None):
                continue
            if ours.above == theirs.above:
                raise ConditionError(f"{text!r} is on the side of {theirs.what!r} that fires, or the alert never rests")
            low, high = (ours, theirs) if theirs.above else (theirs, ours)
            ends = factor_of(low.level or high.test.level), factor_of(high.level or low.test.level)  # type: ignore[union-attr]
            if ends[0] is not None and ends[1] is not None and ends[0][1] == ends[1][1] and ends[0][0] > ends[1][0]:
                raise ConditionError(
                    f"{text!r} reaches over the level of {theirs.what!r}: it must lie on its safe side"
                )


# ---- small parts


def parse_expiry(text: str) -> int:
    """ns since the Unix epoch at which a rule is over: the end of a day (UTC) such as 2026-12-31, or a time such as
    2026-12-31T18:00 (UTC unless it says otherwise). Raises ValueError."""
    text = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text) + timedelta(days=1)
            at = datetime.combine(day, time(), UTC)
        else:
            at = datetime.fromisoformat(text)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return round(at.timestamp()) * 1_000_000_000
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text[:40]!r} is no day such as 2026-12-31 and no time such as 2026-12-31T18:00") from None


def _message(text: str) -> str:
    try:
        fields = [
            (name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(text) if name is not None
        ]
    except ValueError as error:
        raise ValueError(f"{error}; a brace that is text is written twice") from None
    for name, spec, conversion in fields:
        if name not in PLACEHOLDERS or spec or conversion:
            raise ValueError(f"{{{name[:30]}}} can't be filled in; known are {', '.join(PLACEHOLDERS)}")
    return text


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()
