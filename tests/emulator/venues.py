"""The emulated exchanges that every scripted fault is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.emulator.binance import BinanceEmulator, UsdmEmulator
from tests.emulator.bybit import BybitEmulator, BybitSpotEmulator
from tests.emulator.deribit import DeribitExchange
from tests.emulator.exchange import Exchange
from tests.emulator.hyperliquid import HyperliquidEmulator
from tests.emulator.kraken import KrakenExchange

EXCHANGES: Mapping[str, type[Exchange[Any]]] = {
    "binance spot": BinanceEmulator,
    "binance usdm": UsdmEmulator,
    "bybit linear": BybitEmulator,
    "bybit spot": BybitSpotEmulator,
    "deribit": DeribitExchange,
    "hyperliquid": HyperliquidEmulator,
    "kraken": KrakenExchange,
}
