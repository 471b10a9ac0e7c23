"""A simulated market can run for days."""

from __future__ import annotations

import random

import numpy as np
import pytest

from connectors.simulator import SimulatedMarket, profile_of
from connectors.simulator.fair import FairValue
from connectors.simulator.market import MAX_LATENCY_NS
from connectors.simulator.phases import Phase
from engine.tape import Kind

SECOND = 1_000_000_000


def test_two_hours_stay_in_range() -> None:
    market = SimulatedMarket("SOL/USDT", 11, 0)
    market.opening()
    low = high = market.profile.price / float(market.profile.tick)
    while market.now_ns < 7200 * SECOND:
        rows = market.step()
        traded = rows[rows["kind"] == Kind.TRADE]
        if len(traded):
            low, high = min(low, int(traded["px"].min())), max(high, int(traded["px"].max()))
            assert traded["qty"].min() > 0
        assert not len(rows) or (rows["recv"] - rows["ts"]).max() <= MAX_LATENCY_NS
    home = market.profile.price / float(market.profile.tick)
    assert 0.9 * home < low < high < 1.1 * home
    assert high / low > 1.003


def test_a_month_of_fair_values_comes_home() -> None:
    """The fair value alone, in coarse steps with the volatility of busy hours: days away stay rare and small."""
    profile = profile_of("BTC/USDT")
    home = profile.price / float(profile.tick)
    for seed in range(3):
        draw = random.Random(seed)
        fair = FairValue(profile, draw, 0.8 * home, 1.25 * home)
        phase = Phase("calm", 0, 1, noise=8.0)
        values = []
        for _ in range(30 * 86_400 // 30):
            fair.move(30.0, phase)
            values.append(fair.value / home)
        assert 0.88 < min(values) < 0.99
        assert 1.01 < max(values) < 1.12
        assert abs(np.mean(values) - 1) < 0.01


@pytest.mark.parametrize("stray", [-20_000.0, 20_000.0])
def test_the_ends_of_the_range_hold(stray: float) -> None:
    """Whatever pushes it, the fair value stays between its bounds, and drifts back from them."""
    profile = profile_of("SOL/USDT")
    home = profile.price / float(profile.tick)
    fair = FairValue(profile, random.Random(1), 0.8 * home, 1.25 * home)
    phase = Phase("calm", 0, 1)
    fair.push(stray)
    assert fair.value == (0.8 * home if stray < 0 else 1.25 * home)
    for _ in range(6 * 3600):
        fair.move(1.0, phase)
    left = np.log(fair.value / home) / np.log(0.8 if stray < 0 else 1.25)
    assert 0.4 < left < 0.6  # a half-life later
