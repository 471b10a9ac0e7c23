"""Recorded sessions of Deribit (`connectors.archives.recorded`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connectors.archives.identity import Identity
from connectors.deribit.dialect import DeribitDialect
from connectors.deribit.feed import Deribit
from connectors.deribit.instruments import VENUE, read_listing
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, Update
from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument

_ALL = Deribit.sections[0]
_FRAME = re.compile(rb'\{"jsonrpc":"2\.0","method":"subscription","params":\{"channel":"(?:book|trades|ticker)\.')
#: BTC-PERPETUAL, XRP_USDC-PERPETUAL, BTC-25MAR22, BTC-24SEP21-8000-P, XRP_USDC-25DEC26-0d55-C, BTC_USDC
_NAME = re.compile(
    r"([A-Z0-9]+)(?:_([A-Z]+))?(?:-(?:(PERPETUAL)|(\d{1,2})([A-Z]{3})(\d\d)(?:-(\d+(?:d\d+)?)-([CP]))?))?"
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class _Answer(msgspec.Struct, gc=False):
    result: list[msgspec.Raw]


_decode_answer = msgspec.json.Decoder(_Answer).decode


class RecordedDeribit:
    """See connectors.archives.recorded."""

    name: Final = VENUE

    def section(self, url: str) -> str | None:
        """By the path: sockets at /ws/api/v2, methods of REST below /api/v2/public."""
        path = urlsplit(url).path
        return _ALL if path.rstrip("/") == "/ws/api/v2" or path.startswith("/api/v2/public/") else None

    def sniff(self, frame: bytes) -> str | None:
        """A notification has a form of its own."""
        return _ALL if _FRAME.match(frame) else None

    def traits(self, section: str) -> Traits:
        """As live."""
        return Deribit().traits(section)

    def dialect(self, section: str) -> Dialect:
        """As live."""
        return DeribitDialect("")

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Of `get_instruments`."""
        if b'"min_trade_amount"' not in body:
            return ()
        try:
            return [listed.instrument for listed in read_listing(_decode_answer(body).result)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            raise SourceError(f"{VENUE}'s list of markets cannot be read: {str(e)[:200]}") from None

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """The stream brings its own snapshots."""
        return None

    def identity(self, section: str, native: str) -> Identity:
        """By the form of the name."""
        name = _NAME.fullmatch(native)
        if name is None or (name[5] is not None and name[5] not in _MONTHS):
            doubt = f"what kind of contract {native[:60]} is, is not known"
            return Identity(VENUE, native, "linear", native=native, base=native, quote="", doubt=doubt)
        base, quote, perpetual, day, month, year, strike, right = name.groups()
        if quote is not None and perpetual is None and day is None:
            return Identity(VENUE, f"{base}/{quote}", "spot", native=native, base=base, quote=quote)
        settle = quote or base
        symbol = f"{base}/{quote or 'USD'}:{settle}"
        if day is not None:
            symbol += f"-{year}{_MONTHS.index(month) + 1:02}{int(day):02}"
        if strike is not None:
            symbol += f"-{strike.replace('d', '.')}-{right}"
        # Options on coins are priced in the coin.
        paid = quote or (base if strike is not None else "USD")
        kind: ContractKind = "inverse" if quote is None and strike is None else "linear"
        return Identity(VENUE, symbol, kind, native=native, base=base, quote=paid)


RECORDED: Final = RecordedDeribit()
