"""An exchange of ccxt, put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from connectors import ccxt_exchange
from connectors.ccxt_venue.book_rule import ChangesOf
from connectors.ccxt_venue.connection import CcxtConnection
from connectors.ccxt_venue.rest import CcxtRest
from connectors.live import feed
from connectors.live.feed import LiveFeed
from connectors.live.session import MarketSession
from connectors.live.venue import Environment, Traits
from engine.codes import Channel, Reason, Trust
from engine.feed import Engine, SourceError
from engine.instrument import Instrument

_TRAITS = Traits(
    consecutive_ids=False,
    book_trust=Trust.UNVERIFIABLE,
    book_reason=Reason.NO_SEQUENCE,
    markets_a_socket=1_000,
)
#: What ccxt calls whether a channel can be streamed, and the method.
METHODS = {
    Channel.BOOK: ("watchOrderBook", "watch_order_book"),
    Channel.TRADES: ("watchTrades", "watch_trades"),
}
_SECTION = "all"


class CcxtVenue:
    """A `connectors.live.venue.OwnSockets`. `make(options)` gives the exchange; it is called inside the event loop."""

    sections = (_SECTION,)

    def __init__(
        self,
        name: str,
        rest: str | None = None,
        ws: str | None = None,
        *,
        make: Callable[[dict[str, Any]], Any] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._name, self._roots, self._clock = name, (rest, ws), clock
        self._make = make
        self._exchange: Any = None

    @property
    def name(self) -> str:
        """See AnyVenue."""
        return self._name

    def section(self, symbol: str) -> str:
        """See AnyVenue: there is one, whose listing says what exists."""
        base, slash, quote = symbol.partition(":")[0].partition("/")
        if not (base and slash and quote):
            raise SourceError(
                f"{symbol[:60]!r} is no market of {self.name}: write ETH/USDT (spot) or ETH/USDT:USDT (perpetual)"
            )
        return _SECTION

    def traits(self, section: str) -> Traits:
        """See AnyVenue."""
        return _TRAITS

    async def load(self) -> Any:
        """The exchange's class is loaded in a thread: it may be a megabyte of code."""
        make = self._make if self._make is not None else await self._load_class()
        self._exchange = make({"enableRateLimit": True, "newUpdates": True})
        self._redirect(self._exchange)
        return self._exchange

    async def _load_class(self) -> Callable[[dict[str, Any]], Any]:
        loaded: Callable[[dict[str, Any]], Any] = await asyncio.to_thread(ccxt_exchange.streaming_class, self.name)
        return loaded

    def rest(self, section: str, http: aiohttp.ClientSession) -> CcxtRest:
        """See AnyVenue; after `load`."""
        return CcxtRest(self._exchange, clock=self._clock)

    def rule(self, instrument: Instrument) -> ChangesOf:
        """See OwnSockets."""
        return ChangesOf()

    def connection(self, sessions: Sequence[MarketSession], run: Environment) -> CcxtConnection:
        """See OwnSockets."""
        return CcxtConnection(self._exchange, sessions, run)

    def _redirect(self, exchange: Any) -> None:
        """Other addresses in place of the exchange's own: their paths stay."""
        rest, ws = self._roots
        if rest or ws:
            exchange.urls["api"] = _moved(exchange.urls["api"], rest, ws)


def _moved(urls: Any, rest: str | None, ws: str | None) -> Any:
    if isinstance(urls, Mapping):
        return {name: _moved(url, rest, ws) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    parts = urlsplit(urls)
    root = ws if parts.scheme in ("ws", "wss") else rest
    return urls if root is None else root.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")


class CcxtFeed(LiveFeed):
    """Trades and order books of `symbols` through ccxt, for ever."""

    def __init__(self, venue: CcxtVenue, symbols: Sequence[str], channels: Sequence[str], **more: Any) -> None:
        super().__init__(venue, symbols, channels, **more)
        self._exchange_of = venue
        self._asked = list(self.channels)

    async def run(self, engine: Engine) -> None:
        """See LiveFeed; what the exchange cannot stream is told and left out."""
        exchange = await self._exchange_of.load()
        self._sections = {}
        lacking = [channel for channel in self._asked if not exchange.has.get(METHODS[channel][0])]
        self.channels = [channel for channel in self._asked if channel not in lacking]
        try:
            if not self.channels:
                raise SourceError(f"ccxt can stream neither trades nor books of {self.name}")
            for channel in lacking:
                engine.notice(self.name, f"ccxt cannot stream its {'book' if channel is Channel.BOOK else 'trades'}")
            await super().run(engine)
        finally:
            if not self._sections:  # else these have closed it
                await exchange.close()


async def list_markets(venue: CcxtVenue) -> list[Instrument]:
    """The markets of the exchange that trade now. SourceError when it does not answer."""
    await venue.load()
    return [x.instrument for x in await feed.list_markets(venue) if x.trading]
