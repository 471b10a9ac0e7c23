"""Which updates make a Deribit book: a snapshot, and changes that each name the one before.

https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval: `prev_change_id` of a change equals
`change_id` of the message before it, else messages are missing, and the channel is subscribed to anew.
"""

from __future__ import annotations

from connectors.deribit.messages import Book
from connectors.live.wire import Broken, Step, Update, Verdict
from engine.codes import Reason


class DeribitBook:
    """The sequence rule of one market; a `BookRule`."""

    def __init__(self) -> None:
        self._last: int | None = None

    @property
    def synced(self) -> bool:
        """See BookRule."""
        return self._last is not None

    def reset(self) -> None:
        """See BookRule."""
        self._last = None

    def take(self, message: object) -> Verdict:
        """See BookRule."""
        assert isinstance(message, Book)
        m = message
        if m.snapshot:
            self._last = m.change
            # A snapshot has no levels to delete; a delete in it would be one of size 0.
            return (Update(m.ts, m.change, m.bids, m.asks, snapshot=True),)
        if self._last is None:
            return Step.WAIT
        if m.previous != self._last:
            if m.change <= self._last:
                return Step.OLD  # it came twice
            self._last = None
            return Broken(Reason.SEQUENCE_GAP)
        self._last = m.change
        return (Update(m.ts, m.change, m.bids, m.asks),)
