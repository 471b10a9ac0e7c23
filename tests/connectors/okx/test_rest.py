"""REST against the emulated exchange: paging, bars, refusals inside answers of status 200."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from connectors.okx.rest import OkxRest, read_refusal
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY
from tests.emulator.exchange import answer
from tests.emulator.okx import OkxEmulator, OkxMarket

MS = 1_000_000


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[OkxEmulator, OkxMarket, OkxRest, Instrument]]:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange, aiohttp.ClientSession() as http:
        rest = OkxRest("spot", http, exchange.url, clock=lambda: market.now_ms * MS)
        listing = await rest.listing()
        yield exchange, market, rest, listing.find(market.symbol).instrument


async def test_trades_reach_back_to_the_one_asked_for() -> None:
    async with asking() as (exchange, market, rest, instrument):
        for _ in range(900):
            market.execute()
        ids = [p.id for p in market.prints]
        near = await rest.trades(instrument, ids[-50], 0)
        assert [f.trade_id for f in near.fills] == ids[-500:]
        assert len(exchange.asked("/market/history-trades")) == 0
        far = await rest.trades(instrument, ids[100], 0)
        assert [f.trade_id for f in far.fills] == ids[100:200]
        assert [f.side for f in far.fills] == [p.side for p in market.prints[100:200]]
        assert not far.flow_only


async def test_bars_are_utc_oldest_first_and_inside_what_was_asked_for() -> None:
    async with asking() as (exchange, market, rest, instrument):
        start = market.now_ms * MS // DAY * DAY
        rows = [[str((start + i * MINUTE) // MS), "1", "3", "0.5", "2", "7", "8", "9", "1"] for i in range(-3, 400)]
        market.candles = {"1m": rows, "1Dutc": rows[:1]}
        bars = await rest.bars(instrument, MINUTE, start, start + 350 * MINUTE)
        assert [b.opened for b in bars] == [start + i * MINUTE for i in range(300)]
        assert (bars[0].open, bars[0].high, bars[0].low, bars[0].close, bars[0].volume) == ("1", "3", "0.5", "2", "7")
        assert (bars[0].bought, bars[0].quote) == (None, "9")
        await rest.bars(instrument, DAY, start, start + DAY)
        assert exchange.asked("/market/candles")[-1]["bar"] == "1Dutc"


async def test_the_clock_and_the_days_volume() -> None:
    async with asking() as (_exchange, market, rest, instrument):
        assert await rest.day_volume(instrument) == market.day_volume
        assert await rest.clock_ahead() == 0
        market.now_ms += 5_000
        other = OkxRest("spot", rest._client._http, rest._client._root, clock=lambda: (market.now_ms - 2_000) * MS)
        assert await other.clock_ahead() == 2_000 * MS


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ({"code": "50011", "msg": "Too Many Requests", "data": []}, RateLimitedError, "asked to wait"),
        ({"code": "50001", "msg": "Service temporarily unavailable", "data": []}, UnreachableError, "unavailable"),
        ({"code": "51001", "msg": "Instrument ID doesn't exist", "data": []}, RefusedError, "doesn't exist"),
        ({"code": "0", "data": "none"}, UnreachableError, "cannot be read"),
        ({"code": "0", "data": []}, UnreachableError, "missing"),
        ([], UnreachableError, "cannot be read"),
    ],
)
async def test_what_an_answer_of_status_200_may_hold(body: object, error: type[Exception], says: str) -> None:
    async with asking() as (exchange, _market, rest, instrument):
        exchange.fail_next("/market/ticker", answer(200, body))
        with pytest.raises(error, match=says):
            await rest.day_volume(instrument)


def test_refusals() -> None:
    assert read_refusal(b'{"code":"51001","msg":"no"}') == (51001, "no")
    for body in (b'{"code":"0","msg":""}', b"", b"[]", b'{"code":"x"}', b"\xff"):
        assert read_refusal(body) == (None, "")
