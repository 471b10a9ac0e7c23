"""Any pair has a market with sensible parameters."""

from __future__ import annotations

import pytest

from connectors.simulator import DEFAULT_SYMBOLS, SimulatedMarket, profile_of
from engine.tape import Kind


@pytest.mark.parametrize(
    "base", ["BTC", "ETH", "SOL", "XRP", "DOGE", "PEPE", "A", "LONGNAME1000X", "X1", "ZZZ", "USDT2"]
)
@pytest.mark.parametrize("quote", ["USDT", "EUR", "BTC"])
def test_parameters_are_sensible(base: str, quote: str) -> None:
    if base == quote:
        return
    profile = profile_of(f"{base}/{quote}")
    assert profile.symbol == f"{base}/{quote}"
    assert 0.01 < profile.tick_bps < 3
    assert profile.order_size / float(profile.lot) >= 20
    assert profile.level_size > 10 * profile.order_size
    instrument = profile.instrument
    assert instrument.simulated
    assert instrument.market == f"sim:{base}/{quote}"
    assert (instrument.base, instrument.quote, instrument.kind) == (base, quote, "spot")
    market = SimulatedMarket(profile.symbol, 1, 0)
    opening = market.opening()
    levels = opening[opening["kind"] == Kind.LEVEL]
    assert abs(instrument.price(int(levels["px"].mean())) / profile.price - 1) < 0.2


def test_the_same_name_gives_the_same_market_in_any_spelling() -> None:
    assert profile_of("sim:wif/usdt") == profile_of("WIF/USDT")
    assert profile_of("WIF/USDT") != profile_of("WIT/USDT")


def test_default_markets_differ_in_everything() -> None:
    profiles = [profile_of(symbol) for symbol in DEFAULT_SYMBOLS]
    for name in ("tick", "lot", "price", "order_rate", "order_size"):
        assert len({getattr(profile, name) for profile in profiles}) == 3


@pytest.mark.parametrize(
    "name",
    ["", "BTC", "BTC-USDT", "binance:BTC/USDT", "BTC/USDT:USDT", "B C/USDT", "[red]/USDT", "BTC/BTC", "\x1b/USDT"],
)
def test_other_names_are_refused_with_the_right_form(name: str) -> None:
    with pytest.raises(ValueError, match="no simulated market"):
        profile_of(name)
