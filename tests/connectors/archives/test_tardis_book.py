"""Tardis incremental books: messages by their times, snapshots, and what a lost line does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.tape import Channel, Flag, Kind, Reason, Trust
from tests.connectors.archives.recordings import Reading, read

T = 1_723_161_600_000_000  # µs
HEADER = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
UNVERIFIABLE = (Channel.BOOK, Trust.UNVERIFIABLE, Reason.NO_SEQUENCE)
BAD = (Channel.BOOK, Trust.RESYNC, Reason.BAD_MESSAGE)


def level(n: int, side: str, price: str, amount: str, snap: bool = False) -> str:
    time = T + n * 1000
    return f"binance-futures,ETHUSDT,{time},{time + 900},{str(snap).lower()},{side},{price},{amount}"


START = [
    level(0, "bid", "100.00", "1", True),
    level(0, "bid", "99.99", "3", True),
    level(0, "ask", "100.01", "2.5", True),
]
UPDATE = [level(1, "bid", "100", "2"), level(1, "ask", "100.01", "0"), level(1, "ask", "100.02", "0.125")]


def book(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([HEADER, *lines, ""]))
    return path


def test_snapshot_and_messages(tmp_path: Path) -> None:
    got = read(book(tmp_path / "b.csv", *START, *UPDATE, level(2, "bid", "99.98", "1")))
    assert got.rows["kind"].tolist() == [Kind.SNAPSHOT, *[Kind.LEVEL] * 3, Kind.STATUS, *[Kind.LEVEL] * 4]
    assert (got.rows["flags"] & Flag.LAST > 0).tolist() == [False] * 3 + [True, True, False, False, True, True]
    assert got.statuses == [UNVERIFIABLE]
    assert got.book() == {1: {10000: 2000, 9999: 3000, 9998: 1000}, -1: {10002: 125}}
    assert (got.instrument.market, str(got.instrument.tick), str(got.instrument.lot)) == (
        "binance:ETH/USDT:USDT",
        "0.01",
        "0.001",
    )
    assert got.rows["ts"].tolist()[-1] == (T + 2000) * 1000
    assert got.rows["recv"].tolist()[-1] == (T + 2900) * 1000


def test_a_later_snapshot_replaces_the_book(tmp_path: Path) -> None:
    again = [level(5, "bid", "90.00", "1", True), level(5, "ask", "90.01", "1", True)]
    got = read(book(tmp_path / "b.csv", *START, *UPDATE, *again, level(6, "ask", "90.02", "4")))
    assert got.book() == {1: {9000: 1000}, -1: {9001: 1000, 9002: 4000}}
    assert len(got.of(Kind.SNAPSHOT)) == 2


def test_updates_before_a_snapshot_are_no_book(tmp_path: Path) -> None:
    got = read(book(tmp_path / "b.csv", *UPDATE, level(2, "bid", "99.00", "1")))
    assert len(got.of(Kind.LEVEL)) == 0
    assert len(got.of(Kind.CLOCK)) == 2
    assert got.statuses == [(Channel.BOOK, Trust.WARMING, Reason.NO_SNAPSHOT_IN_SOURCE)]
    assert any("no book snapshot" in n for n in got.notices)


@pytest.mark.parametrize(
    "bad",
    [
        level(3, "bid", "99.985", "1"),
        level(3, "bid", "-99.98", "1"),
        level(3, "bid", "99.98", "-1"),
        level(3, "bid", "99.98", "1")[:-20],
        level(3, "both", "99.98", "1"),
        level(3, "bid", "99.98", "1").replace("ETHUSDT", "BTCUSDT"),
        "\x00garbage",
    ],
)
def test_a_lost_line_ends_the_book_until_the_next_snapshot(tmp_path: Path, bad: str) -> None:
    after = [level(4, "bid", "99.97", "1"), level(5, "bid", "90.00", "1", True), level(6, "ask", "90.02", "4")]
    got = read(book(tmp_path / "b.csv", *START, *UPDATE, bad, *after), tick="0.01", lot="0.001")
    assert got.statuses == [UNVERIFIABLE, BAD, UNVERIFIABLE]
    assert got.book() == {1: {9000: 1000}, -1: {9002: 4000}}
    assert sum("b.csv:8: skipped" in n for n in got.notices) == 1


def test_messages_are_whole_however_the_file_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = list(START)
    for n in range(1, 600):
        side = "bid" if n % 2 else "ask"
        lines += [level(n, side, f"{90 + (n * 7 + i) % 50}.{i:02d}", str((n + i) % 5)) for i in range(1 + n % 60)]
    path = book(tmp_path / "b.csv", *lines)
    whole = read(path)
    assert whole.messages == 601
    assert max(whole.sizes) <= 10_000
    monkeypatch.setattr("connectors.archives.opening._PIECE", 613)
    assert np.array_equal(read(path).rows, whole.rows)


def trades(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["exchange,symbol,timestamp,local_timestamp,id,side,price,amount", *lines, ""]))
    return path


def test_book_and_trades_of_one_market_by_receive_time(tmp_path: Path) -> None:
    def trade(n: int, trade_id: int) -> str:
        time = T + n * 1000
        return f"binance-futures,ETHUSDT,{time},{time + 901},{trade_id},sell,100.00,0.5"

    a = book(tmp_path / "b.csv", *START, *UPDATE, level(2, "bid", "99.98", "1"))
    b = trades(tmp_path / "t.csv", trade(0, 5), trade(1, 6), trade(3, 8))
    for paths in ((a, b), (b, a)):
        got: Reading = read(*paths)
        assert np.all(np.diff(got.rows["recv"]) >= 0)
        kinds = [Kind(k).name[0] for k in got.rows["kind"][got.rows["kind"] != Kind.STATUS].tolist()]
        assert "".join(kinds) == "SLLL" + "T" + "LLL" + "TH" + "L" + "T"
        assert got.holes == [(7, 1)]
        assert got.book()[1] == {10000: 2000, 9999: 3000, 9998: 1000}
