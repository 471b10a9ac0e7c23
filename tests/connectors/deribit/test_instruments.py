"""Units, steps and names of the listing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.deribit.instruments import read_listing
from connectors.live.listing import Listing
from engine.feed import SourceError

OPTION: dict[str, Any] = {
    "instrument_name": "BTC-25DEC26-100000-C",
    "kind": "option",
    "base_currency": "BTC",
    "quote_currency": "BTC",
    "counter_currency": "USD",
    "settlement_currency": "BTC",
    "settlement_period": "month",
    "tick_size": 0.0001,
    "tick_size_steps": [{"tick_size": 0.0005, "above_price": 0.005}],
    "min_trade_amount": 0.1,
    "contract_size": 1.0,
    "expiration_timestamp": 1_798_185_600_000,
    "strike": 100_000.0,
    "option_type": "call",
    "is_active": True,
    "maker_commission": 0.0003,
    "taker_commission": 0.0003,
}
PERPETUAL: dict[str, Any] = {
    **OPTION,
    "instrument_name": "BTC-PERPETUAL",
    "kind": "future",
    "quote_currency": "USD",
    "settlement_period": "perpetual",
    "instrument_type": "reversed",
    "tick_size": 0.5,
    "tick_size_steps": [],
    "min_trade_amount": 10.0,
    "contract_size": 10.0,
    "taker_commission": 0.0005,
}
SPOT: dict[str, Any] = {
    "instrument_name": "BTC_USDC",
    "kind": "spot",
    "base_currency": "BTC",
    "quote_currency": "USDC",
    "counter_currency": "USDC",
    "tick_size": 1.0e-4,
    "min_trade_amount": 0.0001,
    "contract_size": 0.0001,
    "is_active": True,
}


def read(*entries: Any) -> Listing:
    return read_listing([msgspec.Raw(msgspec.json.encode(entry)) for entry in entries])


def test_an_option_is_counted_in_coins_and_the_finest_of_its_ticks_is_the_grid() -> None:
    i = read(OPTION).find("BTC/USD:BTC-261225-100000-C").instrument
    assert (i.tick, i.lot, i.kind, i.unit) == (Decimal("0.0001"), Decimal("0.1"), "linear", "BTC")
    assert i.ticks("0.0055") == 55
    coarse = {**OPTION, "tick_size": 0.004, "tick_size_steps": [{"tick_size": 0.01, "above_price": 1}]}
    assert read(coarse).find("BTC/USD:BTC-261225-100000-C").instrument.tick == Decimal("0.002")


def test_an_inverse_future_is_counted_in_dollars() -> None:
    i = read(PERPETUAL).find("BTC/USD:BTC").instrument
    assert (i.kind, i.unit, i.amount(3), i.native) == ("inverse", "USD", 30.0, "BTC-PERPETUAL")


@pytest.mark.parametrize(
    ("entry", "symbol", "kind"),
    [
        (SPOT, "BTC/USDC", "spot"),
        (
            {**PERPETUAL, "instrument_name": "XRP_USDC-PERPETUAL", "base_currency": "XRP", "quote_currency": "USDC"}
            | {"counter_currency": "USDC", "settlement_currency": "USDC"},
            "XRP/USDC:USDC",
            "linear",
        ),
        ({**PERPETUAL, "settlement_period": "month"}, "BTC/USD:BTC-261225", "inverse"),
        (
            {**OPTION, "base_currency": "XRP", "quote_currency": "USDC", "counter_currency": "USDC"}
            | {"settlement_currency": "USDC", "strike": 0.55, "option_type": "put"},
            "XRP/USDC:USDC-261225-0.55-P",
            "linear",
        ),
    ],
)
def test_names_are_those_of_ccxt(entry: dict[str, Any], symbol: str, kind: str) -> None:
    assert read(entry).find(symbol).instrument.kind == kind


def test_combos_are_left_out_and_nonsense_is_counted() -> None:
    listing = read(
        PERPETUAL,
        {**PERPETUAL, "kind": "future_combo", "instrument_name": "BTC-FS-25DEC26_PERP"},
        {**PERPETUAL, "tick_size": 0},
        {**PERPETUAL, "tick_size": "x"},
        {**OPTION, "option_type": "neither"},
        {**OPTION, "expiration_timestamp": None},
        {"kind": "future"},
    )
    assert [x.instrument.symbol for x in listing] == ["BTC/USD:BTC"]
    assert listing.skipped == 5


def test_a_listing_without_one_readable_market_is_an_error() -> None:
    with pytest.raises(SourceError, match="deribit"):
        read({"kind": 1})
