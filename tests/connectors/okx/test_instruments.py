"""Listings, and entries that are broken."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors.okx.instruments import read_listing, section_of
from engine.feed import SourceError

SPOT = {"instId": "BTC-USDT", "instType": "SPOT", "baseCcy": "BTC", "quoteCcy": "USDT", "tickSz": "0.10"}
SPOT |= {"lotSz": "0.00000001", "state": "live", "ctVal": "", "uly": ""}
SWAP = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "uly": "BTC-USDT", "settleCcy": "USDT", "ctType": "linear"}
SWAP |= {"ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "tickSz": "0.1", "lotSz": "0.01", "state": "live"}
INVERSE = SWAP | {"instId": "BTC-USD-SWAP", "uly": "BTC-USD", "settleCcy": "BTC", "ctType": "inverse"}
INVERSE |= {"ctVal": "100", "ctValCcy": "USD"}


def body(*entries: Any) -> bytes:
    return json.dumps({"code": "0", "msg": "", "data": list(entries)}).encode()


def test_spot() -> None:
    (listed,) = read_listing("spot", body(SPOT))
    i = listed.instrument
    assert (i.market, i.native, i.kind, i.base, i.quote) == ("okx:BTC/USDT", "BTC-USDT", "spot", "BTC", "USDT")
    assert (i.tick, i.lot, i.contract) == (Decimal("0.1"), Decimal("0.00000001"), 1)
    assert listed.trading


def test_contracts_are_worth_what_the_listing_says() -> None:
    (linear,) = read_listing("swap", body(SWAP | {"ctMult": "10"}))
    assert (linear.instrument.symbol, linear.instrument.kind) == ("BTC/USDT:USDT", "linear")
    assert linear.instrument.amount(linear.instrument.lots("3.05")) == pytest.approx(0.305)
    (inverse,) = read_listing("swap", body(INVERSE))
    assert (inverse.instrument.symbol, inverse.instrument.kind, inverse.instrument.unit) == (
        "BTC/USD:BTC",
        "inverse",
        "USD",
    )
    assert inverse.instrument.amount(inverse.instrument.lots("3")) == 300


def test_dated_futures_carry_their_day() -> None:
    entry = INVERSE | {"instId": "BTC-USD-220527", "instType": "FUTURES", "expTime": "1653638400000"}
    (listed,) = read_listing("futures", body(entry))
    assert listed.instrument.symbol == "BTC/USD:BTC-220527"


@pytest.mark.parametrize("state", ["suspend", "preopen", "test", ""])
def test_only_a_live_market_trades(state: str) -> None:
    (listed,) = read_listing("spot", body(SPOT | {"state": state}))
    assert not listed.trading


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        {},
        SWAP | {"instType": "OPTION"},
        SWAP | {"tickSz": ""},
        SWAP | {"lotSz": "0"},
        SWAP | {"lotSz": "NaN"},
        SWAP | {"ctVal": "-1"},
        SWAP | {"ctValCcy": "ETH"},
        SWAP | {"ctType": ""},
        SWAP | {"uly": "BTC"},
        SWAP | {"settleCcy": ""},
    ],
)
def test_an_entry_that_makes_no_sense_is_counted_and_the_others_are_read(broken: Any) -> None:
    listing = read_listing("swap", body(broken, INVERSE))
    assert [x.instrument.symbol for x in listing] == ["BTC/USD:BTC"]
    assert listing.skipped == 1
    with pytest.raises(SourceError, match="has no entry that can be read"):
        read_listing("swap", body(broken))


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b'{"data":7}', b"\xff"])
def test_a_listing_that_is_none(answer: bytes) -> None:
    with pytest.raises(SourceError, match="list of spot markets cannot be read"):
        read_listing("spot", answer)


def test_sections() -> None:
    assert [section_of(x) for x in ("BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USD:BTC-260327")] == [
        "spot",
        "swap",
        "swap",
        "futures",
    ]
    for text in ("", "BTC", "BTC/", "/USDT", "BTC/USDT:", "BTC/USDT:USDT-", "BTC/USDT:-260327", "BTC-USDT"):
        with pytest.raises(SourceError, match="is no market of okx: write BTC/USDT"):
            section_of(text)
