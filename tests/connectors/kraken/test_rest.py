"""Requests, and what answers that are refusals lead to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from connectors.kraken.rest import KrakenRest
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from engine.feed import SourceError
from engine.instrument import Instrument
from tests.emulator.exchange import answer
from tests.emulator.kraken import KrakenExchange

DAY = 86_400_000_000_000


@asynccontextmanager
async def client(exchange: KrakenExchange) -> AsyncIterator[KrakenRest]:
    async with aiohttp.ClientSession() as http:
        yield KrakenRest(http, exchange.url)


async def btc(rest: KrakenRest) -> Instrument:
    return (await rest.listing()).find("BTC/USD").instrument


async def test_the_listing_and_the_clock() -> None:
    market, other = KrakenExchange.pair()
    async with KrakenExchange(market, other) as exchange, client(exchange) as rest:
        assert [x.instrument.symbol for x in await rest.listing()] == ["BTC/USD", "ETH/USD"]
        # Whole seconds are told, so half of one is added.
        async with aiohttp.ClientSession() as http:
            skewed = KrakenRest(http, exchange.url, clock=lambda: market.now_ms * 1_000_000 - 3_000_000_000)
            assert abs(await skewed.clock_ahead() - 3_000_000_000) <= 500_000_000


async def test_missed_trades_are_asked_for_by_time_and_known_by_id() -> None:
    market, other = KrakenExchange.pair()
    for _ in range(1_300):
        market.execute()
    async with KrakenExchange(market, other) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        last = market.prints[99]
        page = await rest.trades(instrument, last.id, last.ms * 1_000_000)
        ids = [fill.trade_id for fill in page.fills]
        assert last.id in ids, "the page proves that nothing is missing in between"
        assert ids == list(range(ids[0], ids[0] + 1_000))
        fill = next(f for f in page.fills if f.trade_id == last.id)
        assert (fill.price, fill.size, fill.side, fill.ts) == (last.price, last.size, last.side, last.ms * 1_000_000)
        newest = await rest.trades(instrument, 1, 0)
        assert newest.fills[-1].trade_id == market.prints[-1].id
    assert [p["pair"] for p in exchange.asked("/Trades")] == ["XBTUSD", "XBTUSD"]


async def test_the_volume_of_a_day_and_bars() -> None:
    market, other = KrakenExchange.pair()
    async with KrakenExchange(market, other) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        assert await rest.day_volume(instrument) == "12345.678"
        second = 1_750_032_000
        rows = [[second - 86_400 * i, "1.0", "2.0", "0.5", "1.5", "1.2", "33.5", 12] for i in (2, 1, 0)]
        body = {"error": [], "result": {"XXBTZUSD": rows, "last": second}}
        exchange.fail_next("/OHLC", answer(200, body))
        bars = await rest.bars(instrument, DAY, (second - 86_400) * 10**9, second * 10**9)
        assert [(b.opened, b.volume, b.bought, b.trades) for b in bars] == [
            ((second - 86_400) * 10**9, "33.5", None, 12)
        ]
    (asked,) = exchange.asked("/OHLC")
    assert (asked["interval"], asked["since"]) == ("1440", str(second - 86_400 - 1))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("EGeneral:Too many requests", RateLimitedError),
        ("EAPI:Rate limit exceeded", RateLimitedError),
        ("EService:Unavailable", UnreachableError),
        ("EService:Busy", UnreachableError),
        ("EGeneral:Internal error", UnreachableError),
        ("EQuery:Unknown asset pair", RefusedError),
    ],
)
async def test_refusals_come_with_status_200(error: str, raised: type[Exception]) -> None:
    async with KrakenExchange(*KrakenExchange.pair()) as exchange, client(exchange) as rest:
        exchange.fail_next("/Time", answer(200, {"error": [error]}))
        with pytest.raises(raised) as e:
            await rest.clock_ahead()
        assert type(e.value) is raised
        if raised is RateLimitedError:
            with pytest.raises(RateLimitedError):  # nothing is asked until then
                await rest.clock_ahead()
            assert len(exchange.asked("/Time")) == 1


async def test_warnings_are_no_refusal() -> None:
    async with KrakenExchange(*KrakenExchange.pair()) as exchange, client(exchange) as rest:
        body = {"error": ["WGeneral:Something"], "result": {"unixtime": 1_750_000_000}}
        exchange.fail_next("/Time", answer(200, body))
        assert isinstance(await rest.clock_ahead(), int)


@pytest.mark.parametrize(
    "body", ["?", {"result": 1}, {"error": [], "result": {"unixtime": "soon"}}, [], {"error": None}]
)
async def test_answers_that_cannot_be_read(body: object) -> None:
    async with KrakenExchange(*KrakenExchange.pair()) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        for path in ("/Time", "/Trades", "/Ticker", "/OHLC", "/AssetPairs"):
            exchange.fail_next(path, answer(200, body))
        for asking in (
            rest.clock_ahead(),
            rest.trades(instrument, 1, 1),
            rest.day_volume(instrument),
            rest.bars(instrument, DAY, 0, DAY),
            rest.listing(),
        ):
            with pytest.raises((UnreachableError, SourceError)):
                await asking


async def test_trades_at_impossible_times_are_not_taken() -> None:
    async def absurd(_request: web.Request) -> web.StreamResponse:
        body = b'{"error":[],"result":{"XXBTZUSD":[["1.0","1.0",9e99,"b","m","",7]],"last":"1"}}'
        return web.Response(body=body, content_type="application/json")

    async with KrakenExchange(*KrakenExchange.pair()) as exchange, client(exchange) as rest:
        instrument = await btc(rest)
        exchange.fail_next("/Trades", absurd)
        with pytest.raises(UnreachableError):
            await rest.trades(instrument, 1, 1)
