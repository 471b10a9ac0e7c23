"""Bars and the trades since the last run, from an exchange that fails in every way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from connectors.backoff import Backoff
from connectors.binance import BinanceFeed, Endpoints
from connectors.binance.messages import MarketType
from connectors.binance.rest import BinanceRest
from connectors.live.bars import fetch_bars, read_bars
from connectors.live.http import RateLimitedError
from connectors.live.wire import Bar
from engine.history import MINUTE, HistoryError
from engine.instrument import Instrument
from engine.metrics.names import parse_metrics
from engine.runtime import Runtime
from engine.tape import Flag
from tests.connectors.binance.conftest import make_live, running
from tests.emulator.binance import BinanceEmulator, answer, eventually
from tests.emulator.exchange import QUICK
from tests.emulator.market import EmulatedMarket, coinm, spot, usdm
from tests.emulator.recording import RecordingEngine, RecordingSink
from tests.engine.tapes import INSTRUMENT

MARKETS = [(spot, "ETH/USDT", "spot"), (usdm, "ETH/USDT:USDT", "usdm"), (coinm, "ETH/USD:ETH", "coinm")]
MS = 1_000_000


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def fetched(emulator: BinanceEmulator, http: aiohttp.ClientSession, market: EmulatedMarket, count: int) -> Any:
    kind = MarketType(market.kind)
    rest = BinanceRest(http, Endpoints(emulator.url, emulator.ws_url), kind, clock=lambda: market.now_ms * MS)
    instrument = Instrument(
        "binance", "ETH/USDT", INSTRUMENT.tick, INSTRUMENT.lot, native=market.native, base="ETH", quote="USDT"
    )
    return await fetch_bars(rest, instrument, MINUTE, count, market.now_ms * MS, Backoff(0.001, 0.01))


def whole(market: EmulatedMarket, bars: list[list[Any]]) -> list[list[Any]]:
    return [k for k in bars if k[0] + 60_000 <= market.now_ms]


# ---- bars


@pytest.mark.parametrize(("make", "symbol", "kind"), MARKETS)
async def test_a_day_comes_in_pages_and_the_open_bar_is_left_out(
    http: aiohttp.ClientSession, make: Any, symbol: str, kind: str
) -> None:
    market = make(lot="0.001") if kind != "coinm" else make()
    made = market.make_past("1m", 60_000, 1600)
    async with BinanceEmulator(market) as emulator:
        bars = await fetched(emulator, http, market, 1440)
        asked = emulator.asked("/klines")
    expected = whole(market, made)[-1440:]
    assert (bars.t // MS).tolist() == [k[0] for k in expected]
    assert bars.close.tolist() == [round(float(k[4]) * 100) for k in expected]
    assert bars.volume.tolist() == [round(float(k[5]) * 1000) for k in expected]
    assert bars.bought.tolist() == [round(float(k[9]) * 1000) for k in expected]
    assert len(asked) == 2
    assert {(p["interval"], p["limit"]) for p in asked} == {("1m", "1000")}


async def test_faults_are_waited_out(http: aiohttp.ClientSession) -> None:
    market = spot()
    market.make_past("1m", 60_000, 1600)

    async def garbage(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'[[1,"2"')

    async with BinanceEmulator(market) as emulator:
        emulator.fail_next("/klines", answer(500), garbage, answer(429, Retry_After="0.01"), answer(503), garbage)
        bars = await fetched(emulator, http, market, 1440)
    assert len(bars) == 1440


@pytest.mark.parametrize(
    ("fault", "times"), [(answer(500), 8), (answer(400, {"code": -1121, "msg": "Invalid symbol."}), 1)]
)
async def test_in_the_end_there_is_no_history(http: aiohttp.ClientSession, fault: Any, times: int) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator:
        emulator.fail_next("/klines", *[fault] * times)
        with pytest.raises(HistoryError, match="klines"):
            await fetched(emulator, http, market, 100)
        assert len(emulator.asked("/klines")) == times


async def test_a_young_market_gives_what_there_is(http: aiohttp.ClientSession) -> None:
    market = spot()
    made = market.make_past("1m", 60_000, 30)
    async with BinanceEmulator(market) as emulator:
        assert len(await fetched(emulator, http, market, 1440)) == len(whole(market, made))
        market.klines.clear()
        assert len(await fetched(emulator, http, market, 1440)) == 0


async def test_history_leaves_half_of_the_budget_to_the_present(http: aiohttp.ClientSession) -> None:
    async with BinanceEmulator(spot()) as emulator:
        rest = BinanceRest(http, Endpoints(emulator.url, emulator.ws_url), MarketType.SPOT, clock=lambda: 0)
        emulator.fail_next("/time", answer(200, {"serverTime": 5}, X_MBX_USED_WEIGHT_1M="2400"))
        await rest.clock_ahead()
        instrument = replace(INSTRUMENT, native="ETHUSDT")
        with pytest.raises(RateLimitedError):
            await rest.bars(instrument, MINUTE, 0, MINUTE)
        await rest.snapshot(instrument)


def bar(**more: Any) -> Bar:
    base: dict[str, Any] = {
        "opened": 60_000_000 * MS,
        "open": "10.00",
        "high": "10.10",
        "low": "9.90",
        "close": "10.05",
        "volume": "3.000",
        "bought": "1.000",
        "quote": "30.1",
        "trades": 7,
    }
    return Bar(**base | more)


@pytest.mark.parametrize(
    "wrong",
    [
        {"high": "9.99"},
        {"low": "10.01"},
        {"bought": "3.001"},
        {"volume": "nan"},
        {"volume": "-1"},
        {"close": "x"},
        {"open": "1e300", "high": "1e300"},
        {"quote": "inf"},
        {"low": "0"},
        {"opened": 60_000_001 * MS},
        {"opened": 120_000_000 * MS},
    ],
)
def test_a_bar_that_makes_no_sense_is_left_out(wrong: dict[str, Any]) -> None:
    good = bar(opened=59_940_000 * MS)
    bars = read_bars([good, bar(**wrong), good], INSTRUMENT, MINUTE, 60_060_000 * MS)
    assert bars.t.tolist() == [59_940_000 * MS]
    assert len(read_bars([good, bar()], INSTRUMENT, MINUTE, 60_060_000 * MS)) == 2


def test_prices_off_todays_grid_are_rounded() -> None:
    bars = read_bars([bar(close="10.0512", bought="1.0004")], INSTRUMENT, MINUTE, 1 << 62)
    assert (bars.close[0], bars.bought[0]) == (1005, 1000)


# ---- the day's volume on the tape


async def test_the_average_of_whole_days_is_the_day_volume(engine: RecordingEngine) -> None:
    market = spot()
    days = market.make_past("1d", 86_400_000, 10)
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        await eventually(lambda: engine.sinks.get("binance:ETH/USDT"), "open")
        sink = engine.sinks["binance:ETH/USDT"]
        await eventually(lambda: sink.volumes, "volume")
    mean, weight = 0.0, 2 ** (-1 / 7)
    for i, day in enumerate(days[:-1]):
        mean = float(day[5]) if not i else weight * mean + (1 - weight) * float(day[5])
    assert float(sink.volumes[0]) == pytest.approx(mean, abs=0.001)
    assert emulator.asked("/ticker/24hr") == []


async def test_without_bars_of_days_it_is_that_of_24_hours(engine: RecordingEngine) -> None:
    market = spot()
    market.make_past("1d", 86_400_000, 10)
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        emulator.fail_next("/klines", answer(500))
        await eventually(lambda: engine.sinks.get("binance:ETH/USDT"), "open")
        sink = engine.sinks["binance:ETH/USDT"]
        await eventually(lambda: sink.volumes, "volume")
        assert sink.volumes == [market.day_volume]


# ---- a whole start


async def test_a_market_runs_at_once_and_warms_when_the_bars_come() -> None:
    market = spot(seed=5)
    market.make_past("1m", 60_000, 1500)
    held = asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        await held.wait()
        return web.json_response({"code": -1000, "msg": "no"}, status=503)

    names = parse_metrics("vwap,cvd,vpin(adv/50,20)")
    async with BinanceEmulator(market) as emulator:
        feed = BinanceFeed(["ETH/USDT"], Endpoints(emulator.url, emulator.ws_url), timing=QUICK)
        runtime = Runtime([feed], metrics=names, chart=True, warm=True)
        emulator.fail_next("/klines", slow, slow)
        task = asyncio.create_task(runtime.run())
        try:
            await eventually(lambda: emulator.subscribed(market), "subscribed")
            await emulator.step(market)
            engine_market = runtime.markets["binance:ETH/USDT"]
            await eventually(lambda: engine_market.value(names[1]) is not None, "a first trade, with the bars on hold")
            alone = engine_market.value(names[0])
            assert engine_market.warmed(names[0]) is None
            held.set()
            await eventually(lambda: engine_market.warmed(names[0]), "warmed")
            assert engine_market.value(names[0]) != alone
            assert not [n for n in runtime.overview().notices if "history" in n.text]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


# ---- trades since the last run


class ResumedEngine(RecordingEngine):
    """Its sinks know the market's trades so far from an earlier run."""

    def __init__(self, market: EmulatedMarket) -> None:
        super().__init__()
        self._seen, self._t = market.trade_id, market.now_ms * MS

    def open(self, instrument: Instrument) -> RecordingSink:
        sink = super().open(instrument)
        if sink.last_trade_id is None:
            sink.last_trade_id, sink.t = self._seen, self._t
        return sink


