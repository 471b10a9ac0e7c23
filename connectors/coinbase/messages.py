"""Frames of Coinbase's Advanced Trade market data, decoded in one typed pass.

Every frame bears a `sequence_num` that counts the frames of the connection, whatever their channel.
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from connectors.live.wire import BookMessage, Fill, FrameError, TradeMessage
from engine.codes import Channel
from engine.feed import Levels

#: A size as a finite number >= 0 (NaN and infinities fail the range check).
Size = Annotated[float, Meta(ge=0, le=1e18)]
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Text = Annotated[str, Meta(max_length=40)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
#: Counts up by one a frame; far below what an int64 of the tape holds.
Number = Annotated[int, Meta(ge=0, le=1 << 60)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Level(Struct, gc=False, frozen=True):
    side: Literal["bid", "offer"]
    price_level: Text
    new_quantity: Size
    event_time: Text


class _Books(Struct, gc=False, frozen=True):
    type: Literal["snapshot", "update"]
    product_id: Name
    updates: list[_Level] = []


class Trade(Struct, gc=False, frozen=True):
    """A trade of the stream or of REST, as the venue writes it."""

    product_id: Name
    trade_id: Id
    price: Text
    size: Text
    time: Text
    side: Text  # of the maker


class _Trades(Struct, gc=False, frozen=True):
    type: Literal["snapshot", "update"]
    trades: list[Trade] = []


class _Subscribed(Struct, gc=False, frozen=True):
    subscriptions: dict[str, list[str] | None] = {}


class _BookFrame(Struct, gc=False, frozen=True):
    channel: Literal["l2_data"]
    sequence_num: Number
    events: list[_Books]
    timestamp: Text = ""


class _TradeFrame(Struct, gc=False, frozen=True):
    channel: Literal["market_trades"]
    sequence_num: Number
    events: list[_Trades]


class _AnswerFrame(Struct, gc=False, frozen=True):
    channel: Literal["subscriptions"]
    sequence_num: Number
    events: list[_Subscribed]


class _Probe(Struct, gc=False):
    """What tells the kinds of frames apart when the first bytes don't."""

    channel: Text = ""
    sequence_num: Number | None = None
    type: Text = ""
    message: str = ""
    reason: str = ""


class Book(Struct, gc=False, frozen=True):
    """Absolute sizes of all levels of a snapshot, or of those that changed; 0 deletes. `seq` is the frame's number."""

    snapshot: bool
    ts: int
    seq: int
    bids: Levels
    asks: Levels


class Subscribed(Struct, gc=False, frozen=True):
    """All the connection is subscribed to now: (channel, product)."""

    topics: Sequence[tuple[str, str]]


class Refused(Struct, gc=False, frozen=True):
    """A request was refused; of which is not said but in the text."""

    text: str


class Frame(Struct, gc=False, frozen=True):
    """A frame's number (None where it has none: errors) and what it holds."""

    sequence: int | None
    content: Sequence[BookMessage | TradeMessage | Subscribed | Refused]


_decode_book = msgspec.json.Decoder(_BookFrame, strict=False).decode
_decode_trades = msgspec.json.Decoder(_TradeFrame, strict=False).decode
_decode_answer = msgspec.json.Decoder(_AnswerFrame, strict=False).decode
_decode_probe = msgspec.json.Decoder(_Probe, strict=False).decode

_BOOK_START = b'{"channel":"l2_data",'
_TRADES_START = b'{"channel":"market_trades",'
#: Our channels by the name on their frames.
CHANNELS = {"l2_data": Channel.BOOK, "market_trades": Channel.TRADES}
#: Of a frame that cannot be decoded: whose it was.
_CHANNEL = re.compile(rb'"channel"\s*:\s*"([a-z0-9_]{1,40})"')
_NATIVE = re.compile(rb'"product_id"\s*:\s*"([^"\\\x00-\x1f]{1,100})"')


def decode(frame: bytes) -> Frame:
    """What a frame says. Raises FrameError, with the market where it can be told."""
    try:
        if frame.startswith(_BOOK_START):
            return _books(frame)
        if frame.startswith(_TRADES_START):
            return _trades(frame)
        return _unusual(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as e:
        channel, native = _CHANNEL.search(frame[:400]), _NATIVE.search(frame[:400])
        raise FrameError(
            f"{_shown(e)} in {_excerpt(frame)}",
            native[1].decode(errors="replace") if native else "",
            CHANNELS.get(channel[1].decode()) if channel else None,
        ) from None


def epoch_ns(text: str) -> int:
    """A time such as 2026-08-09T21:05:48.170326Z in ns; digits beyond µs are cut off. ValueError for another form."""
    if text[-1:] != "Z":
        raise ValueError(f"{text!r} is no time in UTC")
    ns = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND * 1_000
    if not 0 <= ns < 1 << 63:
        raise ValueError(f"{text!r} is no time of this age")
    return ns


def _books(frame: bytes) -> Frame:
    message = _decode_book(frame)
    out = []
    for event in message.events:
        bids: list[tuple[str, float]] = []
        asks: list[tuple[str, float]] = []
        for level in event.updates:
            (bids if level.side == "bid" else asks).append((level.price_level, level.new_quantity))
        # All levels of an event are of one moment of the matching engine.
        ts = epoch_ns(event.updates[-1].event_time if event.updates else message.timestamp)
        body = Book(event.type == "snapshot", ts, message.sequence_num, bids, asks)
        out.append(BookMessage(event.product_id, ts, body))
    return Frame(message.sequence_num, out)


def _trades(frame: bytes) -> Frame:
    message = _decode_trades(frame)
    out = []
    for event in message.events:
        by_native: dict[str, list[Fill]] = {}
        for t in event.trades:
            by_native.setdefault(t.product_id, []).append(fill_of(t))
        for native, fills in by_native.items():
            fills.sort(key=lambda f: f.trade_id)  # they come newest first
            out.append(TradeMessage(native, fills, history=event.type == "snapshot"))
    return Frame(message.sequence_num, out)


def fill_of(t: Trade) -> Fill:
    """The trade as it goes on the tape: the venue tells the maker's side, so a BUY was sold into."""
    side = -1 if t.side == "BUY" else 1 if t.side == "SELL" else 0
    return Fill(t.trade_id, epoch_ns(t.time), t.price, t.size, side)


def _unusual(frame: bytes) -> Frame:
    """Answers, errors, other channels, and known ones with their keys in another order."""
    probe = _decode_probe(frame)
    if probe.channel == "l2_data":
        return _books(frame)
    if probe.channel == "market_trades":
        return _trades(frame)
    if probe.channel == "subscriptions":
        answer = _decode_answer(frame)
        names = [(c, p) for e in answer.events for c, products in e.subscriptions.items() for p in products or ("",)]
        return Frame(answer.sequence_num, (Subscribed(names),))
    if probe.type == "error":
        text = ": ".join(part[:200] for part in (probe.message, probe.reason) if part)
        return Frame(probe.sequence_num, (Refused(text or "no reason given"),))
    return Frame(probe.sequence_num, ())


def _shown(error: Exception) -> str:
    return str(error)[:200].encode("unicode_escape").decode()


def _excerpt(frame: bytes) -> str:
    """The start of a frame for a message to people: hostile bytes escaped."""
    return repr(bytes(frame[:60])) + (f"… ({len(frame)} bytes)" if len(frame) > 60 else "")
