"""From lines of sessions to the markets they are about: connections found out, frames decoded as live."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from connectors.archives.faults import Faults
from connectors.archives.opening import Notify
from connectors.archives.recorded import AggregatedTrades, RecordedVenue
from connectors.archives.session_lines import Item, SessionLines
from connectors.live.wire import BookMessage, Dialect, FrameError, Liquidation, Reply, Tainted, TradeMessage, Update
from engine.codes import Channel, Reason
from engine.feed import SourceError

#: Frames of a connection without a known address that are looked at to find out whose it is.
_SNIFFED = 200


class Key(NamedTuple):
    """A market as a recording names it."""

    venue: str
    section: str
    native: str


class Where(NamedTuple):
    """A line of a file."""

    file: int
    line: int


class Receiver(Protocol):
    """One market. `connection` is where a message came from; times are ns."""

    def connected(self, recv: int, connection: int) -> None:
        """A connection that this market was on has begun anew."""

    def book(self, recv: int, where: Where, connection: int, message: BookMessage) -> None:
        """A book message."""

    def snapshot(self, recv: int, where: Where, update: Update) -> None:
        """A book that REST gave."""

    def trades(self, recv: int, where: Where, connection: int, message: TradeMessage) -> None:
        """Trades."""

    def liquidation(self, recv: int, where: Where, message: Liquidation) -> None:
        """A position closed by force."""

    def lost(self, recv: int, where: Where, connection: int | None, reason: Reason) -> None:
        """Something about the book is missing (`connection` None: a message of this very market)."""


@dataclass(slots=True)
class _Connection:
    number: int
    venue: RecordedVenue | None = None
    section: str = ""
    dialect: Dialect | None = None
    address: str = ""
    sniffed: int = 0
    waiting: list[Item] = field(default_factory=list)
    markets: set[Key] = field(default_factory=set)


class Routes:
    """One reading of the lines. `open` gives the receiver of a market, None for one that is to be passed over."""

    def __init__(
        self,
        lines: SessionLines,
        venues: Sequence[RecordedVenue],
        open_market: Callable[[Key, Dialect], Receiver | None],
        notice: Notify,
        listing: Callable[[RecordedVenue, str, bytes], None] | None = None,
    ) -> None:
        self._lines, self._venues, self._open, self._notice, self._listing = lines, venues, open_market, notice, listing
        self._faults = [Faults(path, notice) for path in lines.paths]
        self._connections: dict[tuple[int, str], _Connection] = {}
        self._by_name: dict[str, _Connection] = {}  # the newest of that name, in whatever file
        self._numbers = 0
        self._receivers: dict[Key, Receiver | None] = {}
        self._answers: list[tuple[int, int, Where, Key, Update]] = []  # REST books whose time has not come

    @property
    def foreign(self) -> Iterable[str]:
        """Addresses (or names) of connections that are of no venue read here."""
        return [c.address or name for (_, name), c in self._connections.items() if c.venue is None]

    def fault(self, where: Where, why: str) -> None:
        """Tell what is wrong with a line."""
        self._faults[where.file].add(where.line, why)

    def place(self, where: Where) -> str:
        """A line as people are told of it."""
        return f"{self._lines.paths[where.file]}:{where.line}"

    def run(self) -> Iterator[int]:
        """Hand on one line after the other; gives the time of each."""
        for item in self._lines.items(self._faults):
            while self._answers and self._answers[0][0] <= item.recv and item.kind != "http":
                self._answer()
            if item.kind == "recv":
                self._received(item)
            elif item.kind == "connect":
                self._connect(item)
            elif item.kind == "http":
                self._answered(item)
            elif item.address and (item.file, item.conn) not in self._connections:
                self._connect(item)  # it begins in the middle of a connection: a request names it, too
            yield item.recv
        while self._answers:
            self._answer()
        for faults in self._faults:
            faults.close()

    # ---- connections

    def _connect(self, item: Item) -> _Connection:
        before = self._connections.get((item.file, item.conn))
        connection = _Connection(before.number if before is not None else self._number(), address=item.address)
        self._connections[(item.file, item.conn)] = self._by_name[item.conn] = connection
        for venue in self._venues:
            section = _section(venue, item.address)
            if section is not None:
                self._speak(connection, venue, section)
                break
        if before is not None:
            connection.markets = before.markets
            for key in before.markets:
                receiver = self._receivers.get(key)
                if receiver is not None:
                    receiver.connected(item.recv, connection.number)
        return connection

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _of(self, item: Item) -> _Connection:
        """The connection a message came from; one whose beginning is not recorded goes on from another file."""
        connection = self._connections.get((item.file, item.conn))
        if connection is None:
            connection = self._by_name.get(item.conn) or _Connection(self._number())
            self._connections[(item.file, item.conn)] = self._by_name[item.conn] = connection
        return connection

    def _sniff(self, connection: _Connection, item: Item) -> None:
        """An address that says nothing: frames wait until one of them tells whose they are."""
        if connection.sniffed == _SNIFFED:
            return
        connection.sniffed += 1
        connection.waiting.append(item)
        for venue in self._venues:
            section = venue.sniff(item.data)
            if section is not None:
                self._speak(connection, venue, section)
                break
        if connection.venue is not None or connection.sniffed == _SNIFFED:
            waiting, connection.waiting = connection.waiting, []
            for held in waiting if connection.venue is not None else ():
                self._received(held)

    @staticmethod
    def _speak(connection: _Connection, venue: RecordedVenue, section: str) -> None:
        connection.venue, connection.section = venue, section
        connection.dialect = venue.dialect(section)
        connection.dialect.connected()

    # ---- messages

    def _received(self, item: Item) -> None:
        connection = self._of(item)
        dialect, venue = connection.dialect, connection.venue
        if dialect is None or venue is None:
            self._sniff(connection, item)
            return
        where = Where(item.file, item.number)
        try:
            events = dialect.decode(item.data)
        except FrameError as error:
            self.fault(where, str(error))
            key = Key(venue.name, connection.section, error.native)
            receiver = self._receivers.get(key)
            if receiver is not None and error.channel is Channel.BOOK:
                receiver.lost(item.recv, where, None, Reason.BAD_MESSAGE)
            return
        for event in events:
            kind = type(event)
            if kind is BookMessage or kind is TradeMessage or kind is AggregatedTrades:
                assert isinstance(event, BookMessage | TradeMessage)
                key = Key(venue.name, connection.section, event.native)
                receiver = self._receiver(key, dialect)
                if receiver is None:
                    continue
                connection.markets.add(key)
                if isinstance(event, BookMessage):
                    receiver.book(item.recv, where, connection.number, event)
                else:
                    receiver.trades(item.recv, where, connection.number, event)
            elif isinstance(event, Liquidation):
                known = self._receivers.get(Key(venue.name, connection.section, event.native))
                if known is not None:
                    known.liquidation(item.recv, where, event)
            elif isinstance(event, Tainted):
                for key in connection.markets:
                    tainted = self._receivers.get(key)
                    if tainted is not None:
                        tainted.lost(item.recv, where, connection.number, event.reason)
            elif isinstance(event, Reply) and event.error is not None:
                self.fault(where, f"{venue.name} refused a request: {event.error[:200]!r}")

    def _receiver(self, key: Key, dialect: Dialect) -> Receiver | None:
        if key not in self._receivers:
            self._receivers[key] = self._open(key, dialect)
        return self._receivers[key]

    # ---- answers of REST

    def _answered(self, item: Item) -> None:
        where = Where(item.file, item.number)
        for venue in self._venues:
            section = _section(venue, item.address)
            if section is None:
                continue
            try:
                if self._listing is not None:
                    self._listing(venue, section, item.data)
                found = venue.snapshot(section, item.address, item.data)
            except (SourceError, FrameError, RecursionError) as error:
                self.fault(where, str(error))
                return
            if found is not None:
                key = Key(venue.name, section, found[0])
                heapq.heappush(self._answers, (item.at, len(self._answers), where, key, found[1]))
            return

    def _answer(self) -> None:
        at, _, where, key, update = heapq.heappop(self._answers)
        receiver = self._receivers.get(key)
        if receiver is None and key not in self._receivers:
            receiver = self._early(key)
        if receiver is not None:
            receiver.snapshot(at, where, update)

    def _early(self, key: Key) -> Receiver | None:
        """A market whose book was asked for before its first message."""
        for venue in self._venues:
            if venue.name == key.venue:
                return self._receiver(key, venue.dialect(key.section))
        return None


def _section(venue: RecordedVenue, address: str) -> str | None:
    """The section of an address; a damaged one is nobody's."""
    try:
        return venue.section(address) if address else None
    except ValueError:
        return None
