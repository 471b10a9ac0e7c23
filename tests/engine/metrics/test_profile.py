from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.metrics.profile import SPAN, Ledger, Profile
from engine.metrics.value_area import binned, point_of_control, value_area
from tests.engine.metrics.cuts import Event, Fill, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import DAY, LINEAR, SECOND, in_span, instants, random_tape

FIELDS = [f"{name}:{width}" for name in ("poc", "vah", "val") for width in (1, 10)]


def slow_area(volume_at: dict[int, int], percent: int = 70) -> tuple[int, int, int]:
    """(poc, low, high) rows by the definition, one row at a time."""
    total = sum(volume_at.values())
    mean = Fraction(sum(r * v for r, v in volume_at.items()), total)
    most = max(volume_at.values())
    poc = min((r for r, v in volume_at.items() if v == most), key=lambda r: (abs(r - mean), r))
    low = high = poc
    bottom, top = min(volume_at), max(volume_at)
    covered = most
    while 100 * covered < percent * total:
        above = volume_at.get(high + 1, 0) if high < top else -1
        below = volume_at.get(low - 1, 0) if low > bottom else -1
        if above >= below:
            high, covered = high + 1, covered + above
        else:
            low, covered = low - 1, covered + below
    return poc, low, high


def fast_area(volume_at: dict[int, int]) -> tuple[int, int, int]:
    rows = np.array(sorted(volume_at), np.int64)
    volumes = np.array([volume_at[r] for r in rows.tolist()], np.int64)
    poc = point_of_control(rows, volumes)
    low, high = value_area(rows, volumes, poc)
    return int(rows[poc]), int(rows[low]), int(rows[high])


def test_golden_value_area() -> None:
    assert fast_area({1: 5, 2: 20, 3: 40, 4: 25, 5: 10}) == (3, 2, 4)
    assert fast_area({7: 1}) == (7, 7, 7)
    assert fast_area({1: 10, 2: 10, 3: 10}) == (2, 1, 3)  # tie: nearest the mean, then above first
    assert fast_area({1: 10, 2: 10}) == (1, 1, 2)  # equally near: the lower
    assert fast_area({1: 4, 2: 9, 100: 10}) == (100, 2, 100)  # over the empty rows


@settings(max_examples=300)
@given(st.dictionaries(st.integers(-30, 30), st.integers(1, 12), min_size=1, max_size=40))
def test_value_area_is_the_greedy_one(volume_at: dict[int, int]) -> None:
    assert fast_area(volume_at) == slow_area(volume_at)


def test_rows_of_several_ticks_floor_towards_minus_infinity() -> None:
    rows, volumes = binned(np.array([-11, -10, -1, 0, 9, 10]), np.array([1, 2, 4, 8, 16, 32]), 10)
    assert rows.tolist() == [-2, -1, 0, 1]
    assert volumes.tolist() == [1, 6, 24, 32]


def expected(field: str, events: list[Event], t: int) -> float:
    name, width = field.split(":")
    volume_at: Counter[int] = Counter()
    for f in in_span(events, t, "session"):
        volume_at[f.px // int(width)] += f.qty
    if not volume_at:
        return math.nan
    poc, low, high = slow_area(volume_at)
    row = {"poc": poc, "val": low, "vah": high}[name]
    ticks = row * int(width) + (int(width) - 1 if name == "vah" else 0)
    return ticks / 100


@pytest.mark.parametrize("seed", range(3))
def test_every_instant_equals_the_definition_and_any_cut_gives_the_same(seed: int) -> None:
    rng = random.Random(seed)
    events = random_tape(rng, 70)
    times = instants(rng, events)
    whole = fold(lambda: Profile(LINEAR), events, [], FIELDS, times)
    for field in FIELDS:
        np.testing.assert_array_equal(whole[field], [expected(field, events, int(t)) for t in times], err_msg=field)
    for cuts in [every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(3))]:
        cut = fold(lambda: Profile(LINEAR), events, cuts, FIELDS, times)
        for field in FIELDS:
            assert cut[field].tobytes() == whole[field].tobytes(), field


def test_sampling_an_earlier_instant_leaves_the_present_as_it_is() -> None:
    t = 20_000 * DAY - SECOND
    profile = Profile(LINEAR)
    profile.update(batch_of([Fill(t, 5, 1, 100), Fill(t + 1, 9, -1, 200)], t))
    profile.advance(t)
    profile.update(batch_of([Fill(t + SECOND, 2, -1, 300)], t))  # the next day
    assert profile.poc() == 300
    assert profile.sample("poc:1", np.array([t, t + 1, t + SECOND])).tolist() == [1.0, 2.0, 3.0]
    assert profile.poc() == 300
    assert profile.at(np.array([300, 200, 100])) == ([2, 0, 0], [0, 0, 0])
    assert profile.sample("poc:1", np.array([t, t + 1])).tolist() == [1.0, 2.0]


