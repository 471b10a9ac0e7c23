"""REST against the emulated exchange: paging by time, bars, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from connectors.coinbase.rest import CoinbaseRest, read_refusal
from connectors.live.http import RefusedError, UnreachableError
from connectors.venues import VenueSettings, list_markets
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY
from tests.emulator.coinbase import CoinbaseEmulator, CoinbaseMarket
from tests.emulator.exchange import answer

NS = 1_000_000_000


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[CoinbaseEmulator, CoinbaseMarket, CoinbaseRest, Instrument]]:
    market, other = CoinbaseEmulator.pair()
    async with CoinbaseEmulator(market, other) as exchange, aiohttp.ClientSession() as http:
        rest = CoinbaseRest(http, exchange.url, clock=lambda: market.now_ms * 1_000_000)
        listing = await rest.listing()
        yield exchange, market, rest, listing.find(market.symbol).instrument


@pytest.mark.parametrize("pauses", [(0,), (0, 0, 0, 30_000), (0,) * 700 + (600_000,), (5,) * 1_500 + (0,) * 1_000])
async def test_a_long_gap_is_fetched_page_after_page(pauses: tuple[int, ...]) -> None:
    async with asking() as (exchange, market, rest, instrument):
        for i in range(4_000):
            market.now_ms += pauses[i % len(pauses)]
            market.execute()
        found = [market.prints[100]]
        for _ in range(12):
            rest = CoinbaseRest(rest._client._http, exchange.url)  # another second
            page = await rest.trades(instrument, found[-1].id, found[-1].ms * 1_000_000)
            known = {p.id: p for p in market.prints}
            ids = [f.trade_id for f in page.fills if f.trade_id > found[-1].id]
            assert ids
            assert ids[0] == found[-1].id + 1
            assert all(f.side == known[f.trade_id].side for f in page.fills)
            found += [known[i] for i in ids]
            if found[-1] == market.prints[-1]:
                break
        assert found == market.prints[100:]
        assert len(exchange.asked("/ticker")) < 30


async def test_without_a_time_and_in_one_second_only_the_newest_trades_can_be_had() -> None:
    async with asking() as (exchange, market, rest, instrument):
        for _ in range(1_500):
            now = market.now_ms
            market.execute()
            market.now_ms = now
        first = market.prints[0]
        for since in (0, first.ms * 1_000_000):
            page = await rest.trades(instrument, first.id, since)
            assert [f.trade_id for f in page.fills] == [p.id for p in market.prints[-1_000:]]
        assert len(exchange.asked("/ticker")) == 3


async def test_bars_are_oldest_first_and_inside_what_was_asked_for() -> None:
    async with asking() as (_exchange, market, rest, instrument):
        start = market.now_ms * 1_000_000 // DAY * DAY
        prices = {"open": "1", "high": "3", "low": "0.5", "close": "2", "volume": "7"}
        minutes = [prices | {"start": str((start + i * MINUTE) // NS)} for i in range(-3, 400)]
        market.candles = {"ONE_MINUTE": minutes}
        bars = await rest.bars(instrument, MINUTE, start, start + 350 * MINUTE)
        assert [b.opened for b in bars] == [start + i * MINUTE for i in range(300)]
        assert (bars[0].open, bars[0].high, bars[0].low, bars[0].close, bars[0].volume) == ("1", "3", "0.5", "2", "7")
        assert bars[0].bought is None


async def test_the_clock_and_the_days_volume() -> None:
    async with asking() as (_exchange, market, rest, instrument):
        assert await rest.day_volume(instrument) == market.day_volume
        assert await rest.clock_ahead() == 0


async def test_what_cannot_be_read_is_worth_another_try_and_a_refusal_is_not() -> None:
    async with asking() as (exchange, _market, rest, instrument):
        for body in ({"trades": [{"trade_id": "x"}]}, [], "?", {}):
            exchange.fail_next("/ticker", answer(200, body))
            with pytest.raises(UnreachableError, match="cannot be read"):
                await rest.trades(instrument, 1, 0)
        exchange.fail_next("/ticker", answer(404, {"error": "NOT_FOUND", "message": "no such product"}))
        with pytest.raises(RefusedError, match="HTTP 404"):
            await rest.trades(instrument, 1, 0)


async def test_markets_are_listed_for_the_command_line() -> None:
    market, other = CoinbaseEmulator.pair()
    alias = CoinbaseMarket("BTC/USDC", "BTC-USDC", "BTC", "USDC", alias="BTC-USD")
    other.trading = False
    async with CoinbaseEmulator(market, other, alias) as exchange:
        found = await list_markets("coinbase", VenueSettings(rest=exchange.url, ws=exchange.ws_url))
        assert [i.market for i in found] == ["coinbase:ETH/USD"]


def test_refusals() -> None:
    assert read_refusal(b'{"error":"NOT_FOUND","message":"no such product"}') == (None, "no such product")
    for body in (b"", b"[]", b"\xff"):
        assert read_refusal(body) == (None, "")
