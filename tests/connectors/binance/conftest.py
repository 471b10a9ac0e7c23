"""A live feed against the emulator, quick enough for tests."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from connectors.binance import BinanceFeed, Endpoints
from engine.feed import Engine
from tests.emulator.binance import BinanceEmulator, eventually
from tests.emulator.exchange import QUICK
from tests.emulator.market import EmulatedMarket
from tests.emulator.recording import RecordingEngine, RecordingSink


@asynccontextmanager
async def running(emulator: BinanceEmulator, *symbols: str, engine: Engine, **more: Any) -> AsyncIterator[BinanceFeed]:
    """A feed that runs inside the block. An error that ends it fails the test."""
    timing = replace(QUICK, **more.pop("timing", {}))
    endpoints = more.pop("endpoints", Endpoints(emulator.url, emulator.ws_url))
    feed = BinanceFeed(symbols, endpoints, timing=timing, rng=random.Random(1), **more)
    task = asyncio.create_task(feed.run(engine))
    try:
        yield feed
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def same_book(sink: RecordingSink, market: EmulatedMarket) -> bool:
    """Whether the sink's book is the market's."""
    return (
        sink.seq == market.update_id
        and sink.bids == {p: float(s) for p, s in market.bids.items()}
        and sink.asks == {p: float(s) for p, s in market.asks.items()}
    )


async def make_live(
    emulator: BinanceEmulator, market: EmulatedMarket, sink: Callable[[], RecordingSink | None]
) -> None:
    """Move the market until its book is live and right."""
    await eventually(lambda: emulator.subscribed(market), "subscribed")
    await emulator.step(market)

    def is_live() -> bool:
        found = sink()
        return found is not None and found.live and same_book(found, market)

    await eventually(is_live, "live")


@pytest.fixture
def engine() -> RecordingEngine:
    return RecordingEngine()
