"""The venues that can be asked for live markets, by name; a venue's code is loaded when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from connectors import ccxt_exchange
from connectors.nearest import did_you_mean
from engine.feed import Feed, SourceError
from engine.instrument import Instrument

if TYPE_CHECKING:
    from connectors.ccxt_venue.feed import CcxtVenue
    from connectors.live.venue import LiveVenue


@dataclass(frozen=True)
class VenueSettings:
    """What the user has set for a venue, and what a command asks of it.

    `rest` and `ws` replace the venue's addresses as a whole, `endpoints` single ones by the connector's
    name for them. `seed`, `speed` (0: as fast as it goes) and `start_ns` (None: the
    present) are for simulated venues.
    """

    rest: str | None = None
    ws: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[str] = ("trades", "book", "contract")
    seed: int = 1
    speed: float = 1.0
    start_ns: int | None = None


@dataclass(frozen=True)
class Venue:
    """How to open markets of a venue, and how to list them."""

    open: Callable[[Sequence[str], VenueSettings], Feed]
    markets: Callable[[VenueSettings], Awaitable[list[Instrument]]]


def open_feed(venue: str, symbols: Sequence[str], settings: VenueSettings | None = None) -> Feed:
    """The feed of some markets of a venue. SourceError for an unknown venue or impossible symbols or settings."""
    return known_venue(venue).open(symbols, settings if settings is not None else VenueSettings())


async def list_markets(venue: str, settings: VenueSettings | None = None) -> list[Instrument]:
    """The markets of a venue that trade now. SourceError for an unknown venue, or when it cannot be asked."""
    return await known_venue(venue).markets(settings if settings is not None else VenueSettings())


def venue_names() -> list[str]:
    """Every venue there is, those with a connector of their own first."""
    return [*VENUES, *(name for name in ccxt_exchange.streaming_names() if name not in VENUES)]


def known_venue(name: str) -> Venue:
    """How a venue is opened; nothing of it is loaded yet. SourceError, with the nearest name, for an unknown one."""
    if name in VENUES:
        return VENUES[name]
    names = venue_names()
    if name in names:
        return _through_ccxt(name)
    raise SourceError(
        f"there is no venue {name[:40]!r}{did_you_mean(name, names)} (there are {', '.join(VENUES)}, and "
        f"{len(names) - len(VENUES)} more through ccxt)"
    )


def _native(name: str, venue: str) -> Venue:
    """A venue with a connector of its own: `connectors.<name>.feed` has its class `venue` and `endpoints`."""

    def put_together(settings: VenueSettings) -> LiveVenue:
        module = importlib.import_module(f"connectors.{name}.feed")
        made: LiveVenue = getattr(module, venue)(module.endpoints(settings.rest, settings.ws, settings.endpoints))
        return made

    def opened(symbols: Sequence[str], settings: VenueSettings) -> Feed:
        from connectors.live.feed import LiveFeed

        return LiveFeed(put_together(settings), symbols, settings.channels)

    async def markets(settings: VenueSettings) -> list[Instrument]:
        from connectors.live import feed

        return [x.instrument for x in await feed.list_markets(put_together(settings)) if x.trading]

    return Venue(opened, markets)


def _through_ccxt(name: str) -> Venue:
    """Any other exchange."""

    def put_together(settings: VenueSettings) -> CcxtVenue:
        from connectors.ccxt_venue.feed import CcxtVenue

        if settings.endpoints:
            raise SourceError(f"{name} comes through ccxt: only all its addresses can be replaced, by rest and ws")
        return CcxtVenue(name, settings.rest, settings.ws)

    def opened(symbols: Sequence[str], settings: VenueSettings) -> Feed:
        from connectors.ccxt_venue.feed import CcxtFeed

        return CcxtFeed(put_together(settings), symbols, settings.channels)

    async def markets(settings: VenueSettings) -> list[Instrument]:
        from connectors.ccxt_venue import feed

        return await feed.list_markets(put_together(settings))

    return Venue(opened, markets)


def _open_simulator(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.simulator import SimulatedFeed

    try:
        return SimulatedFeed(symbols, seed=settings.seed, speed=settings.speed, start_ns=settings.start_ns)
    except ValueError as e:
        raise SourceError(str(e)) from None


async def _simulated_markets(_settings: VenueSettings) -> list[Instrument]:
    from connectors.simulator import DEFAULT_SYMBOLS, profile_of

    return [profile_of(symbol).instrument for symbol in DEFAULT_SYMBOLS]


#: In the order they are listed.
VENUES: Mapping[str, Venue] = MappingProxyType(
    {
        "binance": _native("binance", "Binance"),
        "bybit": _native("bybit", "Bybit"),
        "hyperliquid": _native("hyperliquid", "Hyperliquid"),
        "kraken": _native("kraken", "Kraken"),
        "deribit": _native("deribit", "Deribit"),
        "okx": _native("okx", "Okx"),
        "coinbase": _native("coinbase", "Coinbase"),
        "sim": Venue(_open_simulator, _simulated_markets),
    }
)
