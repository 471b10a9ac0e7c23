"""A feed against an emulated exchange, for tests of one venue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from engine.codes import Channel
from tests.emulator.exchange import QUICK, Exchange, eventually
from tests.emulator.recording import RecordingEngine, RecordingSink
from tests.emulator.seeded import SeededMarket, state_of

#: Silence is told late: these tests wait for other things.
PATIENT = replace(QUICK, silent_book=30.0, silent_trades=30.0)


@asynccontextmanager
async def feeding(
    exchange: Exchange[Any], *markets: SeededMarket, timing: Timing = PATIENT
) -> AsyncIterator[RecordingEngine]:
    """A feed of the markets inside the block, live on all of them; an error that ends it fails the test."""
    engine = RecordingEngine()
    feed = exchange.feed([m.symbol for m in markets], timing, lambda: markets[0].now_ms * 1_000_000)
    assert isinstance(feed, LiveFeed)
    task = asyncio.create_task(feed.run(engine))
    try:
        for market in markets:
            await eventually(lambda m=market: exchange.listened(m) and exchange.listened(m, Channel.BOOK), "subscribed")
            await exchange.step(market)
        for market in markets:
            await eventually(lambda m=market: agrees(engine, m), f"{market.symbol} live")
        yield engine
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def sink_of(engine: RecordingEngine, market: SeededMarket) -> RecordingSink:
    """The market's sink."""
    return next(s for s in engine.sinks.values() if s.instrument.symbol == market.symbol)


def agrees(engine: RecordingEngine, market: SeededMarket) -> bool:
    """Whether the market's book is live and the true one, and its newest trade has come."""
    found = [s for s in engine.sinks.values() if s.instrument.symbol == market.symbol]
    if not found or not found[0].live or not found[0].ids:
        return False
    book = state_of(found[0].bids, found[0].asks) == state_of(market.bids, market.asks)
    return book and found[0].ids[-1] == market.prints[-1].id
