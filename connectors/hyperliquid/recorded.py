"""Recordings of Hyperliquid (`connectors.archives.recorded`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from connectors.archives.identity import Identity
from connectors.hyperliquid.dialect import HyperliquidDialect
from connectors.hyperliquid.instruments import VENUE, perpetual, read_perpetuals, read_spot
from connectors.hyperliquid.traits import traits_of
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, Update
from engine.instrument import Instrument

_HOST = re.compile(r"(?:^|\.)hyperliquid(?:-testnet)?\.xyz$")
_FRAME = re.compile(rb'\s*\{\s*"channel"\s*:\s*"(?:l2Book|trades|subscriptionResponse)"\s*,\s*"data"\s*:')


class RecordedHyperliquid:
    """See connectors.archives.recorded. Perpetuals and spot share sockets and have names of their own, so a recording
    has one section."""

    name: Final = VENUE

    def section(self, url: str) -> str | None:
        """By the host: the paths (`/ws`, `/info`) are anybody's."""
        return "" if _HOST.search(urlsplit(url).hostname or "") else None

    def sniff(self, frame: bytes) -> str | None:
        """No other venue read here has these channels."""
        return "" if _FRAME.match(frame[:120]) else None

    def traits(self, section: str) -> Traits:
        """As live."""
        return traits_of(section)

    def dialect(self, section: str) -> Dialect:
        """As live."""
        return HyperliquidDialect("wss://api.hyperliquid.xyz")

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Of `meta` and `spotMeta`."""
        if b'"universe"' not in body or not body.lstrip().startswith(b"{"):
            return ()
        listing = read_spot(body) if b'"tokens"' in body else read_perpetuals(body)
        return [listed.instrument for listed in listing]

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """Every book of the stream is whole."""
        return None

    def identity(self, section: str, native: str) -> Identity:
        """A coin is a perpetual against USDC; `A/B` is spot; `@107` is spot of currencies that only the listing
        names."""
        if "/" in native:
            base, _, quote = native.partition("/")
            return Identity(VENUE, native.upper(), "spot", native=native, base=base, quote=quote, fixed_tick=False)
        if native.startswith("@"):
            doubt = "its base and quote currency are not known"
            return Identity(VENUE, native, "spot", native=native, doubt=doubt, fixed_tick=False)
        i = perpetual(native, 0)
        whole = Identity(VENUE, i.symbol, i.kind, native=native, base=i.base, quote=i.quote)
        return replace(whole, fixed_tick=False)


RECORDED: Final = RecordedHyperliquid()
