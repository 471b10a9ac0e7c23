"""What a venue's connector must know and the shared machinery must not: its frames, its book rule, its REST.

A venue is a package of modules with the same outline:

- `messages`: typed frames and `decode`;
- `book_rule`: which updates make a book (a `BookRule`), without I/O;
- `instruments`: the venue's listing as `Instrument`s;
- `rest`: one attempt a method, failures by the exceptions of `connectors.live.http`;
- `dialect`: how it is subscribed to (a `Dialect`), joining the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct

from engine.codes import Channel, Reason
from engine.feed import Levels
from engine.instrument import Instrument


class FrameError(ValueError):
    """A frame that is not what the venue sends: not JSON, cut off, or a field of the wrong type or range.

    `native` and `channel` say whose it was where that can still be told: only that market's book is then in doubt.
    """

    def __init__(self, text: str, native: str = "", channel: Channel | None = None) -> None:
        super().__init__(text)
        self.native, self.channel = native, channel


class Fill(Struct, gc=False, frozen=True):
    """One trade of the tape, checked and normalised: text as the venue wrote it, side of the taker."""

    trade_id: int  # >= 0, unique in its market; venues with text ids map them to 63 bits
    ts: int  # ns
    price: str
    size: str
    side: int  # +1 buy, -1 sell, 0 unknown
    flags: int = 0  # engine.codes.Flag: NOT_FLOW, REPLAYED
    count: int = 1  # fills told as one (one taker order at one price): the ids up to `trade_id`, all consecutive


class Update(Struct, gc=False, frozen=True):
    """One book message that has passed its venue's rule; a snapshot replaces the book."""

    ts: int
    seq: int
    bids: Levels
    asks: Levels
    snapshot: bool = False


class Bar(Struct, gc=False, frozen=True):
    """One bar of the past as the venue writes it: volumes in the unit sizes are quoted in."""

    opened: int  # ns
    open: str
    high: str
    low: str
    close: str
    volume: str
    bought: str | None = None  # by takers, where the venue tells it
    quote: str = "0"  # volume in the other unit, 0 where it is not told
    trades: int = 0


class Step(Enum):
    """What a rule says to a book message that is not simply applied."""

    BUFFERED = "buffered"  # kept until a snapshot comes by REST
    OLD = "old"  # everything in it is in the book already, or it only says that nothing happened
    WAIT = "wait"  # no snapshot yet; a delta means nothing


class Broken(Struct, gc=False, frozen=True):
    """The book is not to be relied on from this message on; nothing of the message may reach it. The rule has lost
    it, too: it is not `synced` any more (and may have kept this message for the next snapshot)."""

    reason: Reason


class TradePage(Struct, gc=False, frozen=True):
    """Trades that REST gave, oldest first.

    `flow_only`: it leaves out what was not order flow, so ids missing inside it are no hole.
    """

    fills: Sequence[Fill]
    flow_only: bool = False


#: What a rule says: updates to apply in this order, or why there are none.
Verdict = Sequence[Update] | Step | Broken


class BookRule(Protocol):
    """One market's sequence or checksum rule as a state machine without I/O. Any snapshot in the stream replaces.

    `message` is the venue's own decoded book message.
    """

    @property
    def synced(self) -> bool:
        """Whether there is a book that updates continue."""

    def take(self, message: object) -> Verdict:
        """The next book message of the stream."""

    def reset(self) -> None:
        """Forget everything: a new connection or subscription begins, or the book was lost for another reason."""


class SnapshotRule(BookRule, Protocol):
    """A rule whose snapshot comes by REST, after the deltas have begun (`Traits.rest_snapshots`)."""

    def join(self, snapshot: Update) -> Sequence[Update] | None:
        """The kept deltas to apply on top of this snapshot, in order; None when it is of no use (older than the
        first of them): another is fetched then."""


# ---- what decoding a frame gives


class BookMessage(Struct, gc=False, frozen=True):
    """A book message of a market; `body` goes to its rule."""

    native: str
    ts: int
    body: object


class TradeMessage(Struct, gc=False, frozen=True):
    """Trades of a market in the order in which they happened."""

    native: str
    fills: Sequence[Fill]
    history: bool = False  # what the venue replays on subscribing


class Liquidation(Struct, gc=False, frozen=True):
    """A position closed by force; `side` is that of the closing order (+1: a short was closed)."""

    native: str
    ts: int
    price: str
    size: str
    side: int
    average: bool = False  # the price is an average of fills, which no tick binds


class Reply(Struct, gc=False, frozen=True):
    """The answer to a request: `topics` or `request` say to which; `error` is None when it was accepted."""

    topics: Sequence[str] = ()
    request: int | None = None
    error: str | None = None


class Respond(Struct, gc=False, frozen=True):
    """The venue asks for this frame (a heartbeat test, an application ping)."""

    frame: str


class Tainted(Struct, gc=False, frozen=True):
    """Messages of this connection are missing, of which market can't be told: every book on it is in doubt."""

    reason: Reason


class Ended(Struct, gc=False, frozen=True):
    """The venue closes this connection soon, or a market is delisted (`native`)."""

    native: str = ""


Event = BookMessage | TradeMessage | Liquidation | Reply | Respond | Tainted | Ended


class Figures(Struct, gc=False, frozen=True):
    """What a venue tells of a contract beside its trades and book, as text; None: not told."""

    ts: int  # ns; 0: not told
    mark: str | None = None
    index: str | None = None
    funding: str | None = None  # rate of the next settlement
    due: int = 0  # when that is, ns; 0: not told
    open_interest: str | None = None  # in the venue's size unit


class Request(Struct, gc=False, frozen=True):
    """A frame to send and what answers it: a request number, or the topics named in the answers."""

    frame: str
    request: int | None = None
    topics: Sequence[str] = ()


class Dialect(Protocol):
    """How one connection of a venue speaks. One instance a connection: it may keep its state (sequence numbers)."""

    @property
    def url(self) -> str:
        """Where to connect."""

    @property
    def ping(self) -> tuple[float, str] | None:
        """Seconds between application pings and the frame; None where WebSocket pings do."""

    def connected(self) -> None:
        """A new connection begins."""

    def opening(self) -> Sequence[Request]:
        """What is sent first, whatever the markets (heartbeats, instrument channels)."""

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """Requests for channels of markets by native name, in frames of a size the venue allows."""

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """The opposite; an in-band snapshot is had by unsubscribing and subscribing."""

    def decode(self, frame: bytes) -> Sequence[Event]:
        """The events of a frame, empty for what is of no use. Raises FrameError and nothing else."""

    def rule(self, instrument: Instrument) -> BookRule:
        """A fresh rule for a market's book."""
