"""What a source and the engine promise each other.

Two carriers, one meaning. A live connector pushes decoded **messages** (`book`, `snapshot`,
`trade`, …), so that a message reaches the book at once; archives and the simulator push **rows**
(`apply`). Both give the same state bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.codes import Channel, Kind, Reason, Trust
from engine.instrument import Instrument

if TYPE_CHECKING:
    from engine.tape import Rows

#: Changed levels of one side: (price exactly as the venue wrote it, absolute size as a number).
Levels = Sequence[tuple[str, float]]


class Sink(Protocol):
    """One market as a source sees it. Every call is one message; nothing may be half applied.

    Times are ns since the Unix epoch. `book`, `snapshot` and `trade` raise OffGridError for a
    price or size off the instrument's grid (the book is invalid from then on until a snapshot).
    """

    def apply(self, rows: Rows) -> None:
        """Rows in arrival order, cut at message boundaries."""

    def snapshot(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """The book is replaced."""

    def book(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """Absolute sizes of changed levels; 0 deletes. Ignored while the book is not valid."""

    def trade(self, recv: int, ts: int, trade_id: int, px: str, size: str, side: int, flags: int = 0) -> None:
        """One trade; side is the taker's: +1 buy, -1 sell, 0 unknown."""

    def hole(self, recv: int, ts: int, first_id: int, count: int) -> None:
        """`count` trades from `first_id` on never arrived (-1: unknown)."""

    def status(
        self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
    ) -> None:
        """The trust of a channel changes. Anything but LIVE or UNVERIFIABLE on BOOK empties the book."""

    def clock(self, recv: int, ts: int) -> None:
        """Nothing happened until `ts`."""

    def day_volume(self, recv: int, ts: int, size: str) -> None:
        """The venue's own volume of the last 24 hours, in its size unit."""

    def liquidation(self, recv: int, ts: int, px: str, size: str, side: int) -> None:
        """Somebody's position was closed by the venue; side is that of the closing order. Trades tell it again."""

    def reading(self, recv: int, ts: int, kind: Kind, value: str, due: int = 0) -> None:
        """Mark or index price, funding rate (`due`: settled then, ns) or open interest (in the venue's size unit).
        Raises ValueError for what is no such number."""

    @property
    def crossed(self) -> bool:
        """Whether the book is crossed or locked after the last message."""

    @property
    def t(self) -> int:
        """The market's clock, ns; 0 before the first row."""

    @property
    def last_trade_id(self) -> int | None:
        """Id of the newest trade, also of an earlier run that is being resumed: a source whose ids have no gaps
        fetches what follows it, or tells the hole."""


class Engine(Protocol):
    """What a feed may ask of the engine while it runs."""

    def open(self, instrument: Instrument) -> Sink:
        """The sink of a market; the same market gives the same sink, a changed tick or lot a new segment."""

    def notice(self, source: str, text: str) -> None:
        """Something the user should read: what, where, what to do. Shown on screen, on stderr headless."""

    def restart(self, market: str) -> None:
        """The market's tape begins anew: forget it. Its sink is no longer valid, `open` gives a fresh one."""

    async def drained(self) -> None:
        """Returns once everything pushed so far is folded; call it often (after each chunk or socket read burst)."""


class Feed(Protocol):
    """A source of one or several markets."""

    @property
    def name(self) -> str:
        """Short name for messages: `binance`, `sim`, a file name."""

    @property
    def live(self) -> bool:
        """Whether it may be started again after a crash; a recording would repeat what was already told."""

    @property
    def markets(self) -> Sequence[str]:
        """The markets it was asked for, as `venue:SYMBOL`; archives may add to it while they read."""

    async def run(self, engine: Engine) -> None:
        """Push until the source ends (archives) or the task is cancelled (live). Must tell an expected
        trouble by `status` and go on; an exception that leaves it makes the engine report and restart it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a recorded tape, cut at a message boundary."""

    instrument: Instrument
    rows: Rows


class Archive(Protocol):
    """A recorded source that can be read from its start again and again."""

    @property
    def name(self) -> str:
        """File name or names, for messages."""

    def chunks(self, notice: Callable[[str, str], None]) -> Iterator[Chunk]:
        """The whole tape in order, at most about 10,000 rows a piece; `notice(source, text)` reports what was
        skipped or is missing. Raises SourceError for what cannot be read at all."""


class SourceError(Exception):
    """A source cannot be used: the message names what, where and what to do about it."""
