"""Binance, put together."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence

import aiohttp

from connectors.binance.dialect import BinanceDialect
from connectors.binance.endpoints import Endpoints
from connectors.binance.instruments import VENUE, market_type
from connectors.binance.messages import MarketType
from connectors.binance.rest import BinanceRest
from connectors.live.feed import LiveFeed
from connectors.live.timing import Timing
from connectors.live.venue import Traits

#: Binance closes a connection after 24 h; on a socket of spot at most 5 messages a second may be sent.
SPOT = Traits(rest_snapshots=True)
FUTURES = Traits(rest_snapshots=True, figures=True, liquidations=True)


def traits(section: str) -> Traits:
    """What one of the three exchanges is like."""
    return SPOT if section == MarketType.SPOT.value else FUTURES


class Binance:
    """A `connectors.live.venue.LiveVenue` of three sections: spot, usdm, coinm."""

    name = VENUE
    sections = tuple(market.value for market in MarketType)

    def __init__(self, endpoints: Endpoints | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._endpoints = endpoints if endpoints is not None else Endpoints()
        self._clock = clock

    def section(self, symbol: str) -> str:
        """See LiveVenue."""
        return market_type(symbol).value

    def traits(self, section: str) -> Traits:
        """See LiveVenue."""
        return traits(section)

    def rest(self, section: str, http: aiohttp.ClientSession) -> BinanceRest:
        """See LiveVenue."""
        return BinanceRest(http, self._endpoints, MarketType(section), clock=self._clock)

    def dialect(self, section: str) -> BinanceDialect:
        """See LiveVenue."""
        market = MarketType(section)
        return BinanceDialect(market, self._endpoints.stream_url(market))

    def liquidation_dialect(self, section: str) -> BinanceDialect:
        """See LiquidationVenue."""
        market = MarketType(section)
        return BinanceDialect(market, self._endpoints.beside_url(market))


def endpoints(rest: str | None = None, ws: str | None = None, named: Mapping[str, str] | None = None) -> Endpoints:
    """Binance's addresses, or others in their place."""
    return Endpoints(rest, ws, named)


class BinanceFeed(LiveFeed):
    """Trades and order books of `symbols` (unified: `ETH/USDT`, `ETH/USDT:USDT`, `ETH/USD:ETH`), for ever."""

    def __init__(
        self,
        symbols: Sequence[str],
        endpoints: Endpoints | None = None,
        channels: Sequence[str] = ("trades", "book"),
        *,
        timing: Timing | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(Binance(endpoints, clock=clock), symbols, channels, timing=timing, rng=rng, clock=clock)
