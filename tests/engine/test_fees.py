"""Tiers, own volume, and what makers and takers pay."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fees import (
    DAY,
    FeeSchedule,
    FeeTier,
    OwnFill,
    break_even_fill,
    chase_cost,
    filled_maker_cost,
    taker_cost,
    traded_volume,
)

TIERS = (FeeTier(0, 10, 10), FeeTier(1_000_000, 9, 10), FeeTier(5_000_000, 8, 9.5), FeeTier(20_000_000, -0.5, 7))


@pytest.mark.parametrize(
    ("volume", "tier"), [(0, 0), (999_999.99, 0), (1_000_000, 1), (4_999_999, 1), (5_000_000, 2), (9e12, 3)]
)
def test_the_tier_starts_at_its_volume(volume: float, tier: int) -> None:
    assert FeeSchedule(TIERS, volume).tier == TIERS[tier]


def test_the_way_to_the_next_tier() -> None:
    step = FeeSchedule(TIERS, 3_000_000).next_tier(monthly_maker=2_000_000, monthly_taker=4_000_000)
    assert step is not None
    assert (step.tier, step.missing) == (TIERS[2], 2_000_000)
    assert step.saving == pytest.approx(2_000_000 * 1e-4 + 4_000_000 * 0.5e-4)
    assert step.price == pytest.approx(2_000)
    assert step.months_to_pay_back == pytest.approx(2_000 / 400)
    assert FeeSchedule(TIERS, 20_000_000).next_tier() is None
    idle = FeeSchedule(TIERS).next_tier()
    assert idle is not None
    assert idle.months_to_pay_back is None


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ((), "at least one"),
        ((FeeTier(5, 1, 1),), "start at a volume of 0"),
        ((FeeTier(0, 1, 1), FeeTier(7, 1, 1), FeeTier(7, 0, 0)), "7 comes after 7"),
        ((FeeTier(0, 1, 1001),), "taker fee"),
        ((FeeTier(0, math.nan, 1),), "maker fee"),
        ((FeeTier(0, 1, 1), FeeTier(math.inf, 1, 1)), "finite"),
    ],
)
def test_tiers_that_are_none(tiers: tuple[FeeTier, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FeeSchedule(tiers)


def test_volumes_must_be_volumes() -> None:
    for volume in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="volume"):
            FeeSchedule(TIERS, volume)


def test_thirty_closed_days_count() -> None:
    now = 100 * DAY + 5
    fills = [
        OwnFill(70 * DAY - 1, 1, True),  # a nanosecond too old
        OwnFill(70 * DAY, 2, True),
        OwnFill(100 * DAY - 1, 4, False),
        OwnFill(100 * DAY, 8, False),  # today
        OwnFill(now + 1, 16, False),  # later
    ]
    closed, with_today = traded_volume(fills, now), traded_volume(fills, now, today_counts=True)
    assert (closed.maker, closed.taker, closed.total) == (2, 4, 6)
    assert (with_today.taker, with_today.total) == (12, 14)


def test_a_resting_order_worked_by_hand() -> None:
    filled = filled_maker_cost(half_spread_bps=1, maker_bps=2, adverse_bps=1.5)
    taker = taker_cost(slip_bps=3, taker_bps=5)
    chase = chase_cost(filled, taker, drift_bps=4)
    assert (filled, taker, chase) == (2.5, 8, 9.5)
    assert break_even_fill(filled, chase, taker) == pytest.approx(1 - 5.5 / 9.5)
    assert break_even_fill(9, chase_cost(9, 8, 4), 8) is None
    assert break_even_fill(2.5, chase_cost(2.5, 8, 0), 8) == 0


def maker_cost(filled_bps: float, chase_bps: float, p_fill: float) -> float:
    """Expected cost of a resting order that fills with probability `p_fill` and else is chased."""
    return filled_bps + (1 - p_fill) * chase_bps


bps = st.floats(-20, 20)


@given(filled=bps, taker=bps, drift=bps)
def test_at_the_break_even_resting_costs_what_taking_does(filled: float, taker: float, drift: float) -> None:
    chase = chase_cost(filled, taker, drift)
    p = break_even_fill(filled, chase, taker)
    if p is None:
        assert maker_cost(filled, chase, 1) > taker
    elif p == 0:
        assert maker_cost(filled, chase, 0) <= taker + 1e-9
    else:
        assert 0 < p <= 1
        assert maker_cost(filled, chase, p) == pytest.approx(taker, abs=1e-9)
        assert maker_cost(filled, chase, min(1, p + 0.01)) <= taker + 1e-9
