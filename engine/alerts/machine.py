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
        self._delivered = False  # whether this episode's fire was
        self._unknown_since: int | None = None

    def read(self, times: Ints, values: Floats, until: int, detected: int) -> list[AlertEvent]:
        """Ascending instants and the metric's values there (NaN unknown). Every instant before `until` has been
        read now, so what is due before it is told; `detected` is the clock now. What it tells is stamped before
        `until` and not before the last one, so the order of events does not depend on the cut either."""
        events: list[AlertEvent] = []
        if len(times):
            self._walk(times, values, detected, events)
        self._settle(until, detected, events)
        return events

    def _walk(self, times: Ints, values: Floats, detected: int, events: list[AlertEvent]) -> None:
        """Instant by instant, skipping those at which nothing can begin."""
        measured = self.rule.condition.measure(values)
        holds = self.rule.condition.holds(measured)
        known = ~np.isnan(measured)
        i, n = 0, len(times)
        while i < n:
            if self.state in ("warming", "inactive"):
                i = self._next_true(holds, known, times, i)
                if i == n:
                    break
            t = int(times[i])
            self._settle(t, detected, events)
            self._step(t, float(values[i]), float(measured[i]), bool(holds[i]), bool(known[i]), detected, events)
            i += 1
        self.value = float(values[-1]) if known[-1] else None

    def _next_true(self, holds: Bools, known: Bools, times: Ints, i: int) -> int:
        """Skip what can't start an episode."""
        hits = np.flatnonzero(holds[i:])
        stop = i + int(hits[0]) if len(hits) else len(holds)
        if self.state == "warming":
            seen = np.flatnonzero(known[i : stop + 1])
            if len(seen):
                self._enter("inactive", int(times[i + int(seen[0])]))
        return stop

    def _settle(self, until: int, detected: int, events: list[AlertEvent]) -> None:
        """What became due before `until`: the metric stood since the last instant as it was there."""
        if self.state == "pending":
            due = self._t0 + self.rule.hold
            if due < until:
                self._fire(due, self._pending_value, detected, events)
        elif self.state == "firing" and self._unknown_since is not None:
            due = self._unknown_since + STALE_AFTER
            if due < until:
                self._resolve(due, None, detected, "no data", events)

    def _step(
        self, t: int, value: float, measured: float, holds: bool, known: bool, detected: int, events: list[AlertEvent]
    ) -> None:
        """The value at one instant; what was due before it is settled."""
        if self.state == "pending" and not holds:
            self._enter("inactive", t)
        elif self.state == "firing":
            if known:
                self._unknown_since = None
                if self.rule.condition.released(measured, self.rule.rearm):
                    self._resolve(t, value, detected, "back", events)
            elif self._unknown_since is None:
                self._unknown_since = t
        if self.state in ("inactive", "warming") and holds:
            self._t0 = t
            self._enter("pending", t)
        if self.state == "pending":
            self._pending_value = value
            if t == self._t0 + self.rule.hold:
                self._fire(t, value, detected, events)
        elif self.state == "firing" and self._unknown_since is not None and t == self._unknown_since + STALE_AFTER:
            self._resolve(t, None, detected, "no data", events)

    def _enter(self, state: str, t: int) -> None:
        self.state = state
        self.since = t

    def _fire(self, t: int, value: float, detected: int, events: list[AlertEvent]) -> None:
        self._enter("firing", t)
        self._unknown_since = None
        self.fires += 1
        last = self._delivered_at
        self._delivered = last is None or t - last >= self.rule.cooldown
        if self._delivered:
            self._delivered_at = t
        else:
            self.suppressed += 1
        events.append(self._event("fired", t, value, detected, self.rule.message))

    def _resolve(self, t: int, value: float | None, detected: int, why: str, events: list[AlertEvent]) -> None:
        self._enter("inactive", t)
        self._unknown_since = None
        events.append(self._event("resolved", t, value, detected, why))

    def _event(self, kind: str, t: int, value: float | None, detected: int, message: str) -> AlertEvent:
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
            delivered=self._delivered,
            message=message if kind == "fired" else "",
            suppressed="" if self._delivered else "cooldown",
            reason="" if kind == "fired" else message,
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
