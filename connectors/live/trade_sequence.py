"""Which trades are new, which are missing, where a venue numbers the trades of a market without a hole.

While a gap is being filled by REST, later trades wait, so that they reach the tape in the order of
their ids; the wait is bounded by the caller's patience and by the number of trades held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from connectors.live.wire import Fill

#: Trades that wait at most; one more and the gap is given up.
HELD_TRADES = 20_000
# So many trades in a row with old ids and new times: the venue numbers anew.
_RENUMBERED = 50


@dataclass(frozen=True, slots=True)
class Hole:
    """`count` trades from `first` on that nobody can give us (-1: an unknown number)."""

    first: int
    count: int


#: What goes on the tape: a trade with its receive time, or that some are missing.
Item = tuple[int, Fill] | Hole


@dataclass(slots=True)
class Taken:
    """What a trade led to: in order, what goes on the tape; and whether a gap has opened."""

    now: list[Item] = field(default_factory=list)
    gap: Hole | None = None


class Continuity(Protocol):
    """How the trades of one market follow one another, as a state machine without I/O."""

    @property
    def last(self) -> int | None:
        """Id of the newest trade on the tape."""

    @property
    def gap(self) -> Hole | None:
        """What is being waited for."""

    @property
    def filled(self) -> bool:
        """Whether nothing of the gap is missing any more."""

    def resume(self, last_id: int) -> None:
        """Go on after this trade, which an earlier run has put on the tape."""

    def interrupted(self) -> None:
        """Trades may have been lost from here on: the stream ended, or a message of it could not be read."""

    def expects(self, trade: Fill) -> bool:
        """Whether `trade` simply follows; if so it counts as taken (the quick way for nearly every trade)."""

    def take(self, recv: int, trade: Fill) -> Taken:
        """The next trade of the stream."""

    def replayed(self, recv: int, trades: Sequence[Fill]) -> Taken:
        """Trades of the past, oldest first, which the venue sends when it is subscribed to. While nothing is on the
        tape they are all taken; else those that are missing there."""

    def recovered(self, recv: int, trades: Sequence[Fill], flow_only: bool) -> list[Item]:
        """Trades REST gave for the gap, oldest first; the page may reach beyond it on both sides.

        `flow_only`: the page leaves out what was not order flow, so ids missing inside it are no hole.
        """

    def hopeless(self, trades: Sequence[Fill]) -> bool:
        """Whether a page that brought nothing shows that the rest of the gap will not come."""

    def caught_up(self, recv: int, trades: Sequence[Fill], flow_only: bool) -> list[Item]:
        """Trades REST gave before the stream began, as `recovered`, however far they reach."""

    def release(self) -> list[Item]:
        """Close the gap with what there is: the rest of it is a hole, and the held trades follow up to the next gap."""

    def abandon(self) -> list[Item]:
        """Hold nothing any longer: everything still missing is in a hole."""


class ConsecutiveIds:
    """Ids without a hole: a gap shows, and its size with it. A `Continuity`."""

    def __init__(self, limit: int = HELD_TRADES) -> None:
        self._limit = limit
        self._last: int | None = None
        self._last_ts = 0
        self._gap: Hole | None = None
        self._held: list[tuple[int, Fill]] = []
        self._backwards = 0

    @property
    def last(self) -> int | None:
        """See Continuity."""
        return self._last

    def resume(self, last_id: int) -> None:
        """See Continuity."""
        self._last = last_id

    def interrupted(self) -> None:
        """See Continuity: the ids will show it."""

    @property
    def gap(self) -> Hole | None:
        """See Continuity."""
        return self._gap

    def expects(self, trade: Fill) -> bool:
        """See Continuity."""
        if self._gap is None and (self._last is None or trade.trade_id - trade.count == self._last):
            self._advance(trade)
            return True
        return False

    def take(self, recv: int, trade: Fill) -> Taken:
        """See Continuity."""
        if self.expects(trade):
            return Taken([(recv, trade)])
        assert self._last is not None
        newest = self._held[-1][1].trade_id if self._held else self._last
        if trade.trade_id <= newest:
            return self._backward(recv, trade)
        self._backwards = 0
        before = trade.trade_id - trade.count
        if before >= newest:
            self._held.append((recv, trade))
        elif self._gap is None:
            before = trade.trade_id  # some of these fills are on the tape: REST tells the others one by one
        if self._gap is None:
            self._gap = Hole(self._last + 1, before - self._last)
            return Taken([], self._gap)
        if len(self._held) > self._limit:
            return Taken(self.abandon())
        return Taken()

    def replayed(self, recv: int, trades: Sequence[Fill]) -> Taken:
        """See Continuity."""
        taken = Taken()
        for trade in trades:
            if self._last is None or trade.trade_id > self._last:
                one = self.take(recv, trade)
                taken.now += one.now
                taken.gap = taken.gap or one.gap
        return taken

    def recovered(self, recv: int, trades: Sequence[Fill], flow_only: bool) -> list[Item]:
        """See Continuity."""
        gap = self._gap
        if gap is None or self._last is None:
            return []
        end = gap.first + gap.count
        inside = flow_only and bool(trades) and trades[0].trade_id <= self._last  # it reaches back to what we have
        out: list[Item] = []
        for t in trades:
            if not self._last < t.trade_id < end:
                continue
            missing = t.trade_id - t.count - self._last
            if missing and not inside:
                out.append(Hole(self._last + 1, missing))
            inside = flow_only
            out.append((recv, t))
            self._advance(t)
        if inside and trades[-1].trade_id >= end:
            self._last = end - 1
        return out

    def hopeless(self, trades: Sequence[Fill]) -> bool:
        """See Continuity."""
        gap = self._gap
        return gap is not None and bool(trades) and trades[-1].trade_id >= gap.first + gap.count

    def caught_up(self, recv: int, trades: Sequence[Fill], flow_only: bool) -> list[Item]:
        """See Continuity."""
        self._gap = Hole((self._last or 0) + 1, 1 << 62)
        out = self.recovered(recv, trades, flow_only)
        self._gap = None
        return out

    def release(self) -> list[Item]:
        """See Continuity."""
        return self._release(stop=True)

    def abandon(self) -> list[Item]:
        """See Continuity."""
        return self._release(stop=False)

    def _release(self, stop: bool) -> list[Item]:
        gap, held = self._gap, self._held
        self._gap, self._held = None, []
        out: list[Item] = []
        if gap is None or self._last is None:
            return out
        missing = gap.first + gap.count - 1 - self._last
        if missing > 0:
            out.append(Hole(self._last + 1, missing))
            self._last += missing
        for i, (recv, t) in enumerate(held):
            missing = t.trade_id - t.count - self._last
            if missing and stop:
                self._gap, self._held = Hole(self._last + 1, missing), held[i:]
                break
            if missing:
                out.append(Hole(self._last + 1, missing))
            out.append((recv, t))
            self._advance(t)
        return out

    @property
    def filled(self) -> bool:
        """See Continuity."""
        return self._gap is not None and self._last is not None and self._last >= self._gap.first + self._gap.count - 1

    def _advance(self, trade: Fill) -> None:
        self._last, self._backwards = trade.trade_id, 0
        self._last_ts = max(self._last_ts, trade.ts)

    def _backward(self, recv: int, trade: Fill) -> Taken:
        """A repeated or replayed trade, unless ids have begun anew."""
        if trade.ts <= self._last_ts or self._gap is not None:
            return Taken()
        self._backwards += 1
        if self._backwards < _RENUMBERED:
            return Taken()
        self._advance(trade)
        return Taken([Hole(-1, -1), (recv, trade)])
