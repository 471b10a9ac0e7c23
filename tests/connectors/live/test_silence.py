"""Silence: a channel is called silent by the measure of its own pace and of the market's other channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from connectors.live.timing import Pulse
from engine.codes import Channel, Reason, Trust
from tests.connectors.binance.conftest import make_live, running
from tests.emulator.binance import BinanceEmulator, eventually
from tests.emulator.exchange import Frame
from tests.emulator.market import spot
from tests.emulator.recording import RecordingEngine, RecordingSink

BOOK, TRADES = Channel.BOOK, Channel.TRADES


def only(*channels: Channel) -> Callable[[Frame], Iterable[bytes]]:
    return lambda frame: [frame] if frame.channel in channels else []


async def moved(emulator: BinanceEmulator, until: Callable[[], object]) -> None:
    """The market goes on until something is so."""

    async def move() -> None:
        while not until():
            await emulator.step(emulator.markets[0])
            await asyncio.sleep(0.01)

    await asyncio.wait_for(move(), 10)


@pytest.mark.parametrize(
    ("heard", "silent", "reason"), [(BOOK, TRADES, Reason.ONLY_BOOK), (TRADES, BOOK, Reason.ONLY_TRADES)]
)
async def test_one_channel_that_goes_on_shows_that_the_other_is_dead(
    heard: Channel, silent: Channel, reason: Reason
) -> None:
    engine, market = RecordingEngine(), spot()
    timing = {"silent_book": 0.25, "silent_trades": 0.25}
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine, timing=timing):
        await make_live(emulator, market, lambda: engine.sinks.get("binance:ETH/USDT"))
        sink = engine.sinks["binance:ETH/USDT"]
        await moved(emulator, lambda: len(sink.trades) > 20)
        emulator.mangle = only(heard)
        asked = len(emulator.subscriptions)
        await moved(emulator, lambda: sink.trust(silent) == (Trust.SILENT, reason))
        assert sink.trust(heard) == (Trust.LIVE, Reason.NONE)
        await moved(emulator, lambda: len(emulator.subscriptions) >= asked + 2)
        assert emulator.connections == 1, "the other channel is left alone"
        emulator.mangle = None
        await moved(emulator, lambda: sink.trust(silent) == (Trust.LIVE, Reason.NONE))
        await moved(emulator, lambda: sink.ids and sink.ids[-1] == market.trade_id)
    assert sink.ids == [t["t"] for t in market.trades][: len(sink.ids)]


async def test_a_market_in_which_all_is_quiet_is_stale_and_not_silent() -> None:
    engine, market = RecordingEngine(), spot()
    timing = {"silent_book": 0.1, "silent_trades": 0.1, "first_book": 0.1}
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine, timing=timing):
        await make_live(emulator, market, lambda: engine.sinks.get("binance:ETH/USDT"))
        sink = engine.sinks["binance:ETH/USDT"]
        await moved(emulator, lambda: len(sink.trades) > 20)
        for channel in (BOOK, TRADES):
            await eventually(lambda c=channel: sink.trust(c) == (Trust.STALE, Reason.NO_MESSAGES), "stale")


async def test_no_first_trade_is_no_trouble_while_the_pace_of_the_market_allows_it() -> None:
    engine, market = RecordingEngine(), spot()
    async with BinanceEmulator(market) as emulator, running(emulator, "ETH/USDT", engine=engine):
        emulator.mangle = only(BOOK)
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        await moved(emulator, lambda: engine.sinks["binance:ETH/USDT"].live)
        sink: RecordingSink = engine.sinks["binance:ETH/USDT"]
        await moved(emulator, lambda: sink.updates > 50)
        assert sink.trust(TRADES) == (Trust.WARMING, Reason.NO_DATA_YET)
    # The venue's own days have 100 trades each: after twenty times the usual pause there is a first trade, or trouble.
    market.make_past("1d", 86_400_000, 10)
    engine = RecordingEngine()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, "ETH/USDT", engine=engine, timing={"silent_trades": 0.0, "first_trade": 0.2}),
    ):
        emulator.mangle = only(BOOK)
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        await moved(emulator, lambda: engine.sinks["binance:ETH/USDT"].volumes)
        sink = engine.sinks["binance:ETH/USDT"]
        seen = sink.updates
        await moved(emulator, lambda: sink.updates > seen + 50)
        assert (TRADES, Trust.SILENT, Reason.NO_FIRST_MESSAGE) not in sink.said


def test_a_pulse_scales_with_the_activity_of_its_channel() -> None:
    busy, slow, unknown = (Pulse(60.0, 900.0, 86_400.0) for _ in range(3))
    for pulse, gap in ((busy, 0.1), (slow, 600.0)):
        pulse.start(0.0)
        for i in range(1, 200):
            pulse.look(i * gap, i)
    assert busy.limit == 60.0
    assert slow.limit == pytest.approx(12_000.0)
    assert slow.silence(199 * 600.0 + 50.0) == pytest.approx(50.0)
    assert unknown.limit == 900.0
    unknown.expect(30.0)
    assert unknown.limit == 600.0
    unknown.start(0.0)
    unknown.look(1.0, 1)  # what is heard goes before what was expected
    assert 500.0 < unknown.limit < 600.0
    assert Pulse(15.0, 15.0, 900.0).limit == 15.0
