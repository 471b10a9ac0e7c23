"""What only Kraken does, on a live feed, and its listing on the command line."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from engine.codes import Channel, Flag, Reason, Trust
from tests.emulator.exchange import QUICK, eventually
from tests.emulator.kraken import KrakenExchange
from tests.emulator.recording import RecordingEngine
from tui.cli import main


async def test_history_is_no_flow_and_what_a_reconnect_replays_fills_the_gap_without_a_request() -> None:
    market, other = KrakenExchange.pair()
    before = [market.execute().id for _ in range(5)]
    engine = RecordingEngine()
    async with KrakenExchange(market, other) as exchange:
        feed = exchange.feed([market.symbol], QUICK, lambda: market.now_ms * 1_000_000)
        task = asyncio.create_task(feed.run(engine))
        try:
            await eventually(lambda: exchange.listened(market), "subscribed")
            await exchange.step(market)
            sink = engine.sinks["kraken:BTC/USD"]
            await eventually(lambda: sink.live and len(sink.ids) == 6, "history and one trade")
            assert sink.ids[:5] == before
            assert [bool(t.flags & Flag.REPLAYED) for t in sink.trades] == [True] * 5 + [False]
            await exchange.disconnect()
            missed = [market.execute().id for _ in range(4)]
            await eventually(lambda: exchange.connections == 2 and exchange.listened(market), "connected again")
            await exchange.step(market)
            await eventually(lambda: sink.ids[-1] == market.prints[-1].id, "the newest trade")
            assert sink.events[-5:] == [*(f"{i}r" for i in missed), str(market.prints[-1].id)]
            assert sink.holes == []
            assert exchange.asked("/Trades") == []
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_a_wrong_checksum_hides_the_book_within_its_message_and_a_new_snapshot_brings_it_back() -> None:
    market, other = KrakenExchange.pair()
    engine = RecordingEngine()
    async with KrakenExchange(market, other) as exchange:
        feed = exchange.feed([market.symbol, other.symbol], QUICK, lambda: market.now_ms * 1_000_000)
        task = asyncio.create_task(feed.run(engine))
        try:
            await eventually(lambda: all(exchange.listened(m, Channel.BOOK) for m in (market, other)), "subscribed")
            for each in (market, other):
                await exchange.step(each)
            sink, calm = (engine.sinks[f"kraken:{m.symbol}"] for m in (market, other))
            await eventually(lambda: sink.live and calm.live and sink.updates == calm.updates == 1, "live")
            said = len(calm.said)
            exchange.mangle = lambda f: (
                [exchange.corrupt(f)] if (f.native, f.channel) == ("BTC/USD", Channel.BOOK) else [f]
            )
            updates, snapshots = sink.updates, sink.snapshots
            await exchange.step(market, trades=0)
            await eventually(lambda: sink.trust(Channel.BOOK) == (Trust.RESYNC, Reason.BAD_CHECKSUM), "hidden")
            assert (sink.updates, sink.snapshots, sink.bids) == (updates, snapshots, {})
            exchange.mangle = None
            await eventually(lambda: sink.live, "live again")
            assert calm.said[said:] == []
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_the_listing_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with KrakenExchange(*KrakenExchange.pair()) as exchange:
        config = tmp_path / "flowtape.toml"
        config.write_text(f'[venues.kraken]\nrest = "{exchange.url}"\n')
        code = await asyncio.to_thread(main, ["markets", "kraken", "BTC", "--config", str(config)])
    assert code == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["MARKET", "KIND", "TICK", "LOT", "CONTRACT", "NATIVE"]
    assert [row.split() for row in rows] == [["kraken:BTC/USD", "spot", "0.1", "0.00000001", "BTC/USD"]]
