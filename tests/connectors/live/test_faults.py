"""Every scripted fault on every venue: what is shown is true or not shown, what was lost is fetched or told, and the
other market on the socket goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from engine.codes import Channel, Reason, Trust
from tests.emulator.exchange import QUICK, Exchange
from tests.emulator.faults import FAULTS, HARMLESS, WIDE, Run, applies, scripted
from tests.emulator.venues import EXCHANGES
from tests.emulator.watched import WatchedEngine, lost

#: Seeded scripts a venue.
SCRIPTS = int(os.environ.get("FLOWTAPE_FAULT_SCRIPTS", "4"))
TIMING = replace(
    QUICK, first_book=0.2, silent_book=0.4, acknowledge=0.15, heartbeat=0.3, settled=0.05, recovery=3.0, handshake=1.0
)
CASES = [(venue, fault) for venue, kind in EXCHANGES.items() for fault in FAULTS if applies(fault, kind)]


@asynccontextmanager
async def running(kind: type[Exchange[Any]]) -> AsyncIterator[Run]:
    """A feed that is live on both markets of an exchange."""
    market, calm = kind.pair()
    engine = WatchedEngine({m.symbol: m for m in (market, calm)}, kind.depth)
    async with kind(market, calm) as exchange:
        run = Run(exchange, engine, market, calm)
        feed = exchange.feed([market.symbol, calm.symbol], TIMING, lambda: market.now_ms * 1_000_000)
        task = run.task = asyncio.create_task(feed.run(engine))
        try:
            await run.settle()
            await run.step(6)
            await run.settle()
            yield run
            if task.done():
                task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def check(run: Run) -> None:
    """What holds after every fault."""
    for market, sink in run._sinks():
        assert sink is not None
        assert sink.wrong == [], f"{market.symbol} showed a book that was never there"
        assert sink.checked > 5, "the book was hardly ever shown"
        ids = [run.exchange.trade_id(p) for p in market.prints]
        missing = [i for i in lost(sink, ids, run.exchange.consecutive_ids) if i not in run.unseen]
        assert missing == [], f"{market.symbol} lost trades without a hole"


@pytest.mark.parametrize(("venue", "fault"), CASES)
async def test_a_fault_is_contained_and_mended(venue: str, fault: str) -> None:
    kind = EXCHANGES[venue]
    async with running(kind) as run:
        calm = run.engine.of(run.calm)
        assert calm is not None
        sink = run.sink
        before, said, beside = sink.snapshots, len(sink.said), len(calm.said)
        await FAULTS[fault](run)
        if fault == "delisted":
            assert sink.trust(Channel.BOOK) == (Trust.STALE, Reason.DELISTED)
            assert sink.bids == {}
            return
        await run.settle()
        check(run)
        if kind.consecutive_ids:
            assert sink.holes == [], "trades that could be fetched were not"
        if fault in HARMLESS and kind.snapshot_path:
            assert sink.snapshots == before
            assert [x for x in sink.said[said:] if x[0] is Channel.BOOK] == []
        if fault not in WIDE and not kind.connection_wide:
            assert [x for x in calm.said[beside:] if x[1] not in (Trust.LIVE, Trust.UNVERIFIABLE)] == []


@pytest.mark.parametrize("venue", EXCHANGES)
async def test_random_scripts_never_show_a_wrong_book_or_lose_a_trade(venue: str) -> None:
    for seed in range(SCRIPTS):
        async with running(EXCHANGES[venue]) as run:
            try:
                await scripted(run, seed)
                await run.settle()
                check(run)
            except AssertionError as e:
                raise AssertionError(f"script {seed}: {e}") from e
