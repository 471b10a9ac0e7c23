"""The history a simulated market offers: deterministic, whole, and fitting to what it then trades."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import pytest

from connectors.simulator import SimulatedFeed
from connectors.simulator.market import SimulatedMarket, bars_before
from connectors.simulator.profiles import profile_of
from engine.history import MINUTE, History, HistoryError
from engine.metrics.names import parse_metric, parse_metrics
from engine.runtime import Runtime
from engine.tape import Kind

START = 1_735_732_837_000_000_000
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "PEPE/USDT")


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_same_market_has_the_same_past(symbol: str) -> None:
    profile = profile_of(symbol)
    one, two = (bars_before(profile, 3, START, MINUTE, 500) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one.columns(), two.columns(), strict=True))
    other = bars_before(profile, 4, START, MINUTE, 500)
    assert not np.array_equal(one.volume, other.volume)
    assert len(one) == 500
    fewer = bars_before(profile, 3, START, MINUTE, 100)
    assert all(np.array_equal(a[-100:], b) for a, b in zip(one.columns(), fewer.columns(), strict=True))
    assert int(one.ends[-1]) == START // MINUTE * MINUTE


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_day_of_it_is_about_the_day_the_market_tells(symbol: str) -> None:
    bars = bars_before(profile_of(symbol), 1, START, MINUTE, 1440)
    opening = SimulatedMarket(symbol, 1, START).opening()
    told = int(opening["qty"][opening["kind"] == Kind.DAY_VOLUME][0])
    assert int(bars.volume.sum()) == pytest.approx(told, rel=0.15)
    assert 0.4 < float(bars.bought.sum() / bars.volume.sum()) < 0.6


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_prices_arrive_where_the_market_begins(symbol: str) -> None:
    bars = bars_before(profile_of(symbol), 1, START, MINUTE, 1440)
    levels = SimulatedMarket(symbol, 1, START).opening()
    touch = int(levels["px"][(levels["kind"] == Kind.LEVEL) & (levels["side"] == 1)].max())
    assert int(bars.close[-1]) == pytest.approx(touch, rel=0.001)
    assert float(np.ptp(bars.close) / touch) < 0.06


async def test_a_live_simulation_warms_its_markets() -> None:
    feed = SimulatedFeed(["BTC/USDT"], seed=2, speed=1.0)
    assert isinstance(feed, History)
    runtime = Runtime([feed], metrics=parse_metrics("vwap,vpin(adv/50,10)"), chart=True, warm=True)
    running = asyncio.create_task(runtime.run())
    try:
        async with asyncio.timeout(20):
            while (market := runtime.markets.get("sim:BTC/USDT")) is None or market.value(
                parse_metric("vpin(adv/50,10)")
            ) is None:
                assert not running.done()
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert market.warmed(parse_metric("vpin(adv/50,10)")) == "10 of 10 buckets from bars, which read low"
    assert "bars" in (market.warmed(parse_metric("vwap")) or "")


async def test_without_a_start_there_is_no_past() -> None:
    feed = SimulatedFeed(["BTC/USDT"])
    with pytest.raises(HistoryError, match="not begun"):
        await feed.history(profile_of("BTC/USDT").instrument, MINUTE, 5)


def test_asking_for_nothing_gives_nothing() -> None:
    assert all(len(column) == 0 for column in bars_before(profile_of("BTC/USDT"), 1, START, MINUTE, 0).columns())
