"""Trade files: every layout, exact digits, order by id, holes, damage."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archives import columns as cut
from connectors.archives import open_archive
from connectors.archives.times import epoch_of, nanoseconds
from engine.feed import SourceError
from engine.tape import Channel, Kind, Reason, Trust
from tests.connectors.archives.recordings import Reading, read

T = 1_750_507_467_356  # ms
NS = T * 1_000_000

LTC = f"timestamp,price,quantity,side,tradeId\n{T},83.29,0.107,buy,5\n{T + 1},83.30,1.5,sell,6\n"
LAYOUTS = {
    "LTCUSDT_2025-06-21_06h_trades.csv": (LTC, "binance:LTC/USDT"),
    "LTCUSDT-trades-2025-06-21.csv": (
        f"5,83.29000000,0.10700000,8.91203000,{T},False,True\n6,83.30000000,1.50000000,124.95,{T + 1},True,True\n",
        "binance:LTC/USDT",
    ),
    "LTCUSDT-trades-2025-06-21-micro.csv": (
        f"5,83.29000000,0.10700000,8.91203000,{T}000,False,True\n6,83.30,1.50000000,124.95,{T + 1}000,True,True\n",
        "binance:LTC/USDT",
    ),
    "LTCUSDT-trades-2025-06.csv": (
        "id,price,qty,quote_qty,time,is_buyer_maker\n"
        f"5,83.29,0.107,8.91203,{T},false\n6,83.30,1.5,124.95,{T + 1},true\n",
        "binance:LTC/USDT:USDT",
    ),
    "LTCUSDT-trades-2020-01.csv": (
        f"5,83.29,0.107,8.91203,{T},false\n6,83.30,1.5,124.95,{T + 1},true\n",
        "binance:LTC/USDT:USDT",
    ),
    "LTCUSDT-aggTrades-2025-06-21.csv": (
        f"5,83.29,0.107,100,101,{T},False,True\n6,83.30,1.5,105,105,{T + 1},True,True\n",
        "binance:LTC/USDT",
    ),
    "LTCUSDT-aggTrades-2025-06.csv": (
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
        f"5,83.29,0.107,100,101,{T},false\n6,83.30,1.5,105,105,{T + 1},true\n",
        "binance:LTC/USDT:USDT",
    ),
    "LTCUSDT-aggTrades-2020.csv": (
        f"5,83.29,0.107,100,101,{T},false\n6,83.30,1.5,105,105,{T + 1},true\n",
        "binance:LTC/USDT:USDT",
    ),
    "tardis.csv": (
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        f"binance-futures,LTCUSDT,{T}000,{T}900,5,buy,83.29,0.107\n"
        f"binance-futures,LTCUSDT,{T + 1}000,{T + 1}900,6,sell,83.3,1.5\n",
        "binance:LTC/USDT:USDT",
    ),
}  # fmt: skip


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def plain(tmp_path: Path, *lines: str, name: str = "LTCUSDT_x.csv") -> Path:
    return written(tmp_path / name, "timestamp,price,quantity,side,tradeId\n" + "".join(f"{x}\n" for x in lines))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_trades(tmp_path: Path, name: str) -> None:
    text, market = LAYOUTS[name]
    got = read(written(tmp_path / name, text))
    assert got.trades() == [(5, 8329, 107, 1), (6, 8330, 1500, -1)]
    assert got.of(Kind.TRADE)["ts"].tolist() == [NS, NS + 1_000_000]
    late = 900_000 if name == "tardis.csv" else 0
    assert got.of(Kind.TRADE)["recv"].tolist() == [NS + late, NS + 1_000_000 + late]
    assert (got.instrument.market, str(got.instrument.tick), str(got.instrument.lot)) == (market, "0.01", "0.001")
    assert got.statuses == [(Channel.TRADES, Trust.LIVE, Reason.NONE)]
    assert got.messages == len(got.rows) == 3


def test_coin_margined_dump(tmp_path: Path) -> None:
    with_header = f"id,price,qty,base_qty,time,is_buyer_maker\n5,2680.01,30,0.11194,{T},false\n"
    without = f"5,68000.1,30,0.04411761,{T},false\n"
    got = read(written(tmp_path / "ETHUSD_PERP-trades-2024-08.csv", with_header))
    assert (got.instrument.market, got.instrument.amount(30)) == ("binance:ETH/USD:ETH", 300.0)
    got = read(written(tmp_path / "BTCUSD_PERP-trades-2021-01.csv", without))
    assert (got.instrument.market, got.instrument.amount(30)) == ("binance:BTC/USD:BTC", 3000.0)


def test_lines_and_files_in_any_order(tmp_path: Path) -> None:
    rng = random.Random(7)
    ids = [i for i in range(1000, 41_000) if not 5_000 <= i < 5_117 and i != 20_000]
    want = [(i, 8000 + i % 50, 1 + i % 1000, 1 if i % 3 else -1) for i in ids]

    def text(i: int) -> str:
        return f"{T + i},{(8000 + i % 50) / 100:.2f},{(1 + i % 1000) / 1000:.3f},{'buy' if i % 3 else 'sell'},{i}"

    first, second, third = ids[:15_000], ids[15_000:30_000], ids[29_000:]  # the last two overlap
    shuffled = second[:]
    rng.shuffle(shuffled)
    paths = [
        plain(tmp_path, *map(text, third), name="LTCUSDT_a.csv"),
        plain(tmp_path, *map(text, first), name="LTCUSDT_z.csv"),
        plain(tmp_path, *map(text, shuffled), name="LTCUSDT_k.csv"),
    ]
    got = read(*paths)
    assert got.trades() == want
    assert got.holes == [(5_000, 117), (20_000, 1)]
    assert any("1,000 trades with an id that was there already were dropped" in n for n in got.notices)
    assert max(got.sizes) <= 10_000
    hole = np.flatnonzero(got.rows["kind"] == Kind.HOLE)
    assert got.rows["id"][hole + 1].tolist() == [5_117, 20_001], "a hole stands before the trade after it"
    assert got.rows["ts"][hole].tolist() == got.rows["ts"][hole - 1].tolist()


def test_bad_lines_are_named_and_become_holes(tmp_path: Path) -> None:
    lines = {
        1: f"{T},83.29,0.107,buy,1",
        2: f"{T},83.295,0.107,buy,2",  # off the grid given
        3: f"{T},-83.29,0.107,buy,3",
        4: f"{T},83.29,-0.107,buy,4",
        5: f"{T},83.29,0,buy,5",
        6: f"{T},83.29,0.107,buyer,6",
        7: f"{T},83.29,0.107,buy",
        8: f"{T},83.29,0.1",
        9: f"{T},nan,0.107,buy,9",
        10: f"{T},83.29,99999999999999999999,buy,10",
        11: "12x4,83.29,0.107,buy,11",
        12: f"{T},83..29,0.107,buy,12",
        13: f"{T},83.29,0.107,buy,13,14",
        14: "\x1b[31m\x00\x01",
        15: f"{T},83.29,0.107,sell,15",
    }
    got = read(plain(tmp_path, *lines.values()), tick="0.01", lot="0.001")
    assert [t[0] for t in got.trades()] == [1, 15]
    assert got.holes == [(2, 13)]
    assert [n for n in got.notices if "LTCUSDT_x.csv:3: skipped" in n and "off the grid" in n]
    assert sum(": skipped: " in n for n in got.notices) == 5
    assert any("13 lines skipped in all" in n for n in got.notices)


def test_unusual_but_right_lines(tmp_path: Path) -> None:
    lines = [
        f'"{T}","83.29","0.107","buy","1"',
        f"{T}, 83.29, 1.07e-1, BUY, 2",
        f"{T}.0,83.29,.107,Sell,3",
        f"{T},83.29,107E-3,b,4",
        "",
        f"{T},083.2900,0.1070,sell,5",
    ]
    got = read(plain(tmp_path, *lines))
    assert got.trades() == [
        (1, 8329, 107, 1),
        (2, 8329, 107, 1),
        (3, 8329, 107, -1),
        (4, 8329, 107, 1),
        (5, 8329, 107, -1),
    ]
    assert set(got.of(Kind.TRADE)["ts"].tolist()) == {NS}
    assert (str(got.instrument.tick), str(got.instrument.lot)) == ("0.01", "0.001")


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "LTCUSDT_x.csv"
    path.write_bytes(b"\xef\xbb\xbf" + LTC.replace("\n", "\r\n").encode())
    assert read(path).trades() == [(5, 8329, 107, 1), (6, 8330, 1500, -1)]


def test_ids_that_count_nothing(tmp_path: Path) -> None:
    """Elsewhere ids skip or are no numbers: lines keep their order, nothing is a hole."""
    text = (
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        f"bybit-spot,LTCUSDT,{T}000,{T}900,b3e6-aa,buy,83.29,0.107\n"
        f"bybit-spot,LTCUSDT,{T}000,{T}901,9f10-bb,unknown,83.3,1.5\n"
    )
    got = read(written(tmp_path / "t.csv", text))
    assert got.trades() == [(-1, 8329, 107, 1), (-1, 8330, 1500, 0)]
    assert got.holes == []
    assert got.instrument.market == "bybit:LTC/USDT"


def test_a_finer_price_anywhere_makes_the_grid_finer(tmp_path: Path) -> None:
    lines = [f"{T},83.2,1,buy,{i}" for i in range(50_000)]
    lines[40_000] = f"{T},83.12345,1,buy,40000"
    got = read(plain(tmp_path, *lines))
    assert str(got.instrument.tick) == "0.00001"
    assert got.trades()[40_000][1] == 8_312_345
    assert got.instrument.inferred


def test_the_name_of_the_market(tmp_path: Path) -> None:
    nameless = written(tmp_path / "trades.csv", LTC)
    got = read(nameless)
    assert got.instrument.market == "file:TRADES"
    assert any("does not say which market" in n and "--as" in n for n in got.notices)
    named = read(nameless, market="kraken:LTC/USD")
    assert (named.instrument.market, named.instrument.base, named.instrument.quote) == ("kraken:LTC/USD", "LTC", "USD")
    assert not any("--as" in n for n in named.notices)
    inverse = read(nameless, market="deribit:BTC/USD:BTC", contract="10", lot="0.001", tick="0.01")
    assert (inverse.instrument.kind, inverse.instrument.amount(1500)) == ("inverse", 15.0)
    assert not inverse.instrument.inferred


def test_a_tick_that_is_no_power_of_ten(tmp_path: Path) -> None:
    lines = [f"{T},100.5,1,buy,1", f"{T},101.0,1,buy,2", f"{T},101.3,1,buy,3", f"{T},102,1,buy,4"]
    got = read(plain(tmp_path, *lines), tick="0.5", lot="1")
    assert [t[:2] for t in got.trades()] == [(1, 201), (2, 202), (4, 204)]
    assert got.holes == [(3, 1)]


def test_a_file_with_no_readable_line_is_an_error(tmp_path: Path) -> None:
    archive = open_archive([plain(tmp_path, "a,b,c,d,e", "f,g,h,i,j")])
    notices: list[str] = []
    with pytest.raises(SourceError, match="not one line"):
        list(archive.chunks(lambda _source, text: notices.append(text)))
    assert len(notices) >= 2


def test_reading_twice_gives_the_same_and_tells_once(tmp_path: Path) -> None:
    archive = open_archive([plain(tmp_path, f"{T},83.29,1,buy,1", "rubbish", f"{T},83.29,1,buy,3")])
    notices: list[str] = []
    first, second = ([c.rows for c in archive.chunks(lambda _s, text: notices.append(text))] for _ in range(2))
    assert np.array_equal(np.concatenate(first), np.concatenate(second))
    assert len(notices) == len(set(notices))


decimal_text = st.decimals(min_value=0, max_value=10**9, places=6, allow_nan=False).map(lambda d: f"{d:f}")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(decimal_text, st.integers(0, 10**17)), min_size=1, max_size=40), st.integers(0, 8))
def test_columns_agree_with_decimal(fields: list[tuple[str, int]], scale: int) -> None:
    block = "".join(f"{a},{b}\n" for a, b in fields).encode()
    table = cut.table(block, 1, 2)
    value, good, exact = cut.decimals(table.data, table.start[:, 0], table.end[:, 0], scale)
    integers, fine = cut.integers(table.data, table.start[:, 1], table.end[:, 1])
    needed = cut.significant_decimals(table.data, table.start[:, 0], table.end[:, 0])
    assert good.all()
    assert fine.all()
    for i, (text, number) in enumerate(fields):
        scaled = Decimal(text) * 10**scale
        assert value[i] == int(scaled)
        assert exact[i] == (scaled == int(scaled))
        assert integers[i] == number
        assert needed[i] == max(0, -int(Decimal(text).normalize().as_tuple().exponent))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 6))
def test_any_bytes_are_cut_without_a_crash(data: bytes, fields: int) -> None:
    table = cut.table(data, 1, fields)
    for column in range(fields):
        cut.decimals(table.data, table.start[:, column], table.end[:, column], 3)
        cut.integers(table.data, table.start[:, column], table.end[:, column])
    lines = [x for x in data.replace(b"\r\n", b"\n").split(b"\n") if x.strip() or (x and x.count(b",") == fields - 1)]
    assert len(table) + len(table.odd) == len(lines)


def test_units_of_time() -> None:
    for text in ("1750507467", "1750507467000", "1750507467000000", "1750507467000000000"):
        assert epoch_of(text) == 1_750_507_467_000_000_000
        assert nanoseconds(np.array([int(text)])).tolist() == [1_750_507_467_000_000_000]


def readings_equal(a: Reading, b: Reading) -> bool:
    return bool(np.array_equal(a.rows, b.rows))


def test_the_cut_of_blocks_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        f"{T + i},{80 + i % 7}.{i % 100:02d},{i % 90 + 1},{'buy' if i % 2 else 'sell'},{i + i // 50}"
        for i in range(3000)
    ]
    path = plain(tmp_path, *lines)
    whole = read(path)
    monkeypatch.setattr("connectors.archives.opening._PIECE", 977)
    assert readings_equal(read(path), whole)
    assert len(whole.holes) == 59


def test_a_damaged_time_does_not_carry_the_clock_away(tmp_path: Path) -> None:
    lines = [f"{T + i},83.29,1,buy,{i}" for i in range(30_000)]
    for i, text in (
        (2, "1950507467356"),
        (9_999, "1350507467356"),
        (20_000, "1850507467356"),
        (25_000, "9750507467356"),
    ):
        lines[i] = f"{text},83.29,1,buy,{i}"
    got = read(plain(tmp_path, *lines))
    assert got.holes == [(2, 1), (9_999, 1), (20_000, 1), (25_000, 1)]
    assert int(got.rows["ts"].max()) == NS + 29_999 * 1_000_000
    assert any("3 trades were dropped: their times" in n for n in got.notices)
    assert [n for n in got.notices if "LTCUSDT_x.csv:25002: skipped: time '9750507467356' is none of a market" in n]


def test_sparse_trades_are_not_out_of_place(tmp_path: Path) -> None:
    lines = [f"{T + i * 5 * 86_400_000},83.29,1,buy,{i}" for i in range(3000)]
    assert len(read(plain(tmp_path, *lines)).trades()) == 3000
    assert len(read(plain(tmp_path, *lines[:3])).trades()) == 3


@pytest.mark.parametrize("time", ["99999999999999", "99999999999", "1", "0", "18446744073709551615", "1e400"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, time: str) -> None:
    got = read(plain(tmp_path, f"{T},83.29,1,buy,1", f"{time},83.29,1,buy,2", f"{T},83.29,1,buy,3"))
    assert got.holes == [(2, 1)]
    assert [n for n in got.notices if "LTCUSDT_x.csv:3: skipped" in n]
