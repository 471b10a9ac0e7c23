"""Requests, and what answers that are refusals lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from connectors.deribit.rest import DeribitRest
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from engine.codes import Flag
from engine.feed import SourceError
from engine.instrument import Instrument
from tests.emulator.deribit import DeribitExchange
from tests.emulator.exchange import answer

DAY = 86_400_000_000_000


@asynccontextmanager
async def client(exchange: DeribitExchange) -> AsyncIterator[DeribitRest]:
    async with aiohttp.ClientSession() as http:
        yield DeribitRest(http, exchange.url + "/api/v2")


async def btc(rest: DeribitRest) -> Instrument:
    return (await rest.listing(["BTC/USD:BTC"])).find("BTC/USD:BTC").instrument


async def test_only_the_parts_of_the_listing_that_symbols_lie_in_are_asked_for() -> None:
    async with DeribitExchange(*DeribitExchange.pair()) as exchange, client(exchange) as rest:
        await btc(rest)
        await rest.listing(["ETH/USD:ETH-261225-3000-C", "ETH/USD:ETH"])
        await rest.listing(["BTC/USDC"])
        assert len(await rest.listing()) == 2
    assert [(p["currency"], p.get("kind")) for p in exchange.asked("/get_instruments")] == [
        ("BTC", "future"),
        ("ETH", "future"),
        ("ETH", "option"),
        ("any", "spot"),
        ("any", None),
    ]


async def test_missed_trades_are_asked_for_by_their_number() -> None:
    market, other = DeribitExchange.pair()
    for _ in range(1_200):
        market.execute()
    market.blocks.add(market.prints[60].id)
    async with DeribitExchange(market, other) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        page = await rest.trades(instrument, market.prints[50].id, 0)
        ids = [fill.trade_id for fill in page.fills]
        assert ids == list(range(market.prints[50].id, market.prints[50].id + 1_000))
        assert [f.trade_id for f in page.fills if f.flags & Flag.NOT_FLOW] == [market.prints[60].id]
        fill, print_ = page.fills[0], market.prints[50]
        assert (float(fill.price), float(fill.size), fill.side) == (
            float(print_.price),
            float(print_.size),
            print_.side,
        )
    (asked,) = exchange.asked("/get_last_trades_by_instrument")
    assert (asked["instrument_name"], asked["sorting"]) == ("BTC-PERPETUAL", "asc")


async def test_the_clock_the_volume_of_a_day_and_the_figures_of_a_contract() -> None:
    market, other = DeribitExchange.pair()
    async with DeribitExchange(market, other) as exchange, aiohttp.ClientSession() as http:
        rest = DeribitRest(http, exchange.url + "/api/v2", clock=lambda: market.now_ms * 1_000_000 - 5_000_000)
        assert await rest.clock_ahead() == 5_000_000
        instrument = await btc(rest)
        assert float(await rest.day_volume(instrument)) == 1_092_371_540
        figures = await rest.figures(instrument)
        assert (figures.mark, figures.index, figures.open_interest) == ("42500.25", "42499.9", "1132329370.0")
        assert figures.funding is not None
        assert (float(figures.funding), figures.due, figures.ts) == (1.742e-05, 0, market.now_ms * 1_000_000)


async def test_an_option_has_no_funding() -> None:
    body = {
        "result": {"timestamp": 1_750_000_000_000, "stats": {"volume": None}, "mark_price": 0.05, "open_interest": 7}
    }
    async with DeribitExchange(*DeribitExchange.pair()) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        exchange.fail_next("/ticker", answer(200, body), answer(200, body))
        figures = await rest.figures(instrument)
        assert (figures.mark, figures.index, figures.funding, figures.open_interest) == ("0.05", None, None, "7")
        with pytest.raises(UnreachableError):
            await rest.day_volume(instrument)


async def test_bars_of_inverse_contracts_count_dollars() -> None:
    ms = 1_750_032_000_000
    columns = {"open": [1.0], "high": [2.0], "low": [0.5], "close": [1.5], "volume": [0.5], "cost": [21_000.0]}
    async with DeribitExchange(*DeribitExchange.pair()) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        exchange.fail_next("/get_tradingview_chart_data", answer(200, {"result": {"ticks": [ms], **columns}}))
        (bar,) = await rest.bars(instrument, DAY, ms * 1_000_000, ms * 1_000_000 + DAY)
        assert (bar.opened, bar.volume, bar.quote, bar.bought) == (ms * 1_000_000, "21000.0", "0.5", None)
        assert list(await rest.bars(instrument, DAY, 0, DAY)) == []
        exchange.fail_next("/get_tradingview_chart_data", answer(200, {"result": {"ticks": [ms], "open": [1.0]}}))
        with pytest.raises(UnreachableError):
            await rest.bars(instrument, DAY, 0, DAY)


@pytest.mark.parametrize("status", [200, 400, 429])
async def test_too_many_requests_by_code_and_by_status(status: int) -> None:
    async with DeribitExchange(*DeribitExchange.pair()) as exchange, client(exchange) as rest:
        exchange.fail_next("/get_time", answer(status, {"error": {"code": 10028, "message": "too_many_requests"}}))
        with pytest.raises(RateLimitedError):
            await rest.clock_ahead()
        with pytest.raises(RateLimitedError):  # nothing is asked until then
            await rest.clock_ahead()
    assert len(exchange.asked("/get_time")) == 1


@pytest.mark.parametrize(
    ("code", "raised"), [(11_051, UnreachableError), (13_888, UnreachableError), (-32_602, RefusedError)]
)
async def test_refusals_that_pass_and_others(code: int, raised: type[Exception]) -> None:
    async with DeribitExchange(*DeribitExchange.pair()) as exchange, client(exchange) as rest:
        exchange.fail_next("/get_time", answer(400, {"error": {"code": code, "message": "no"}}))
        with pytest.raises(raised):
            await rest.clock_ahead()


@pytest.mark.parametrize("body", ["?", [], {"result": "x"}, {"result": {"trades": 1, "stats": 1}}, {}])
async def test_answers_that_cannot_be_read(body: object) -> None:
    async with DeribitExchange(*DeribitExchange.pair()) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        for path in ("/get_time", "/get_last_trades_by_instrument", "/ticker", "/get_instruments"):
            exchange.fail_next(path, answer(200, body))
        for asking in (
            rest.clock_ahead(),
            rest.trades(instrument, 1, 1),
            rest.day_volume(instrument),
            rest.listing(),
        ):
            with pytest.raises((UnreachableError, SourceError)):
                await asking
