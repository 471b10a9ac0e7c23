"""All rules of one market, read on an absolute 100 ms grid of its clock and at the closings of buckets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine.alerts.machine import RuleMachine
from engine.alerts.rule import Rule
from engine.metrics.batch import Bools, Floats
from engine.metrics.names import Metric
from engine.sampling import Reader
from engine.tape import Ints
from engine.view import AlertEvent, RuleView

#: Period of evaluation, ns.
EVERY = 100_000_000
#: What a channel is, or is not at all (None), while numbers may be derived from it.
_USABLE = frozenset({"LIVE", "UNVERIFIABLE", None})


class Watch:
    """A sampler (engine.sampling.Sampler) that runs the state machines and hands on what they tell.

    A metric is unknown to its rule while a channel it is derived from is not to be trusted, whatever the window
    still holds.
    """

    def __init__(self, market: str, rules: Sequence[Rule], deliver: Callable[[AlertEvent], None]) -> None:
        self._machines = [RuleMachine(rule, market) for rule in rules]
        self._channels = {metric.canonical: _channels(metric) for metric in self.metrics}
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
        self._read_until = before._read_until

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        since, self._read_until = self._read_until, reader.until
        usable = _usable(reader, times)
        events: list[AlertEvent] = []
        for machine in self._machines:
            metric = machine.rule.condition.metric
            instants, trusted = times, usable
            closings = reader.closings(metric, since)
            if closings is not None and len(closings):
                instants = np.unique(np.concatenate((times, closings)))
                trusted = _usable(reader, instants)
            values: Floats = np.empty(0)
            if len(instants):
                values = reader.values(metric, instants)
                for channel in self._channels[metric.canonical]:
                    values = np.where(trusted[channel], values, np.nan)
            events += machine.read(instants, values, reader.until, clock)
        events.sort(key=lambda event: event.t)
        for event in events:
            self._deliver(event)

    def views(self) -> tuple[RuleView, ...]:
        """Where every rule stands."""
        return tuple(machine.view() for machine in self._machines)


def _channels(metric: Metric) -> tuple[int, ...]:
    """Which columns of `_usable` a metric stands on."""
    bound = metric.spec.bind(*metric.args)
    return (*((0,) if bound.needs_book else ()), *((1,) if bound.needs_trades else ()))


def _usable(reader: Reader, times: Ints) -> tuple[Bools, Bools]:
    """Where (book, trades) may be relied on."""
    if not len(times):
        return np.empty(0, np.bool_), np.empty(0, np.bool_)
    book, trades = (np.array([name in _USABLE for name in names], np.bool_) for names in reader.trust(times))
    return book, trades
