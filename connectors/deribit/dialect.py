"""How a connection to Deribit speaks: JSON-RPC 2.0.

https://docs.deribit.com/api-reference/session-management/public-set_heartbeat: the venue sends `test_request`s, and
closes a connection that does not answer them with `public/test`. A subscription is answered by the list of the channels
that were accepted; the others are refused without a word. `100ms` is the fastest interval without an account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.deribit.book_rule import DeribitBook
from connectors.deribit.messages import Answer, Book, State, TestRequest, Trades, decode
from connectors.live.wire import BookMessage, BookRule, Ended, Event, Fill, Reply, Request, Respond, TradeMessage
from engine.codes import Channel
from engine.instrument import Instrument

_CHANNELS_A_FRAME = 100
_HEARTBEAT = 30
_CHANNELS = {Channel.BOOK: "book.{}.100ms", Channel.TRADES: "trades.{}.100ms"}
_LIFECYCLE = ("instrument.state.future.any", "instrument.state.option.any", "instrument.state.spot.any")
_OVER = frozenset({"closed", "terminated", "delivered", "archivized"})


class DeribitDialect:
    """A `Dialect` of Deribit."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = 0
        self._asked: dict[int, set[str]] = {}  # request -> the channels it named

    @property
    def url(self) -> str:
        """See Dialect."""
        return self._url

    @property
    def ping(self) -> tuple[float, str] | None:
        """See Dialect: the venue asks, and WebSocket pings do the rest."""
        return None

    def connected(self) -> None:
        """See Dialect."""
        self._asked.clear()

    def opening(self) -> Sequence[Request]:
        """See Dialect."""
        return (
            self._request("public/set_heartbeat", {"interval": _HEARTBEAT}),
            self._request("public/subscribe", {"channels": list(_LIFECYCLE)}),
        )

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """See Dialect."""
        return self._requests("public/subscribe", markets)

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """See Dialect."""
        return self._requests("public/unsubscribe", markets)

    def _requests(self, method: str, markets: Sequence[tuple[str, Channel]]) -> list[Request]:
        channels = [_CHANNELS[channel].format(native) for native, channel in markets]
        requests = []
        for i in range(0, len(channels), _CHANNELS_A_FRAME):
            part = channels[i : i + _CHANNELS_A_FRAME]
            requests.append(self._request(method, {"channels": part}))
            if method == "public/subscribe":
                self._asked[self._numbers] = set(part)
        return requests

    def _request(self, method: str, params: dict[str, Any]) -> Request:
        self._numbers += 1
        frame = {"jsonrpc": "2.0", "id": self._numbers, "method": method, "params": params}
        return Request(msgspec.json.encode(frame).decode(), self._numbers)

    def decode(self, frame: bytes) -> Sequence[Event]:
        """See Dialect."""
        events: list[Event] = []
        for message in decode(frame):
            if type(message) is Book:
                events.append(BookMessage(message.native, message.ts, message))
            elif type(message) is Trades:
                trades = sorted(message.trades, key=lambda t: t.seq)
                fills = [Fill(t.seq, t.ts, t.price, t.size, t.side, t.flags) for t in trades]
                events.append(TradeMessage(trades[0].native, fills))
            elif type(message) is Answer:
                events.append(self._reply(message))
            elif type(message) is TestRequest:
                events.append(Respond(self._request("public/test", {}).frame))
            elif type(message) is State and message.state in _OVER:
                events.append(Ended(message.native))
        return events

    def _reply(self, a: Answer) -> Reply:
        refused = self._asked.pop(a.request or 0, set()) - set(a.channels)
        error = a.error
        if error is None and refused:
            error = f"no such channel: {', '.join(sorted(refused))[:200]}"
        return Reply(a.channels, a.request, error)

    def rule(self, instrument: Instrument) -> BookRule:
        """See Dialect."""
        return DeribitBook()
