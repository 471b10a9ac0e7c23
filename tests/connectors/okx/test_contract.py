"""What swaps and futures tell beside trades and book, against the emulated exchange."""

from __future__ import annotations

from dataclasses import replace

from engine.codes import Channel, Kind, Trust
from tests.connectors.live.feeding import PATIENT, feeding, sink_of
from tests.emulator.exchange import answer, eventually
from tests.emulator.okx import OkxEmulator, OkxMarket

FIGURES = {"mark": "100.123", "index": "100.1", "funding": "-0.000125", "due": "1750003200000", "interest": "4321"}
SOON = replace(PATIENT, figures=0.01)


def swap() -> OkxMarket:
    return OkxMarket(
        "BTC/USDT:USDT",
        "BTC-USDT-SWAP",
        "BTC",
        "USDT",
        lot="0.01",
        type="SWAP",
        contract="0.01",
        figures=FIGURES,
    )


async def test_swaps_tell_liquidations_and_figures() -> None:
    market = swap()
    async with OkxEmulator(market) as exchange, feeding(exchange, market, timing=SOON) as engine:
        sink = sink_of(engine, market)
        await eventually(lambda: exchange.listened(market, Channel.LIQUIDATIONS), "subscribed")
        await exchange.liquidate(market, "sell", "99.9149", "2")
        await exchange.liquidate(market, "buy", "100.10", "1")
        await eventually(lambda: len(sink.liquidations) == 2, "liquidations")
        # A price of bankruptcy is kept at the nearest tick.
        assert [(float(px), size, side) for px, size, side in sink.liquidations] == [(99.91, "2", -1), (100.1, "1", 1)]
        await eventually(lambda: len(sink.readings) == 4, "figures")
        assert sink.readings[Kind.MARK] == ("100.123", 0)
        assert sink.readings[Kind.INDEX] == ("100.1", 0)
        assert sink.readings[Kind.FUNDING] == ("-0.000125", 1_750_003_200_000_000_000)
        assert sink.readings[Kind.OPEN_INTEREST] == ("4321", 0)
        trust = sink.trust(Channel.LIQUIDATIONS)
        assert trust is not None
        assert trust[0] is Trust.LIVE
        assert sink.live


async def test_a_dated_future_has_no_funding() -> None:
    market = swap()
    market.type, market.symbol, market.native = "FUTURES", "BTC/USDT:USDT-250926", "BTC-USDT-250926"
    async with OkxEmulator(market) as exchange, feeding(exchange, market, timing=SOON) as engine:
        sink = sink_of(engine, market)
        await eventually(lambda: len(sink.readings) == 3, "figures")
        assert Kind.FUNDING not in sink.readings
        assert not exchange.asked("/public/funding-rate")


async def test_figures_that_fail_are_asked_for_again() -> None:
    market = swap()
    async with OkxEmulator(market) as exchange:
        exchange.fail_next("/public/mark-price", answer(500), answer(200, {"code": "0", "data": []}))
        async with feeding(exchange, market, timing=SOON) as engine:

            def come() -> bool:
                market.now_ms += 100  # the budget of requests is one of the venue's time
                return len(sink_of(engine, market).readings) == 4

            await eventually(come, "figures")
