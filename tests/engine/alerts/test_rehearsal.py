"""Looking back: what a rule would have done, and the level that calls so often a day."""

from __future__ import annotations

import numpy as np
import pytest

from engine.alerts.language import parse_condition, parse_quantity
from engine.alerts.quantity import Number
from engine.alerts.rehearsal import level_for, rehearse, summarise, with_level, without_hysteresis
from engine.alerts.rule import Rule, compile_rule

SECOND = 1_000_000_000
HOUR = 3600
TIMES = np.arange(HOUR, dtype=np.int64) * SECOND
#: A spike of 1 s every minute, of heights 1 ... 60 in no order.
HEIGHTS = np.random.default_rng(1).permutation(np.arange(1.0, 61.0))
CVD = np.zeros(HOUR)
CVD[30::60] = HEIGHTS
VALUES = {"cvd(session)": CVD, "last": np.full(HOUR, 5.0)}


def rule(when: str, **more: str) -> Rule:
    return compile_rule("r", when, **more)


def test_episodes_are_counted_and_measured() -> None:
    did = rehearse(rule("cvd >= 51", cooldown="3m"), TIMES, VALUES)
    assert did.episodes == 10
    assert did.longest == SECOND
    assert did.observed == (HOUR - 1) * SECOND
    assert did.per_day == pytest.approx(240, rel=0.001)
    assert 0 < did.suppressed < 10
    assert rehearse(rule("cvd >= 51", hold="2s"), TIMES, VALUES).episodes == 0
    assert rehearse(rule("cvd >= 51 and last < 5"), TIMES, VALUES).episodes == 0


def test_what_runs_at_the_end_counts_and_the_unknown_is_not_observed() -> None:
    values = {"cvd(session)": np.where(TIMES < 1800 * SECOND, np.nan, 3.0)}
    did = rehearse(rule("cvd > 2"), TIMES, values)
    assert (did.episodes, did.longest, did.observed) == (1, 1799 * SECOND, 1799 * SECOND)
    nothing = rehearse(rule("cvd > 2"), TIMES, {"cvd(session)": np.full(HOUR, np.nan)})
    assert (nothing.episodes, nothing.per_day) == (0, None)
    assert rehearse(rule("cvd > 2"), TIMES[:0], {"cvd(session)": CVD[:0]}).per_day is None
    assert summarise([], None, 5).per_day is None


@pytest.mark.parametrize(("wanted", "level"), [(24, 60.0), (240, 51.0), (480, 41.0)])
def test_the_level_for_so_many_a_day_calls_that_often_and_a_lower_one_more(wanted: float, level: float) -> None:
    found = level_for(rule("cvd >= 5 and last > 1", rearm="2"), TIMES, VALUES, wanted * 1.01)
    assert found is not None
    assert found[1].per_day is not None
    assert found[1].per_day <= wanted * 1.01
    assert found[0] >= level
    # Levels are looked for at the finer places of the upper tail, so it is close to the least strict one.
    assert found[0] <= level * 1.35
    below = level_for(rule("cvd <= -5"), TIMES, {"cvd(session)": -CVD}, wanted * 1.01)
    assert below is not None
    assert below[0] == -found[0]


def test_levels_that_are_factors_are_moved_with_their_rearm() -> None:
    spread = rule("spread_bps > 3 * median(spread_bps,1d)", rearm="2 * median(spread_bps,1d)")
    moved = with_level(spread, 6.0)
    assert moved is not None
    assert moved.condition == parse_condition("spread_bps > 6.0 * median(spread_bps,1d)")
    assert moved.rearm == parse_quantity("4.0 * median(spread_bps,1d)")
    values = {"spread_bps": CVD + 1, "median(spread_bps,1d)": np.full(HOUR, 2.0)}
    found = level_for(spread, TIMES, values, 250)
    assert found is not None
    assert 20 <= found[0] <= 31  # half the heights
    plain = with_level(rule("cvd > 4", rearm="2"), 8.0)
    assert plain is not None
    assert (plain.condition, plain.rearm) == (parse_condition("cvd > 8.0"), Number(4.0))


@pytest.mark.parametrize(
    "when", ["last crosses 5", "cvd inside [1, 2]", "cvd > 1 or last > 2", "count(cvd > 1, 1m) >= 2"]
)
def test_where_there_is_no_level_to_move(when: str) -> None:
    assert with_level(rule(when), 1.0) is None
    assert level_for(rule(when), TIMES, VALUES, 1.0) is None


def test_without_hysteresis_an_episode_ends_with_its_condition() -> None:
    bare = without_hysteresis(rule("cvd > 4", rearm="2", keep_firing_for="1m", cooldown="5s", hold="0s"))
    assert (bare.rearm, bare.keep, bare.cooldown) == (None, 0, 5 * SECOND)
