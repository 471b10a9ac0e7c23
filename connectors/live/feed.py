"""Live markets of one venue as one feed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, cast

import aiohttp

from connectors.backoff import Backoff
from connectors.live.bars import fetch_bars
from connectors.live.conflation import Backlog
from connectors.live.connection import Connection
from connectors.live.contract import ContractSession
from connectors.live.http import RateLimitedError, UnreachableError
from connectors.live.listing import Listed
from connectors.live.session import MarketSession
from connectors.live.timing import Timing, VenueClock
from connectors.live.venue import (
    Closing,
    ContractRest,
    Environment,
    LiquidationVenue,
    LiveVenue,
    OwnSockets,
    Rest,
    Running,
)
from connectors.live.wire import BookRule
from connectors.nearest import did_you_mean
from engine.codes import Channel
from engine.feed import Engine, SourceError
from engine.history import Bars, HistoryError
from engine.instrument import Instrument

T = TypeVar("T")
#: Seconds between two contracts whose figures are asked for, so that many of them leave room for other requests.
_FIGURES_APART = 0.5
#: What may be asked for, and its channel on the tape; `contract`: liquidations, mark, index, funding, open interest.
CHANNELS: Mapping[str, Channel] = {
    "trades": Channel.TRADES,
    "book": Channel.BOOK,
    "contract": Channel.LIQUIDATIONS,
}


class LiveFeed:
    """Trades and order books of `symbols` (unified: `ETH/USDT`, `ETH/USDT:USDT`, `ETH/USD:ETH`), for ever."""

    def __init__(
        self,
        venue: LiveVenue | OwnSockets,
        symbols: Sequence[str],
        channels: Sequence[str] = ("trades", "book"),
        *,
        timing: Timing | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        for name in channels:
            if name not in CHANNELS:
                hint = did_you_mean(name, CHANNELS)
                raise SourceError(f"{venue.name} has no channel {name[:40]!r}{hint} (there are {', '.join(CHANNELS)})")
        if not {"trades", "book"} & set(channels):
            raise SourceError(f"{venue.name}: neither trades nor the book are asked for")
        self.venue = venue
        self.timing = timing if timing is not None else Timing()
        self.contract = "contract" in channels
        self.channels = [CHANNELS[name] for name in dict.fromkeys(channels) if name != "contract"]
        self.rng = rng if rng is not None else random.Random()
        self.clock = clock
        self._symbols = list(dict.fromkeys(s.removeprefix(f"{venue.name}:") for s in symbols))
        self._sections: dict[str, _Section] = {}

    @property
    def name(self) -> str:
        """The venue's."""
        return self.venue.name

    @property
    def live(self) -> bool:
        """It may be started again."""
        return True

    @property
    def markets(self) -> Sequence[str]:
        """What it was asked for."""
        return [f"{self.name}:{symbol}" for symbol in self._symbols]

    async def run(self, engine: Engine) -> None:
        """Push until cancelled. SourceError when not one of the markets exists."""
        sections: dict[str, list[str]] = {}
        refusals: list[str] = []
        for symbol in self._symbols:
            try:
                sections.setdefault(self.venue.section(symbol), []).append(symbol)
            except SourceError as e:
                refusals.append(str(e))
        for text in refusals if sections else ():
            engine.notice(self.name, text)
        try:
            async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
                self._sections = {
                    name: _Section(self, engine, http, tasks, name, symbols) for name, symbols in sections.items()
                }
                running = [tasks.create_task(section.run()) for section in self._sections.values()]
        except BaseExceptionGroup as e:
            raise _first(e) from e
        refusals += [str(e) for task in running for e in [task.result()] if e is not None]
        raise SourceError("; ".join(refusals) or f"{self.name}: no market is asked for")

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """See engine.history.History; while it runs."""
        section = self._sections.get(self.venue.section(instrument.symbol))
        if section is None:
            raise HistoryError(f"{self.name} is not being asked for anything")
        return await section.history(instrument, step, count)

    def backoff(self) -> Backoff:
        """A fresh one with this feed's pace."""
        return Backoff(self.timing.backoff_base, self.timing.backoff_cap, self.rng)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """The engine reports one error, not the tree a task group makes of it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Section:
    """The markets of one section."""

    def __init__(
        self,
        feed: LiveFeed,
        engine: Engine,
        http: aiohttp.ClientSession,
        tasks: asyncio.TaskGroup,
        name: str,
        symbols: Sequence[str],
    ) -> None:
        self._feed, self._engine, self._http, self._tasks = feed, engine, http, tasks
        self._name, self._symbols = name, symbols
        self._traits = feed.venue.traits(name)
        self._rest = feed.venue.rest(name, http)
        self._venue_clock = VenueClock()

    async def run(self) -> SourceError | None:
        """Serve the markets for ever; returns why only when there is none to serve."""
        try:
            return await self._run()
        finally:
            await _closed(self._rest)

    async def _run(self) -> SourceError | None:
        listing = await self._until_answered(lambda: self._rest.listing(self._symbols), "the list of markets")
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
            self._notice(text)
        ahead = await self._until_answered(self._rest.clock_ahead, "the clock")
        if isinstance(ahead, SourceError):
            return self._refused(ahead)
        self._venue_clock = VenueClock(ahead)
        await self._serve(found)
        return None

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """See engine.history.History."""
        now = self._venue_clock.now(self._feed.clock())
        return await fetch_bars(self._rest, instrument, step, count, now, self._feed.backoff())

    def _notice(self, text: str) -> None:
        self._engine.notice(self._feed.name, text)

    def _refused(self, error: SourceError) -> SourceError:
        if len(self._feed.markets) > len(self._symbols):
            self._notice(str(error))  # other markets go on
        return error

    async def _until_answered(self, ask: Callable[[], Coroutine[Any, Any, T]], what: str) -> T | SourceError:
        """Ask until there is an answer or a refusal. The first failure is told at once, a different one again."""
        backoff, told = self._feed.backoff(), ""
        while True:
            try:
                answer = await ask()
            except RateLimitedError as e:
                self._notice(f"{e}; {what} is asked for then")
                await asyncio.sleep(e.seconds)
            except UnreachableError as e:
                if str(e) != told:
                    told = str(e)
                    self._notice(f"{told}; trying again until it works (is there a network?)")
                await asyncio.sleep(max(0.05, backoff.next()))
            except SourceError as e:
                return e
            else:
                if told:
                    self._notice(f"{what} of {self._name} has come")
                return answer

    async def _serve(self, found: Sequence[Listed]) -> None:
        for listed in found:
            if not listed.trading:
                self._engine.notice(listed.instrument.market, "is not trading now, as the venue says")
        size, shallow = self._traits.markets_a_socket, len(found) > self._traits.deep_snapshots
        sessions: list[MarketSession] = []
        connections: list[Running] = []
        for i in range(0, len(found), size):
            served, connection = self._connected(found[i : i + size], shallow)
            sessions += served
            connections.append(connection)
        await asyncio.gather(*(session.catch_up() for session in sessions))
        contracts = self._contracts(sessions)  # after what was missed: their first word is of the present
        if self._traits.liquidations:
            connections += self._liquidations(contracts)
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(connection.run())
            tasks.create_task(self._tick(sessions))
            tasks.create_task(self._day_volumes(sessions))
            if self._traits.figures and contracts:
                tasks.create_task(self._figures(contracts))

    def _connected(self, found: Sequence[Listed], shallow: bool) -> tuple[list[MarketSession], Running]:
        """The sessions of some markets, and what connects them."""
        venue, feed, backlog = self._feed.venue, self._feed, Backlog()
        if isinstance(venue, OwnSockets):
            served = [self._session(listed, venue.rule, backlog, shallow) for listed in found]
            run = Environment(self._notice, lambda recv: self._venue_clock.now(recv), feed.timing, feed.rng, feed.clock)
            return served, venue.connection(served, run)
        dialect = venue.dialect(self._name)
        served = [self._session(listed, dialect.rule, backlog, shallow) for listed in found]
        return served, Connection(
            dialect,
            self._traits,
            self._http,
            served,
            self._notice,
            timing=feed.timing,
            rng=feed.rng,
            clock=feed.clock,
            backlog=backlog,
        )

    def _session(
        self, listed: Listed, make_rule: Callable[[Instrument], BookRule], backlog: Backlog, shallow: bool
    ) -> MarketSession:
        return MarketSession(
            listed.instrument,
            self._engine,
            self._rest,
            make_rule,
            self._traits,
            self._venue_clock,
            self._tasks.create_task,
            self._feed.backoff(),
            channels=self._feed.channels,
            shallow=shallow,
            timing=self._feed.timing,
            clock=self._feed.clock,
            backlog=backlog,
        )

    def _contracts(self, sessions: Sequence[MarketSession]) -> list[ContractSession]:
        """What is told of those markets that are contracts, beside their trades and books."""
        traits = self._traits
        hears = traits.flagged_liquidations and Channel.TRADES in self._feed.channels
        if not self._feed.contract or not (traits.figures or traits.liquidations or hears):
            return []
        return [
            ContractSession(
                session,
                self._engine,
                self._venue_clock,
                clock=self._feed.clock,
                hears=hears,
            )
            for session in sessions
            if session.instrument.kind != "spot"
        ]

    def _liquidations(self, contracts: Sequence[ContractSession]) -> list[Connection]:
        """The sockets that carry liquidations."""
        venue, size = cast(LiquidationVenue, self._feed.venue), self._traits.markets_a_socket
        return [
            Connection(
                venue.liquidation_dialect(self._name),
                self._traits,
                self._http,
                contracts[i : i + size],
                self._notice,
                timing=self._feed.timing,
                rng=self._feed.rng,
                clock=self._feed.clock,
            )
            for i in range(0, len(contracts), size)
        ]

    async def _figures(self, contracts: Sequence[ContractSession]) -> None:
        """Ask for the figures of one contract after the other; what fails is asked for again in its next turn, for
        figures that are old say so themselves."""
        rest, told = cast(ContractRest, self._rest), ""
        while True:
            for contract in contracts:
                try:
                    contract.figures(await rest.figures(contract.instrument))
                except RateLimitedError as e:
                    await asyncio.sleep(e.seconds)
                except (UnreachableError, SourceError) as e:
                    if str(e) != told:
                        told = str(e)
                        self._engine.notice(contract.instrument.market, f"no funding and open interest: {told}")
            await asyncio.sleep(max(self._feed.timing.figures, _FIGURES_APART * len(contracts)))

    async def _tick(self, sessions: Sequence[MarketSession]) -> None:
        while True:
            await asyncio.sleep(self._feed.timing.tick)
            for session in sessions:
                session.tick()

    async def _day_volumes(self, sessions: Sequence[MarketSession]) -> None:
        while True:
            for session in sessions:
                await session.fetch_day_volume()
            await asyncio.sleep(self._feed.timing.day_volume)


async def _closed(rest: Rest) -> None:
    if isinstance(rest, Closing):
        await rest.close()


async def list_markets(venue: LiveVenue | OwnSockets) -> list[Listed]:
    """Every market of all sections. SourceError when one does not answer within seconds, or all refuse."""
    async with aiohttp.ClientSession() as http:
        interfaces = [venue.rest(section, http) for section in venue.sections]
        answers = await asyncio.gather(*(rest.listing() for rest in interfaces), return_exceptions=True)
        for rest in interfaces:
            await _closed(rest)
    listed: list[Listed] = []
    refusals: list[SourceError] = []
    for answer in answers:
        if isinstance(answer, UnreachableError):
            raise SourceError(f"{answer}; check the network, or the endpoints of {venue.name} in the configuration")
        if isinstance(answer, SourceError):
            refusals.append(answer)  # a mirror, or a country, may have only some of them
        elif isinstance(answer, BaseException):
            raise answer
        else:
            listed.extend(answer)
    if not listed and refusals:
        raise refusals[0]
    return listed
