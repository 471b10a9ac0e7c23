"""What is sent, and what of it is taken for answered."""

from __future__ import annotations

import json

from connectors.kraken.dialect import KrakenDialect
from connectors.live.wire import BookMessage, Reply, TradeMessage
from engine.codes import Channel
from tests.connectors.kraken.wire import TIME, VenueBook, trade_frame

BOOK, TRADES = Channel.BOOK, Channel.TRADES
NS = 1696613755440295000


def answer(number: int, channel: str, symbol: str, **more: object) -> bytes:
    result = {"channel": channel, "symbol": symbol, "snapshot": True}
    whole = {"method": "subscribe", "req_id": number, "result": result, "success": True, "time_out": TIME, **more}
    return json.dumps(whole).encode()


def test_a_request_a_channel_and_an_answer_a_market() -> None:
    dialect = KrakenDialect("")
    requests = dialect.subscribe([("BTC/USD", TRADES), ("BTC/USD", BOOK), ("ETH/USD", BOOK)])
    sent = [json.loads(r.frame) for r in requests]
    assert sent[0]["params"] == {"channel": "book", "symbol": ["BTC/USD", "ETH/USD"], "depth": 1000, "snapshot": True}
    assert sent[1]["params"] == {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": True}
    assert [list(r.topics) for r in requests] == [["book:BTC/USD", "book:ETH/USD"], ["trade:BTC/USD"]]
    assert dialect.decode(answer(sent[0]["req_id"], "book", "ETH/USD")) == [
        Reply(["book:ETH/USD"], sent[0]["req_id"], None)
    ]
    (undo,) = dialect.unsubscribe([("BTC/USD", BOOK)])
    assert json.loads(undo.frame)["method"] == "unsubscribe"
    assert json.loads(undo.frame)["params"] == {"channel": "book", "symbol": ["BTC/USD"], "depth": 1000}


def test_many_markets_go_in_several_frames() -> None:
    natives = [f"C{i}/USD" for i in range(120)]
    requests = KrakenDialect("").subscribe([(n, BOOK) for n in natives])
    assert [len(json.loads(r.frame)["params"]["symbol"]) for r in requests] == [50, 50, 20]


def test_a_refusal_names_the_topic_though_the_venue_names_only_the_market_or_nothing() -> None:
    dialect = KrakenDialect("")
    request = json.loads(dialect.subscribe([("A/B", BOOK), ("C/D", BOOK)])[0].frame)["req_id"]
    one = {"error": "Currency pair not supported A/B", "method": "subscribe", "req_id": request, "success": False}
    assert dialect.decode(json.dumps({**one, "symbol": "A/B"}).encode()) == [
        Reply(["book:A/B"], request, "Currency pair not supported A/B")
    ]
    assert dialect.decode(json.dumps({**one, "error": "no"}).encode()) == [Reply(["book:C/D"], request, "no")]


def test_snapshots_without_a_time_are_as_new_as_what_came_before() -> None:
    dialect, venue = KrakenDialect("", 10), VenueBook(10)
    bare = venue.snapshot().replace(f',"timestamp":"{TIME}"'.encode(), b"")
    (event,) = dialect.decode(bare)
    assert isinstance(event, BookMessage)
    assert event.ts == 0
    dialect.decode(answer(1, "book", "BTC/USD"))
    (event,) = dialect.decode(bare)
    assert isinstance(event, BookMessage)
    assert event.ts == NS


def test_trades_are_parted_by_market_and_in_their_order() -> None:
    raw = trade_frame("snapshot", (9, "buy", "1.5", "1"), (8, "sell", "1.4", "2"))
    other = trade_frame("snapshot", (3, "buy", "7", "1"), symbol="ETH/USD")
    both = raw[:-2] + b"," + other[other.index(b"[{") + 1 :]
    first, second = KrakenDialect("").decode(both)
    assert isinstance(first, TradeMessage)
    assert isinstance(second, TradeMessage)
    assert ([f.trade_id for f in first.fills], first.history, second.native) == ([8, 9], True, "ETH/USD")


def test_a_connection_is_kept_open_by_pings() -> None:
    ping = KrakenDialect("").ping
    assert ping is not None
    assert ping[0] < 60
    assert json.loads(ping[1]) == {"method": "ping"}
