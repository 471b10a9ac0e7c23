"""Requests, their weights, and what the answers that are errors lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
import pytest

from connectors.binance.endpoints import Endpoints
from connectors.binance.messages import MarketType
from connectors.binance.rest import BinanceRest
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from engine.instrument import Instrument
from tests.emulator.binance import BinanceEmulator, answer
from tests.emulator.market import coinm, spot, usdm


class Clocks:
    """Both clocks of a client, moved by hand."""

    seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> int:
        return int(self.seconds * 1e9)


def named(native: str) -> Instrument:
    return Instrument("binance", native, Decimal("0.01"), Decimal("0.001"), native=native)


ETH, PERP, NOPE = named("ETHUSDT"), named("ETHUSD_PERP"), named("NOPE")


@asynccontextmanager
async def clients(emulator: BinanceEmulator, clocks: Clocks | None = None) -> AsyncIterator[list[BinanceRest]]:
    """Of spot, USDⓈ-M and COIN-M."""
    clocks = clocks or Clocks()
    async with aiohttp.ClientSession() as http:
        yield [
            BinanceRest(http, Endpoints(emulator.url), market, monotonic=clocks.monotonic, clock=clocks.wall)
            for market in MarketType
        ]


@asynccontextmanager
async def client(emulator: BinanceEmulator, clocks: Clocks | None = None) -> AsyncIterator[BinanceRest]:
    """Of spot."""
    async with clients(emulator, clocks) as (rest, _, _):
        yield rest


async def test_snapshots_are_as_deep_as_each_exchange_gives_them() -> None:
    async with BinanceEmulator(spot(), usdm(), coinm()) as emulator, clients(emulator) as (rest, usdm_rest, coinm_rest):
        assert (await rest.snapshot(ETH)).seq == 1_000
        await rest.snapshot(ETH, True)
        await usdm_rest.snapshot(ETH)
        await coinm_rest.snapshot(PERP)
    assert [p["limit"] for p in emulator.asked("/depth")] == ["5000", "1000", "1000", "1000"]


async def test_day_volume_in_every_dialect() -> None:
    async with BinanceEmulator(spot(), usdm(), coinm()) as emulator, clients(emulator) as (rest, usdm_rest, coinm_rest):
        assert await rest.day_volume(ETH) == "12345.678"
        assert await usdm_rest.day_volume(ETH) == "12345.678"
        assert await coinm_rest.day_volume(PERP) == "777"


async def test_past_trades_by_id_on_spot_and_the_newest_on_futures() -> None:
    markets = spot(), usdm()
    for m in markets:
        for _ in range(1_200):
            m.trade()
    async with BinanceEmulator(*markets) as emulator, clients(emulator) as (rest, usdm_rest, _):
        old = (await rest.trades(ETH, 5_101, 0)).fills
        new = (await usdm_rest.trades(ETH, 5_101, 0)).fills
    assert [old[0].trade_id, old[-1].trade_id, len(old)] == [5_101, 6_100, 1_000]
    assert [new[0].trade_id, new[-1].trade_id, len(new)] == [5_201, 6_200, 1_000]
    assert [(t.price, t.size, t.side, t.ts) for t in old[:3]] == [
        (t["p"], t["q"], -1 if t["m"] else 1, t["T"] * 1_000_000) for t in markets[0].trades[100:103]
    ]


async def test_the_venues_clock() -> None:
    clocks = Clocks()
    market = spot(now_ms=1_005_000)
    async with BinanceEmulator(market) as emulator, client(emulator, clocks) as rest:
        assert await rest.clock_ahead() == 5_000_000_000


@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 10.0), (None, 10.0), ("nan", 10.0), ("-3", 0.0)])
async def test_nothing_is_asked_until_the_venue_allows_it(status: int, header: str | None, seconds: float) -> None:
    clocks = Clocks()
    async with BinanceEmulator(spot(), usdm()) as emulator, clients(emulator, clocks) as (rest, usdm_rest, _):
        headers = {} if header is None else {"Retry_After": header}
        emulator.fail_next("/depth", answer(status, {"code": -1003, "msg": "Too many\x1b[31m requests"}, **headers))
        with pytest.raises(RateLimitedError, match=r"Too many\\x1b\[31m requests") as e:
            await rest.snapshot(ETH)
        assert e.value.seconds == seconds
        asked = len(emulator.requests)
        if seconds:
            clocks.seconds += seconds - 0.5
            with pytest.raises(RateLimitedError) as again:
                await rest.day_volume(ETH)
            assert again.value.seconds == pytest.approx(0.5)
            assert len(emulator.requests) == asked
        await usdm_rest.snapshot(ETH)  # another exchange, another budget
        clocks.seconds += 1
        await rest.snapshot(ETH)


async def test_the_weight_of_a_minute_is_kept_within() -> None:
    clocks = Clocks()
    clocks.seconds = 6_000.0
    async with BinanceEmulator(spot()) as emulator, client(emulator, clocks) as rest:
        for _ in range(19):  # 19 x 250 = 4750; 80 % of 6000 is 4800
            await rest.snapshot(ETH)
        clocks.seconds += 20
        with pytest.raises(RateLimitedError, match="budget") as e:
            await rest.snapshot(ETH)
        assert 40 <= e.value.seconds <= 41
        await rest.clock_ahead()
        clocks.seconds += e.value.seconds
        await rest.snapshot(ETH)


async def test_weight_that_others_at_this_address_use_counts() -> None:
    async with BinanceEmulator(spot()) as emulator, client(emulator) as rest:
        emulator.fail_next("/time", answer(200, {"serverTime": 5}, X_MBX_USED_WEIGHT_1M="4700"))
        await rest.clock_ahead()
        with pytest.raises(RateLimitedError, match="budget"):
            await rest.snapshot(ETH)


async def test_errors_of_the_venue_are_reported_as_it_says_them() -> None:
    async with BinanceEmulator(spot()) as emulator, client(emulator) as rest:
        with pytest.raises(RefusedError, match=r"'Invalid symbol\.' \(code -1121\)") as e:
            await rest.snapshot(NOPE)
        assert e.value.code == -1121
        for status in (500, 502, 503, 504, 403):
            emulator.fail_next("/depth", answer(status))
            with pytest.raises(UnreachableError):
                await rest.snapshot(ETH)
        emulator.fail_next("/depth", answer(451, {"code": 0, "msg": "Service unavailable from a restricted location"}))
        with pytest.raises(RefusedError, match="not available from this place"):
            await rest.snapshot(ETH)
        emulator.fail_next("/depth", answer(302, Location="http://127.0.0.1:1/"))
        with pytest.raises(RefusedError, match="refused"):
            await rest.snapshot(ETH)


@pytest.mark.parametrize(
    ("path", "body", "ask"),
    [
        ("/depth", {"lastUpdateId": -1, "bids": [], "asks": []}, lambda rest: rest.snapshot(ETH)),
        ("/depth", {"lastUpdateId": 1, "bids": [["1", "inf"]], "asks": []}, lambda rest: rest.snapshot(ETH)),
        ("/historicalTrades", [{"id": "x"}], lambda rest: rest.trades(ETH, 1, 0)),
        ("/ticker/24hr", {"volume": 3}, lambda rest: rest.day_volume(ETH)),
        ("/ticker/24hr", [], lambda rest: rest.day_volume(ETH)),
        ("/time", {}, lambda rest: rest.clock_ahead()),
    ],
)
async def test_answers_of_the_wrong_shape_are_failures_not_data(
    path: str, body: object, ask: Callable[[BinanceRest], Awaitable[object]]
) -> None:
    async with BinanceEmulator(spot()) as emulator, client(emulator) as rest:
        emulator.fail_next(path, answer(200, body))
        with pytest.raises(UnreachableError, match="cannot be read"):
            await ask(rest)


async def test_the_whole_spot_list_is_fetched_only_when_a_name_is_unknown() -> None:
    async with BinanceEmulator(spot(), spot("BTCUSDT", "BTC")) as emulator, client(emulator) as rest:
        assert len(await rest.listing(["ETH/USDT"])) == 1
        assert len(emulator.requests) == 1
        assert len(await rest.listing(["NO/PE"])) == 2
        assert len(emulator.requests) == 3


async def test_nobody_there() -> None:
    emulator = BinanceEmulator()
    await emulator.start()
    await emulator.stop()
    async with client(emulator) as rest:
        with pytest.raises(UnreachableError, match="cannot be reached"):
            await rest.clock_ahead()
