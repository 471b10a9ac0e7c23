"""How often rules would have fired on a recording, with and without what keeps them from nagging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.alerts.condition import condition_metrics
from engine.alerts.rehearsal import Rehearsal, level_for, summarise, without_hysteresis
from engine.alerts.remembering import Remembering
from engine.alerts.watch import EVERY, Watch
from engine.metrics.windows import DAY
from engine.study.table import Table

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent
    from engine.alerts.rule import Rule
    from engine.instrument import Instrument

#: Below so much of observed tape a figure a day says little (ns).
_SHORT = DAY // 4


@dataclass(frozen=True)
class Tried:
    """One rule on one market."""

    rule: Rule
    market: str
    did: Rehearsal
    bare: Rehearsal  # without re-arm level and keep_firing_for
    level: float | None  # of its first comparison that would have called at most as often as asked
    at_level: Rehearsal | None


class MarketDryRun:
    """Rules on one market. `samplers` are for its `Market`."""

    def __init__(self, instrument: Instrument, rules: Sequence[Rule]) -> None:
        self.market = instrument.market
        self._rules = [rule for rule in rules if rule.applies(self.market)]
        self._lot = instrument.amount(1)
        self.events: list[AlertEvent] = []
        self._bare: list[AlertEvent] = []
        bare = [without_hysteresis(rule) for rule in self._rules]
        metrics = [metric for rule in self._rules for metric in rule.metrics]
        self._values = Remembering(metrics, EVERY)
        self.samplers = (
            Watch(self.market, self._rules, self.events.append, lot=self._lot),
            Watch(self.market, bare, self._bare.append, lot=self._lot),
            self._values,
        )

    def results(self, per_day: float) -> list[Tried]:
        """What each rule did, and its level for at most so many alerts a day. The tape must have ended."""
        found = []
        times, values = self._values.times, self._values.values
        end = int(times[-1]) if len(times) else 0
        for rule in self._rules:
            firsts = [self._values.known_from.get(metric.canonical) for metric in condition_metrics(rule.condition)]
            known = None
            if len(times) and all(first is not None for first in firsts):
                known = max((first for first in firsts if first is not None), default=int(times[0]))
            did, bare = (
                summarise([event for event in events if event.rule == rule.name], known, end)
                for events in (self.events, self._bare)
            )
            level = level_for(rule, times, values, per_day, self._lot) if known is not None else None
            found.append(Tried(rule, self.market, did, bare, *(level or (None, None))))
        return found

    @property
    def cut_short(self) -> bool:
        """Levels were looked for in the end of the recording only: all of it did not fit into memory."""
        return self._values.full


def table_of(tried: Sequence[Tried], per_day: float, cut_short: bool) -> Table:
    """One row per rule and market."""
    observed = max((each.did.observed for each in tried), default=0)
    notes = [
        f"observed {observed / 3.6e12:.1f} h of tape at most; a rule counts from when all its values are known.",
        "An episode calls once, unless its cooldown suppresses that; `bare` counts episodes without re-arm and "
        "keep_firing_for.",
        "`level` is that of the first comparison (or its factor) which would have called at most "
        f"{per_day:g} times a day.",
    ]
    if observed < _SHORT:
        notes.append("So short a recording says little about a day.")
    if cut_short:
        notes.append("Levels stand on the end of the recording only, for it is long.")
    return Table(
        "alerts",
        "What the rules would have done",
        ("rule", "market", "episodes", "suppressed", "longest", "a day", "bare", "bare a day", "level", "then a day"),
        tuple(
            (
                each.rule.name,
                each.market,
                each.did.episodes if each.did.observed else None,
                each.did.suppressed if each.did.observed else None,
                f"{each.did.longest / 1e9:.1f} s" if each.did.episodes else None,
                each.did.per_day,
                each.bare.episodes if each.did.observed else None,
                each.bare.per_day,
                each.level,
                None if each.at_level is None else each.at_level.per_day,
            )
            for each in tried
        ),
        " ".join(notes),
    )
