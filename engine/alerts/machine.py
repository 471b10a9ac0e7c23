"""The state machine of one rule on one market, in event time only.

warming -> inactive -> pending(t0) -> firing -> inactive. The measured metric is a right-continuous
step function read at ascending instants; it keeps its value until the next one. A rule fires at
exactly t0 + for when its condition held at every instant of [t0, t0 + for], whenever that is found
out, so what fires does not depend on how the tape was cut. Semantics after METRICS.md section 5.2.
"""

from __future__ import annotations

import numpy as np

from engine.alerts.rule import Rule
from engine.metrics.batch import Bools, Floats
from engine.tape import Ints
from engine.view import AlertEvent, RuleView

#: A firing rule whose value has been unknown for so long (ns) is resolved: no data.
STALE_AFTER = 10_000_000_000


class RuleMachine:
    """`read` takes values at the next instants and returns what fired or resolved at them."""

    def __init__(self, rule: Rule, market: str) -> None:
        self.rule = rule
        self.market = market
        self.state = "warming"
        self.value: float | None = None
        self.since: int | None = None
        self.fires = 0
        self.suppressed = 0
        self._t0 = 0
        self._pending_value = np.nan  # at the last pending instant
        self._delivered_at: int | None = None
        self._unknown_since: int | None = None

    def read(self, times: Ints, values: Floats, detected: int) -> list[AlertEvent]:
        """Ascending instants and the metric's values there (NaN unknown); `detected` is the clock now."""
        if not len(times):
            return []
        measured = self.rule.condition.measure(values)
        holds = self.rule.condition.holds(measured)
        known = ~np.isnan(measured)
        events: list[AlertEvent] = []
        i, n = 0, len(times)
        while i < n:
            if self.state in ("warming", "inactive"):
                i = self._next_true(holds, known, times, i)
                if i == n:
                    break
            self._step(int(times[i]), float(measured[i]), bool(holds[i]), bool(known[i]), detected, events)
            i += 1
        self.value = float(values[-1]) if known[-1] else None
        return events

    def _next_true(self, holds: Bools, known: Bools, times: Ints, i: int) -> int:
        """Skip what can't start an episode."""
        hits = np.flatnonzero(holds[i:])
        stop = i + int(hits[0]) if len(hits) else len(holds)
        if self.state == "warming":
            seen = np.flatnonzero(known[i : stop + 1])
            if len(seen):
                self._enter("inactive", int(times[i + int(seen[0])]))
        return stop

    def _step(self, t: int, value: float, holds: bool, known: bool, detected: int, events: list[AlertEvent]) -> None:
        rule = self.rule
        if self.state == "pending":
            due = self._t0 + rule.hold
            if t > due:  # it held from t0 to this instant, so it held at t0 + for
                self._fire(due, self._pending_value, detected, events)
            elif not holds:
                self._enter("inactive", t)
        if self.state in ("inactive", "warming") and holds:
            self._t0 = t
            self._enter("pending", t)
        if self.state == "pending":
            self._pending_value = value
            if t == self._t0 + rule.hold:
                self._fire(t, value, detected, events)
        elif self.state == "firing":
            if known:
                self._unknown_since = None
                if rule.condition.released(value, rule.rearm):
                    self._resolve(t, value, detected, "resolved", events)
            elif self._unknown_since is None:
                self._unknown_since = t
            elif t - self._unknown_since >= STALE_AFTER:
                self._resolve(self._unknown_since + STALE_AFTER, None, detected, "no data", events)

    def _enter(self, state: str, t: int) -> None:
        self.state = state
        self.since = t

    def _fire(self, t: int, value: float, detected: int, events: list[AlertEvent]) -> None:
        self._enter("firing", t)
        self._unknown_since = None
        self.fires += 1
        last = self._delivered_at
        delivered = last is None or t - last >= self.rule.cooldown
        if delivered:
            self._delivered_at = t
        else:
            self.suppressed += 1
        events.append(self._event("fired", t, value, detected, delivered, self.rule.message))

    def _resolve(self, t: int, value: float | None, detected: int, why: str, events: list[AlertEvent]) -> None:
        self._enter("inactive", t)
        events.append(self._event("resolved", t, value, detected, True, why))

    def _event(self, kind: str, t: int, value: float | None, detected: int, delivered: bool, message: str) -> AlertEvent:
        rule = self.rule
        return AlertEvent(
            kind=kind,
            rule=rule.name,
            market=self.market,
            when=rule.condition.text,
            t=t,
            detected=detected,
            t0=self._t0,
            value=value,
            level=rule.condition.level,
            severity=rule.severity,
            delivered=delivered,
            message=message,
        )

    def view(self) -> RuleView:
        """For the screen."""
        rule = self.rule
        return RuleView(
            rule.name,
            rule.condition.text,
            self.state,
            self.value,
            rule.condition.level,
            self.since,
            self.fires,
            self.suppressed,
            rule.toxicity,
        )