def test_ladder_rows_round_sells_down_and_buys_up() -> None:
    t = 20_000 * DAY
    events: list[Event] = [
        Fill(t, 1, 1, 100),
        Fill(t, 2, -1, 100),
        Fill(t, 4, 1, 101),
        Fill(t, 8, -1, 101),
        Fill(t, 16, 1, 105),
        Fill(t, 32, 0, 105),
    ]
    profile = Profile(LINEAR)
    assert profile.poc() is None
    assert profile.at(np.array([100])) == ([0], [0])
    profile.update(batch_of(events, t))
    for _ in range(2):  # as pending trades, then as booked ones
        assert profile.at(np.array([105, 101, 100, 99])) == ([0, 8, 2, 0], [16, 4, 1, 0])
        assert profile.at(np.array([105, 100, 95]), 5) == ([0, 10, 0], [20, 1, 0])
        assert profile.poc() == 105
        profile.advance(t)
    sold, bought = profile.at(np.arange(90, 110), 1)
    assert (sum(sold), sum(bought)) == (10, 21)
    assert profile.at(np.empty(0, np.int64), 5) == ([], [])


def test_ladder_equals_a_plain_count_at_any_grouping() -> None:
    rng = random.Random(4)
    events = [e for e in random_tape(rng, 200, start=20_000 * DAY) if isinstance(e, Fill)]
    profile = Profile(LINEAR)
    profile.update(batch_of(events, 0))
    middle = events[-1].px
    for group in (1, 2, 5, 50):
        rows = [(middle // group + k) * group for k in range(40, -40, -1)]
        sold, bought = profile.at(np.array(rows), group)
        assert sold == [sum(e.qty for e in events if e.side < 0 and r <= e.px < r + group) for r in rows]
        assert bought == [sum(e.qty for e in events if e.side > 0 and r - group < e.px <= r) for r in rows]


def test_freak_prices_neither_lose_volume_nor_take_memory() -> None:
    t = 20_000 * DAY
    far = [1 << 52, 1, 300_000 + SPAN, 300_000 - SPAN // 2 - 1]
    for first in (300_000, 1 << 52):
        profile = Profile(LINEAR)
        events: list[Event] = [Fill(t, 1, 1, first)]
        events += [Fill(t, 3, -1, p) for p in far] + [Fill(t, 2, 1, 300_000 + i % 9_000) for i in range(18_000)]
        profile.update(batch_of(events, t))
        profile.advance(t)
        sold, bought = profile.at(np.array([*far, 300_000, 308_999]))
        assert sold == [3, 3, 3, 3, 0, 0]
        assert bought == [int(first == 1 << 52), 0, 0, 0, 4 + (first == 300_000), 4]
        state = profile.state()["ledger"]
        assert state["volume"] == 1 + 12 + 36_000
        assert len(state["prices"]) >= 9_000  # the dense part has found the market
        again = Profile(LINEAR)
        again.restore(profile.state())
        for field in FIELDS:
            wanted = expected(field, events, t)
            assert profile.sample(field, np.array([t]))[0] == wanted == again.sample(field, np.array([t]))[0]


def test_sums_beyond_64_bits() -> None:
    t = 20_000 * DAY
    huge = 1 << 53
    events: list[Event] = [Fill(t + i, huge, (1, -1)[i % 2], 100 + i % 3) for i in range(3_000)]
    profile = Profile(LINEAR)
    for i in range(0, 3_000, 500):
        profile.update(batch_of(events[i : i + 500], t))
        profile.advance(t + i)
    sold, bought = profile.at(np.array([100, 101, 102]))
    assert sum(sold) == sum(bought) == 1_500 * huge
    assert profile.poc() == 101  # all equal: nearest the mean


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 50), st.sampled_from([1 << 40, (1 << 40) + SPAN, 5 * SPAN])),
            st.integers(1, 9),
            st.sampled_from([-1, 0, 1]),
        ),
        min_size=1,
    )
)
def test_ledger_takes_back_what_it_booked(trades: list[tuple[int, int, int]]) -> None:
    px, qty, side = (np.array(column, np.int64) for column in zip(*trades, strict=True))
    ledger = Ledger()
    half = len(trades) // 2
    ledger.add(px[:half], qty[:half], side[:half])
    before = [column.tolist() for column in ledger.levels()]
    ledger.add(px[half:], qty[half:], side[half:])
    counted: Counter[int] = Counter()
    for p, q, _ in trades:
        counted[p] += q
    prices, volumes = ledger.levels()
    assert dict(zip(prices.tolist(), volumes.tolist(), strict=True)) == counted
    assert prices.tolist() == sorted(counted)
    ledger.add(px[half:], qty[half:], side[half:], -1)
    assert [column.tolist() for column in ledger.levels()] == before
