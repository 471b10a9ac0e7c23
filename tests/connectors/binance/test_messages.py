"""Frames of every kind, and frames that must not get through."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter

import msgspec
import pytest

from connectors.binance.messages import (
    AggTrade,
    BookTicker,
    Depth,
    FrameError,
    Reply,
    Shutdown,
    Snapshot,
    Trade,
    decode,
    decode_snapshot,
    epoch_ns,
)
from engine.tape import Flag
from tests.real_data import data_file

FUTURES_DEPTH = (
    b'{"stream":"ethusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256303,"T":1723161256302,"s":"ETHUSDT",'
    b'"U":10,"u":12,"pu":9,"b":[["200.00","10.229"],["2671.65","0.000"]],"a":[]}}'
)
SPOT_DEPTH = (
    b'{"stream":"ethusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"ETHUSDT","U":5,"u":7,'
    b'"b":[],"a":[["2733.70000000","0.10000000"]]}}'
)


def test_futures_depth_has_engine_time_and_previous_sequence() -> None:
    m = decode(FUTURES_DEPTH)
    assert isinstance(m, Depth)
    assert (m.symbol, m.first, m.last, m.previous) == ("ETHUSDT", 10, 12, 9)
    assert m.ts == 1723161256302_000_000
    assert m.bids == [("200.00", 10.229), ("2671.65", 0.0)]
    assert m.asks == []


def test_spot_depth_falls_back_to_event_time() -> None:
    m = decode(SPOT_DEPTH)
    assert isinstance(m, Depth)
    assert m.ts == 1723161255308_000_000
    assert m.previous == -1
    assert m.asks == [("2733.70000000", 0.1)]


@pytest.mark.parametrize("suffix", [b"", b"@100ms", b"@0ms", b"@500ms"])
def test_every_speed_of_the_depth_stream_is_deltas(suffix: bytes) -> None:
    assert isinstance(decode(FUTURES_DEPTH.replace(b"@0ms", suffix)), Depth)


@pytest.mark.parametrize("name", [b"depth5@100ms", b"depth20", b"kline_1m", b"ticker", b"avgPrice", b"markPrice@1s"])
def test_other_streams_are_ignored_even_when_they_look_like_deltas(name: bytes) -> None:
    assert decode(FUTURES_DEPTH.replace(b"depth@0ms", name)) is None


@pytest.mark.parametrize(
    ("kind", "flags"),
    [("MARKET", 0), ("RPI", 0), ("INSURANCE_FUND", Flag.NOT_FLOW), ("ADL", Flag.NOT_FLOW), ("NA", Flag.NOT_FLOW)],
)
def test_only_market_and_rpi_trades_are_flow(kind: str, flags: int) -> None:
    m = decode(
        b'{"stream":"ethusdt@trade","data":{"e":"trade","E":1723161256560,"T":1723161256559,"s":"ETHUSDT",'
        b'"t":4308068523,"p":"2681.62","q":"1.000","X":"%s","m":true}}' % kind.encode()
    )
    assert isinstance(m, Trade)
    assert m.flags == flags
    assert (m.trade_id, m.price, m.size, m.side, m.ts) == (4308068523, "2681.62", "1.000", -1, 1723161256559_000_000)


def test_spot_trade_without_a_type_is_flow_and_the_taker_buys_when_the_buyer_is_not_the_maker() -> None:
    m = decode(
        b'{"stream":"ethusdt@trade","data":{"e":"trade","E":2,"s":"ETHUSDT","t":1,"p":"1.0","q":"2.0","T":1,"m":false,"M":true}}'
    )
    assert isinstance(m, Trade)
    assert m.flags == 0
    assert m.side == 1


def test_agg_trade_carries_its_range_of_trade_ids() -> None:
    m = decode(
        b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":3,"a":26129,"s":"BTCUSDT","p":"0.01","q":"4.7",'
        b'"nq":"4.7","f":100,"l":105,"T":2,"m":true,"M":true}}'
    )
    assert isinstance(m, AggTrade)
    assert (m.agg_id, m.first_id, m.last_id, m.side, m.ts) == (26129, 100, 105, -1, 2_000_000)


def test_book_ticker_with_and_without_an_event_type() -> None:
    spot = decode(b'{"stream":"ethusdt@bookTicker","data":{"u":3,"s":"ETHUSDT","b":"1","B":"2","a":"3","A":"4"}}')
    futures = decode(
        b'{"stream":"ethusdt@bookTicker","data":{"e":"bookTicker","u":3,"s":"ETHUSDT","b":"1","B":"2","a":"3","A":"4","T":5,"E":6}}'
    )
    assert isinstance(spot, BookTicker)
    assert isinstance(futures, BookTicker)
    assert (spot.bid, spot.bid_size, spot.ask, spot.ask_size, spot.ts) == ("1", 2.0, "3", 4.0, 0)
    assert futures.ts == 5_000_000


def test_bare_events_and_reordered_wrappers_decode_alike() -> None:
    inner = FUTURES_DEPTH[FUTURES_DEPTH.index(b'"data":') + 7 : -1]
    assert decode(inner) == decode(FUTURES_DEPTH)
    assert decode(b'{"data":' + inner + b',"stream":"ethusdt@depth@0ms"}') == decode(FUTURES_DEPTH)
    assert decode(b' {"stream": "ethusdt@depth", "data": ' + inner + b"}") == decode(FUTURES_DEPTH)


def test_snapshot_from_a_capture_line_and_from_rest() -> None:
    body = b'{"lastUpdateId":7,"E":3,"T":2,"bids":[["1.0","2"]],"asks":[["1.1","3.5"]]}'
    m = decode(body)
    assert isinstance(m, Snapshot)
    assert (m.last_update, m.bids, m.asks, m.ts) == (7, [("1.0", 2.0)], [("1.1", 3.5)], 2_000_000)
    assert decode_snapshot(body) == m


def test_replies_and_errors() -> None:
    assert decode(b'{"result":null,"id":4}') == Reply(4, None, "")
    assert decode(b'{"error":{"code":2,"msg":"Invalid request"},"id":7}') == Reply(7, 2, "Invalid request")
    assert decode(b'{"code":-1121,"msg":"Invalid symbol."}') == Reply(None, -1121, "Invalid symbol.")
    assert decode(b'{"e":"serverShutdown","E":9}') == Shutdown(9)


def test_symbols_are_kept_as_data_whatever_they_hold() -> None:
    m = decode(
        '{"stream":"币安人生[b]usdt@trade","data":{"e":"trade","E":1,"s":"币安人生[b]\\u001bUSDT","t":1,"p":"1","q":"1","T":1,"m":false}}'.encode()
    )
    assert isinstance(m, Trade)
    assert m.symbol == "币安人生[b]\x1bUSDT"


@pytest.mark.parametrize("size", ["nan", "inf", "-inf", "-0.001", "1e400", "", "1_0", "abc", "1e19"])
def test_a_size_that_is_no_finite_number_from_zero_up_is_refused(size: str) -> None:
    with pytest.raises(FrameError):
        decode(SPOT_DEPTH.replace(b"0.10000000", size.encode()))
    with pytest.raises(FrameError):
        decode_snapshot(b'{"lastUpdateId":7,"bids":[["1.0","%s"]],"asks":[]}' % size.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"U":10', b'"U":-1'),
        (b'"U":10', b'"U":99999999999999999999'),
        (b'"E":1723161256303', b'"E":"soon"'),
        (b'"b":[', b'"b":[["1"],'),
        (b'"b":[', b'"b":[["1","2","3"],'),
        (b'"b":[', b'"b":[[1,"2"],'),
        (b'"b":[', b'"B":['),
        (b"}}", b"}"),
        (b"}}", b"}}{"),
    ],
)
def test_a_message_of_the_wrong_shape_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(FrameError):
        decode(FUTURES_DEPTH.replace(old, new, 1))


def test_no_prefix_of_a_frame_decodes() -> None:
    for n in range(len(FUTURES_DEPTH)):
        with pytest.raises(FrameError):
            decode(FUTURES_DEPTH[:n])


@pytest.mark.parametrize(
    "frame", [b"", b"\xff\xfe", b"null", b"[1]", b"pong", b"[" * 100_000, b'{"stream":"\xff@trade"']
)
def test_garbage_is_named_and_escaped(frame: bytes) -> None:
    with pytest.raises(FrameError) as e:
        decode(frame)
    assert str(e.value).isascii() or "…" in str(e.value)
    assert "\x1b" not in str(e.value)
    assert len(str(e.value)) < 600


def test_milliseconds_and_microseconds() -> None:
    assert epoch_ns(1723161256303) == 1723161256303_000_000
    assert epoch_ns(1723161256303123) == 1723161256303_123_000


@pytest.mark.parametrize("name", ["usdm_ethusdt_20240808", "spot_ethusdt_20240808", "cm_ethusd_perp_20240808"])
def test_typed_decoding_of_a_real_capture_agrees_with_plain_json(name: str) -> None:
    kinds: Counter[str] = Counter()
    with gzip.open(data_file(f"binance_raw/{name}.gz")) as lines:
        for line in itertools.islice(lines, 3000):
            frame = line.split(b" ", 1)[1]
            message, plain = decode(frame), msgspec.json.decode(frame)
            kinds[type(message).__name__] += 1
            data = plain.get("data", plain)
            match message:
                case Depth():
                    assert [message.first, message.last, message.previous] == [data["U"], data["u"], data.get("pu", -1)]
                    assert [[p, s] for p, s in message.bids] == [[p, float(s)] for p, s in data["b"]]
                    assert [[p, s] for p, s in message.asks] == [[p, float(s)] for p, s in data["a"]]
                case Trade():
                    assert [message.price, message.size, message.trade_id] == [data["p"], data["q"], data["t"]]
                    assert message.side == (-1 if data["m"] else 1)
                case BookTicker():
                    assert [message.bid, message.ask, message.update] == [data["b"], data["a"], data["u"]]
                case Snapshot():
                    assert message.last_update == data["lastUpdateId"]
                    assert len(message.bids) == len(data["bids"])
                case _:
                    pytest.fail(f"{frame[:80]!r} gave {message!r}")
    assert set(kinds) == {"Depth", "Trade", "BookTicker", "Snapshot"}
