"""Which messages of `level2` make a book.

A snapshot of the whole book begins a subscription and absolute sizes follow. What proves that none is missing is the
number of the connection's frames, which the dialect watches; here it is only left to wait for the snapshot.
"""

from __future__ import annotations

from connectors.coinbase.messages import Book
from connectors.live.wire import Step, Update, Verdict


class CoinbaseBookRule:
    """One market's book."""

    def __init__(self) -> None:
        self._last: int | None = None  # number of the last frame in the book

    @property
    def synced(self) -> bool:
        """Whether there is a book that updates continue."""
        return self._last is not None

    def reset(self) -> None:
        """Forget everything."""
        self._last = None

    def take(self, message: object) -> Verdict:
        """The next message of the stream."""
        assert isinstance(message, Book)
        m = message
        if not m.snapshot:
            if self._last is None:
                return Step.WAIT
            if not (m.bids or m.asks):
                return Step.OLD
        self._last = m.seq
        return (Update(m.ts, m.seq, m.bids, m.asks, m.snapshot),)
