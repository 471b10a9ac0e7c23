"""Which messages of `books` make a book: OKX's sequence, and the checksum of the years in which there was one.

Each message says in `prevSeqId` which it follows; the snapshot that begins a subscription says -1. Two things look
wrong and are not: when nothing changes for a minute a message without levels repeats `seqId` as `prevSeqId`; and after
maintenance numbers may begin anew, with a `seqId` below a `prevSeqId` that is right.

Up to 2026-06 messages bore a CRC32 of the best 25 levels of both sides: bid, ask, bid, ask … as price:size in the
venue's own digits, joined by colons, as a signed 32-bit number. Since then it is 0 and the sequence the only check;
recordings from before 2022-11 have the checksum only.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import zip_longest

from connectors.live.wire import Broken, Step, Update, Verdict
from connectors.okx.messages import ABSENT, Book
from engine.codes import Reason

#: Levels of a side in the checksum.
_CHECKED = 25


class OkxBookRule:
    """One market's book sequence."""

    def __init__(self) -> None:
        self._synced = False
        self._last = ABSENT  # seqId of the book
        self._before = ABSENT  # its prevSeqId
        self._digits: _DigitBook | None = None

    @property
    def synced(self) -> bool:
        """Whether there is a book that updates continue."""
        return self._synced

    def reset(self) -> None:
        """Forget everything."""
        self._synced, self._digits = False, None
        self._last = self._before = ABSENT

    def take(self, message: object) -> Verdict:
        """The next message of the stream."""
        assert isinstance(message, Book)
        m = message
        if m.snapshot:
            return self._begin(m)
        if not self._synced:
            return Step.WAIT
        if m.previous != self._last:
            if m.seq == self._last and m.previous == self._before and m.seq != ABSENT:
                return Step.OLD  # the last message once more
            return self._break(Reason.SEQUENCE_GAP)
        if not (m.bids or m.asks) and m.seq == m.previous != ABSENT:
            return Step.OLD  # nothing has happened, says the venue
        if self._digits is not None and not self._agrees(self._digits, m):
            return self._break(Reason.BAD_CHECKSUM)
        if m.seq == ABSENT and self._digits is None:
            return self._break(Reason.NO_SEQUENCE)
        self._last, self._before = m.seq, m.previous
        return (Update(m.ts, max(m.seq, 0), m.bids, m.asks),)

    def _begin(self, m: Book) -> Verdict:
        self._digits = _DigitBook() if m.digits is not None else None
        if self._digits is not None and not self._agrees(self._digits, m):
            return self._break(Reason.BAD_CHECKSUM)
        if m.seq == ABSENT and self._digits is None:
            return self._break(Reason.NO_SEQUENCE)
        self._synced, self._last, self._before = True, m.seq, m.previous
        return (Update(m.ts, max(m.seq, 0), m.bids, m.asks, snapshot=True),)

    def _agrees(self, book: _DigitBook, m: Book) -> bool:
        if m.digits is None:
            self._digits = None  # from here on there are no checksums
            return m.seq != ABSENT
        book.update(*m.digits)
        return book.checksum() in (m.checksum, m.checksum - (1 << 32))

    def _break(self, reason: Reason) -> Broken:
        self.reset()
        return Broken(reason)


class _DigitBook:
    """A book in the venue's own digits, for the checksum. Slow and only for recordings."""

    def __init__(self) -> None:
        self._bids: dict[str, str] = {}
        self._asks: dict[str, str] = {}

    def update(self, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> None:
        """Absolute sizes; zero deletes."""
        for side, changes in ((self._bids, bids), (self._asks, asks)):
            for price, size in changes:
                if size.strip("0."):
                    side[price] = size
                else:
                    side.pop(price, None)

    def checksum(self) -> int:
        """Signed CRC32 of the best levels."""
        bids = sorted(self._bids, key=_number, reverse=True)[:_CHECKED]
        asks = sorted(self._asks, key=_number)[:_CHECKED]
        parts: list[str] = []
        for bid, ask in zip_longest(bids, asks):
            if bid is not None:
                parts += (bid, self._bids[bid])
            if ask is not None:
                parts += (ask, self._asks[ask])
        crc = zlib.crc32(":".join(parts).encode())
        return crc - (1 << 32) if crc >= 1 << 31 else crc


def _number(text: str) -> float:
    """A price to sort by; what is no number sorts first and the checksum says the rest."""
    try:
        return float(text)
    except ValueError:
        return 0.0
