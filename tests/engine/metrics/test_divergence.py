"""Divergence of price and CVD against the definition, and the base rate of a threshold."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.base_rate import expected_per_day, mean_episode_length
from engine.metrics.divergence import Divergence
from tests.engine.metrics.cuts import Event, Fill, every_event, fold, random_cuts
from tests.engine.metrics.tapes import SECOND, fills_until, in_span, instants, random_tape

WINDOWS = (3 * SECOND, 20 * SECOND)
FIELDS = tuple(str(w) for w in WINDOWS)


def reference(events: list[Event], t: int, window: int) -> float:
    before, inside = fills_until(events, t - window), in_span(events, t, window)
    squares = sum(f.qty**2 for f in inside if f.side)
    if not before or not squares:
        return math.nan
    net = sum(f.qty * f.side for f in inside)
    if abs(net) / math.sqrt(squares) <= 2:
        return 0
    move = inside[-1].px - before[-1].px
    return math.copysign(1, net) if (move > 0) - (move < 0) != (net > 0) - (net < 0) else 0


def flow(rng: random.Random, count: int) -> list[Event]:
    """Takers that stay on one side for a while, at prices that do not always follow."""
    events, side = [], 1
    for e in random_tape(rng, count):
        if isinstance(e, Fill):
            side = -side if rng.random() < 0.08 else side
            events.append(
                replace(e, qty=rng.randint(1, 9), side=side if rng.random() < 0.9 else rng.choice((0, -side)))
            )
    return list(events)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition_and_no_cut_changes_it(seed: int) -> None:
    rng = random.Random(seed)
    events = flow(rng, 250)
    times = instants(rng, events)
    whole = fold(Divergence, events, [], FIELDS, times, restore=False)
    for window in WINDOWS:
        expected = [reference(events, t, window) for t in times.tolist()]
        np.testing.assert_array_equal(whole[str(window)], expected)
    assert {-1, 0, 1} <= set(np.concatenate(list(whole.values())).tolist())
    mirrored = [replace(e, side=-e.side, px=10**6 - e.px) for e in events if isinstance(e, Fill)]
    for name, values in fold(Divergence, mirrored, [], FIELDS, times).items():
        np.testing.assert_array_equal(values, -whole[name])
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        cut = fold(Divergence, events, cuts, FIELDS, times)
        assert all(cut[name].tobytes() == whole[name].tobytes() for name in FIELDS)


def test_two_standard_deviations_are_not_more_than_two() -> None:
    buys: list[Event] = [Fill(1, 1, 1, 100), *(Fill(10 + k, 1, 1, 100) for k in range(5))]
    values = fold(Divergence, buys, [], ("9",), np.array([1, 10, 13, 14]))["9"]
    np.testing.assert_array_equal(values, [math.nan, 0, 0, 1])  # 1, 4 and 5 buys of 1: z is 1, 2, sqrt(5)


def test_a_price_that_goes_with_the_takers_does_not_diverge() -> None:
    events: list[Event] = [Fill(1, 1, 1, 100), *(Fill(10 + k, 1, 1, 101 + k) for k in range(9))]
    assert fold(Divergence, events, [], ("9",), np.array([18]))["9"].tolist() == [0]


# ---- base rate


def test_the_99th_percentile_of_50_values_a_day_comes_every_other_day() -> None:
    assert expected_per_day(0.99, 50, 1) == pytest.approx(0.5)
    assert expected_per_day(0.99, 50, 5) == pytest.approx(0.1)
    # Andersen & Bondarenko's reading: the 96.9 % quantile of daily maxima, 252 trading days, about 8 a year
    assert 252 * expected_per_day(0.969, 1, 1) == pytest.approx(8, abs=0.3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.floats(0, 1), st.floats(0, 1))
def test_it_predicts_the_number_of_episodes_in_its_own_history(values: list[float], one: float, other: float) -> None:
    rearm, fire = sorted((one, other))
    mean = mean_episode_length(values, fire, rearm)
    share = sum(v >= fire for v in values) / len(values)
    armed, episodes = True, 0
    for v in values:
        if armed and v >= fire:
            armed, episodes = False, episodes + 1
        armed = armed or v < rearm
    if mean is None:
        assert episodes == 0
    else:
        assert expected_per_day(1 - share, len(values), mean) == pytest.approx(episodes)


def test_episodes() -> None:
    assert mean_episode_length([0.5, 0.99, 0.95, 0.995, 0.8, 0.99, math.nan, 0.99], 0.99, 0.9) == 2
    assert mean_episode_length([0.5, 0.9], 0.99, 0.9) is None
    assert all(a > b for a, b in pairwise(expected_per_day(p, 50, 2) for p in (0.9, 0.95, 0.99)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_per_day(1.1, 50, 1), "percentile"),
        (lambda: expected_per_day(0.99, math.nan, 1), "values of a day"),
        (lambda: expected_per_day(0.99, 50, 0.5), "at least one"),
        (lambda: mean_episode_length([], 0.9, 0.99), "re-arm"),
    ],
)
def test_impossible_numbers_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
