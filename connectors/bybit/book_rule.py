"""Which messages make a book: Bybit counts the messages of a topic.

https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook

- The first message of a topic is a snapshot; any later snapshot replaces the book.
- `u` of a delta is that of the message before it plus one. `u` = 1 comes with the snapshot after a restart of the
  venue's service.
- `seq` orders messages across topics but has holes, so it proves nothing and is not read.
"""

from __future__ import annotations

from typing import cast

from connectors.bybit.messages import Book
from connectors.live.wire import Broken, Step, Update, Verdict
from engine.codes import Reason


class BybitRule:
    """The sequence of one market's book."""

    def __init__(self) -> None:
        self._last: int | None = None  # `u` of the newest message in the book; None while there is no book
        self._topic = ""
        self._depth = 0

    @property
    def synced(self) -> bool:
        """Whether there is a book that deltas continue."""
        return self._last is not None

    def reset(self) -> None:
        """Forget everything: the next snapshot begins anew."""
        self._last, self._topic, self._depth = None, "", 0

    def take(self, message: object) -> Verdict:
        """The next book message of the stream."""
        m = cast(Book, message)
        data, last = m.data, self._last
        if last is not None and data.update == last + 1 and m.type == "delta" and m.topic == self._topic:
            self._last = data.update  # the usual case, in one step
            return (Update((m.engine_time or m.sent) * 1_000_000, data.update, data.bids, data.asks),)
        if m.topic != self._topic and not self._adopt(m):
            return Step.OLD if self._topic else Step.WAIT
        if m.type == "snapshot":
            self._last = data.update
            return (Update(m.ts, data.update, data.bids, data.asks, True),)
        if last is None:
            return Step.WAIT
        if 1 < data.update <= last:
            return Step.OLD
        # Beyond the next: messages are missing. 1: the service began anew and its snapshot is missing.
        self.reset()
        return Broken(Reason.SEQUENCE_GAP)

    def _adopt(self, message: Book) -> bool:
        """Of several depths of one market (recorded sessions) the deepest is followed; each counts for itself."""
        if message.type != "snapshot" or message.depth < self._depth:
            return False
        self._topic, self._depth = message.topic, message.depth
        return True
