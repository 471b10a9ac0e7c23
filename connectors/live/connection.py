"""One WebSocket: connected, subscribed, read, and connected again for as long as the feed runs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import aiohttp

from connectors.backoff import Backoff
from connectors.live.conflation import Backlog
from connectors.live.timing import Timing
from connectors.live.venue import Traits
from connectors.live.wire import (
    BookMessage,
    Dialect,
    Ended,
    Event,
    FrameError,
    Liquidation,
    Reply,
    Request,
    Respond,
    Tainted,
    TradeMessage,
)
from engine.codes import Channel, Reason
from engine.instrument import Instrument

LARGEST_FRAME = 16 << 20
_YIELD_EVERY = 64  # frames; a full socket buffer must not keep the screen waiting
#: Without any frame for so many intervals between pings the line is dead: the answers are frames, too.
_DEAD_AFTER = 2.5

Socket = aiohttp.ClientWebSocketResponse[bool]


class Served(Protocol):
    """One market as its connection sees it (see `MarketSession`)."""

    resubscribe: Callable[[Any, Channel], None]

    @property
    def instrument(self) -> Instrument:
        """The market."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What is asked for of it."""

    def connecting(self) -> None:
        """A connection is being made."""

    def subscribed(self) -> None:
        """The subscription was acknowledged."""

    def disconnected(self) -> None:
        """The connection is gone."""

    def book(self, recv: int, m: BookMessage) -> None:
        """A book message."""

    def trades(self, recv: int, m: TradeMessage) -> None:
        """Trades."""

    def liquidation(self, recv: int, m: Liquidation) -> None:
        """A liquidation."""

    def unreadable(self, channel: Channel | None, error: Exception) -> None:
        """A frame, perhaps of this market, made no sense."""

    def tainted(self, reason: Reason) -> None:
        """Messages of the connection are missing."""

    def ended(self) -> None:
        """The market is no longer traded."""


class _LostError(Exception):
    """The connection ended; the text says how."""


class _Pending:
    """A request that was sent, and what of its answer is outstanding."""

    def __init__(self, request: Request) -> None:
        self.number = request.request
        self.topics = set(request.topics)
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.number is None and not self.topics:
            self.answered.set_result(None)  # nothing answers it

    def hears(self, reply: Reply) -> bool:
        """Whether this is (a part of) its answer."""
        if self.number is not None and reply.request is not None:
            mine = reply.request == self.number
            if mine:
                self.topics.clear()
        else:
            mine = not self.topics.isdisjoint(reply.topics)
            self.topics.difference_update(reply.topics)
        if mine and not self.topics and not self.answered.done():
            self.answered.set_result(None)
        return mine


