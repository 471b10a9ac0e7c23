"""Hyperliquid live against an exchange on loopback: what the fault matrix does not ask."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from connectors.hyperliquid.feed import Hyperliquid, endpoints
from connectors.hyperliquid.instruments import perpetual as instrument_of
from connectors.hyperliquid.rest import HyperliquidRest
from connectors.live.feed import LiveFeed
from connectors.live.http import RateLimitedError, UnreachableError
from connectors.venues import VenueSettings, list_markets
from engine.codes import Channel, Flag, Kind, Reason, Trust
from engine.feed import SourceError
from engine.history import MINUTE
from engine.metrics.windows import DAY
from tests.emulator.exchange import QUICK, answer, eventually
from tests.emulator.hyperliquid import HyperliquidEmulator, HyperliquidMarket, perpetual
from tests.emulator.recording import RecordingEngine, RecordingSink
from tests.emulator.seeded import state_of


@asynccontextmanager
async def running(
    emulator: HyperliquidEmulator, symbols: list[str], channels: tuple[str, ...] = ("trades", "book")
) -> AsyncIterator[tuple[RecordingEngine, LiveFeed]]:
    engine = RecordingEngine()
    clock: Callable[[], int] = lambda: emulator.markets[0].now_ms * 1_000_000  # noqa: E731
    venue = Hyperliquid(endpoints(emulator.url, emulator.ws_url), clock=clock)
    timing = replace(QUICK, silent_book=0.3)
    feed = LiveFeed(venue, symbols, channels, timing=timing, clock=clock)
    task = asyncio.create_task(feed.run(engine))
    try:
        yield engine, feed
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceError):
            await task


async def current(engine: RecordingEngine, m: HyperliquidMarket) -> RecordingSink:
    """The sink of a market once its book is the true one, as far as it goes."""

    def same() -> bool:
        sink = engine.sinks.get(f"hyperliquid:{m.symbol}")
        if sink is None or sink.trust(Channel.BOOK) != (Trust.UNVERIFIABLE, Reason.NO_SEQUENCE):
            return False
        bids, asks = m.states[-1]
        return state_of(sink.bids, sink.asks) == (bids[:5], asks[:5])

    await eventually(same, f"the book of {m.symbol}")
    return engine.sinks[f"hyperliquid:{m.symbol}"]


async def listened(emulator: HyperliquidEmulator, *markets: HyperliquidMarket) -> None:
    await eventually(lambda: all(emulator.listened(m, c) for m in markets for c in (Channel.BOOK, Channel.TRADES)))


async def test_a_book_is_shown_as_not_verifiable_and_history_is_no_flow() -> None:
    m = perpetual()
    async with HyperliquidEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, _):
        await listened(emulator, m)
        await emulator.step(m, 4, 2)
        sink = await current(engine, m)
        await eventually(lambda: len(sink.trades) == 14, "trades")
        assert [bool(t.flags & Flag.REPLAYED) for t in sink.trades] == [True] * 12 + [False] * 2
        assert not sink.instrument.fixed_tick
        assert sink.instrument.book_depth is None, "each message reaches as far as it reaches"
        assert (len(sink.bids), len(sink.asks)) == (5, 5)
        assert sink.trust(Channel.TRADES) == (Trust.LIVE, Reason.NONE)


async def test_an_unknown_coin_is_refused_before_anything_is_subscribed_to() -> None:
    """The venue would close the whole socket, without a word."""
    m = perpetual()
    async with HyperliquidEmulator(m) as emulator:
        async with running(emulator, [m.symbol, "ETHH/USDC:USDC", "ETH-PERP"]) as (engine, _):
            await listened(emulator, m)
            await emulator.step(m, 3)
            await current(engine, m)
            assert (emulator.closed, emulator.connections) == (0, 1)
        told = [text for _, text in engine.notices]
        assert any("no market 'ETHH/USDC:USDC'; did you mean ETH/USDC:USDC" in text for text in told)
        assert any("write BTC/USDC:USDC (perpetual)" in text for text in told)
        assert {name.partition(":")[2] for names in emulator.subscriptions for name in names} == {"ETH"}
        alone = LiveFeed(Hyperliquid(endpoints(emulator.url, emulator.ws_url)), ["XX/USDC:USDC"])
        with pytest.raises(SourceError, match="hyperliquid has no market"):
            await alone.run(RecordingEngine())
        assert emulator.closed == 0


async def test_what_happens_when_a_coin_is_subscribed_to_unasked() -> None:
    """The emulator does what the venue does, so the test above proves something."""
    m = perpetual()
    async with HyperliquidEmulator(m) as emulator, aiohttp.ClientSession() as http:
        ws = await http.ws_connect(emulator.ws_url + "/ws")
        await ws.send_json({"method": "subscribe", "subscription": {"type": "l2Book", "coin": "NOPE"}})
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert emulator.closed == 1


async def test_history_after_a_reconnect_fills_what_was_missed() -> None:
    m = perpetual()
    async with HyperliquidEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, _):
        await listened(emulator, m)
        await emulator.step(m, 2, 2)
        sink = await current(engine, m)
        await emulator.disconnect()
        for _ in range(9):
            m.execute()
        await listened(emulator, m)
        await emulator.step(m)
        await eventually(lambda: sink.ids == [emulator.trade_id(p) for p in m.prints], "every trade once, in order")
        assert sink.holes == []
        assert sum(bool(t.flags & Flag.RECOVERED) for t in sink.trades) == 9


async def test_more_than_the_venue_repeats_leaves_a_hole() -> None:
    m = perpetual()
    async with HyperliquidEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, _):
        await listened(emulator, m)
        await emulator.step(m, 2, 2)
        sink = await current(engine, m)
        await emulator.disconnect()
        for _ in range(70):
            m.execute()
        await listened(emulator, m)
        await emulator.step(m)
        await eventually(lambda: sink.ids[-1:] == [emulator.trade_id(m.prints[-1])], "the last trade")
        assert sink.holes == [(-1, -1)]


async def test_a_book_that_stalls_with_the_socket_open_is_told_and_asked_for_again() -> None:
    m, calm = HyperliquidEmulator.pair()
    async with HyperliquidEmulator(m, calm) as emulator, running(emulator, [m.symbol, calm.symbol]) as (engine, _):
        await listened(emulator, m, calm)
        await emulator.step(m)
        await emulator.step(calm)
        sink = await current(engine, m)
        asked = len(emulator.subscriptions)

        async def others_go_on() -> None:
            while (Channel.BOOK, Trust.SILENT, Reason.ONLY_TRADES) not in sink.said:
                await emulator.step(calm)
                await emulator.step(m, deltas=0)
                await asyncio.sleep(0.01)

        await asyncio.wait_for(others_go_on(), 10)
        await eventually(lambda: [f"l2Book:{m.native}"] in emulator.subscriptions[asked:], "asked for again")
        await current(engine, m)
        assert emulator.connections == 1


async def test_figures_of_perpetuals() -> None:
    m, everything = perpetual(), ("trades", "book", "contract")
    async with HyperliquidEmulator(m) as emulator, running(emulator, [m.symbol], everything) as (engine, _):
        await eventually(lambda: f"hyperliquid:{m.symbol}" in engine.sinks, "a sink")
        sink = engine.sinks[f"hyperliquid:{m.symbol}"]
        await eventually(lambda: len(sink.readings) == 4, "figures")
        assert sink.readings[Kind.FUNDING][0] == "0.0000125"
        assert sink.readings[Kind.MARK][0] == "100.01"


async def test_bars_tell_no_sides() -> None:
    m = perpetual()
    async with HyperliquidEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, feed):
        await listened(emulator, m)
        await emulator.step(m)
        sink = await current(engine, m)
        await eventually(lambda: sink.volumes == [m.day_volume], "the last day's volume")
        emulator.fail_next("/info", answer(200, [CANDLE]))
        bars = await feed.history(sink.instrument, MINUTE, 3)
        assert (bars.sided, len(bars), int(bars.trades[0])) == (False, 1, 12)


CANDLE = {
    "t": 1_750_000_000_000 // 60_000 * 60_000 - 120_000, "T": 1, "s": "ETH", "i": "1m",
    "o": "100", "c": "101", "h": "102", "l": "99", "v": "7.5", "n": 12,
}  # fmt: skip


async def test_rest_answers_and_refusals() -> None:
    m = perpetual()
    i = instrument_of("ETH", 3)
    async with HyperliquidEmulator(m) as emulator, aiohttp.ClientSession() as http:
        asked = HyperliquidRest(http, emulator.url, "perp", clock=lambda: 1_750_000_000_000_000_000)
        assert await asked.clock_ahead() == m.now_ms * 1_000_000 - 1_750_000_000_000_000_000
        page = await asked.trades(i, 0, 0)
        assert [fill.trade_id for fill in page.fills] == [emulator.trade_id(p) for p in m.prints]
        assert [fill.side for fill in page.fills] == [p.side for p in m.prints]
        opened = CANDLE["t"] * 1_000_000  # type: ignore[operator]
        emulator.fail_next("/info", answer(200, [CANDLE]))
        (bar,) = await asked.bars(i, MINUTE, opened, opened + DAY)
        assert (bar.opened, bar.open, bar.volume, bar.bought, bar.trades) == (opened, "100", "7.5", None, 12)
        assert emulator.asked_for[-1]["type"] == "recentTrades"  # the candles were answered by the fault
        for fault in (answer(500), answer(200, {"nonsense": 1}), answer(200, None)):
            emulator.fail_next("/info", fault)
            with pytest.raises(UnreachableError):
                await asked.day_volume(i)
        with pytest.raises(UnreachableError, match="tells nothing of"):
            await asked.day_volume(instrument_of("NOPE", 3))
        emulator.fail_next("/info", answer(429))
        with pytest.raises(RateLimitedError):
            await asked.trades(i, 0, 0)


async def test_markets_that_trade_are_listed() -> None:
    gone = perpetual("OLD", trading=False)
    async with HyperliquidEmulator(perpetual(), gone) as emulator:
        found = await list_markets("hyperliquid", VenueSettings(rest=emulator.url))
    assert [(i.market, i.fixed_tick) for i in found] == [("hyperliquid:ETH/USDC:USDC", False)]
