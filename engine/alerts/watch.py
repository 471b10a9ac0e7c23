"""All rules of one market, read on an absolute 100 ms grid of its clock and at the closings of buckets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.alert_view import AlertEvent, Surroundings
from engine.alerts.condition import Plain
from engine.alerts.evaluation import channels_of
from engine.alerts.instants import Instants
from engine.alerts.machine import Gate, RuleMachine, always
from engine.alerts.quantity import Reading
from engine.metrics.names import Metric, parse_metric
from engine.metrics.windows import check_state

if TYPE_CHECKING:
    from engine.alerts.rule import Rule
    from engine.metrics.batch import Bools, Floats
    from engine.metrics.calculator import State
    from engine.sampling import Reader
    from engine.tape import Ints
    from engine.view import RuleView

#: Period of evaluation, ns.
EVERY: Final = 100_000_000
#: What a channel is, or is not at all (None), while numbers may be derived from it.
_USABLE: Final = frozenset({"LIVE", "UNVERIFIABLE", None})
_CHANNELS: Final = ("book", "trades")
#: What is told with every alert.
_MID, _SPREAD, _CVD = (parse_metric(text) for text in ("mid", "spread_bps", "cvd"))
_VPINS: Final = tuple(parse_metric(f"vpin({size},50)") for size in ("adv/50", "adv/500", "adv/5000"))
_AROUND: Final = (_MID, _SPREAD, _CVD, *_VPINS)
#: Metrics that are a place among earlier values themselves.
_PERCENTILES: Final = frozenset({"pct", "vpin_pct", "vpin_bvc_pct"})
_NO_TIMES: Final = np.empty(0, np.int64)


class Watch:
    """A sampler (engine.sampling.Sampler) that runs the state machines and hands on what they tell.

    A metric is unknown to its rules while a channel it is derived from is not to be trusted, whatever the window
    still holds, and while nothing at all is heard of the market. `lot` is what one lot comes to in the unit of sizes.
    """

    def __init__(
        self,
        market: str,
        rules: Sequence[Rule],
        deliver: Callable[[AlertEvent], None],
        *,
        gate: Gate = always,
        lot: float = 1.0,
    ) -> None:
        self.market = market
        self._lot = lot
        self._machines = [RuleMachine(rule, market, gate, lot) for rule in rules]
        self._needs = [rule.metrics for rule in rules]
        self._deliver = deliver
        self._read_until = 0
        ranks = {rank.canonical: rank for rule in rules if (rank := _rank(rule)) is not None}
        wanted = [*(metric for needs in self._needs for metric in needs), *ranks.values(), *_AROUND]
        self._metrics = {metric.canonical: metric for metric in wanted}
        self._channels = {name: channels_of(metric) for name, metric in self._metrics.items()}
        self._probes = {name for name, metric in self._metrics.items() if _reads_book(metric)}
        self._carried = dict.fromkeys(self._probes, np.nan)  # values at the last grid instant
        self._unbucketed: set[str] = set()  # metrics known to have no buckets

    @property
    def every(self) -> int:
        """See Sampler."""
        return EVERY

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See Sampler."""
        return tuple(self._metrics.values())

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What it watches."""
        return tuple(machine.rule for machine in self._machines)

    # ---- reading

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        since, self._read_until = self._read_until, reader.until
        closings = self._closings(reader, since)
        sheets: dict[tuple[str, ...], _Sheet] = {}
        events: list[AlertEvent] = []
        for machine, needs in zip(self._machines, self._needs, strict=True):
            key = tuple(metric.canonical for metric in needs if metric.canonical in closings)
            sheet = sheets.get(key)
            if sheet is None:
                instants = times if not key else np.unique(np.concatenate((times, *(closings[name] for name in key))))
                sheet = sheets[key] = _Sheet(self, reader, times, instants, self._lot)
            events += machine.read(sheet.instants(needs), reader.until, clock)
        if events or len(times):
            grid = sheets.get(()) or _Sheet(self, reader, times, times, self._lot)
            events.sort(key=lambda event: event.t)
            for event in events:
                self._deliver(self._dressed(event, since, reader, grid))
            if len(times):
                self._carried = {name: float(grid.raw(self._metrics[name])[-1]) for name in self._probes}

    def _closings(self, reader: Reader, since: int) -> dict[str, Ints]:
        """Times at which buckets of the metrics closed, of those of which any did."""
        found = {}
        for needs in self._needs:
            for metric in needs:
                name = metric.canonical
                if name in self._unbucketed or name in found:
                    continue
                closings = reader.closings(metric, since)
                if closings is None:
                    self._unbucketed.add(name)
                elif len(closings):
                    found[name] = closings
        return found

    def _dressed(self, event: AlertEvent, since: int, reader: Reader, grid: _Sheet) -> AlertEvent:
        """With how the market stood, and the message filled in."""
        at = np.array([max(event.t, since)], np.int64)
        book, trades = (names[0] for names in reader.trust(at))
        cvd = _known(reader.values(_CVD, at)[0])
        vpins = (_known(reader.values(metric, at)[0]) for metric in _VPINS)
        around = Surroundings(
            book=book or "",
            trades=trades or "",
            mid=_known(grid.as_of(_MID, event.t)),
            spread_bps=_known(grid.as_of(_SPREAD, event.t)),
            cvd=cvd,
            vpin=next((vpin for vpin in vpins if vpin is not None), None),
        )
        rule = next(machine.rule for machine in self._machines if machine.rule.name == event.rule)
        percentile = event.percentile
        rank = _rank(rule)
        if rank is not None:
            percentile = _known(reader.values(rank, at)[0])
        elif _is_percentile(rule):
            percentile = event.value
        reason = event.reason
        if reason == "no data":
            doubts = [f"{n} {s}" for n, s in zip(_CHANNELS, (book, trades), strict=True) if s not in _USABLE]
            reason = ": ".join((reason, ", ".join(doubts))) if doubts else reason
        dressed = replace(event, surroundings=around, percentile=percentile, reason=reason)
        return replace(dressed, message=fill(dressed)) if "{" in dressed.message or "}" in dressed.message else dressed

    # ---- from outside

    def adopt(self, before: Watch) -> None:
        """Rules of the same name and trigger go on in the state they had."""
        kept = {(machine.rule.name, machine.rule.trigger): machine for machine in before._machines}
        for machine in self._machines:
            known = kept.get((machine.rule.name, machine.rule.trigger))
            if known is not None:
                machine.restore(known.carried())
        self._read_until = before._read_until
        self._carried |= {name: value for name, value in before._carried.items() if name in self._probes}

    def acknowledge(self) -> None:
        """The user knows of every episode that runs now."""
        for machine in self._machines:
            machine.acknowledge()

    def snooze(self, rule: str, until: int) -> None:
        """Don't announce a rule before the clock `until` (0: no longer)."""
        for machine in self._machines:
            if machine.rule.name == rule:
                machine.snoozed_until = until

    def carried(self) -> State:
        """What the rules stand at, by their names."""
        return {
            "kind": "alerts",
            "version": 1,
            "rules": {m.rule.name: {"trigger": m.rule.trigger, "state": m.carried()} for m in self._machines},
        }

    def restore(self, state: State) -> None:
        """Take over what an earlier run stood at; rules that are new or changed begin anew. Between then and now
        nobody knows what the market did. Raises ValueError for what is no such state at all."""
        check_state(state, "alerts", 1)
        held: dict[str, Any] = state["rules"]
        for i, machine in enumerate(self._machines):
            known = held.get(machine.rule.name)
            if known is None or known.get("trigger") != machine.rule.trigger:
                continue
            fresh = machine.fresh()
            with suppress(ValueError, TypeError, KeyError, IndexError, AttributeError):
                # A state of another version of ours is no reason to watch nothing: that rule begins anew.
                fresh.restore(known["state"])
                fresh.interrupt()
                self._machines[i] = fresh

    def views(self) -> tuple[RuleView, ...]:
        """Where every rule stands."""
        return tuple(machine.view() for machine in self._machines)


