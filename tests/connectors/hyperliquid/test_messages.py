"""Frames of every kind, and frames that must not get through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.hyperliquid.dialect import HyperliquidDialect
from connectors.hyperliquid.messages import Book, decode
from connectors.live.wire import BookMessage, Fill, FrameError, Reply, TradeMessage
from engine.codes import Channel
from tests.real_data import data_file


def raw(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def trades(*ids: int, coin: str = "BTC") -> dict[str, Any]:
    data = [
        {"coin": coin, "side": "A", "px": "105.5", "sz": "0.1", "time": 1000 + i, "hash": "0x", "tid": i} for i in ids
    ]
    return {"channel": "trades", "data": data}


LEVELS = [[{"px": "105055.0", "sz": "3.03622", "n": 5}], [{"px": "105056", "sz": "0"}]]
BOOK = {"channel": "l2Book", "data": {"coin": "BTC", "time": 5, "levels": LEVELS}}


def test_a_book_is_whole_and_has_the_time_of_its_block() -> None:
    (event,) = decode(raw(BOOK))
    assert isinstance(event, BookMessage)
    assert (event.native, event.ts) == ("BTC", 5_000_000)
    assert isinstance(event.body, Book)
    assert (event.body.bids, event.body.asks) == ([("105055.0", 3.03622)], [("105056", 0.0)])


def test_the_side_of_a_trade_is_the_takers() -> None:
    (event,) = decode(raw(trades(7)))
    assert event == TradeMessage("BTC", [Fill(7, 1_007_000_000, "105.5", "0.1", -1)])
    (event,) = decode(raw(trades(7)).replace(b'"side":"A"', b'"side":"B"'))
    assert isinstance(event, TradeMessage)
    assert event.fills[0].side == 1


def test_the_first_trades_of_a_coin_on_a_connection_are_history() -> None:
    dialect = HyperliquidDialect("wss://host")

    def history(message: object) -> list[bool]:
        return [event.history for event in dialect.decode(raw(message)) if isinstance(event, TradeMessage)]

    assert [history(trades(9, 3)), history(trades(10)), history(trades(4, coin="ETH"))] == [[True], [False], [True]]
    dialect.connected()
    assert history(trades(11)) == [True]
    dialect.subscribe([("BTC", Channel.BOOK)])
    assert history(trades(12)) == [False]
    dialect.subscribe([("BTC", Channel.TRADES)])
    assert history(trades(13)) == [True]


def test_history_is_put_in_the_order_of_time() -> None:
    (event,) = decode(raw(trades(9, 3, 5)))
    assert isinstance(event, TradeMessage)
    assert [fill.trade_id for fill in event.fills] == [3, 5, 9]


def test_every_subscription_is_a_frame_and_its_answer_names_it() -> None:
    dialect = HyperliquidDialect("wss://host")
    assert dialect.url == "wss://host/ws"
    one, two = dialect.subscribe([("BTC", Channel.BOOK), ("@107", Channel.TRADES)])
    assert json.loads(one.frame) == {
        "method": "subscribe",
        "subscription": {"type": "l2Book", "coin": "BTC", "fast": True},
    }
    answer = {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "fast": True}}
    assert decode(raw({"channel": "subscriptionResponse", "data": answer})) == (Reply(one.topics),)
    asked = json.dumps({"type": "trades", "coin": "@107"})
    said = f"Invalid subscription {asked}"
    assert decode(raw({"channel": "error", "data": said})) == (Reply(two.topics, None, said),)
    wrapped = json.dumps({"method": "subscribe", "subscription": {"type": "trades", "coin": "@107"}})
    assert decode(raw({"channel": "error", "data": f"Already subscribed: {wrapped}"})) == (Reply(two.topics),)
    assert decode(raw({"channel": "error", "data": "Cannot parse {[}"})) == (Reply((), None, "Cannot parse {[}"),)
    (undo,) = dialect.unsubscribe([("BTC", Channel.TRADES)])
    assert json.loads(undo.frame)["method"] == "unsubscribe"


def test_other_channels_say_nothing() -> None:
    for message in ({"channel": "pong"}, {"channel": "allMids", "data": {"mids": {"BTC": "1"}}}, {"channel": "bbo"}):
        assert decode(raw(message)) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"3.03622"', b'"-3"'),
        (b'"3.03622"', b'"Infinity"'),
        (b'"3.03622"', b"null"),
        (b'"time":5', b'"time":-5'),
        (b'"time":5', b'"time":9999999999999999'),
        (b'"levels":[', b'"levels":[[],'),
        (b"}}", b"}"),
    ],
)
def test_a_bad_book_is_refused_with_its_market(old: bytes, new: bytes) -> None:
    frame = raw(BOOK)
    assert old in frame
    with pytest.raises(FrameError) as caught:
        decode(frame.replace(old, new))
    assert (caught.value.native, caught.value.channel) == ("BTC", Channel.BOOK)


def test_a_bad_trade_is_refused_and_escaped() -> None:
    with pytest.raises(FrameError) as caught:
        decode(raw(trades(7)).replace(b'"A"', b'"\\u001b[2J"'))
    assert (caught.value.native, caught.value.channel) == ("BTC", Channel.TRADES)
    assert "\x1b" not in str(caught.value)


def test_names_of_coins_do_not_fill_the_memory() -> None:
    dialect = HyperliquidDialect("wss://host")
    for i in range(6_000):
        dialect.decode(raw(trades(1, coin=f"C{i}")))
    assert len(dialect._told) <= 4_096


def test_the_message_on_record_is_read() -> None:
    (event,) = decode(data_file("messages/hyperliquid/ws_book_data.json").read_bytes())
    assert isinstance(event, BookMessage)
    assert isinstance(event.body, Book)
    assert (len(event.body.bids), len(event.body.asks), event.body.bids[0]) == (5, 5, ("98450.50", 2.5))
