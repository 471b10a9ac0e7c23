"""How Coinbase's Advanced Trade connection is spoken to, and the numbers of its frames.

`sequence_num` counts the frames of the connection across all channels and products. One that is skipped may have been
anybody's, so it puts every book of the connection in doubt.
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from connectors.coinbase.book_rule import CoinbaseBookRule
from connectors.coinbase.messages import Frame, Refused, Subscribed, decode
from connectors.live.wire import BookMessage, BookRule, Event, Reply, Request, Tainted, TradeMessage
from engine.codes import Channel, Reason
from engine.instrument import Instrument

URL = "wss://advanced-trade-ws.coinbase.com"
#: Products in one request.
_PRODUCTS = 50
_NAME = {Channel.BOOK: "level2", Channel.TRADES: "market_trades"}
#: So many frames in a row with old numbers that follow one another: the venue counts anew. One is enough where it
#: goes on as if the number that skipped some had been misread.
_RECOUNTED = 10


class CoinbaseDialect:
    """One connection."""

    def __init__(self, url: str = URL) -> None:
        self._url = url
        self._last: int | None = None  # number of the newest frame
        self._else: int | None = None  # the next number if the one that skipped some was misread
        self._late: int | None = None  # number of the last frame that came with an old number
        self._late_run = 0
        self._wanted: set[str] = set()  # asked for and not yet confirmed
        self._unwanted: set[str] = set()

    @property
    def url(self) -> str:
        """Where to connect."""
        return self._url

    @property
    def ping(self) -> tuple[float, str] | None:
        """WebSocket pings do."""
        return None

    def connected(self) -> None:
        """A new connection begins, and with it a new count."""
        self._last = self._late = self._else = None
        self._late_run = 0
        self._wanted.clear()
        self._unwanted.clear()

    def opening(self) -> Sequence[Request]:
        """Heartbeats every second: without them quiet channels are closed after 60 to 90 s, and whoever has asked
        for nothing within 5 s is thrown out."""
        return (Request('{"type":"subscribe","channel":"heartbeats"}'),)

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """Requests, answered by topic."""
        return list(self._ask("subscribe", markets))

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """Likewise."""
        return list(self._ask("unsubscribe", markets))

    def decode(self, frame: bytes) -> Sequence[Event]:
        """The events of a frame. Raises FrameError; what it was is then missing in the count, for it may have been
        several markets'."""
        return self._in_sequence(decode(frame))

    def rule(self, instrument: Instrument) -> BookRule:
        """A fresh rule."""
        return CoinbaseBookRule()

    def _in_sequence(self, frame: Frame) -> Sequence[Event]:
        number, last = frame.sequence, self._last
        if number is None:
            return list(self._events(frame))
        if last is None or number == last + 1:
            self._last, self._else, self._late_run = number, None, 0
            return list(self._events(frame))
        if number > last:
            self._last, self._else, self._late_run = number, last + 2, 0
            return [Tainted(Reason.SEQUENCE_GAP), *self._events(frame)]
        return self._behind(number, frame)

    def _behind(self, number: int, frame: Frame) -> Sequence[Event]:
        """A repeated or late frame: its trades are told apart by their ids, its book changes are out of date."""
        self._late_run = self._late_run + 1 if self._late is not None and number == self._late + 1 else 1
        self._late = number
        if self._late_run >= _RECOUNTED or number == self._else:
            self._last, self._else, self._late_run = number, None, 0
            return [Tainted(Reason.SEQUENCE_GAP), *self._events(frame)]
        return [x for x in self._events(frame) if not isinstance(x, BookMessage)]

    def _events(self, frame: Frame) -> Iterator[Event]:
        for x in frame.content:
            if isinstance(x, BookMessage | TradeMessage):
                yield x
            elif isinstance(x, Subscribed):
                reply = self._confirmed(x)
                if reply.topics:
                    yield reply
            else:
                yield self._refused(x)

    def _confirmed(self, answer: Subscribed) -> Reply:
        """It lists everything subscribed to: what we wait for and is in it, and what we gave up and is not."""
        listed = {f"{channel} {product}" for channel, product in answer.topics}
        begun, ended = self._wanted & listed, self._unwanted - listed
        self._wanted -= begun
        self._unwanted -= ended
        return Reply(sorted({f"subscribe {x}" for x in begun} | {f"unsubscribe {x}" for x in ended}))

    def _refused(self, refusal: Refused) -> Reply:
        """Which request an error answers is only said in its text, if at all: else it concerns all that are open."""
        open_topics = {f"subscribe {x}": x for x in self._wanted} | {f"unsubscribe {x}": x for x in self._unwanted}
        named = [topic for topic, x in open_topics.items() if x.partition(" ")[2] in refusal.text]
        return Reply(sorted(named or open_topics), error=refusal.text)

    def _ask(self, kind: str, markets: Sequence[tuple[str, Channel]]) -> Iterator[Request]:
        by_channel: dict[Channel, list[str]] = {}
        for native, channel in markets:
            by_channel.setdefault(channel, []).append(native)
        for channel, natives in by_channel.items():
            for at in range(0, len(natives), _PRODUCTS):
                part, name = natives[at : at + _PRODUCTS], _NAME[channel]
                topics = [f"{name} {native}" for native in part]
                ours, other = (self._wanted, self._unwanted) if kind == "subscribe" else (self._unwanted, self._wanted)
                ours.update(topics)
                other.difference_update(topics)
                frame = msgspec.json.encode({"type": kind, "product_ids": part, "channel": name}).decode()
                yield Request(frame, topics=tuple(f"{kind} {topic}" for topic in topics))
