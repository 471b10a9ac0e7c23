"""Tardis' `incremental_book_L2` files: a row is a level, consecutive rows of one time are a message.

The files have no sequence numbers, so nothing can show that an update is missing: the book is
UNVERIFIABLE. What can be known to be lost, a line that can't be read, ends the book until the next
snapshot in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectors.archives import columns as cut
from connectors.archives.digits import STRAY, Digits
from connectors.archives.faults import Faults, excerpt
from connectors.archives.opening import Notify, blocks_of_lines
from connectors.archives.rows import CHUNK_ROWS
from connectors.archives.times import DAY, epoch_of, nanoseconds
from engine.instrument import Instrument
from engine.tape import ROW, Channel, Flag, Kind, Reason, Rows, Trust, status_row

Ints = NDArray[np.int64]

_COLUMNS = ["exchange", "symbol", "timestamp", "local_timestamp", "is_snapshot", "side", "price", "amount"]
_EXCHANGE, _SYMBOL, _TS, _RECV, _SNAP, _SIDE, _PX, _QTY = range(8)
_BOOLS = {"true": 1, "false": 0}
_SIDES = {"bid": 1, "ask": -1}
#: A message longer than this has lost its end: no book has so many levels.
_MAX_MESSAGE = 400_000


def is_book(head: bytes) -> bool:
    """Whether a file starts as an incremental book of Tardis."""
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    try:
        return [name.lower() for name in cut.fields_of(first)] == _COLUMNS
    except ValueError:
        return False


@dataclass(frozen=True)
class _Levels:
    """Columns of level rows. `bad` marks lines that could not be read (their other columns mean nothing)."""

    ts: Ints
    recv: Ints
    snap: Ints
    side: Ints
    px: Ints
    qty: Ints
    bad: Ints

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, part: slice) -> _Levels:
        return _Levels(*(getattr(self, name)[part] for name in _LEVEL_COLUMNS))


_LEVEL_COLUMNS = ("ts", "recv", "snap", "side", "px", "qty", "bad")


class BookReader:
    """Book files of one market as rows, in the order of their first times."""

    def __init__(self, paths: Sequence[Path], starts: Sequence[int]) -> None:
        """`starts`: first receive time of each file."""
        self.paths = tuple(path for _, path in sorted(zip(starts, paths, strict=True)))
        self._digits: tuple[Digits, Digits] | None = None
        self._snapshots = False

    def _surveyed(self) -> tuple[Digits, Digits]:
        if self._digits is None:
            price, size = Digits(STRAY), Digits()
            for path in self.paths:
                for line, block in blocks_of_lines(path, lambda _source, _text: None):
                    cut.survey_numbers(cut.table(block, line, len(_COLUMNS)), (_PX, _QTY), (price, size))
                    self._snapshots = self._snapshots or b",true," in block
            self._digits = price, size
        return self._digits

    @property
    def price_decimals(self) -> tuple[int, int]:
        """Decimals of the prices, and how many prices have more."""
        price = self._surveyed()[0]
        return price.decimals, price.finer(price.decimals)

    @property
    def size_decimals(self) -> tuple[int, int]:
        """Decimals of the sizes, and how many sizes have more."""
        size = self._surveyed()[1]
        return size.decimals, size.finer(size.decimals)

    def rows(self, instrument: Instrument, notice: Notify) -> Iterator[Rows]:
        """Pieces of about CHUNK_ROWS rows, cut at message boundaries."""
        self._surveyed()
        fold = _BookFold(instrument, self._snapshots, notice)
        for path in self.paths:
            faults = Faults(path, notice)
            parser = _Parser(instrument)
            held: list[_Levels] = []  # the message that the next block may go on with
            for line, block in blocks_of_lines(path, notice):
                levels = parser.parse(block, line, faults)
                if not len(levels):
                    continue
                whole = _joined([*held, levels])
                last = int(_message_starts(whole)[-1])
                if len(whole) - last > _MAX_MESSAGE:
                    last = len(whole)
                held = [whole.take(slice(last, None))]
                yield from fold.rows(whole.take(slice(0, last)))
            if held:
                yield from fold.rows(held[0])
            faults.close()
        if not self._snapshots and self.paths:
            notice(
                self.paths[0].name,
                f"{self.paths[0]}: no book snapshot in this source, so there is no order book. "
                "Give the file that begins the day, or one with is_snapshot rows.",
            )


class _BookFold:
    """What holds of the messages as rows: nothing before a snapshot, nothing after a lost message."""

    def __init__(self, instrument: Instrument, has_snapshot: bool, notice: Notify) -> None:
        self._instrument = instrument
        self._has_snapshot = has_snapshot
        self._notice = notice
        self._said = (Trust.NONE, Reason.NONE)
        self._valid = False

    def rows(self, levels: _Levels) -> Iterator[Rows]:
        """Rows of whole messages, in pieces."""
        if not len(levels):
            return
        starts = _message_starts(levels)
        ends = np.append(starts[1:], len(levels))
        bad = np.add.reduceat(levels.bad, starts) > 0
        snap = levels.snap[starts] > 0
        pieces: list[Rows] = []
        held = 0
        at = 0
        while at < len(starts):
            # A run of messages that are treated alike: updates of a valid book, or a single other one.
            if self._valid and not snap[at] and not bad[at]:
                stops = np.flatnonzero(snap[at:] | bad[at:])
                stop = at + int(stops[0]) if len(stops) else len(starts)
                room = int(np.searchsorted(ends, int(starts[at]) + CHUNK_ROWS, "right"))
                stop = min(stop, max(room, at + 1))
                piece = _level_rows(
                    levels.take(slice(int(starts[at]), int(ends[stop - 1]))), starts[at:stop] - starts[at]
                )
                self._in_snapshot = None
            else:
                stop = at + 1
                message = levels.take(slice(int(starts[at]), int(ends[at])))
                piece = self._one(message, bool(snap[at]), bool(bad[at]))
            if held + len(piece) > CHUNK_ROWS and pieces:
                yield np.concatenate(pieces)
                pieces, held = [], 0
            pieces.append(piece)
            held += len(piece)
            at = stop
        if pieces:
            yield np.concatenate(pieces)

    def _one(self, message: _Levels, snap: bool, bad: bool) -> Rows:
        """One message that begins a book, ends one, or is of no use."""
        readable = np.flatnonzero(message.bad == 0)
        if not len(readable) and not self._valid:
            return np.zeros(0, ROW)
        at = int(readable[0]) if len(readable) else 0
        recv, ts = int(message.recv[at]), int(message.ts[at])
        clock = np.zeros(1, ROW)
        clock["recv"], clock["ts"], clock["kind"], clock["flags"] = recv, ts, int(Kind.CLOCK), int(Flag.LAST)
        if bad:
            was, self._valid = self._valid, False
            if was or self._said[0] is Trust.NONE:
                if was:
                    self._notice(
                        self._instrument.market,
                        "a book update could not be read: the order book waits for the next snapshot",
                    )
                return np.concatenate((self._say(recv, ts, Trust.RESYNC, Reason.BAD_MESSAGE), clock))
            return clock
        if not snap:
            if self._said[0] is Trust.NONE:
                reason = Reason.AWAITING_SNAPSHOT if self._has_snapshot else Reason.NO_SNAPSHOT_IN_SOURCE
                return np.concatenate((self._say(recv, ts, Trust.WARMING, reason), clock))
            return clock
        head = np.zeros(1, ROW)
        head["recv"], head["ts"], head["kind"], head["channel"] = recv, ts, int(Kind.SNAPSHOT), int(Channel.BOOK)
        self._valid = True
        body = _level_rows(message, np.zeros(1, np.int64))
        return np.concatenate((head, body, self._say(recv, ts, Trust.UNVERIFIABLE, Reason.NO_SEQUENCE)))

    def _say(self, recv: int, ts: int, trust: Trust, reason: Reason) -> Rows:
        if self._said == (trust, reason):
            return np.zeros(0, ROW)
        self._said = (trust, reason)
        return status_row(recv, ts, Channel.BOOK, trust, reason)


def _message_starts(levels: _Levels) -> Ints:
    """Indexes where a message begins: another time, or snapshot and update one after the other.

    A line that can't be read goes with the message before it.
    """
    keys = np.stack((levels.ts, levels.recv, levels.snap))
    good = np.flatnonzero(levels.bad == 0)
    if not len(good):
        return np.zeros(1, np.int64)
    differs = (keys[:, good[1:]] != keys[:, good[:-1]]).any(axis=0)
    return np.concatenate((np.zeros(1, np.int64), good[1:][differs]))


def _level_rows(levels: _Levels, starts: Ints) -> Rows:
    rows = np.zeros(len(levels), ROW)
    for name in ("recv", "ts", "px", "qty", "side"):
        rows[name] = getattr(levels, name)
    rows["kind"] = int(Kind.LEVEL)
    rows["channel"] = int(Channel.BOOK)
    rows["flags"][np.append(starts[1:], len(levels)) - 1] = int(Flag.LAST)
    return rows


def _joined(parts: Sequence[_Levels]) -> _Levels:
    return _Levels(*(np.concatenate([getattr(part, name) for part in parts]) for name in _LEVEL_COLUMNS))


class _Parser:
    """Lines of one file to columns of levels."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._tick = cut.Step.of(instrument.tick)
        self._lot = cut.Step.of(instrument.lot)
        self._symbol: bytes | None = None  # as the file's first line has it

    def parse(self, block: bytes, first_line: int, faults: Faults) -> _Levels:
        """The levels of a block of whole lines, those that can't be read marked and told to `faults`."""
        table = cut.table(block, first_line, len(_COLUMNS))
        data, start, end = table.data, table.start, table.end
        px, good = self._tick.units(data, start[:, _PX], end[:, _PX])
        qty, fine = self._lot.units(data, start[:, _QTY], end[:, _QTY])
        good &= fine & (px > 0)
        times = []
        for column in (_TS, _RECV):
            value, fine = cut.integers(data, start[:, column], end[:, column])
            times.append(nanoseconds(value))
            good &= fine & (value > 0)
        good &= (times[0] > 0) & (times[1] > 0) & (np.abs(times[0] - times[1]) < DAY)
        snap, fine = _word(table, _SNAP, _BOOLS)
        side, known = _word(table, _SIDE, _SIDES)
        good &= fine & known
        if self._symbol is None and good.any():
            self._symbol = table.field(int(np.argmax(good)), _SYMBOL).encode()
        if self._symbol is not None:
            good &= cut.equals(data, start[:, _SYMBOL], end[:, _SYMBOL], self._symbol)
        keep = np.flatnonzero(good)
        odd = sorted([*table.odd, *((int(table.line[i]), table.text(i)) for i in np.flatnonzero(~good).tolist())])
        more = [(line, self._odd(line, text, faults)) for line, text in odd if not (line == 1 and is_book(text))]
        read = [
            times[0][keep],
            times[1][keep],
            snap[keep],
            side[keep],
            px[keep],
            qty[keep],
            np.zeros(len(keep), np.int64),
        ]
        return _Levels(*cut.insert_rows(read, table.line[keep], more))

    def _odd(self, line: int, text: bytes, faults: Faults) -> tuple[int, ...]:
        try:
            row = cut.fields_of(text)
            if len(row) != len(_COLUMNS):
                raise ValueError(f"{len(row)} columns instead of {len(_COLUMNS)}")
            if self._symbol is not None and row[_SYMBOL].encode() != self._symbol:
                raise ValueError(f"a row of {row[_SYMBOL][:30]!r}, not of {self._symbol.decode()}")
            snap, side = _BOOLS.get(row[_SNAP].lower()), _SIDES.get(row[_SIDE].lower())
            if snap is None or side is None:
                raise ValueError("is_snapshot must be true or false, side bid or ask")
            px, qty = self._instrument.ticks(row[_PX]), self._instrument.lots(row[_QTY])
            if not px:
                raise ValueError("price is not above 0")
            ts, recv = epoch_of(row[_TS]), epoch_of(row[_RECV])
            if abs(ts - recv) >= DAY:
                raise ValueError("timestamp and local_timestamp are days apart")
            return ts, recv, snap, side, px, qty, 0
        except ValueError as error:
            faults.add(line, f"{error} in {excerpt(text)}")
            return 0, 0, 0, 0, 0, 0, 1


def _word(table: cut.Table, column: int, words: dict[str, int]) -> tuple[Ints, NDArray[np.bool_]]:
    """A column of one of a few words that differ in their first letters."""
    letter, length = cut.first_letters(table.data, table.start[:, column], table.end[:, column])
    value, known = np.zeros(len(table), np.int64), np.zeros(len(table), bool)
    for word, meaning in words.items():
        here = (letter == ord(word[0])) & (length == len(word))
        value[here] = meaning
        known |= here
    return value, known
