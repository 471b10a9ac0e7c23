"""Names and grids of the three categories."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import zstandard

from connectors.bybit.instruments import category_of, read_listing
from connectors.bybit.recorded import RECORDED
from engine.feed import SourceError
from tests.real_data import data_file


def entry(**fields: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSD",
        "contractType": "InversePerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USD",
        "settleCoin": "BTC",
        "deliveryTime": "0",
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"qtyStep": "1", "minOrderQty": "1"},
        **fields,
    }


def body(category: str, *entries: object, cursor: str = "") -> bytes:
    return json.dumps(
        {"retCode": 0, "result": {"category": category, "list": entries, "nextPageCursor": cursor}}
    ).encode()


def test_an_inverse_contract_counts_quote_currency() -> None:
    listing, cursor = read_listing(body("inverse", entry(), cursor="next"))
    (listed,) = listing
    i = listed.instrument
    assert (i.market, i.kind, i.unit, cursor) == ("bybit:BTC/USD:BTC", "inverse", "USD", "next")
    assert (i.amount(i.lots("250")), i.tick) == (250.0, Decimal("0.1"))


def test_dated_contracts_bear_their_day() -> None:
    listing, _ = read_listing(
        body("inverse", entry(symbol="BTCUSDZ26", contractType="InverseFutures", deliveryTime="1798185600000"))
    )
    assert [x.instrument.symbol for x in listing] == ["BTC/USD:BTC-261225"]


def test_spot_lots_are_finer_than_the_smallest_order() -> None:
    listing, _ = read_listing(
        body("spot", entry(symbol="BTCUSDT", quoteCoin="USDT", lotSizeFilter={"basePrecision": "0.000001"}))
    )
    (listed,) = listing
    assert (listed.instrument.symbol, listed.instrument.lot) == ("BTC/USDT", Decimal("1E-8"))


def test_what_makes_no_sense_is_skipped_and_counted() -> None:
    bad = [entry(priceFilter={"tickSize": t}) for t in ("0", "-1", "x", "NaN", "")]
    bad += [entry(deliveryTime="1e99", contractType="InverseFutures"), {"symbol": 5}]
    listing, _ = read_listing(body("inverse", *bad, entry()))
    assert (len(listing), listing.skipped) == (1, len(bad))
    with pytest.raises(SourceError, match="no entry that can be read"):
        read_listing(body("inverse", *bad))
    with pytest.raises(SourceError, match="cannot be read"):
        read_listing(b"<html>")
    with pytest.raises(SourceError, match="'option', which is not read"):
        read_listing(body("option", entry()))


@pytest.mark.parametrize(
    ("symbol", "category"),
    [("BTC/USDT", "spot"), ("BTC/USDT:USDT", "linear"), ("BTC/USD:BTC", "inverse"), ("BTC/USDT:USDT-261225", "linear")],
)
def test_the_form_of_a_symbol_tells_the_category(symbol: str, category: str) -> None:
    assert category_of(symbol) == category


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC/USDT:", "/USDT", "BTC/USDT:USDT-26", ""])
def test_impossible_symbols_say_how_to_write_one(symbol: str) -> None:
    with pytest.raises(SourceError, match="write BTC/USDT"):
        category_of(symbol)


def test_names_without_a_listing_agree_with_the_venues_own() -> None:
    """The guess from the form of a name, against the listing in a recording: nearly all agree, doubts are told."""
    checked = wrong = 0
    with data_file("sessions/bybit.jsonl.zst").open("rb") as file:
        for line in zstandard.ZstdDecompressor().stream_reader(file).read().splitlines():
            found = json.loads(line)
            if found["t"] != "http":
                continue
            section = RECORDED.section(found["url"])
            assert section is not None
            for instrument in RECORDED.listing(section, found["data"].encode()):
                guess = RECORDED.identity(section, instrument.native)
                checked += 1
                wrong += guess.symbol != instrument.symbol and not guess.doubt
    assert checked == 1_357
    assert wrong <= 20
