"""Markets through ccxt's unified methods: an exchange whose truth is known, with faults."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from connectors.ccxt_venue.feed import CcxtFeed, CcxtVenue, list_markets
from engine.codes import Channel, Flag, Reason, Trust
from engine.feed import SourceError
from tests.emulator.ccxt_like import BadSymbol, CcxtLike, NetworkError
from tests.emulator.exchange import QUICK, eventually
from tests.emulator.seeded import SeededMarket
from tests.emulator.watched import WatchedEngine, WatchedSink

BOOK, TRADES = Channel.BOOK, Channel.TRADES
UNPROVEN = (Trust.UNVERIFIABLE, Reason.NO_SEQUENCE)


def pair() -> tuple[SeededMarket, SeededMarket]:
    return SeededMarket("ETH/USDT", "eth_usdt", "ETH", "USDT"), SeededMarket("BTC/USDT", "b", "BTC", "USDT", seed=2)


@asynccontextmanager
async def running(
    exchange: CcxtLike, *symbols: str, channels: tuple[str, ...] = ("trades", "book"), **timing: float
) -> AsyncIterator[WatchedEngine]:
    engine = WatchedEngine(dict(exchange.known), 20)
    clock: Callable[[], int] = lambda: max(m.now_ms for m in exchange.known.values()) * 1_000_000  # noqa: E731
    venue = CcxtVenue("faraway", make=lambda _options: exchange, clock=clock)
    feed = CcxtFeed(venue, symbols, channels, timing=replace(QUICK, **timing), rng=random.Random(1), clock=clock)
    task = asyncio.create_task(feed.run(engine))
    try:
        yield engine
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def settled(exchange: CcxtLike, engine: WatchedEngine, *markets: SeededMarket) -> list[WatchedSink]:
    """Goes on until every book is true and every trade there."""

    def true(market: SeededMarket) -> bool:
        sink = engine.of(market)
        return (
            sink is not None
            and sink.current
            and bool(sink.trades)
            and sink.trades[-1].ts == market.prints[-1].ms * 10**6
        )

    for _ in range(400):
        for market in markets:
            exchange.step(market)
        with contextlib.suppress(AssertionError):
            await eventually(lambda: all(map(true, markets)), "settled", 0.05)
            return [sink for market in markets if (sink := engine.of(market)) is not None]
    raise AssertionError(f"not settled: {engine.notices[-3:]}, {[s.said[-4:] for s in engine.watched]}")


def told(sink: WatchedSink) -> list[tuple[int, float, float, int]]:
    return [(t.ts // 10**6, float(t.price), float(t.size), t.side) for t in sink.trades]


def told_by(market: SeededMarket) -> list[tuple[int, float, float, int]]:
    return [(p.ms, float(p.price), float(p.size), p.side) for p in market.prints]


async def test_books_and_trades_follow_the_market_and_are_called_unverifiable() -> None:
    eth, btc = pair()
    exchange = CcxtLike(eth, btc)
    async with running(exchange, eth.symbol, btc.symbol) as engine:
        await settled(exchange, engine, eth, btc)
        for _ in range(30):
            exchange.step(eth, deltas=1, trades=2)
            exchange.step(btc)
            await asyncio.sleep(0.001)
        sinks = await settled(exchange, engine, eth, btc)
        for sink in sinks:
            assert sink.trust(BOOK) == UNPROVEN
            assert sink.trust(TRADES) == (Trust.LIVE, Reason.NONE)
            assert sink.wrong == []
            assert sink.snapshots == 1
            assert sink.updates > 10
            assert sink.holes == []
            assert sink.volumes == ["12345.678"] or float(sink.volumes[0]) == 12345.678
        assert told(sinks[0]) == told_by(eth)[-len(sinks[0].trades) :]
        assert sinks[0].instrument.book_depth == -1
        assert sinks[0].instrument.taker_bps == 10.0
    assert exchange.closed == 1


async def test_what_a_subscription_replays_is_not_flow() -> None:
    eth, _ = pair()
    for _ in range(20):
        eth.execute()
    eth.now_ms += 60_000
    exchange = CcxtLike(eth)
    exchange.replays = 21
    async with running(exchange, eth.symbol) as engine:
        (sink,) = await settled(exchange, engine, eth)
    assert sum(bool(t.flags & Flag.REPLAYED) for t in sink.trades) == 20
    assert len(sink.trades) == len(eth.prints)


@pytest.mark.parametrize("past", [None, 3])
async def test_after_an_interruption_trades_are_fetched_or_a_hole_is_told(past: int | None) -> None:
    eth, btc = pair()
    exchange = CcxtLike(eth, btc)
    async with running(exchange, eth.symbol, btc.symbol) as engine:
        (sink, calm) = await settled(exchange, engine, eth, btc)
        exchange.past = past
        exchange.break_all()
        for _ in range(8):
            eth.execute()
        exchange.lose(eth.symbol)
        await eventually(lambda: (BOOK, Trust.STALE, Reason.DISCONNECTED) in sink.said, "told")
        (sink, calm) = await settled(exchange, engine, eth, btc)
        assert sink.wrong == calm.wrong == []
        assert engine.told("connection closed by remote server")
        if past is None:
            assert sink.holes == []
            assert told(sink) == told_by(eth)[-len(sink.trades) :]
            assert sum(bool(t.flags & Flag.RECOVERED) for t in sink.trades) >= 7
        else:
            assert (-1, -1) in sink.holes


async def test_an_exchange_that_fails_is_asked_again_and_again() -> None:
    eth, _ = pair()
    exchange = CcxtLike(eth)
    exchange.fail = {
        "load_markets": [NetworkError("no\x1b route"), KeyError("result")],
        "watch book": [NetworkError("refused")] * 4,
        "watch trades": [TypeError("'NoneType' object is not subscriptable")],
    }
    async with running(exchange, eth.symbol) as engine:
        (sink,) = await settled(exchange, engine, eth)
        assert sink.wrong == []
        assert engine.told("trying again until it works")
        assert engine.told("TypeError")


async def test_books_and_trades_that_make_no_sense_are_not_shown() -> None:
    eth, _ = pair()
    exchange = CcxtLike(eth)
    async with running(exchange, eth.symbol) as engine:
        (sink,) = await settled(exchange, engine, eth)
        for broken in (
            {}, {"bids": [["x", 1]], "asks": []}, {"bids": [[float("nan"), 1.0]], "asks": []}, None,
            {"bids": [[1.0]], "asks": []}, {"bids": [[100.0, -1.0]], "asks": []},
        ):  # fmt: skip
            exchange.book_instead.append(broken)
            exchange.odd = [{}, None, {"price": 1e300, "amount": 1, "timestamp": 5}, {"price": "a"}]
            exchange.step(eth)
            await asyncio.sleep(0.01)
        exchange.book_instead.append({"bids": [[200.0, 1.0]], "asks": [[100.0, 1.0]]})

        def crossed() -> bool:
            exchange.step(eth)  # what was put in before it may still wait its turn
            return Reason.CROSSED_BOOK in sink.reasons(BOOK)

        await eventually(crossed, "crossed")
        (sink,) = await settled(exchange, engine, eth)
        assert sink.wrong == []
        assert sink.holes == []


async def test_a_silent_book_is_left_and_watched_anew() -> None:
    eth, _ = pair()
    exchange = CcxtLike(eth)
    async with running(exchange, eth.symbol, silent_book=0.1, first_book=0.1) as engine:
        (sink,) = await settled(exchange, engine, eth)
        await eventually(lambda: exchange.unwatched == [eth.symbol], "left")
        await eventually(lambda: exchange.watches[eth.symbol, "book"] > 2, "watched anew")
        (sink,) = await settled(exchange, engine, eth)
        assert sink.trust(BOOK) == UNPROVEN


async def test_an_exchange_with_one_channel_gives_that_one() -> None:
    eth, _ = pair()
    exchange = CcxtLike(eth)
    exchange.has["watchTrades"] = False
    async with running(exchange, eth.symbol) as engine:
        await eventually(lambda: engine.of(eth) is not None and bool(exchange.watches), "watching")
        exchange.step(eth)
        sink = engine.of(eth)
        assert sink is not None
        await eventually(lambda: sink.current, "the book")
        assert sink.trust(TRADES) is None
        assert engine.told("cannot stream its trades")
    exchange.has["watchOrderBook"] = None
    feed = CcxtFeed(CcxtVenue("faraway", make=lambda _: exchange), [eth.symbol], ("trades", "book"))
    with pytest.raises(SourceError, match="neither trades nor books"):
        await feed.run(engine)


async def test_markets_are_listed_found_and_missed_by_name() -> None:
    eth, btc = pair()
    exchange = CcxtLike(eth, btc)
    venue = CcxtVenue("faraway", make=lambda _options: exchange)
    assert [i.market for i in await list_markets(venue)] == ["faraway:ETH/USDT", "faraway:BTC/USDT"]
    assert exchange.closed == 1
    feed = CcxtFeed(venue, ["ETH/USTD"], ("trades", "book"), timing=QUICK)
    with pytest.raises(SourceError, match="did you mean ETH/USDT"):
        await feed.run(WatchedEngine({}, 20))
    before = exchange.closed
    with pytest.raises(SourceError, match="write ETH/USDT"):
        await CcxtFeed(venue, ["ETHUSDT"], ("trades",)).run(WatchedEngine({}, 20))
    assert exchange.closed == before + 1
    exchange.fail["load_markets"] = [BadSymbol("not today")]
    with pytest.raises(SourceError, match="refused: not today"):
        await list_markets(venue)


async def test_addresses_are_replaced_with_their_paths() -> None:
    exchange: Any = CcxtLike()
    await CcxtVenue("faraway", "http://127.0.0.1:1/", "ws://127.0.0.1:2", make=lambda _: exchange).load()
    assert exchange.urls["api"] == {"public": "http://127.0.0.1:1/v1", "ws": {"spot": "ws://127.0.0.1:2/feed?x=1"}}
