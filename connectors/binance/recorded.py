"""Recorded sessions of Binance (`connectors.archives.recorded`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from connectors.archives.identity import Identity, from_native
from connectors.archives.recorded import AggregatedTrades
from connectors.binance.dialect import BinanceDialect
from connectors.binance.endpoints import SERVICES, Endpoints
from connectors.binance.feed import traits
from connectors.binance.instruments import VENUE, read_listing
from connectors.binance.messages import AggTrade, MarketType, decode, decode_snapshot
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, Event, Fill, Update
from engine.instrument import ContractKind, Instrument

_SOCKETS: Final = {urlsplit(service.ws).hostname: market.value for market, service in SERVICES.items()}
_PATHS: Final = {service.api: market.value for market, service in SERVICES.items()}
_KINDS: Final[dict[str, ContractKind]] = {"spot": "spot", "usdm": "linear", "coinm": "inverse"}
_DEPTH = re.compile(rb'\{"stream":"[^"@]{1,60}@depth(?:@\d+ms)?"')
_INVERSE = re.compile(rb'"s":"[A-Z0-9]+USD_(?:PERP|\d{6})"')


class _Dialect(BinanceDialect):
    """Also aggregated trades, which some recordings have instead of single ones."""

    def decode(self, frame: bytes) -> Sequence[Event]:
        """See Dialect."""
        if b"@aggTrade" not in frame[:160] and b'"aggTrade"' not in frame[:160]:
            return super().decode(frame)
        m = decode(frame)
        if not isinstance(m, AggTrade):
            return ()
        return (AggregatedTrades(m.symbol, (Fill(m.agg_id, m.ts, m.price, m.size, m.side),)),)


class RecordedBinance:
    """See connectors.archives.recorded."""

    name: Final = VENUE

    def section(self, url: str) -> str | None:
        """By the host of a socket or the path of a request."""
        parts = urlsplit(url)
        if parts.scheme in ("ws", "wss"):
            return _SOCKETS.get(parts.hostname)
        if parts.path.startswith("/api/v3/brokerage/"):
            return None  # Coinbase's paths begin like those of Binance spot
        return next((market for path, market in _PATHS.items() if parts.path.startswith(path + "/")), None)

    def sniff(self, frame: bytes) -> str | None:
        """Depth updates of the combined streams: only futures say which update they follow."""
        if not _DEPTH.match(frame):
            return None
        if b'"pu":' not in frame[:400]:
            return MarketType.SPOT.value
        return MarketType.COINM.value if _INVERSE.search(frame[:300]) else MarketType.USDM.value

    def traits(self, section: str) -> Traits:
        """As live."""
        return traits(section)

    def dialect(self, section: str) -> Dialect:
        """As live, and aggregated trades."""
        market = MarketType(section)
        return _Dialect(market, Endpoints().stream_url(market))

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Of `exchangeInfo`."""
        if b'"symbols"' not in body or b'"filters"' not in body:
            return ()
        return [listed.instrument for listed in read_listing(MarketType(section), body)]

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """Of `depth`; which market it is of stands in the request."""
        parts = urlsplit(url)
        native = parse_qs(parts.query).get("symbol", [""])[0]
        if not parts.path.endswith("/depth") or not native:
            return None
        s = decode_snapshot(body)
        return native, Update(s.ts, s.last_update, s.bids, s.asks, snapshot=True)

    def identity(self, section: str, native: str) -> Identity:
        """By the form of the name."""
        return from_native(VENUE, native, _KINDS[section])


RECORDED: Final = RecordedBinance()
