"""The frames that a live connector got, kept as a recorded session: the file gives the trades and books seen live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.codes import Channel, Flag, Kind
from engine.feed import SourceError
from tests.connectors.archives.sessions import BEGIN, connect, dict_book, header, read_all, recv, write
from tests.emulator.bybit import BybitEmulator, BybitSpotEmulator
from tests.emulator.exchange import QUICK, Exchange, Frame, eventually
from tests.emulator.hyperliquid import HyperliquidEmulator
from tests.emulator.recording import RecordingEngine, RecordingSink
from tests.emulator.seeded import SeededMarket, state_of

KINDS: list[tuple[type[Exchange[Any]], str]] = [
    (BybitEmulator, "wss://stream.bybit.com/v5/public/linear"),
    (BybitSpotEmulator, "wss://stream.bybit.com/v5/public/spot"),
    (HyperliquidEmulator, "wss://api.hyperliquid.xyz/ws"),
]


class Recorder:
    """Keeps what goes out as lines of a session; `lose` takes the next book frame away first."""

    def __init__(self, exchange: Exchange[Any], address: str) -> None:
        self.lines, self.lose, self.changed = [header("X")], 0, 0
        self._exchange, self._address, self._connections = exchange, address, 0
        exchange.mangle = self.mangle

    def mangle(self, frame: Frame) -> Iterable[bytes]:
        at = (max(m.now_ms for m in self._exchange.markets) + 5) / 1000 - BEGIN
        if self._exchange.connections > self._connections:
            self._connections = self._exchange.connections
            self.lines.append(connect("ws", self._address, at))
        if self.lose and frame.channel is Channel.BOOK and not frame.snapshot:
            self.lose -= 1
            return []
        self.lines.append(recv("ws", at, frame.decode()))
        return [frame]


@asynccontextmanager
async def running(exchange: Exchange[Any], market: SeededMarket) -> AsyncIterator[RecordingEngine]:
    engine = RecordingEngine()
    feed = exchange.feed([market.symbol], QUICK, lambda: market.now_ms * 1_000_000)
    task = asyncio.create_task(feed.run(engine))
    try:
        yield engine
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceError):
            await task


@pytest.mark.parametrize(("kind", "address"), KINDS, ids=[kind.__name__ for kind, _ in KINDS])
async def test_the_file_gives_what_was_seen_live(kind: type[Exchange[Any]], address: str, tmp_path: Path) -> None:
    market, _ = kind.pair()
    async with kind(market) as exchange:
        recorder = Recorder(exchange, address)
        async with running(exchange, market) as engine:

            def listened() -> bool:
                return all(exchange.listened(market, c) for c in (Channel.BOOK, Channel.TRADES))

            def caught_up() -> bool:
                sink: RecordingSink | None = next(iter(engine.sinks.values()), None)
                bids, asks = market.states[-1]
                whole = (bids[: kind.depth], asks[: kind.depth])
                done = sink is not None and state_of(sink.bids, sink.asks) == whole
                return done and sink is not None and sink.ids[-1:] == [exchange.trade_id(market.prints[-1])]

            await eventually(listened, "subscribed")
            await exchange.step(market, 30, 20)
            await eventually(caught_up, "the market as it is")
            recorder.lose = 1
            await exchange.step(market, 8, 3)
            await eventually(caught_up, "the market after a lost message")
            if kind is HyperliquidEmulator:  # it repeats what was missed, so the file has it, too
                await exchange.disconnect()
                for _ in range(6):
                    market.execute()
                await eventually(listened, "subscribed again")
                await exchange.step(market, 5, 5)
                await eventually(caught_up, "the market after an interruption")
            (sink,) = engine.sinks.values()
            live = [(t.id, float(t.price), float(t.size), t.side, t.flags) for t in sink.trades]
            books = sink.bids, sink.asks
    got = read_all(write(tmp_path / "session.jsonl.zst", recorder.lines))
    (name,) = got.rows
    assert name.partition(":")[2] == market.symbol
    instrument = got.instruments[name]
    rows = got.kind(name, Kind.TRADE)
    assert [
        (int(r["id"]), instrument.price(int(r["px"])), instrument.wire_size(int(r["qty"])), int(r["side"]),
         int(r["flags"]) & ~int(Flag.LAST))
        for r in rows
    ] == live  # fmt: skip
    assert got.holes(name) == []
    for mine, theirs in zip(dict_book(got.rows[name]), books, strict=True):
        assert {instrument.price(px): instrument.wire_size(qty) for px, qty in mine.items()} == {
            float(px): size for px, size in theirs.items()
        }