def stopped(market: EmulatedMarket) -> ResumedEngine:
    """An engine that has seen the market's first trade."""
    market.trade()
    return ResumedEngine(market)


async def resumed(market: EmulatedMarket, symbol: str, missed: int) -> RecordingSink:
    engine = stopped(market)
    for _ in range(missed):
        market.trade()
    async with BinanceEmulator(market) as emulator, running(emulator, symbol, engine=engine):
        name = f"binance:{symbol}"
        await make_live(emulator, market, lambda: engine.sinks.get(name))
        await emulator.step(market)
        sink = engine.sinks[name]
        await eventually(lambda: sink.ids and sink.ids[-1] == market.trade_id, "the newest trade")
    return sink


@pytest.mark.parametrize(("make", "symbol", "kind"), MARKETS)
@pytest.mark.parametrize("missed", [0, 1, 400])
async def test_what_was_missed_is_fetched_before_anything_else(make: Any, symbol: str, kind: str, missed: int) -> None:
    market = make()
    sink = await resumed(market, symbol, missed)
    assert sink.holes == []
    assert sink.ids == [t["t"] for t in market.trades[1:]]
    recovered = [t for t in sink.trades if t.flags & Flag.RECOVERED]
    assert len(recovered) >= missed
    assert sink.events[:missed] == [f"{5002 + i}r" for i in range(missed)]


