"""Hyperliquid, put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import aiohttp

from connectors.hyperliquid.dialect import HyperliquidDialect
from connectors.hyperliquid.instruments import VENUE, kind_of
from connectors.hyperliquid.rest import HyperliquidRest
from connectors.hyperliquid.traits import traits_of
from connectors.live.venue import Endpoints, Traits

_SECTIONS = {"linear": "perp", "spot": "spot"}
_ROOTS = {
    name: root
    for section in _SECTIONS.values()
    for name, root in (
        (f"{section}_rest", "https://api.hyperliquid.xyz"),
        (f"{section}_ws", "wss://api.hyperliquid.xyz"),
    )
}


class Hyperliquid:
    """Perpetuals and spot markets of Hyperliquid; a `connectors.live.venue.LiveVenue`. Perpetuals of other deployers
    (`xyz:…`) are not listed."""

    name = VENUE
    sections = tuple(_SECTIONS.values())

    def __init__(self, own: Endpoints | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._endpoints, self._clock = own if own is not None else endpoints(), clock

    def section(self, symbol: str) -> str:
        """See LiveVenue."""
        return _SECTIONS[kind_of(symbol)]

    def traits(self, section: str) -> Traits:
        """See LiveVenue."""
        return traits_of(section)

    def rest(self, section: str, http: aiohttp.ClientSession) -> HyperliquidRest:
        """See LiveVenue."""
        return HyperliquidRest(http, self._endpoints.rest(section), section, clock=self._clock)

    def dialect(self, section: str) -> HyperliquidDialect:
        """See LiveVenue."""
        return HyperliquidDialect(self._endpoints.ws(section))


def endpoints(
    rest: str | None = None, ws: str | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> Endpoints:
    """Hyperliquid's own addresses, or others in their place."""
    return Endpoints(VENUE, _ROOTS, rest, ws, named)
