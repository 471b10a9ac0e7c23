"""Bytes -> book for Kraken and Deribit: ours, with every check, against ccxt's own handlers, which check nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.deribit.dialect import DeribitDialect
from connectors.kraken.dialect import KrakenDialect
from connectors.live.wire import BookMessage, Broken, Dialect, Step
from engine.instrument import Instrument
from engine.market import Market
from engine.tape import Channel, Trust
from tests.bench.interleaved import race, ratio, report
from tests.connectors.deribit.wire import VenueBook as DeribitBook
from tests.connectors.kraken.test_recorded import recorded_listing, to_v2
from tests.connectors.kraken.wire import VenueBook as KrakenBook
from tests.sessions import session

UPDATES = 20_000
BTC_USD = Instrument("kraken", "BTC/USD", Decimal("0.1"), Decimal("0.00000001"), base="BTC", quote="USD")
PERPETUAL = Instrument("deribit", "BTC/USD:BTC", Decimal("0.5"), Decimal(10), "inverse", base="BTC", quote="USD")


class Ours:
    """Typed decode, the venue's rule, the book, its touch after every message."""

    def __init__(self, dialect: Dialect, instruments: dict[str, Instrument]) -> None:
        self.dialect, self.instruments = dialect, instruments
        self.rules = {native: dialect.rule(i) for native, i in instruments.items()}
        self.markets: dict[str, Market] = {}
        self.touch: Any = None

    def run(self, part: Sequence[bytes]) -> None:
        decode, rules, markets = self.dialect.decode, self.rules, self.markets
        for frame in part:
            for event in decode(frame):
                if type(event) is not BookMessage:
                    continue
                verdict = rules[event.native].take(event.body)
                assert not isinstance(verdict, Step | Broken)
                for u in verdict:
                    if u.snapshot:
                        market = markets[event.native] = Market(self.instruments[event.native], metrics=(), chart=False)
                        market.status(0, u.ts, Channel.BOOK, Trust.LIVE)
                        market.snapshot(0, u.ts, u.seq, u.bids, u.asks)
                    else:
                        self.touch = markets[event.native].order_book.update(u.bids, u.asks)


class Ccxt:
    """ccxt's handler, best bid and offer read after every message."""

    def __init__(self, name: str, markets: dict[str, str], depth: int) -> None:
        pro = pytest.importorskip("ccxt.pro")
        from ccxt.async_support.base.ws.client import Client

        async def make() -> tuple[Any, Any]:
            exchange = getattr(pro, name)({"newUpdates": True})
            ignore = lambda *_: None  # noqa: E731
            return exchange, Client("wss://127.0.0.1/ws/0", exchange.handle_message, ignore, ignore, ignore, {})

        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.exchange, self.client = self.loop.run_until_complete(make())
        self.exchange.set_markets(
            [
                self.exchange.safe_market_structure(
                    {"id": native, "symbol": symbol, "base": "BTC", "quote": "USD", "active": True, "type": "spot",
                     "spot": True, "precision": {"price": 0.1, "amount": 1e-8}}
                )
                for native, symbol in markets.items()
            ]
        )  # fmt: skip
        for symbol in markets.values():
            self.client.subscriptions[f"orderbook@{symbol}"] = {"limit": depth}
        self.touch: Any = None

    def run(self, part: Sequence[bytes]) -> None:
        handle, books = self.client.handle_text_or_binary_message, self.exchange.orderbooks
        for frame in part:
            handle(frame.decode())
            for book in books.values():
                if book["bids"] and book["asks"]:
                    self.touch = book["bids"][0][0], book["asks"][0][0]
                break

    def close(self) -> None:
        self.loop.run_until_complete(self.exchange.close())
        asyncio.set_event_loop(None)
        self.loop.close()


def bare(part: Sequence[bytes]) -> None:
    """Untyped decoding: what reading the bytes costs anybody."""
    decode = msgspec.json.decode
    for frame in part:
        decode(frame)


def compare(title: str, frames: Sequence[bytes], ccxt: Ccxt, ours: Ours, at_least: float) -> None:
    times = race([("ccxt", ccxt.run), ("untyped decode", bare), ("ours", ours.run)], frames, chunk=500)
    ccxt.close()
    report(title, times, "untyped decode")
    print(f"  ccxt / ours: {ratio(times, 'ccxt', 'ours'):.1f}")
    assert ratio(times, "ccxt", "ours") >= at_least


@pytest.mark.parametrize("depth", [100, 1000])
def test_kraken_bytes_to_book(depth: int) -> None:
    venue = KrakenBook(depth, seed=5)
    first = venue.snapshot()
    frames = [venue.update() for _ in range(UPDATES)]
    ours, ccxt = Ours(KrakenDialect("", depth), {"BTC/USD": BTC_USD}), Ccxt("kraken", {"BTC/USD": "BTC/USD"}, depth)
    for each in (ours, ccxt):
        each.run([first])
    compare(f"{UPDATES} Kraken updates, {depth} levels, every checksum verified by ours", frames, ccxt, ours, 1.3)
    book = ours.markets["BTC/USD"].order_book
    assert tuple(map(float, ccxt.touch)) == (BTC_USD.price(book.best_bid), BTC_USD.price(book.best_ask))


def test_kraken_recorded() -> None:
    instruments = {x.instrument.native: x.instrument for x in recorded_listing()}
    recorded = [raw for line in session("kraken") if line.kind == "recv" and (raw := to_v2(line.data)) is not None]
    frames = [raw for raw in recorded if b'"book"' in raw[:20] and b'"update"' in raw[:50]]
    first = [raw for raw in recorded if b'"book"' in raw[:20] and b'"snapshot"' in raw[:50]]
    symbols = {native: native for native in instruments}
    ours, ccxt = Ours(KrakenDialect(""), instruments), Ccxt("kraken", symbols, 1000)
    for each in (ours, ccxt):
        each.run(first)
    compare(f"{len(frames)} recorded Kraken updates of ten markets, in today's words", frames, ccxt, ours, 1.4)


def test_deribit_bytes_to_book() -> None:
    venue = DeribitBook(seed=5)
    first = venue.snapshot()
    frames = [venue.update() for _ in range(UPDATES)]
    ours = Ours(DeribitDialect(""), {"BTC-PERPETUAL": PERPETUAL})
    ccxt = Ccxt("deribit", {"BTC-PERPETUAL": "BTC/USD:BTC"}, 0)
    for each in (ours, ccxt):
        each.run([first])
    compare(f"{UPDATES} Deribit changes", frames, ccxt, ours, 2.5)
    book = ours.markets["BTC-PERPETUAL"].order_book
    assert tuple(map(float, ccxt.touch)) == (PERPETUAL.price(book.best_bid), PERPETUAL.price(book.best_ask))
