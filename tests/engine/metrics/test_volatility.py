"""Realised volatility against plain sums over plain seconds."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.metrics.names import MetricError, parse_metric
from engine.metrics.seconds import SECOND, YEAR_S
from engine.metrics.volatility import RealisedVolatility
from tests.engine.metrics.cuts import Event, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.mids import mids_until, random_walk, seconds_and_between
from tests.engine.metrics.tapes import LINEAR

NAMES = ("rv", "rv_5s", "bipower", "jump", "signature")


def returns_of(mids: dict[int, int], step: int) -> dict[int, float]:
    return {t: math.log(m) - math.log(mids[t - step]) for t, m in mids.items() if t - step in mids}


def reference(mids: dict[int, int], t: int, window: int) -> dict[str, float]:
    """Straight from the definitions."""
    inside = [s for s in mids if t - window < s <= t]
    one, five, thirty = (returns_of(mids, k * SECOND) for k in (1, 5, 30))
    r1 = [one[s] for s in inside if s in one]
    if len(r1) < min(30, window // SECOND):
        return dict.fromkeys(NAMES, math.nan)
    products = [
        abs(one[s] * one[s - SECOND]) for s in inside if s in one and s - SECOND in one and s - SECOND > t - window
    ]
    r5 = [five[s] for s in inside if s in five]
    r30 = [thirty[s] for s in inside if s in thirty and s % (30 * SECOND) == 0]
    rv = sum(r * r for r in r1) / len(r1)
    bv = math.pi / 2 * sum(products) / len(products) if products else math.nan
    v5 = sum(r * r for r in r5) / (5 * len(r5)) if r5 else math.nan
    v30 = sum(r * r for r in r30) / (30 * len(r30)) if r30 else math.nan
    return {
        "rv": math.sqrt(rv * YEAR_S),
        "rv_5s": math.sqrt(v5 * YEAR_S),
        "bipower": math.sqrt(bv * YEAR_S),
        "jump": max(0.0, 1 - bv / rv) if rv else math.nan,
        "signature": rv / v30 if v30 else math.nan,
    }


def fields_of(windows: Sequence[int]) -> list[str]:
    return [f"{name}:{w * SECOND}" for w in windows for name in NAMES]


def make() -> RealisedVolatility:
    return RealisedVolatility(LINEAR)


@pytest.mark.parametrize("seed", range(4))
def test_values_are_those_of_the_definitions(seed: int) -> None:
    rng = random.Random(seed)
    events = random_walk(rng)
    times = seconds_and_between(rng, events)
    windows = (5, 60, 97, 300)
    values = fold(make, events, random_cuts(rng, len(events)), fields_of(windows), times)
    known = 0
    for i, t in enumerate(times.tolist()):
        mids = mids_until(events, t)
        for window in windows:
            for name, wanted in reference(mids, t, window * SECOND).items():
                found = values[f"{name}:{window * SECOND}"][i]
                assert found == pytest.approx(wanted, rel=2e-7, abs=1e-7, nan_ok=True), (name, window, t)
                known += not math.isnan(wanted)
    assert known > 100


@pytest.mark.parametrize("seed", range(6))
def test_values_do_not_depend_on_the_cut(seed: int) -> None:
    rng = random.Random(100 + seed)
    events = random_walk(rng, 300)
    times, fields = seconds_and_between(rng, events, 100), fields_of((3, 60, 200))
    whole = fold(make, events, [], fields, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        again = fold(make, events, cuts, fields, times)
        for field in fields:
            assert again[field].tobytes() == whole[field].tobytes()


def steady(mids: Sequence[int]) -> list[Event]:
    """A book that has these mids (bid + ask, even) on successive seconds."""
    return [Touch(1_000 * SECOND + i * SECOND, m // 2 - 1, 1, m // 2 + 1, 1) for i, m in enumerate(mids)]


def value(events: Sequence[Event], field: str) -> float:
    return float(fold(make, events, [], [field], np.array([events[-1].t]))[field][0])


def test_a_price_that_alternates_is_all_noise_and_one_that_jumps_once_is_all_jump() -> None:
    flips = steady([20_000, 20_020] * 61)
    assert math.isnan(value(flips, f"signature:{60 * SECOND}"))  # it never moves in 30 s
    r = math.log(20_020 / 20_000)
    assert value(flips, f"rv:{60 * SECOND}") == pytest.approx(abs(r) * math.sqrt(YEAR_S), rel=1e-12)
    assert value(flips, f"bipower:{60 * SECOND}") == pytest.approx(abs(r) * math.sqrt(math.pi / 2 * YEAR_S), rel=1e-12)
    once = steady([20_000] * 40 + [20_400] * 40)
    assert value(once, f"jump:{60 * SECOND}") == 1.0
    assert value(once, f"bipower:{60 * SECOND}") == 0.0


def test_a_price_that_trends_has_a_low_signature_and_a_quiet_window_is_exactly_zero() -> None:
    trend = steady([2 * round(1_000_000 * math.exp(1e-4 * i)) for i in range(121)])
    assert value(trend, f"signature:{60 * SECOND}") == pytest.approx(1 / 30, rel=1e-2)
    after = steady([20_000, 40_000] * 40 + [20_000] * 70)
    assert value(after, f"rv:{60 * SECOND}") == 0.0
    assert math.isnan(value(after, f"jump:{60 * SECOND}"))
    assert math.isnan(value(after, f"signature:{60 * SECOND}"))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=40, max_size=80), st.integers(2, 9))
def test_neither_the_unit_of_price_nor_the_direction_of_time_matters(steps: list[int], scale: int) -> None:
    mids = [2 * (50_000 + sum(steps[:i])) for i in range(len(steps) + 1)]
    field = f"rv:{len(steps) * SECOND}"
    base = value(steady(mids), field)
    assert value(steady([m * scale for m in mids]), field) == pytest.approx(base, rel=1e-12)
    assert value(steady(mids[::-1]), field) == pytest.approx(base, rel=1e-12)


def test_a_silent_book_is_unknown_after_five_minutes_and_costs_no_memory() -> None:
    events = [*steady([20_000] * 60), Touch(10**18, 10_000, 1, 10_002, 1)]
    calculator = make()
    calculator.sample(f"rv:{60 * SECOND}", np.empty(0, np.int64))
    calculator.update(batch_of(events, 0))
    assert len(calculator.state()["rows"][0]) < 400
    t = events[-2].t
    values = calculator.sample(f"rv:{60 * SECOND}", np.array([t, t + 300 * SECOND, t + 340 * SECOND]))
    assert values[:2].tolist() == [0.0, 0.0]
    assert math.isnan(values[2])


@pytest.mark.parametrize("text", ["rv(1500ms)", "rv(1s)", "rv(8d)", "signature(30s)", "rv_5s(5s)"])
def test_windows_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(MetricError, match="whole seconds"):
        parse_metric(text)


def test_a_state_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not one of"):
        make().restore({"kind": "flow", "version": 1})
