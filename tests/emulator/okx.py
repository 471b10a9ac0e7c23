"""OKX v5 on loopback: what it words its own way."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from connectors.okx.feed import Okx, endpoints
from engine.codes import Channel
from tests.emulator.exchange import Exchange, Frame, Socket
from tests.emulator.seeded import Change, Print, SeededMarket

_CHANNELS = {Channel.BOOK: "books", Channel.TRADES: "trades", Channel.LIQUIDATIONS: "liquidation-orders"}


@dataclass
class OkxMarket(SeededMarket):
    """A market with its sequence: `seqId` jumps, and each message names the one before."""

    type: str = "SPOT"
    seq: int = 1_000
    previous: int = -1
    contract: str = ""
    candles: dict[str, list[list[str]]] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)  # mark, index, funding, due, interest

    def move(self) -> Change:
        """See SeededMarket."""
        self.previous, self.seq = self.seq, self.seq + self._rng.randint(1, 9)
        return super().move()

    def listing(self) -> dict[str, str]:
        """Its entry in the listing."""
        entry = {"instId": self.native, "instType": self.type, "tickSz": self.tick, "lotSz": self.lot}
        if self.type == "FUTURES":
            day = datetime.strptime(self.native[-6:], "%y%m%d").replace(hour=8, tzinfo=UTC)
            entry["expTime"] = str(round(day.timestamp() * 1000))
        entry["state"] = "live" if self.trading else "suspend"
        if self.type == "SPOT":
            return entry | {"baseCcy": self.base, "quoteCcy": self.quote}
        inverse = self.quote == "USD"
        entry |= {"uly": f"{self.base}-{self.quote}", "settleCcy": self.base if inverse else self.quote}
        entry |= {"ctType": "inverse" if inverse else "linear", "ctValCcy": self.quote if inverse else self.base}
        return entry | {"ctVal": self.contract, "ctMult": "1"}

    def told(self, p: Print) -> dict[str, str]:
        """A trade in the venue's words."""
        side = "buy" if p.side > 0 else "sell"
        words = {"instId": self.native, "tradeId": str(p.id), "px": p.price, "sz": p.size, "side": side}
        return words | {"ts": str(p.ms)}


