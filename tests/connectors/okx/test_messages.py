"""Frames of every kind, and frames that must not get through."""

from __future__ import annotations

import msgspec
import pytest

from connectors.live.wire import BookMessage, Ended, Fill, FrameError, Liquidation, TradeMessage
from connectors.okx.messages import ABSENT, Answer, Book, decode
from engine.codes import Channel
from tests.real_data import data_file

BOOKS = (
    b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["30249.4","0","0","0"],'
    b'["30261","4.5","0","1"]],"bids":[["30182.6","452","0","1"]],"ts":"1652459225464","checksum":0,"seqId":12,'
    b'"prevSeqId":11}]}'
)
TRADES = (
    b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"338476308",'
    b'"px":"30243.5","sz":"0.001","side":"buy","ts":"1652459226050"}]}'
)


def test_a_book_update() -> None:
    (m,) = decode(BOOKS)
    assert m == BookMessage(
        "BTC-USDT",
        1652459225464_000_000,
        Book(False, 1652459225464_000_000, 12, 11, 0, [("30182.6", 452.0)], [("30249.4", 0.0), ("30261", 4.5)]),
    )


def test_a_snapshot_and_a_recording_without_numbers() -> None:
    frame = BOOKS.replace(b'"update"', b'"snapshot"').replace(b'"prevSeqId":11', b'"prevSeqId":-1')
    (m,) = decode(frame)
    assert isinstance(m, BookMessage)
    assert isinstance(m.body, Book)
    assert (m.body.snapshot, m.body.seq, m.body.previous) == (True, 12, -1)
    (m,) = decode(BOOKS.replace(b',"seqId":12,"prevSeqId":11', b"").replace(b'"checksum":0', b'"checksum":-914047754'))
    assert isinstance(m, BookMessage)
    assert isinstance(m.body, Book)
    assert (m.body.seq, m.body.previous, m.body.checksum) == (ABSENT, ABSENT, -914047754)
    assert m.body.digits == ([("30182.6", "452")], [("30249.4", "0"), ("30261", "4.5")])


@pytest.mark.parametrize("channel", [b"trades", b"trades-all"])
@pytest.mark.parametrize(("side", "sign"), [(b"buy", 1), (b"sell", -1)])
def test_a_trade_tells_the_takers_side(channel: bytes, side: bytes, sign: int) -> None:
    frame = TRADES.replace(b'"buy"', b'"%s"' % side).replace(b'"trades"', b'"%s"' % channel)
    fill = Fill(338476308, 1652459226050_000_000, "30243.5", "0.001", sign)
    assert decode(frame) == [TradeMessage("BTC-USDT", [fill])]


def test_fills_told_as_one_say_how_many_they_are() -> None:
    (m,) = decode(TRADES.replace(b'"side"', b'"count":"3","source":"0","seqId":5,"side"'))
    assert isinstance(m, TradeMessage)
    assert [(f.trade_id, f.count) for f in m.fills] == [(338476308, 3)]


def test_several_trades_are_put_in_order_of_id() -> None:
    one = TRADES[TRADES.index(b'[{"instId"') + 1 : -2]
    frame = TRADES[:-2] + b"," + one.replace(b"338476308", b"338476307") + b"]}"
    (m,) = decode(frame)
    assert isinstance(m, TradeMessage)
    assert [f.trade_id for f in m.fills] == [338476307, 338476308]


def test_liquidations_tell_the_side_of_the_closing_order() -> None:
    frame = (
        b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"0.007831",'
        b'"ccy":"","posSide":"short","side":"buy","sz":"13","ts":"1692266434010"},{"bkLoss":"0","bkPx":"0.0078","ccy":"",'
        b'"posSide":"net","side":"sell","sz":"2","ts":"1692266434011"}],"instFamily":"IOST-USDT","instId":'
        b'"IOST-USDT-SWAP","instType":"SWAP","uly":"IOST-USDT"}]}'
    )
    assert decode(frame) == [
        Liquidation("IOST-USDT-SWAP", 1692266434010_000_000, "0.007831", "13", 1, average=True),
        Liquidation("IOST-USDT-SWAP", 1692266434011_000_000, "0.0078", "2", -1, average=True),
    ]
    with pytest.raises(FrameError) as e:
        decode(frame.replace(b'"sell"', b'"none"'))
    assert e.value.channel is Channel.LIQUIDATIONS


def test_the_end_of_a_market() -> None:
    frame = (
        b'{"arg":{"channel":"instruments","instType":"SPOT"},"data":[{"instId":"A-B","state":"live"},{"instId":"C-D",'
        b'"state":"suspend"},{"instId":"E-F","state":"preopen"},{"instId":"G-H","state":"expired"}]}'
    )
    assert decode(frame) == [Ended("C-D"), Ended("G-H")]


