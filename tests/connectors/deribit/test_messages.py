"""Frames of every kind, and frames that must not get through."""

from __future__ import annotations

import pytest

from connectors.deribit.messages import Answer, Book, State, TestRequest, Trade, Trades, decode
from connectors.live.wire import FrameError
from engine.codes import Channel, Flag
from tests.connectors.deribit.wire import MS, NAME, book_frame, notification, trade, trade_frame
from tests.real_data import data_file

BOOK = book_frame(12, 9, [("change", 42_500.0, 950.0)], [("delete", 42_501.0, 0.0), ("new", 0.0005, 1.1)])


def test_a_change_of_the_book() -> None:
    assert decode(BOOK) == (
        Book(
            NAME,
            MS * 1_000_000,
            False,
            12,
            9,
            [("42500.0", 950.0)],
            [("42501.0", 0.0), ("0.0005", 1.1)],
        ),
    )


def test_a_delete_is_a_size_of_zero_whatever_amount_it_names() -> None:
    (message,) = decode(book_frame(2, 1, [("delete", 1.0, 7.0)]))
    assert isinstance(message, Book)
    assert message.bids == [("1.0", 0.0)]


def test_a_snapshot_may_name_no_previous_message_or_null() -> None:
    for raw in (book_frame(5, None), book_frame(5, None).replace(b'"change_id"', b'"prev_change_id":null,"change_id"')):
        (message,) = decode(raw)
        assert isinstance(message, Book)
        assert (message.snapshot, message.change, message.previous) == (True, 5, None)


def test_trades_are_numbered_by_instrument_and_carry_the_takers_side() -> None:
    assert decode(trade_frame(trade(7, "sell", 42_488.5, 750.0), trade(8))) == (
        Trades(
            [
                Trade(NAME, 7, (MS + 7) * 1_000_000, "42488.5", "750.0", -1, 0),
                Trade(NAME, 8, (MS + 8) * 1_000_000, "42500.0", "10.0", 1, 0),
            ]
        ),
    )


@pytest.mark.parametrize(
    ("more", "flags"),
    [
        ({}, 0),
        ({"liquidation": "T"}, Flag.LIQUIDATED),
        ({"liquidation": "MT"}, Flag.LIQUIDATED),
        ({"liquidation": "M"}, 0),
        ({"block_trade_id": "BLOCK-123", "block_trade_leg_count": 2}, Flag.NOT_FLOW),
        ({"combo_id": "BTC-FS-29APR22_PERP", "combo_trade_id": "43"}, Flag.NOT_FLOW),
        ({"combo_trade_id": 43}, Flag.NOT_FLOW),
    ],
)
def test_what_was_not_traded_in_this_order_book_is_no_flow_and_what_was_forced_is_told(
    more: dict[str, object], flags: int
) -> None:
    (message,) = decode(trade_frame(trade(7, **more)))
    assert isinstance(message, Trades)
    assert message.trades[0].flags == flags


def test_trades_of_many_instruments_are_parted() -> None:
    raw = notification("trades.future.BTC.100ms", [trade(7), trade(3, instrument_name="BTC-25DEC26"), trade(8)])
    assert [[(t.native, t.seq) for t in m.trades] for m in decode(raw) if isinstance(m, Trades)] == [
        [(NAME, 7), (NAME, 8)],
        [("BTC-25DEC26", 3)],
    ]


def test_answers_heartbeats_and_states() -> None:
    assert decode(
        b'{"jsonrpc":"2.0","id":4,"result":["book.A.100ms"],"usIn":1,"usOut":2,"usDiff":1,"testnet":true}'
    ) == (Answer(4, ["book.A.100ms"], None),)
    assert decode(b'{"jsonrpc":"2.0","id":5,"result":"ok"}') == (Answer(5, [], None),)
    assert decode(b'{"jsonrpc":"2.0","id":6,"result":{"version":"1.2.26"}}') == (Answer(6, [], None),)
    assert decode(b'{"jsonrpc":"2.0","id":7,"error":{"code":10028,"message":"too_many_requests","data":null}}') == (
        Answer(7, (), "'too_many_requests' (code 10028)"),
    )
    assert decode(b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}') == (TestRequest(),)
    assert decode(b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}') == ()
    state = {"timestamp": MS, "state": "closed", "instrument_name": NAME}
    assert decode(notification("instrument.state.future.any", state)) == (State(NAME, "closed"),)


def test_other_channels_and_grouped_books_are_left_alone() -> None:
    grouped = {"instrument_name": NAME, "timestamp": MS, "change_id": 1, "bids": [[1.0, 2.0]], "asks": []}
    assert decode(notification(f"book.{NAME}.none.10.100ms", grouped)) == ()
    assert decode(notification(f"book.{NAME}.none.10.100ms", {**grouped, "type": "snapshot", "bids": []})) == ()
    assert decode(notification(f"ticker.{NAME}.100ms", {"instrument_name": NAME, "timestamp": MS})) == ()
    assert decode(trade_frame()) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"42500.0", b"-1"),
        (b"42500.0", b"0"),
        (b"42500.0", b'"42500"'),
        (b"42500.0", b"1e400"),
        (b"950.0", b"-950.0"),
        (b"950.0", b"null"),
        (b'"change_id":12', b'"change_id":-12'),
        (b'"change_id":12', b'"change_id":99999999999999999999'),
        (b'"type":"change"', b'"type":"delta"'),
        (b'"change",', b'"patch",'),
        (str(MS).encode(), b"12"),
        (b'"bids":[[', b'"bids":[[1],['),
        (b'"asks"', b'"tasks"'),
    ],
)
def test_a_book_message_that_makes_no_sense_names_its_market(old: bytes, new: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(BOOK.replace(old, new, 1))
    assert (e.value.native, e.value.channel) == (NAME, Channel.BOOK)


def test_a_trade_that_makes_no_sense_names_its_market() -> None:
    with pytest.raises(FrameError) as e:
        decode(trade_frame(trade(7, "both")))
    assert (e.value.native, e.value.channel) == (NAME, Channel.TRADES)


def test_no_prefix_of_a_frame_decodes() -> None:
    for n in range(len(BOOK)):
        with pytest.raises(FrameError):
            decode(BOOK[:n])


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"null", b"[1]", b"{}", b"[" * 100_000, b'{"params":{}}'])
def test_garbage_is_named_and_escaped(raw: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(raw)
    assert "\x1b" not in str(e.value)
    assert len(str(e.value)) < 600


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("ws_book_snapshot", [Book]),
        ("ws_book_delta", [Book]),
        ("ws_book_grouped_snapshot", []),
        ("ws_trades", [Trades]),
        ("ws_trades_option_combo", [Trades]),
        ("ws_subscribe_response", [Answer]),
        ("ws_error", [Answer]),
        ("ws_test_request", [TestRequest]),
        ("ws_ticker", []),
    ],
)
def test_messages_that_others_keep(name: str, kinds: list[type]) -> None:
    assert [type(m) for m in decode(data_file(f"messages/deribit/{name}.json").read_bytes())] == kinds
