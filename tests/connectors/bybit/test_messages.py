"""Frames of every kind, and frames that must not get through."""

from __future__ import annotations

import json

import pytest

from connectors.bybit.dialect import TOPICS_A_REQUEST, BybitDialect
from connectors.bybit.messages import Book, decode, trade_id
from connectors.live.wire import BookMessage, Fill, FrameError, Liquidation, Reply, TradeMessage
from engine.codes import Channel, Flag
from tests.connectors.archives.sessions import book, trade, uuid
from tests.real_data import data_dir, data_file


def raw(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def test_a_book_message_has_the_time_of_the_matching_engine() -> None:
    message = book(3, 50, "snapshot", [["100.10", "1.5"]], [["100.20", "0"]])
    (event,) = decode(raw(message))
    assert isinstance(event, BookMessage)
    assert (event.native, event.ts) == ("BTCUSDT", message["cts"] * 1_000_000)
    assert isinstance(event.body, Book)
    assert (event.body.type, event.body.data.update, event.body.depth) == ("snapshot", 50, 200)
    assert (event.body.data.bids, event.body.data.asks) == ([("100.10", 1.5)], [("100.20", 0.0)])
    del message["cts"]
    (older,) = decode(raw(message))
    assert isinstance(older, BookMessage)
    assert older.ts == message["ts"] * 1_000_000


def test_the_side_of_a_trade_is_the_takers_and_a_block_trade_is_no_flow() -> None:
    for side, sign in (("Buy", 1), ("Sell", -1)):
        message = trade(2, side, "100.20", "0.010", "2290000000000000001")
        (event,) = decode(raw(message))
        ts = message["data"][0]["T"] * 1_000_000
        assert event == TradeMessage("BTCUSDT", [Fill(2290000000000000001, ts, "100.20", "0.010", sign)])
    (block,) = decode(raw(trade(2, "Buy", "100.20", "400", uuid(1), block=True)))
    assert isinstance(block, TradeMessage)
    assert block.fills[0].flags == Flag.NOT_FLOW


def test_ids_are_63_bits_and_different() -> None:
    texts = [uuid(n) for n in range(500)] + ["2290000000000000001", "12", "9223372036854775807", "9223372036854775808"]
    texts += ["20f43950-d8dd-5b31-9112-a178eb6023af", "20f43950-d8dd-5b31-9112-a178eb6023ae", "odd id"]
    ids = [trade_id(text) for text in texts]
    assert len(set(ids)) == len(ids)
    assert all(0 <= i < 1 << 63 for i in ids)
    assert trade_id("12") == 12
    assert trade_id(uuid(7).upper()) == trade_id(uuid(7))


def test_other_topics_and_heartbeats_say_nothing() -> None:
    for message in (
        {"topic": "tickers.BTCUSDT", "type": "delta", "data": {"symbol": "BTCUSDT"}, "cs": 1, "ts": 2},
        {"success": True, "ret_msg": "pong", "conn_id": "x", "req_id": "", "op": "ping"},
        {"req_id": "1", "op": "pong", "args": ["1"], "conn_id": "x"},
    ):
        assert decode(raw(message)) == ()


def test_answers_name_the_request() -> None:
    accepted = {"success": True, "ret_msg": "", "conn_id": "x", "req_id": "12", "op": "subscribe"}
    assert decode(raw(accepted)) == (Reply((), 12),)
    refused = {**accepted, "success": False, "ret_msg": "error:handler not found,topic:orderbook.7.X"}
    assert decode(raw(refused)) == (Reply((), 12, "error:handler not found,topic:orderbook.7.X"),)
    assert decode(raw({**accepted, "req_id": ""})) == (Reply((), None),)


def test_keys_in_another_order_are_read_as_well() -> None:
    message = book(3, 50, "delta", [["100.10", "1.5"]], [])
    backwards = {key: message[key] for key in reversed(message)}
    assert decode(raw(backwards)) == decode(raw(message))
    spaced = json.dumps(message, indent=2).encode()
    assert decode(spaced) == decode(raw(message))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"1.5"', b'"-1.5"'),
        (b'"1.5"', b'"1e400"'),
        (b'"1.5"', b'"NaN"'),
        (b'"1.5"', b'"x"'),
        (b'"u":50', b'"u":-1'),
        (b'"u":50', b'"u":9223372036854775808'),
        (b'"u":50', b'"v":50'),
        (b'"delta"', b'"dalta"'),
        (b'"100.10",', b""),
        (b'"cts":', b'"cts":99999'),
        (b"}", b""),
    ],
)
def test_a_bad_book_message_is_refused_with_its_market(old: bytes, new: bytes) -> None:
    frame = raw(book(3, 50, "delta", [["100.10", "1.5"]], []))
    assert old in frame
    with pytest.raises(FrameError) as caught:
        decode(frame.replace(old, new))
    assert (caught.value.native, caught.value.channel) == ("BTCUSDT", Channel.BOOK)