class Connection:
    """Serves the sessions of some markets of a section. `run` never returns; cancel it."""

    def __init__(
        self,
        dialect: Dialect,
        traits: Traits,
        http: aiohttp.ClientSession,
        sessions: Sequence[Served],
        notice: Callable[[str], None],
        *,
        timing: Timing,
        rng: random.Random,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        backlog: Backlog | None = None,
    ) -> None:
        self._backlog = Backlog() if backlog is None else backlog
        self._dialect, self._traits, self._http, self._notice = dialect, traits, http, notice
        self._url = dialect.url
        self._sessions: Mapping[str, Served] = {s.instrument.native: s for s in sessions}
        self._timing, self._clock, self._monotonic = timing, clock, monotonic
        self._backoff = Backoff(timing.backoff_base, timing.backoff_cap, rng)
        self._anew: asyncio.Queue[tuple[str, Channel]] = asyncio.Queue()
        self._urgent: asyncio.Queue[str] = asyncio.Queue()
        self._pending: list[_Pending] = []
        self._sent = 0.0
        self._heard = 0.0
        self._planned = False
        self._trouble = ""
        for session in sessions:
            session.resubscribe = self._resubscribe

    async def run(self) -> None:
        """Connect, and connect again, with growing pauses that only data ends."""
        while True:
            self._planned, trouble = False, ""
            for session in self._sessions.values():
                session.connecting()
            try:
                await self._once()
            except _LostError as e:
                trouble = str(e)
            except TimeoutError:
                trouble = f"{self._url} does not answer"
            except (aiohttp.ClientError, OSError, ValueError) as e:
                trouble = f"{self._url}: {str(e)[:200] or type(e).__name__}"
            for session in self._sessions.values():
                session.disconnected()
            if not self._planned:
                if trouble != self._trouble:
                    self._trouble = trouble
                    self._notice(f"{trouble}; trying again until it works")
                await asyncio.sleep(self._backoff.next())

    async def _once(self) -> None:
        """One connection, to its end; raises what ended it."""
        ping = self._dialect.ping
        async with asyncio.timeout(self._timing.handshake):
            ws = await self._http.ws_connect(
                self._url,
                heartbeat=self._timing.heartbeat if ping is None else None,
                max_msg_size=LARGEST_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                decode_text=False,
            )
        self._dialect.connected()
        self._anew, self._urgent, self._pending = asyncio.Queue(), asyncio.Queue(), []
        self._heard = self._monotonic()
        lifetime = self._traits.lifetime if self._timing.lifetime is None else self._timing.lifetime
        ending = asyncio.get_running_loop().call_later(lifetime, self._retire, ws)
        tasks = [asyncio.create_task(self._read(ws)), asyncio.create_task(self._send(ws))]
        tasks.append(asyncio.create_task(self._answer(ws)))
        if ping is not None:
            tasks.append(asyncio.create_task(self._ping(ws, *ping)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in reversed(tasks):
                if task.done():
                    task.result()
        finally:
            ending.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await ws.close()

    def _retire(self, ws: Socket) -> None:
        self._planned = True
        self._closing = asyncio.ensure_future(ws.close())

    # ---- sending

    async def _send(self, ws: Socket) -> None:
        """Send requests at the pace the venue allows; a subscription that nobody answers ends the connection."""
        everything = [(native, channel) for native, s in self._sessions.items() for channel in s.channels]
        await self._ask(ws, [*self._dialect.opening(), *self._dialect.subscribe(everything)])
        for session in self._sessions.values():
            session.subscribed()
        while True:
            wanted = {await self._anew.get()}
            while not self._anew.empty():
                wanted.add(self._anew.get_nowait())
            markets = sorted(wanted)
            # What is subscribed to twice at the same moment is one or the other by the venue's whim.
            await self._ask(ws, self._dialect.unsubscribe(markets))
            await self._ask(ws, self._dialect.subscribe(markets))

    async def _ask(self, ws: Socket, requests: Sequence[Request]) -> None:
        """Send these and wait until all are answered."""
        asked = []
        for request in requests:
            pause = self._timing.between_requests
            pause = self._traits.between_requests if pause is None else pause
            await asyncio.sleep(max(0.0, self._sent + pause - self._monotonic()))
            pending = _Pending(request)
            asked.append(pending)
            self._pending.append(pending)
            await ws.send_str(request.frame)
            self._sent = self._monotonic()
        try:
            async with asyncio.timeout(self._timing.acknowledge):
                for pending in asked:
                    await pending.answered
        except TimeoutError:
            raise _LostError(f"{self._url} did not answer the subscription") from None
        finally:
            self._pending = [p for p in self._pending if p not in asked]

    async def _answer(self, ws: Socket) -> None:
        """What the venue asks for is sent at once, past the subscriptions that wait their turn."""
        while True:
            await ws.send_str(await self._urgent.get())

    async def _ping(self, ws: Socket, seconds: float, frame: str) -> None:
        interval = min(seconds, self._timing.heartbeat)
        while True:
            await asyncio.sleep(interval)
            if self._monotonic() - self._heard > _DEAD_AFTER * interval:
                raise _LostError(f"{self._url} does not answer any more")
            await ws.send_str(frame)

    def _resubscribe(self, session: Served, channel: Channel) -> None:
        """One channel of a market is asked for again, alone."""
        self._anew.put_nowait((session.instrument.native, channel))

    # ---- reading

    async def _read(self, ws: Socket) -> None:
        connected, proven, frames, backlog = self._monotonic(), False, 0, self._backlog
        backlog.begin(connected)
        while True:
            turn = backlog.before()
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
                self._heard = self._monotonic()
                backlog.after(turn, self._heard)
                if self._frame(message.data) and not proven and self._working(connected):
                    proven = True
                frames += 1
                if frames % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            elif message.type is aiohttp.WSMsgType.ERROR:
                raise _LostError(f"{self._url}: {str(message.data)[:200] or 'the connection broke'}")
            else:
                said = f" (code {ws.close_code})" if ws.close_code else ""
                raise _LostError(f"{self._url} closed the connection{said}")

    def _working(self, connected: float) -> bool:
        """Data arrives: the trouble is over; once it has lasted a while, so is the backoff."""
        if self._trouble:
            self._trouble = ""
            self._notice(f"{self._url}: data again")
        if self._monotonic() - connected < self._timing.proven:
            return False
        self._backoff.reset()
        return True

    def _frame(self, frame: bytes) -> bool:
        """Decode and hand on one frame; whether it was market data."""
        recv = self._clock()
        try:
            events: Sequence[Any] = self._dialect.decode(frame)
        except FrameError as e:
            self._unreadable(e)
            return False
        data = False
        for event in events:
            if type(event) is BookMessage:
                session = self._sessions.get(event.native)
                if session is not None:
                    session.book(recv, event)
                    data = True
            elif type(event) is TradeMessage:
                session = self._sessions.get(event.native)
                if session is not None:
                    session.trades(recv, event)
                    data = True
            elif type(event) is Liquidation:
                session = self._sessions.get(event.native)
                if session is not None:
                    session.liquidation(recv, event)
                    data = True
            else:
                self._control(event)
        return data

    def _control(self, event: Event) -> None:
        if isinstance(event, Reply):
            asked = [pending for pending in self._pending if pending.hears(event)]
            if event.error is not None:
                what = "refused a subscription:" if asked else "reports"
                self._notice(f"{self._url} {what} {event.error[:200]!r}")
        elif isinstance(event, Respond):
            self._urgent.put_nowait(event.frame)
        elif isinstance(event, Tainted):
            for session in self._sessions.values():
                session.tainted(event.reason)
        elif isinstance(event, Ended):
            if not event.native:
                self._planned = True  # it closes within minutes; the next connection needs no pause
            elif (ended := self._sessions.get(event.native)) is not None:
                ended.ended()

    def _unreadable(self, error: FrameError) -> None:
        session = self._sessions.get(error.native)
        if session is not None:
            session.unreadable(error.channel, error)
        else:
            # Of which market it was can't be told: their sequences show what is missing.
            for each in self._sessions.values():
                each.unreadable(None, error)
