"""One WebSocket: connected, subscribed, read, and connected again for as long as the feed runs."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence

import aiohttp
import msgspec

from connectors.backoff import Backoff
from connectors.binance.endpoints import SERVICES
from connectors.binance.messages import Depth, FrameError, MarketType, Reply, Shutdown, Trade, decode
from connectors.binance.session import MarketSession
from connectors.binance.timing import Timing
from engine.tape import Channel

#: Stream names in one SUBSCRIBE.
NAMES_A_REQUEST = 50
_LARGEST_FRAME = 16 << 20
_YIELD_EVERY = 64  # frames; a full socket buffer must not keep the screen waiting
_STREAM_NAME = re.compile(rb'"stream":\s*"([^"@]{1,120})@(depth|trade)\b')
_CHANNEL_OF = {b"depth": Channel.BOOK, b"trade": Channel.TRADES}


class _LostError(Exception):
    """The connection ended; the text says how."""


def stream_name(session: MarketSession, channel: Channel, market: MarketType) -> str:
    """The venue's name of a market's stream."""
    native = session.instrument.native.lower()
    return f"{native}@trade" if channel is Channel.TRADES else f"{native}@depth{SERVICES[market].depth_speed}"


class Connection:
    """Serves the sessions of some markets of one exchange. `run` never returns; cancel it."""

    def __init__(
        self,
        market: MarketType,
        url: str,
        http: aiohttp.ClientSession,
        sessions: Sequence[MarketSession],
        notice: Callable[[str], None],
        *,
        timing: Timing,
        rng: random.Random,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._market, self._url, self._http, self._notice = market, url, http, notice
        self._sessions: Mapping[str, MarketSession] = {s.instrument.native: s for s in sessions}
        self._by_stream = {s.instrument.native.lower().encode(): s for s in sessions}
        self._timing, self._clock, self._monotonic = timing, clock, monotonic
        self._backoff = Backoff(timing.backoff_base, timing.backoff_cap, rng)
        self._requests: asyncio.Queue[tuple[str, list[str]]] = asyncio.Queue()
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._next_id = 1
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
        async with asyncio.timeout(self._timing.handshake):
            ws = await self._http.ws_connect(
                self._url,
                heartbeat=self._timing.heartbeat,
                max_msg_size=_LARGEST_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                decode_text=False,
            )
        self._requests = asyncio.Queue()
        self._replies = {}
        sender = asyncio.create_task(self._send(ws))
        ending = asyncio.get_running_loop().call_later(self._timing.lifetime, self._retire, ws)
        try:
            reader = asyncio.create_task(self._read(ws))
            try:
                await asyncio.wait([reader, sender], return_when=asyncio.FIRST_COMPLETED)
                for task in (sender, reader):
                    if task.done():
                        task.result()
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
        finally:
            ending.cancel()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            await ws.close()

    def _retire(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._planned = True
        self._closing = asyncio.ensure_future(ws.close())

    # ---- subscribing

    async def _send(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
        """Send requests at the pace the venue allows; a subscription that nobody answers ends the connection."""
        names = [stream_name(s, channel, self._market) for s in self._sessions.values() for channel in s.channels]
        replies = []
        for i in range(0, len(names), NAMES_A_REQUEST):
            replies.append(await self._request(ws, "SUBSCRIBE", names[i : i + NAMES_A_REQUEST]))
            await asyncio.sleep(self._timing.between_requests)
        try:
            async with asyncio.timeout(self._timing.acknowledge):
                for reply in await asyncio.gather(*replies):
                    if reply.code is not None:
                        self._notice(f"{self._url} refused a subscription: {reply.text[:200]!r} (code {reply.code})")
        except TimeoutError:
            raise _LostError(f"{self._url} did not answer the subscription") from None
        for session in self._sessions.values():
            session.subscribed()
        while True:
            method, streams = await self._requests.get()
            await self._request(ws, method, streams)
            await asyncio.sleep(self._timing.between_requests)

    async def _request(
        self, ws: aiohttp.ClientWebSocketResponse[bool], method: str, streams: list[str]
    ) -> asyncio.Future[Reply]:
        number, self._next_id = self._next_id, self._next_id + 1
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        await ws.send_str(msgspec.json.encode({"method": method, "params": streams, "id": number}).decode())
        return reply

    def _resubscribe(self, session: MarketSession, channel: Channel) -> None:
        """A silent stream is asked for again, alone."""
        name = stream_name(session, channel, self._market)
        self._requests.put_nowait(("UNSUBSCRIBE", [name]))
        self._requests.put_nowait(("SUBSCRIBE", [name]))

    # ---- reading

    async def _read(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
        connected, proven, frames = self._monotonic(), False, 0
        while True:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
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
            message = decode(frame)
        except FrameError as e:
            self._unreadable(frame, e)
            return False
        if type(message) is Depth:
            session = self._sessions.get(message.symbol)
            if session is not None:
                session.depth(recv, message)
                return True
        elif type(message) is Trade:
            session = self._sessions.get(message.symbol)
            if session is not None:
                session.trade(recv, message)
                return True
        elif type(message) is Reply:
            waiting = self._replies.pop(message.id, None) if isinstance(message.id, int) else None
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            elif message.code is not None:
                self._notice(f"{self._url} reports {message.text[:200]!r} (code {message.code})")
        elif type(message) is Shutdown:
            self._planned = True  # it closes within minutes; the next connection needs no pause
        return False

    def _unreadable(self, frame: bytes, error: FrameError) -> None:
        name = _STREAM_NAME.search(frame[:200])
        session = self._by_stream.get(name[1]) if name else None
        if session is not None and name is not None:
            session.unreadable(_CHANNEL_OF[name[2]], error)
        else:
            # Of which market it was can't be told: their sequences show what is missing.
            for each in self._sessions.values():
                each.unreadable(None, error)
