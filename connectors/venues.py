"""The venues that can be asked for live markets, by name; a venue's code is loaded when it is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from connectors.nearest import did_you_mean
from engine.feed import Feed, SourceError
from engine.instrument import Instrument


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


def known_venue(name: str) -> Venue:
    """How a venue is opened; nothing of it is loaded yet. SourceError, with the nearest name, for an unknown one."""
    try:
        return VENUES[name]
    except KeyError:
        raise SourceError(
            f"there is no venue {name[:40]!r}{did_you_mean(name, VENUES)} (there are {', '.join(VENUES)})"
        ) from None


def _open_binance(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.binance import BinanceFeed, Endpoints

    endpoints = Endpoints(settings.rest, settings.ws, settings.endpoints)
    return BinanceFeed(symbols, endpoints, settings.channels)


async def _binance_markets(settings: VenueSettings) -> list[Instrument]:
    from connectors.binance import Binance, Endpoints
    from connectors.live.feed import list_markets

    listed = await list_markets(Binance(Endpoints(settings.rest, settings.ws, settings.endpoints)))
    return [x.instrument for x in listed if x.trading]


def _open_bybit(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.bybit.feed import Bybit, endpoints
    from connectors.live.feed import LiveFeed

    return LiveFeed(Bybit(endpoints(settings.rest, settings.ws, settings.endpoints)), symbols, settings.channels)


async def _bybit_markets(settings: VenueSettings) -> list[Instrument]:
    from connectors.bybit.feed import Bybit, endpoints
    from connectors.live.feed import list_markets

    listed = await list_markets(Bybit(endpoints(settings.rest, settings.ws, settings.endpoints)))
    return [x.instrument for x in listed if x.trading]


def _open_hyperliquid(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.hyperliquid.feed import Hyperliquid, endpoints
    from connectors.live.feed import LiveFeed

    return LiveFeed(Hyperliquid(endpoints(settings.rest, settings.ws, settings.endpoints)), symbols, settings.channels)


async def _hyperliquid_markets(settings: VenueSettings) -> list[Instrument]:
    from connectors.hyperliquid.feed import Hyperliquid, endpoints
    from connectors.live.feed import list_markets

    listed = await list_markets(Hyperliquid(endpoints(settings.rest, settings.ws, settings.endpoints)))
    return [x.instrument for x in listed if x.trading]


def _open_kraken(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.kraken.feed import Kraken, endpoints
    from connectors.live.feed import LiveFeed

    return LiveFeed(Kraken(endpoints(settings.rest, settings.ws, settings.endpoints)), symbols, settings.channels)


async def _kraken_markets(settings: VenueSettings) -> list[Instrument]:
    from connectors.kraken.feed import Kraken, endpoints
    from connectors.live.feed import list_markets

    listed = await list_markets(Kraken(endpoints(settings.rest, settings.ws, settings.endpoints)))
    return [x.instrument for x in listed if x.trading]


def _open_deribit(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.deribit.feed import Deribit, endpoints
    from connectors.live.feed import LiveFeed

    return LiveFeed(Deribit(endpoints(settings.rest, settings.ws, settings.endpoints)), symbols, settings.channels)


async def _deribit_markets(settings: VenueSettings) -> list[Instrument]:
    from connectors.deribit.feed import Deribit, endpoints
    from connectors.live.feed import list_markets

    listed = await list_markets(Deribit(endpoints(settings.rest, settings.ws, settings.endpoints)))
    return [x.instrument for x in listed if x.trading]


def _open_okx(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.live.feed import LiveFeed
    from connectors.okx.feed import Okx, endpoints

    return LiveFeed(Okx(endpoints(settings.rest, settings.ws, settings.endpoints)), symbols, settings.channels)


async def _okx_markets(settings: VenueSettings) -> list[Instrument]:
    from connectors.live.feed import list_markets
    from connectors.okx.feed import Okx, endpoints

    listed = await list_markets(Okx(endpoints(settings.rest, settings.ws, settings.endpoints)))
    return [x.instrument for x in listed if x.trading]


def _open_coinbase(symbols: Sequence[str], settings: VenueSettings) -> Feed:
    from connectors.coinbase.feed import Coinbase, endpoints
    from connectors.live.feed import LiveFeed

    return LiveFeed(Coinbase(endpoints(settings.rest, settings.ws, settings.endpoints)), symbols, settings.channels)


async def _coinbase_markets(settings: VenueSettings) -> list[Instrument]:
    from connectors.coinbase.feed import Coinbase, endpoints
    from connectors.live.feed import list_markets

    listed = await list_markets(Coinbase(endpoints(settings.rest, settings.ws, settings.endpoints)))
    return [x.instrument for x in listed if x.trading]


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
        "binance": Venue(_open_binance, _binance_markets),
        "bybit": Venue(_open_bybit, _bybit_markets),
        "hyperliquid": Venue(_open_hyperliquid, _hyperliquid_markets),
        "kraken": Venue(_open_kraken, _kraken_markets),
        "deribit": Venue(_open_deribit, _deribit_markets),
        "okx": Venue(_open_okx, _okx_markets),
        "coinbase": Venue(_open_coinbase, _coinbase_markets),
        "sim": Venue(_open_simulator, _simulated_markets),
    }
)
