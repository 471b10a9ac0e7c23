"""Recorded sessions of Coinbase's Advanced Trade (`connectors.archives.recorded`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from connectors.archives.identity import Identity, from_native
from connectors.coinbase.dialect import CoinbaseDialect
from connectors.coinbase.feed import TRAITS
from connectors.coinbase.instruments import VENUE, WHOLE_BOOK, read_listing
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, Update
from engine.feed import SourceError
from engine.instrument import Instrument

_SECTION = "spot"
_HOST = "advanced-trade-ws"  # the address of the socket has no path
_REST = "/api/v3/brokerage/"
_FRAME = re.compile(
    rb'\{"channel":"[a-z0-9_]{1,40}",("client_id":"[^"]{0,60}",)?"timestamp":"[^"]{1,40}","sequence_num":'
)


class RecordedCoinbase:
    """See connectors.archives.recorded."""

    name: Final = VENUE

    def section(self, url: str) -> str | None:
        """By the host of a socket, the path of a request."""
        parts = urlsplit(url)
        return _SECTION if parts.netloc.startswith(_HOST) or parts.path.startswith(_REST) else None

    def sniff(self, frame: bytes) -> str | None:
        """By the envelope that all frames have."""
        return _SECTION if _FRAME.match(frame) else None

    def traits(self, section: str) -> Traits:
        """As live."""
        return TRAITS

    def dialect(self, section: str) -> Dialect:
        """As live."""
        return CoinbaseDialect("")

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Of `market/products`."""
        if b'"price_increment"' not in body:
            return ()
        try:
            return [listed.instrument for listed in read_listing(body)]
        except SourceError:
            return ()

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """The stream brings its own snapshots."""
        return None

    def identity(self, section: str, native: str) -> Identity:
        """BTC-USD."""
        base, dash, quote = native.partition("-")
        if not (base and dash and quote) or "-" in quote:
            return from_native(VENUE, native, "spot")
        return Identity(VENUE, f"{base}/{quote}", native=native, base=base, quote=quote, book_depth=WHOLE_BOOK)


RECORDED: Final = RecordedCoinbase()
