"""What futures tell beside trades and book: liquidations on their own socket, figures by REST."""

from __future__ import annotations

import json

import pytest

from engine.codes import Channel, Kind, Trust
from tests.connectors.binance.conftest import running
from tests.emulator.binance import BinanceEmulator, answer, eventually
from tests.emulator.market import EmulatedMarket, Event, coinm, spot, usdm
from tests.emulator.recording import RecordingEngine

EVERYTHING = ("trades", "book", "contract")
FIGURES = {
    "markPrice": "100.12345678",
    "indexPrice": "100.10000000",
    "lastFundingRate": "-0.00012500",
    "nextFundingTime": 1_750_003_200_000,
}


def forced(market: EmulatedMarket, side: str = "SELL", average: str = "99.9149", filled: str = "2") -> Event:
    order = {"s": market.native, "S": side, "o": "LIMIT", "f": "IOC", "q": "3", "p": "99.8", "ap": average,
             "X": "FILLED", "l": "1", "z": filled, "T": market.now_ms}  # fmt: skip
    return {"e": "forceOrder", "E": market.now_ms, "o": order}


@pytest.mark.parametrize(
    ("market", "symbol"),
    [(usdm(figures=FIGURES), "ETH/USDT:USDT"), (coinm(figures=FIGURES, open_interest="4321"), "ETH/USD:ETH")],
    ids=["usdm", "coinm"],
)
async def test_futures_tell_liquidations_and_figures(market: EmulatedMarket, symbol: str) -> None:
    engine = RecordingEngine()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, symbol, engine=engine, channels=EVERYTHING, timing={"figures": 0.01}),
    ):
        await eventually(lambda: emulator.subscribed(market, "forceOrder"), "subscribed")
        sink = engine.sinks[f"binance:{symbol}"]
        await eventually(lambda: sink.trust(Channel.LIQUIDATIONS) is not None, "said")
        await eventually(lambda: sink.trust(Channel.LIQUIDATIONS)[0] is Trust.LIVE, "acknowledged")
        await emulator.send(market, forced(market))
        await emulator.send(market, forced(market, "BUY", "100.10", "1"))
        await eventually(lambda: len(sink.liquidations) == 2, "liquidations")
        # The average of fills is kept at the nearest tick.
        assert [(float(px), size, side) for px, size, side in sink.liquidations] == [
            (99.91, "2", -1),
            (100.1, "1", 1),
        ]
        await eventually(lambda: len(sink.readings) == 4, "figures")
        assert sink.readings[Kind.MARK] == ("100.12345678", 0)
        assert sink.readings[Kind.FUNDING] == ("-0.00012500", 1_750_003_200_000_000_000)
        assert sink.readings[Kind.OPEN_INTEREST] == (market.open_interest, 0)
        await emulator.disconnect()
        await eventually(lambda: (Channel.LIQUIDATIONS, Trust.STALE) in {s[:2] for s in sink.said}, "lost")
        await eventually(lambda: emulator.subscribed(market, "forceOrder"), "subscribed again")


async def test_figures_that_fail_or_are_none_are_told_once_and_asked_for_again() -> None:
    market, engine = usdm(figures={**FIGURES, "markPrice": "much"}), RecordingEngine()
    async with BinanceEmulator(market) as emulator:
        emulator.fail_next("premiumIndex", answer(500), answer(200, {"no": "figures"}))
        async with running(emulator, "ETH/USDT:USDT", engine=engine, channels=EVERYTHING, timing={"figures": 0.01}):
            await eventually(lambda: "binance:ETH/USDT:USDT" in engine.sinks, "listed")
            sink = engine.sinks["binance:ETH/USDT:USDT"]
            await eventually(lambda: Kind.INDEX in sink.readings, "figures")
            await eventually(lambda: engine.told("no figure"), "what is no number is told")
            assert engine.told("no funding and open interest")
            assert Kind.MARK not in sink.readings


async def test_a_liquidation_that_makes_no_sense_costs_neither_book_nor_trades() -> None:
    market, engine = usdm(), RecordingEngine()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, "ETH/USDT:USDT", engine=engine, channels=EVERYTHING),
    ):
        await eventually(lambda: emulator.subscribed(market, "forceOrder"), "subscribed")
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        await emulator.step(market)
        sink = engine.sinks["binance:ETH/USDT:USDT"]
        await eventually(lambda: sink.live, "live")
        name = f"{market.native.lower()}@forceOrder"
        for broken in ({"e": "forceOrder", "o": {"s": market.native}}, forced(market, filled="-1"), forced(market)):
            await emulator.play(market, [json.dumps({"stream": name, "data": broken}).encode()])
        await eventually(lambda: len(sink.liquidations) == 1, "the good one")
        assert sink.live
        assert sink.trust(Channel.LIQUIDATIONS)[0] is Trust.LIVE


async def test_spot_has_neither_and_none_is_asked_for() -> None:
    market, engine = spot(), RecordingEngine()
    async with (
        BinanceEmulator(market) as emulator,
        running(emulator, "ETH/USDT", engine=engine, channels=EVERYTHING, timing={"figures": 0.01}),
    ):
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        await emulator.step(market)
        await eventually(lambda: engine.sinks["binance:ETH/USDT"].live, "live")
        assert emulator.connections == 1
        assert not emulator.asked("premiumIndex")
