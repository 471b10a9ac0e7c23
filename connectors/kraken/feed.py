"""Kraken, put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import aiohttp

from connectors.kraken.dialect import KrakenDialect
from connectors.kraken.instruments import VENUE
from connectors.kraken.rest import KrakenRest
from connectors.live.venue import Endpoints, Traits
from engine.feed import SourceError

_SPOT = "spot"
_ROOTS = {"spot_rest": "https://api.kraken.com", "spot_ws": "wss://ws.kraken.com"}


class Kraken:
    """Spot markets of Kraken; a `LiveVenue`."""

    name = VENUE
    sections = (_SPOT,)

    def __init__(self, own: Endpoints | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._endpoints, self._clock = own if own is not None else endpoints(), clock

    def section(self, symbol: str) -> str:
        """See LiveVenue."""
        base, slash, quote = symbol.partition("/")
        if not (base and slash and quote) or ":" in symbol:
            raise SourceError(f"{symbol[:60]!r} is no market of {VENUE}: write BTC/USD (it has spot markets here)")
        return _SPOT

    def traits(self, section: str) -> Traits:
        """See LiveVenue."""
        return Traits()

    def rest(self, section: str, http: aiohttp.ClientSession) -> KrakenRest:
        """See LiveVenue."""
        return KrakenRest(http, self._endpoints.rest(section), clock=self._clock)

    def dialect(self, section: str) -> KrakenDialect:
        """See LiveVenue."""
        return KrakenDialect(self._endpoints.ws(section) + "/v2")


def endpoints(
    rest: str | None = None, ws: str | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> Endpoints:
    """Kraken's own addresses, or others in their place."""
    return Endpoints(VENUE, _ROOTS, rest, ws, named)
