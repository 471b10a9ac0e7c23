"""How OKX's public connection is spoken to. https://www.okx.com/docs-v5/en/ (WebSocket: Connect, Subscribe).

Trades are taken from `trades`, which tells the fills of one taker order at one price as one, with their number: single
fills are to be had at another address only, and would then come out of step with the book.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from connectors.live.wire import BookMessage, BookRule, Event, Reply, Request, TradeMessage
from connectors.okx.book_rule import OkxBookRule
from connectors.okx.messages import Answer, Decoded, decode
from engine.codes import Channel
from engine.instrument import Instrument

PATH = "/ws/v5/public"
#: The server hangs up after 30 s in which it was sent nothing and had nothing to send.
PING_EVERY = 20.0
#: Requests of at most 64 KB, 480 an hour and 3 a second: many markets go into one.
_ARGS = 100
_NAME = {Channel.BOOK: "books", Channel.TRADES: "trades", Channel.LIQUIDATIONS: "liquidation-orders"}
#: An error names what it refuses in its text only.
_REFUSED = re.compile(r"channel:([a-z0-9-]{1,40}),\s*instId:([A-Za-z0-9_-]{1,100})")
_MOST_NAMES = 10_000  # that a hostile server can make us remember


class OkxDialect:
    """One connection, for markets of one type (as the venue calls it: SWAP): liquidations come of all of them."""

    def __init__(self, url: str, type: str = "SPOT") -> None:
        self._url, self._type = url, type
        self._requests: dict[str, tuple[str, ...]] = {}
        self._sent = 0
        self._traded: set[str] = set()  # whose trades have begun to come

    @property
    def url(self) -> str:
        """Where to connect."""
        return self._url

    @property
    def ping(self) -> tuple[float, str] | None:
        """A text frame, answered by a text frame."""
        return PING_EVERY, "ping"

    def connected(self) -> None:
        """A new connection begins."""
        self._requests.clear()
        self._traded.clear()

    def opening(self) -> Sequence[Request]:
        """Changes of the listing tell when a market is no longer traded."""
        return [self._request("subscribe", [("instruments", "instType", self._type)])]

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """Requests, answered by topic."""
        self._traded.difference_update(native for native, channel in markets if channel is Channel.TRADES)
        return list(self._ask("subscribe", markets))

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """Likewise."""
        return list(self._ask("unsubscribe", markets))

    def decode(self, frame: bytes) -> Sequence[Event]:
        """The events of a frame. Raises FrameError."""
        events = decode(frame)
        if len(events) == 1 and type(events[0]) is BookMessage:
            return events  # type: ignore[return-value]
        return [self._event(x) for x in events]

    def rule(self, instrument: Instrument) -> BookRule:
        """The sequence rule; it is the same for all markets."""
        return OkxBookRule()

    def _event(self, x: Decoded) -> Event:
        if isinstance(x, Answer):
            return self._reply(x)
        if isinstance(x, TradeMessage) and x.native not in self._traded:
            if len(self._traded) >= _MOST_NAMES:
                self._traded.clear()
            self._traded.add(x.native)
            # A subscription begins with the newest trade before it (half a minute old in quiet markets).
            return TradeMessage(x.native, x.fills, history=True)
        return x

    def _ask(self, op: str, markets: Sequence[tuple[str, Channel]]) -> Iterator[Request]:
        wanted = list(dict.fromkeys(self._arg(native, channel) for native, channel in markets))
        for at in range(0, len(wanted), _ARGS):
            yield self._request(op, wanted[at : at + _ARGS])

    def _request(self, op: str, about: Sequence[tuple[str, str, str]]) -> Request:
        self._sent += 1
        number = str(self._sent)
        args = [{"channel": channel, key: it} for channel, key, it in about]
        topics = tuple(_topic(op, channel, it) for channel, _, it in about)
        self._requests[number] = topics
        return Request(msgspec.json.encode({"id": number, "op": op, "args": args}).decode(), topics=topics)

    def _arg(self, native: str, channel: Channel) -> tuple[str, str, str]:
        """The channel, and what it is about."""
        if channel is Channel.LIQUIDATIONS:
            return _NAME[channel], "instType", self._type
        return _NAME[channel], "instId", native

    def _reply(self, a: Answer) -> Reply:
        if a.event != "error":
            return Reply((_topic(a.event, a.channel, a.about),))
        asked = self._requests.get(a.id, ())
        found = _REFUSED.search(a.text)
        if found:
            named = tuple(_topic(op, found[1], found[2]) for op in ("subscribe", "unsubscribe"))
            return Reply(tuple(t for t in named if t in asked) or named[:1], error=a.text)
        return Reply(asked, error=a.text)


def _topic(op: str, channel: str, about: str) -> str:
    return f"{op} {channel} {about}"
