"""What is OKX's own on the wire, against the emulated exchange."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from connectors.venues import VenueSettings, list_markets
from engine.codes import Channel, Flag, Reason, Trust
from engine.feed import SourceError
from tests.connectors.live.feeding import PATIENT, agrees, feeding, sink_of
from tests.emulator.exchange import answer, eventually
from tests.emulator.okx import OkxEmulator, OkxMarket


def swaps() -> tuple[OkxMarket, OkxMarket]:
    linear = OkxMarket(
        "BTC/USDT:USDT", "BTC-USDT-SWAP", "BTC", "USDT", lot="0.01", type="SWAP", contract="0.01", day_volume="123"
    )
    inverse = OkxMarket(
        "BTC/USD:BTC", "BTC-USD-SWAP", "BTC", "USD", lot="1", type="SWAP", contract="100", day_volume="123", seed=2
    )
    return linear, inverse


async def test_a_keep_alive_and_a_reset_of_the_numbers_leave_the_book_as_it_is() -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        sink = sink_of(engine, market)
        await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "trades, too")
        said = list(sink.said)
        for _ in range(3):
            for socket in exchange.sockets:
                await socket.send(exchange.keep_alive(market))
            await exchange.step(market)
        old = market.seq
        change = market.move()
        market.previous, market.seq = old, 3  # maintenance: numbered anew, after the right message
        await exchange.tell_change(market, change)
        await exchange.step(market, deltas=4)
        await eventually(lambda: agrees(engine, market), "the book goes on")
        assert (sink.snapshots, sink.said) == (1, said)
        assert exchange.connections == 1


async def test_a_snapshot_in_between_replaces_the_book_and_is_continued() -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        market.move()  # nobody is told
        for socket in exchange.sockets:
            await exchange._begin(socket, market, "books")
        await exchange.step(market, deltas=3)
        await eventually(lambda: agrees(engine, market), "the book goes on")
        assert sink_of(engine, market).snapshots == 2
        assert sink_of(engine, market).reasons(Channel.BOOK).count(Reason.SEQUENCE_GAP) == 0


async def test_the_trade_that_a_subscription_begins_with_is_stored_and_no_flow() -> None:
    market, other = OkxEmulator.pair()
    old = market.execute()
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        trades = sink_of(engine, market).trades
        assert [(t.id, t.flags) for t in trades] == [(old.id, Flag.REPLAYED), (old.id + 1, 0)]
        await exchange.disconnect()
        missed = [market.execute().id for _ in range(130)]  # more than a page of history
        await eventually(lambda: exchange.listened(market), "subscribed again")
        await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "all is there")
        sink = sink_of(engine, market)
        assert sink.ids == [p.id for p in market.prints]
        # The newest of them is what the new subscription begins with.
        assert [t.id for t in sink.trades if t.flags & Flag.RECOVERED] == missed[:-1]
        assert sink.holes == []


async def test_a_gap_longer_than_the_newest_trades_is_fetched_by_id() -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        await exchange.disconnect()
        for _ in range(730):
            market.execute()
        await eventually(lambda: exchange.listened(market), "subscribed again")
        await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "all is there")
        assert sink_of(engine, market).ids == [p.id for p in market.prints]
        assert sink_of(engine, market).holes == []
        assert exchange.asked("/market/history-trades")


async def test_fills_told_as_one_leave_no_hole_and_a_lost_message_of_them_is_fetched_one_by_one() -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        sink = sink_of(engine, market)

        async def several(count: int, lost: bool = False) -> list[int]:
            fills = [market.execute() for _ in range(count)]
            frame = msgspec.json.decode(exchange.trade_frame(exchange.sockets[0], market, fills[-1:]))
            frame["data"][0]["count"] = str(count)
            if not lost:
                await exchange.deliver(exchange.sockets[0], msgspec.json.encode(frame), market.native, Channel.TRADES)
            return [fill.id for fill in fills]

        told = (await several(3))[-1:]
        single = await several(4, lost=True)
        told2 = (await several(2))[-1:]
        await eventually(lambda: sink.ids[-1] == told2[0], "all is there")
        assert sink.ids[-6:] == [*told, *single, *told2]
        assert sink.holes == []


async def test_a_market_that_does_not_exist_is_told_and_the_other_goes_on() -> None:
    market, other = OkxEmulator.pair()
    ghost = OkxMarket("XXX/USDT", "XXX-USDT", "XXX", "USDT")
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market) as engine:
        exchange.markets.remove(other)
        feed = exchange.feed([market.symbol, ghost.symbol], PATIENT, lambda: market.now_ms * 1_000_000)
        task = asyncio.create_task(feed.run(engine))
        await eventually(lambda: engine.told("okx has no market 'XXX/USDT'"), "told")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_contracts_are_worth_what_the_listing_says() -> None:
    linear, inverse = swaps()
    async with OkxEmulator(linear, inverse) as exchange, feeding(exchange, linear, inverse) as engine:
        a, b = sink_of(engine, linear).instrument, sink_of(engine, inverse).instrument
        assert (a.kind, a.contract, a.unit) == ("linear", Decimal("0.01"), "BTC")
        assert (b.kind, b.contract, b.unit) == ("inverse", 100, "USD")
        await eventually(lambda: sink_of(engine, linear).volumes == [linear.day_volume], "contracts of a day")


async def test_markets_are_listed_for_the_command_line() -> None:
    spot, _ = OkxEmulator.pair()
    linear, inverse = swaps()
    inverse.trading = False
    async with OkxEmulator(spot, linear, inverse) as exchange:
        settings = VenueSettings(rest=exchange.url, ws=exchange.ws_url)
        found = await list_markets("okx", settings)
        assert sorted(i.market for i in found) == ["okx:BTC/USDT:USDT", "okx:ETH/USDT"]
        exchange.fail_next("/public/instruments", *[answer(451, {"code": "1", "msg": "restricted"})] * 3)
        with pytest.raises(SourceError, match="not available from this place"):
            await list_markets("okx", settings)


async def test_a_market_that_is_suspended_is_told_and_lives_again_when_it_moves() -> None:
    market, other = OkxEmulator.pair()
    soon = replace(PATIENT, first_book=0.1)
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market, other, timing=soon) as engine:
        sink = sink_of(engine, market)
        for socket in exchange.sockets:
            await socket.send(exchange.end_frame(market))
        await eventually(lambda: sink.trust(Channel.BOOK) == (Trust.STALE, Reason.DELISTED), "told")
        assert sink.bids == {}
        assert engine.told("no longer traded")
        assert sink_of(engine, other).live
        for _ in range(2):
            await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "live again")


async def test_the_venue_that_closes_soon_is_left_without_a_pause() -> None:
    market, other = OkxEmulator.pair()
    async with OkxEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        await exchange.sockets[0].send({"event": "notice", "code": "64008", "msg": "upgrade", "connId": "a4"})
        await exchange.disconnect()
        await eventually(lambda: exchange.listened(market), "subscribed again")
        await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "live again")
        assert not engine.told("trying again")
        assert sink_of(engine, market).trust(Channel.BOOK) == (Trust.LIVE, Reason.NONE)
