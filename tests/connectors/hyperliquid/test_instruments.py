"""Names and grids: no fixed tick, decimals by `szDecimals`."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from connectors.hyperliquid.instruments import kind_of, read_perpetuals, read_spot
from connectors.hyperliquid.recorded import RECORDED
from engine.feed import SourceError
from engine.instrument import OffGridError

META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
        {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
        {"name": "BAD", "szDecimals": -1},
    ]
}
SPOT = {
    "tokens": [
        {"name": "USDC", "szDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "index": 1},
        {"name": "UBTC", "szDecimals": 5, "index": 197},
        {"name": "PURR", "szDecimals": 2, "index": 9},
        {"index": 3},
    ],
    "universe": [
        {"name": "@5", "tokens": [9, 0], "index": 5, "isCanonical": False},
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
        {"name": "@142", "tokens": [197, 0], "index": 142, "isCanonical": False},
        {"name": "@7", "tokens": [3, 0], "index": 7},
    ],
}


def test_perpetuals() -> None:
    listing = read_perpetuals(json.dumps(META).encode())
    found = {x.instrument.symbol: x for x in listing}
    assert (list(found), listing.skipped) == (["BTC/USDC:USDC", "KPEPE/USDC:USDC", "MATIC/USDC:USDC"], 1)
    btc = found["BTC/USDC:USDC"].instrument
    assert (btc.tick, btc.lot, btc.fixed_tick, btc.kind) == (Decimal("0.1"), Decimal("0.00001"), False, "linear")
    assert found["KPEPE/USDC:USDC"].instrument.native == "kPEPE"
    assert not found["MATIC/USDC:USDC"].trading
    assert btc.ticks("105055.0") == btc.ticks("105055")
    with pytest.raises(OffGridError):
        btc.ticks("105055.05")


def test_spot_pairs_are_named_by_their_tokens_and_the_canonical_one_is_meant() -> None:
    listing = read_spot(json.dumps(SPOT).encode())
    found = {x.instrument.symbol: x.instrument for x in listing}
    assert {symbol: i.native for symbol, i in found.items()} == {"PURR/USDC": "PURR/USDC", "BTC/USDC": "@142"}
    assert (found["PURR/USDC"].tick, found["BTC/USDC"].tick) == (Decimal("1E-8"), Decimal("0.001"))
    assert listing.skipped == 1


def test_the_form_of_a_symbol_tells_the_half_of_the_venue() -> None:
    assert [kind_of(s) for s in ("BTC/USDC:USDC", "HYPE/USDC")] == ["linear", "spot"]
    for symbol in ("BTC", "BTC/USDC:", "BTC-PERP", "BTC/USDC:USDC-261225"):
        with pytest.raises(SourceError, match="write BTC/USDC:USDC"):
            kind_of(symbol)


def test_what_cannot_be_read_is_told() -> None:
    for read in (read_perpetuals, read_spot):
        with pytest.raises(SourceError, match="cannot be read"):
            read(b"null")
    with pytest.raises(SourceError, match="no entry that can be read"):
        read_perpetuals(b'{"universe":[{"name":"X"}]}')


def test_names_of_recordings_without_a_listing() -> None:
    names = {native: RECORDED.identity("", native).symbol for native in ("BTC", "kPEPE", "PURR/USDC", "@107")}
    assert names == {"BTC": "BTC/USDC:USDC", "kPEPE": "KPEPE/USDC:USDC", "PURR/USDC": "PURR/USDC", "@107": "@107"}
    assert RECORDED.identity("", "@107").doubt
    assert next(i.symbol for i in RECORDED.listing("", json.dumps(META).encode())) == "BTC/USDC:USDC"
    assert not list(RECORDED.listing("", b"[1]"))
