"""Which trades are new where ids are unique but say nothing of their order (hashes, ids of a whole venue).

That a trade is missing can't be seen from the next one. So whenever the stream was interrupted, the trades that
follow wait until the venue's recent trades have been fetched: where those contain one that is on the tape, nothing
between is lost; else a hole of unknown size remains.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connectors.live.trade_sequence import HELD_TRADES, Hole, Item, Taken
from connectors.live.wire import Fill
from engine.codes import Flag

#: Ids remembered: more than any venue replays or gives as its recent trades.
REMEMBERED = 2_048
_UNKNOWN = Hole(-1, -1)


class UniqueIds:
    """A `Continuity` of trades whose ids are only unique."""

    def __init__(self, limit: int = HELD_TRADES, remembered: int = REMEMBERED) -> None:
        self._limit, self._remembered = limit, remembered
        self._known: dict[int, None] = {}  # in the order they came
        self._last: int | None = None
        self._last_ts = 0
        self._doubt = False  # trades may be missing before the next one
        self._gap: Hole | None = None
        self._bridged = False  # REST has given what lies before the held trades
        self._held: dict[int, tuple[int, Fill]] = {}
        self._doubts: list[int] = []  # how many were held when the stream was interrupted again
        self._hopeless = 0  # so many of the next of those will stay holes

    @property
    def last(self) -> int | None:
        """See Continuity."""
        return self._last

    @property
    def gap(self) -> Hole | None:
        """See Continuity."""
        return self._gap

    @property
    def filled(self) -> bool:
        """See Continuity."""
        return self._gap is not None and self._bridged

    def resume(self, last_id: int) -> None:
        """See Continuity."""
        self._last, self._doubt = last_id, True
        self._known[last_id] = None

    def interrupted(self) -> None:
        """See Continuity."""
        if self._gap is not None:
            if self._held and (not self._doubts or self._doubts[-1] != len(self._held)):
                self._doubts.append(len(self._held))
        elif self._last is not None:
            self._doubt = True

    def expects(self, trade: Fill) -> bool:
        """See Continuity."""
        if self._gap is None and not self._doubt and trade.trade_id not in self._known:
            self._advance(trade)
            return True
        return False

    def take(self, recv: int, trade: Fill) -> Taken:
        """See Continuity."""
        if self.expects(trade):
            return Taken([(recv, trade)])
        if trade.trade_id in self._known or trade.trade_id in self._held:
            return Taken()
        self._held[trade.trade_id] = recv, trade
        if self._gap is None:
            self._gap, self._doubt, self._bridged = _UNKNOWN, False, False
            return Taken([], self._gap)
        if len(self._held) > self._limit:
            return Taken(self.abandon())
        return Taken()

    def replayed(self, recv: int, trades: Sequence[Fill]) -> Taken:
        """See Continuity."""
        if self._last is None:
            return Taken([(recv, trade) for trade in trades if self.expects(trade)])
        if self._gap is None and self._doubt and any(trade.trade_id in self._known for trade in trades):
            self._doubt = False  # they join what is on the tape
            return Taken([(recv, trade) for trade in self._after_known(trades) if self.expects(trade)])
        taken = Taken()
        for trade in trades:
            if trade.ts >= self._last_ts:
                one = self.take(recv, trade)
                taken.now += one.now
                taken.gap = taken.gap or one.gap
        return taken

    def recovered(self, recv: int, trades: Sequence[Fill], flow_only: bool) -> list[Item]:
        """See Continuity."""
        if self._gap is None or not trades:
            return []
        first = next(iter(self._held.values()))[1] if self._held else None
        joins = any(trade.trade_id in self._known for trade in trades) or trades[0].ts < self._last_ts
        out: list[Item] = [] if joins else [_UNKNOWN]
        after = list(self._after_known(trades))
        for i, trade in enumerate(after):
            if trade.trade_id in self._held or (first is not None and trade.ts > first.ts):
                self._bridged = True  # from here on they are held, or the stream still brings them
                self._complete(recv, after[i:])
                break
            out.append((recv, trade))
            self._advance(trade)
        return out

    def _complete(self, recv: int, page: Sequence[Fill]) -> None:
        """A page is all that traded in its span. Later interruptions that lie inside it are settled as well, and what
        they cost is put between the trades that wait; those before it will not be filled by later pages, which begin
        later. Else each of them would cost a request of its own."""
        ids, held = {trade.trade_id for trade in page}, list(self._held.values())
        inside = [i for i, (_, trade) in enumerate(held) if trade.trade_id in ids]
        if not inside or inside[-1] - inside[0] + 1 != len(inside):
            return
        first, end = inside[0], inside[-1] + 1
        whole = {trade.trade_id: (at, trade) for at, trade in held[:first]}
        waiting = {trade.trade_id for _, trade in held[first:end]}
        for f in page:
            if not waiting:
                break
            waiting.discard(f.trade_id)
            missed = Fill(f.trade_id, f.ts, f.price, f.size, f.side, f.flags | int(Flag.RECOVERED))
            whole[f.trade_id] = self._held.get(f.trade_id, (recv, missed))
        more = len(whole) - end
        whole.update((trade.trade_id, (at, trade)) for at, trade in held[end:])
        self._held = whole
        self._hopeless = sum(0 < at <= first for at in self._doubts)
        self._doubts = [at if at <= first else at + more for at in self._doubts if not first < at < end]

    def hopeless(self, trades: Sequence[Fill]) -> bool:
        """See Continuity: a later page may reach further."""
        return False

    def caught_up(self, recv: int, trades: Sequence[Fill], flow_only: bool) -> list[Item]:
        """See Continuity: nothing, for only a trade of the stream shows where they must end."""
        return []

    def release(self) -> list[Item]:
        """See Continuity."""
        out = self._release(self._doubts.pop(0) if self._doubts else None)
        while self._hopeless and self._gap is not None:
            self._hopeless -= 1
            out += self._release(self._doubts.pop(0) if self._doubts else None)
        return out

    def abandon(self) -> list[Item]:
        """See Continuity."""
        out: list[Item] = []
        while self._gap is not None:
            out += self.release()
        return out

    def _release(self, until: int | None) -> list[Item]:
        if self._gap is None:
            return []
        out: list[Item] = [] if self._bridged else [_UNKNOWN]
        held = list(self._held.values())
        cut = len(held) if until is None else until
        for recv, trade in held[:cut]:
            out.append((recv, trade))
            self._advance(trade)
        self._held = {trade.trade_id: (recv, trade) for recv, trade in held[cut:]}
        self._doubts = [at - cut for at in self._doubts]
        self._bridged = False
        # Interrupted again after what was let go: that is the next gap, or the doubt before the next trade.
        self._gap = _UNKNOWN if self._held else None
        self._doubt = until is not None and not self._held
        return out

    def _after_known(self, trades: Sequence[Fill]) -> Iterable[Fill]:
        at = max((i for i, trade in enumerate(trades) if trade.trade_id in self._known), default=-1)
        return (trade for trade in trades[at + 1 :] if trade.ts >= self._last_ts or at >= 0)

    def _advance(self, trade: Fill) -> None:
        self._known[trade.trade_id] = None
        if len(self._known) > self._remembered:
            del self._known[next(iter(self._known))]
        self._last = trade.trade_id
        self._last_ts = max(self._last_ts, trade.ts)
