"""Bulk VPIN over bars: known answers, and nothing that looks ahead where it says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest

from engine.metrics.bulk import BulkVpin
from engine.metrics.windows import DAY
from engine.study.bars import OhlcvBars, bars_tables, bulk_run, causal_sizes, deepest_hour, span_sizes

MINUTE = 60_000_000_000
MIDNIGHT = 19_700 * DAY


def bars_of(close: Sequence[int], volume: Sequence[int], first: int = MIDNIGHT + MINUTE) -> OhlcvBars:
    prices = np.array(close, np.int64)
    end = first + MINUTE * np.arange(len(prices), dtype=np.int64)
    lots = np.array(volume, np.int64)
    return OhlcvBars("X", MINUTE, Decimal("0.5"), Decimal(1), end, prices, prices, prices, prices, lots)


def walk(n: int, seed: int = 1) -> OhlcvBars:
    rng = np.random.default_rng(seed)
    return bars_of((10_000 + np.cumsum(rng.integers(-5, 6, n))).tolist(), rng.integers(0, 50, n).tolist())


def test_a_run_is_the_calculator_fed_with_all_bars() -> None:
    bars = walk(3_000)
    run = bulk_run(bars, span_sizes(bars, 500), "t1")
    bulk, last = BulkVpin(50, MINUTE, "t1"), {}
    size = round(int(bars.volume.sum()) / (3_000 / 1_440) / 500)
    for end, close, volume in zip(bars.end.tolist(), bars.close.tolist(), bars.volume.tolist(), strict=True):
        for value in bulk.add(end, close, volume, size):
            if not math.isnan(value):
                last[end] = value
    assert dict(run.values) == last
    assert run.highest is not None
    assert run.highest[0] >= max(last.values())
    known = [p for p in run.percentiles if not math.isnan(p)]
    assert known
    values = [value for _, value in run.values]
    i = len(values) - 1
    assert known[-1] == pytest.approx(
        (sum(v < values[i] for v in values[:i]) + sum(v == values[i] for v in values[:i]) / 2) / i, abs=0.01
    )


def test_percentiles_and_causal_sizes_do_not_know_the_future() -> None:
    bars = walk(6_000)
    cut = 4_000
    part = OhlcvBars("X", MINUTE, bars.tick, bars.lot, *(c[:cut] for c in (bars.end, *[bars.close] * 4, bars.volume)))
    whole, seen = (bulk_run(b, causal_sizes(b, 500), "normal") for b in (bars, part))
    n = len(seen.values)
    assert n > 250
    assert whole.values[:n] == seen.values
    np.testing.assert_array_equal(whole.percentiles[:n], seen.percentiles)


def test_causal_sizes_are_parts_of_the_days_before() -> None:
    volume = [1] * 1_440 + [3] * 1_440 + [9] * 10
    bars = bars_of([100] * len(volume), volume)
    sizes = list(causal_sizes(bars, 10))
    assert sizes[:1_440] == [None] * 1_440
    assert set(sizes[1_440:2_880]) == {144}
    weight = 2 ** (-1 / 7)
    assert set(sizes[2_880:]) == {round(weight * 1_440 + (1 - weight) * 4_320) // 10}
    late = bars_of([100] * 3_000, [1] * 3_000, MIDNIGHT + 10 * MINUTE)
    known = [size for size in causal_sizes(late, 10) if size is not None]
    assert len(known) == 3_000 - (1_440 - 9) - 1_440  # the day that had begun before is no whole day


def test_the_deepest_hour_is_found() -> None:
    close = [1_000] * 100
    close[70:] = [500] * 30
    bars = bars_of(close, [1] * 100)
    fall, at = deepest_hour(bars)
    assert fall == pytest.approx(math.log(0.5))
    assert at == int(bars.end[70])
    assert deepest_hour(bars_of([5, 4], [1, 1])) == (None, None)


def test_all_tables_come_with_a_reading_and_progress() -> None:
    told: list[tuple[int, int]] = []
    tables = bars_tables(walk(2_000), lambda done, all_: told.append((done, all_)))
    assert [table.key for table in tables] == ["bars", "bulk_vpin", "var_backtest"]
    assert all(table.reading for table in tables)
    assert len(tables[1].rows) == 20
    assert told == [(i, 20) for i in range(1, 21)]


@pytest.mark.parametrize(
    ("close", "volume", "first", "said"),
    [
        ([1, 2], [1, -1], MIDNIGHT, "volume below 0"),
        ([0, 2], [1, 1], MIDNIGHT, "price of 0"),
        ([1, 2], [1, 1], MIDNIGHT + 1, "multiples of 60 s"),
        ([], [], MIDNIGHT, "at least one row"),
    ],
)
def test_what_cannot_be_is_refused(close: list[int], volume: list[int], first: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bars_of(close, volume, first)
