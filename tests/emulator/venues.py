"""The emulated exchanges that every scripted fault is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.emulator.binance import BinanceEmulator, UsdmEmulator
from tests.emulator.exchange import Exchange

EXCHANGES: Mapping[str, type[Exchange[Any]]] = {
    "binance spot": BinanceEmulator,
    "binance usdm": UsdmEmulator,
}
