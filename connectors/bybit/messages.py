"""Frames of Bybit's public v5 sockets, decoded in one typed pass.

https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook, …/trade, …/all-liquidation. A
frame names its topic first, so a few bytes tell which type it must be; msgspec checks types, ranges and finiteness of
everything in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from connectors.live.wire import BookMessage, Event, Fill, FrameError, Liquidation, Reply, TradeMessage
from engine.codes import Channel, Flag

#: A size as a finite number >= 0 (NaN and infinities fail the range check).
Size = Annotated[float, Meta(ge=0, le=1e18)]
#: Milliseconds since the Unix epoch.
Millis = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]
#: What an int64 column holds.
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Text = Annotated[str, Meta(min_length=1, max_length=40)]
#: Price text as written, absolute size.
Side = list[tuple[str, Size]]

_MASK = (1 << 63) - 1
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TOPIC = re.compile(rb'"topic"\s*:\s*"(orderbook|publicTrade|allLiquidation)\.(?:\d{1,5}\.)?([\w-]{1,40})"')
_CHANNEL = {b"orderbook": Channel.BOOK, b"publicTrade": Channel.TRADES, b"allLiquidation": Channel.LIQUIDATIONS}


class Levels(Struct, gc=False, frozen=True):
    """What an order-book frame carries: `u` counts the messages of its topic one by one."""

    symbol: Text = field(name="s")
    bids: Side = field(name="b")
    asks: Side = field(name="a")
    update: Id = field(name="u")


class Book(Struct, gc=False, frozen=True):
    """`orderbook.DEPTH.SYMBOL`: a snapshot, or the absolute sizes of changed levels (0 deletes)."""

    topic: str
    type: Literal["snapshot", "delta"]
    sent: Millis = field(name="ts")
    data: Levels
    engine_time: Millis = field(name="cts", default=0)  # corresponds to `T` of the trades

    @property
    def ts(self) -> int:
        """Exchange time in ns."""
        return (self.engine_time or self.sent) * 1_000_000

    @property
    def depth(self) -> int:
        """Levels a side of this topic; 0 where its name does not say."""
        middle = self.topic.split(".", 2)[1:2]
        return int(middle[0]) if middle and middle[0].isdecimal() and len(middle[0]) <= 5 else 0


class _Trade(Struct, gc=False, frozen=True):
    time: Millis = field(name="T")
    symbol: Text = field(name="s")
    side: Literal["Buy", "Sell"] = field(name="S")  # of the taker
    size: Text = field(name="v")
    price: Text = field(name="p")
    id: Text = field(name="i")
    block: bool = field(name="BT", default=False)


class _Trades(Struct, gc=False):
    topic: str
    data: list[_Trade]


class _Closed(Struct, gc=False, frozen=True):
    """A liquidation; the price is that of bankruptcy, at which the venue took the position over."""

    time: Millis = field(name="T")
    symbol: Text = field(name="s")
    position: Literal["Buy", "Sell"] = field(name="S")  # Buy: a long was liquidated
    size: Text = field(name="v")
    price: Text = field(name="p")


class _Liquidations(Struct, gc=False):
    data: list[_Closed]


class _Probe(Struct, gc=False):
    """What tells the other frames apart."""

    topic: str = ""
    op: str = ""
    success: bool | None = None
    text: str = field(name="ret_msg", default="")
    request: str = field(name="req_id", default="")


_book = msgspec.json.Decoder(Book, strict=False).decode
_trades = msgspec.json.Decoder(_Trades, strict=False).decode
_liquidations = msgspec.json.Decoder(_Liquidations, strict=False).decode
_probe = msgspec.json.Decoder(_Probe).decode
_IS_BOOK, _IS_TRADES = b'{"topic":"orderbook.', b'{"topic":"publicTrade.'


def decode(frame: bytes) -> Sequence[Event]:
    """The events of a frame; empty for topics that are of no use here. Raises FrameError and nothing else."""
    try:
        if frame.startswith(_IS_BOOK):
            book: Book = _book(frame)
            return (BookMessage(book.data.symbol, (book.engine_time or book.sent) * 1_000_000, book),)
        if frame.startswith(_IS_TRADES):
            return _of_trades(_trades(frame))
        return _decode_other(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise _unreadable(frame, e) from None


def trade_id(text: str) -> int:
    """A trade's id as a number below 2**63: spot has numbers, derivatives have UUIDs."""
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    if text.isascii() and text.isdecimal() and len(text) == 19 and int(text) <= _MASK:
        return int(text)
    if _UUID.fullmatch(text):
        whole = int(text.replace("-", ""), 16)
        return (whole >> 64 ^ whole) & _MASK
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) & _MASK


def _of_trades(message: _Trades) -> Sequence[Event]:
    """A message is of one market; trades in it stand in the order in which they were matched."""
    fills: dict[str, list[Fill]] = {}
    for t in message.data:
        flags = int(Flag.NOT_FLOW) if t.block else 0
        side = 1 if t.side == "Buy" else -1
        fill = Fill(trade_id(t.id), t.time * 1_000_000, t.price, t.size, side, flags)
        fills.setdefault(t.symbol, []).append(fill)
    return [TradeMessage(native, found) for native, found in fills.items()]


def _decode_other(frame: bytes) -> Sequence[Event]:
    """Answers, heartbeats, other topics, keys in another order."""
    probe = _probe(frame)
    if probe.topic.startswith("orderbook."):
        book: Book = _book(frame)
        return (BookMessage(book.data.symbol, book.ts, book),)
    if probe.topic.startswith(("publicTrade.", "trade.")):
        return _of_trades(_trades(frame))
    if probe.topic.startswith("allLiquidation."):
        return [
            Liquidation(x.symbol, x.time * 1_000_000, x.price, x.size, -1 if x.position == "Buy" else 1, average=True)
            for x in _liquidations(frame).data
        ]
    if probe.op in ("subscribe", "unsubscribe") and probe.success is not None:
        number = int(probe.request) if probe.request.isascii() and probe.request.isdecimal() else None
        return (Reply((), number, None if probe.success else probe.text[:300] or "refused without a reason"),)
    return ()


def _unreadable(frame: bytes, error: Exception) -> FrameError:
    """Says what is wrong, and whose it was where the topic can still be read."""
    shown = str(error)[:200].encode("unicode_escape").decode()
    excerpt = repr(bytes(frame[:60])) + (f"… ({len(frame)} bytes)" if len(frame) > 60 else "")
    named: Any = _TOPIC.search(frame[:200])
    if named is None:
        return FrameError(f"{shown} in {excerpt}")
    return FrameError(f"{shown} in {excerpt}", named[2].decode(), _CHANNEL[named[1]])
