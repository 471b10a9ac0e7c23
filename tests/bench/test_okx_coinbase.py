"""Bytes -> book with best bid and offer after every message, OKX and Coinbase: ours, ccxt's handler, the bare decode.

The recordings are short, so their updates are given again and again, numbered on as the venue would today.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.coinbase.dialect import CoinbaseDialect
from connectors.live.wire import BookMessage, Dialect
from connectors.okx.dialect import OkxDialect
from engine.codes import Channel, Trust
from engine.instrument import Instrument
from engine.market import Market
from tests.bench.interleaved import race, ratio, report
from tests.sessions import frames

_ROUNDS = 60


def okx_frames() -> tuple[bytes, list[bytes]]:
    """The snapshot and the updates of BTC-USDT in today's protocol: a sequence and no checksum."""
    arg = {"channel": "books", "instId": "BTC-USDT"}
    found = [x for x in map(msgspec.json.decode, frames("okx")) if x["arg"] == arg and "data" in x]
    seq, out = 1_000, list[bytes]()
    for x in [found[0], *found[1:] * (_ROUNDS * 5)]:
        previous, seq = (-1, seq) if not out else (seq, seq + 7)
        book = x["data"][0] | {"checksum": 0, "prevSeqId": previous, "seqId": seq}
        out.append(msgspec.json.encode(x | {"data": [book]}))
    return out[0], out[1:]


def coinbase_frames() -> tuple[bytes, list[bytes]]:
    """The same of BTC-USD."""
    found = [
        x
        for x in map(msgspec.json.decode, frames("coinbase"))
        if x["channel"] == "l2_data" and x["events"][0]["product_id"] == "BTC-USD"
    ]
    numbered = enumerate([found[0], *found[1:] * _ROUNDS])
    out = [msgspec.json.encode(x | {"sequence_num": i}) for i, x in numbered]
    return out[0], out[1:]


class Ours:
    """Typed decode with range checks, the venue's sequence rule, the book, its touch after every message."""

    def __init__(self, dialect: Dialect, instrument: Instrument, snapshot: bytes) -> None:
        self.dialect, self.rule, self.market = dialect, dialect.rule(instrument), Market(instrument)
        dialect.connected()
        (event,) = dialect.decode(snapshot)
        assert isinstance(event, BookMessage)
        verdict = self.rule.take(event.body)
        assert isinstance(verdict, tuple)
        (first,) = verdict
        self.market.status(0, event.ts, Channel.BOOK, Trust.LIVE)
        self.market.snapshot(0, event.ts, first.seq, first.bids, first.asks)
        self.touch: Any = None

    def run(self, part: Sequence[bytes]) -> None:
        decode, take, update, touch = self.dialect.decode, self.rule.take, self.market.order_book.update, self.touch
        for frame in part:
            for event in decode(frame):
                if type(event) is BookMessage:
                    for u in take(event.body):  # type: ignore[union-attr]
                        touch = update(u.bids, u.asks)
        self.touch = touch


class Ccxt:
    """ccxt's own WebSocket handler of the same venue, best bid and offer read after every message."""

    def __init__(self, venue: str, native: str, symbol: str, tick: float, snapshot: bytes) -> None:
        pro = pytest.importorskip("ccxt.pro")
        from ccxt.async_support.base.ws.client import Client

        async def make() -> tuple[Any, Any]:
            exchange = getattr(pro, venue)({"newUpdates": True})
            ignore = lambda *_: None  # noqa: E731
            return exchange, Client("wss://127.0.0.1/ws/0", exchange.handle_message, ignore, ignore, ignore, {})

        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.exchange, self.client = self.loop.run_until_complete(make())
        base, quote = symbol.split("/")
        market = {"id": native, "symbol": symbol, "base": base, "quote": quote, "baseId": base, "quoteId": quote}
        market |= {"type": "spot", "spot": True, "active": True, "precision": {"price": tick, "amount": 1e-8}}
        market |= dict.fromkeys(("margin", "swap", "future", "option", "contract"), False)
        self.exchange.set_markets([self.exchange.safe_market_structure(market)])
        self.client.handle_text_or_binary_message(snapshot.decode())
        self.book = self.exchange.orderbooks[symbol]
        self.touch: Any = None

    def run(self, part: Sequence[bytes]) -> None:
        handle, book = self.client.handle_text_or_binary_message, self.book
        for frame in part:
            handle(frame.decode())
            self.touch = book["bids"][0][0], book["asks"][0][0]

    def close(self) -> None:
        self.loop.run_until_complete(self.exchange.close())
        asyncio.set_event_loop(None)
        self.loop.close()


def okx_bare() -> Any:
    level = list[tuple[str, float, str, str]]
    book = msgspec.defstruct("b", [("asks", level), ("bids", level), ("ts", int), ("seqId", int), ("prevSeqId", int)])
    frame = msgspec.defstruct("f", [("action", str), ("data", list[book])], gc=False)  # type: ignore[valid-type]
    return msgspec.json.Decoder(frame, strict=False).decode


def coinbase_bare() -> Any:
    level = msgspec.defstruct("l", [("side", str), ("price_level", str), ("new_quantity", float)], gc=False)
    event = msgspec.defstruct("e", [("type", str), ("product_id", str), ("updates", list[level])])  # type: ignore[valid-type]
    frame = msgspec.defstruct("f", [("sequence_num", int), ("events", list[event])], gc=False)  # type: ignore[valid-type]
    return msgspec.json.Decoder(frame, strict=False).decode


CASES: dict[str, tuple[Any, Any, Any, str, str, str]] = {
    "okx": (OkxDialect, okx_frames, okx_bare, "BTC-USDT", "BTC/USDT", "0.1"),
    "coinbase": (CoinbaseDialect, coinbase_frames, coinbase_bare, "BTC-USD", "BTC/USD", "0.01"),
}


@pytest.mark.parametrize("venue", CASES)
def test_bytes_to_book(venue: str) -> None:
    dialect, make, bare, native, symbol, tick = CASES[venue]
    snapshot, items = make()
    base, quote = symbol.split("/")
    instrument = Instrument(venue, symbol, Decimal(tick), Decimal("0.00000001"), native=native, base=base, quote=quote)
    ours, ccxt, plain = (
        Ours(dialect(""), instrument, snapshot),
        Ccxt(venue, native, symbol, float(tick), snapshot),
        bare(),
    )

    def decode_all(part: Sequence[bytes]) -> None:
        for frame in part:
            plain(frame)

    times = race([("ccxt", ccxt.run), ("bare decode", decode_all), ("ours", ours.run)], items, 200)
    ccxt.close()
    size = sum(map(len, items)) / len(items)
    report(f"{venue}: {len(items)} updates of {native}, {size:.0f} bytes each", times, "bare decode")
    print(f"  ccxt / ours: {ratio(times, 'ccxt', 'ours'):.1f}")
    mine = tuple(instrument.price(ticks) for ticks in (ours.touch[0], ours.touch[2]))
    assert mine == tuple(map(float, ccxt.touch)), "the two books differ"
    assert ratio(times, "ccxt", "ours") >= 4
