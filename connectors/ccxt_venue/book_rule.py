"""Books that come whole at every change: the first is a snapshot, then what has changed since."""

from __future__ import annotations

from typing import cast

from msgspec import Struct

from connectors.live.wire import Step, Update, Verdict
from engine.feed import Levels


class WholeBook(Struct, gc=False, frozen=True):
    """The best levels of both sides, best first."""

    ts: int  # ns
    seq: int
    bids: Levels
    asks: Levels


class ChangesOf:
    """A `connectors.live.wire.BookRule` that has no rule: nothing in it could show that something is missing."""

    def __init__(self) -> None:
        self._sides: tuple[dict[str, float], dict[str, float]] | None = None

    @property
    def synced(self) -> bool:
        """See BookRule."""
        return self._sides is not None

    def take(self, message: object) -> Verdict:
        """See BookRule."""
        book = cast(WholeBook, message)
        now = dict(book.bids), dict(book.asks)
        if self._sides is None:
            if not (book.bids or book.asks):
                return Step.WAIT  # not told yet
            self._sides = now
            return (Update(book.ts, book.seq, book.bids, book.asks, snapshot=True),)
        bids, asks = (_changes(before, after) for before, after in zip(self._sides, now, strict=True))
        self._sides = now
        return (Update(book.ts, book.seq, bids, asks),) if bids or asks else Step.OLD

    def reset(self) -> None:
        """See BookRule."""
        self._sides = None


def _changes(before: dict[str, float], after: dict[str, float]) -> list[tuple[str, float]]:
    gone = [(price, 0.0) for price in before if price not in after]
    return gone + [(price, size) for price, size in after.items() if before.get(price) != size]
