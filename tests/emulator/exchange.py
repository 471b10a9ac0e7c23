"""An exchange on loopback: what every venue's emulator shares. A venue adds its paths, requests and frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, Generic, Self, TypeVar

from aiohttp import WSMsgType, web

from connectors.live.timing import Timing
from engine.codes import Channel
from engine.feed import Feed
from tests.emulator.seeded import Change, Print, SeededMarket

#: Everything as in life, only sooner.
QUICK = Timing(
    backoff_base=0.01,
    backoff_cap=0.05,
    proven=0.0,
    between_requests=0.001,
    tick=0.01,
    quiet=0.05,
    recovery=2.0,
)

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
M = TypeVar("M", bound=SeededMarket)


class Frame(bytes):
    """A frame of market data on its way to a client, and what it is about."""

    native: str
    channel: Channel
    snapshot: bool


class Binary(bytes):
    """A frame that goes out as a binary one."""


Mangle = Callable[[Frame], Iterable[bytes]]


def answer(status: int, body: Any = None, **headers: str) -> Fault:
    """A REST fault: this status, body and these headers (`Retry_After` for Retry-After)."""

    async def respond(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        said = {"code": -1000, "msg": "no"} if body is None else body
        return web.json_response(said, status=status, headers=named)

    return respond


async def eventually(condition: Callable[[], object], what: str = "", seconds: float = 10.0) -> None:
    """Returns once the condition holds; fails after `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"did not happen within {seconds} s: {what}")
        await asyncio.sleep(0.002)


class Socket:
    """A client's connection: what it listens to, and what the venue counts on it."""

    def __init__(self, ws: web.WebSocketResponse, path: str) -> None:
        self.path = path
        self.topics: set[str] = set()
        self.counts: dict[str, int] = {}
        self._ws = ws

    async def send(self, data: bytes | str | dict[str, Any] | list[Any]) -> None:
        """Send as it is (a dictionary or list as JSON). Nothing happens when the client is gone."""
        with contextlib.suppress(ConnectionError):
            if isinstance(data, Binary):
                await self._ws.send_bytes(data)
            elif isinstance(data, bytes):
                await self._ws.send_frame(data, WSMsgType.TEXT)  # also what is no text
            else:
                await self._ws.send_str(data if isinstance(data, str) else json.dumps(data))

    async def close(self, code: int = 1001) -> None:
        """Close it as the server."""
        await self._ws.close(code=code)


class Exchange(ABC, Generic[M]):
    """Use as an async context manager; `url` and `ws_url` stand for the venue's addresses.

    Nothing happens by itself: `step` moves a market and tells those who listen. Faults are armed before:
    `mangle` sees every outgoing frame of market data and returns what is sent instead; `fail_next(path, …)`
    answers the next requests of a REST path; `silent` acknowledges subscriptions and sends nothing;
    `mute_requests` does not even acknowledge; `refuse_sockets` turns handshakes away; `frozen` leaves
    connections open and does nothing on them, not even answer pings.

    A venue's emulator gives `rest`, `heard`, `book_frame`, `trade_frame` and the class attributes.
    """

    #: Whether ids of trades have no hole, so that what is lost is known to the trade.
    consecutive_ids: ClassVar[bool] = True
    #: Whether a digit wrong in a price or size is found out (a checksum); else one in the sequence number is changed.
    checksum: ClassVar[bool] = False
    #: Whether a book message that is lost shows at all.
    sequence: ClassVar[bool] = True
    #: Whether a loss puts every book of the connection in doubt, for it can't be told whose it was.
    connection_wide: ClassVar[bool] = False
    #: Whether it says on the socket that a market is no longer traded (`end_frame`).
    delists: ClassVar[bool] = False
    #: Levels a side that the venue's book has at most.
    depth: ClassVar[int] = 1_000
    #: The end of the REST path that book snapshots come from; empty where they come in the stream.
    snapshot_path: ClassVar[str] = ""
    #: The end of the REST path that missed trades come from.
    trades_path: ClassVar[str] = ""

    def __init__(self, *markets: M) -> None:
        self.markets = list(markets)
        self.mangle: Mangle | None = None
        self.silent = False
        self.refuse_sockets = False
        self.mute_requests = False
        self.frozen = False
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.subscriptions: list[list[str]] = []
        self.sockets: list[Socket] = []
        self._faults: dict[str, list[Fault]] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    # ---- what a venue gives

    @classmethod
    @abstractmethod
    def pair(cls) -> tuple[M, M]:
        """Two different markets that share a socket."""

    @abstractmethod
    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> Feed:
        """The connector under test, pointed at this server."""

    @abstractmethod
    async def rest(self, request: web.Request) -> web.StreamResponse:
        """The answer to a REST request."""

    @abstractmethod
    async def heard(self, socket: Socket, text: str) -> None:
        """A frame of a client: changes `socket.topics` and `subscriptions`, acknowledges with `socket.send` unless
        `mute_requests`, and sends what the venue sends first (snapshot, old trades) with `deliver`."""

    @abstractmethod
    def topic(self, market: M, channel: Channel) -> str:
        """What a socket has in `topics` when it listens to this."""

    @abstractmethod
    def book_frame(self, socket: Socket, market: M, change: Change) -> bytes:
        """The message of a change, as this socket gets it."""

    @abstractmethod
    def trade_frame(self, socket: Socket, market: M, prints: list[Print]) -> bytes:
        """The message of some trades, as this socket gets it."""

    def corrupt(self, frame: Frame) -> bytes:
        """The frame with one digit changed so that the venue's own check shows it."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to prove a frame with")

    def trade_id(self, p: Print) -> int:
        """The id that the connector puts on the tape for a trade."""
        return p.id

    def end_frame(self, market: M) -> bytes | None:
        """What it sends when a market is delisted."""
        return None

    # ---- life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after `stop` on the same port again."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._request)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse everything from now on."""
        if self._runner is not None:
            await self.disconnect()
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """Root of REST."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """Root of the sockets."""
        return f"ws://127.0.0.1:{self._port}"

    # ---- what tests do

    async def step(self, market: M, deltas: int = 1, trades: int = 1) -> None:
        """Move a market, and tell it."""
        for i in range(max(deltas, trades)):
            if i < trades:
                await self.tell_trades(market, [market.execute()])
            if i < deltas:
                await self.tell_change(market, market.move())

    async def tell_change(self, market: M, change: Change) -> None:
        """Send a change to those who listen."""
        await self._tell(market, Channel.BOOK, lambda socket: self.book_frame(socket, market, change))

    async def tell_trades(self, market: M, prints: list[Print]) -> None:
        """Send trades to those who listen."""
        await self._tell(market, Channel.TRADES, lambda socket: self.trade_frame(socket, market, prints))

    async def _tell(self, market: M, channel: Channel, make: Callable[[Socket], bytes]) -> None:
        topic = self.topic(market, channel)
        for socket in list(self.sockets):
            if topic in socket.topics:
                await self.deliver(socket, make(socket), market.native, channel)

    async def deliver(
        self, socket: Socket, data: bytes, native: str, channel: Channel, *, snapshot: bool = False
    ) -> None:
        """Send a frame of market data, through `mangle`."""
        frame = Frame(data)
        frame.native, frame.channel, frame.snapshot = native, channel, snapshot
        for each in [frame] if self.mangle is None else list(self.mangle(frame)):
            if not self.silent and not self.frozen:
                await socket.send(each)

    async def disconnect(self) -> None:
        """Cut every socket."""
        for socket in list(self.sockets):
            await socket.close()

    def listened(self, market: M, channel: Channel = Channel.TRADES) -> bool:
        """Whether someone listens to this."""
        return any(self.topic(market, channel) in socket.topics for socket in self.sockets)

    def fail_next(self, path: str, *faults: Fault) -> None:
        """Answer the next requests whose path ends with `path` so, one fault each."""
        self._faults.setdefault(path, []).extend(faults)

    def asked(self, path: str) -> list[dict[str, str]]:
        """Parameters of the requests to paths that end so."""
        return [params for at, params in self.requests if at.endswith(path)]

    # ---- the server

    async def _request(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve(request)
        self.requests.append((request.path, dict(request.query)))
        for suffix, faults in self._faults.items():
            if request.path.endswith(suffix) and faults:
                return await faults.pop(0)(request)
        return await self.rest(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            return web.Response(status=503)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.connections += 1
        socket = Socket(ws, request.path)
        self.sockets.append(socket)
        try:
            async for message in ws:
                while self.frozen:
                    await asyncio.sleep(0.01)
                if message.type is WSMsgType.TEXT:
                    await self.heard(socket, message.data)
        finally:
            self.sockets.remove(socket)
        return ws
