"""A consumer that is too slow: books are merged and counted, trades are all there, and it ends with the true book."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from connectors.live.conflation import PATIENCE, Backlog, Merged
from connectors.live.wire import Update
from engine.feed import Levels
from engine.instrument import Instrument
from tests.connectors.binance.conftest import make_live, running, same_book
from tests.emulator.binance import BinanceEmulator, eventually
from tests.emulator.market import spot
from tests.emulator.recording import RecordingEngine, RecordingSink


@dataclass
class SlowSink(RecordingSink):
    """Every book message costs half a millisecond."""

    def book(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        time.sleep(0.0005)
        super().book(recv, ts, seq, bids, asks)


class SlowEngine(RecordingEngine):
    def open(self, instrument: Instrument) -> RecordingSink:
        return self.sinks.setdefault(instrument.market, SlowSink(instrument))


async def test_books_are_merged_and_trades_are_not() -> None:
    engine, market = SlowEngine(), spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        await make_live(emulator, market, lambda: engine.sinks.get("binance:ETH/USDT"))
        sink = engine.sinks["binance:ETH/USDT"]
        before, sent = sink.updates, 0
        while not engine.told("were merged") and sent < 60_000:
            for _ in range(1_000):  # faster than they can be taken in
                await emulator.step(market)
            sent += 1_000
            await asyncio.sleep(0)
        await eventually(lambda: same_book(sink, market), "the true book", 30)
        await eventually(lambda: len(sink.trades) == len(market.trades), "every trade", 30)
        assert engine.told("no trade is lost")
        assert sink.updates - before < sent
        assert sink.ids == [t["t"] for t in market.trades]
        assert sink.snapshots == 1
        assert sink.holes == []
        updates = sink.updates
        for _ in range(20):  # at an easy pace every message is told again
            await emulator.step(market)
            await eventually(lambda: same_book(sink, market), "the true book")
        assert sink.updates == updates + 20


def test_merged_updates_leave_the_book_they_would_have_left_one_by_one() -> None:
    rng, merged = random.Random(1), Merged()
    book: dict[str, float] = {}
    updates = [
        Update(i, i, [(f"{rng.randrange(20)}", float(rng.randrange(3))) for _ in range(4)], []) for i in range(50)
    ]
    for update in updates:
        book.update(update.bids)
        merged.add(update)
    one = merged.take()
    assert one is not None
    assert (one.ts, one.seq, dict(one.bids)) == (49, 49, book)
    assert merged.count == 49
    assert merged.take() is None
    merged.add(updates[0])
    merged.clear()
    assert merged.take() is None


async def test_a_reader_is_behind_when_it_never_waits() -> None:
    backlog = Backlog()
    backlog.begin(0.0)
    for i in range(10):
        backlog.after(backlog.before(), i * PATIENCE / 5)
    assert backlog.behind
    turn = backlog.before()
    await asyncio.sleep(0.001)
    backlog.after(turn, 10.0)
    assert not backlog.behind
