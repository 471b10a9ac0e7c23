"""What makes a venue: its sections, what each of them is like, its REST, and how its sockets speak."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import aiohttp

from connectors.live.listing import Listing
from connectors.live.timing import Timing
from connectors.live.wire import Bar, BookRule, Dialect, Figures, TradePage, Update
from connectors.nearest import did_you_mean
from engine.codes import Reason, Trust
from engine.feed import SourceError
from engine.instrument import Instrument

if TYPE_CHECKING:
    from connectors.live.session import MarketSession


@dataclass(frozen=True)
class Traits:
    """What the shared machinery must know of a section of a venue.

    `book_trust` and `book_reason` are what a book in place deserves: LIVE where the venue's own check proves it,
    UNVERIFIABLE with NO_SEQUENCE where there is none.
    """

    consecutive_ids: bool = True  # the ids of a market's trades have no hole; else they are only unique
    rest_snapshots: bool = False  # the rule is a SnapshotRule; else the stream brings the snapshot
    book_trust: Trust = Trust.LIVE
    book_reason: Reason = Reason.NONE
    markets_a_socket: int = 100  # one lost socket is then a small loss
    deep_snapshots: int = 10  # with more markets REST snapshots are asked for in the smaller size
    between_requests: float = 0.25  # seconds between frames sent on a socket
    lifetime: float = 23.5 * 3600  # seconds after which a connection is renewed, before the venue ends it
    figures: bool = False  # its REST is a ContractRest
    liquidations: bool = False  # the venue is a LiquidationVenue in this section
    flagged_liquidations: bool = False  # trades say themselves that they were (Flag.LIQUIDATED)


class Rest(Protocol):
    """The REST interface of one section. Every method makes one attempt and raises what `connectors.live.http` says;
    an answer that cannot be read is an UnreachableError."""

    async def listing(self, symbols: Sequence[str] = ()) -> Listing:
        """Its markets; with `symbols` (unified) at least those of them that exist."""

    async def clock_ahead(self) -> int:
        """How far the venue's clock is ahead of ours, ns, good to half the round trip; 0 where it cannot be asked."""

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """The book (`ts` 0 where it tells no time). Only asked where `Traits.rest_snapshots`."""

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """Trades after the one of id `last`, which happened at `since` (ns, 0: not known), oldest first.

        The page may begin earlier, and should contain `last` itself where that is possible: it proves that nothing
        is missing in between. It may begin later, where the venue gives only its newest trades. It need not reach
        to the present: it is asked for again from its end on.
        """

    async def day_volume(self, instrument: Instrument) -> str:
        """Volume of the last 24 hours in the unit sizes are quoted in, as the venue writes it."""

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> Sequence[Bar]:
        """Bars of `step` ns (a minute, 5 minutes, a day) that begin from `start` on and before `end` (ns), oldest
        first, as many as a page holds; the first of them must be among these."""


class ContractRest(Protocol):
    """What the REST interface of a section with contracts may have besides."""

    async def figures(self, instrument: Instrument) -> Figures:
        """Mark and index price, funding, open interest now; raises as the others do."""


class LiquidationVenue(Protocol):
    """What a venue may have besides, which tells liquidations."""

    def liquidation_dialect(self, section: str) -> Dialect:
        """A fresh one for the connection that carries them: it is asked for Channel.LIQUIDATIONS of markets, and gives
        wire.Liquidation. They have a socket of their own, so that their trouble is not that of book and trades."""


class AnyVenue(Protocol):
    """What every venue has, however it is connected to."""

    @property
    def name(self) -> str:
        """As users write it before the colon."""

    def section(self, symbol: str) -> str:
        """Which part of the venue, with REST, sockets and names of its own, a unified symbol belongs to (`spot`,
        `linear`). SourceError for what cannot be a market of it, saying how to write one."""

    @property
    def sections(self) -> Sequence[str]:
        """All of them."""

    def traits(self, section: str) -> Traits:
        """What a section is like."""

    def rest(self, section: str, http: aiohttp.ClientSession) -> Rest:
        """Its REST; made once a run, so it may keep a request budget. What has a `close` (`Closing`) is closed."""


@runtime_checkable
class Closing(Protocol):
    """What must be closed when it is not needed any more."""

    async def close(self) -> None:
        """Close it."""


class Running(Protocol):
    """A connection."""

    async def run(self) -> None:
        """Serve its sessions; never returns. Cancel it."""


class LiveVenue(AnyVenue, Protocol):
    """A venue whose sockets are ours: it says how they speak."""

    def dialect(self, section: str) -> Dialect:
        """A fresh one for a connection."""


@runtime_checkable
class OwnSockets(AnyVenue, Protocol):
    """A venue whose sockets are another library's."""

    def rule(self, instrument: Instrument) -> BookRule:
        """A fresh rule for a market's book."""

    def connection(self, sessions: Sequence[MarketSession], run: Environment) -> Running:
        """What keeps these sessions told. It uses the exchange of the `rest` made last."""


@dataclass(frozen=True)
class Environment:
    """What a connection is given of the feed it belongs to."""

    notice: Callable[[str], None]
    venue_time: Callable[[int], int]  # the venue's time when ours is that, both ns
    timing: Timing
    rng: random.Random
    clock: Callable[[], int]


@dataclass(frozen=True)
class Endpoints:
    """Addresses of a venue in use: its own, or others in their place (mirrors, proxies, a local server).

    `own` names the venue's roots as `<section>_rest` and `<section>_ws`. `rest` and `ws` replace all of a kind,
    `named` single ones and goes before them. SourceError for a name that is not in `own`.
    """

    venue: str
    own: Mapping[str, str]
    all_rest: str | None = None
    all_ws: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.named:
            if name not in self.own:
                hint = did_you_mean(name, self.own)
                raise SourceError(f"{self.venue} has no endpoint {name[:40]!r}{hint}; there are {', '.join(self.own)}")

    def rest(self, section: str) -> str:
        """Root of a section's REST, without a slash at its end."""
        return self._root(f"{section}_rest", self.all_rest)

    def ws(self, section: str) -> str:
        """Root of a section's sockets, without a slash at its end."""
        return self._root(f"{section}_ws", self.all_ws)

    def _root(self, name: str, instead: str | None) -> str:
        return (self.named.get(name) or instead or self.own[name]).rstrip("/")
