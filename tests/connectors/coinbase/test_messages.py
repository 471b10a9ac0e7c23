"""Frames of every kind, and frames that must not get through."""

from __future__ import annotations

import msgspec
import pytest

from connectors.coinbase.messages import Book, Frame, Refused, Subscribed, decode, epoch_ns
from connectors.live.wire import BookMessage, Fill, FrameError, TradeMessage
from engine.codes import Channel
from tests.real_data import data_file

BOOKS = (
    b'{"channel":"l2_data","timestamp":"2026-08-09T21:05:48.507547362Z","sequence_num":17,"events":[{"type":"update",'
    b'"product_id":"BTC-USD","updates":[{"side":"bid","event_time":"2026-08-09T21:05:48.407682Z","price_level":'
    b'"56948.21","new_quantity":"0.01321935"},{"side":"offer","event_time":"2026-08-09T21:05:48.407682Z",'
    b'"price_level":"65106.54","new_quantity":"0"}]}]}'
)
TRADES = (
    b'{"channel":"market_trades","timestamp":"2026-08-09T21:05:51.43Z","sequence_num":136,"events":[{"type":"update",'
    b'"trades":[{"product_id":"BTC-USD","trade_id":"1068572096","price":"65083.67","size":"0.002","time":'
    b'"2026-08-09T21:05:51.426861Z","side":"BUY"},{"product_id":"BTC-USD","trade_id":"1068572095","price":"65083.66",'
    b'"size":"0.001","time":"2026-08-09T21:05:51.426000Z","side":"SELL"}]}]}'
)
ENGINE_TIME = 1786309548407682_000


def test_a_book_update_bears_the_time_of_the_matching_engine() -> None:
    assert decode(BOOKS) == Frame(
        17,
        [
            BookMessage(
                "BTC-USD",
                ENGINE_TIME,
                Book(False, ENGINE_TIME, 17, [("56948.21", 0.01321935)], [("65106.54", 0.0)]),
            )
        ],
    )


def test_several_events_in_a_frame_stay_apart() -> None:
    event = BOOKS[BOOKS.index(b'{"type"') : -2]
    frame = BOOKS[:-2] + b"," + event.replace(b"BTC-USD", b"ETH-USD").replace(b"update", b"snapshot", 1) + b"]}"
    first, second = decode(frame).content
    assert isinstance(first, BookMessage)
    assert isinstance(second, BookMessage)
    assert isinstance(second.body, Book)
    assert (first.native, second.native, second.body.snapshot) == ("BTC-USD", "ETH-USD", True)


def test_an_empty_snapshot_bears_the_frames_time() -> None:
    start, end = BOOKS.index(b'"updates":['), BOOKS.index(b"]}]}")
    (m,) = decode(BOOKS[:start] + b'"updates":[' + BOOKS[end:]).content
    assert isinstance(m, BookMessage)
    assert m.ts == 1786309548507547_000


def test_trades_come_in_order_and_with_the_takers_side() -> None:
    assert decode(TRADES) == Frame(
        136,
        [
            TradeMessage(
                "BTC-USD",
                [
                    Fill(1068572095, 1786309551426000_000, "65083.66", "0.001", 1),  # the maker sold
                    Fill(1068572096, 1786309551426861_000, "65083.67", "0.002", -1),  # the maker bought
                ],
            )
        ],
    )


def test_a_side_that_is_neither_is_unknown() -> None:
    (m,) = decode(TRADES.replace(b'"BUY"', b'"UNKNOWN_ORDER_SIDE"')).content
    assert isinstance(m, TradeMessage)
    assert [f.side for f in m.fills] == [1, 0]


def test_what_is_sent_on_subscribing_is_history() -> None:
    (m,) = decode(TRADES.replace(b'"update"', b'"snapshot"')).content
    assert isinstance(m, TradeMessage)
    assert m.history


def test_keys_in_another_order_and_spaces_decode_alike() -> None:
    for frame in (BOOKS, TRADES):
        plain = msgspec.json.decode(frame)
        turned = msgspec.json.format(msgspec.json.encode(dict(reversed(plain.items()))), indent=1)
        assert decode(turned) == decode(frame)


def test_answers_errors_and_what_is_of_no_use() -> None:
    ack = (
        b'{"channel":"subscriptions","timestamp":"2026-08-09T21:05:48Z","sequence_num":2,"events":[{"subscriptions":'
        b'{"level2":["BTC-USD","ETH-USD"],"heartbeats":null}}]}'
    )
    topics = [("level2", "BTC-USD"), ("level2", "ETH-USD"), ("heartbeats", "")]
    assert decode(ack) == Frame(2, (Subscribed(topics),))
    error = b'{"type":"error","message":"failure to subscribe","reason":"X-USD is not a product"}'
    assert decode(error) == Frame(None, (Refused("failure to subscribe: X-USD is not a product"),))
    assert decode(b'{"type":"error"}') == Frame(None, (Refused("no reason given"),))
    for channel in (b"heartbeats", b"candles", b"ticker", b"something_new"):
        frame = b'{"channel":"%s","sequence_num":5,"events":[{"type":"update","what":[1]}]}' % channel
        assert decode(frame) == Frame(5, ())


