"""Recorded sessions of Kraken (`connectors.archives.recorded`): of the protocol that is read live, v2."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connectors.archives.identity import Identity
from connectors.kraken.dialect import KrakenDialect
from connectors.kraken.feed import Kraken
from connectors.kraken.instruments import VENUE, read_listing, unified
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, Update
from engine.feed import SourceError
from engine.instrument import Instrument

_SPOT = Kraken.sections[0]
_FRAME = re.compile(rb'\{"channel":"(?:book|trade)","type":"(?:snapshot|update)","data":\[\{"symbol":"[A-Z0-9.]+/')


class _Answer(msgspec.Struct, gc=False):
    result: dict[str, msgspec.Raw]


_decode_answer = msgspec.json.Decoder(_Answer).decode


class RecordedKraken:
    """See connectors.archives.recorded."""

    name: Final = VENUE

    def section(self, url: str) -> str | None:
        """Sockets at /v2 of an address of Kraken's, and its REST. SourceError for sockets of the protocol before it:
        its messages hold no names of their fields, and nobody sends them any more."""
        parts = urlsplit(url)
        if "kraken" not in parts.netloc:
            return None
        if parts.scheme in ("ws", "wss"):
            if parts.path.rstrip("/") == "/v2":
                return _SPOT
            if parts.netloc.startswith("ws") and not parts.path.strip("/"):
                raise SourceError(
                    f"the session was recorded from {url[:60]}, which speaks the first protocol of {VENUE} (v1); "
                    f"only the second is read: record wss://ws.kraken.com/v2"
                )
            return None
        return _SPOT if parts.path.startswith("/0/public/") else None

    def sniff(self, frame: bytes) -> str | None:
        """Messages of books and trades have a form of their own."""
        return _SPOT if _FRAME.match(frame) else None

    def traits(self, section: str) -> Traits:
        """As live."""
        return Kraken().traits(section)

    def dialect(self, section: str) -> Dialect:
        """As live; the acknowledgements tell the depth that was subscribed to."""
        return KrakenDialect("")

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Of `AssetPairs`."""
        if b'"pair_decimals"' not in body:
            return ()
        try:
            return [listed.instrument for listed in read_listing(_decode_answer(body).result)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            raise SourceError(f"{VENUE}'s list of markets cannot be read: {str(e)[:200]}") from None

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """The stream brings its own snapshots, with their checksums."""
        return None

    def identity(self, section: str, native: str) -> Identity:
        """The stream's names are pairs."""
        base, slash, quote = native.partition("/")
        if not (base and slash and quote):
            doubt = "its base and quote currency are not known"
            return Identity(VENUE, native, native=native, base=native, doubt=doubt)
        names = unified(base), unified(quote)
        return Identity(VENUE, "/".join(names), native=native, base=names[0], quote=names[1])


RECORDED: Final = RecordedKraken()
