"""The mid in force: what a trade met, and what a moment had.

A row of the touch carries a mid when it is valid and two-sided. A crossed or locked row neither has a mid nor
is one lost: the last valid one of the same epoch stays in force. A one-sided book has no mid. No mid outlives
its epoch: after a snapshot or a loss it is unknown until a valid two-sided row comes. METRICS 0.1, 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.metrics.batch import NO_ASK, NO_BID, Quotes
from engine.metrics.calculator import State
from engine.metrics.windows import check_state
from engine.tape import Ints


@dataclass(frozen=True, slots=True)
class Mids:
    """A step function over the quotes of a batch and, first, what was in force before them. Shape (n + 1,), int64."""

    t: Ints  # clock, ns
    seq: Ints
    twice: Ints  # bid + ask in half-ticks; 0: there is no mid
    epoch: Ints
    fresh: Ints  # the last two without what was in force before, shape (2, n): levels for bars

    def met(self, seq: Ints) -> Ints:
        """Row in force strictly before each message number."""
        return np.maximum(self.seq.searchsorted(seq, "left") - 1, 0)

    def at(self, times: Ints) -> Ints:
        """Row in force when all rows up to each time have come; none of the times lies before the batch."""
        return np.maximum(self.t.searchsorted(times, "right") - 1, 0)


class PrevailingMid:
    """Carries the mid in force from batch to batch."""

    def __init__(self) -> None:
        self._last = np.array([0, 0, 0, -1], np.int64)  # t, seq, twice, epoch: of the last row

    def extend(self, quotes: Quotes) -> Mids:
        """The mids of a batch's quotes; the last one is in force from then on."""
        if not len(quotes):
            return self._extended(quotes)
        key = ("mids", self._last.tobytes())
        known: tuple[Mids, Ints] | None = quotes.memo.get(key)
        if known is None:
            mids = self._extended(quotes)
            quotes.memo[key] = mids, self._last
            return mids
        mids, self._last = known
        return mids

    def _extended(self, quotes: Quotes) -> Mids:
        rows = np.empty((4, len(quotes) + 1), np.int64)
        rows[:, 0] = self._last
        if len(quotes):
            twice = quotes.bid + quotes.ask
            rows[0, 1:], rows[1, 1:], rows[3, 1:] = quotes.t, quotes.seq, quotes.epoch
            rows[2, 1:] = twice * ((quotes.bid != NO_BID) & (quotes.ask != NO_ASK) & (twice > 0))
            if not quotes.valid.all():
                self._bridge(rows, quotes)
            self._last = rows[:, -1].copy()
        return Mids(rows[0], rows[1], rows[2], rows[3], rows[2:, 1:])

    @staticmethod
    def _bridge(rows: Ints, quotes: Quotes) -> None:
        """Rows that are not valid keep the last valid mid of their epoch."""
        index = np.arange(rows.shape[1])
        source = index.copy()
        source[1:][~quotes.valid] = 0
        source = np.maximum.accumulate(source)
        rows[2] = np.where(rows[3][source] == rows[3], rows[2][source], 0)

    @property
    def now(self) -> tuple[int, int]:
        """(bid + ask in half-ticks, or 0; epoch) in force after the last quote."""
        return int(self._last[2]), int(self._last[3])

    def state(self) -> State:
        return {"kind": "prevailing mid", "version": 1, "last": self._last.copy()}

    def restore(self, state: State) -> None:
        check_state(state, "prevailing mid", 1)
        self._last = np.array(state["last"], np.int64).reshape(4)
