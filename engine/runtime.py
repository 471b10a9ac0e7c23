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

from engine.alerts.rule import Rule
from engine.alerts.watch import Watch
from engine.feed import Feed, SourceError
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.names import Metric
from engine.picture import market_summary, market_view
from engine.sampling import Sampler
from engine.view import AlertEvent, EngineView, MarketView, Notice, ViewRequest

log = logging.getLogger("flowtape")

#: How often live messages are folded. Numpy costs about 50 µs a calculator group and fold, whatever it holds.
FLUSH_S = 0.05
#: A crashed feed is started again after so many seconds, doubling up to the cap.
RESTART_S, RESTART_CAP_S = 1.0, 60.0
KEPT_ALERTS, KEPT_NOTICES = 200, 50


class Runtime:
    """Markets, their feeds and their rules. `engine.feed.Engine` for the feeds.

    `samplers(instrument)` gives what reads values of a newly opened market on a grid (headless commands);
    `metrics` are computed for views from the first row on; `chart` keeps what a screen draws.
    `day_lots(instrument)` is the user's own average daily volume, if any.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        *,
        rules: Sequence[Rule] = (),
        samplers: Callable[[Instrument], Iterable[Sampler]] = lambda _: (),
        metrics: Sequence[Metric] = (),
        chart: bool = False,
        day_lots: Callable[[Instrument], int | None] = lambda _: None,
        on_notice: Callable[[Notice], None] = lambda _: None,
    ) -> None:
        self._feeds = tuple(feeds)
        self._rules = tuple(rules)
        self._samplers = samplers
        self._metrics = tuple(metrics)
        self._chart = chart
        self._day_lots = day_lots
        self._on_notice = on_notice
        self._on_alert: list[Callable[[AlertEvent], None]] = []
        self.markets: dict[str, Market] = {}
        self._watches: dict[str, Watch] = {}
        self._alerts: deque[AlertEvent] = deque(maxlen=KEPT_ALERTS)
        self._unseen: dict[str, int] = {}  # fired and not acknowledged, by market
        self._broken: set[str] = set()  # faults that were told
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
        market = Market(
            instrument,
            self._samplers(instrument),
            metrics=self._metrics,
            chart=self._chart,
            day_lots=self._day_lots(instrument),
        )
        self.markets[instrument.market] = market
        self._watch(market)
        return market

    def restart(self, market: str) -> None:
        """The market's tape begins anew (a replay was sought backwards), and what it told with it."""
        self.markets.pop(market, None)
        self._watches.pop(market, None)
        self._unseen.pop(market, None)
        kept = [event for event in self._alerts if event.market != market]
        self._alerts.clear()
        self._alerts.extend(kept)

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
        tasks = [asyncio.create_task(self._supervise(feed)) for feed in self._feeds]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in (flusher, *tasks):
                task.cancel()
            await asyncio.gather(flusher, *tasks, return_exceptions=True)
            for market in self.markets.values():
                market.finish()

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
        due = time.monotonic()
        while True:
            due += FLUSH_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            late, due = now - due, max(due, now - FLUSH_S)
            self._lag = max(late, 0.8 * self._lag)
            for name, market in tuple(self.markets.items()):
                try:
                    market.flush()
                except Exception as error:
                    # A fault in one market's metrics must not stop the others; its own numbers say nothing then.
                    self._tell_once(name, f"its numbers stopped: {type(error).__name__}: {error}")
            self._rate.append((now, sum(m.messages for m in self.markets.values())))

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
        return self._rules

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Watch these from now on; rules that stay keep their state."""
        self._rules = tuple(rules)
        for market in self.markets.values():
            self._watch(market)

    def _watch(self, market: Market) -> None:
        name = market.instrument.market
        before = self._watches.pop(name, None)
        if before is not None:
            market.flush()  # what came so far is still read by the rules as they were
            market.forget(before)
        rules = [rule for rule in self._rules if rule.applies(name)]
        if rules:
            watch = Watch(name, rules, self._alert)
            if before is not None:
                watch.adopt(before)
            self._watches[name] = watch
            market.sample_for(watch)

    def _alert(self, event: AlertEvent) -> None:
        self._alerts.appendleft(event)
        if event.kind == "fired" and event.delivered:
            self._unseen[event.market] = self._unseen.get(event.market, 0) + 1
        for callback in self._on_alert:
            try:
                callback(event)
            except Exception as error:
                # Whoever is told must not stop the fold that tells.
                self._tell_once("alerts", f"telling of an alert failed: {type(error).__name__}: {error}")

    def listen(self, callback: Callable[[AlertEvent], None]) -> None:
        """Call `callback` for each alert that fires or resolves."""
        self._on_alert.append(callback)

    def acknowledge(self) -> None:
        """The user has seen the alerts so far."""
        self._unseen.clear()

    # ---- pictures

    def view(self, market: str, request: ViewRequest) -> MarketView | None:
        """The newest picture of a market; None while its instrument is not known."""
        found = self.markets.get(market)
        if found is None:
            return None
        found.flush()
        watch = self._watches.get(market)
        return market_view(found, request, watch.views() if watch else ())

    def overview(self) -> EngineView:
        """What is common to all markets."""
        summaries = []
        for name, market in self.markets.items():
            watch = self._watches.get(name)
            firing = sum(rule.state in ("firing", "clearing") for rule in watch.views()) if watch else 0
            summaries.append(market_summary(market, firing))
        rate = 0.0
        if len(self._rate) > 1:
            (t0, n0), (t1, n1) = self._rate[0], self._rate[-1]
            rate = max(0, n1 - n0) / (t1 - t0) if t1 > t0 else 0.0
        unseen = sum(self._unseen.values())
        return EngineView(tuple(summaries), tuple(self._alerts), unseen, tuple(self._notices), rate, 1e3 * self._lag)


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
