"""Captures: sequence rules, trades, and everything that can be wrong in a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from connectors.archives import open_archive
from connectors.archives.rows import CHUNK_ROWS
from connectors.binance.messages import BookTicker
from engine.feed import SourceError
from engine.tape import Channel, Flag, Kind, Reason, Trust
from tests.connectors.archives.recordings import START, SYNCED, capture, depth, line, ms, read, snapshot, ticker, trade

LIVE = (Channel.BOOK, Trust.LIVE, Reason.NONE)
WAITING = (Channel.BOOK, Trust.WARMING, Reason.AWAITING_SNAPSHOT)
GAP = (Channel.BOOK, Trust.RESYNC, Reason.SEQUENCE_GAP)


def test_snapshot_and_the_updates_that_continue_it(tmp_path: Path) -> None:
    got = read(capture(tmp_path / "c.gz", SYNCED))
    assert got.statuses == [WAITING, LIVE]
    # 100.00 was raised by a delta from before the snapshot's arrival, 100.01 deleted by one after it.
    assert got.book() == {1: {10000: 2000, 9999: 3000}, -1: {10002: 125, 10003: 4500}}
    levels = got.of(Kind.LEVEL)
    assert levels["id"].tolist() == [101] * 4 + [104] * 2 + [106]
    assert (levels["flags"] & Flag.LAST > 0).tolist() == [False] * 3 + [True, False, True, True]
    start = got.of(Kind.SNAPSHOT)
    assert (start["flags"] & Flag.LAST).tolist() == [0]
    assert start["id"].tolist() == [101]


def test_facts_of_the_instrument(tmp_path: Path) -> None:
    futures = read(capture(tmp_path / "c.gz", SYNCED)).instrument
    assert (futures.market, futures.kind, futures.native) == ("binance:ETH/USDT:USDT", "linear", "ETHUSDT")
    assert (str(futures.tick), str(futures.lot), futures.inferred) == ("0.01", "0.001", True)


def test_spot_rule_and_spot_time(tmp_path: Path) -> None:
    lines = [
        depth(0, 90, 95, None, [("99.98000000", "9.00000000")], []),
        depth(1, 96, 104, None, [("100.00000000", "2.00010000")], []),
        snapshot(2, 101, [("100.00000000", "1.00000000")], [("100.01000000", "2.00000000")], futures=False),
        depth(3, 105, 106, None, [], [("100.01000000", "0.00000000")]),
        trade(4, 7, "100.01000000", "0.50000000", type_=None),
    ]
    got = read(capture(tmp_path / "c.gz", lines))
    assert (got.instrument.market, got.instrument.kind) == ("binance:ETH/USDT", "spot")
    assert (str(got.instrument.tick), str(got.instrument.lot)) == ("0.01", "0.0001")
    assert got.book() == {1: {10000: 20001}, -1: {}}
    # The snapshot of spot has no time: the newest of the messages before it stands for it.
    assert int(got.of(Kind.SNAPSHOT)["ts"][0]) == ms(1) * 1_000_000


def test_coin_margined_contracts(tmp_path: Path) -> None:
    for native, market, contract in (
        ("ETHUSD_PERP", "binance:ETH/USD:ETH", 10),
        ("BTCUSD_PERP", "binance:BTC/USD:BTC", 100),
        ("BTCUSD_240927", "binance:BTC/USD:BTC-240927", 100),
    ):
        data = {
            "e": "trade",
            "E": ms(0),
            "T": ms(0),
            "s": native,
            "t": 5,
            "p": "2500.5",
            "q": "3",
            "X": "MARKET",
            "m": True,
        }
        path = capture(tmp_path / native, [line(START, {"stream": f"{native.lower()}@trade", "data": data})])
        got = read(path)
        assert (got.instrument.market, got.instrument.kind, got.instrument.contract) == (market, "inverse", contract)
        assert got.instrument.amount(int(got.of(Kind.TRADE)["qty"][0])) == 3 * contract
        assert read(path, contract="7").instrument.amount(3) == 21


def test_trades(tmp_path: Path) -> None:
    lines = [
        trade(0, 10, "100.00", "1.000", maker=False),
        trade(1, 11, "100.01", "0.250", maker=True),
        trade(2, 12, "55.00", "9.000", type_="INSURANCE_FUND"),
        trade(3, 13, "0", "0", type_="NA"),
        trade(4, 14, "100.00", "1.000", type_="RPI"),
        trade(5, 18, "100.00", "2.000"),
        trade(6, 17, "100.00", "2.000"),
    ]
    got = read(capture(tmp_path / "c.gz", lines), tick="0.01", lot="0.001")
    assert got.trades() == [
        (10, 10000, 1000, 1),
        (11, 10001, 250, -1),
        (12, 5500, 9000, 1),
        (13, 0, 0, 1),
        (14, 10000, 1000, 1),
        (18, 10000, 2000, 1),
    ]
    assert (got.of(Kind.TRADE)["flags"] & Flag.NOT_FLOW > 0).tolist() == [False, False, True, True, False, False]
    assert got.holes == [(15, 3)]
    assert got.statuses == [(Channel.TRADES, Trust.LIVE, Reason.NONE)]
    assert any("1 trades with an id that was there already" in n for n in got.notices)
    assert got.rows["recv"].tolist()[-1] == START + 5_000_000
    assert got.rows["ts"].tolist()[-1] == ms(5) * 1_000_000


def test_receive_times_in_microseconds(tmp_path: Path) -> None:
    recv, frame = trade(3, 10, "100.00", "1.000").split(" ", 1)
    got = read(capture(tmp_path / "c.gz", [f"{int(recv) // 1000} {frame}"]))
    assert got.rows["recv"].tolist() == [START + 3_000_000] * 2


def test_negative_latency_is_kept(tmp_path: Path) -> None:
    _, frame = trade(3, 10, "100.00", "1.000").split(" ", 1)
    got = read(capture(tmp_path / "c.gz", [f"{START - 1_500_000_000} {frame}"]))
    assert (got.rows["recv"] - got.rows["ts"]).tolist() == [-1_503_000_000] * 2


def test_without_a_snapshot_there_are_trades_and_no_book(tmp_path: Path) -> None:
    lines = [
        depth(0, 90, 95, 89, [("99.98", "9")], []),
        trade(1, 10, "100.00", "1"),
        depth(2, 96, 99, 95, [("99.98", "8")], []),
    ]
    got = read(capture(tmp_path / "c.gz", lines))
    assert len(got.of(Kind.LEVEL)) == 0
    assert len(got.of(Kind.CLOCK)) == 2, "time still passes"
    assert len(got.of(Kind.TRADE)) == 1
    assert got.statuses[0] == (Channel.BOOK, Trust.WARMING, Reason.NO_SNAPSHOT_IN_SOURCE)
    assert any("no book snapshot" in n for n in got.notices)


def test_a_gap_ends_the_book_until_a_snapshot_in_line(tmp_path: Path) -> None:
    lines = [
        *SYNCED,
        depth(4, 110, 112, 109, [("100.00", "7")], []),
        depth(5, 113, 114, 112, [("99.99", "8")], []),
        snapshot(6, 113, [("100.00", "5"), ("99.99", "1")], [("100.01", "1")]),
        depth(7, 115, 116, 114, [("99.98", "6")], []),
    ]
    got = read(capture(tmp_path / "c.gz", lines))
    assert got.statuses == [WAITING, LIVE, GAP, LIVE]
    assert got.book() == {1: {10000: 5000, 9999: 8000, 9998: 6000}, -1: {10001: 1000}}
    assert any("c.gz:5: a book update is missing" in n for n in got.notices)


def test_a_gap_without_a_later_snapshot_stays_told(tmp_path: Path) -> None:
    got = read(capture(tmp_path / "c.gz", [*SYNCED, depth(4, 110, 112, 109, [("100.00", "7")], [])]))
    assert got.statuses[-1] == GAP
    assert got.book() == {1: {}, -1: {}}
    assert any("lost at" in n and "c.gz:5" in n for n in got.notices)


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: good[: len(good) // 2],
        lambda good: good.replace('"b"', '"b"]'),
        lambda good: good.replace("172316", "17x316", 1),
        lambda good: "\x00\xff\x1b[31m" + good,
        lambda good: good.replace('"7"', '"-7"'),
        lambda good: good.replace('"7"', '"nan"'),
        lambda good: good.replace('"7"', '"1e300"'),
        lambda good: good.replace('"7"', "null"),
        lambda good: good.replace("ethusdt@", "ethvsdt@").replace("ETHUSDT", "ETHVSDT"),
    ],
)
def test_a_lost_update_is_named_and_shows_as_a_gap(tmp_path: Path, damage: object) -> None:
    bad = damage(depth(4, 107, 109, 106, [("100.00", "7")], []))  # type: ignore[operator]
    got = read(capture(tmp_path / "c.gz", [*SYNCED, bad, depth(5, 110, 112, 109, [("100.00", "8")], [])]))
    assert sum("c.gz:5: skipped" in n for n in got.notices) == 1
    assert not any("\x1b" in n for n in got.notices)
    assert got.statuses == [WAITING, LIVE, GAP]
    assert got.book() == {1: {}, -1: {}}


@pytest.mark.parametrize(
    ("price", "size"), [("100.005", "7"), ("-100.00", "7"), ("0.00", "7"), ("100.00", "99999999999999999")]
)
def test_an_update_off_the_grid_ends_the_book(tmp_path: Path, price: str, size: str) -> None:
    lines = [
        *SYNCED,
        depth(4, 107, 109, 106, [(price, size)], []),
        depth(5, 110, 112, 109, [("100.00", "8")], []),
        snapshot(6, 112, [("100.00", "5")], [("100.01", "1")]),
        depth(7, 113, 114, 112, [("100.00", "3")], []),
    ]
    got = read(capture(tmp_path / "c.gz", lines), tick="0.01", lot="0.001")
    assert sum("c.gz:5: skipped: book update" in n for n in got.notices) == 1
    assert got.statuses == [WAITING, LIVE, (Channel.BOOK, Trust.RESYNC, Reason.OFF_GRID), LIVE]
    assert got.book() == {1: {10000: 3000}, -1: {10001: 1000}}


def test_a_trade_that_makes_no_sense_is_a_hole(tmp_path: Path) -> None:
    bad = [
        trade(1, 11, "100.005", "1"),
        trade(2, 12, "-100.00", "1"),
        trade(3, 13, "100.00", "-1"),
        trade(4, 14, "100.00", "0"),
        trade(5, 15, "0.00", "1"),
        trade(6, 16, "1e400", "1"),
        trade(7, 17, "100.00", "abc"),
    ]
    lines = [trade(0, 10, "100.00", "1"), *bad, trade(8, 18, "100.00", "1")]
    got = read(capture(tmp_path / "c.gz", lines), tick="0.01", lot="0.001")
    assert [t[0] for t in got.trades()] == [10, 18]
    assert got.holes == [(11, 7)]
    assert sum("skipped: trade" in n for n in got.notices) == 5
    assert any("7 lines skipped in all" in n for n in got.notices)


def test_an_absurd_time_does_not_carry_the_clock_away(tmp_path: Path) -> None:
    far = trade(1, 11, "100.00", "1").replace(str(ms(1)), str(ms(1) * 7))
    got = read(capture(tmp_path / "c.gz", [trade(0, 10, "100.00", "1"), far, trade(2, 12, "100.00", "1")]))
    assert int(got.rows["ts"].max()) == ms(2) * 1_000_000
    assert got.holes == [(11, 1)]
    assert any("c.gz:2: skipped" in n for n in got.notices)


def test_a_wrong_receive_clock_is_no_reason_to_refuse(tmp_path: Path) -> None:
    lines = [
        f"{START - 90 * 86_400_000_000_000 + n} {trade(n, 10 + n, '100.00', '1').split(' ', 1)[1]}" for n in range(5)
    ]
    assert len(read(capture(tmp_path / "c.gz", lines)).trades()) == 5


def test_damage_names_the_first_lines_and_then_a_total(tmp_path: Path) -> None:
    lines = [trade(0, 10, "100.00", "1"), *["garbage"] * 1000, trade(1, 11, "100.00", "1")]
    got = read(capture(tmp_path / "c.gz", lines))
    assert sum("skipped: expected a receive time" in n for n in got.notices) == 5
    assert sum("1,000 lines skipped in all" in n for n in got.notices) == 1
    assert [t[0] for t in got.trades()] == [10, 11]


def test_a_book_ticker_cut_off_is_counted_and_a_whole_one_passed_over(tmp_path: Path) -> None:
    got = read(capture(tmp_path / "c.gz", [trade(0, 10, "100.00", "1"), ticker(1, 5), ticker(2, 6)[:-9]]))
    assert [n for n in got.notices if "skipped" in n and "c.gz:3" in n]
    assert len(got.of(Kind.TRADE)) == 1


def test_book_tickers_reach_the_hook(tmp_path: Path) -> None:
    got: list[tuple[int, BookTicker]] = []
    path = capture(tmp_path / "c.gz", [trade(0, 10, "100.00", "1"), ticker(1, 5)])
    list(open_archive([path], on_ticker=lambda recv, t: got.append((recv, t))).chunks(print))
    assert [(recv, t.update, t.bid) for recv, t in got] == [(START + 1_000_000, 5, "100.00")]


def test_other_wrappings_and_streams(tmp_path: Path) -> None:
    recv, frame = trade(1, 11, "100.00", "1").split(" ", 1)
    wrapped = json.loads(frame)
    lines = [
        trade(0, 10, "100.00", "1"),
        f"{recv} {json.dumps({'data': wrapped['data'], 'stream': wrapped['stream']})}",
        f"{recv} {json.dumps(wrapped['data'] | {'t': 12})}",
        f'{recv} {{"result":null,"id":1}}',
        f'{recv} {{"stream":"ethusdt@markPrice","data":{{"e":"markPriceUpdate","s":"ETHUSDT","p":"1"}}}}',
        "",
        trade(2, 13, "100.00", "1") + "\r",
    ]
    got = read(capture(tmp_path / "c.gz", lines))
    assert [t[0] for t in got.trades()] == [10, 11, 12, 13]
    assert not [n for n in got.notices if "skipped" in n]


def test_aggregated_trades_serve_where_there_are_no_single_ones(tmp_path: Path) -> None:
    def aggregated(n: int, agg_id: int) -> str:
        data = {
            "e": "aggTrade",
            "E": ms(n),
            "s": "ETHUSDT",
            "a": agg_id,
            "p": "100.00",
            "q": "1",
            "f": 1,
            "l": 2,
            "T": ms(n),
            "m": True,
        }
        return line(START + n * 1_000_000, {"stream": "ethusdt@aggTrade", "data": data})

    got = read(capture(tmp_path / "a.gz", [aggregated(0, 5), aggregated(1, 8)]))
    assert [t[0] for t in got.trades()] == [5, 8]
    assert got.holes == [(6, 2)]
    both = read(capture(tmp_path / "b.gz", [aggregated(0, 5), trade(1, 77, "100.00", "1"), aggregated(2, 6)]))
    assert [t[0] for t in both.trades()] == [77]


def test_an_update_without_levels_is_a_clock_row(tmp_path: Path) -> None:
    got = read(
        capture(
            tmp_path / "c.gz", [*SYNCED, depth(4, 107, 109, 106, [], []), depth(5, 110, 111, 109, [("99.00", "1")], [])]
        )
    )
    assert got.rows["kind"].tolist()[-2:] == [Kind.CLOCK, Kind.LEVEL]
    assert got.rows["flags"][-2] & Flag.LAST
    assert got.statuses == [WAITING, LIVE]


def test_chunks_are_bounded_and_cut_at_messages(tmp_path: Path) -> None:
    lines, last = list(SYNCED), 106
    for n in range(4, 404):
        levels = [(f"{90 + i / 100:.2f}", str(n)) for i in range(100)]
        lines.append(depth(n, last + 1, last + 3, last, levels, []))
        last += 3
    got = read(capture(tmp_path / "c.gz", lines))
    assert len(got.rows) > 40_000
    assert max(got.sizes) <= CHUNK_ROWS
    assert got.book()[1][9050] == 403_000
    assert np.all(np.diff(got.of(Kind.LEVEL)["id"]) >= 0)


def test_a_finer_price_late_in_the_file_is_not_misplaced(tmp_path: Path) -> None:
    lines = [trade(n, n, "100.0", "1") for n in range(900)] + [trade(900, 900, "100.0125", "1")]
    got = read(capture(tmp_path / "c.gz", lines))
    assert str(got.instrument.tick) == "0.0001"
    assert [t[1] for t in got.trades()][-2:] == [1_000_000, 1_000_125]


def test_one_price_of_thousands_with_more_digits_is_refused_and_told(tmp_path: Path) -> None:
    lines = [trade(n, n, f"100.{n % 100:02d}", "1") for n in range(3000)]
    lines[2000] = trade(2000, 2000, "100.0125", "1")
    got = read(capture(tmp_path / "c.gz", lines))
    assert str(got.instrument.tick) == "0.01"
    assert got.holes == [(2000, 1)]
    assert any("1 prices have more decimals than the tick of 0.01" in n for n in got.notices)
    given = read(tmp_path / "c.gz", tick="0.0001")
    assert given.holes == []
    assert not given.instrument.inferred or given.instrument.tick.as_tuple().exponent == -4


def test_sizes_finer_than_the_lot_given_stay_exact(tmp_path: Path) -> None:
    lines = [*SYNCED, depth(4, 107, 109, 106, [("100.00", "2292.22972")], [])]
    got = read(capture(tmp_path / "c.gz", lines), tick="0.01", lot="0.001")
    assert str(got.instrument.lot) == "0.00001"
    assert got.book()[1][10000] == 229_222_972
    assert any("finer than the lot of 0.001" in n for n in got.notices)


def test_a_capture_of_several_markets(tmp_path: Path) -> None:
    other = depth(3, 1, 2, 0, [("5.00", "1")], []).replace("ethusdt", "bnbusdt").replace("ETHUSDT", "BNBUSDT")
    archive = open_archive([capture(tmp_path / "c.gz", [trade(0, 10, "100.00", "1"), *[other] * 3, *SYNCED])])
    notices: list[str] = []
    chunks = list(archive.chunks(lambda _source, text: notices.append(text)))
    assert archive.markets == ("binance:BNB/USDT:USDT", "binance:ETH/USDT:USDT")
    assert {c.instrument.market for c in chunks} == set(archive.markets)
    # Whose snapshot it is, a snapshot without a symbol does not say.
    assert not any((c.rows["kind"] == Kind.LEVEL).any() for c in chunks)
    assert any("without a market's name" in n for n in notices)


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    lines = [trade(0, 10, "100.00", "1")[:-20] + '"stream":"ethusdt@trade"']
    archive = open_archive([capture(tmp_path / "c.gz", lines)])
    with pytest.raises(SourceError, match="not one line"):
        list(archive.chunks(lambda *_: None))
