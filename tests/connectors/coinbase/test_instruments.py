"""Listings, and entries that are broken."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors.coinbase.instruments import read_listing, section_of
from engine.feed import SourceError

USD = {"product_id": "BTC-USD", "base_currency_id": "BTC", "quote_currency_id": "USD", "price_increment": "0.01"}
USD |= {"base_increment": "0.00000001", "product_type": "SPOT", "status": "online", "alias": ""}
USDC = USD | {"product_id": "BTC-USDC", "quote_currency_id": "USDC", "alias": "BTC-USD"}


def body(*entries: Any) -> bytes:
    return json.dumps({"products": list(entries), "num_products": len(entries)}).encode()


def test_a_market() -> None:
    (listed,) = read_listing(body(USD, USDC, USD | {"product_type": "FUTURE"}))
    i = listed.instrument
    assert (i.market, i.native, i.kind, i.base, i.quote) == ("coinbase:BTC/USD", "BTC-USD", "spot", "BTC", "USD")
    assert (i.tick, i.lot, i.contract) == (Decimal("0.01"), Decimal("0.00000001"), 1)
    assert listed.trading


def test_another_name_of_a_book_says_which_to_watch() -> None:
    listing = read_listing(body(USD, USDC))
    with pytest.raises(SourceError, match="one book for BTC/USDC and BTC/USD: watch coinbase:BTC/USD"):
        listing.find("BTC/USDC")
    with pytest.raises(SourceError, match="no market 'BTC/USX'; did you mean BTC/USD"):
        listing.find("BTC/USX")


@pytest.mark.parametrize(
    "closed", [{"status": "delisted"}, {"trading_disabled": True}, {"is_disabled": True}, {"view_only": True}]
)
def test_a_market_that_is_closed_does_not_trade(closed: dict[str, Any]) -> None:
    (listed,) = read_listing(body(USD | closed))
    assert not listed.trading


@pytest.mark.parametrize(
    "broken",
    [None, 7, {}, USD | {"price_increment": ""}, USD | {"base_increment": "0"}, USD | {"base_currency_id": ""}],
)
def test_an_entry_that_makes_no_sense_is_counted_and_the_others_are_read(broken: Any) -> None:
    listing = read_listing(body(broken, USD))
    assert [x.instrument.symbol for x in listing] == ["BTC/USD"]
    assert listing.skipped == 1
    with pytest.raises(SourceError, match="no spot market that can be read"):
        read_listing(body(broken))


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b'{"products":7}', b"\xff"])
def test_a_listing_that_is_none(answer: bytes) -> None:
    with pytest.raises(SourceError, match="list of markets cannot be read"):
        read_listing(answer)


def test_only_spot() -> None:
    assert section_of("BTC/USD") == "spot"
    for text in ("", "BTC", "BTC/", "/USD", "BTC/USD:USD", "BTC-USD"):
        with pytest.raises(SourceError, match="is no market of coinbase: write BTC/USD"):
            section_of(text)
