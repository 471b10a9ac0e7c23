"""The recorded session as a source, against a plain reading of the same lines."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from connectors.coinbase.recorded import RECORDED
from engine.tape import Channel, Flag, Kind, Reason, Trust
from tests.connectors.archives.sessions import dict_book, read_all
from tests.real_data import data_file
from tests.sessions import frames


def test_books_and_trades_equal_a_plain_reading() -> None:
    got = read_all(data_file("sessions/coinbase.jsonl.zst"))
    assert {i.native: market for market, i in got.instruments.items()} == {
        "BTC-USD": "coinbase:BTC/USD",
        "ETH-USD": "coinbase:ETH/USD",
    }
    books: dict[str, tuple[dict[str, Decimal], dict[str, Decimal]]] = {}
    flow: dict[str, Decimal] = {}
    for frame in frames("coinbase"):
        m = msgspec.json.decode(frame)
        for event in m["events"]:
            if m["channel"] == "market_trades" and event["type"] == "update":
                for t in event["trades"]:
                    taker = Decimal(t["size"]) * (-1 if t["side"] == "BUY" else 1)
                    flow[t["product_id"]] = flow.get(t["product_id"], Decimal(0)) + taker
            if m["channel"] != "l2_data":
                continue
            if event["type"] == "snapshot":
                books[event["product_id"]] = ({}, {})
            for u in event["updates"]:
                side = books[event["product_id"]][u["side"] != "bid"]
                side[u["price_level"]] = Decimal(u["new_quantity"])
    for market, instrument in got.instruments.items():
        for mine, theirs in zip(dict_book(got.rows[market]), books[instrument.native], strict=True):
            assert mine == {instrument.ticks(p): instrument.lots(str(s)) for p, s in theirs.items() if s}
        replayed = got.kind(market, Kind.TRADE)["flags"] & Flag.REPLAYED != 0
        assert replayed.sum() == 100
        assert replayed[:100].all()
        assert got.signed(market) == pytest.approx(float(flow[instrument.native]), abs=1e-12)
        said = got.statuses(market, Channel.BOOK)
        assert [x for x in said if x[0] is not Trust.WARMING] == [(Trust.LIVE, Reason.NONE)]
        assert (got.holes(market), instrument.inferred) == ([], False)
    assert got.notices == []


def test_names_addresses_and_frames_that_are_its() -> None:
    assert RECORDED.identity("spot", "BTC-USD").symbol == "BTC/USD"
    for url in ("wss://advanced-trade-ws.coinbase.com", "https://api.coinbase.com/api/v3/brokerage/market/products"):
        assert RECORDED.section(url) == "spot"
    for url in ("wss://ws-feed.exchange.coinbase.com", "https://api.binance.com/api/v3/depth", ""):
        assert RECORDED.section(url) is None
    assert RECORDED.sniff(b'{"channel":"l2_data","client_id":"","timestamp":"2026","sequence_num":0,') == "spot"
    assert RECORDED.sniff(b'{"channel":"trades","data":[]}') is None
    assert RECORDED.listing("spot", b'{"products":[]}') == ()
    assert RECORDED.listing("spot", b'{"products":[{"price_increment":0}]}') == ()
