"""What is Coinbase's own on the wire, against the emulated exchange."""

from __future__ import annotations

from engine.codes import Channel, Flag, Reason, Trust
from tests.connectors.live.feeding import agrees, feeding, sink_of
from tests.emulator.coinbase import HISTORY, CoinbaseEmulator
from tests.emulator.exchange import Frame, eventually


async def test_a_frame_of_another_product_that_is_skipped_costs_every_book_and_no_trade() -> None:
    market, other = CoinbaseEmulator.pair()
    async with CoinbaseEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        exchange.mangle = lambda f: [] if f.native == other.native else [f]
        await exchange.tell_trades(other, [other.execute()])
        exchange.mangle = None
        before = len(sink_of(engine, market).said)
        await exchange.tell_trades(market, [market.execute()])  # the next frame of the connection shows it
        sink = sink_of(engine, market)
        await eventually(lambda: len(sink.said) > before, "told")
        assert sink.said[before] == (Channel.BOOK, Trust.RESYNC, Reason.SEQUENCE_GAP)
        assert sink.ids[-1] == market.prints[-1].id, "the trade that showed it counts"
        for m in (market, other):
            await exchange.step(m)
            await eventually(lambda m=m: agrees(engine, m), f"{m.symbol} live again")
            assert sink_of(engine, m).reasons(Channel.BOOK).count(Reason.SEQUENCE_GAP) == 1
            assert sink_of(engine, m).ids == [p.id for p in m.prints]
            assert sink_of(engine, m).holes == []
        assert exchange.connections == 1


async def test_no_change_after_a_skip_reaches_the_book_before_its_new_snapshot() -> None:
    market, other = CoinbaseEmulator.pair()
    async with CoinbaseEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        lost: list[Frame] = []

        def lose_one(frame: Frame) -> list[bytes]:
            if not lost and frame.channel is Channel.BOOK:
                lost.append(frame)
                return []
            return [frame]

        exchange.mangle = lose_one
        updates = sink_of(engine, market).updates
        await exchange.step(market, deltas=3, trades=0)
        sink = sink_of(engine, market)
        await eventually(lambda: sink.trust(Channel.BOOK) == (Trust.RESYNC, Reason.SEQUENCE_GAP), "told")
        assert (sink.updates, sink.bids) == (updates, {})
        await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "live again")


async def test_heartbeats_keep_the_count_and_are_asked_for_first() -> None:
    market, other = CoinbaseEmulator.pair()
    async with CoinbaseEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        assert exchange.subscriptions[0] == ["subscribe heartbeats "]
        said = len(sink_of(engine, market).said)
        for _ in range(3):
            await exchange.sockets[0].send(exchange.beat(exchange.sockets[0]))
            await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "goes on")
        assert len(sink_of(engine, market).said) == said


async def test_history_is_stored_and_no_flow_and_after_a_break_it_fills_the_gap_by_itself() -> None:
    market, other = CoinbaseEmulator.pair()
    old = [market.execute().id for _ in range(HISTORY + 20)]
    async with CoinbaseEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        sink = sink_of(engine, market)
        assert [t.id for t in sink.trades if t.flags & Flag.REPLAYED] == old[-HISTORY:]
        await exchange.disconnect()
        missed = [market.execute().id for _ in range(30)]
        await eventually(lambda: exchange.listened(market), "subscribed again")
        await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "live again")
        assert sink.ids == [p.id for p in market.prints][20:]
        assert [t.id for t in sink.trades if t.flags & Flag.RECOVERED] == missed
        assert (sink.holes, exchange.asked("/ticker")) == ([], [])


async def test_a_longer_gap_is_fetched_by_rest_with_the_takers_side() -> None:
    market, other = CoinbaseEmulator.pair()
    async with CoinbaseEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        await exchange.disconnect()
        for _ in range(HISTORY + 200):
            market.execute()
        await eventually(lambda: exchange.listened(market), "subscribed again")
        await exchange.step(market)
        await eventually(lambda: agrees(engine, market), "live again")
        sink = sink_of(engine, market)
        assert [(t.id, t.side) for t in sink.trades] == [(p.id, p.side) for p in market.prints]
        assert sink.holes == []
        assert exchange.asked("/ticker")


async def test_a_refused_product_is_told_with_the_venues_own_words() -> None:
    market, other = CoinbaseEmulator.pair()
    async with CoinbaseEmulator(market, other) as exchange, feeding(exchange, market, other) as engine:
        await exchange.sockets[0].send({"type": "error", "message": "rate limit exceeded"})
        await eventually(lambda: engine.told("rate limit exceeded"), "told")
