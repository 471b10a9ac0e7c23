"""The emulated exchanges that every scripted fault is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.emulator.binance import BinanceEmulator, UsdmEmulator
from tests.emulator.bybit import BybitEmulator, BybitSpotEmulator
from tests.emulator.coinbase import CoinbaseEmulator
from tests.emulator.deribit import DeribitExchange
from tests.emulator.exchange import Exchange
from tests.emulator.hyperliquid import HyperliquidEmulator
from tests.emulator.kraken import KrakenExchange
from tests.emulator.okx import OkxEmulator

EXCHANGES: Mapping[str, type[Exchange[Any]]] = {
    "binance spot": BinanceEmulator,
    "binance usdm": UsdmEmulator,
    "bybit linear": BybitEmulator,
    "bybit spot": BybitSpotEmulator,
    "okx": OkxEmulator,
    "coinbase": CoinbaseEmulator,
    "kraken": KrakenExchange,
    "deribit": DeribitExchange,
    "hyperliquid": HyperliquidEmulator,
}
