"""The async runtime: supervises feeds, drains them into markets, serves every front end alike.

The one path for the monitor and the headless commands, live and replayed. Feeds come by protocol;
nothing here knows where a tape comes from.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from engine.alerts.lookback import Lookback
from engine.alerts.machine import Gate, always
from engine.alerts.roster import Roster
from engine.feed import Feed, SourceError
from engine.history import WANTED, History, HistoryError
from engine.keeping import Keeper, Taken
from engine.market import Market
from engine.picture import market_summary, market_view
from engine.view import EngineView, MarketView, Notice, ViewRequest

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent, EvidenceView
    from engine.alerts.rule import Rule
    from engine.checkpoint import Store
    from engine.fees import FeeSchedule
    from engine.instrument import Instrument
    from engine.metrics.names import Metric
    from engine.sampling import Sampler

log = logging.getLogger("flowtape")

#: How often live messages are folded. Numpy costs about 50 µs a calculator group and fold, whatever it holds.
FLUSH_S = 0.05
#: The share of the time that folding may take with many markets, and how long it goes on without letting others run.
FLUSH_SHARE, FLUSH_STRETCH_S = 0.4, 0.005
#: A crashed feed is started again after so many seconds, doubling up to the cap.
RESTART_S, RESTART_CAP_S = 1.0, 60.0
KEPT_NOTICES = 50
#: A crash loses at most so much of what live markets have seen.
CHECKPOINT_S = 30.0


class Runtime:
    """Markets, their feeds and their rules. `engine.feed.Engine` for the feeds.

    `samplers(instrument)` gives what reads values of a newly opened market on a grid (headless commands);
    `metrics` are computed for views from the first row on; `chart` keeps what a screen draws.
    `day_lots(instrument)` is the user's own average daily volume, if any, `fees(instrument)` what the user pays.

    Live markets go on from their checkpoint in `store` and are kept there (simulated ones with `keep_simulated`);
    with `warm` those that begin anew learn from the history of their source, when it has come.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        *,
        rules: Sequence[Rule] = (),
        gate: Gate = always,
        samplers: Callable[[Instrument], Iterable[Sampler]] = lambda _: (),
        metrics: Sequence[Metric] = (),
        chart: bool = False,
        day_lots: Callable[[Instrument], int | None] = lambda _: None,
        fees: Callable[[Instrument], FeeSchedule | None] = lambda _: None,
        on_notice: Callable[[Notice], None] = lambda _: None,
        store: Store | None = None,
        keep_simulated: bool = False,
        warm: bool = False,
    ) -> None:
        self._feeds = tuple(feeds)
        self._roster = Roster(rules, self._tell_once, gate)
        self._samplers = samplers
        self._metrics = tuple(metrics)
        self._chart = chart
        self._day_lots = day_lots
        self._fees = fees
        self._on_notice = on_notice
        self._keeper = None if store is None else Keeper(store, self.notice)
        self._keep_simulated = keep_simulated
        self._warm = warm
        self._learning: set[asyncio.Task[None]] = set()
        self._writing: asyncio.Future[str | None] | None = None
        self.markets: dict[str, Market] = {}
        self._broken: set[str] = set()  # faults that were told
        self._lookbacks: dict[str, Lookback] = {}
        self._notices: deque[Notice] = deque(maxlen=KEPT_NOTICES)
        self._lag = 0.0
        self._rate: deque[tuple[float, int]] = deque(maxlen=41)
        #: Sources that could not be used, in words; a headless command fails when it is not empty.
        self.failures: list[str] = []

    # ---- what feeds ask (engine.feed.Engine)

    def open(self, instrument: Instrument) -> Market:
        """The market of this instrument; a changed tick, lot or contract starts a new one."""
        known = self.markets.get(instrument.market)
        if known is not None:
            if _grid(known.instrument) == _grid(instrument):
                return known
            known.finish()
            self.notice(instrument.market, "tick, lot or contract size changed: its metrics begin anew")
        resumed: Market | None = None
        if self._keeper is not None and known is None and self._kept(instrument):
            resumed = self._keeper.resumed(lambda: self._market(instrument), time.time_ns())
        market = self.markets[instrument.market] = resumed or self._market(instrument)
        self._roster.attach(market, self._keeper.alerts.pop(instrument.market, None) if self._keeper else None)
        if self._chart:
            self._lookbacks[instrument.market] = Lookback(market, self._metrics)
        source: object = self._live_feed(instrument)
        if self._warm and resumed is None and isinstance(source, History):
            task = asyncio.create_task(self._learn(market, source))
            self._learning.add(task)
            task.add_done_callback(self._learning.discard)
        return market

    def _market(self, instrument: Instrument) -> Market:
        return Market(
            instrument,
            self._samplers(instrument),
            metrics=self._metrics,
            chart=self._chart,
            day_lots=self._day_lots(instrument),
            fees=self._fees(instrument),
        )

    def _live_feed(self, instrument: Instrument) -> Feed | None:
        return next((feed for feed in self._feeds if feed.live and instrument.market in feed.markets), None)

    def _kept(self, instrument: Instrument) -> bool:
        """Whether a restart goes on where this market stopped: recordings and simulations begin as they began."""
        return self._live_feed(instrument) is not None and (self._keep_simulated or not instrument.simulated)

    def restart(self, market: str) -> None:
        """The market's tape begins anew (a replay was sought backwards), and what it told with it."""
        self.markets.pop(market, None)
        self._roster.detach(market)
        self._lookbacks.pop(market, None)

    def notice(self, source: str, text: str) -> None:
        """Something the user should read."""
        notice = Notice(time.time_ns(), source, text)
        self._notices.appendleft(notice)
        self._on_notice(notice)

    async def drained(self) -> None:
        """Fold what was pushed and let others run."""
        for market in self.markets.values():
            market.flush()
        await asyncio.sleep(0)

    # ---- running

    async def run(self) -> None:
        """Until every feed has ended; cancel it to stop. Tapes that ended are folded to their last row."""
        flusher = asyncio.create_task(self._flush_forever())
        keeper = asyncio.create_task(self._keep_forever())
        tasks = [asyncio.create_task(self._supervise(feed)) for feed in self._feeds]
        try:
            await asyncio.gather(*tasks)
        finally:
            beside = (flusher, keeper, *self._learning)
            for task in (*beside, *tasks):
                task.cancel()
            await asyncio.gather(*beside, *tasks, return_exceptions=True)
            for market in self.markets.values():
                market.finish()
            if self._writing is not None:
                await asyncio.wait([self._writing])  # what is older must not be written after what is newer
            for market in self._kept_markets():
                if (taken := self._take(market)) is not None:
                    self._written(market, taken.write())

    async def _supervise(self, feed: Feed) -> None:
        """Contain what one feed does: report it and start it again, unless its source can't be used at all."""
        delay = RESTART_S
        while True:
            began = time.monotonic()
            try:
                await feed.run(self)
                return
            except SourceError as error:
                self.failures.append(str(error))
                self.notice(feed.name, str(error))
                return
            except Exception as error:
                log.exception("feed %s crashed", feed.name)
                if not feed.live:
                    self.failures.append(f"{feed.name}: {type(error).__name__}: {error}")
                    self.notice(feed.name, f"stopped by an internal error: {type(error).__name__}: {error}")
                    return
                if time.monotonic() - began > RESTART_CAP_S:
                    delay = RESTART_S
                self.notice(feed.name, f"crashed ({type(error).__name__}: {error}); starting it again in {delay:.0f} s")
                await asyncio.sleep(delay)
                delay = min(2 * delay, RESTART_CAP_S)

    async def _flush_forever(self) -> None:
        due, pause = time.monotonic(), FLUSH_S
        while True:
            due += pause
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            late, due = now - due, max(due, now - pause)
            self._lag = max(late, 0.8 * self._lag)
            spent = await self._flush_all()
            # A hundred markets cost more than there is time in a pause: then all are folded less often.
            pause = max(FLUSH_S, spent / FLUSH_SHARE)
            self._rate.append((now, sum(m.messages for m in self.markets.values())))

    async def _flush_all(self) -> float:
        """Fold every market; seconds that it took. Between markets the sockets have their turn."""
        spent, since = 0.0, 0.0
        for name, market in tuple(self.markets.items()):
            if since > FLUSH_STRETCH_S:
                await asyncio.sleep(0)
                since = 0.0
            begun = time.monotonic()
            try:
                market.flush()
            except Exception as error:
                # A fault in one market's metrics must not stop the others; its own numbers say nothing then.
                self._tell_once(name, f"its numbers stopped: {type(error).__name__}: {error}")
            took = time.monotonic() - begun
            spent, since = spent + took, since + took
        return spent

    # ---- checkpoints and history

    def _kept_markets(self) -> list[Market]:
        if self._keeper is None:
            return []
        return [market for market in self.markets.values() if self._kept(market.instrument)]

    async def _keep_forever(self) -> None:
        while self._keeper is not None:
            await asyncio.sleep(CHECKPOINT_S)
            for market in self._kept_markets():
                # What it stands at is taken here, between two messages; a slow disk is waited for elsewhere.
                if (taken := self._take(market)) is not None:
                    self._writing = asyncio.ensure_future(asyncio.to_thread(taken.write))
                    self._written(market, await asyncio.shield(self._writing))

    def _take(self, market: Market) -> Taken | None:
        try:
            return (
                None
                if self._keeper is None
                else self._keeper.take(market, lambda: self._roster.carried(market.instrument.market))
            )
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            self._tell_once(market.instrument.market, f"no checkpoint can be taken: {fault}")
            return None

    def _written(self, market: Market, problem: str | None) -> None:
        if problem is not None:
            self._tell_once(market.instrument.market, problem)

    async def _learn(self, market: Market, feed: History) -> None:
        """Let a market learn what traded before it began. It runs meanwhile, and does without if need be."""
        name = market.instrument.market
        try:
            for step, count in WANTED:
                bars = await feed.history(market.instrument, step, count)
                market.learn(bars)
                if not bars.sided:  # longer bars help only those who need sides
                    self.notice(
                        name, "its bars do not tell what takers bought: VPIN and usual flow fill from live data"
                    )
                    break
        except HistoryError as error:
            self.notice(name, f"no history to warm up with: {error}; its gauges fill from live data")
        except Exception as error:
            self._tell_once(name, f"learning from history failed: {type(error).__name__}: {error}")

    def _tell_once(self, source: str, text: str) -> None:
        key = f"{source}: {text}"
        if key not in self._broken and len(self._broken) < KEPT_NOTICES:
            self._broken.add(key)
            log.exception("%s", key)
            self.notice(source, text)

    # ---- rules

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules being watched."""
        return self._roster.rules

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Watch these from now on; rules that stay keep their state."""
        self._roster.set_rules(rules)

    def set_gate(self, gate: Gate) -> None:
        """Let this say from now on why an alert is not to be announced."""
        self._roster.gate = gate

    def listen(self, callback: Callable[[AlertEvent], None]) -> None:
        """Call `callback` with everything that becomes of the rules."""
        self._roster.listen(callback)

    def acknowledge(self) -> None:
        """The user has seen the alerts so far."""
        self._roster.acknowledge()

    def snooze(self, rule: str, market: str, length: int) -> None:
        """Announce a rule on a market no more for `length` ns of its clock; 0: again at once."""
        self._roster.snooze(rule, market, length)

    def mute(self, muted: bool) -> None:
        """Announce nothing, whatever fires, or everything again."""
        self._roster.muted = muted

    def evidence(self, episode: str) -> EvidenceView | None:
        """What is kept of an episode (`AlertEvent.episode`); None when it is not known (any more)."""
        return self._roster.evidence(episode)

    def lookback(self, market: str) -> Lookback | None:
        """The last hour of a market's numbers; None without `chart`, or while the market is not known."""
        return self._lookbacks.get(market)

    # ---- pictures

    def view(self, market: str, request: ViewRequest) -> MarketView | None:
        """The newest picture of a market; None while its instrument is not known."""
        found = self.markets.get(market)
        if found is None:
            return None
        found.flush()
        others = self.markets.values() if request.notionals or found.instrument.members else ()
        return market_view(found, request, self._roster.views(market), others)

    def overview(self) -> EngineView:
        """What is common to all markets."""
        summaries = []
        for name, market in self.markets.items():
            firing = sum(rule.state in ("firing", "clearing") for rule in self._roster.views(name))
            summaries.append(market_summary(market, firing))
        rate = 0.0
        if len(self._rate) > 1:
            (t0, n0), (t1, n1) = self._rate[0], self._rate[-1]
            rate = max(0, n1 - n0) / (t1 - t0) if t1 > t0 else 0.0
        roster = self._roster
        return EngineView(
            tuple(summaries),
            tuple(roster.alerts),
            roster.unseen,
            tuple(self._notices),
            rate,
            1e3 * self._lag,
            muted=roster.muted,
        )


def _grid(instrument: Instrument) -> tuple[object, ...]:
    """What numbers of a market stand on; fees and names may change under way."""
    return (
        instrument.tick,
        instrument.lot,
        instrument.kind,
        instrument.contract,
        instrument.base,
        instrument.quote,
        instrument.fixed_tick,
    )
