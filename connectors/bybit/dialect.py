"""How a connection to Bybit speaks. https://bybit-exchange.github.io/docs/v5/ws/connect"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.bybit.book_rule import BybitRule
from connectors.bybit.instruments import DEPTH
from connectors.bybit.messages import decode
from connectors.live.wire import BookRule, Request
from engine.codes import Channel
from engine.instrument import Instrument

#: Topics in one request: spot allows no more.
TOPICS_A_REQUEST = 10
_TOPICS = {
    Channel.BOOK: f"orderbook.{DEPTH}",
    Channel.TRADES: "publicTrade",
    Channel.LIQUIDATIONS: "allLiquidation",
}
_PING_EVERY = 20.0


class BybitDialect:
    """One connection to one of the categories (`spot`, `linear`, `inverse`)."""

    def __init__(self, root: str, category: str) -> None:
        """`root`: such as wss://stream.bybit.com, without a slash at its end."""
        self._url = f"{root}/v5/public/{category}"
        self._number = 0

    @property
    def url(self) -> str:
        """Where to connect."""
        return self._url

    @property
    def ping(self) -> tuple[float, str] | None:
        """A connection that says nothing for 10 minutes is cut, and a proxy on the way does it earlier."""
        return _PING_EVERY, '{"op":"ping"}'

    def connected(self) -> None:
        """Nothing of a connection is remembered: topics count for themselves."""

    def opening(self) -> Sequence[Request]:
        """Nothing is needed."""
        return ()

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """Requests for channels of markets."""
        return self._requests("subscribe", markets)

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """The opposite."""
        return self._requests("unsubscribe", markets)

    #: The events of a frame. Raises FrameError and nothing else. (No method around it: it is called for every frame.)
    decode = staticmethod(decode)

    def rule(self, instrument: Instrument) -> BookRule:
        """A fresh rule for a market's book."""
        return BybitRule()

    def _requests(self, op: str, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        topics = [f"{_TOPICS[channel]}.{native}" for native, channel in markets]
        requests = []
        for start in range(0, len(topics), TOPICS_A_REQUEST):
            self._number += 1
            frame = {"op": op, "req_id": str(self._number), "args": topics[start : start + TOPICS_A_REQUEST]}
            requests.append(Request(msgspec.json.encode(frame).decode(), self._number))
        return requests
