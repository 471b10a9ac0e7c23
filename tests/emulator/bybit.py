"""Bybit v5 on loopback: REST and the public sockets of one category, faults on request."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from connectors.bybit.feed import Bybit, endpoints
from connectors.bybit.messages import trade_id
from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from engine.codes import Channel
from tests.emulator.exchange import Exchange, Frame, Socket
from tests.emulator.seeded import Change, Print, SeededMarket

#: Topics of one request that are more than the venue takes.
_MOST_TOPICS = 10


@dataclass
class BybitMarket(SeededMarket):
    """One market; `update` counts its book messages."""

    category: str = "linear"
    update: int = 70
    listed_tick: str = ""  # what the listing says when it is not `tick`
    past: dict[str, list[list[str]]] = field(default_factory=dict)  # bars by interval, oldest first

    def move(self) -> Change:
        """See SeededMarket."""
        self.update += 1
        return super().move()

    def listing(self) -> dict[str, Any]:
        """The market's entry in instruments-info."""
        entry: dict[str, Any] = {
            "symbol": self.native,
            "baseCoin": self.base,
            "quoteCoin": self.quote,
            "status": "Trading" if self.trading else "Closed",
            "priceFilter": {"tickSize": self.listed_tick or self.tick},
        }
        if self.category == "spot":
            return entry | {"lotSizeFilter": {"basePrecision": self.lot, "quotePrecision": "0.0000001"}}
        kind = "InversePerpetual" if self.category == "inverse" else "LinearPerpetual"
        settle = self.base if self.category == "inverse" else self.quote
        more = {"contractType": kind, "settleCoin": settle, "deliveryTime": "0"}
        return entry | more | {"lotSizeFilter": {"qtyStep": self.lot, "minOrderQty": self.lot}}


def market(category: str, native: str, base: str, quote: str = "USDT", **more: Any) -> BybitMarket:
    """A market of a category."""
    settle = "" if category == "spot" else f":{base if category == 'inverse' else quote}"
    return BybitMarket(f"{base}/{quote}{settle}", native, base, quote, category=category, **more)


