"""What several tests of Bybit need."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.instrument import Instrument


@pytest.fixture
def instrument() -> Instrument:
    return Instrument(
        "bybit", "BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"), "linear",
        native="BTCUSDT", base="BTC", quote="USDT",
    )  # fmt: skip
