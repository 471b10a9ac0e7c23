"""Kraken on loopback: REST and WebSocket v2 for seeded markets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zlib import crc32

from aiohttp import web

from connectors.kraken.feed import Kraken, endpoints
from connectors.kraken.instruments import rest_name
from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from engine.codes import Channel
from engine.feed import Feed
from tests.emulator.exchange import Exchange, Frame, Socket
from tests.emulator.seeded import Change, Print, SeededMarket

_CHANNELS = {"book": Channel.BOOK, "trade": Channel.TRADES}
_REPLAYED = 50
_TRADES_A_PAGE = 1_000


@dataclass
class KrakenMarket(SeededMarket):
    """A spot market; numbers are written without exponents."""

    tick: str = "0.1"
    lot: str = "0.00000001"

    def price(self, ticks: int) -> str:
        return format(ticks * Decimal(self.tick), "f")

    def size(self, lots: int) -> str:
        return format(lots * Decimal(self.lot), "f")

    @property
    def decimals(self) -> tuple[int, int]:
        """Of prices and of sizes."""
        return tuple(max(0, -int(Decimal(step).as_tuple().exponent)) for step in (self.tick, self.lot))  # type: ignore[return-value]

    def checksum(self) -> int:
        """Of the book as it is now, from numbers."""
        text = ""
        for levels in reversed(self.best(10)):
            for numbers in levels:
                for number, decimals in zip(numbers, self.decimals, strict=True):
                    text += str(int(Decimal(number).scaleb(decimals)))
        return crc32(text.encode())


def rfc3339(ms: int) -> str:
    """A time as the stream writes it."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}000Z"


