"""Hyperliquid on loopback: `/info` and the socket, faults on request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from connectors.hyperliquid.feed import Hyperliquid, endpoints
from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from engine.codes import Channel
from tests.emulator.exchange import Exchange, Socket
from tests.emulator.seeded import Change, Print, SeededMarket

#: Trades that the venue repeats when it is subscribed to, and gives by REST.
RECENT = 30


@dataclass
class HyperliquidMarket(SeededMarket):
    """A perpetual with `decimals` of its size."""

    decimals: int = 3


def perpetual(coin: str = "ETH", decimals: int = 3, traded: int = 12, **more: Any) -> HyperliquidMarket:
    """A perpetual that has traded before anyone listens."""
    market = HyperliquidMarket(
        f"{coin}/USDC:USDC", coin, coin, "USDC", "0.01", f"0.{'0' * (decimals - 1)}1", decimals=decimals, **more
    )
    for _ in range(traded):
        market.execute()
    return market


class HyperliquidEmulator(Exchange[HyperliquidMarket]):
    """Books are whole, ids without an order. `closed` counts sockets closed for a coin that does not exist."""

    consecutive_ids: ClassVar[bool] = False
    sequence: ClassVar[bool] = False
    depth: ClassVar[int] = 5
    trades_path: ClassVar[str] = "/info"

    def __init__(self, *markets: HyperliquidMarket) -> None:
        super().__init__(*markets)
        self.closed = 0
        self.asked_for: list[dict[str, Any]] = []  # bodies of REST requests

    @classmethod
    def pair(cls) -> tuple[HyperliquidMarket, HyperliquidMarket]:
        """See Exchange."""
        return perpetual("ETH"), perpetual("BTC", seed=2)

    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> LiveFeed:
        """See Exchange."""
        venue = Hyperliquid(endpoints(self.url, self.ws_url), clock=clock)
        return LiveFeed(venue, symbols, timing=timing, clock=clock)

    # ---- frames

    def topic(self, market: HyperliquidMarket, channel: Channel) -> str:
        """See Exchange."""
        return f"{'trades' if channel is Channel.TRADES else 'l2Book'}:{market.native}"

    def book_frame(self, socket: Socket, market: HyperliquidMarket, change: Change) -> bytes:
        """See Exchange: the best levels, whatever has changed."""
        levels = [[{"px": px, "sz": sz, "n": 1} for px, sz in side] for side in market.best(self.depth)]
        return _json({"channel": "l2Book", "data": {"coin": market.native, "time": change.ms, "levels": levels}})

    def trade_frame(self, socket: Socket, market: HyperliquidMarket, prints: list[Print]) -> bytes:
        """See Exchange."""
        return _json({"channel": "trades", "data": [self._trade(market, p) for p in prints]})

    def _trade(self, market: HyperliquidMarket, p: Print) -> dict[str, Any]:
        side = "B" if p.side > 0 else "A"
        return {
            "coin": market.native, "side": side, "px": p.price, "sz": p.size, "time": p.ms,
            "hash": "0x00", "tid": self.trade_id(p), "users": ["0x1", "0x2"],
        }  # fmt: skip

    def trade_id(self, p: Print) -> int:
        """See Exchange: a hash."""
        return p.id * 2_654_435_761 % (1 << 50)

    # ---- REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """See Exchange."""
        asked = await request.json()
        self.asked_for.append(asked)
        what, now = asked["type"], max((m.now_ms for m in self.markets), default=0)
        universe = [
            {"name": m.native, "szDecimals": m.decimals, "maxLeverage": 50, "isDelisted": not m.trading}
            for m in self.markets
        ]
        if what == "meta":
            return web.json_response({"universe": universe, "marginTables": []})
        if what == "spotMeta":
            return web.json_response({"universe": [], "tokens": []})
        if what == "exchangeStatus":
            return web.json_response({"time": now, "specialStatuses": None})
        if what == "metaAndAssetCtxs":
            told = {"markPx": "100.01", "oraclePx": "100.02", "funding": "0.0000125", "openInterest": "4321.5"}
            contexts = [{"dayBaseVlm": m.day_volume, "dayNtlVlm": "1", **told} for m in self.markets]
            return web.json_response([{"universe": universe}, contexts])
        if what == "candleSnapshot":
            return web.json_response([])
        market = next((m for m in self.markets if m.native == asked.get("coin")), None)
        if what == "recentTrades" and market is not None:
            return web.json_response([self._trade(market, p) for p in market.prints[-RECENT:][::-1]])
        return web.Response(status=500, text="null")

    # ---- the socket

    async def heard(self, socket: Socket, text: str) -> None:
        """See Exchange."""
        asked = json.loads(text)
        if asked["method"] == "ping":
            await socket.send({"channel": "pong"})
            return
        wanted = asked["subscription"]
        name = f"{wanted['type']}:{wanted['coin']}"
        self.subscriptions.append([name])
        market = next((m for m in self.markets if m.native == wanted["coin"]), None)
        if market is None:
            self.closed += 1
            await socket.close(1000)
            return
        if self.mute_requests:
            return
        if asked["method"] == "unsubscribe":
            socket.topics.discard(name)
        elif name in socket.topics:
            await socket.send({"channel": "error", "data": f"Already subscribed: {json.dumps(wanted)}"})
            return
        else:
            socket.topics.add(name)
        await socket.send({"channel": "subscriptionResponse", "data": asked})
        if asked["method"] != "subscribe":
            return
        if wanted["type"] == "l2Book":
            frame = self.book_frame(socket, market, Change(market.now_ms, {}, {}))
            await self.deliver(socket, frame, market.native, Channel.BOOK, snapshot=True)
        elif market.prints:
            frame = self.trade_frame(socket, market, market.prints[-RECENT:])
            await self.deliver(socket, frame, market.native, Channel.TRADES)


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
