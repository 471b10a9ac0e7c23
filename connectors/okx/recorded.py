"""Recorded sessions of OKX (`connectors.archives.recorded`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from connectors.archives.identity import Identity, from_native
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, Update
from connectors.okx.dialect import OkxDialect
from connectors.okx.feed import TRAITS
from connectors.okx.instruments import DEPTH, INSTRUMENT_TYPES, VENUE, read_listing
from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument

#: One socket carries spot, swaps and futures, and their names differ.
_SECTION = "public"
_SOCKETS = ("/ws/v5/public", "/ws/v5/business")
_FRAME = re.compile(rb'\{"arg":\{"channel":"[a-z0-9-]{1,40}","instId":"[A-Z0-9]{1,30}-[A-Z0-9-]{1,40}"\}')
_CONTRACT = re.compile(r"([A-Z0-9]{1,30})-([A-Z0-9]{1,30})-(SWAP|\d{6})")


class RecordedOkx:
    """See connectors.archives.recorded."""

    name: Final = VENUE

    def section(self, url: str) -> str | None:
        """All are one."""
        path = urlsplit(url).path
        return _SECTION if path.rstrip("/") in _SOCKETS or path.startswith("/api/v5/") else None

    def sniff(self, frame: bytes) -> str | None:
        """By how a message of a channel begins, with a name like BTC-USDT."""
        return _SECTION if _FRAME.match(frame) else None

    def traits(self, section: str) -> Traits:
        """As live."""
        return TRAITS

    def dialect(self, section: str) -> Dialect:
        """As live."""
        return OkxDialect("")

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Of `public/instruments`, of whatever type."""
        if b'"tickSz"' not in body:
            return ()
        return list(_listed(body))

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """The stream brings its own snapshots."""
        return None

    def identity(self, section: str, native: str) -> Identity:
        """By the form of the name: BTC-USDT, BTC-USDT-SWAP, BTC-USD-260327. Contracts in dollars are inverse."""
        return replace(self._named(native), book_depth=DEPTH)

    def _named(self, native: str) -> Identity:
        contract = _CONTRACT.fullmatch(native)
        if contract is None:
            base, dash, quote = native.partition("-")
            if not (base and dash and quote) or "-" in quote:
                return from_native(VENUE, native, "spot")
            return Identity(VENUE, f"{base}/{quote}", native=native, base=base, quote=quote)
        base, quote, day = contract.groups()
        kind: ContractKind = "inverse" if quote == "USD" else "linear"
        symbol = f"{base}/{quote}:{base if kind == 'inverse' else quote}" + ("" if day == "SWAP" else f"-{day}")
        doubt = f"what a contract of {native} is worth is not in the recording; it is taken as 1"
        return Identity(VENUE, symbol, kind, native=native, base=base, quote=quote, doubt=doubt)


def _listed(body: bytes) -> Iterator[Instrument]:
    for section, kind in INSTRUMENT_TYPES.items():
        if b'"%s"' % kind.encode() in body:
            try:
                yield from (x.instrument for x in read_listing(section, body))
            except SourceError:
                continue  # one type's name in the listing of another


RECORDED: Final = RecordedOkx()
