"""All rules of one market, read on an absolute 100 ms grid of its clock and at the closings of buckets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine.alerts.machine import RuleMachine
from engine.alerts.rule import Rule
from engine.metrics.names import Metric
from engine.sampling import Reader
from engine.tape import Ints
from engine.view import AlertEvent, RuleView

#: Period of evaluation, ns.
EVERY = 100_000_000


class Watch:
    """A sampler (engine.sampling.Sampler) that runs the state machines and hands on what they tell."""

    def __init__(self, market: str, rules: Sequence[Rule], deliver: Callable[[AlertEvent], None]) -> None:
        self._machines = [RuleMachine(rule, market) for rule in rules]
        self._deliver = deliver
        self._read_until = 0

    @property
    def every(self) -> int:
        """See Sampler."""
        return EVERY

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See Sampler."""
        return tuple(machine.rule.condition.metric for machine in self._machines)

    def adopt(self, before: Watch) -> None:
        """Rules that are unchanged go on in the state they had."""
        kept = {machine.rule: machine for machine in before._machines}
        self._machines = [kept.get(machine.rule, machine) for machine in self._machines]

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        since, self._read_until = self._read_until, reader.until
        events: list[AlertEvent] = []
        for machine in self._machines:
            metric = machine.rule.condition.metric
            instants = times
            closings = reader.closings(metric, since)
            if closings is not None and len(closings):
                instants = np.unique(np.concatenate((times, closings)))
            if len(instants):
                events += machine.read(instants, reader.values(metric, instants), clock)
        events.sort(key=lambda event: event.t)
        for event in events:
            self._deliver(event)

    def views(self) -> tuple[RuleView, ...]:
        """Where every rule stands."""
        return tuple(machine.view() for machine in self._machines)
