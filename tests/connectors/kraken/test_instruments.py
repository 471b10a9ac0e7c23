"""The listing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.kraken.instruments import read_listing, rest_name
from connectors.live.listing import Listing
from engine.feed import SourceError

BTC: dict[str, Any] = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "pair_decimals": 1,
    "lot_decimals": 8,
    "tick_size": "0.1",
    "status": "online",
    "fees": [[0, 0.40], [10000, 0.35]],
    "fees_maker": [[0, 0.25], [10000, 0.2]],
}


def read(**pairs: Any) -> Listing:
    return read_listing({name: msgspec.Raw(msgspec.json.encode(entry)) for name, entry in pairs.items()})


def test_a_market_of_the_listing() -> None:
    i = read(XXBTZUSD=BTC).find("BTC/USD").instrument
    assert (i.market, i.native, i.kind, i.contract) == ("kraken:BTC/USD", "BTC/USD", "spot", 1)
    assert (i.tick, i.lot) == (Decimal("0.1"), Decimal("0.00000001"))
    assert (i.maker_bps, i.taker_bps) == (25.0, 40.0)


@pytest.mark.parametrize(
    ("wsname", "symbol", "native"),
    [
        ("XBT/USDT", "BTC/USDT", "BTC/USDT"),
        ("XDG/EUR", "DOGE/EUR", "DOGE/EUR"),
        ("ETH/XBT", "ETH/BTC", "ETH/BTC"),
        ("LUNA/USD", "LUNC/USD", "LUNA/USD"),
        ("LUNA2/USD", "LUNA/USD", "LUNA2/USD"),
        ("UST/USD", "USTC/USD", "UST/USD"),
    ],
)
def test_names(wsname: str, symbol: str, native: str) -> None:
    assert read(X={**BTC, "wsname": wsname}).find(symbol).instrument.native == native


def test_names_of_rest() -> None:
    assert [rest_name(n) for n in ("BTC/USD", "DOGE/BTC", "USDT/USD", "LUNA2/EUR")] == [
        "XBTUSD",
        "XDGXBT",
        "USDTUSD",
        "LUNA2EUR",
    ]


def test_without_a_tick_size_it_is_the_last_decimal() -> None:
    entry = {**BTC, "pair_decimals": 5}
    del entry["tick_size"]
    assert read(X=entry).find("BTC/USD").instrument.tick == Decimal("0.00001")


def test_what_is_not_traded_now_is_listed_and_said() -> None:
    assert not read(X={**BTC, "status": "cancel_only"}).find("BTC/USD").trading


def test_entries_that_make_no_sense_are_skipped_and_counted() -> None:
    listing = read(
        A=BTC,
        B={**BTC, "wsname": "nonsense"},
        C={**BTC, "wsname": "C/USD", "tick_size": "0"},
        D={**BTC, "wsname": "D/USD", "tick_size": "NaN"},
        E={**BTC, "wsname": "E/USD", "pair_decimals": "x"},
        F={**BTC, "wsname": "F/USD", "lot_decimals": 400},
        G={"altname": "XBTUSD.d"},  # a dark pool is not on the stream
    )
    assert [x.instrument.symbol for x in listing] == ["BTC/USD"]
    assert listing.skipped == 5


def test_a_listing_without_one_readable_market_is_an_error() -> None:
    with pytest.raises(SourceError, match="kraken"):
        read(A={"wsname": 1})


def test_an_unknown_market_gets_the_nearest_name() -> None:
    with pytest.raises(SourceError, match="did you mean BTC/USD"):
        read(X=BTC).find("BTC/UDS")
