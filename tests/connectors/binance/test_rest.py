"""Requests, their weights, and what the answers that are errors lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from connectors.binance.endpoints import Endpoints
from connectors.binance.messages import MarketType
from connectors.binance.rest import BinanceRest, RateLimitedError, RefusedError, UnreachableError
from tests.emulator.binance import BinanceEmulator, answer
from tests.emulator.market import coinm, spot, usdm

SPOT, USDM, COINM = MarketType


class Clocks:
    """Both clocks of a client, moved by hand."""

    seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> int:
        return int(self.seconds * 1e9)


@asynccontextmanager
async def client(emulator: BinanceEmulator, clocks: Clocks | None = None) -> AsyncIterator[BinanceRest]:
    clocks = clocks or Clocks()
    async with aiohttp.ClientSession() as http:
        yield BinanceRest(http, Endpoints(emulator.url), monotonic=clocks.monotonic, clock=clocks.wall)


async def test_snapshots_are_as_deep_as_each_exchange_gives_them() -> None:
    async with BinanceEmulator(spot(), usdm(), coinm()) as emulator, client(emulator) as rest:
        assert (await rest.depth(SPOT, "ETHUSDT")).last_update == 1_000
        await rest.depth(SPOT, "ETHUSDT", shallow=True)
        await rest.depth(USDM, "ETHUSDT")
        await rest.depth(COINM, "ETHUSD_PERP")
    assert [p["limit"] for p in emulator.asked("/depth")] == ["5000", "1000", "1000", "1000"]


async def test_day_volume_in_every_dialect() -> None:
    async with BinanceEmulator(spot(), usdm(), coinm()) as emulator, client(emulator) as rest:
        assert await rest.day_volume(SPOT, "ETHUSDT") == "12345.678"
        assert await rest.day_volume(USDM, "ETHUSDT") == "12345.678"
        assert await rest.day_volume(COINM, "ETHUSD_PERP") == "777"


async def test_past_trades_by_id_on_spot_and_the_newest_on_futures() -> None:
    markets = spot(), usdm()
    for m in markets:
        for _ in range(1_200):
            m.trade()
    async with BinanceEmulator(*markets) as emulator, client(emulator) as rest:
        old = await rest.trades(SPOT, "ETHUSDT", 5_101)
        new = await rest.trades(USDM, "ETHUSDT", 5_101)
    assert [old[0].trade_id, old[-1].trade_id, len(old)] == [5_101, 6_100, 1_000]
    assert [new[0].trade_id, new[-1].trade_id, len(new)] == [5_201, 6_200, 1_000]
    assert [(t.price, t.size, t.buyer_is_maker, t.trade_time) for t in old[:3]] == [
        (t["p"], t["q"], t["m"], t["T"]) for t in markets[0].trades[100:103]
    ]


async def test_the_venues_clock() -> None:
    clocks = Clocks()
    market = spot(now_ms=1_005_000)
    async with BinanceEmulator(market) as emulator, client(emulator, clocks) as rest:
        assert await rest.clock_ahead(SPOT) == 5_000_000_000


@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 10.0), (None, 10.0), ("nan", 10.0), ("-3", 0.0)])
async def test_nothing_is_asked_until_the_venue_allows_it(status: int, header: str | None, seconds: float) -> None:
    clocks = Clocks()
    async with BinanceEmulator(spot(), usdm()) as emulator, client(emulator, clocks) as rest:
        headers = {} if header is None else {"Retry_After": header}
        emulator.fail_next("/depth", answer(status, {"code": -1003, "msg": "Too many\x1b[31m requests"}, **headers))
        with pytest.raises(RateLimitedError, match=r"Too many\\x1b\[31m requests") as e:
            await rest.depth(SPOT, "ETHUSDT")
        assert e.value.seconds == seconds
        asked = len(emulator.requests)
        if seconds:
            clocks.seconds += seconds - 0.5
            with pytest.raises(RateLimitedError) as again:
                await rest.day_volume(SPOT, "ETHUSDT")
            assert again.value.seconds == pytest.approx(0.5)
            assert len(emulator.requests) == asked
        await rest.depth(USDM, "ETHUSDT")  # another exchange, another budget
        clocks.seconds += 1
        await rest.depth(SPOT, "ETHUSDT")


async def test_the_weight_of_a_minute_is_kept_within() -> None:
    clocks = Clocks()
    clocks.seconds = 6_000.0
    async with BinanceEmulator(spot()) as emulator, client(emulator, clocks) as rest:
        for _ in range(19):  # 19 x 250 = 4750; 80 % of 6000 is 4800
            await rest.depth(SPOT, "ETHUSDT")
        clocks.seconds += 20
        with pytest.raises(RateLimitedError, match="budget") as e:
            await rest.depth(SPOT, "ETHUSDT")
        assert 40 <= e.value.seconds <= 41
        await rest.clock_ahead(SPOT)
        clocks.seconds += e.value.seconds
        await rest.depth(SPOT, "ETHUSDT")


async def test_weight_that_others_at_this_address_use_counts() -> None:
    async with BinanceEmulator(spot()) as emulator, client(emulator) as rest:
        emulator.fail_next("/time", answer(200, {"serverTime": 5}, X_MBX_USED_WEIGHT_1M="4700"))
        await rest.clock_ahead(SPOT)
        with pytest.raises(RateLimitedError, match="budget"):
            await rest.depth(SPOT, "ETHUSDT")


async def test_errors_of_the_venue_are_reported_as_it_says_them() -> None:
    async with BinanceEmulator(spot()) as emulator, client(emulator) as rest:
        with pytest.raises(RefusedError, match=r"'Invalid symbol\.' \(code -1121\)") as e:
            await rest.depth(SPOT, "NOPE")
        assert e.value.code == -1121
        for status in (500, 502, 503, 504, 403):
            emulator.fail_next("/depth", answer(status))
            with pytest.raises(UnreachableError):
                await rest.depth(SPOT, "ETHUSDT")
        emulator.fail_next("/depth", answer(451, {"code": 0, "msg": "Service unavailable from a restricted location"}))
        with pytest.raises(RefusedError, match="not available from this place"):
            await rest.depth(SPOT, "ETHUSDT")
        emulator.fail_next("/depth", answer(302, Location="http://127.0.0.1:1/"))
        with pytest.raises(RefusedError, match="refused"):
            await rest.depth(SPOT, "ETHUSDT")


@pytest.mark.parametrize(
    ("path", "body", "ask"),
    [
        ("/depth", {"lastUpdateId": -1, "bids": [], "asks": []}, lambda rest: rest.depth(SPOT, "ETHUSDT")),
        ("/depth", {"lastUpdateId": 1, "bids": [["1", "inf"]], "asks": []}, lambda rest: rest.depth(SPOT, "ETHUSDT")),
        ("/historicalTrades", [{"id": "x"}], lambda rest: rest.trades(SPOT, "ETHUSDT", 1)),
        ("/ticker/24hr", {"volume": 3}, lambda rest: rest.day_volume(SPOT, "ETHUSDT")),
        ("/ticker/24hr", [], lambda rest: rest.day_volume(SPOT, "ETHUSDT")),
        ("/time", {}, lambda rest: rest.clock_ahead(SPOT)),
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
        assert len(await rest.listing(SPOT, ["ETHUSDT"])) == 1
        assert len(emulator.requests) == 1
        assert len(await rest.listing(SPOT, ["NOPE"])) == 2
        assert len(emulator.requests) == 3


async def test_nobody_there() -> None:
    emulator = BinanceEmulator()
    await emulator.start()
    await emulator.stop()
    async with client(emulator) as rest:
        with pytest.raises(UnreachableError, match="cannot be reached"):
            await rest.clock_ahead(SPOT)
