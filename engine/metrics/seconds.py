"""The mid on a grid of whole seconds, and the calculators that stand on it. METRICS 0.2, 1.10.

The mid of a second is that of the last book message at or before it (previous tick). It is unknown while
that book has no valid mid, and after `STALE` without a book message. Seconds are anchored at the Unix epoch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import log1p
from typing import Any

import numpy as np

from engine.metrics.batch import Batch, Floats, Quotes
from engine.metrics.calculator import State
from engine.metrics.windows import check_state
from engine.tape import NO_ASK, NO_BID, Ints

SECOND = 1_000_000_000
#: A book that has said nothing for so long (ns) has no mid.
STALE = 300 * SECOND
#: Seconds of a year, to annualise.
YEAR_S = 365.25 * 86_400
_NONE = np.empty(0, np.int64)


def log_return(before: int, after: int) -> float:
    """ln(after / before) of positive numbers, accurate however small the step is."""
    return log1p((after - before) / before)


class SecondMids:
    """Turns quotes into the known seconds and their mids: bid + ask in ticks."""

    def __init__(self) -> None:
        self._quote: tuple[int, int] | None = None  # clock ns and bid + ask of the latest quote, 0 without a mid
        self.next = 0  # seconds since the epoch: the first one not yet given out

    def take(self, quotes: Quotes, end: int) -> tuple[Ints, Ints]:
        """(seconds in ns, bid + ask) of the known seconds before `end` (the clock) not given out yet."""
        stop = -(-end // SECOND)
        if len(quotes):
            t, mid = self._in_force(quotes)
            held = self._quote
            self._quote = (int(t[-1]), max(0, int(mid[-1])))
            if stop > self.next:
                if held is not None:
                    t, mid = np.concatenate(([held[0]], t)), np.concatenate(([held[1]], mid))
                return self._seconds(t, mid, stop)
        elif stop > self.next and self._quote is not None:
            return self._seconds(np.array([self._quote[0]]), np.array([self._quote[1]]), stop)
        self.next = max(self.next, stop)
        return _NONE, _NONE

    @staticmethod
    def _in_force(quotes: Quotes) -> tuple[Ints, Ints]:
        """(clock, bid + ask, 0 without a mid) of the quotes that may hold at a whole second: of those before the same
        second the last."""
        known: tuple[Ints, Ints] | None = quotes.memo.get("at seconds")
        if known is None:
            rows = np.flatnonzero(np.diff(-(-quotes.t // SECOND), append=-1))
            bid, ask = quotes.bid[rows], quotes.ask[rows]
            mid = np.where(quotes.valid[rows] & (bid != NO_BID) & (ask != NO_ASK), bid + ask, 0)
            known = quotes.memo["at seconds"] = quotes.t[rows], mid
        return known

    def ahead(self, t: int) -> tuple[Ints, Ints]:
        """The known seconds up to `t` (inclusive) as they will be if nothing more happens; changes nothing."""
        stop = t // SECOND + 1
        if self._quote is None or stop <= self.next:
            return _NONE, _NONE
        following = self.next
        seconds = self._seconds(np.array([self._quote[0]]), np.array([self._quote[1]]), stop)
        self.next = following
        return seconds

    def _seconds(self, t: Ints, mid: Ints, stop: int) -> tuple[Ints, Ints]:
        """Each quote holds from its time to the next one's, but not for longer than `STALE`."""
        first = np.maximum(-(-t // SECOND), self.next)
        last = np.minimum(np.append(first[1:], stop), (t + STALE) // SECOND + 1)
        count = np.where(mid > 0, np.maximum(last - first, 0), 0)
        self.next = stop
        total = int(count.sum())
        if not total:
            return _NONE, _NONE
        some = np.flatnonzero(count)
        first, count = first[some], count[some]
        offset = np.repeat(np.cumsum(count) - count, count)
        return (np.repeat(first, count) + np.arange(total) - offset) * SECOND, np.repeat(mid[some], count)

    def state(self) -> State:
        return {"kind": "second mids", "version": 1, "quote": self._quote and list(self._quote), "next": self.next}

    def restore(self, state: State) -> None:
        check_state(state, "second mids", 1)
        self._quote = None if state["quote"] is None else (state["quote"][0], state["quote"][1])
        self.next = state["next"]


class OnSeconds(ABC):
    """A calculator of the mids of whole seconds.

    A second is closed when the clock has passed it. A sample at or after the clock closes what lies before
    it, reads, and takes it back; so a value is that of its instant, whatever the cut.
    """

    def __init__(self) -> None:
        self._mids = SecondMids()

    @abstractmethod
    def close(self, seconds: Ints, mids: Ints) -> None:
        """Known seconds (ns, ascending) and bid + ask in ticks, of shape (n,), n >= 1."""

    @abstractmethod
    def read(self, field: str, times: Ints) -> Floats:
        """As `Calculator.sample`, from the closed seconds."""

    @abstractmethod
    def mark(self) -> Any:
        """What `rewind` needs to undo every `close` from now on."""

    @abstractmethod
    def rewind(self, mark: Any) -> None:
        """Undo what was closed since the mark."""

    def update(self, batch: Batch) -> None:
        seconds, mids = self._mids.take(batch.quotes, batch.end)
        if len(seconds):
            self.close(seconds, mids)

    def sample(self, field: str, times: Ints) -> Floats:
        if len(times) and int(times[-1]) // SECOND >= self._mids.next:
            seconds, mids = self._mids.ahead(int(times[-1]))
            if len(seconds):
                mark = self.mark()
                self.close(seconds, mids)
                values = self.read(field, times)
                self.rewind(mark)
                return values
        return self.read(field, times)


class Returns:
    """Log returns of adjacent known seconds: one row a second, NaN where the second before is unknown."""

    def __init__(self) -> None:
        self.last: tuple[int, int] | None = None  # the latest known second and its mid

    def of(self, seconds: Ints, mids: Ints) -> list[float]:
        """Returns that end at these seconds; carries the last one on."""
        returns = []
        held = self.last
        for t, mid in zip(seconds.tolist(), mids.tolist(), strict=True):
            if held is None or t - held[0] != SECOND:
                returns.append(float("nan"))
            else:
                returns.append(log_return(held[1], mid) if mid != held[1] else 0.0)
            held = (t, mid)
        self.last = held
        return returns

    def state(self) -> State:
        return {"kind": "returns", "version": 1, "last": self.last and list(self.last)}

    def restore(self, state: State) -> None:
        check_state(state, "returns", 1)
        self.last = None if state["last"] is None else (state["last"][0], state["last"][1])
