"""Recorded sessions of Bybit (`connectors.archives.recorded`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

from connectors.archives.identity import Identity, from_native
from connectors.bybit.dialect import BybitDialect
from connectors.bybit.instruments import CATEGORIES, DEPTH, VENUE, read_listing
from connectors.bybit.traits import traits_of
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, Update
from engine.instrument import ContractKind, Instrument

_SOCKET = re.compile(r"/v5/public/(spot|linear|inverse)/?")
_DATED = re.compile(r"([A-Z0-9]+?)(USDT)?-(\d{1,2})([A-Z]{3})(\d\d)")
_QUARTERLY = re.compile(r"([A-Z0-9]+?)USD([FGHJKMNQUVXZ])(\d\d)")
_TRADES = re.compile(rb'\{"topic":"publicTrade\.([\w-]{1,40})"')
_INVERSE = re.compile(rb"[A-Z0-9]+USD(?:[FGHJKMNQUVXZ]\d\d)?")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class RecordedBybit:
    """See connectors.archives.recorded."""

    name: Final = VENUE

    def section(self, url: str) -> str | None:
        """The category in the path of a socket or in the query of a request."""
        parts = urlsplit(url)
        socket = _SOCKET.fullmatch(parts.path)
        if socket is not None:
            return socket[1]
        if not parts.path.startswith("/v5/market/"):
            return None
        category = parse_qs(parts.query).get("category", [""])[0]
        return category if category in CATEGORIES else None

    def sniff(self, frame: bytes) -> str | None:
        """A name can be of a spot and of a linear market. Only trades tell: those of derivatives have the direction
        of the tick."""
        trades = _TRADES.match(frame)
        if trades is None:
            return None
        if b'"L":"' not in frame[:400]:
            return "spot"
        return "inverse" if _INVERSE.fullmatch(trades[1]) else "linear"

    def traits(self, section: str) -> Traits:
        """As live."""
        return traits_of(section)

    def dialect(self, section: str) -> Dialect:
        """As live."""
        return BybitDialect("wss://stream.bybit.com", section)

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Of `instruments-info`."""
        if b'"lotSizeFilter"' not in body:
            return ()
        return [listed.instrument for listed in read_listing(body)[0]]

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """The stream brings its own snapshots."""
        return None

    def identity(self, section: str, native: str) -> Identity:
        """By the form of the name: BTCUSDT, BTCPERP (USDC), BTCUSDT-25DEC26, BTC-25DEC26 (USDC), BTCUSDZ26."""
        return replace(self._named(section, native), book_depth=DEPTH)

    def _named(self, section: str, native: str) -> Identity:
        kind: ContractKind = "spot" if section == "spot" else "inverse" if section == "inverse" else "linear"
        if kind == "linear" and native.endswith("PERP"):
            base = native.removesuffix("PERP")
            return Identity(VENUE, f"{base}/USDC:USDC", kind, native=native, base=base, quote="USDC")
        dated = _DATED.fullmatch(native) if kind != "spot" else None
        if dated is not None and dated[4] in _MONTHS:
            base, quote = dated[1], dated[2] or "USDC"
            date = f"{dated[5]}{_MONTHS.index(dated[4]) + 1:02}{int(dated[3]):02}"
            return Identity(VENUE, f"{base}/{quote}:{quote}-{date}", kind, native=native, base=base, quote=quote)
        quarterly = _QUARTERLY.fullmatch(native) if kind == "inverse" else None
        if quarterly is not None:
            base = quarterly[1]
            symbol = f"{base}/USD:{base}-{quarterly[2]}{quarterly[3]}"
            doubt = f"the day on which {native} expires is not known"
            return Identity(VENUE, symbol, kind, native=native, base=base, quote="USD", doubt=doubt)
        return from_native(VENUE, native, kind)


RECORDED: Final = RecordedBybit()
