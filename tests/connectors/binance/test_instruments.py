"""Listings of the three exchanges, and those that are broken."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors.binance.instruments import market_type, read_listing
from connectors.binance.messages import MarketType
from engine.feed import SourceError
from tests.emulator.market import coinm, spot, usdm


def body(*entries: Any) -> bytes:
    return json.dumps({"timezone": "UTC", "rateLimits": [], "symbols": list(entries)}).encode()


def test_spot() -> None:
    (listed,) = read_listing(MarketType.SPOT, body(spot(tick="0.01000000", lot="0.00010000").listing()))
    i = listed.instrument
    assert (i.market, i.native, i.kind, i.base, i.quote) == ("binance:ETH/USDT", "ETHUSDT", "spot", "ETH", "USDT")
    assert (i.tick, i.lot, i.contract, i.price_digits) == (Decimal("0.01"), Decimal("0.000001"), 1, 2)
    assert listed.trading


def test_linear_and_inverse_perpetuals() -> None:
    (linear,) = read_listing(MarketType.USDM, body(usdm().listing()))
    (inverse,) = read_listing(MarketType.COINM, body(coinm().listing()))
    assert (linear.instrument.symbol, linear.instrument.kind, linear.instrument.contract) == (
        "ETH/USDT:USDT",
        "linear",
        1,
    )
    assert (inverse.instrument.symbol, inverse.instrument.kind) == ("ETH/USD:ETH", "inverse")
    assert inverse.instrument.contract == 10
    assert inverse.instrument.unit == "USD"


@pytest.mark.parametrize(
    ("kind", "delivery", "symbol"),
    [
        ("CURRENT_QUARTER", 1_758_873_600_000, "ETH/USDT:USDT-250926"),
        ("NEXT_QUARTER", 1_766_736_000_000, "ETH/USDT:USDT-251226"),
        ("PERPETUAL", 1_758_873_600_000, "ETH/USDT:USDT"),
        ("TRADIFI_PERPETUAL", 4_133_404_800_000, "ETH/USDT:USDT"),
        ("", 4_133_404_800_000, "ETH/USDT:USDT"),
    ],
)
def test_dated_futures_carry_their_delivery_day(kind: str, delivery: int, symbol: str) -> None:
    entry = usdm().listing() | {"contractType": kind, "deliveryDate": delivery}
    (listed,) = read_listing(MarketType.USDM, body(entry))
    assert listed.instrument.symbol == symbol


@pytest.mark.parametrize(
    "broken",
    [
        {"filters": []},
        {"filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.0"}, {"filterType": "LOT_SIZE", "stepSize": "1"}]},
        {"filters": [{"filterType": "PRICE_FILTER", "tickSize": "x"}, {"filterType": "LOT_SIZE", "stepSize": "1"}]},
        {"filters": [{"filterType": "PRICE_FILTER", "tickSize": "NaN"}, {"filterType": "LOT_SIZE", "stepSize": "1"}]},
        {"filters": "none"},
        {"symbol": ""},
        {"baseAsset": None},
    ],
)
def test_an_entry_that_makes_no_sense_is_skipped_and_counted(broken: dict[str, Any]) -> None:
    listing = read_listing(MarketType.SPOT, body(spot().listing(), spot("XUSDT", "X").listing() | broken))
    assert [x.instrument.symbol for x in listing] == ["ETH/USDT"]
    assert listing.skipped == 1
    with pytest.raises(SourceError, match="no entry that can be read"):
        read_listing(MarketType.SPOT, body(spot().listing() | broken))


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"symbols":{}}', b'{"symbols":[1,\xff]}'])
def test_an_answer_that_is_no_listing_is_an_error(answer: bytes) -> None:
    with pytest.raises(SourceError, match="binance's list of spot markets"):
        read_listing(MarketType.SPOT, answer)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("ETHUSDT", "did you mean ETH/USDT?"),
        ("ethusdt", "did you mean ETH/USDT?"),
        ("eth/usdt", "did you mean ETH/USDT"),
        ("ETH/UDST", "did you mean ETH/USDT"),
        ("ZZZZ/QQQQ", "has no market 'ZZZZ/QQQQ' (`flowtape markets binance`"),
    ],
)
def test_an_unknown_market_names_the_nearest_that_trades(asked: str, hint: str) -> None:
    listing = read_listing(
        MarketType.SPOT,
        body(
            spot().listing(), spot("BTCUSDT", "BTC").listing(), spot("ETHUDST", "ETH", "UDST", status="BREAK").listing()
        ),
    )
    listing_of_two = read_listing(MarketType.SPOT, body(spot().listing(), spot("BTCUSDT", "BTC").listing()))
    with pytest.raises(SourceError) as e:
        listing_of_two.find(asked)
    assert hint in str(e.value)
    assert listing.find("ETH/UDST").trading is False


@pytest.mark.parametrize(
    ("symbol", "market"),
    [
        ("ETH/USDT", MarketType.SPOT),
        ("ETH/USDT:USDT", MarketType.USDM),
        ("ETH/BTC:USDT", MarketType.USDM),
        ("BTC/USDT:USDT-250926", MarketType.USDM),
        ("ETH/USD:ETH", MarketType.COINM),
        ("BTC/USD:BTC-250926", MarketType.COINM),
    ],
)
def test_the_symbol_says_which_exchange(symbol: str, market: MarketType) -> None:
    assert market_type(symbol) is market


@pytest.mark.parametrize("symbol", ["", "/", "ETHUSDT", "ETH/", "/USDT", "ETH/USDT:"])
def test_what_is_no_unified_symbol_is_explained(symbol: str) -> None:
    with pytest.raises(SourceError, match="write ETH/USDT"):
        market_type(symbol)
