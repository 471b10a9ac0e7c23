"""What a venue must tell so that its recorded sessions can be played: which connections are its, and their markets.

A session is read by what reads the venue live: its dialect decodes, its book rule decides, its traits say how far
to trust. Only what a live connector knows from asking stands here. To register a venue, give it a module
`connectors/VENUE/recorded.py` with an object `RECORDED` of the form of `RecordedVenue`, and name the module in
`MODULES` below. Its parts:

- `section(url)`: which part of the venue an address belongs to, from the path where there is one (a recording may
  come from a mirror or a local server), for the address of a socket as well as for that of a REST request; None: not
  this venue's. The same native name in two sections is two markets.
- `sniff(frame)`: the section told by a frame alone, for captures that hold no addresses; None: not this venue's, or
  it can't be told. It is asked about connections whose address says nothing; their first frames wait for the answer.
- `traits(section)` and `dialect(section)`: as live (`connectors.live.venue`, `connectors.live.wire`). A recorded
  session may hold channels that a live connector does not ask for: its decoder must pass them over.
- `listing(section, body)`: instruments from the body of a REST answer; empty when it is no listing.
- `snapshot(section, url, body)`: the market's native name and its book from the body of a REST answer, for venues
  whose rule is a `SnapshotRule`; else None.
- `identity(section, native)`: the market where no listing is in the recording, `doubt` naming what is a guess.

Trades that only sum up others in the same stream come as `AggregatedTrades`; they count where single ones are missing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Final, Protocol

from connectors.archives.identity import Identity
from connectors.live.venue import Traits
from connectors.live.wire import Dialect, TradeMessage, Update
from engine.instrument import Instrument

#: Where the venues' `RECORDED` are. They are loaded when a session is opened.
MODULES: Final = (
    "connectors.binance.recorded",
    "connectors.bybit.recorded",
    "connectors.coinbase.recorded",
    "connectors.deribit.recorded",
    "connectors.hyperliquid.recorded",
    "connectors.kraken.recorded",
    "connectors.okx.recorded",
)


class AggregatedTrades(TradeMessage, gc=False, frozen=True):
    """Trades that sum up those of a `TradeMessage`; left out where a market has both."""


class RecordedVenue(Protocol):
    """See the module."""

    @property
    def name(self) -> str:
        """As users write it before the colon."""

    def section(self, url: str) -> str | None:
        """The section an address belongs to."""

    def sniff(self, frame: bytes) -> str | None:
        """The section a frame belongs to."""

    def traits(self, section: str) -> Traits:
        """What a section is like."""

    def dialect(self, section: str) -> Dialect:
        """A fresh one for a connection."""

    def listing(self, section: str, body: bytes) -> Iterable[Instrument]:
        """Instruments of a REST answer."""

    def snapshot(self, section: str, url: str, body: bytes) -> tuple[str, Update] | None:
        """A book of a REST answer."""

    def identity(self, section: str, native: str) -> Identity:
        """A market by its native name."""


def recorded_venues() -> tuple[RecordedVenue, ...]:
    """All of them."""
    return tuple(importlib.import_module(name).RECORDED for name in MODULES)