class OkxEmulator(Exchange[OkxMarket]):
    """The public socket and the REST paths that the connector uses."""

    trades_path = "/market/trades"
    depth = 400
    delists = True

    @classmethod
    def pair(cls) -> tuple[OkxMarket, OkxMarket]:
        """See Exchange."""
        return (
            OkxMarket("ETH/USDT", "ETH-USDT", "ETH", "USDT"),
            OkxMarket("BTC/USDT", "BTC-USDT", "BTC", "USDT", tick="0.1", lot="0.00000001", seed=2),
        )

    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> LiveFeed:
        """See Exchange."""
        venue = Okx(endpoints(self.url, self.ws_url), clock=clock)
        everything = ("trades", "book", "contract")
        return LiveFeed(venue, symbols, everything, timing=timing, rng=random.Random(1), clock=clock)

    def topic(self, market: OkxMarket, channel: Channel) -> str:
        """See Exchange."""
        return f"{_CHANNELS[channel]} {market.type if channel is Channel.LIQUIDATIONS else market.native}"

    # ---- the socket

    async def heard(self, socket: Socket, text: str) -> None:
        """See Exchange."""
        if text == "ping":
            await socket.send("pong")
            return
        request = json.loads(text)
        op, number, args = request["op"], request.get("id", ""), request["args"]
        about = [arg.get("instId") or arg["instType"] for arg in args]
        self.subscriptions.append([f"{op} {arg['channel']} {it}" for arg, it in zip(args, about, strict=True)])
        if self.mute_requests:
            return
        known = {m.native: m for m in self.markets}
        for arg, native in zip(args, about, strict=True):
            channel = arg["channel"]
            wide = channel in ("liquidation-orders", "instruments")
            if not wide and (channel not in _CHANNELS.values() or native not in known):
                text = f"Wrong URL or channel:{channel},instId:{native} doesn't exist."
                await socket.send({"id": number, "event": "error", "code": "60018", "msg": text, "connId": "a4"})
                continue
            await socket.send({"id": number, "event": op, "arg": arg, "connId": "a4"})
            if op == "unsubscribe":
                socket.topics.discard(f"{channel} {native}")
            else:
                socket.topics.add(f"{channel} {native}")
                if not wide:
                    await self._begin(socket, known[native], channel)

    async def _begin(self, socket: Socket, market: OkxMarket, channel: str) -> None:
        """A book begins with all of it, trades with the newest one."""
        if channel == "books":
            frame = self._book(market, "snapshot", market.bids, market.asks, -1, market.now_ms)
            await self.deliver(socket, frame, market.native, Channel.BOOK, snapshot=True)
        elif market.prints:
            frame = self.trade_frame(socket, market, market.prints[-1:])
            await self.deliver(socket, frame, market.native, Channel.TRADES)

    def book_frame(self, socket: Socket, market: OkxMarket, change: Change) -> bytes:
        """See Exchange."""
        return self._book(market, "update", change.bids, change.asks, market.previous, change.ms)

    def keep_alive(self, market: OkxMarket) -> bytes:
        """What it sends when nothing has changed for a minute."""
        return self._book(market, "update", {}, {}, market.seq, market.now_ms)

    def _book(
        self, market: OkxMarket, action: str, bids: dict[str, str], asks: dict[str, str], previous: int, ms: int
    ) -> bytes:
        sides = {
            name: [[price, size, "0", "0" if not float(size) else "1"] for price, size in levels.items()]
            for name, levels in (("asks", asks), ("bids", bids))
        }
        body = sides | {"ts": str(ms), "checksum": 0, "seqId": market.seq, "prevSeqId": previous}
        return _words({"arg": {"channel": "books", "instId": market.native}, "action": action, "data": [body]})

    def trade_frame(self, socket: Socket, market: OkxMarket, prints: list[Print]) -> bytes:
        """See Exchange."""
        told = [market.told(p) | {"count": "1", "source": "0"} for p in prints]
        return _words({"arg": {"channel": "trades", "instId": market.native}, "data": told})

    async def liquidate(self, market: OkxMarket, side: str, price: str, size: str) -> None:
        """Tell a liquidation."""
        detail = {"bkLoss": "0", "bkPx": price, "ccy": "", "posSide": "net", "side": side, "sz": size}
        closed = {"details": [detail | {"ts": str(market.now_ms)}], "instId": market.native, "instType": market.type}
        frame = _words({"arg": {"channel": "liquidation-orders", "instType": market.type}, "data": [closed]})
        await self._tell(market, Channel.LIQUIDATIONS, lambda _socket: frame)

    def end_frame(self, market: OkxMarket) -> bytes:
        """See Exchange."""
        entry = market.listing() | {"state": "suspend"}
        return _words({"arg": {"channel": "instruments", "instType": market.type}, "data": [entry]})

    def corrupt(self, frame: Frame) -> bytes:
        """The number of the message before is another one."""
        head, name, tail = bytes(frame).partition(b'"prevSeqId":')
        digit = 1 + (int(tail[:1]) + 3) % 9
        return head + name + b"%d" % digit + tail[1:]

    # ---- REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """See Exchange."""
        query, path = request.query, request.path.removeprefix("/api/v5")
        if path == "/public/time":
            return _answer([{"ts": str(self.markets[0].now_ms)}])
        if path == "/public/instruments":
            return _answer([m.listing() for m in self.markets if m.type == query["instType"]])
        if path == "/market/index-tickers":
            pairs = {f"{m.base}-{m.quote}": m for m in self.markets}
            return _answer([{"instId": query["instId"], "idxPx": pairs[query["instId"]].figures["index"]}])
        market = next((m for m in self.markets if m.native == query.get("instId")), None)
        if market is None:
            return web.json_response({"code": "51001", "msg": "Instrument ID doesn't exist", "data": []})
        if path == "/market/trades":
            return _answer([market.told(p) for p in reversed(market.prints[-int(query.get("limit", "100")) :])])
        if path == "/market/history-trades":
            older = [p for p in market.prints if p.id < int(query["after"])]
            return _answer([market.told(p) for p in reversed(older[-int(query.get("limit", "100")) :])])
        if path == "/market/ticker":
            return _answer([{"instId": market.native, "vol24h": market.day_volume}])
        if path == "/public/mark-price":
            return _answer([{"instId": market.native, "markPx": market.figures["mark"], "ts": str(market.now_ms)}])
        if path == "/public/open-interest":
            return _answer([{"instId": market.native, "oi": market.figures["interest"], "oiCcy": "1"}])
        if path == "/public/funding-rate":
            funding = {"fundingRate": market.figures["funding"], "fundingTime": market.figures["due"]}
            return _answer([funding | {"instId": market.native}])
        if path == "/market/candles":
            after, before = int(query["after"]), int(query["before"])
            candles = [c for c in market.candles.get(query["bar"], []) if before < int(c[0]) < after]
            return _answer(sorted(candles, reverse=True)[: int(query["limit"])])
        return web.Response(status=404)


def _answer(data: list[Any]) -> web.Response:
    return web.json_response({"code": "0", "msg": "", "data": data})


def _words(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
