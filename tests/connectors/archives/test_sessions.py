"""Recorded sessions of several connections: markets kept apart, each proven by its venue's own rule."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import random
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.archives.rows import SizeLots, to_lots
from engine.feed import SourceError
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.names import parse_metrics
from engine.tape import Channel, Flag, Kind, Reason, Trust
from tests.connectors.archives.sessions import (
    BEGIN,
    LINEAR,
    SPOT,
    book,
    connect,
    dict_book,
    header,
    http,
    read_all,
    recv,
    trade,
    uuid,
    write,
)
from tests.connectors.mutations import mutated

LISTED = "https://api.bybit.com/v5/market/instruments-info?category=linear"
PERP, COINS = "bybit:BTC/USDT:USDT", "bybit:BTC/USDT"


def two_connections() -> list[str]:
    return [
        header(),
        connect("ws.1", LINEAR),
        connect("ws.2", SPOT),
        recv("ws.1", 0.10, {"success": True, "ret_msg": "", "op": "subscribe", "req_id": "", "conn_id": "x"}),
        recv("ws.1", 0.11, book(1, 50, "snapshot", [["100.10", "1.5"]], [["100.20", "2"]])),
        recv("ws.2", 0.12, book(1, 900, "snapshot", [["99.0", "0.000007"]], [["99.5", "3"]])),
        recv("ws.1", 0.13, trade(2, "Buy", "100.20", "0.25", uuid(1))),
        recv("ws.2", 0.14, trade(3, "Sell", "99.0", "0.5", "2290000000000000001")),
        recv("ws.2", 0.15, book(4, 901, "delta", [["99.0", "0"], ["98.5", "4"]], [])),
        recv("ws.1", 0.16, book(4, 51, "delta", [], [["100.20", "1"]])),
    ]


def test_the_same_name_on_two_connections_is_two_markets(tmp_path: Path) -> None:
    got = read_all(write(tmp_path / "s.jsonl.zst", two_connections()))
    assert got.archive.markets == (PERP, COINS)
    assert dict_book(got.rows[PERP]) == ({1001: 150}, {1002: 100})
    spot = got.instruments[COINS]
    assert dict_book(got.rows[COINS])[0] == {spot.ticks("98.5"): spot.lots("4")}
    assert (got.signed(PERP), got.signed(COINS)) == (0.25, -0.5)
    for market in (PERP, COINS):
        assert got.statuses(market, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]
        # Announced with the first message of the market, so that a screen doesn't say that there are none.
        assert got.statuses(market, Channel.TRADES) == [(Trust.WARMING, Reason.NO_DATA_YET), (Trust.LIVE, Reason.NONE)]
        assert got.holes(market) == []


def test_without_a_listing_the_grid_comes_from_the_digits_and_that_is_said(tmp_path: Path) -> None:
    got = read_all(write(tmp_path / "s.jsonl.zst", two_connections()))
    assert (got.instruments[PERP].tick, got.instruments[PERP].lot) == (Decimal("0.1"), Decimal("0.01"))
    assert got.instruments[COINS].lot == Decimal("0.000001")
    assert got.instruments[PERP].inferred
    assert sum("come from the digits" in notice for notice in got.notices) == 2


def listing(category: str, tick: str, step: str) -> str:
    size = {"basePrecision": step} if category == "spot" else {"qtyStep": step}
    entry = {
        "symbol": "BTCUSDT",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "status": "Trading",
        "contractType": "" if category == "spot" else "LinearPerpetual",
        "priceFilter": {"tickSize": tick},
        "lotSizeFilter": size,
    }
    body = {"retCode": 0, "result": {"category": category, "list": [entry], "nextPageCursor": ""}}
    return http(f"https://api.bybit.com/v5/market/instruments-info?&category={category}", 0.01, body)


def test_the_listing_in_the_file_gives_the_grid(tmp_path: Path) -> None:
    lines = two_connections()
    lines[1:1] = [listing("linear", "0.10", "0.001"), listing("spot", "0.01", "0.000001")]
    got = read_all(write(tmp_path / "s.jsonl.zst", lines))
    perp, spot = got.instruments[PERP], got.instruments[COINS]
    assert (perp.tick, perp.lot, perp.inferred) == (Decimal("0.1"), Decimal("0.001"), False)
    assert (spot.tick, spot.inferred) == (Decimal("0.01"), False)
    assert got.notices == []
    assert got.signed(PERP) == 0.25


def test_orders_of_an_older_finer_tick_make_the_grid_finer_than_the_listing(tmp_path: Path) -> None:
    lines = two_connections()
    lines[1:1] = [listing("linear", "0.5", "0.001")]
    got = read_all(write(tmp_path / "s.jsonl.zst", lines))
    assert got.instruments[PERP].tick == Decimal("0.1")
    assert any("finer than the listed tick of 0.5" in notice for notice in got.notices)
    assert got.statuses(PERP, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]


def test_a_single_price_off_the_listed_tick_is_refused_and_costs_the_book(tmp_path: Path) -> None:
    lines = [*two_connections(), recv("ws.1", 0.2, book(6, 52, "delta", [["100.13", "1"]], []))]
    lines[1:1] = [listing("linear", "0.1", "0.001")]
    got = read_all(write(tmp_path / "s.jsonl.zst", lines))
    assert got.instruments[PERP].tick == Decimal("0.1")
    assert got.statuses(PERP, Channel.BOOK)[-1] == (Trust.RESYNC, Reason.OFF_GRID)
    assert any("'100.13' is no price on the grid" in notice for notice in got.notices)
    assert got.statuses(COINS, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)], "the other market goes on"


def test_the_grid_can_be_set_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl.zst", two_connections())
    got = read_all(path, tick=Decimal("0.05"), lot=Decimal("0.000001"))
    assert {i.tick for i in got.instruments.values()} == {Decimal("0.05")}
    with pytest.raises(SourceError, match="--as picks one of bybit:BTC/USDT:USDT, bybit:BTC/USDT"):
        read_all(path, market="bybit:ETH/USDT")
    picked = read_all(path, market=COINS)
    assert (picked.archive.markets, list(picked.rows)) == ((COINS,), [COINS])
    assert picked.rows[COINS].tobytes() == read_all(path).rows[COINS].tobytes()
    alone = write(tmp_path / "one.jsonl.zst", [line for line in two_connections() if '"ws.2"' not in line])
    assert read_all(alone, market="bybit:XBT/USDT:USDT").archive.markets == ("bybit:XBT/USDT:USDT",)


def test_a_missing_update_hides_the_book_until_the_next_snapshot(tmp_path: Path) -> None:
    lines = [
        *two_connections(),
        recv("ws.1", 0.20, book(6, 53, "delta", [["100.15", "9"]], [])),
        recv("ws.1", 0.21, book(7, 54, "delta", [["100.05", "9"]], [])),
        recv("ws.2", 0.22, book(7, 902, "delta", [["98.4", "1"]], [])),
    ]
    got = read_all(write(tmp_path / "gap.jsonl.zst", lines))
    assert got.statuses(PERP, Channel.BOOK) == [(Trust.LIVE, Reason.NONE), (Trust.RESYNC, Reason.SEQUENCE_GAP)]
    assert len(got.kind(PERP, Kind.LEVEL)) == 3, "nothing of the later messages reaches the book"
    assert any("gap.jsonl.zst:11: a book update is missing" in notice for notice in got.notices)
    assert got.statuses(COINS, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]
    lines.append(recv("ws.1", 0.23, book(8, 1, "snapshot", [["100.00", "1"]], [["100.30", "1"]])))
    lines.append(recv("ws.1", 0.24, book(9, 2, "delta", [["100.10", "2"]], [])))
    again = read_all(write(tmp_path / "again.jsonl.zst", lines))
    assert again.statuses(PERP, Channel.BOOK)[-1] == (Trust.LIVE, Reason.NONE)
    assert dict_book(again.rows[PERP]) == ({1000: 100, 1001: 200}, {1003: 100})


def test_a_new_connection_ends_the_book_and_leaves_a_hole_of_unknown_size(tmp_path: Path) -> None:
    lines = [
        *two_connections(),
        connect("ws.1", LINEAR, 1.0),
        recv("ws.1", 1.1, trade(120, "Sell", "100.10", "1", uuid(9))),
        recv("ws.1", 1.2, book(121, 7, "snapshot", [["100.10", "1"]], [["100.30", "1"]])),
    ]
    got = read_all(write(tmp_path / "s.jsonl.zst", lines))
    assert got.statuses(PERP, Channel.BOOK) == [
        (Trust.LIVE, Reason.NONE),
        (Trust.STALE, Reason.DISCONNECTED),
        (Trust.LIVE, Reason.NONE),
    ]
    assert got.holes(PERP) == [(-1, -1)]
    assert got.signed(PERP) == -0.75
    assert (got.holes(COINS), len(got.statuses(COINS, Channel.BOOK))) == ([], 1)


def test_damaged_lines_are_named_and_cost_only_what_they_must(tmp_path: Path) -> None:
    lines = two_connections()
    whole = lines[9]
    lines.insert(9, whole[: len(whole) // 2])  # cut inside the line: of which market it was can't be told
    lines.insert(10, "not json at all")
    lines.insert(11, recv("ws.1", 0.155, json.dumps(trade(3, "Both", "1", "1", uuid(5)))))
    got = read_all(write(tmp_path / "bad.jsonl.zst", lines))
    assert sum("skipped" in notice for notice in got.notices) == 3
    assert got.signed(PERP) == 0.25
    assert got.statuses(PERP, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]
    spoiled = recv("ws.1", 0.155, json.dumps(book(4, 51, "delta", [["100.15", "-1"]], [])))
    lines.insert(9, spoiled)
    got = read_all(write(tmp_path / "worse.jsonl.zst", lines))
    assert got.statuses(PERP, Channel.BOOK)[-1] == (Trust.RESYNC, Reason.BAD_MESSAGE)
    assert got.statuses(COINS, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]


def test_block_trades_are_no_flow_and_repeated_ones_are_dropped(tmp_path: Path) -> None:
    lines = [
        *two_connections(),
        recv("ws.1", 0.2, trade(5, "Buy", "101.00", "400", uuid(2), block=True)),
        recv("ws.1", 0.3, trade(2, "Buy", "100.20", "0.25", uuid(1))),
    ]
    got = read_all(write(tmp_path / "s.jsonl.zst", lines))
    trades = got.kind(PERP, Kind.TRADE)
    assert [int(f) & Flag.NOT_FLOW for f in trades["flags"]] == [0, Flag.NOT_FLOW]
    assert got.signed(PERP) == 0.25
    assert any("1 trades that were there already were dropped" in notice for notice in got.notices)


def hyperliquid_trades(*ids: int) -> dict[str, object]:
    at = BEGIN * 1000
    data = [
        {
            "coin": "ETH",
            "side": "B" if i % 2 else "A",
            "px": "2001.5",
            "sz": "0.5",
            "time": at + 10 * i,
            "tid": 1000 + 7 * i,
        }
        for i in ids
    ]
    return {"channel": "trades", "data": data}


def hyperliquid_book(n: int, bid: str) -> dict[str, object]:
    levels = [[{"px": bid, "sz": "1", "n": 1}], [{"px": "2002", "sz": "2", "n": 3}]]
    return {"channel": "l2Book", "data": {"coin": "ETH", "time": BEGIN * 1000 + 10 * n, "levels": levels}}


def test_what_is_replayed_on_subscribing_is_no_flow_and_fills_what_a_reconnect_cost(tmp_path: Path) -> None:
    ws, eth = "wss://api.hyperliquid.xyz/ws", "hyperliquid:ETH/USDC:USDC"
    lines = [
        header("HYPERLIQUID"),
        connect("a", ws),
        recv("a", 0.1, hyperliquid_book(0, "2001")),
        recv("a", 0.2, hyperliquid_trades(-4, -3)),
        recv("a", 0.3, hyperliquid_trades(1)),
        recv("a", 0.4, hyperliquid_book(-5, "1999")),
        connect("a", ws, 1.0),
        recv("a", 1.1, hyperliquid_trades(-3, 1, 2, 3)),
        recv("a", 1.2, hyperliquid_trades(5)),
    ]
    got = read_all(write(tmp_path / "s.jsonl.zst", lines))
    flags = [int(f) & ~Flag.LAST for f in got.kind(eth, Kind.TRADE)["flags"]]
    assert flags == [Flag.REPLAYED, Flag.REPLAYED, 0, Flag.RECOVERED, Flag.RECOVERED, 0]
    assert got.holes(eth) == []
    assert got.statuses(eth, Channel.BOOK)[0] == (Trust.UNVERIFIABLE, Reason.NO_SEQUENCE)
    assert len(got.kind(eth, Kind.SNAPSHOT)) == 1, "a book from before the book is left out"
    assert not got.instruments[eth].fixed_tick
    lines[7] = recv("a", 1.1, hyperliquid_trades(2, 3))
    lost = read_all(write(tmp_path / "lost.jsonl.zst", lines))
    assert lost.holes(eth) == [(-1, -1)]


def test_captures_of_other_venues_are_told_by_their_frames(tmp_path: Path) -> None:
    frames = [json.loads(line)["data"] for line in two_connections()[1:] if '"ws.1"' in line and '"recv"' in line]
    frames = [f.replace('"BT"', '"L":"PlusTick","BT"') for f in frames]
    path = tmp_path / "bybit.gz"
    path.write_bytes(
        gzip.compress(b"".join(b"%d %s\n" % ((BEGIN + i) * 10**9, f.encode()) for i, f in enumerate(frames)))
    )
    got = read_all(path)
    assert got.archive.markets == (PERP,)
    assert dict_book(got.rows[PERP]) == ({1001: 150}, {1002: 100})
    assert got.statuses(PERP, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)], "frames before the first trade are not lost"


def test_parts_of_a_session_go_on_in_one_another_in_whatever_order_they_are_given(tmp_path: Path) -> None:
    lines = two_connections()
    one, two = write(tmp_path / "1.zst", lines[:8]), write(tmp_path / "2.zst", [header(), *lines[8:]])
    whole = read_all(write(tmp_path / "whole.zst", lines))
    for paths in ((one, two), (two, one)):
        got = read_all(*paths)
        for market in (PERP, COINS):
            assert dict_book(got.rows[market]) == dict_book(whole.rows[market])
            assert got.signed(market) == whole.signed(market)


def test_two_recordings_made_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    lines = [line.replace('"ws.2"', '"ws.1"') for line in two_connections() if '"ws.1"' not in line]
    spot = write(tmp_path / "spot.zst", lines)
    linear = write(tmp_path / "linear.zst", [line for line in two_connections() if '"ws.2"' not in line])
    got = read_all(linear, spot)
    assert set(got.archive.markets) == {PERP, COINS}
    for market in (PERP, COINS):
        assert got.statuses(market, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]
        assert got.holes(market) == []


def test_a_later_recording_of_the_same_market_begins_anew(tmp_path: Path) -> None:
    later = [
        header(),
        connect("ws.1", LINEAR, 60.0),
        recv("ws.1", 60.1, book(6_010, 3, "delta", [["100.10", "9"]], [])),  # of before its snapshot
        recv("ws.1", 60.2, trade(6_020, "Sell", "100.10", "1", uuid(40))),
        recv("ws.1", 60.3, book(6_030, 90, "snapshot", [["100.00", "1"]], [["100.30", "1"]])),
    ]
    one, two = write(tmp_path / "1.zst", two_connections()), write(tmp_path / "2.zst", later)
    got = read_all(two, one)
    assert got.statuses(PERP, Channel.BOOK) == [
        (Trust.LIVE, Reason.NONE),
        (Trust.STALE, Reason.DISCONNECTED),
        (Trust.LIVE, Reason.NONE),
    ]
    assert got.holes(PERP) == [(-1, -1)]
    assert dict_book(got.rows[PERP])[0] == {1000: 100}
    assert got.signed(PERP) == -0.75


@pytest.mark.parametrize("span", [1, 20_000_000, 10**12])
def test_any_cut_into_stretches_gives_the_same_rows(tmp_path: Path, span: int) -> None:
    path = write(tmp_path / "s.zst", two_connections())
    whole = read_all(path)
    archive = type(whole.archive)
    kept = archive.turn_ns
    try:
        archive.turn_ns = span
        got = read_all(path)
    finally:
        archive.turn_ns = kept
    for market in (PERP, COINS):
        assert got.rows[market].tobytes() == whole.rows[market].tobytes()


def test_a_session_of_an_unknown_venue_says_whose_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "s.zst", [header("X"), connect("a", "wss://example.org/x"), recv("a", 0.1, {"hello": 1})])
    with pytest.raises(SourceError, match=r"of no venue and protocol .*bybit.*'wss://example.org/x'"):
        read_all(path)


def test_lines_of_an_unknown_connection_beside_known_ones_are_told(tmp_path: Path) -> None:
    lines = [*two_connections(), connect("b", "wss://example.org/x"), recv("b", 0.5, {"hello": 1})]
    got = read_all(write(tmp_path / "s.zst", lines))
    assert got.archive.markets == (PERP, COINS)
    assert any("'wss://example.org/x' is of no venue" in notice for notice in got.notices)


def test_a_capture_and_a_session_of_the_same_market_do_not_mix(tmp_path: Path) -> None:
    from tests.connectors.archives.recordings import SYNCED, capture

    delta = {"e": "depthUpdate", "E": BEGIN * 1000, "T": BEGIN * 1000, "s": "ETHUSDT", "U": 1, "u": 2, "pu": 0}
    frame = {"stream": "ethusdt@depth@100ms", "data": {**delta, "b": [["1.00", "1"]], "a": []}}
    session = write(
        tmp_path / "s.zst",
        [header("BINANCE"), connect("a", "wss://fstream.binance.com/stream?streams=x"), recv("a", 0.1, frame)],
    )
    with pytest.raises(SourceError, match="both hold binance:ETH/USDT:USDT"):
        read_all(session, capture(tmp_path / "c.gz", SYNCED))


@given(
    st.lists(
        st.one_of(st.floats(-1e18, 1e18), st.just(math.nan), st.integers(0, 10**15).map(lambda n: n / 1000)),
        max_size=70,
    )
)
def test_sizes_one_by_one_are_those_of_the_whole_column(sizes: list[float]) -> None:
    instrument = Instrument("bybit", "A/B", Decimal("0.1"), Decimal("0.001"))
    expected = to_lots(np.array(sizes, np.float64), instrument)
    assert SizeLots(instrument).of(sizes).tolist() == expected.tolist()


def test_liquidations_come_beside_the_flow(tmp_path: Path) -> None:
    one = {"T": BEGIN * 1000 + 50, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "100.1449"}
    told = {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": BEGIN * 1000, "data": [one]}
    bad = {**told, "data": [{**one, "v": "x"}]}
    lines = [*two_connections(), recv("ws.1", 0.2, told), recv("ws.1", 0.21, bad), recv("ws.2", 0.22, told)]
    got = read_all(write(tmp_path / "s.zst", lines))
    (row,) = got.kind(PERP, Kind.LIQUIDATION)
    assert (int(row["px"]), int(row["qty"]), int(row["side"])) == (1001, 50, -1)
    assert got.signed(PERP) == 0.25, "no flow"
    assert any("a liquidation: " in notice for notice in got.notices)
    market = Market(got.instruments[PERP], metrics=parse_metrics("cvd"))
    market.apply(got.rows[PERP])
    assert market.t == (BEGIN * 1000 + 50) * 1_000_000


@pytest.mark.parametrize("listed", [False, True])
def test_a_book_is_known_as_far_as_the_recorded_stream_reaches(tmp_path: Path, listed: bool) -> None:
    bids = [[f"{100 - i / 10:.1f}", "1"] for i in range(50)]
    asks = [[f"{100.1 + i / 10:.1f}", "1"] for i in range(50)]
    moved = [["100.1", "3"]], [["100.1", "0"], ["105.1", "2"]]
    lines = [
        header(),
        *([listing("linear", "0.1", "0.001")] if listed else []),
        connect("ws.1", LINEAR),
        recv("ws.1", 0.1, json.dumps(book(1, 7, "snapshot", bids, asks)).replace("orderbook.200", "orderbook.50")),
        recv(
            "ws.1", 0.2, json.dumps(book(2, 8, "delta", [*moved[0], ["95.1", "0"]], moved[1])).replace(".200.", ".50.")
        ),
    ]
    got = read_all(write(tmp_path / "s.zst", lines))
    assert got.instruments[PERP].book_depth == 50
    market = Market(got.instruments[PERP], metrics=())
    market.apply(got.rows[PERP])
    market.flush()
    tick = float(got.instruments[PERP].tick)
    low, high = market.order_book.known_low, market.order_book.known_high
    assert low is not None
    assert high is not None
    assert (round(low * tick, 1), round(high * tick, 1)) == (95.2, 105.1), "it moves with the touch"


def test_hostile_lines_are_told_and_passed_over(tmp_path: Path) -> None:
    deep = "[" * 100_000
    lines = [
        *two_connections(),
        '{"t":"recv","conn":"ws.1","ts":' + deep,
        recv("ws.1", 0.3, deep),
        http(LISTED, 0.3, "x"),
        json.dumps({"t": "http", "ts": BEGIN, "url": "http://[", "data": "{}"}, separators=(",", ":")),
        '{"t":"http","ts":1,"url":"https://api.bybit.com/v5/market/x?category=spot","data":"{}"}',
        json.dumps({"t": "http", "ts": BEGIN, "url": LISTED, "data": '"lotSizeFilter"' + deep}, separators=(",", ":")),
        connect("ws.9", "ws://[::bad", 0.4),
        recv("ws.1", 1e300, "{}"),
        recv("ws.1", float("nan"), "{}"),
    ]
    got = read_all(write(tmp_path / "s.zst", lines))
    assert got.signed(PERP) == 0.25
    assert got.statuses(PERP, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]
    assert sum("skipped" in notice for notice in got.notices) >= 5


def test_damaged_sessions_give_what_they_hold_or_a_message(tmp_path: Path) -> None:
    rng, path, read = random.Random(7), tmp_path / "s.jsonl", 0
    for _ in range(60):
        lines = [line.encode() for line in [*two_connections(), connect("ws.1", LINEAR, 1.0)] * 2]
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(lines))
            lines[at] = mutated(lines[at], rng)
        path.write_bytes(b"\n".join(lines))
        with contextlib.suppress(SourceError):
            got = read_all(path)
            for name, rows in got.rows.items():
                market = Market(got.instruments[name], metrics=())
                market.apply(rows)
                market.flush()
            read += 1
    assert read > 40