class _Sheet:
    """What is read at one set of instants, each metric once."""

    def __init__(self, watch: Watch, reader: Reader, grid: Ints, times: Ints, lot: float) -> None:
        self._watch = watch
        self._reader = reader
        self._grid = grid  # the instants at which the book was read
        self._times = times
        self._lot = lot
        self._raw: dict[str, Floats] = {}
        self._values: dict[str, Floats] = {}
        self._usable: tuple[Bools | None, Bools | None] | None = None
        self._epochs: tuple[Ints, Ints] = (_NO_TIMES, _NO_TIMES)

    def instants(self, needs: Sequence[Metric]) -> Instants:
        """With the values of these metrics."""
        if not len(self._times):
            return Instants(self._times, {}, {}, self._epochs, self._lot)
        if self._usable is None:
            self._usable = usable(self._reader, self._times)
            self._epochs = self._reader.epochs(self._times)
        for metric in needs:
            name = metric.canonical
            if name in self._values:
                continue
            values = self.raw(metric)
            # How long a channel has been silent is known also when it is not to be trusted.
            for channel in () if metric.name == "age" else self._watch._channels[name]:
                trusted = self._usable[channel]
                if trusted is not None:
                    values = np.where(trusted, values, np.nan)
            self._values[name] = values
        return Instants(self._times, self._values, self._raw, self._epochs, self._lot)

    def raw(self, metric: Metric) -> Floats:
        """A metric's values at the instants, whatever is thought of its channels."""
        name = metric.canonical
        values = self._raw.get(name)
        if values is None:
            if name not in self._watch._probes or self._times is self._grid:
                values = self._reader.values(metric, self._times)
            else:
                # The book is read on the grid only: in between it counts as it was there.
                known = np.concatenate(([self._watch._carried[name]], self._reader.values(metric, self._grid)))
                values = known[self._grid.searchsorted(self._times, "right")]
            self._raw[name] = values
        return values

    def as_of(self, metric: Metric, t: int) -> float:
        """A metric that reads the book, at the last grid instant up to `t`."""
        before = int(self._grid.searchsorted(t, "right"))
        return float(self.raw(metric)[before - 1]) if before else self._watch._carried[metric.canonical]