def test_keys_in_another_order_and_spaces_decode_alike() -> None:
    for frame in (BOOKS, TRADES):
        plain = msgspec.json.decode(frame)
        turned = msgspec.json.format(msgspec.json.encode(dict(reversed(plain.items()))), indent=1)
        assert decode(turned) == decode(frame)


def test_answers_notices_and_what_is_of_no_use() -> None:
    ack = b'{"id":"7","event":"subscribe","arg":{"channel":"books","instId":"A-B"},"connId":"a4d3ae55"}'
    (answer,) = decode(ack)
    assert isinstance(answer, Answer)
    assert (answer.event, answer.id, answer.channel, answer.about) == ("subscribe", "7", "books", "A-B")
    (error,) = decode(b'{"id":"8","event":"error","code":"60018","msg":"channel:books,instId:X doesn\'t exist"}')
    assert isinstance(error, Answer)
    assert (error.event, error.id) == ("error", "8")
    assert "doesn't exist (code 60018)" in error.text
    assert decode(b'{"event":"notice","code":"64008","msg":"The connection will soon be closed"}') == [Ended()]
    for frame in (
        b"pong",
        b'{"event":"channel-conn-count","channel":"books","connCount":"2","connId":"x"}',
        b'{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"last":"1"}]}',
        BOOKS.replace(b'"books"', b'"books5"'),
        TRADES.replace(b'"trades"', b'"trades-some"'),
    ):
        assert decode(frame) == []


@pytest.mark.parametrize("size", ["nan", "inf", "-inf", "-0.001", "1e400", "", "1_0", "abc", "1e19"])
def test_a_size_that_is_no_finite_number_from_zero_up_is_refused(size: str) -> None:
    with pytest.raises(FrameError) as e:
        decode(BOOKS.replace(b'"4.5"', b'"%s"' % size.encode()))
    assert (e.value.native, e.value.channel) == ("BTC-USDT", Channel.BOOK)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seqId":12', b'"seqId":99999999999999999999'),
        (b'"seqId":12', b'"seqId":-3'),
        (b'"ts":"1652459225464"', b'"ts":"soon"'),
        (b'"ts":"1652459225464"', b'"ts":"99999999999999"'),
        (b'"update"', b'"upside"'),
        (b'["30261","4.5","0","1"]', b'["30261"]'),
        (b'["30261","4.5","0","1"]', b'["' + b"3" * 41 + b'","4.5","0","1"]'),
        (b'"checksum":0', b'"checksum":4294967296'),
        (b'"asks"', b'"masks"'),
        (b"}]}", b"}]"),
        (b"}]}", b"}]}{"),
    ],
)
def test_a_book_of_the_wrong_shape_is_refused_and_its_market_named(old: bytes, new: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(BOOKS.replace(old, new, 1))
    assert (e.value.native, e.value.channel) == ("BTC-USDT", Channel.BOOK)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"338476308"', b'"-1"'),
        (b'"338476308"', b'"9223372036854775808"'),
        (b'"buy"', b'"none"'),
        (b'"px"', b'"qx"'),
        (b'"side"', b'"count":"0","side"'),
        (b"0.001", b"0" * 41),
    ],
)
def test_a_trade_of_the_wrong_shape_is_refused_and_its_market_named(old: bytes, new: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(TRADES.replace(old, new, 1))
    assert (e.value.native, e.value.channel) == ("BTC-USDT", Channel.TRADES)


@pytest.mark.parametrize("whole", [BOOKS, TRADES])
def test_no_prefix_of_a_frame_decodes(whole: bytes) -> None:
    for n in range(len(whole)):
        with pytest.raises(FrameError):
            decode(whole[:n])


@pytest.mark.parametrize("frame", [b"", b"\xff\xfe", b"null", b"[1]", b"pang", b"[" * 100_000, b'{"arg":{"ch\x1b'])
def test_garbage_is_named_and_escaped(frame: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(frame)
    assert "\x1b" not in str(e.value)
    assert len(str(e.value)) < 600
    assert (e.value.native, e.value.channel) == ("", None)


@pytest.mark.parametrize("name", ["ws_books_snapshot", "ws_books_update", "ws_trades"])
def test_published_examples_decode(name: str) -> None:
    body = data_file(f"messages/okx/{name}.json").read_bytes()
    plain = msgspec.json.decode(body)
    (m,) = decode(body)
    if isinstance(m, BookMessage):
        assert isinstance(m.body, Book)
        for levels, side in ((m.body.bids, "bids"), (m.body.asks, "asks")):
            assert list(levels) == [(x[0], float(x[1])) for x in plain["data"][0][side]]
    else:
        assert isinstance(m, TradeMessage)
        assert [f.price for f in m.fills] == [x["px"] for x in plain["data"]]


@pytest.mark.parametrize("name", ["ws_bbo_tbt", "ws_tickers", "ws_funding_rate"])
def test_published_examples_of_other_channels_are_passed_over(name: str) -> None:
    assert decode(data_file(f"messages/okx/{name}.json").read_bytes()) == []
