"""OKX's sections put together, and where they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import aiohttp

from connectors.live.venue import Endpoints, Traits
from connectors.okx.dialect import PATH, OkxDialect
from connectors.okx.instruments import INSTRUMENT_TYPES, VENUE, section_of
from connectors.okx.rest import ROOT, OkxRest

_WS = "wss://ws.okx.com:8443"
#: 3 requests a second on a connection.
TRAITS = Traits(markets_a_socket=50, between_requests=0.4)
CONTRACTS = replace(TRAITS, figures=True, liquidations=True)


class Okx:
    """Spot, swaps and dated futures. A `LiveVenue` and a `LiquidationVenue`."""

    name = VENUE
    sections: Sequence[str] = tuple(INSTRUMENT_TYPES)

    def __init__(self, endpoints: Endpoints, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._endpoints, self._clock = endpoints, clock

    def section(self, symbol: str) -> str:
        """See LiveVenue."""
        return section_of(symbol)

    def traits(self, section: str) -> Traits:
        """Contracts tell more than spot markets."""
        return TRAITS if section == "spot" else CONTRACTS

    def rest(self, section: str, http: aiohttp.ClientSession) -> OkxRest:
        """See LiveVenue."""
        return OkxRest(section, http, self._endpoints.rest(section), clock=self._clock)

    def dialect(self, section: str) -> OkxDialect:
        """See LiveVenue."""
        return OkxDialect(self._endpoints.ws(section) + PATH, INSTRUMENT_TYPES[section])

    def liquidation_dialect(self, section: str) -> OkxDialect:
        """See LiquidationVenue: the same address, another connection."""
        return self.dialect(section)


def endpoints(
    rest: str | None = None, ws: str | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> Endpoints:
    """Its addresses, or others in their place: `spot_rest`, `swap_ws`, …"""
    own = {f"{section}_{kind}": url for section in Okx.sections for kind, url in (("rest", ROOT), ("ws", _WS))}
    return Endpoints(VENUE, own, rest, ws, named)