async def test_spot_gives_more_than_a_page() -> None:
    market = spot()
    sink = await resumed(market, "ETH/USDT", 2500)
    assert sink.holes == []
    assert len(sink.ids) == len(market.trades) - 1


async def test_futures_give_the_newest_page_and_the_rest_is_a_hole() -> None:
    market = usdm()
    sink = await resumed(market, "ETH/USDT:USDT", 1700)
    assert sink.holes == [(5002, 700)]
    assert sink.events[0] == "hole 5002+700"
    assert sink.ids == [t["t"] for t in market.trades[701:]]


async def test_too_many_trades_are_a_hole_of_known_size_at_once() -> None:
    market = spot()
    engine = stopped(market)
    market.trade_id += 50_000  # nobody has them
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        await make_live(emulator, market, lambda: engine.sinks.get("binance:ETH/USDT"))
        sink = engine.sinks["binance:ETH/USDT"]
        await eventually(lambda: sink.ids, "a trade")
    assert sink.holes == [(5002, 50_000)]
    assert engine.told("50,000 trades are missing")


async def test_a_venue_that_gives_no_trades_does_not_hold_the_start() -> None:
    market = spot()
    engine = stopped(market)
    for _ in range(30):
        market.trade()
    async with BinanceEmulator(market) as emulator:
        emulator.fail_next("/historicalTrades", *[answer(500)] * 1000)
        async with running(emulator, "ETH/USDT", engine=engine, timing={"recovery": 0.1}):
            await make_live(emulator, market, lambda: engine.sinks.get("binance:ETH/USDT"))
            sink = engine.sinks["binance:ETH/USDT"]
            await eventually(lambda: sink.ids, "a trade")
    assert sink.holes == [(5002, 30)]
    assert np.all(np.diff([t.ts for t in sink.trades]) >= 0)


async def test_a_feed_that_is_started_again_fetches_what_its_crash_cost(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator:
        async with running(emulator, "ETH/USDT", engine=engine):
            await make_live(emulator, market, lambda: engine.sinks.get("binance:ETH/USDT"))
            sink = engine.sinks["binance:ETH/USDT"]
            await eventually(lambda: sink.ids, "a trade")
        for _ in range(20):
            market.trade()
        async with running(emulator, "ETH/USDT", engine=engine):
            await make_live(emulator, market, lambda: engine.sinks.get("binance:ETH/USDT"))
            await eventually(lambda: sink.ids[-1] == market.trade_id, "the newest trade")
    assert sink.ids == [t["t"] for t in market.trades]
    assert sink.holes == []
