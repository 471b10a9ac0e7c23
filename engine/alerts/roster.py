"""The rules of all markets of one run: what is watched where, what it told, and what the user said to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Final

from engine.alert_view import AlertEvent, EvidenceView
from engine.alerts.evidence import TradeLog
from engine.alerts.machine import Gate, always
from engine.alerts.watch import Watch

if TYPE_CHECKING:
    from engine.alerts.rule import Rule
    from engine.market import Market
    from engine.metrics.calculator import State
    from engine.view import RuleView

KEPT_ALERTS: Final = 200
#: Under which name a market keeps the trades around its alerts.
_LOG: Final[Hashable] = "alert evidence"


class Roster:
    """Watches by market. `gate` says why an alert is not to be announced (quiet hours); `fault(source, text)` hears
    what went wrong with a listener."""

    def __init__(self, rules: Sequence[Rule], fault: Callable[[str, str], None], gate: Gate = always) -> None:
        self.rules = tuple(rules)
        self.alerts: deque[AlertEvent] = deque(maxlen=KEPT_ALERTS)  # newest first
        self.muted = False  # nothing is announced
        self.gate = gate
        self._fault = fault
        self._listeners: list[Callable[[AlertEvent], None]] = []
        self._watches: dict[str, Watch] = {}
        self._logs: dict[str, TradeLog] = {}
        self._markets: dict[str, Market] = {}
        self._unseen: dict[str, int] = {}  # fired and not acknowledged, by market

    # ---- what is watched

    def attach(self, market: Market, state: State | None = None) -> None:
        """Watch a market that was opened; `state` is what its rules stood at in an earlier run (`carried`)."""
        name = market.instrument.market
        if self._markets.get(name) is not market:
            self._watches.pop(name, None)
        self._markets[name] = market
        self._watch(market)
        if state is not None and name in self._watches:
            try:
                self._watches[name].restore(state)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                self._fault(name, f"what its alerts stood at can't be used: {error}; they begin anew")

    def detach(self, market: str) -> None:
        """Its tape begins anew, and what it told with it."""
        for held in (self._watches, self._logs, self._markets, self._unseen):
            held.pop(market, None)
        kept = [event for event in self.alerts if event.market != market]
        self.alerts.clear()
        self.alerts.extend(kept)

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Watch these from now on; rules that stay keep their state."""
        self.rules = tuple(rules)
        for market in self._markets.values():
            self._watch(market)

    def _watch(self, market: Market) -> None:
        name = market.instrument.market
        before = self._watches.pop(name, None)
        if before is not None:
            market.flush()  # what came so far is still read by the rules as they were
            market.forget(before)
        rules = [rule for rule in self.rules if rule.applies(name)]
        if not rules:
            return
        watch = Watch(name, rules, self._tell, gate=self._says_no, lot=market.instrument.amount(1))
        if before is not None:
            watch.adopt(before)
        log = market.calculators.setdefault(_LOG, TradeLog(KEPT_ALERTS))
        assert isinstance(log, TradeLog)
        self._watches[name], self._logs[name] = watch, log
        market.sample_for(watch)

    def carried(self, market: str) -> State | None:
        """What the rules of a market stand at, for its checkpoint."""
        watch = self._watches.get(market)
        return None if watch is None else watch.carried()

    def views(self, market: str) -> tuple[RuleView, ...]:
        """Where the rules of a market stand."""
        watch = self._watches.get(market)
        return watch.views() if watch is not None else ()

    # ---- what it tells

    def _says_no(self, rule: Rule, market: str, t: int) -> str:
        return "muted" if self.muted else self.gate(rule, market, t)

    def _tell(self, event: AlertEvent) -> None:
        self.alerts.appendleft(event)
        if event.kind == "fired":
            self._logs[event.market].open(event.episode, event.t)
            if event.delivered:
                self._unseen[event.market] = self._unseen.get(event.market, 0) + 1
        for callback in self._listeners:
            try:
                callback(event)
            except Exception as error:
                # Whoever is told must not stop the fold that tells.
                self._fault("alerts", f"telling of an alert failed: {type(error).__name__}: {error}")

    def listen(self, callback: Callable[[AlertEvent], None]) -> None:
        """Call `callback` with everything that becomes of the rules."""
        self._listeners.append(callback)

    @property
    def unseen(self) -> int:
        """Fired and not acknowledged."""
        return sum(self._unseen.values())

    def evidence(self, episode: str) -> EvidenceView | None:
        """What is kept of an episode (`AlertEvent.episode`): how it fired, what it came to, the trades around it."""
        news = [event for event in self.alerts if event.episode == episode]
        fired = next((event for event in news if event.kind == "fired"), None)
        if fired is None:
            return None
        around = self._logs[fired.market].around(episode) if fired.market in self._logs else None
        trades, before, after, complete = around or ((), 0, 0, True)
        instrument = self._markets[fired.market].instrument if fired.market in self._markets else None
        return EvidenceView(fired, tuple(reversed(news)), instrument, trades, before, after, complete)

    # ---- what the user says

    def acknowledge(self) -> None:
        """All alerts so far were seen; what goes on is not repeated."""
        self._unseen.clear()
        for watch in self._watches.values():
            watch.acknowledge()

    def snooze(self, rule: str, market: str, length: int) -> None:
        """Announce a rule on a market no more for `length` ns of its clock; 0: again at once."""
        if market in self._watches:
            self._watches[market].snooze(rule, self._markets[market].t + length if length else 0)
