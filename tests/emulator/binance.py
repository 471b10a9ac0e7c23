"""Binance on loopback: REST and combined streams of spot, USDⓈ-M and COIN-M in one server, faults on request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import WSMsgType, web

from tests.emulator.market import EmulatedMarket, Event

Mangle = Callable[[bytes], Iterable[bytes]]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
_API = {"api/v3": "spot", "fapi/v1": "usdm", "dapi/v1": "coinm"}


def frame(event: Event, stream: str) -> bytes:
    """An event in the wrapper of the combined stream."""
    return json.dumps({"stream": stream, "data": event}, separators=(",", ":"), ensure_ascii=False).encode()


def answer(status: int, body: Any = None, **headers: str) -> Fault:
    """A REST fault: this status, body and these headers (`Retry_After` for Retry-After)."""

    async def respond(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        said = {"code": -1000, "msg": "no"} if body is None else body
        return web.json_response(said, status=status, headers=named)

    return respond


class BinanceEmulator:
    """Use as an async context manager; `url` and `ws_url` stand for Binance's addresses.

    Nothing happens by itself: `step` makes and sends events of a market, `send` sends given ones,
    `play` whole recorded frames. Faults are armed before: `mangle` sees every outgoing data frame and
    returns what is sent instead; `fail_next(path, …)` answers the next requests of a REST path;
    `silent` acknowledges subscriptions and sends nothing; `refuse_sockets` turns handshakes away.
    """

    def __init__(self, *markets: EmulatedMarket) -> None:
        self.markets = list(markets)
        self.mangle: Mangle | None = None
        self.silent = False
        self.refuse_sockets = False
        self.mute_requests = False  # SUBSCRIBE is never answered
        self.snapshots: dict[tuple[str, str], list[Event]] = {}  # answers of /depth given first, by (kind, native)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.subscriptions: list[list[str]] = []
        self._faults: dict[str, list[Fault]] = {}
        self._sockets: dict[web.WebSocketResponse, tuple[str, set[str]]] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    # ---- life

    async def __aenter__(self) -> BinanceEmulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after `stop` on the same port again."""
        app = web.Application()
        for path in _API:
            app.router.add_get(f"/{path}/{{what:.*}}", self._rest)
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/{root}/stream", self._stream)
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
        """Root of the streams."""
        return f"ws://127.0.0.1:{self._port}"

    # ---- what tests do

    async def step(self, market: EmulatedMarket, deltas: int = 1, trades: int = 1) -> None:
        """Make and send events."""
        for i in range(max(deltas, trades)):
            if i < trades:
                await self.send(market, market.trade())
            if i < deltas:
                await self.send(market, market.delta())

    async def send(self, market: EmulatedMarket, event: Event) -> None:
        """Send one event to those who subscribed its stream."""
        kind = {"depthUpdate": "depth@100ms", "trade": "trade", "forceOrder": "forceOrder"}[event["e"]]
        stream = f"{market.native.lower()}@{kind}"
        await self.deliver(market.kind, stream, frame(event, stream))

    async def deliver(self, kind: str, stream: str, data: bytes) -> None:
        """Send a frame of `stream` to the subscribers of that exchange, through `mangle`."""
        frames = [data] if self.mangle is None else list(self.mangle(data))
        for ws, (root, streams) in list(self._sockets.items()):
            if stream in streams and not self.silent and _serves(root, kind, stream):
                for each in frames:
                    await ws.send_str(each.decode("utf-8", "surrogateescape"))

    async def play(self, kind: str, frames: Iterable[bytes]) -> None:
        """Send recorded combined-stream frames as they are."""
        for data in frames:
            await self.deliver(kind, json.loads(data)["stream"], data)

    async def disconnect(self) -> None:
        """Cut every socket."""
        for ws in list(self._sockets):
            await ws.close(code=1001)

    def subscribed(self, market: EmulatedMarket, kind: str = "trade") -> bool:
        """Whether someone listens to this stream (`trade`, `depth@100ms`)."""
        stream = f"{market.native.lower()}@{kind}"
        return any(stream in streams and _serves(root, market.kind, stream) for root, streams in self._sockets.values())

    def fail_next(self, path: str, *faults: Fault) -> None:
        """Answer the next requests whose path ends with `path` so, one fault each."""
        self._faults.setdefault(path, []).extend(faults)

    def asked(self, path: str) -> list[dict[str, str]]:
        """Parameters of the requests to paths that end so."""
        return [params for at, params in self.requests if at.endswith(path)]

    # ---- REST

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.requests.append((path, dict(request.query)))
        for suffix, faults in self._faults.items():
            if path.endswith(suffix) and faults:
                return await faults.pop(0)(request)
        kind = next(k for p, k in _API.items() if path.startswith(f"/{p}/"))
        what = request.match_info["what"]
        mine = [m for m in self.markets if m.kind == kind]
        if what == "exchangeInfo":
            return self._listing(mine, request.query.get("symbols"))
        if what == "time":
            return web.json_response({"serverTime": max((m.now_ms for m in mine), default=0)})
        market = next((m for m in mine if m.native == request.query.get("symbol")), None)
        if market is None:
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        if what == "depth":
            given = self.snapshots.get((kind, market.native))
            return web.json_response(given.pop(0) if given else market.snapshot())
        if what == "ticker/24hr":
            ticker = {"symbol": market.native, "volume": market.day_volume}
            return web.json_response([ticker] if kind == "coinm" else ticker)
        if what == "premiumIndex" and market.figures is not None:
            figures = {"symbol": market.native, "time": market.now_ms, **market.figures}
            return web.json_response([figures] if kind == "coinm" else figures)
        if what == "openInterest" and market.figures is not None:
            return web.json_response({"symbol": market.native, "openInterest": market.open_interest})
        limit = int(request.query.get("limit", "500"))
        if what == "klines":
            start, end = int(request.query["startTime"]), int(request.query["endTime"])
            return web.json_response(market.past_klines(request.query["interval"], start, end, limit))
        if what == "historicalTrades" and kind == "spot":
            return web.json_response(market.past_trades(int(request.query["fromId"]), limit))
        if what == "trades":
            return web.json_response(market.past_trades(None, limit))
        return web.json_response({"code": -2014, "msg": "API-key format invalid."}, status=401)

    def _listing(self, mine: list[EmulatedMarket], symbols: str | None) -> web.Response:
        if symbols is not None:
            wanted = json.loads(symbols)
            if any(name not in {m.native for m in mine} for name in wanted):
                return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
            mine = [m for m in mine if m.native in wanted]
        return web.json_response({"timezone": "UTC", "symbols": [m.listing() for m in mine]})

    # ---- streams

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            return web.Response(status=503)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.connections += 1
        streams: set[str] = set()
        self._sockets[ws] = (request.match_info.get("root", ""), streams)
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await self._request(ws, streams, json.loads(message.data))
        finally:
            del self._sockets[ws]
        return ws

    async def _request(self, ws: web.WebSocketResponse, streams: set[str], request: Event) -> None:
        self.subscriptions.append(request["params"])
        if self.mute_requests:
            return
        if request["method"] == "SUBSCRIBE":
            streams.update(request["params"])
        else:
            streams.difference_update(request["params"])
        await ws.send_str(json.dumps({"result": None, "id": request["id"]}))


def _serves(root: str, kind: str, stream: str) -> bool:
    """Futures with stablecoin margin send depth and raw trades on /public only, liquidations on /market."""
    if kind != "usdm":
        return root == ""
    return root == ("market" if stream.endswith("@forceOrder") else "public")


async def eventually(condition: Callable[[], object], what: str = "", seconds: float = 10.0) -> None:
    """Returns once the condition holds; fails after `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"did not happen within {seconds} s: {what}")
        await asyncio.sleep(0.002)
