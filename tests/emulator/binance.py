"""Binance on loopback: REST and combined streams of spot, USDⓈ-M and COIN-M in one server, faults on request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import ClassVar

from aiohttp import web

from connectors.binance import BinanceFeed, Endpoints
from connectors.live.timing import Timing
from engine.codes import Channel
from tests.emulator.exchange import Exchange, Frame, Socket, answer, eventually
from tests.emulator.market import EmulatedMarket, Event, spot, usdm
from tests.emulator.seeded import Change, Print

__all__ = ["BinanceEmulator", "UsdmEmulator", "answer", "eventually", "frame"]

_API = {"api/v3": "spot", "fapi/v1": "usdm", "dapi/v1": "coinm"}
_STREAMS = {Channel.BOOK: "depth@100ms", Channel.TRADES: "trade", Channel.LIQUIDATIONS: "forceOrder"}
_CHANNELS = {"depthUpdate": Channel.BOOK, "trade": Channel.TRADES, "forceOrder": Channel.LIQUIDATIONS}


def frame(event: Event, stream: str) -> bytes:
    """An event in the wrapper of the combined stream."""
    return json.dumps({"stream": stream, "data": event}, separators=(",", ":"), ensure_ascii=False).encode()


class BinanceEmulator(Exchange[EmulatedMarket]):
    """Binance. `send` sends an event, `play` whole recorded frames."""

    snapshot_path: ClassVar[str] = "/depth"
    trades_path: ClassVar[str] = "/historicalTrades"

    def __init__(self, *markets: EmulatedMarket) -> None:
        super().__init__(*markets)
        self.snapshots: dict[tuple[str, str], list[Event]] = {}  # answers of /depth given first, by (kind, native)

    @classmethod
    def pair(cls) -> tuple[EmulatedMarket, EmulatedMarket]:
        """See Exchange."""
        return spot(), spot("BTCUSDT", "BTC", seed=2)

    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> BinanceFeed:
        """See Exchange."""
        return BinanceFeed(symbols, Endpoints(self.url, self.ws_url), timing=timing, clock=clock)

    # ---- frames

    def topic(self, market: EmulatedMarket, channel: Channel) -> str:
        """See Exchange: with the first part of the path, for futures margined in stablecoins send books and raw
        trades on /public only, liquidations on /market."""
        root = ""
        if market.kind == "usdm":
            root = "/market" if channel is Channel.LIQUIDATIONS else "/public"
        return f"{root}/stream {market.native.lower()}@{_STREAMS[channel]}"

    def book_frame(self, socket: Socket, market: EmulatedMarket, change: Change) -> bytes:
        """See Exchange."""
        return frame(market.newest, _stream(market, Channel.BOOK))

    def trade_frame(self, socket: Socket, market: EmulatedMarket, prints: list[Print]) -> bytes:
        """See Exchange: one trade a frame."""
        event = next(t for t in reversed(market.trades) if t["t"] == prints[-1].id)
        return frame(event, _stream(market, Channel.TRADES))

    def corrupt(self, frame: Frame) -> bytes:
        """See Exchange: the number of the first update, or (futures) of the one before."""
        name = b'"pu":' if b'"pu":' in frame else b'"U":'
        return re.sub(name + rb"(\d+)", lambda m: name + str(int(m[1]) + 3).encode(), frame)

    async def send(self, market: EmulatedMarket, event: Event) -> None:
        """Send one event to those who subscribed its stream."""
        channel = _CHANNELS[event["e"]]
        data = frame(event, _stream(market, channel))
        await self._tell(market, channel, lambda _socket: data)

    async def play(self, market: EmulatedMarket, frames: Iterable[bytes]) -> None:
        """Send recorded combined-stream frames of a market as they are."""
        for data in frames:
            channel = _CHANNELS[json.loads(data)["data"]["e"]]
            await self._tell(market, channel, lambda _socket, data=data: data)  # type: ignore[misc]

    def subscribed(self, market: EmulatedMarket, stream: str = "trade") -> bool:
        """Whether someone listens to this stream (`trade`, `depth@100ms`, `forceOrder`)."""
        return self.listened(market, next(channel for channel, name in _STREAMS.items() if name == stream))

    # ---- REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """See Exchange."""
        path, what = request.path, request.path.split("/", 3)[-1]
        kind = next(k for p, k in _API.items() if path.startswith(f"/{p}/"))
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

    async def heard(self, socket: Socket, text: str) -> None:
        """See Exchange."""
        request = json.loads(text)
        self.subscriptions.append(request["params"])
        if self.mute_requests:
            return
        topics = {f"{socket.path} {name}" for name in request["params"]}
        if request["method"] == "SUBSCRIBE":
            socket.topics |= topics
        else:
            socket.topics -= topics
        await socket.send({"result": None, "id": request["id"]})


class UsdmEmulator(BinanceEmulator):
    """Binance with two linear perpetuals as its pair."""

    trades_path: ClassVar[str] = "/trades"

    @classmethod
    def pair(cls) -> tuple[EmulatedMarket, EmulatedMarket]:
        """See Exchange."""
        return usdm(), usdm("BTCUSDT", "BTC", seed=2)


def _stream(market: EmulatedMarket, channel: Channel) -> str:
    return f"{market.native.lower()}@{_STREAMS[channel]}"
