"""Frames of Hyperliquid's socket, decoded in one typed pass.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions. A frame is
`{"channel":…,"data":…}`; a coin is the venue's name of a market (`BTC`, `@107`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from connectors.live.wire import BookMessage, Event, Fill, FrameError, Reply, TradeMessage
from engine.codes import Channel

#: A size as a finite number >= 0 (NaN and infinities fail the range check).
Size = Annotated[float, Meta(ge=0, le=1e18)]
#: Milliseconds since the Unix epoch.
Millis = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Text = Annotated[str, Meta(min_length=1, max_length=40)]

_COIN = re.compile(rb'"coin"\s*:\s*"([\w@:/.-]{1,40})"')
_CHANNEL = re.compile(rb'"channel"\s*:\s*"(l2Book|trades)"')
_CHANNELS = {b"l2Book": Channel.BOOK, b"trades": Channel.TRADES}
_NAMES = {"l2Book": Channel.BOOK, "trades": Channel.TRADES}


class _Level(Struct, gc=False, frozen=True):
    price: Text = field(name="px")
    size: Size = field(name="sz")


class Book(Struct, gc=False, frozen=True):
    """The best levels of a market, best first: the whole of what the venue publishes."""

    coin: Text
    levels: tuple[list[_Level], list[_Level]]
    time: Millis

    @property
    def ts(self) -> int:
        """Exchange time in ns: of the block the book is of."""
        return self.time * 1_000_000

    @property
    def bids(self) -> list[tuple[str, float]]:
        """Price text and size."""
        return [(level.price, level.size) for level in self.levels[0]]

    @property
    def asks(self) -> list[tuple[str, float]]:
        """Price text and size."""
        return [(level.price, level.size) for level in self.levels[1]]


class Trade(Struct, gc=False, frozen=True):
    """One execution; `tid` is unique and says nothing of the order."""

    coin: Text
    side: Literal["B", "A"]  # of the taker: B bought, A sold
    price: Text = field(name="px")
    size: Text = field(name="sz")
    time: Millis
    tid: Id

    @property
    def fill(self) -> Fill:
        """As every venue's trades."""
        return Fill(self.tid, self.time * 1_000_000, self.price, self.size, 1 if self.side == "B" else -1)


class _Subscription(Struct, gc=False):
    type: str = ""
    coin: str = ""


class _Answer(Struct, gc=False):
    subscription: _Subscription = field(default_factory=_Subscription)


class _BookFrame(Struct, gc=False):
    data: Book


class _TradesFrame(Struct, gc=False):
    data: list[Trade]


class _AnswerFrame(Struct, gc=False):
    data: _Answer


class _ErrorFrame(Struct, gc=False):
    data: str


class _Probe(Struct, gc=False):
    channel: str = ""
    levels: msgspec.Raw = msgspec.Raw(b"")


_book = msgspec.json.Decoder(_BookFrame, strict=False).decode
_bare = msgspec.json.Decoder(Book, strict=False).decode
_trades = msgspec.json.Decoder(_TradesFrame, strict=False).decode
_answer = msgspec.json.Decoder(_AnswerFrame).decode
_error = msgspec.json.Decoder(_ErrorFrame).decode
_named = msgspec.json.Decoder(_Answer).decode
_subscription = msgspec.json.Decoder(_Subscription).decode
_probe = msgspec.json.Decoder(_Probe).decode
decode_trades = msgspec.json.Decoder(list[Trade], strict=False).decode


def topic(name: str, coin: str) -> str:
    """What a subscription and its answer are told by."""
    return f"{name}:{coin}"


def decode(frame: bytes) -> Sequence[Event]:
    """The events of a frame; empty for channels that are of no use here. Raises FrameError and nothing else."""
    try:
        probe = _probe(frame)
        if probe.channel == "l2Book":
            book: Book = _book(frame).data
            return (BookMessage(book.coin, book.ts, book),)
        if probe.channel == "trades":
            return _of_trades(_trades(frame).data)
        if probe.channel == "subscriptionResponse":
            asked = _answer(frame).data.subscription
            return (Reply((topic(asked.type, asked.coin),)),)
        if probe.channel == "error":
            return _of_error(_error(frame).data)
        if not probe.channel and len(probe.levels):
            book = _bare(frame)
            return (BookMessage(book.coin, book.ts, book),)
        return ()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise _unreadable(frame, e) from None


def _of_trades(trades: Sequence[Trade]) -> Sequence[Event]:
    """By market; a message is of one market, and what it replays of the past is not always in order."""
    fills: dict[str, list[Fill]] = {}
    for t in trades:
        fills.setdefault(t.coin, []).append(t.fill)
    return [TradeMessage(coin, sorted(found, key=lambda fill: fill.ts)) for coin, found in fills.items()]


def _of_error(text: str) -> Sequence[Event]:
    """`Invalid subscription {…}`, `Already subscribed: {…}`: the subscription stands behind the words."""
    start = text.find("{")
    asked = _Subscription()
    if start >= 0:
        for read in (_named, _subscription):
            try:
                found = read(text[start:].encode())
            except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
                continue
            asked = found.subscription if isinstance(found, _Answer) else found
            if asked.coin:
                break
    topics = (topic(asked.type, asked.coin),) if asked.coin else ()
    return (Reply(topics, None, None if text.startswith("Already subscribed") else text[:300] or "an error"),)


def _unreadable(frame: bytes, error: Exception) -> FrameError:
    """Says what is wrong, and whose it was where that can still be read."""
    shown = str(error)[:200].encode("unicode_escape").decode()
    excerpt = repr(bytes(frame[:60])) + (f"… ({len(frame)} bytes)" if len(frame) > 60 else "")
    coin, channel = _COIN.search(frame[:300]), _CHANNEL.search(frame[:100])
    native = coin[1].decode() if coin else ""
    kind: Any = _CHANNELS[channel[1]] if channel else None
    return FrameError(f"{shown} in {excerpt}", native if kind is not None else "", kind)
