"""Bybit, put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import aiohttp

from connectors.bybit.dialect import BybitDialect
from connectors.bybit.instruments import CATEGORIES, VENUE, category_of
from connectors.bybit.rest import BybitRest
from connectors.bybit.traits import traits_of
from connectors.live.venue import Endpoints, Traits

_ROOTS = {
    name: root
    for category in CATEGORIES
    for name, root in (
        (f"{category}_rest", "https://api.bybit.com"),
        (f"{category}_ws", "wss://stream.bybit.com"),
    )
}


class Bybit:
    """Spot, linear and inverse markets of Bybit; a `connectors.live.venue.LiveVenue` and a
    `LiquidationVenue`. Categories have sockets of their own: the same name can be a market of two."""

    name = VENUE
    sections = CATEGORIES

    def __init__(self, own: Endpoints | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._endpoints, self._clock = own if own is not None else endpoints(), clock

    def section(self, symbol: str) -> str:
        """See LiveVenue."""
        return category_of(symbol)

    def traits(self, section: str) -> Traits:
        """See LiveVenue."""
        return traits_of(section)

    def rest(self, section: str, http: aiohttp.ClientSession) -> BybitRest:
        """See LiveVenue."""
        return BybitRest(http, self._endpoints.rest(section), section, clock=self._clock)

    def dialect(self, section: str) -> BybitDialect:
        """See LiveVenue."""
        return BybitDialect(self._endpoints.ws(section), section)

    def liquidation_dialect(self, section: str) -> BybitDialect:
        """See LiquidationVenue."""
        return self.dialect(section)


def endpoints(
    rest: str | None = None, ws: str | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> Endpoints:
    """Bybit's own addresses, or others in their place."""
    return Endpoints(VENUE, _ROOTS, rest, ws, named)