def usable(reader: Reader, times: Ints) -> tuple[Bools | None, Bools | None]:
    """Where (book, trades) may be relied on; None: at all of these instants."""
    silent = reader.silent(times)
    book, trades = (_usable(names, silent) for names in reader.trust(times))
    return book, trades


def _usable(names: list[str | None], silent: Bools | None) -> Bools | None:
    if silent is None and all(name in _USABLE for name, _ in groupby(names)):
        return None
    trusted = np.array([name in _USABLE for name in names], np.bool_)
    return trusted if silent is None else trusted & ~silent


def _reads_book(metric: Metric) -> bool:
    """Whether it, or the metric whose statistic it is, is read off the book as it stands."""
    bound = metric.spec.bind(*metric.args)
    while bound.of is not None:
        bound = bound.of.spec.bind(*bound.of.args)
    return bound.probe is not None


def _first_metric(rule: Rule) -> Metric | None:
    """The metric that the first comparison of a rule compares as it is."""
    measure = rule.first.measure
    return measure.quantity.metric if isinstance(measure, Plain) and isinstance(measure.quantity, Reading) else None


def _rank(rule: Rule) -> Metric | None:
    """The metric that tells where the value of a rule on VPIN stands in its own history."""
    metric = _first_metric(rule)
    if metric is None or metric.name != "vpin":
        return None
    return parse_metric(metric.canonical.replace("vpin(", "vpin_pct(", 1))


def _is_percentile(rule: Rule) -> bool:
    metric = _first_metric(rule)
    return metric is not None and metric.name in _PERCENTILES


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def fill(event: AlertEvent) -> str:
    """The message of an alert with its placeholders filled in."""
    around = event.surroundings
    numbers = {
        "value": event.value,
        "level": event.level,
        "peak": event.peak,
        "mid": around.mid,
        "spread": around.spread_bps,
        "cvd": around.cvd,
        "vpin": around.vpin,
    }
    texts = {name: "unknown" if number is None else f"{number:.6g}" for name, number in numbers.items()}
    texts |= {"rule": event.rule, "market": event.market, "when": event.when, "severity": event.severity}
    texts["pctl"] = "unknown" if event.percentile is None else f"{100 * event.percentile:.1f}%"
    texts |= {"book": around.book or "none", "trades": around.trades or "none"}
    return event.message.format_map(texts)
