"""What is done when messages come faster than they can be taken in: book updates are merged, trades never are.

Every update still passes its rule. But the levels that several of them name reach the engine as one message, which
spares it the work that every message costs; the newest size of a level counts, so the book is the same in the end.
"""

from __future__ import annotations

import asyncio

from connectors.live.wire import Update

#: A reader that has not had to wait for a frame for so many seconds is behind.
PATIENCE = 0.25


class Backlog:
    """Whether the reader of a socket keeps up. It does when now and then it has to wait for the next frame."""

    def __init__(self) -> None:
        self.behind = False
        self._turn = 0  # of the event loop; counted only while somebody asks
        self._armed = False
        self._rested: float | None = None

    def begin(self, now: float) -> None:
        """A connection is read from here."""
        self.behind, self._rested = False, now

    def before(self) -> int:
        """To be called right before a frame is waited for; the answer is for `after`."""
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_soon(self._count)
        return self._turn

    def after(self, turn: int, now: float) -> None:
        """The frame is there. When the event loop has turned meanwhile, it was waited for."""
        if turn != self._turn or self._rested is None:
            self._rested, self.behind = now, False
        else:
            self.behind = now - self._rested > PATIENCE

    def _count(self) -> None:
        self._turn += 1
        self._armed = False


class Merged:
    """Updates of one market's book that wait to be told as one."""

    def __init__(self) -> None:
        self.count = 0  # updates that were told together with others
        self._waiting = 0
        self._ts = self._seq = 0
        self._sides: tuple[dict[str, float], dict[str, float]] = ({}, {})

    def add(self, update: Update) -> None:
        """One more."""
        self._waiting += 1
        self._ts, self._seq = max(self._ts, update.ts), update.seq
        self._sides[0].update(update.bids)
        self._sides[1].update(update.asks)

    def take(self) -> Update | None:
        """All of them as one; None when there are none."""
        if not self._waiting:
            return None
        bids, asks = self._sides
        update = Update(self._ts, self._seq, list(bids.items()), list(asks.items()))
        self.count += self._waiting - 1
        self.clear()
        return update

    def clear(self) -> None:
        """The book they belong to is gone."""
        self._waiting, self._ts, self._sides = 0, 0, ({}, {})