class KrakenExchange(Exchange[KrakenMarket]):
    """The venue; `snapshot_times` False leaves the time out of snapshots, as some versions do."""

    checksum = True
    sequence = False
    depth = 10  # that the checksum proves: a lost change beyond them shows when it comes among them
    trades_path = "/Trades"

    def __init__(self, *markets: KrakenMarket, snapshot_times: bool = False) -> None:
        super().__init__(*markets)
        self.snapshot_times = snapshot_times
        self.pings = 0

    @classmethod
    def pair(cls) -> tuple[KrakenMarket, KrakenMarket]:
        return (
            KrakenMarket("BTC/USD", "BTC/USD", "BTC", "USD"),
            KrakenMarket("ETH/USD", "ETH/USD", "ETH", "USD", tick="0.01", seed=2),
        )

    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> Feed:
        return LiveFeed(Kraken(endpoints(self.url, self.ws_url), clock=clock), symbols, timing=timing, clock=clock)

    # ---- REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        name, query = request.path.rsplit("/", 1)[1], request.query
        if name == "AssetPairs":
            return _result({rest_name(m.native): self._listed(m) for m in self.markets})
        if name == "Time":
            return _result({"unixtime": max(m.now_ms for m in self.markets) // 1000, "rfc1123": ""})
        market = next((m for m in self.markets if rest_name(m.native) == query.get("pair")), None)
        if market is None:
            return web.json_response({"error": ["EQuery:Unknown asset pair"]})
        if name == "Trades":
            return self._trades(market, query.get("since"), int(query.get("count", _TRADES_A_PAGE)))
        if name == "Ticker":
            return _result({"X" + rest_name(market.native): {"v": ["1.00000000", market.day_volume]}})
        if name == "OHLC":
            return _result({rest_name(market.native): [], "last": 0})
        return web.json_response({"error": ["EGeneral:Unknown method"]}, status=404)

    def _listed(self, m: KrakenMarket) -> dict[str, Any]:
        base, quote = ("XBT" if name == "BTC" else name for name in m.native.split("/"))
        price, size = m.decimals
        return {
            "altname": base + quote,
            "wsname": f"{base}/{quote}",
            "pair_decimals": price,
            "lot_decimals": size,
            "tick_size": m.tick,
            "status": "online" if m.trading else "cancel_only",
            "fees": [[0, 0.4]],
            "fees_maker": [[0, 0.25]],
        }

    def _trades(self, m: KrakenMarket, since: str | None, count: int) -> web.Response:
        after = [p for p in m.prints if since is None or p.ms * 1_000_000 > int(since)]
        page = after[:count] if since is not None else after[-count:]
        rows = ",".join(
            f'["{p.price}","{p.size}",{p.ms // 1000}.{p.ms % 1000:03}0000,"{"b" if p.side > 0 else "s"}","m","",{p.id}]'
            for p in page
        )
        last = page[-1].ms * 1_000_000 if page else since or 0
        body = f'{{"error":[],"result":{{"X{rest_name(m.native)}":[{rows}],"last":"{last}"}}}}'
        return web.Response(text=body, content_type="application/json")

    # ---- the stream

    async def heard(self, socket: Socket, text: str) -> None:
        asked = json.loads(text)
        method = asked.get("method")
        if method == "ping":
            self.pings += 1
            await socket.send({"method": "pong", "req_id": asked.get("req_id")})
            return
        assert method in ("subscribe", "unsubscribe")
        params = asked["params"]
        channel, symbols = params["channel"], params["symbol"]
        if method == "subscribe":
            self.subscriptions.append([f"{channel}:{symbol}" for symbol in symbols])
        for symbol in symbols:
            await self._one(socket, asked, channel, symbol)

    async def _one(self, socket: Socket, asked: dict[str, Any], channel: str, symbol: str) -> None:
        market = next((m for m in self.markets if m.native == symbol), None)
        times = {"time_in": rfc3339(self.now), "time_out": rfc3339(self.now)}
        answer = {"method": asked["method"], "req_id": asked["req_id"], **times}
        if market is None:
            error = f"Currency pair not supported {symbol}"
            await self._acknowledge(socket, {**answer, "error": error, "success": False, "symbol": symbol})
            return
        topic = self.topic(market, _CHANNELS[channel])
        subscribing = asked["method"] == "subscribe"
        if subscribing:
            socket.topics.add(topic)
        else:
            socket.topics.discard(topic)
        result = {"channel": channel, "symbol": symbol, "snapshot": True}
        if channel == "book":
            result["depth"] = asked["params"]["depth"]
        await self._acknowledge(socket, {**answer, "result": result, "success": True})
        if subscribing and channel == "book":
            bids, asks = market.best(asked["params"]["depth"])
            raw = _book("snapshot", market, bids, asks, self.snapshot_times)
            await self.deliver(socket, raw, symbol, Channel.BOOK, snapshot=True)
        elif subscribing and market.prints:
            raw = _trade_message("snapshot", market, market.prints[-_REPLAYED:])
            await self.deliver(socket, raw, symbol, Channel.TRADES, snapshot=True)

    async def _acknowledge(self, socket: Socket, answer: dict[str, Any]) -> None:
        if not self.mute_requests:
            await socket.send(answer)

    @property
    def now(self) -> int:
        """The venue's clock, ms."""
        return max(m.now_ms for m in self.markets)

    def topic(self, market: KrakenMarket, channel: Channel) -> str:
        return f"{'book' if channel is Channel.BOOK else 'trade'}:{market.native}"

    def book_frame(self, socket: Socket, market: KrakenMarket, change: Change) -> bytes:
        return _book("update", market, list(change.bids.items()), list(change.asks.items()), True)

    def trade_frame(self, socket: Socket, market: KrakenMarket, prints: list[Print]) -> bytes:
        return _trade_message("update", market, prints)

    def corrupt(self, frame: Frame) -> bytes:
        at = frame.rindex(b'"checksum":') + 11
        while frame[at + 1 : at + 2].isdigit():
            at += 1
        return frame[:at] + str((int(frame[at : at + 1]) + 1) % 10).encode() + frame[at + 1 :]


def _result(result: Any) -> web.Response:
    return web.json_response({"error": [], "result": result})


def _book(kind: str, m: KrakenMarket, bids: list[tuple[str, str]], asks: list[tuple[str, str]], timed: bool) -> bytes:
    def side(levels: list[tuple[str, str]]) -> str:
        return "[" + ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in levels) + "]"

    time = f',"timestamp":"{rfc3339(m.now_ms)}"' if timed else ""
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{m.native}","bids":{side(bids)},"asks":{side(asks)},'
        f'"checksum":{m.checksum()}{time}}}]}}'
    ).encode()


def _trade_message(kind: str, m: KrakenMarket, prints: list[Print]) -> bytes:
    items = ",".join(
        f'{{"symbol":"{m.native}","side":"{"buy" if p.side > 0 else "sell"}","price":{p.price},"qty":{p.size},'
        f'"ord_type":"market","trade_id":{p.id},"timestamp":"{rfc3339(p.ms)}"}}'
        for p in prints
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{items}]}}'.encode()