class BybitEmulator(Exchange[BybitMarket]):
    """Linear perpetuals. `restart` begins the counter of a market anew, as the venue's service does."""

    consecutive_ids: ClassVar[bool] = False
    depth: ClassVar[int] = 200
    trades_path: ClassVar[str] = "/recent-trade"
    category: ClassVar[str] = "linear"
    #: Trades that REST gives at most.
    most_trades: ClassVar[int] = 1_000

    @classmethod
    def pair(cls) -> tuple[BybitMarket, BybitMarket]:
        """See Exchange."""
        return market(cls.category, "ETHUSDT", "ETH"), market(cls.category, "BTCUSDT", "BTC", seed=2)

    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> LiveFeed:
        """See Exchange."""
        venue = Bybit(endpoints(self.url, self.ws_url), clock=clock)
        return LiveFeed(venue, symbols, timing=timing, clock=clock)

    # ---- frames

    def topic(self, market: BybitMarket, channel: Channel) -> str:
        """See Exchange."""
        names = {Channel.TRADES: "publicTrade", Channel.BOOK: "orderbook.200", Channel.LIQUIDATIONS: "allLiquidation"}
        return f"/v5/public/{market.category} {names[channel]}.{market.native}"

    def book_frame(self, socket: Socket, market: BybitMarket, change: Change) -> bytes:
        """See Exchange."""
        return _book(market, "delta", change.ms, list(change.bids.items()), list(change.asks.items()))

    def snapshot_frame(self, market: BybitMarket) -> bytes:
        """The whole book."""
        return _book(market, "snapshot", market.now_ms, *market.best(self.depth))

    def trade_frame(self, socket: Socket, market: BybitMarket, prints: list[Print]) -> bytes:
        """See Exchange."""
        data = [
            {
                "T": p.ms,
                "s": market.native,
                "S": "Buy" if p.side > 0 else "Sell",
                "v": p.size,
                "p": p.price,
                "i": self.wire_id(p),
                "BT": False,
                "RPI": False,
                "seq": p.id,
            }
            for p in prints
        ]
        body = {"topic": f"publicTrade.{market.native}", "type": "snapshot", "ts": market.now_ms, "data": data}
        return _json(body)

    def corrupt(self, frame: Frame) -> bytes:
        """See Exchange: the counter."""
        return re.sub(rb'"u":(\d+)', lambda m: b'"u":%d' % (int(m[1]) + 3), frame)

    def wire_id(self, p: Print) -> str:
        """The id of a trade as the venue writes it."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(p.id)))

    def trade_id(self, p: Print) -> int:
        """See Exchange."""
        return trade_id(self.wire_id(p))

    async def resnapshot(self, market: BybitMarket, *, restart: bool = False) -> None:
        """The venue sends a snapshot in the middle of the stream, numbered from 1 again when its service restarts."""
        market.update = 1 if restart else market.update + 1
        for socket in list(self.sockets):
            if self.topic(market, Channel.BOOK) in socket.topics:
                await self.deliver(socket, self.snapshot_frame(market), market.native, Channel.BOOK, snapshot=True)

    async def liquidate(self, market: BybitMarket, position: str, size: str, price: str) -> None:
        """A position ("Buy": a long) is closed by force."""
        one = {"T": market.now_ms, "s": market.native, "S": position, "v": size, "p": price}
        topic = f"allLiquidation.{market.native}"
        frame = _json({"topic": topic, "type": "snapshot", "ts": market.now_ms, "data": [one]})
        await self._tell(market, Channel.LIQUIDATIONS, lambda _socket: frame)

    # ---- REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """See Exchange."""
        what, query = request.path.rpartition("/")[2], request.query
        now = max((m.now_ms for m in self.markets), default=0)
        if what == "time":
            return _answer({"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}, now)
        mine = [m for m in self.markets if m.category == query.get("category")]
        if what == "instruments-info":
            limit = int(query.get("limit", "500"))
            start = int(query.get("cursor") or 0)
            page = mine[start : start + limit]
            cursor = str(start + limit) if start + limit < len(mine) else ""
            listed = [m.listing() for m in page]
            return _answer({"category": query["category"], "list": listed, "nextPageCursor": cursor}, now)
        found = next((m for m in mine if m.native == query.get("symbol")), None)
        if found is None:
            return web.json_response({"retCode": 10001, "retMsg": "Not supported symbols", "result": {}, "time": now})
        if what == "recent-trade":
            newest = found.prints[-min(int(query["limit"]), self.most_trades) :][::-1]
            return _answer({"category": found.category, "list": [self._past(found, p) for p in newest]}, now)
        if what == "tickers":
            ticker = {"symbol": found.native, "volume24h": found.day_volume}
            if found.category != "spot":
                ticker |= {"markPrice": "100.01", "indexPrice": "100.02", "openInterest": "4321.5"}
                ticker |= {"fundingRate": "-0.0001", "nextFundingTime": str(now + 60_000)}
            return _answer({"category": found.category, "list": [ticker]}, now)
        if what == "kline":
            start, end = int(query["start"]), int(query["end"])
            bars = [b for b in found.past.get(query["interval"], []) if start <= int(b[0]) <= end]
            return _answer({"category": found.category, "list": bars[: int(query["limit"])][::-1]}, now)
        return web.json_response({"retCode": 10001, "retMsg": "no such path", "result": {}}, status=404)

    def _past(self, market: BybitMarket, p: Print) -> dict[str, Any]:
        return {
            "execId": self.wire_id(p),
            "symbol": market.native,
            "price": p.price,
            "size": p.size,
            "side": "Buy" if p.side > 0 else "Sell",
            "time": str(p.ms),
            "isBlockTrade": False,
        }

    # ---- sockets

    async def heard(self, socket: Socket, text: str) -> None:
        """See Exchange."""
        asked = json.loads(text)
        if asked["op"] == "ping":
            await socket.send({"success": True, "ret_msg": "pong", "conn_id": "x", "req_id": "", "op": "ping"})
            return
        names: list[str] = asked["args"]
        self.subscriptions.append(names)
        if self.mute_requests:
            return
        answer = {"success": True, "ret_msg": "", "conn_id": "x", "req_id": asked["req_id"], "op": asked["op"]}
        wrong = [name for name in names if self._market(socket, name) is None]
        if len(names) > _MOST_TOPICS or wrong:
            said = f"error:handler not found,topic:{wrong[0]}" if wrong else "args size >10"
            await socket.send(answer | {"success": False, "ret_msg": said})
            return
        topics = {f"{socket.path} {name}" for name in names}
        if asked["op"] == "unsubscribe":
            socket.topics -= topics
            await socket.send(answer)
            return
        socket.topics |= topics
        await socket.send(answer)
        for name in names:
            found = self._market(socket, name)
            if found is not None and name.startswith("orderbook."):
                await self.deliver(socket, self.snapshot_frame(found), found.native, Channel.BOOK, snapshot=True)

    def _market(self, socket: Socket, name: str) -> BybitMarket | None:
        return next((m for m in self.markets for c in Channel if self.topic(m, c) == f"{socket.path} {name}"), None)


class BybitSpotEmulator(BybitEmulator):
    """Spot: ids are numbers that all markets share, REST gives 60 trades."""

    category: ClassVar[str] = "spot"
    most_trades: ClassVar[int] = 60

    def wire_id(self, p: Print) -> str:
        """See BybitEmulator."""
        return str(2_290_000_000_000_000_000 + 1_000 * p.id)


def _book(market: BybitMarket, kind: str, ms: int, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> bytes:
    data = {"s": market.native, "b": bids, "a": asks, "u": market.update, "seq": 9 * market.update}
    topic = f"orderbook.200.{market.native}"
    return _json({"topic": topic, "type": kind, "ts": ms + 2, "data": data, "cts": ms})


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _answer(result: object, now: int) -> web.Response:
    return web.json_response({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now})
