"""ccxt's own client, pointed at an emulated exchange: it reads the same books and trades as our connector does."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import pytest

from connectors.ccxt_exchange import streaming_class
from connectors.ccxt_venue.feed import CcxtFeed, CcxtVenue
from engine.codes import Channel, Trust
from tests.emulator.exchange import QUICK
from tests.emulator.faults import Run
from tests.emulator.venues import EXCHANGES
from tests.emulator.watched import WatchedEngine


@pytest.mark.parametrize("venue", ["okx"])
async def test_a_client_of_ccxt_sees_what_the_emulator_has(venue: str) -> None:
    kind = EXCHANGES[venue]
    market, calm = kind.pair()
    engine = WatchedEngine({m.symbol: m for m in (market, calm)}, kind.depth)
    async with kind(market, calm) as exchange:
        clock = lambda: market.now_ms * 1_000_000  # noqa: E731
        feed = CcxtFeed(
            CcxtVenue(venue, exchange.url, exchange.ws_url, clock=clock),
            [market.symbol, calm.symbol],
            ("trades", "book"),
            timing=QUICK,
            clock=clock,
        )
        run = Run(exchange, engine, market, calm, other_ids=True)
        run.task = asyncio.create_task(feed.run(engine))
        try:
            await run.settle(40)
            for _ in range(20):
                await run.step()
                await asyncio.sleep(0.005)
            await run.settle(40)
        finally:
            run.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run.task
    for m in (market, calm):
        sink = engine.of(m)
        assert sink is not None
        assert sink.wrong == []
        said = sink.trust(Channel.BOOK)
        assert said is not None
        assert said[0] in (Trust.UNVERIFIABLE, Trust.STALE)
        shown = [(t.ts // 10**6, float(t.price), float(t.size), t.side) for t in sink.trades]
        assert shown == [(p.ms, float(p.price), float(p.size), p.side) for p in m.prints][-len(shown) :]
        assert len(shown) > 15


def test_one_exchange_is_loaded_without_the_others() -> None:
    code = (
        "import sys; from connectors.ccxt_exchange import streaming_class; made = streaming_class('gateeu')();"
        "assert made.has['watchTrades'] and made.id == 'gateeu';"
        "loaded = {m.rpartition('.')[2] for m in sys.modules if m.startswith('ccxt.pro.')};"
        "assert loaded == {'gate', 'gateeu'}, loaded; assert 'ccxt' not in sys.modules;"
        "import ccxt; assert len(ccxt.exchanges) > 90 and ccxt.kraken().id == 'kraken'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


async def test_exchanges_of_every_kind_can_be_made() -> None:
    for name in ("kucoin", "bequant", "mexc", "upbit"):
        exchange = streaming_class(name)({"newUpdates": True})
        assert exchange.id == name
        await exchange.close()
