"""Deribit, put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import aiohttp

from connectors.deribit.dialect import DeribitDialect
from connectors.deribit.instruments import VENUE
from connectors.deribit.rest import DeribitRest
from connectors.live.venue import Endpoints, Traits
from engine.feed import SourceError

_ALL = "all"
_ROOTS = {"all_rest": "https://www.deribit.com", "all_ws": "wss://www.deribit.com"}


class Deribit:
    """Perpetuals, futures, options and spot of Deribit; a `LiveVenue`."""

    name = VENUE
    sections = (_ALL,)

    def __init__(self, own: Endpoints | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._endpoints, self._clock = own if own is not None else endpoints(), clock

    def section(self, symbol: str) -> str:
        """See LiveVenue."""
        pair, colon, contract = symbol.partition(":")
        base, slash, quote = pair.partition("/")
        if not (base and slash and quote) or (colon and not contract):
            raise SourceError(
                f"{symbol[:60]!r} is no market of {VENUE}: write BTC/USD:BTC (perpetual), BTC/USD:BTC-261225 (future), "
                f"BTC/USD:BTC-261225-100000-C (option), BTC/USDC:USDC (linear) or BTC/USDC (spot)"
            )
        return _ALL

    def traits(self, section: str) -> Traits:
        """See LiveVenue. Subscriptions are a dear kind of request: three a second in the long run."""
        return Traits(between_requests=0.35, figures=True, flagged_liquidations=True)

    def rest(self, section: str, http: aiohttp.ClientSession) -> DeribitRest:
        """See LiveVenue."""
        return DeribitRest(http, self._endpoints.rest(section) + "/api/v2", clock=self._clock)

    def dialect(self, section: str) -> DeribitDialect:
        """See LiveVenue."""
        return DeribitDialect(self._endpoints.ws(section) + "/ws/api/v2")


def endpoints(
    rest: str | None = None, ws: str | None = None, named: Mapping[str, str] = MappingProxyType({})
) -> Endpoints:
    """Deribit's own addresses, or others in their place."""
    return Endpoints(VENUE, _ROOTS, rest, ws, named)
