"""Coinbase put together, and where it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import aiohttp

from connectors.coinbase.dialect import URL, CoinbaseDialect
from connectors.coinbase.instruments import VENUE, section_of
from connectors.coinbase.rest import ROOT, CoinbaseRest
from connectors.live.venue import Endpoints, Traits

#: A skipped frame number costs all books of a socket, and a snapshot is some 5 MB: few markets on each.
TRAITS = Traits(markets_a_socket=10, between_requests=0.15)


class Coinbase:
    """Its spot markets. A `LiveVenue`."""

    name = VENUE
    sections: Sequence[str] = ("spot",)

    def __init__(self, endpoints: Endpoints, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._endpoints, self._clock = endpoints, clock

    def section(self, symbol: str) -> str:
        """See LiveVenue."""
        return section_of(symbol)

    def traits(self, section: str) -> Traits:
        """See LiveVenue."""
        return TRAITS

    def rest(self, section: str, http: aiohttp.ClientSession) -> CoinbaseRest:
        """See LiveVenue."""
        return CoinbaseRest(http, self._endpoints.rest(section), clock=self._clock)

    def dialect(self, section: str) -> CoinbaseDialect:
        """See LiveVenue."""
        return CoinbaseDialect(self._endpoints.ws(section))


def endpoints(
    rest: str | None = None, ws: str | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> Endpoints:
    """Its addresses, or others in their place: `spot_rest`, `spot_ws`."""
    return Endpoints(VENUE, {"spot_rest": ROOT, "spot_ws": URL}, rest, ws, named)
