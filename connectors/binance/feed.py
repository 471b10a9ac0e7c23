"""Live markets of Binance as one feed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import aiohttp

from connectors.backoff import Backoff
from connectors.binance.bars import fetch_bars
from connectors.binance.connection import Connection
from connectors.binance.endpoints import Endpoints
from connectors.binance.instruments import VENUE, Listed, Listing, market_type
from connectors.binance.messages import MarketType
from connectors.binance.rest import BinanceRest, RateLimitedError, UnreachableError
from connectors.binance.session import MarketSession
from connectors.binance.timing import Timing, VenueClock
from connectors.nearest import did_you_mean
from engine.feed import Engine, SourceError
from engine.history import Bars, HistoryError
from engine.instrument import Instrument
from engine.tape import Channel

T = TypeVar("T")
#: What may be asked for, and its channel on the tape.
CHANNELS = {"trades": Channel.TRADES, "book": Channel.BOOK}
#: Markets on one socket: two streams each, far below the 1,024 that are allowed, so that one loss is a small one.
MARKETS_A_SOCKET = 100
#: With more markets than this, snapshots are asked for in the smaller size: the request budget is a minute's.
_DEEP_SNAPSHOTS = 10


class BinanceFeed:
    """Trades and order books of `symbols` (unified: `ETH/USDT`, `ETH/USDT:USDT`, `ETH/USD:ETH`), for ever."""

    def __init__(
        self,
        symbols: Sequence[str],
        endpoints: Endpoints | None = None,
        channels: Sequence[str] = ("trades", "book"),
        *,
        timing: Timing | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        for name in channels:
            if name not in CHANNELS:
                raise SourceError(
                    f"{VENUE} has no channel {name[:40]!r}{did_you_mean(name, CHANNELS)} (there are trades and book)"
                )
        if not channels:
            raise SourceError(f"{VENUE}: no channel is asked for (there are trades and book)")
        self._symbols = list(dict.fromkeys(s.removeprefix(f"{VENUE}:") for s in symbols))
        self._channels = [CHANNELS[name] for name in dict.fromkeys(channels)]
        self._endpoints = endpoints if endpoints is not None else Endpoints()
        self._timing = timing if timing is not None else Timing()
        self._rng = rng if rng is not None else random.Random()
        self._clock = clock
        self._groups: dict[MarketType, _Group] = {}

    @property
    def name(self) -> str:
        """`binance`."""
        return VENUE

    @property
    def live(self) -> bool:
        """It may be started again."""
        return True

    @property
    def markets(self) -> Sequence[str]:
        """What it was asked for."""
        return [f"{VENUE}:{symbol}" for symbol in self._symbols]

    async def run(self, engine: Engine) -> None:
        """Push until cancelled. SourceError when not one of the markets exists."""
        groups: dict[MarketType, list[str]] = {}
        refusals: list[str] = []
        for symbol in self._symbols:
            try:
                groups.setdefault(market_type(symbol), []).append(symbol)
            except SourceError as e:
                refusals.append(str(e))
        for text in refusals if groups else ():
            engine.notice(VENUE, text)
        try:
            async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
                self._groups = {
                    market: _Group(self, engine, http, tasks, market, symbols) for market, symbols in groups.items()
                }
                running = [tasks.create_task(group.run()) for group in self._groups.values()]
        except BaseExceptionGroup as e:
            raise _first(e) from e
        refusals += [str(e) for task in running for e in [task.result()] if e is not None]
        raise SourceError("; ".join(refusals) or f"{VENUE}: no market is asked for")

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """See engine.history.History; while it runs."""
        group = self._groups.get(market_type(instrument.symbol))
        if group is None:
            raise HistoryError(f"{VENUE} is not being asked for anything")
        return await group.history(instrument, step, count)

    # ---- what the groups need of it

    def backoff(self) -> Backoff:
        """A fresh one with this feed's pace."""
        return Backoff(self._timing.backoff_base, self._timing.backoff_cap, self._rng)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """The engine reports one error, not the tree a task group makes of it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Group:
    """The markets of one of the three exchanges."""

    def __init__(
        self,
        feed: BinanceFeed,
        engine: Engine,
        http: aiohttp.ClientSession,
        tasks: asyncio.TaskGroup,
        market: MarketType,
        symbols: Sequence[str],
    ) -> None:
        self._feed, self._engine, self._http, self._tasks = feed, engine, http, tasks
        self._market, self._symbols = market, symbols
        self._timing, self._clock = feed._timing, feed._clock
        self._rest = BinanceRest(http, feed._endpoints, clock=feed._clock)
        self._venue_clock = VenueClock()

    async def run(self) -> SourceError | None:
        """Serve the markets for ever; returns why only when there is none to serve."""
        listing = await self._until_answered(self._listing, "the list of markets")
        if isinstance(listing, SourceError):
            return self._refused(listing)
        found: list[Listed] = []
        refusals: list[str] = []
        for symbol in self._symbols:
            try:
                found.append(listing.find(symbol))
            except SourceError as e:
                refusals.append(str(e))
        if not found:
            return self._refused(SourceError("; ".join(refusals)))
        for text in refusals:
            self._engine.notice(VENUE, text)
        ahead = await self._until_answered(lambda: self._rest.clock_ahead(self._market), "the clock")
        if isinstance(ahead, SourceError):
            return self._refused(ahead)
        self._venue_clock = VenueClock(ahead)
        await self._serve(found)
        return None

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """See engine.history.History."""
        now = self._venue_clock.now(self._clock())
        return await fetch_bars(self._rest, self._market, instrument, step, count, now, self._feed.backoff())

    def _refused(self, error: SourceError) -> SourceError:
        if len(self._feed.markets) > len(self._symbols):
            self._engine.notice(VENUE, str(error))  # other markets go on
        return error

    async def _listing(self) -> Listing:
        # The venue's own name of a spot market is nearly always the two currencies together.
        guesses = [symbol.replace("/", "") for symbol in self._symbols]
        listing = await self._rest.listing(self._market, guesses)
        known = {x.instrument.symbol for x in listing}
        if self._market is MarketType.SPOT and not known.issuperset(self._symbols):
            listing = await self._rest.listing(self._market)
        return listing

    async def _until_answered(self, ask: Callable[[], Coroutine[Any, Any, T]], what: str) -> T | SourceError:
        """Ask until there is an answer or a refusal. The first failure is told at once, a different one again."""
        backoff, told = self._feed.backoff(), ""
        while True:
            try:
                answer = await ask()
            except RateLimitedError as e:
                self._engine.notice(VENUE, f"{e}; {what} is asked for then")
                await asyncio.sleep(e.seconds)
            except UnreachableError as e:
                if str(e) != told:
                    told = str(e)
                    self._engine.notice(VENUE, f"{told}; trying again until it works (is there a network?)")
                await asyncio.sleep(max(0.05, backoff.next()))
            except SourceError as e:
                return e
            else:
                if told:
                    self._engine.notice(VENUE, f"{what} of {self._market.value} has come")
                return answer

    async def _serve(self, found: Sequence[Listed]) -> None:
        sessions = []
        for listed in found:
            if not listed.trading:
                self._engine.notice(listed.instrument.market, "is not trading now, as the venue says")
            sessions.append(self._session(listed, shallow=len(found) > _DEEP_SNAPSHOTS))
        await asyncio.gather(*(session.catch_up() for session in sessions))
        async with asyncio.TaskGroup() as tasks:
            for i in range(0, len(sessions), MARKETS_A_SOCKET):
                connection = Connection(
                    self._market,
                    self._feed._endpoints.stream_url(self._market),
                    self._http,
                    sessions[i : i + MARKETS_A_SOCKET],
                    lambda text: self._engine.notice(VENUE, text),
                    timing=self._timing,
                    rng=self._feed._rng,
                    clock=self._clock,
                )
                tasks.create_task(connection.run())
            tasks.create_task(self._tick(sessions))
            tasks.create_task(self._day_volumes(sessions))

    def _session(self, listed: Listed, shallow: bool) -> MarketSession:
        return MarketSession(
            self._market,
            listed.instrument,
            self._engine,
            self._rest,
            self._venue_clock,
            self._tasks.create_task,
            self._feed.backoff(),
            channels=self._feed._channels,
            shallow=shallow,
            timing=self._timing,
            clock=self._clock,
        )

    async def _tick(self, sessions: Sequence[MarketSession]) -> None:
        while True:
            await asyncio.sleep(self._timing.tick)
            for session in sessions:
                session.tick()

    async def _day_volumes(self, sessions: Sequence[MarketSession]) -> None:
        while True:
            for session in sessions:
                await session.fetch_day_volume()
            await asyncio.sleep(self._timing.day_volume)


async def list_markets(endpoints: Endpoints | None = None) -> list[Listed]:
    """Every market of the three exchanges. SourceError when one does not answer within seconds, or all refuse."""
    async with aiohttp.ClientSession() as http:
        rest = BinanceRest(http, endpoints if endpoints is not None else Endpoints())
        answers = await asyncio.gather(*(rest.listing(market) for market in MarketType), return_exceptions=True)
    listed: list[Listed] = []
    refusals: list[SourceError] = []
    for answer in answers:
        if isinstance(answer, UnreachableError):
            raise SourceError(f"{answer}; check the network, or the endpoints of {VENUE} in the configuration")
        if isinstance(answer, SourceError):
            refusals.append(answer)  # a mirror, or a country, may have only some of the three
        elif isinstance(answer, BaseException):
            raise answer
        else:
            listed.extend(answer)
    if not listed and refusals:
        raise refusals[0]
    return listed
