"""OHLCV bars from JSON: what is read, and what is said of files that are none."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.archives import open_archive
from connectors.archives.bars import looks_like_bars, read_bars
from engine.feed import SourceError
from tests.real_data import data_file

Bar = dict[str, Any]
T0 = 1_583_971_200  # 2020-03-12 00:00:00 UTC


def bar(minute: int, close: object = 100.5, volume: object = 7, **more: object) -> Bar:
    stamp = f"2020-03-12T{minute // 60:02}:{minute % 60:02}:00.000Z"
    prices = {"open": 99, "high": 101, "low": 100, "close": close}
    return {"timestamp": stamp, "symbol": "XBTUSD", **prices, "trades": 3, "volume": volume, **more}


def write(path: Path, bars: object) -> Path:
    path.write_bytes(gzip.compress(json.dumps(bars).encode()))
    return path


def quiet(source: str, text: str) -> None:
    raise AssertionError(f"{source}: {text}")


def test_files_are_put_in_order_of_time_and_numbers_are_exact(tmp_path: Path) -> None:
    late = write(tmp_path / "a.json.gz", [bar(4), bar(3, volume=0.25)])
    early = write(tmp_path / "b.json.gz", [bar(1, 100.125), bar(2, None, 0, open=None, high=None, low=None)])
    assert looks_like_bars(late)
    bars = read_bars([late, early], quiet)
    assert (bars.market, bars.step, bars.tick, bars.lot) == ("XBTUSD", 60 * 10**9, Decimal("0.001"), Decimal("0.01"))
    assert (bars.end // 10**9 - T0).tolist() == [60, 180, 240]
    assert bars.close.tolist() == [100_125, 100_500, 100_500]
    assert bars.open.tolist() == [99_000] * 3  # below the low: the close before it
    assert bars.volume.tolist() == [700, 25, 700]


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ([bar(1), bar(1)], "bar 2: '2020-03-12T00:01:00.000Z' is also earlier in it; give each bar once"),
        ([bar(1), bar(2, symbol="ETHUSD")], r"several markets \('ETHUSD', 'XBTUSD'\)"),
        ([bar(1)], "holds 1 bars with prices"),
        ([bar(1), bar(2, -3)], "bar 2: close is -3"),
        ([bar(1), bar(2, None)], "bar 2: has volume and no price"),
        ([bar(1), bar(2, 500)], "closes beyond its high or low"),
        ([bar(1), bar(2, timestamp="noon")], "bar 2: timestamp 'noon' is no time"),
        ([bar(1), bar(2, timestamp="1970-01-01T00:00:00Z")], "outside 2009 to 2099"),
        ([bar(1), bar(2), bar(3), bar(4, timestamp="2020-03-12T00:03:30Z")], "multiples of 60 s"),
        ([bar(1), bar(2, 100.1234567890123)], "decimals"),
        ([bar(1), {"timestamp": "x"}], "not readable as bars"),
        ([], "empty list"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, bars: list[Bar], said: str) -> None:
    path = write(tmp_path / "x.json.gz", bars)
    with pytest.raises(SourceError, match=said) as caught:
        read_bars([path], quiet)
    assert str(path) in str(caught.value)


def test_other_files_are_not_taken_for_bars(tmp_path: Path) -> None:
    for i, text in enumerate(('{"a":1}', "timestamp,open,close\n1,2,3\n", '[{"p":"1"}]', '[{"open":1}]')):
        path = tmp_path / str(i)
        path.write_text(text)
        assert not looks_like_bars(path)
    with pytest.raises(SourceError, match="no such file"):
        looks_like_bars(tmp_path / "none")


def test_real_bars_are_whole() -> None:
    names = [f"xbtusd_1m/2020-3-{day}.json.gz" for day in (12, 10, 11)]
    bars = read_bars([data_file(name) for name in names], quiet)
    assert (len(bars), bars.tick, bars.lot, bars.market) == (4_320, Decimal("0.1"), Decimal(1), "XBTUSD")
    assert bars.days == 3


def test_where_trades_are_wanted_bars_are_sent_to_the_study(tmp_path: Path) -> None:
    file = tmp_path / "bars.json"
    file.write_text('[{"timestamp": "2020-03-12T00:01:00Z", "open": 1, "high": 1, "low": 1, "close": 1, "volume": 1}]')
    with pytest.raises(SourceError, match="holds bars, not trades: `flowtape study` reads them"):
        open_archive([file])
