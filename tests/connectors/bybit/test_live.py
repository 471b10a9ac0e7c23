"""Bybit live against an exchange on loopback: what the fault matrix does not ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from connectors.bybit.feed import Bybit, endpoints
from connectors.bybit.rest import BybitRest
from connectors.live.feed import LiveFeed, list_markets
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from connectors.live.venue import Endpoints
from connectors.venues import VenueSettings, open_feed
from connectors.venues import list_markets as list_of_venue
from engine.codes import Channel, Flag, Kind, Reason, Trust
from engine.feed import SourceError
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY
from tests.emulator.bybit import BybitEmulator, BybitMarket, BybitSpotEmulator, market
from tests.emulator.exchange import QUICK, answer, eventually
from tests.emulator.recording import RecordingEngine, RecordingSink
from tests.emulator.seeded import state_of
from tui.cli import main


@asynccontextmanager
async def running(
    emulator: BybitEmulator, symbols: list[str], channels: tuple[str, ...] = ("trades", "book")
) -> AsyncIterator[tuple[RecordingEngine, LiveFeed]]:
    engine = RecordingEngine()
    clock: Callable[[], int] = lambda: emulator.markets[0].now_ms * 1_000_000  # noqa: E731
    venue = Bybit(endpoints(emulator.url, emulator.ws_url), clock=clock)
    feed = LiveFeed(venue, symbols, channels, timing=QUICK, clock=clock)
    task = asyncio.create_task(feed.run(engine))
    try:
        yield engine, feed
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceError):
            await task


async def current(engine: RecordingEngine, m: BybitMarket) -> RecordingSink:
    """The sink of a market once its book is the true one."""

    def same() -> bool:
        sink = engine.sinks.get(f"bybit:{m.symbol}")
        return sink is not None and sink.live and state_of(sink.bids, sink.asks) == m.states[-1]

    await eventually(same, f"the book of {m.symbol}")
    return engine.sinks[f"bybit:{m.symbol}"]


async def listened(emulator: BybitEmulator, *markets: BybitMarket) -> None:
    await eventually(lambda: all(emulator.listened(m, c) for m in markets for c in (Channel.BOOK, Channel.TRADES)))


async def test_the_same_name_in_two_categories_is_two_markets_on_two_sockets() -> None:
    linear, spot = market("linear", "BTCUSDT", "BTC"), market("spot", "BTCUSDT", "BTC", seed=5)
    async with BybitEmulator(linear, spot) as emulator, running(emulator, [linear.symbol, spot.symbol]) as (engine, _):
        await listened(emulator, linear, spot)
        for _ in range(5):
            await emulator.step(linear, trades=2)
            await emulator.step(spot)
        one, two = await current(engine, linear), await current(engine, spot)
        await eventually(lambda: len(one.trades) == 10 and len(two.trades) == 5)
        assert emulator.connections == 2
        assert {socket.path for socket in emulator.sockets} == {"/v5/public/linear", "/v5/public/spot"}
        assert [(t.price, t.size, t.side) for t in one.trades] == [(p.price, p.size, p.side) for p in linear.prints]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_snapshot_in_the_stream_replaces_the_book_without_a_word(restart: bool) -> None:
    m = market("linear", "ETHUSDT", "ETH")
    async with BybitEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, _):
        await listened(emulator, m)
        await emulator.step(m, 3)
        sink = await current(engine, m)
        asked, said, before = len(emulator.subscriptions), len(sink.said), sink.snapshots
        m.bids.pop(next(iter(m.bids)))  # the stream has not told of this
        m.states.append(state_of(m.bids, m.asks))
        await emulator.resnapshot(m, restart=restart)
        await emulator.step(m, 3)
        await current(engine, m)
        assert (len(emulator.subscriptions), len(sink.said), sink.snapshots) == (asked, said, before + 1)


async def test_after_a_gap_only_that_market_is_subscribed_to_anew() -> None:
    m, calm = BybitEmulator.pair()
    async with BybitEmulator(m, calm) as emulator, running(emulator, [m.symbol, calm.symbol]) as (engine, _):
        await listened(emulator, m, calm)
        await emulator.step(m)
        sink = await current(engine, m)
        asked = len(emulator.subscriptions)
        m.move()  # nobody is told
        await emulator.step(m)
        await eventually(lambda: Reason.SEQUENCE_GAP in sink.reasons(Channel.BOOK))
        await current(engine, m)
        assert emulator.subscriptions[asked:] == [[f"orderbook.200.{m.native}"]] * 2
        assert sink.holes == []


async def test_missed_trades_are_fetched_and_marked() -> None:
    m = market("linear", "ETHUSDT", "ETH")
    async with BybitEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, _):
        await listened(emulator, m)
        await emulator.step(m, 2, 5)
        sink = await current(engine, m)
        await emulator.disconnect()
        for _ in range(40):
            m.execute()
        await listened(emulator, m)
        await emulator.step(m, 1, 1)
        await eventually(lambda: len(sink.trades) == 46, "all trades")
        assert [bool(t.flags & Flag.RECOVERED) for t in sink.trades] == [False] * 5 + [True] * 40 + [False]
        assert sink.ids == [emulator.trade_id(p) for p in m.prints]
        assert sink.holes == []


async def test_more_than_rest_gives_leaves_a_hole_of_unknown_size() -> None:
    m = market("spot", "ETHUSDT", "ETH")
    async with BybitSpotEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, _):
        await listened(emulator, m)
        await emulator.step(m, 2, 5)
        sink = await current(engine, m)
        await emulator.disconnect()
        for _ in range(100):
            m.execute()
        await listened(emulator, m)
        await emulator.step(m, 1, 1)
        await eventually(lambda: bool(sink.ids) and sink.ids[-1] == emulator.trade_id(m.prints[-1]), "the last trade")
        assert sink.holes == [(-1, -1)]
        assert sink.ids[5:] == [emulator.trade_id(p) for p in m.prints[-60:]]


async def test_liquidations_and_figures_of_contracts() -> None:
    m = market("linear", "ETHUSDT", "ETH")
    everything = ("trades", "book", "contract")
    async with BybitEmulator(m) as emulator, running(emulator, [m.symbol], everything) as (engine, _):
        await listened(emulator, m)
        await eventually(lambda: emulator.listened(m, Channel.LIQUIDATIONS), "liquidations")
        await emulator.step(m)
        sink = await current(engine, m)
        await emulator.liquidate(m, "Buy", "1.500", "99.0049")  # a long: the order that closes it sells
        await emulator.liquidate(m, "Sell", "0.500", "101.50")
        await eventually(lambda: len(sink.liquidations) == 2, "liquidations")
        assert [(float(px), size, side) for px, size, side in sink.liquidations] == [
            (99.0, "1.500", -1),
            (101.5, "0.500", 1),
        ]
        await eventually(lambda: len(sink.readings) == 4, "figures")
        assert {kind: text for kind, (text, _) in sink.readings.items()} == {
            Kind.MARK: "100.01",
            Kind.INDEX: "100.02",
            Kind.FUNDING: "-0.0001",
            Kind.OPEN_INTEREST: "4321.5",
        }
        assert sink.readings[Kind.FUNDING][1] > m.now_ms * 1_000_000


async def test_an_unknown_market_is_told_with_the_nearest_and_the_others_go_on() -> None:
    m = market("linear", "ETHUSDT", "ETH")
    async with BybitEmulator(m) as emulator:
        async with running(emulator, [m.symbol, "EHT/USDT:USDT", "nonsense"]) as (engine, _):
            await listened(emulator, m)
            await emulator.step(m)
            await current(engine, m)
        told = [text for _, text in engine.notices]
        assert any("did you mean ETH/USDT:USDT" in text for text in told)
        assert any("write BTC/USDT (spot)" in text for text in told)
        assert all("EHT" not in name for names in emulator.subscriptions for name in names)
        with pytest.raises(SourceError, match="bybit has no market"):
            await LiveFeed(Bybit(endpoints(emulator.url, emulator.ws_url)), ["XXX/USDT:USDT"]).run(RecordingEngine())


async def test_bars_tell_no_sides_but_the_average_day_and_what_traded() -> None:
    m = market("linear", "ETHUSDT", "ETH")
    today = m.now_ms // 86_400_000
    days = [[str((today - 30 + i) * 86_400_000), "100", "101", "99", "100", "1000", "1"] for i in range(30)]
    minute = m.now_ms // 60_000 * 60_000 - 60_000
    m.past = {"D": days, "1": [[str(minute), "100", "101", "99", "100", "7", "701"]]}
    async with BybitEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, feed):
        await listened(emulator, m)
        await emulator.step(m)
        sink = await current(engine, m)
        await eventually(lambda: bool(sink.volumes), "the average day")
        assert float(sink.volumes[0]) == pytest.approx(1000.0)
        bars = await feed.history(sink.instrument, MINUTE, 10)
        assert (bars.sided, bars.t.tolist(), bars.bought.tolist()) == (False, [minute * 1_000_000], [0])
        assert (sink.instrument.wire_size(int(bars.volume[0])), float(bars.quote[0])) == (7.0, 701.0)


# ---- REST


@asynccontextmanager
async def rest(emulator: BybitEmulator) -> AsyncIterator[BybitRest]:
    async with aiohttp.ClientSession() as http:
        yield BybitRest(http, emulator.url, emulator.category, clock=lambda: 1_750_000_000_000_000_000)


def instrument_of(m: BybitMarket) -> Instrument:
    from connectors.bybit.instruments import read_listing

    body = {"retCode": 0, "result": {"category": m.category, "list": [m.listing()]}}
    return next(iter(read_listing(json.dumps(body).encode())[0])).instrument


def said(code: int, text: str = "no") -> dict[str, object]:
    return {"retCode": code, "retMsg": text, "result": {}, "time": 1}


BLOCKED = "<html>The Amazon CloudFront distribution is configured to block access from your country.</html>"


async def blocked(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=403, text=BLOCKED)


async def test_refusals_inside_an_answer_say_how_to_go_on() -> None:
    m = market("linear", "ETHUSDT", "ETH")
    i = instrument_of(m)
    async with BybitEmulator(m) as emulator, rest(emulator) as asked:
        for fault, kind in (
            (answer(200, said(10016)), UnreachableError),
            (answer(200, said(10001)), RefusedError),
            (answer(200, ["?"]), UnreachableError),
            (answer(502, "bad"), UnreachableError),
            (answer(403, said(0)), UnreachableError),
            (blocked, RefusedError),
        ):
            emulator.fail_next("/tickers", fault)
            with pytest.raises(kind):
                await asked.day_volume(i)
        assert await asked.day_volume(i) == m.day_volume
        emulator.fail_next("/tickers", answer(200, said(10006, "Too many visits!")))
        with pytest.raises(RateLimitedError):
            await asked.day_volume(i)
        with pytest.raises(RateLimitedError):  # nothing is asked meanwhile
            await asked.trades(i, 0, 0)


async def test_a_listing_goes_on_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.bybit.rest._MARKETS_A_PAGE", 2)
    many = [market("linear", f"C{i}USDT", f"C{i}") for i in range(5)]
    async with BybitEmulator(*many) as emulator, rest(emulator) as asked:
        assert len(await asked.listing()) == 5
        assert len(emulator.asked("/instruments-info")) == 3


async def test_clock_bars_and_trades() -> None:
    m = market("linear", "ETHUSDT", "ETH")
    for _ in range(6):
        m.execute()
    i = instrument_of(m)
    async with BybitEmulator(m) as emulator, rest(emulator) as asked:
        assert await asked.clock_ahead() == m.now_ms * 1_000_000 - 1_750_000_000_000_000_000
        page = await asked.trades(i, 0, 0)
        assert [fill.trade_id for fill in page.fills] == [emulator.trade_id(p) for p in m.prints]
        assert [fill.side for fill in page.fills] == [p.side for p in m.prints]
        start = m.now_ms // 86_400_000 * DAY  # a midnight, ns
        m.past = {"D": [[str(start // 1_000_000), "1", "3", "1", "2", "10", "20"]]}
        (bar,) = await asked.bars(i, DAY, start, start + 5 * DAY)
        assert (bar.opened, bar.high, bar.volume, bar.bought, bar.quote) == (start, "3", "10", None, "20")
        with pytest.raises(RefusedError):
            await asked.snapshot(i, shallow=False)


# ---- commands


async def test_markets_are_listed_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    linear, spot = market("linear", "BTCUSDT", "BTC"), market("spot", "ETHUSDT", "ETH")
    gone = market("inverse", "OLDUSD", "OLD", "USD", trading=False)
    async with BybitEmulator(linear, spot, gone) as emulator:
        found = await list_of_venue("bybit", VenueSettings(rest=emulator.url))
        assert {i.market for i in found} == {"bybit:BTC/USDT:USDT", "bybit:ETH/USDT"}
        listed = await list_markets(Bybit(endpoints(rest=emulator.url)))
        assert [x.trading for x in listed if x.instrument.base == "OLD"] == [False]
        config = tmp_path / "config.toml"
        config.write_text(f'[venues.bybit]\nrest = "{emulator.url}"\n')
        assert await asyncio.to_thread(main, ["markets", "bybit", "BTC", "--config", str(config)]) == 0
    _head, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["bybit:BTC/USDT:USDT"]


def test_addresses_can_be_set_by_category() -> None:
    feed = open_feed("bybit", ["BTC/USDT"], VenueSettings(endpoints={"spot_ws": "ws://127.0.0.1:1/"}))
    assert feed.markets == ["bybit:BTC/USDT"]
    own = endpoints(named={"spot_ws": "ws://mirror/"})
    assert isinstance(own, Endpoints)
    assert Bybit(own).dialect("spot").url == "ws://mirror/v5/public/spot"
    assert Bybit(own).dialect("linear").url == "wss://stream.bybit.com/v5/public/linear"
    with pytest.raises(SourceError, match="bybit has no endpoint 'spot_wss'"):
        endpoints(named={"spot_wss": "x"})
    with pytest.raises(SourceError, match="channel"):
        open_feed("bybit", ["BTC/USDT"], VenueSettings(channels=("depth",)))


async def test_without_a_connection_there_is_no_book() -> None:
    m = market("linear", "ETHUSDT", "ETH")
    async with BybitEmulator(m) as emulator, running(emulator, [m.symbol]) as (engine, _):
        await listened(emulator, m)
        await emulator.step(m)
        sink = await current(engine, m)
        assert sink.trust(Channel.TRADES) == (Trust.LIVE, Reason.NONE)
        await emulator.stop()
        await eventually(lambda: sink.trust(Channel.BOOK) is not None and not sink.live, "not live any more")
        assert sink.bids == {}
