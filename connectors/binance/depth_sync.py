"""Which depth updates make a book: Binance's sequence rules as a state machine without I/O.

The deltas of a stream only mean something on top of a REST snapshot taken after the stream began.
Until one is there they are kept. What a delta covers:

- spot: every update from `U` to `u`;
- futures: every update after `pu` (the `u` of the delta before it) up to `u`.

A live feed asks for a snapshot by REST, a capture has it in line; both use this.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from connectors.binance.messages import Depth, MarketType, Snapshot

#: Deltas kept while there is no snapshot: minutes of a busy market.
BUFFERED_DELTAS = 4_096


class Step(Enum):
    """What to do with a delta."""

    APPLY = "apply"
    BUFFERED = "buffered"  # kept until a snapshot comes
    OLD = "old"  # everything in it is in the book already
    GAP = "gap"  # updates before it are missing: the book is invalid, a new snapshot is needed; the delta is kept


class DepthSync:
    """The sequence of one market's book."""

    def __init__(self, market: MarketType, limit: int = BUFFERED_DELTAS) -> None:
        self._spot = market is MarketType.SPOT
        self._buffer: deque[Depth] = deque(maxlen=limit)  # the oldest fall out: a later snapshot covers them
        self._last: int | None = None  # last update in the book; None while there is no book
        self._joined = False  # whether a delta has followed the snapshot
        self._from = 0  # the update that the last delta followed

    @property
    def synced(self) -> bool:
        """Whether there is a book that deltas continue."""
        return self._last is not None

    @property
    def last(self) -> int | None:
        """Number of the last update in the book."""
        return self._last

    @property
    def buffered(self) -> int:
        """Deltas waiting for a snapshot."""
        return len(self._buffer)

    def reset(self) -> None:
        """Forget everything: a new connection begins a new stream, or the book can't be trusted for another reason."""
        self._buffer.clear()
        self._last, self._joined = None, False

    def delta(self, d: Depth) -> Step:
        """Take the next delta of the stream."""
        last = self._last
        if last is None:
            return self._keep(d)
        if self._joined and d.last > last and (d.first == last + 1 if self._spot else d.previous == last):
            self._from, self._last = last, d.last  # the usual case, in one step: it follows the delta before it
            return Step.APPLY
        step = self._follow(d)
        if step is Step.GAP:
            self.reset()
            self._buffer.append(d)
        return step

    def snapshot(self, s: Snapshot) -> list[Depth] | None:
        """Start from a snapshot: the kept deltas to apply on top of it, in order.

        None when it is of no use: older than the first kept delta (fetch another one), or older
        than the book there already is.
        """
        if self._last is not None and s.last_update < self._last:
            return None
        kept = list(self._buffer)
        follow: list[Depth] = []
        before = self._last, self._joined, self._from
        self._last, self._joined = s.last_update, False
        for d in kept:
            # Inside the buffer the deltas are consecutive, so only the first that is not old can fail.
            step = self._follow(d)
            if step is Step.GAP:
                self._last, self._joined, self._from = before
                return None
            if step is Step.APPLY:
                follow.append(d)
        self._buffer.clear()
        return follow

    def _follow(self, d: Depth) -> Step:
        assert self._last is not None
        # Before the first delta spot drops u <= lastUpdateId, futures u < lastUpdateId; later on both u <= previous u.
        start = d.first - 1 if self._spot else d.previous
        if d.last < self._last or (d.last == self._last and (self._joined or self._spot)):
            # What comes twice or late does not begin after the last one did. Else a number was garbled upwards, which
            # must not make all that follows look old.
            return Step.GAP if self._joined and start > self._from else Step.OLD
        if not self._continues(d):
            return Step.GAP
        self._last, self._joined, self._from = d.last, True, start
        return Step.APPLY

    def _continues(self, d: Depth) -> bool:
        last = self._last
        assert last is not None
        if self._joined:
            return self._consecutive(last, d)
        if self._spot:
            return d.first <= last + 1 <= d.last  # first delta: U <= lastUpdateId+1 <= u
        # First delta: U <= lastUpdateId <= u. Or lastUpdateId lies between two deltas, which the numbers of
        # futures leave room for: nothing is missing when the delta before this one is inside the snapshot.
        return d.first <= last <= d.last or 0 <= d.previous <= last < d.first

    def _consecutive(self, last: int, d: Depth) -> bool:
        return d.first == last + 1 if self._spot else d.previous == last  # U == previous u + 1; pu == previous u

    def _keep(self, d: Depth) -> Step:
        if self._buffer:
            newest = self._buffer[-1].last
            if d.last <= newest:
                return Step.OLD
            if not self._consecutive(newest, d):
                self._buffer.clear()  # a snapshot from before the hole could not be continued
        self._buffer.append(d)
        return Step.BUFFERED
