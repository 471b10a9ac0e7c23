"""Which updates make a Deribit book: a snapshot, and changes that each name the one before.

https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval: `prev_change_id` of a change equals
`change_id` of the message before it, else messages are missing, and the channel is subscribed to anew. Only what came
twice may fail to follow: a number that was garbled upwards must not make everything after it look old.
"""

from __future__ import annotations

from connectors.deribit.messages import Book
from connectors.live.wire import Broken, Step, Update, Verdict
from engine.codes import Reason


class DeribitBook:
    """The sequence rule of one market; a `BookRule`."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._before: int | None = None  # the message that the last one followed; None: that was a snapshot

    @property
    def synced(self) -> bool:
        """See BookRule."""
        return self._last is not None

    def reset(self) -> None:
        """See BookRule."""
        self._last = self._before = None

    def take(self, message: object) -> Verdict:
        """See BookRule."""
        assert isinstance(message, Book)
        m = message
        if m.snapshot:
            self._last, self._before = m.change, None
            return (Update(m.ts, m.change, m.bids, m.asks, snapshot=True),)
        last, before = self._last, self._before
        if last is None:
            return Step.WAIT
        if m.previous == last:
            self._last, self._before = m.change, last
            return (Update(m.ts, m.change, m.bids, m.asks),)
        if before is not None and (m.change <= before or (m.change == last and m.previous == before)):
            return Step.OLD
        self.reset()
        return Broken(Reason.SEQUENCE_GAP)
