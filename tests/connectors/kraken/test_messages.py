"""Frames of every kind, and frames that must not get through."""

from __future__ import annotations

import pytest

from connectors.kraken.messages import Answer, Book, Status, Trade, Trades, decode, rfc3339_ns
from connectors.live.wire import FrameError
from engine.codes import Channel
from tests.connectors.kraken.wire import frame, trade_frame
from tests.real_data import data_file

BOOK = frame("update", [("105944.20", "0.25000000")], [("105944.3", "0")], 2114181697)
NS = 1696613755440295000


def test_a_book_message_keeps_its_digits() -> None:
    assert decode(BOOK) == [
        Book(
            "BTC/USD",
            NS,
            False,
            [(105944.2, 0.25, "105944.20", "0.25000000")],
            [(105944.3, 0.0, "105944.3", "0")],
            2114181697,
        )
    ]


def test_sizes_longer_than_a_double_keep_every_digit() -> None:
    (message,) = decode(frame("update", [("0.000012", "12345678901.12345678")], [], 1))
    assert isinstance(message, Book)
    assert message.bids[0][2:] == ("0.000012", "12345678901.12345678")


def test_the_side_of_a_trade_is_the_takers_and_the_first_message_is_history() -> None:
    raw = trade_frame("snapshot", (7, "buy", "1.50", "0.00027625"), (8, "sell", "1.4", "2"))
    assert decode(raw) == [
        Trades(
            [Trade("BTC/USD", 7, NS, "1.50", "0.00027625", 1), Trade("BTC/USD", 8, NS, "1.4", "2", -1)], snapshot=True
        )
    ]
    (update,) = decode(raw.replace(b'"snapshot"', b'"update"'))
    assert isinstance(update, Trades)
    assert not update.snapshot


def test_an_empty_trade_message_says_nothing() -> None:
    assert decode(trade_frame("snapshot")) == ()


def test_answers() -> None:
    accepted = (
        b'{"method":"subscribe","req_id":4,"result":{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"},'
        b'"success":true,"time_in":"2023-10-06T17:35:55.440000Z","time_out":"2023-10-06T17:35:55.440295Z"}'
    )
    assert decode(accepted) == [Answer(4, "book", "BTC/USD", None, NS, 10)]
    refused = (
        b'{"error":"Currency pair not supported A/B","method":"subscribe","req_id":5,"success":false,"symbol":"A/B",'
        b'"time_in":"2023-10-06T17:35:55.440000Z","time_out":"2023-10-06T17:35:55.440295Z"}'
    )
    assert decode(refused) == [Answer(5, "", "A/B", "Currency pair not supported A/B", NS)]
    assert decode(b'{"error":"Malformed request","success":false}') == [Answer(None, "", "", "Malformed request")]


def test_status_heartbeat_pong_and_other_channels() -> None:
    status = b'{"channel":"status","type":"update","data":[{"api_version":"v2","system":"maintenance","version":"2"}]}'
    assert decode(status) == [Status("maintenance")]
    for raw in (
        b'{"channel":"heartbeat"}',
        b'{"method":"pong","req_id":1,"time_in":"x"}',
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":1.0}]}',
    ):
        assert decode(raw) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"105944.20", b"-1"),
        (b"105944.20", b"0"),
        (b"105944.20", b"null"),
        (b"105944.20", b"[1]"),
        (b"105944.20", b'"105944.20"'),
        (b"105944.20", b"1e400"),
        (b"105944.20", b"1" * 60),
        (b"0.25000000", b"-0.1"),
        (b"0.25000000", b"0." + b"1" * 60),
        (b"0.25000000", b"true"),
        (b"2114181697", b"-1"),
        (b"2114181697", b"4294967296"),
        (b"2114181697", b'"soon"'),
        (b'"price"', b'"prize"'),
        (b'"update"', b'"patch"'),
        (b"2023-10-06T17", b"2023-13-06T17"),
        (b".440295Z", b".44+295Z"),
        (b".440295Z", b""),
        (b"2023-", b"1970-"),
    ],
)
def test_a_book_message_that_makes_no_sense_names_its_market(old: bytes, new: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(BOOK.replace(old, new, 1))
    assert (e.value.native, e.value.channel) == ("BTC/USD", Channel.BOOK)


def test_a_trade_that_makes_no_sense_names_its_market() -> None:
    raw = trade_frame("update", (7, "buy", "1.50", "1"))
    for old, new in ((b'"buy"', b'"b"'), (b'"trade_id":7', b'"trade_id":-7'), (b"1.50", b"0")):
        with pytest.raises(FrameError) as e:
            decode(raw.replace(old, new))
        assert (e.value.native, e.value.channel) == ("BTC/USD", Channel.TRADES)


def test_no_prefix_of_a_frame_decodes() -> None:
    for n in range(len(BOOK)):
        with pytest.raises(FrameError):
            decode(BOOK[:n])


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"null", b"[1]", b"pong", b"{}", b"[" * 100_000, b'{"channel":"\xff']
)
def test_garbage_is_named_and_escaped(raw: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(raw)
    assert "\x1b" not in str(e.value)
    assert len(str(e.value)) < 600


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2023-10-06T17:35:55.440295Z", NS),
        ("2023-10-06T17:35:55Z", NS // 10**9 * 10**9),
        ("2023-10-06T17:35:55.4Z", NS // 10**9 * 10**9 + 400_000_000),
        ("2023-10-06T17:35:55.440295123Z", NS + 123),
        ("2023-10-06T23:59:59.999999Z", 1696636799999999000),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert rfc3339_ns(text) == ns


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("ws_book_snapshot", [Book]),
        ("ws_book_update", [Book]),
        ("ws_trade_update", [Trades]),
        ("ws_subscribe_response", [Answer]),
        ("ws_ticker_snapshot", []),
    ],
)
def test_messages_that_others_keep(name: str, kinds: list[type]) -> None:
    assert [type(m) for m in decode(data_file(f"messages/kraken/{name}.json").read_bytes())] == kinds


@pytest.mark.parametrize("name", ["book_delta", "book_snapshot", "ticker", "trade", "trade_snapshot"])
def test_the_protocol_of_its_futures_is_another_one(name: str) -> None:
    with pytest.raises(FrameError):
        decode(data_file(f"messages/kraken/ws_futures_{name}.json").read_bytes())
