"""The live feed against an exchange on loopback: the good path and every scripted fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import pytest

from connectors.binance import Binance, BinanceFeed, Endpoints
from connectors.live.feed import list_markets
from engine.feed import SourceError
from engine.tape import Channel, Flag, Reason, Trust
from tests.connectors.binance.conftest import make_live, running, same_book
from tests.emulator.binance import BinanceEmulator, answer, eventually
from tests.emulator.market import EmulatedMarket, coinm, spot, usdm
from tests.emulator.recording import RecordingEngine, RecordingSink

MARKETS = [
    (spot, "ETH/USDT"),
    (usdm, "ETH/USDT:USDT"),
    (coinm, "ETH/USD:ETH"),
]


def sink_of(engine: RecordingEngine, symbol: str) -> RecordingSink:
    return engine.sinks[f"binance:{symbol}"]


async def live(
    emulator: BinanceEmulator, engine: RecordingEngine, market: EmulatedMarket, symbol: str
) -> RecordingSink:
    await make_live(emulator, market, lambda: engine.sinks.get(f"binance:{symbol}"))
    return sink_of(engine, symbol)


def drop_once(stream: str) -> tuple[list[bytes], object]:
    """A mangle that loses the next frame of a stream."""
    lost: list[bytes] = []

    def mangle(frame: bytes) -> Iterable[bytes]:
        if stream.encode() in frame[:80] and not lost:
            lost.append(frame)
            return []
        return [frame]

    return lost, mangle


# ---- the good path


@pytest.mark.parametrize(("make", "symbol"), MARKETS)
async def test_book_and_trades_follow_the_market(engine: RecordingEngine, make: type, symbol: str) -> None:
    market = make()
    async with BinanceEmulator(market) as emulator, running(emulator, symbol, engine=engine):
        sink = await live(emulator, engine, market, symbol)
        for _ in range(50):
            await emulator.step(market, deltas=2, trades=3)
        await eventually(lambda: same_book(sink, market), "book")
        await eventually(lambda: len(sink.trades) == len(market.trades), "trades")
    assert sink.ids == [t["t"] for t in market.trades]
    assert [(t.price, t.size, t.side) for t in sink.trades] == [
        (t["p"], t["q"], -1 if t["m"] else 1) for t in market.trades
    ]
    assert sink.holes == []
    assert sink.snapshots == 1
    assert sink.volumes == [market.day_volume]
    assert (Channel.BOOK, Trust.WARMING, Reason.AWAITING_SNAPSHOT) in sink.said


async def test_the_book_is_not_live_before_data_has_come(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        sink = sink_of(engine, "ETH/USDT")
        await eventually(lambda: sink.trust(Channel.BOOK) == (Trust.WARMING, Reason.NO_DATA_YET), "no data yet")
        assert sink.trust(Channel.TRADES) == (Trust.WARMING, Reason.NO_DATA_YET)
        assert emulator.asked("/depth") == []


async def test_several_markets_share_one_socket_and_sockets_are_routed(engine: RecordingEngine) -> None:
    a, b, c = spot(), spot("BTCUSDT", "BTC"), usdm()
    symbols = ["ETH/USDT", "BTC/USDT", "ETH/USDT:USDT"]
    async with BinanceEmulator(a, b, c) as emulator, running(emulator, *symbols, engine=engine):
        for market, symbol in zip((a, b, c), symbols, strict=True):
            await live(emulator, engine, market, symbol)
        assert emulator.connections == 2


async def test_only_the_channels_asked_for(engine: RecordingEngine) -> None:
    market = spot()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, "ETH/USDT", engine=engine, channels=("trades",)),
    ):
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        await emulator.step(market, deltas=5, trades=5)
        sink = sink_of(engine, "ETH/USDT")
        await eventually(lambda: len(sink.trades) == 5, "trades")
        assert emulator.subscriptions == [["ethusdt@trade"]]
        assert emulator.asked("/depth") == []
        assert sink.trust(Channel.BOOK) is None


async def test_trades_that_are_not_flow_are_flagged(engine: RecordingEngine) -> None:
    market = usdm()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT:USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT:USDT")
        for kind in ("INSURANCE_FUND", "RPI", "ADL"):
            await emulator.send(market, market.trade(kind))
        await eventually(lambda: len(sink.trades) == 4, "trades")
    assert [t.flags for t in sink.trades] == [0, Flag.NOT_FLOW, 0, Flag.NOT_FLOW]


async def test_quiet_markets_get_clock_rows_on_the_venues_clock(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT")
        await eventually(lambda: len(sink.clocks) >= 5, "clock rows")
    times = [ts for _, ts in sink.clocks]
    assert times == sorted(times)
    assert abs(times[-1] - market.now_ms * 1_000_000) < 60_000_000_000  # our own clock is a year away


# ---- the sequence of the book


@pytest.mark.parametrize(("make", "symbol"), MARKETS)
async def test_a_lost_delta_resyncs_that_market_only(engine: RecordingEngine, make: type, symbol: str) -> None:
    market, other = make(), make("BTCUSDT", "BTC", seed=2)
    beside = symbol.replace("ETH", "BTC")
    async with BinanceEmulator(market, other) as emulator, running(emulator, symbol, beside, engine=engine):
        sink = await live(emulator, engine, market, symbol)
        calm = await live(emulator, engine, other, beside)
        lost, emulator.mangle = drop_once(f"{market.native.lower()}@depth")  # type: ignore[assignment]
        await emulator.step(market, deltas=3, trades=0)
        assert lost
        await eventually(lambda: Reason.SEQUENCE_GAP in sink.reasons(Channel.BOOK), "gap")
        await emulator.step(market, deltas=3)
        await eventually(lambda: sink.live and same_book(sink, market), "live again")
        await emulator.step(other)
        await eventually(lambda: same_book(calm, other), "other")
    assert sink.snapshots == 2
    assert calm.snapshots == 1
    assert Reason.SEQUENCE_GAP not in calm.reasons(Channel.BOOK)
    assert emulator.connections == 1


async def test_repeated_and_swapped_deltas_never_give_a_wrong_book(engine: RecordingEngine) -> None:
    market = usdm()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT:USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT:USDT")
        emulator.mangle = lambda frame: [frame, frame]
        await emulator.step(market, deltas=5)
        await eventually(lambda: same_book(sink, market), "repeated")
        assert sink.snapshots == 1
        assert sink.ids == [t["t"] for t in market.trades]
        held: list[bytes] = []

        def swap(frame: bytes) -> Iterable[bytes]:
            if b"@depth" not in frame[:80]:
                return [frame]
            if not held:
                held.append(frame)
                return []
            return [frame, held.pop()]

        emulator.mangle = swap
        await emulator.step(market, deltas=2)
        emulator.mangle = None
        await eventually(lambda: Reason.SEQUENCE_GAP in sink.reasons(Channel.BOOK), "gap")
        await emulator.step(market, deltas=2)
        await eventually(lambda: sink.live and same_book(sink, market), "live again")


async def test_a_snapshot_older_than_the_buffer_is_fetched_again(engine: RecordingEngine) -> None:
    market = spot()
    old = market.snapshot()
    market.delta()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        emulator.snapshots["spot", "ETHUSDT"] = [old, dict(old)]
        sink = await live(emulator, engine, market, "ETH/USDT")
    assert len(emulator.asked("/depth")) == 3
    assert sink.snapshots == 1


@pytest.mark.parametrize(("make", "symbol"), MARKETS)
async def test_a_snapshot_that_ends_with_a_buffered_delta(engine: RecordingEngine, make: type, symbol: str) -> None:
    market = make()
    async with BinanceEmulator(market) as emulator:
        blocked = asyncio.Event()
        given: list[object] = []

        async def late(request: object) -> object:
            await blocked.wait()
            return await answer(200, given[0])(request)  # type: ignore[arg-type]

        emulator.fail_next("/depth", late)  # type: ignore[arg-type]
        async with running(emulator, symbol, engine=engine):
            await eventually(lambda: emulator.subscribed(market), "subscribed")
            await emulator.step(market, deltas=2, trades=2)
            given.append(market.snapshot())  # lastUpdateId equals the u of a delta that is in the buffer
            await emulator.step(market, deltas=2, trades=2)
            sink = sink_of(engine, symbol)
            await eventually(lambda: len(sink.trades) == 4, "all deltas have come")
            blocked.set()
            await eventually(lambda: sink.live and same_book(sink, market), "live")
        assert len(emulator.asked("/depth")) == 1


async def test_a_crossed_book_is_fetched_anew(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT")
        event = market.delta()
        event["b"] = [*event["b"], ["999.99", "1.000"]]
        await emulator.send(market, event)
        await eventually(lambda: Reason.CROSSED_BOOK in sink.reasons(Channel.BOOK), "crossed")
        await emulator.step(market)
        await eventually(lambda: sink.live and same_book(sink, market), "live again")


# ---- bad frames


@pytest.mark.parametrize(
    "broken",
    [lambda f: f[: len(f) // 2], lambda f: f.replace(b'"U":', b'"U":"x",'), lambda f: f.replace(b'"u":', b'"u":-')],
)
async def test_a_broken_delta_costs_the_book_until_the_next_snapshot(engine: RecordingEngine, broken: object) -> None:
    market, other = spot(), spot("BTCUSDT", "BTC")
    async with BinanceEmulator(market, other) as emulator, running(emulator, "ETH/USDT", "BTC/USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT")
        calm = await live(emulator, engine, other, "BTC/USDT")
        emulator.mangle = lambda frame: [broken(frame)]  # type: ignore[operator]
        await emulator.step(market, trades=0)
        emulator.mangle = None
        await eventually(lambda: Reason.BAD_MESSAGE in sink.reasons(Channel.BOOK), "bad message")
        assert sink.bids == {}
        await emulator.step(market)
        await eventually(lambda: sink.live and same_book(sink, market), "live again")
        assert engine.told("could not be read")
        assert calm.snapshots == 1


async def test_garbage_of_no_market_is_told_and_leaves_the_books_alone(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT")
        emulator.mangle = lambda frame: [b"\x1b]0;hi\x07 garbage", b"[]", b"{}", b'{"e":"news"}', frame]
        await emulator.step(market)
        await eventually(lambda: same_book(sink, market), "book")
    assert sink.snapshots == 1
    assert engine.told("could not be read")
    assert not any("\x1b" in text for _, text in engine.notices)


async def test_an_off_grid_price_is_named_and_the_market_comes_back(engine: RecordingEngine) -> None:
    market, other = spot(), spot("BTCUSDT", "BTC")
    async with BinanceEmulator(market, other) as emulator, running(emulator, "ETH/USDT", "BTC/USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT")
        calm = await live(emulator, engine, other, "BTC/USDT")
        event = market.delta()
        event["b"] = [["99.0001", "1.000"]]
        await emulator.send(market, event)
        await eventually(lambda: Reason.OFF_GRID in sink.reasons(Channel.BOOK), "off grid")
        assert engine.told("binance:ETH/USDT: price '99.0001' is off the grid")
        await emulator.step(market)
        await eventually(lambda: sink.live and same_book(sink, market), "live again")
        assert calm.snapshots == 1


async def test_a_changed_tick_begins_a_new_segment(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        before = await live(emulator, engine, market, "ETH/USDT")
        market.listed_tick = "0.001"
        event = market.delta()
        event["a"] = [*event["a"], ["100.321", "1.000"]]
        market.asks["100.321"] = "1.000"
        await emulator.send(market, event)
        await eventually(lambda: sink_of(engine, "ETH/USDT") is not before, "new sink")
        after = sink_of(engine, "ETH/USDT")
        await eventually(lambda: after.live, "live")
    assert str(after.instrument.tick) == "0.001"
    assert Reason.INSTRUMENT_CHANGED in after.reasons(Channel.BOOK)


async def test_an_order_that_rests_off_the_grid_makes_the_grid_finer(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        before = await live(emulator, engine, market, "ETH/USDT")
        market.bids["99.001"] = "1.000"  # from before a tick change: in every snapshot from now on
        event = market.delta()
        event["b"] = [["99.001", "1.000"]]
        await emulator.send(market, event)
        await eventually(lambda: sink_of(engine, "ETH/USDT") is not before, "new sink")
        after = sink_of(engine, "ETH/USDT")
        await emulator.step(market)
        await eventually(lambda: after.live and same_book(after, market), "live")
    assert str(after.instrument.tick) == "0.001"
    assert engine.told("going on with 0.001")


async def test_an_off_grid_trade_is_a_hole_unless_it_is_no_flow(engine: RecordingEngine) -> None:
    market = usdm()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT:USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT:USDT")
        for kind in ("MARKET", "INSURANCE_FUND"):
            await emulator.send(market, market.trade(kind) | {"p": "100.00001"})
        await emulator.send(market, market.trade())
        await eventually(lambda: len(sink.trades) == 2, "the last trade")
    assert sink.holes == [(5002, 1)]
    assert engine.told("100.00001")


# ---- connections


@pytest.mark.parametrize(("make", "symbol"), MARKETS)
async def test_after_a_disconnect_the_book_is_new_and_no_trade_is_missing(
    engine: RecordingEngine, make: type, symbol: str
) -> None:
    market = make()
    async with BinanceEmulator(market) as emulator, running(emulator, symbol, engine=engine):
        sink = await live(emulator, engine, market, symbol)
        await emulator.step(market, deltas=3, trades=3)
        await emulator.disconnect()
        await eventually(lambda: Reason.DISCONNECTED in sink.reasons(Channel.BOOK), "disconnected")
        for _ in range(7):
            market.trade()
            market.delta()
        await eventually(lambda: emulator.subscribed(market), "subscribed again")
        await emulator.step(market, deltas=2, trades=2)
        await eventually(lambda: sink.live and same_book(sink, market), "live again")
        await eventually(lambda: len(sink.trades) == len(market.trades), "all trades")
    assert sink.ids == [t["t"] for t in market.trades]
    assert sink.holes == []
    assert sum(bool(t.flags & Flag.RECOVERED) for t in sink.trades) >= 7
    assert sink.trust(Channel.TRADES) is not None
    assert engine.told("trying again")


async def test_replayed_trades_are_dropped_by_id(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT")
        await emulator.step(market, trades=10)
        await emulator.disconnect()
        await eventually(lambda: emulator.connections == 2 and emulator.subscribed(market), "again")
        for old in list(market.trades):
            await emulator.send(market, old)
        await emulator.step(market)
        await eventually(lambda: bool(sink.ids) and sink.ids[-1] == market.trade_id, "new trade")
    assert sink.ids == [t["t"] for t in market.trades]


async def test_it_keeps_trying_while_nothing_listens_and_says_so(engine: RecordingEngine) -> None:
    market = spot()
    emulator = BinanceEmulator(market)
    await emulator.start()
    await emulator.stop()  # the port is known, nobody is there
    async with running(emulator, "ETH/USDT", engine=engine):
        await eventually(lambda: engine.told("cannot be reached"), "notice")
        assert engine.told("is there a network?")
        await emulator.start()
        sink = None
        try:
            sink = await live(emulator, engine, market, "ETH/USDT")
            await emulator.stop()
            await eventually(lambda: not sink.live, "gone")
            before = len(engine.notices)
            await eventually(lambda: sink.said.count((Channel.BOOK, Trust.STALE, Reason.DISCONNECTED)) > 5, "tries")
            assert len(engine.notices) - before <= 3  # the same trouble is told once
            await emulator.start()
            await live(emulator, engine, market, "ETH/USDT")
            assert engine.told("data again")
        finally:
            await emulator.stop()


async def test_refused_handshakes_and_silent_servers_are_tried_again(engine: RecordingEngine) -> None:
    market = spot()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, "ETH/USDT", engine=engine, timing={"acknowledge": 0.05}),
    ):
        emulator.refuse_sockets = True
        await eventually(lambda: engine.told("503"), "refused")
        emulator.mute_requests, emulator.refuse_sockets = True, False
        await eventually(lambda: engine.told("did not answer the subscription"), "silent")
        emulator.mute_requests = False
        await live(emulator, engine, market, "ETH/USDT")


async def test_a_connection_is_renewed_before_the_venue_ends_it(engine: RecordingEngine) -> None:
    market = spot()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, "ETH/USDT", engine=engine, timing={"lifetime": 0.3}),
    ):
        await live(emulator, engine, market, "ETH/USDT")
        await eventually(lambda: emulator.connections >= 2, "renewed")
        await live(emulator, engine, market, "ETH/USDT")
    assert not engine.told("trying again")


async def test_an_acknowledged_stream_that_stays_silent_is_stale_and_asked_for_again(engine: RecordingEngine) -> None:
    market = spot()
    timing = {"first_book": 0.05, "silent_book": 0.05}
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine, timing=timing):
        emulator.silent = True
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        sink = sink_of(engine, "ETH/USDT")
        await eventually(lambda: sink.trust(Channel.BOOK) == (Trust.SILENT, Reason.NO_FIRST_MESSAGE), "silent")
        await eventually(lambda: len(emulator.subscriptions) >= 3, "asked again")
        assert emulator.subscriptions[1:3] == [["ethusdt@depth@100ms"]] * 2
        emulator.silent = False
        await eventually(lambda: emulator.subscribed(market, "depth@100ms"), "subscribed")

        async def move() -> None:
            while not sink.live:
                await emulator.step(market)
                await asyncio.sleep(0.005)

        await asyncio.wait_for(move(), 10)
        assert emulator.connections == 1


# ---- missing trades


@pytest.mark.parametrize(("make", "symbol"), MARKETS)
async def test_a_gap_in_the_trades_is_filled_in_order_and_marked(
    engine: RecordingEngine, make: type, symbol: str
) -> None:
    market = make()
    async with BinanceEmulator(market) as emulator, running(emulator, symbol, engine=engine):
        sink = await live(emulator, engine, market, symbol)
        for _ in range(4):
            market.trade()  # nobody hears of these
        await emulator.step(market, trades=3, deltas=0)
        await eventually(lambda: len(sink.trades) == len(market.trades), "all trades")
    assert sink.events == ["5001", "5002r", "5003r", "5004r", "5005r", "5006", "5007", "5008"]


async def test_what_rest_does_not_have_is_a_hole_of_the_right_size(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT")
        for _ in range(6):
            market.trade()
        del market.trades[2:4]  # 5003 and 5004 are nowhere to be had
        await emulator.step(market, trades=1, deltas=0)
        await eventually(lambda: "5008" in sink.events, "the trade behind the gap")
    assert sink.events == ["5001", "5002r", "hole 5003+2", "5005r", "5006r", "5007r", "5008"]


async def test_ids_that_futures_leave_out_were_no_flow_and_are_no_hole(engine: RecordingEngine) -> None:
    market = usdm()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT:USDT", engine=engine):
        sink = await live(emulator, engine, market, "ETH/USDT:USDT")
        market.trade()
        market.trade("INSURANCE_FUND")
        market.trade()
        market.trade("ADL")
        await emulator.step(market, trades=1, deltas=0)
        await eventually(lambda: "5006" in sink.events, "the trade behind the gap")
    assert sink.events == ["5001", "5002r", "5004r", "5006"]


async def test_a_gap_nobody_can_fill_is_released_after_a_while(engine: RecordingEngine) -> None:
    market = spot()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, "ETH/USDT", engine=engine, timing={"recovery": 0.1}),
    ):
        sink = await live(emulator, engine, market, "ETH/USDT")
        emulator.fail_next("/historicalTrades", *[answer(500)] * 50)
        for _ in range(3):
            market.trade()
        await emulator.step(market, trades=2, deltas=0)
        await eventually(lambda: "5006" in sink.events, "released")
    assert sink.events == ["5001", "hole 5002+3", "5005", "5006"]


# ---- REST troubles


async def test_rate_limits_are_waited_out_and_shown(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        emulator.fail_next("/depth", answer(429, {"code": -1003, "msg": "Too many requests"}, Retry_After="0.2"))
        sink = await live(emulator, engine, market, "ETH/USDT")
    assert (Channel.BOOK, Trust.RESYNC, Reason.RATE_LIMITED) in sink.said
    assert engine.told("Too many requests")
    assert len(emulator.asked("/depth")) == 2


async def test_failing_snapshots_are_tried_again(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        emulator.fail_next(
            "/depth",
            answer(502),
            answer(400, {"code": -1, "msg": "\x1b[31mno"}),
            answer(200, {"lastUpdateId": 1, "bids": [["1", "-1"]], "asks": []}),
        )
        sink = await live(emulator, engine, market, "ETH/USDT")
    assert (Channel.BOOK, Trust.RESYNC, Reason.SNAPSHOT_FAILED) in sink.said
    assert not any("\x1b" in text for _, text in engine.notices)


async def test_a_failing_listing_is_tried_again(engine: RecordingEngine) -> None:
    market = spot()
    async with BinanceEmulator(market) as emulator:
        emulator.fail_next("/exchangeInfo", answer(503), answer(429, Retry_After="0.05"))
        emulator.fail_next("/time", answer(500))
        async with running(emulator, "ETH/USDT", engine=engine):
            await live(emulator, engine, market, "ETH/USDT")
    assert engine.told("the list of markets of spot has come")


async def test_unknown_markets_name_the_nearest(engine: RecordingEngine) -> None:
    async with BinanceEmulator(spot(), usdm()) as emulator:
        feed = BinanceFeed(["ETH/USD"], Endpoints(emulator.url, emulator.ws_url))
        with pytest.raises(SourceError, match="no market 'ETH/USD'; did you mean ETH/USDT"):
            await feed.run(engine)
        both = BinanceFeed(["ETHUSDT", "ETH/USTD:USDT"], Endpoints(emulator.url, emulator.ws_url))
        with pytest.raises(SourceError, match=r"write ETH/USDT .*did you mean ETH/USDT:USDT"):
            await both.run(engine)


async def test_one_unknown_market_does_not_stop_the_others(engine: RecordingEngine) -> None:
    market = spot()
    symbols = ["ETH/USDT", "NO/WAY", "ETH/USDT:USDT"]
    async with BinanceEmulator(market, usdm("BTCUSDT", "BTC")) as emulator, running(emulator, *symbols, engine=engine):
        await live(emulator, engine, market, "ETH/USDT")
        await eventually(lambda: engine.told("'NO/WAY'"), "told")
        await eventually(lambda: engine.told("'ETH/USDT:USDT'"), "told")


async def test_names_with_markup_controls_and_other_scripts_work(engine: RecordingEngine) -> None:
    market = spot("币安[B]\x1b]0;XUSDT", "币安[B]\x1b]0;X")
    symbol = "币安[B]\x1b]0;X/USDT"
    async with BinanceEmulator(market) as emulator, running(emulator, symbol, engine=engine):
        sink = await live(emulator, engine, market, symbol)
        assert sink.instrument.symbol == symbol


async def test_markets_are_listed_even_when_a_mirror_lacks_one_exchange() -> None:
    async with BinanceEmulator(spot(), spot("OLDUSDT", "OLD", status="BREAK"), usdm()) as emulator:
        emulator.fail_next("/dapi/v1/exchangeInfo", answer(404))
        listed = await list_markets(Binance(Endpoints(emulator.url)))
        assert [(x.instrument.market, x.trading) for x in listed] == [
            ("binance:ETH/USDT", True),
            ("binance:OLD/USDT", False),
            ("binance:ETH/USDT:USDT", True),
        ]
        emulator.fail_next("/fapi/v1/exchangeInfo", answer(503))
        with pytest.raises(SourceError, match="check the network"):
            await list_markets(Binance(Endpoints(emulator.url)))


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SourceError, match="no channel 'tradse'; did you mean trades"):
        BinanceFeed(["ETH/USDT"], channels=("tradse",))
    with pytest.raises(SourceError, match="usdm_ws"):
        Endpoints(named={"futures_ws": "ws://x"})


async def test_single_addresses_go_before_general_ones(engine: RecordingEngine) -> None:
    market = usdm()
    async with BinanceEmulator(market) as emulator:
        named = {"usdm_rest": emulator.url, "usdm_ws": emulator.ws_url + "/"}
        endpoints = Endpoints("http://127.0.0.1:1", "ws://127.0.0.1:1", named)
        async with running(emulator, "ETH/USDT:USDT", engine=engine, endpoints=endpoints):
            await live(emulator, engine, market, "ETH/USDT:USDT")


async def test_recorded_frames_can_be_served(engine: RecordingEngine) -> None:
    market = spot("LTCUSDT", "LTC")
    frames = [
        json.dumps(
            {
                "stream": "ltcusdt@trade",
                "data": {"e": "trade", "E": 1, "s": "LTCUSDT", "t": i, "p": "81.70", "q": "0.500", "T": 1, "m": True},
            }
        ).encode()
        for i in (7, 8, 9)
    ]
    async with BinanceEmulator(market) as emulator, running(emulator, "LTC/USDT", engine=engine, channels=("trades",)):
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        await emulator.play(market, frames)
        sink = sink_of(engine, "LTC/USDT")
        await eventually(lambda: sink.ids == [7, 8, 9], "trades")
