"""Which messages make a book: every one is all of it.

Hyperliquid sends its best levels whole and without a number, so each message is a book by itself, but whether one
before it is missing can't be told. What can be told is the time of the block: a message from before the book is
left out.
"""

from __future__ import annotations

from connectors.hyperliquid.messages import Book
from connectors.live.wire import Step, Update, Verdict

# So many older messages in a row: the venue's time has been set back.
_SET_BACK = 20


class HyperliquidRule:
    """One market's book."""

    def __init__(self) -> None:
        self._time: int | None = None
        self._older = 0

    @property
    def synced(self) -> bool:
        """Whether there is a book."""
        return self._time is not None

    def reset(self) -> None:
        """Forget everything: the next message is the book."""
        self._time, self._older = None, 0

    def take(self, message: object) -> Verdict:
        """The next book message of the stream."""
        assert isinstance(message, Book)
        if self._time is not None and message.time < self._time:
            self._older += 1
            if self._older < _SET_BACK:
                return Step.OLD
        self._time, self._older = message.time, 0
        return (Update(message.ts, message.time, message.bids, message.asks, True),)