def test_a_bad_trade_is_refused_with_its_market_and_escaped() -> None:
    with pytest.raises(FrameError) as caught:
        decode(raw(trade(2, "Both\x1b[2J", "100.20", "0.010", "7")))
    assert (caught.value.native, caught.value.channel) == ("BTCUSDT", Channel.TRADES)
    assert "\x1b" not in str(caught.value)
    with pytest.raises(FrameError) as caught:
        decode(b"\xff\xfe")
    assert (caught.value.native, caught.value.channel) == ("", None)


def test_requests_hold_as_many_topics_as_the_venue_allows() -> None:
    dialect = BybitDialect("wss://host", "linear")
    assert dialect.url == "wss://host/v5/public/linear"
    wanted = [(f"X{i}USDT", channel) for i in range(12) for channel in (Channel.BOOK, Channel.TRADES)]
    requests = dialect.subscribe(wanted)
    frames = [json.loads(request.frame) for request in requests]
    assert [len(frame["args"]) for frame in frames] == [TOPICS_A_REQUEST, TOPICS_A_REQUEST, 4]
    assert [frame["req_id"] for frame in frames] == [str(request.request) for request in requests]
    topics = [topic for frame in frames for topic in frame["args"]]
    assert topics[:2] == ["orderbook.200.X0USDT", "publicTrade.X0USDT"]
    (undo,) = dialect.unsubscribe(wanted[:1])
    assert json.loads(undo.frame) == {"op": "unsubscribe", "req_id": "4", "args": ["orderbook.200.X0USDT"]}


def test_every_message_on_record_is_read() -> None:
    data_file("messages/bybit/ws_public_trade.json")
    kinds = {
        path.stem: [type(event).__name__ for event in decode(path.read_bytes())]
        for path in sorted((data_dir() / "messages/bybit").glob("*.json"))
    }
    assert kinds == {
        "ws_orderbook_delta": ["BookMessage"],
        "ws_orderbook_snapshot": ["BookMessage"],
        "ws_public_trade": ["TradeMessage"],
        "ws_subscription_ack": ["Reply"],
        "ws_subscription_failure": ["Reply"],
        "ws_ticker_linear": [],
        "ws_ticker_option": [],
    }


def test_a_liquidation_of_a_long_is_a_sale() -> None:
    one = {"T": 1_700_000_000_000, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "100.05"}
    message = {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": 1, "data": [one, {**one, "S": "Sell"}]}
    found = decode(raw(message))
    assert found == [
        Liquidation("BTCUSDT", 1_700_000_000_000_000_000, "100.05", "0.5", side, average=True) for side in (-1, 1)
    ]
    with pytest.raises(FrameError) as caught:
        decode(raw(message).replace(b'"0.5"', b"null"))
    assert (caught.value.native, caught.value.channel) == ("BTCUSDT", Channel.LIQUIDATIONS)