@pytest.mark.parametrize("size", ["nan", "inf", "-inf", "-0.001", "1e400", "", "1_0", "abc", "1e19"])
def test_a_size_that_is_no_finite_number_from_zero_up_is_refused(size: str) -> None:
    with pytest.raises(FrameError) as e:
        decode(BOOKS.replace(b'"0.01321935"', b'"%s"' % size.encode()))
    assert (e.value.native, e.value.channel) == ("BTC-USD", Channel.BOOK)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"bid"', b'"bud"'),
        (b'"update"', b'"upside"'),
        (b"48.407682Z", b"48.407682"),
        (b"2026-08-09T21:05:48.407682Z", b"yesterdayZ"),
        (b"2026-08-09T21:05:48.407682Z", b"2026-13-09T21:05:48.407682Z"),
        (b'"56948.21"', b'"' + b"5" * 41 + b'"'),
        (b'"updates"', b'"updates":[],"updatas":7,"updates"'),
        (b"}]}]}", b"}]}]"),
    ],
)
def test_a_book_of_the_wrong_shape_is_refused_and_its_market_named(old: bytes, new: bytes) -> None:
    if b"updatas" in new:
        assert decode(BOOKS.replace(old, new, 1)).sequence == 17  # a key it does not know is no error
        return
    with pytest.raises(FrameError) as e:
        decode(BOOKS.replace(old, new))
    assert (e.value.native, e.value.channel) == ("BTC-USD", Channel.BOOK)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"1068572096"', b'"-1"'),
        (b'"1068572096"', b'"9223372036854775808"'),
        (b'"side":"BUY"', b'"side":5'),
        (b'"price"', b'"prize"'),
        (b"51.426861Z", b"51.426861+02:00"),
    ],
)
def test_a_trade_of_the_wrong_shape_is_refused_and_its_market_named(old: bytes, new: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(TRADES.replace(old, new, 1))
    assert (e.value.native, e.value.channel) == ("BTC-USD", Channel.TRADES)


@pytest.mark.parametrize("whole", [BOOKS, TRADES])
def test_no_prefix_of_a_frame_decodes(whole: bytes) -> None:
    for n in range(len(whole)):
        with pytest.raises(FrameError):
            decode(whole[:n])


@pytest.mark.parametrize("frame", [b"", b"\xff\xfe", b"null", b"[1]", b"pong", b"[" * 100_000, b'{"channel":"l2\x1b'])
def test_garbage_is_named_and_escaped(frame: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(frame)
    assert "\x1b" not in str(e.value)
    assert len(str(e.value)) < 600
    assert (e.value.native, e.value.channel) == ("", None)


def test_times() -> None:
    assert epoch_ns("1970-01-01T00:00:01Z") == 1_000_000_000
    assert epoch_ns("2026-08-09T21:05:48.228568804Z") == 1786309548228568_000
    for text in ("", "Z", "2026-08-09", "2026-08-09T21:05:48+00:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"):
        with pytest.raises(ValueError, match=r"Invalid|is no time"):
            epoch_ns(text)


@pytest.mark.parametrize("name", ["ws_l2_data_snapshot", "ws_l2_data_update", "ws_market_trades", "ws_subscriptions"])
def test_published_examples_decode(name: str) -> None:
    body = data_file(f"messages/coinbase/{name}.json").read_bytes()
    plain = msgspec.json.decode(body)
    frame = decode(body)
    assert frame.sequence == plain["sequence_num"]
    (m,) = frame.content
    (event,) = plain["events"]
    if isinstance(m, BookMessage):
        assert isinstance(m.body, Book)
        assert len(m.body.bids) + len(m.body.asks) == len(event["updates"])
    elif isinstance(m, TradeMessage):
        assert [f.price for f in m.fills] == [x["price"] for x in event["trades"]]
        assert [f.side for f in m.fills] == [-1, 1]
    else:
        assert isinstance(m, Subscribed)
        assert set(m.topics) == {(c, p) for c, ps in event["subscriptions"].items() for p in ps}


@pytest.mark.parametrize("name", ["ws_ticker", "ws_heartbeats"])
def test_published_examples_of_other_channels_only_count(name: str) -> None:
    body = data_file(f"messages/coinbase/{name}.json").read_bytes()
    assert decode(body) == Frame(msgspec.json.decode(body)["sequence_num"], ())
