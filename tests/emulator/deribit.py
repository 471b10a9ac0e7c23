"""Deribit on loopback: JSON-RPC by GET and by WebSocket for seeded markets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from connectors.deribit.feed import Deribit, endpoints
from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from engine.codes import Channel
from engine.feed import Feed
from tests.emulator.exchange import Exchange, Frame, Socket
from tests.emulator.seeded import Change, Print, SeededMarket

_NAMES = {Channel.BOOK: "book", Channel.TRADES: "trades"}


@dataclass
class DeribitMarket(SeededMarket):
    """An inverse perpetual; `blocks` are ids of trades that were agreed on outside the book."""

    tick: str = "0.5"
    lot: str = "10"
    day_volume: str = "1092371540.0"
    blocks: set[int] = field(default_factory=set)

    @property
    def change_id(self) -> int:
        """Number of the last change; the book of all instruments share one counter, so it is not consecutive."""
        return self._change_id(len(self.states) - 1)

    def _change_id(self, state: int) -> int:
        return 123_456_000 + 37 * state

    @property
    def previous_id(self) -> int:
        """Number of the change before it."""
        return self._change_id(len(self.states) - 2)


class DeribitExchange(Exchange[DeribitMarket]):
    """The venue."""

    delists = True
    trades_path = "/get_last_trades_by_instrument"

    def __init__(self, *markets: DeribitMarket) -> None:
        super().__init__(*markets)
        self.heartbeats: list[int] = []  # intervals asked for
        self.tested = 0  # answers to test requests

    @classmethod
    def pair(cls) -> tuple[DeribitMarket, DeribitMarket]:
        return (
            DeribitMarket("BTC/USD:BTC", "BTC-PERPETUAL", "BTC", "USD"),
            DeribitMarket("ETH/USD:ETH", "ETH-PERPETUAL", "ETH", "USD", tick="0.05", lot="1", seed=2),
        )

    def feed(self, symbols: list[str], timing: Timing, clock: Callable[[], int]) -> Feed:
        return LiveFeed(Deribit(endpoints(self.url, self.ws_url), clock=clock), symbols, timing=timing, clock=clock)

    async def ask(self) -> None:
        """Send every client a test request, as the venue does in every interval."""
        for socket in list(self.sockets):
            await socket.send({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}})

    # ---- REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        name, query = request.path.rsplit("/", 1)[1], request.query
        if name == "get_instruments":
            wanted = query.get("currency", "any")
            return _result([_listed(m) for m in self.markets if wanted in ("any", m.base)])
        if name == "get_time":
            return _result(max(m.now_ms for m in self.markets))
        market = next((m for m in self.markets if m.native == query.get("instrument_name")), None)
        if market is None:
            error = {"code": 13020, "message": "not_found"}
            return web.json_response({"jsonrpc": "2.0", "error": error}, status=400)
        if name == "get_last_trades_by_instrument":
            first, count = int(query["start_seq"]), int(query["count"])
            page = [p for p in market.prints if p.id >= first]
            trades = [_trade(market, p) for p in page[:count]]
            return _result({"trades": trades, "has_more": len(page) > count})
        if name == "ticker":
            stats = {"volume": 11.5, "volume_usd": float(market.day_volume)}
            prices = {"mark_price": 42_500.25, "index_price": 42_499.9, "open_interest": 1_132_329_370.0}
            funding = {"current_funding": 1.742e-05, "funding_8h": 0.0}
            return _result({"timestamp": market.now_ms, "stats": stats, **prices, **funding})
        if name == "get_tradingview_chart_data":
            empty: list[float] = []
            columns = ("ticks", "open", "high", "low", "close", "volume", "cost")
            return _result({"status": "no_data", **dict.fromkeys(columns, empty)})
        return web.json_response(
            {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}}, status=400
        )

    # ---- the stream

    async def heard(self, socket: Socket, text: str) -> None:
        asked = json.loads(text)
        method, params = asked["method"], asked["params"]
        if method == "public/set_heartbeat":
            self.heartbeats.append(params["interval"])
            await self._acknowledge(socket, asked, "ok")
        elif method == "public/test":
            self.tested += 1
            await self._acknowledge(socket, asked, {"version": "1.2.26"})
        elif method == "public/unsubscribe":
            socket.topics.difference_update(params["channels"])
            await self._acknowledge(socket, asked, params["channels"])
        else:
            assert method == "public/subscribe"
            self.subscriptions.append(params["channels"])
            known = [c for c in params["channels"] if c.startswith("instrument.state.") or self._market(c)]
            fresh = [c for c in known if c not in socket.topics]
            socket.topics.update(known)
            await self._acknowledge(socket, asked, known)
            for channel in fresh:
                market = self._market(channel)
                if market is not None and channel.startswith("book."):
                    raw = _notification(channel, self._book(market, *market.best(10_000), snapshot=True))
                    await self.deliver(socket, raw, market.native, Channel.BOOK, snapshot=True)

    def _market(self, channel: str) -> DeribitMarket | None:
        return next((m for m in self.markets if m.native == channel.split(".")[1]), None)

    async def _acknowledge(self, socket: Socket, asked: dict[str, Any], result: Any) -> None:
        if not self.mute_requests:
            await socket.send({"jsonrpc": "2.0", "id": asked["id"], "result": result, "usDiff": 12, "testnet": False})

    def topic(self, market: DeribitMarket, channel: Channel) -> str:
        return f"{_NAMES[channel]}.{market.native}.100ms"

    def book_frame(self, socket: Socket, market: DeribitMarket, change: Change) -> bytes:
        data = self._book(market, list(change.bids.items()), list(change.asks.items()))
        return _notification(self.topic(market, Channel.BOOK), data)

    def _book(
        self,
        m: DeribitMarket,
        bids: list[tuple[str, str]],
        asks: list[tuple[str, str]],
        *,
        snapshot: bool = False,
    ) -> dict[str, Any]:
        def levels(side: list[tuple[str, str]]) -> list[list[Any]]:
            return [["change" if Decimal(s) and not snapshot else "new" if Decimal(s) else "delete", float(p), float(s)]
                    for p, s in side]  # fmt: skip

        kind = {"type": "snapshot"} if snapshot else {"type": "change", "prev_change_id": m.previous_id}
        stamps = {"timestamp": m.now_ms, "instrument_name": m.native, "change_id": m.change_id}
        return {**kind, **stamps, "bids": levels(bids), "asks": levels(asks)}

    def trade_frame(self, socket: Socket, market: DeribitMarket, prints: list[Print]) -> bytes:
        return _notification(self.topic(market, Channel.TRADES), [_trade(market, p) for p in prints])

    def corrupt(self, frame: Frame) -> bytes:
        found = re.search(rb'"prev_change_id": ?(\d+)', frame)
        if found is None:  # a snapshot follows nothing: the change after it does not follow it
            found = re.search(rb'"change_id": ?(\d+)', frame)
        assert found is not None
        last = found.end(1) - 1
        return frame[:last] + str((int(frame[last : last + 1]) + 1) % 10).encode() + frame[last + 1 :]

    def end_frame(self, market: DeribitMarket) -> bytes | None:
        state = {"timestamp": market.now_ms, "state": "closed", "instrument_name": market.native}
        return _notification("instrument.state.future.any", state)


def _notification(channel: str, data: Any) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    ).encode()


def _result(result: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False})


def _trade(m: DeribitMarket, p: Print) -> dict[str, Any]:
    block = {"block_trade_id": f"BLOCK-{p.id}"} if p.id in m.blocks else {}
    return {
        "trade_seq": p.id,
        "trade_id": str(p.id + 400_000_000),
        "timestamp": p.ms,
        "tick_direction": 1,
        "price": float(p.price),
        "mark_price": float(p.price),
        "index_price": float(p.price),
        "instrument_name": m.native,
        "direction": "buy" if p.side > 0 else "sell",
        "amount": float(p.size),
        "contracts": float(p.size) / float(m.lot),
        **block,
    }


def _listed(m: DeribitMarket) -> dict[str, Any]:
    return {
        "instrument_name": m.native,
        "kind": "future",
        "base_currency": m.base,
        "quote_currency": m.quote,
        "counter_currency": m.quote,
        "settlement_currency": m.base,
        "settlement_period": "perpetual",
        "instrument_type": "reversed",
        "tick_size": float(m.tick),
        "tick_size_steps": [],
        "min_trade_amount": float(m.lot),
        "contract_size": float(m.lot),
        "expiration_timestamp": 32_503_708_800_000,
        "is_active": m.trading,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
    }
