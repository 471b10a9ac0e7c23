"""Coinbase's Advanced Trade on loopback: what it words its own way."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from connectors.coinbase.feed import Coinbase, endpoints
from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from engine.codes import Channel
from tests.emulator.exchange import Exchange, Frame, Socket
from tests.emulator.seeded import Change, Print, SeededMarket

_CHANNELS = {Channel.BOOK: "level2", Channel.TRADES: "market_trades"}
_ROOT = "/api/v3/brokerage"
#: Old trades that a subscription begins with.
HISTORY = 100


@dataclass
class CoinbaseMarket(SeededMarket):
    """A market in the venue's words."""

    alias: str = ""
    candles: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def listing(self) -> dict[str, Any]:
        """Its entry in the listing, and the answer about it alone."""
        entry = {"product_id": self.native, "base_currency_id": self.base, "quote_currency_id": self.quote}
        entry |= {"price_increment": self.tick, "base_increment": self.lot, "product_type": "SPOT"}
        status = "online" if self.trading else "delisted"
        return entry | {"status": status, "alias": self.alias, "volume_24h": self.day_volume}

    def told(self, p: Print) -> dict[str, str]:
        """A trade, with the side of the maker."""
        side = "SELL" if p.side > 0 else "BUY"
        words = {"product_id": self.native, "trade_id": str(p.id), "price": p.price, "size": p.size}
        return words | {"time": _time(p.ms), "side": side}


class CoinbaseEmulator(Exchange[CoinbaseMarket]):
    """The socket with its one count of frames, and the REST paths that the connector uses."""

    connection_wide = True
    trades_path = "/ticker"

    @classmethod
    def pair(cls) -> tuple[CoinbaseMarket, CoinbaseMarket]:
        """See Exchange."""
        return (
            CoinbaseMarket("ETH/USD", "ETH-USD", "ETH", "USD", lot="0.00000001"),
            CoinbaseMarket("BTC/USD", "BTC-USD", "BTC", "USD", lot="0.00000001", seed=2),
        )

    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> LiveFeed:
        """See Exchange."""
        venue = Coinbase(endpoints(self.url, self.ws_url), clock=clock)
        return LiveFeed(venue, symbols, timing=timing, rng=random.Random(1), clock=clock)

    def topic(self, market: CoinbaseMarket, channel: Channel) -> str:
        """See Exchange."""
        return f"{_CHANNELS[channel]} {market.native}"

    # ---- the socket

    async def heard(self, socket: Socket, text: str) -> None:
        """See Exchange."""
        request = json.loads(text)
        kind, channel = request["type"], request["channel"]
        products = request.get("product_ids", [])
        self.subscriptions.append([f"{kind} {channel} {p}" for p in products or ("",)])
        if self.mute_requests:
            return
        known = {m.native: m for m in self.markets}
        unknown = [p for p in products if p not in known]
        if unknown or channel not in ("level2", "market_trades", "heartbeats"):
            text = f"{unknown[0]} is not a valid product" if unknown else f"{channel} is no channel"
            await socket.send({"type": "error", "message": "failure to subscribe", "reason": text})
            return
        topics = {f"{channel} {p}".strip() for p in products or ("",)}
        if kind == "unsubscribe":
            socket.topics -= topics
        else:
            fresh = [p for p in products if f"{channel} {p}" not in socket.topics]
            socket.topics |= topics
            for p in fresh:  # what a subscription begins with comes before its answer
                await self._begin(socket, known[p], channel)
        listed: dict[str, list[str]] = {}
        for topic in sorted(socket.topics):
            name, _, product = topic.partition(" ")
            listed.setdefault(name, []).extend([product] if product else [])
        await socket.send(self._frame(socket, "subscriptions", [{"subscriptions": listed}]))

    async def _begin(self, socket: Socket, market: CoinbaseMarket, channel: str) -> None:
        if channel == "level2":
            levels = self._levels(market.now_ms, market.bids, market.asks)
            event = {"type": "snapshot", "product_id": market.native, "updates": levels}
            frame = self._frame(socket, "l2_data", [event])
            await self.deliver(socket, frame, market.native, Channel.BOOK, snapshot=True)
        elif market.prints:
            old = [market.told(p) for p in reversed(market.prints[-HISTORY:])]
            frame = self._frame(socket, "market_trades", [{"type": "snapshot", "trades": old}])
            await self.deliver(socket, frame, market.native, Channel.TRADES)

    def beat(self, socket: Socket) -> bytes:
        """A heartbeat."""
        return self._frame(socket, "heartbeats", [{"current_time": "now", "heartbeat_counter": 1}])

    def book_frame(self, socket: Socket, market: CoinbaseMarket, change: Change) -> bytes:
        """See Exchange."""
        levels = self._levels(change.ms, change.bids, change.asks)
        return self._frame(socket, "l2_data", [{"type": "update", "product_id": market.native, "updates": levels}])

    def trade_frame(self, socket: Socket, market: CoinbaseMarket, prints: list[Print]) -> bytes:
        """See Exchange; newest first."""
        told = [market.told(p) for p in reversed(prints)]
        return self._frame(socket, "market_trades", [{"type": "update", "trades": told}])

    def corrupt(self, frame: Frame) -> bytes:
        """The number of the frame is another one."""
        head, name, tail = bytes(frame).partition(b'"sequence_num":')
        return head + name + b"%d" % ((int(tail[:1]) + 4) % 9 + 1) + tail[1:]

    @staticmethod
    def _levels(ms: int, bids: dict[str, str], asks: dict[str, str]) -> list[dict[str, str]]:
        return [
            {"side": side, "event_time": _time(ms), "price_level": price, "new_quantity": size}
            for side, levels in (("bid", bids), ("offer", asks))
            for price, size in levels.items()
        ]

    @staticmethod
    def _frame(socket: Socket, channel: str, events: list[dict[str, Any]]) -> bytes:
        number = socket.counts.get("frames", 0)
        socket.counts["frames"] = number + 1
        head = {"channel": channel, "timestamp": "2026-08-09T21:05:48.228568804Z", "sequence_num": number}
        return json.dumps(head | {"events": events}, separators=(",", ":")).encode()

    # ---- REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """See Exchange."""
        path, query = request.path.removeprefix(_ROOT), request.query
        if path == "/time":
            ms = self.markets[0].now_ms
            return web.json_response({"iso": _time(ms), "epochSeconds": str(ms // 1000), "epochMillis": str(ms)})
        if path == "/market/products":
            return web.json_response({"products": [m.listing() for m in self.markets]})
        name, _, what = path.removeprefix("/market/products/").partition("/")
        market = next((m for m in self.markets if m.native == name), None)
        if market is None:
            return web.json_response({"error": "NOT_FOUND", "message": "product is not found"}, status=404)
        if not what:
            return web.json_response(market.listing())
        if what == "ticker":
            start, end = int(query.get("start", "0")) * 1000, int(query.get("end", "99999999999")) * 1000
            found = [p for p in market.prints if start <= p.ms <= end][-int(query["limit"]) :]
            return web.json_response({"trades": [market.told(p) for p in reversed(found)]})
        if what == "candles":
            start, end = int(query["start"]), int(query["end"])
            candles = [c for c in market.candles.get(query["granularity"], []) if start <= int(c["start"]) <= end]
            return web.json_response({"candles": candles[::-1][: int(query["limit"])]})
        return web.Response(status=404)


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
