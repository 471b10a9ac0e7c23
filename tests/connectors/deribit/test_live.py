"""What only Deribit does, on a live feed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from connectors.deribit.feed import Deribit, endpoints
from connectors.live.feed import LiveFeed
from engine.codes import Channel, Flag, Kind, Reason, Trust
from tests.emulator.deribit import DeribitExchange, DeribitMarket
from tests.emulator.exchange import QUICK, eventually
from tests.emulator.recording import RecordingEngine, RecordingSink


@asynccontextmanager
async def running(
    exchange: DeribitExchange, market: DeribitMarket, **timing: float
) -> AsyncIterator[tuple[RecordingEngine, RecordingSink]]:
    engine = RecordingEngine()
    feed = LiveFeed(
        Deribit(endpoints(exchange.url, exchange.ws_url), clock=lambda: market.now_ms * 1_000_000),
        [market.symbol],
        ("trades", "book", "contract"),
        timing=replace(QUICK, **timing),
        clock=lambda: market.now_ms * 1_000_000,
    )
    task = asyncio.create_task(feed.run(engine))
    try:
        await eventually(lambda: exchange.listened(market) and exchange.listened(market, Channel.BOOK), "subscribed")
        await exchange.step(market)
        await eventually(lambda: engine.sinks[f"deribit:{market.symbol}"].live, "live")
        yield engine, engine.sinks[f"deribit:{market.symbol}"]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_test_requests_are_answered_also_while_a_subscription_waits_for_its_answer() -> None:
    market, other = DeribitExchange.pair()
    async with DeribitExchange(market, other) as exchange, running(exchange, market, acknowledge=5.0) as (_, sink):
        assert exchange.heartbeats == [30]
        await exchange.ask()
        await eventually(lambda: exchange.tested == 1, "answered")
        exchange.mute_requests = True
        lost = market.move()  # a gap: the book is subscribed to anew, which nobody answers
        assert lost.bids or lost.asks
        await exchange.step(market)
        await eventually(lambda: sink.trust(Channel.BOOK) == (Trust.RESYNC, Reason.SEQUENCE_GAP), "the gap")
        await exchange.ask()
        await eventually(lambda: exchange.tested == 2, "answered all the same")
        assert exchange.connections == 1


async def test_a_client_that_does_not_answer_is_thrown_out_and_connects_again() -> None:
    """The venue's side of it: what the answer is for."""
    market, other = DeribitExchange.pair()
    async with DeribitExchange(market, other) as exchange, running(exchange, market) as (_, sink):
        await exchange.disconnect()
        missed = [market.execute().id for _ in range(3)]
        await eventually(lambda: exchange.connections == 2 and exchange.listened(market), "connected again")
        await exchange.step(market)
        await eventually(lambda: sink.live and sink.ids[-1] == market.prints[-1].id, "live again")
        assert sink.events[-4:-1] == [f"{i}r" for i in missed]
        assert sink.holes == []


async def test_block_trades_are_on_the_tape_and_no_flow() -> None:
    market, other = DeribitExchange.pair()
    async with DeribitExchange(market, other) as exchange, running(exchange, market) as (_, sink):
        market.blocks.add(market.trade_id + 1)
        await exchange.step(market, trades=2)
        await eventually(lambda: sink.ids[-2:] == [p.id for p in market.prints[-2:]], "both trades")
        assert [t.flags for t in sink.trades[-2:]] == [Flag.NOT_FLOW, 0]


async def test_mark_index_funding_and_open_interest_come_by_rest() -> None:
    market, other = DeribitExchange.pair()
    async with DeribitExchange(market, other) as exchange, running(exchange, market) as (_, sink):
        await eventually(lambda: len(sink.readings) == 4, "all readings")
        assert {kind: float(value) for kind, (value, _) in sink.readings.items()} == {
            Kind.MARK: 42_500.25,
            Kind.INDEX: 42_499.9,
            Kind.FUNDING: 1.742e-05,
            Kind.OPEN_INTEREST: 1_132_329_370.0,
        }
