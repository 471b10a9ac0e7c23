"""Venues by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connectors.nearest import nearest
from connectors.venues import VENUES, VenueSettings, list_markets, open_feed, venue_names
from engine.feed import SourceError
from tests.emulator.binance import BinanceEmulator
from tests.emulator.market import spot, usdm


def test_feeds_are_opened_by_name() -> None:
    feed = open_feed("binance", ["ETH/USDT", "ETH/USDT:USDT"])
    assert (feed.name, list(feed.markets)) == ("binance", ["binance:ETH/USDT", "binance:ETH/USDT:USDT"])
    simulated = open_feed("sim", ["BTC/USDT"], VenueSettings(seed=3))
    assert (simulated.name, list(simulated.markets)) == ("sim", ["sim:BTC/USDT"])


@pytest.mark.parametrize(
    ("name", "hint"), [("binnance", "did you mean binance"), ("SIM", "did you mean sim"), ("", "")]
)
async def test_an_unknown_venue_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(SourceError, match=f"there is no venue {name!r}.*{hint}.*there are binance, .*sim"):
        open_feed(name, ["ETH/USDT"])
    with pytest.raises(SourceError, match="there is no venue"):
        await list_markets(name)


def test_impossible_symbols_of_the_simulator_are_told() -> None:
    with pytest.raises(SourceError):
        open_feed("sim", ["nonsense"])


def test_other_exchanges_come_through_ccxt() -> None:
    feed = open_feed("kucoin", ["ETH/USDT"])
    assert (feed.name, list(feed.markets), feed.live) == ("kucoin", ["kucoin:ETH/USDT"], True)
    assert len(venue_names()) == len(set(venue_names())) > 50
    assert venue_names()[0] == "binance"
    with pytest.raises(SourceError, match="did you mean kucoin"):
        open_feed("kukoin", ["ETH/USDT"])
    with pytest.raises(SourceError, match="only all its addresses"):
        open_feed("kucoin", ["ETH/USDT"], VenueSettings(endpoints={"spot_rest": "http://127.0.0.1:1"}))


async def test_markets_that_trade_are_listed() -> None:
    async with BinanceEmulator(spot(), spot("OLDUSDT", "OLD", status="BREAK"), usdm()) as emulator:
        found = await list_markets("binance", VenueSettings(rest=emulator.url))
    assert [i.market for i in found] == ["binance:ETH/USDT", "binance:ETH/USDT:USDT"]
    assert all(i.simulated for i in await list_markets("sim"))


def test_naming_venues_loads_no_network_library() -> None:
    code = "import sys, connectors.venues; sys.exit('aiohttp' in sys.modules or 'msgspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(VENUES) >= {"binance", "bybit", "hyperliquid", "kraken", "deribit", "sim"}


def test_nearest_names() -> None:
    valid = ["ETH/USDT", "ETH/USDC", "BTC/USDT", "ETH/USDT:USDT"]
    assert nearest("ethusdt", valid)[0] == "ETH/USDT"
    assert nearest("ETH", valid, count=2) == ["ETH/USDT", "ETH/USDC"]
    assert nearest("ETH-USDT", valid, count=1) == ["ETH/USDT"]
    assert nearest("zzz", valid) == []
    assert nearest("", valid) == []
