"""What a rule would have done over values that are at hand, and which level would have called so often a day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.alerts.condition import All, Compared, Condition, Crosses, Leaf, Plain, condition_metrics, factor_of
from engine.alerts.instants import Instants
from engine.alerts.machine import RuleMachine
from engine.alerts.quantity import Arithmetic, Magnitude, Number, Quantity, evaluate
from engine.metrics.windows import DAY

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent
    from engine.alerts.rule import Rule
    from engine.metrics.batch import Floats
    from engine.tape import Ints

_STEPS: Final = 24


@dataclass(frozen=True)
class Rehearsal:
    """What a rule did. Lengths of time in ns."""

    episodes: int
    suppressed: int  # of them, not announced because of the cooldown
    longest: int  # episode; one that still runs counts up to the end
    observed: int  # from the first instant at which the rule knew something to the end

    @property
    def per_day(self) -> float | None:
        """Episodes a day at this rate; None where nothing was observed."""
        return self.episodes * DAY / self.observed if self.observed > 0 else None


def summarise(events: Iterable[AlertEvent], known_from: int | None, end: int) -> Rehearsal:
    """Of one rule on one market; `known_from` is when it knew something for the first time."""
    episodes = suppressed = longest = 0
    since: int | None = None
    for event in events:
        if event.kind == "fired":
            episodes, suppressed, since = episodes + 1, suppressed + (not event.delivered), event.t
        elif event.kind == "resolved" and since is not None:
            longest, since = max(longest, event.t - since), None
    if since is not None:
        longest = max(longest, end - since)
    return Rehearsal(episodes, suppressed, longest, 0 if known_from is None else max(0, end - known_from))


def rehearse(rule: Rule, times: Ints, values: Mapping[str, Floats], lot: float = 1.0) -> Rehearsal:
    """The rule over the values of its metrics (by canonical name, NaN unknown) at ascending instants."""
    if not len(times):
        return Rehearsal(0, 0, 0, 0)
    epochs = np.zeros(len(times), np.int64)
    machine = RuleMachine(rule, "", lot=lot)
    end = int(times[-1])
    events = machine.read(Instants(times, values, values, (epochs, epochs), lot), end + 1, end)
    needed = [values[metric.canonical] for metric in condition_metrics(rule.condition)]
    known = np.flatnonzero(~np.isnan(np.array(needed)).any(axis=0)) if needed else np.arange(len(times))
    return summarise(events, int(times[known[0]]) if len(known) else None, end)


def without_hysteresis(rule: Rule) -> Rule:
    """The same rule that ends as soon as its condition is no longer true."""
    return replace(rule, rearm=None, rearm_text="", keep=0)


# ---- levels


def _head(condition: Condition) -> Leaf | None:
    """The first comparison, when its level can be moved: it stands alone, or all else must be true beside it."""
    first = condition.parts[0] if isinstance(condition, All) else condition
    if not isinstance(first, Leaf) or first.above is None or not isinstance(first.measure, Plain):
        return None
    return first if first.level is not None and factor_of(first.level) is not None else None


def with_level(rule: Rule, level: float) -> Rule | None:
    """The rule with another level (or factor of a level) of its first comparison, its re-arm level in proportion; None
    where it has no such level."""
    first = _head(rule.condition)
    if first is None:
        return None
    assert isinstance(first.test, Compared | Crosses)
    factor = factor_of(first.test.level)
    assert factor is not None
    moved = replace(first, test=replace(first.test, level=_scaled(level, factor[1])))
    condition: Condition = moved
    if isinstance(rule.condition, All):
        condition = All((moved, *rule.condition.parts[1:]))
    rearm = rule.rearm
    if rearm is not None and not isinstance(rearm, Condition):
        ours = factor_of(rearm)
        if ours is not None and factor[0]:
            rearm = _scaled(ours[0] * level / factor[0], ours[1])
    return replace(rule, condition=condition, rearm=rearm)


def _scaled(factor: float, base: Quantity) -> Quantity:
    return Number(factor) if base == Number(1.0) else Arithmetic("*", Number(factor), base)


def level_for(
    rule: Rule, times: Ints, values: Mapping[str, Floats], per_day: float, lot: float = 1.0
) -> tuple[float, Rehearsal] | None:
    """The least strict level of the first comparison that would have called at most so often a day, and what it would
    have done; None where the rule has no level to move or its values are not known.

    Levels are looked for among the values that were seen, from the middle to the most extreme one.
    """
    first = _head(rule.condition)
    if first is None or not len(times):
        return None
    assert isinstance(first.measure, Plain)
    assert first.level is not None
    factor = factor_of(first.level)
    assert factor is not None
    measured = evaluate(first.measure.quantity, values, len(times), lot)
    with np.errstate(all="ignore"):
        seen = measured / evaluate(factor[1], values, len(times), lot)
    seen = np.sort(seen[np.isfinite(seen)])
    if isinstance(first.measure.quantity, Magnitude):
        seen = seen[seen > 0]
    if len(seen) < 2:
        return None
    # Finer and finer towards the end that matters.
    tail = 0.5 ** (1 + np.linspace(0.0, math.log2(len(seen)), _STEPS))
    places = np.unique(np.round((1 - tail if first.above else tail) * (len(seen) - 1)).astype(int))
    levels = np.unique(seen[places]) if first.above else np.unique(seen[places])[::-1]
    low, high, best = 0, len(levels), None
    while low < high:  # strictness grows, calls become fewer
        middle = (low + high) // 2
        variant = with_level(rule, float(levels[middle]))
        assert variant is not None
        did = rehearse(variant, times, values, lot)
        if did.per_day is None:
            return None
        if did.per_day <= per_day:
            best, high = (float(levels[middle]), did), middle
        else:
            low = middle + 1
    return best
