"""Frames of Kraken's WebSocket API v2, decoded in one typed pass.

https://docs.kraken.com/exchange/api-reference/spot-websocket-v2 (book, trade, heartbeat, status, subscribe). Prices and
quantities are JSON numbers with all their digits; the book's checksum is over those digits, so they are taken as text
and never through a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from connectors.live.wire import FrameError
from engine.codes import EARLIEST, LATEST, Channel

#: No price and no size of a market is as large.
_LARGEST = 1e18
_LONGEST_NUMBER = 40
_Name = Annotated[str, Meta(max_length=60)]
_Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


#: A changed level: price, absolute size (0 deletes), and the digits both were written with.
Level = tuple[float, float, str, str]


class Book(Struct, gc=False, frozen=True):
    """The `book` channel for one market; the levels are to be applied in their order."""

    symbol: str
    ts: int  # ns; 0: not told
    snapshot: bool
    bids: Sequence[Level]
    asks: Sequence[Level]
    checksum: int


class Trade(Struct, gc=False, frozen=True):
    """One trade; `side` is the taker's."""

    symbol: str
    trade_id: int
    ts: int  # ns
    price: str
    size: str
    side: int


class Trades(Struct, gc=False, frozen=True):
    """The `trade` channel. `snapshot`: what was traded before the subscription."""

    trades: Sequence[Trade]
    snapshot: bool


class Answer(Struct, gc=False, frozen=True):
    """The answer to a subscribe or an unsubscribe, one a market; `error` is None when it was accepted."""

    request: int | None
    channel: str
    symbol: str
    error: str | None
    ts: int = 0  # ns; 0: not told
    depth: int = 0  # of the book; 0: not told


class Status(Struct, gc=False, frozen=True):
    """The `status` channel: `online`, `maintenance`, `cancel_only` or `post_only`."""

    system: str


Message = Book | Trades | Answer | Status

# ---- the wire


class _WireLevel(Struct, gc=False):
    price: Raw
    qty: Raw


class _WireBook(Struct, gc=False):
    symbol: _Name
    checksum: Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
    bids: list[_WireLevel] = []
    asks: list[_WireLevel] = []
    timestamp: str = ""


class _WireTrade(Struct, gc=False):
    symbol: _Name
    side: Literal["buy", "sell"]
    price: Raw
    qty: Raw
    trade_id: _Id
    timestamp: str


_Type = Literal["snapshot", "update"]


class _BookFrame(Struct, gc=False, tag_field="channel", tag="book"):
    type: _Type
    data: list[_WireBook]


class _TradeFrame(Struct, gc=False, tag_field="channel", tag="trade"):
    type: _Type
    data: list[_WireTrade]


class _HeartbeatFrame(Struct, gc=False, tag_field="channel", tag="heartbeat"):
    pass


class _SystemStatus(Struct, gc=False):
    system: str = ""


class _StatusFrame(Struct, gc=False, tag_field="channel", tag="status"):
    data: list[_SystemStatus]


class _Result(Struct, gc=False):
    channel: str = ""
    symbol: str = ""
    depth: int = 0


class _Other(Struct, gc=False):
    """What tells the kinds of frames apart when the channel doesn't."""

    channel: str = ""
    method: str = ""
    request: int | None = field(name="req_id", default=None)
    success: bool = True
    result: _Result | None = None
    symbol: str = ""
    error: str | None = None
    time_out: str = ""


def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode


_usual = _decoder(_BookFrame | _TradeFrame | _HeartbeatFrame | _StatusFrame)
_other = _decoder(_Other)
_KNOWN = frozenset({"book", "trade", "heartbeat", "status"})
#: Whose a frame is, also of one that is cut off.
_CHANNEL = re.compile(rb'"channel"\s*:\s*"(book|trade)"')
_SYMBOL = re.compile(rb'"symbol"\s*:\s*"([^"\\]{1,60})"')
_CHANNELS = {b"book": Channel.BOOK, b"trade": Channel.TRADES}


def decode(frame: bytes) -> Sequence[Message]:
    """The messages of a frame; empty for what is of no use here (heartbeats, other channels). Raises FrameError."""
    try:
        usual = _usual(frame)
        if type(usual) is _BookFrame:
            snapshot = usual.type == "snapshot"
            return [_book(b, snapshot) for b in usual.data]
        if type(usual) is _TradeFrame:
            return [Trades([_trade(t) for t in usual.data], usual.type == "snapshot")] if usual.data else ()
        if type(usual) is _StatusFrame:
            return [Status(s.system) for s in usual.data]
        return ()
    except (msgspec.MsgspecError, ValueError, RecursionError) as e:
        return _decode_other(frame, e)


def _book(b: _WireBook, snapshot: bool) -> Book:
    ts = rfc3339_ns(b.timestamp) if b.timestamp else 0
    bids, asks = _levels(b.bids) if b.bids else (), _levels(b.asks) if b.asks else ()
    return Book(b.symbol, ts, snapshot, bids, asks, b.checksum)


def _levels(wire: list[_WireLevel]) -> list[Level]:
    levels = []
    for w in wire:
        # A Raw is the text of any JSON value; float() refuses what is no number (quotes, null, a list).
        price_text, size_text = str(w.price, "ascii"), str(w.qty, "ascii")
        price, size = float(price_text), float(size_text)
        if not (
            0 < price <= _LARGEST
            and 0 <= size <= _LARGEST
            and len(price_text) <= _LONGEST_NUMBER
            and len(size_text) <= _LONGEST_NUMBER
        ):
            raise ValueError(f"a level of price {price_text[:40]} and size {size_text[:40]}")
        levels.append((price, size, price_text, size_text))
    return levels


def _trade(t: _WireTrade) -> Trade:
    price, size = float(t.price), float(t.qty)
    if not (0 < price <= _LARGEST and 0 <= size <= _LARGEST):
        raise ValueError(f"a trade of price {price} and size {size}")
    side = 1 if t.side == "buy" else -1
    return Trade(t.symbol, t.trade_id, rfc3339_ns(t.timestamp), digits(t.price), digits(t.qty), side)


def digits(number: Raw) -> str:
    """A JSON number as it was written, without an exponent. Raises ValueError for one of absurd length."""
    text = str(number, "ascii")
    if "e" in text or "E" in text:
        value = Decimal(text)
        if not -_LONGEST_NUMBER < value.adjusted() < _LONGEST_NUMBER:
            raise ValueError("a number of absurd size")
        text = format(value, "f")
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number of absurd length")
    return text


# ---- times

#: The second that most recent times lie in.
_second: tuple[str, int] = ("", 0)


def rfc3339_ns(text: str) -> int:
    """`2023-10-06T17:35:55.440295Z` in ns since the Unix epoch. Raises ValueError."""
    global _second
    known, ns = _second
    if len(text) == 27 and text[:19] == known and text[19] == "." and text[26] == "Z":
        micros = text[20:26]
        if micros.isascii() and micros.isdecimal():
            return ns + int(micros) * 1_000
    second, fraction = text[:19], text[19:]
    if second != known:
        if not second.isascii() or len(second) != 19:
            raise ValueError(f"{text[:40]!r} is not a time")
        ns = round(datetime.strptime(second, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()) * 1_000_000_000
        if not EARLIEST <= ns < LATEST:
            raise ValueError(f"{text[:40]!r} cannot be a time of a trade")
        _second = second, ns
    if fraction == "Z":
        return ns
    part = fraction[1:-1]
    if fraction[:1] != "." or fraction[-1:] != "Z" or not (part.isdecimal() and part.isascii() and len(part) <= 9):
        raise ValueError(f"{text[:40]!r} is not a time")
    return ns + int(part.ljust(9, "0"))


# ---- what is none of the usual frames, or wrong


def _decode_other(frame: bytes, error: Exception) -> Sequence[Message]:
    """Replies, channels of no use; or says what is wrong with a frame."""
    try:
        other = _other(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _wrong(frame, error) from None
    if other.method in ("subscribe", "unsubscribe"):
        result = other.result if other.result is not None else _Result()
        refused = None if other.success and other.error is None else (other.error or "refused")[:300]
        try:
            ts = rfc3339_ns(other.time_out)
        except ValueError:
            ts = 0
        return [Answer(other.request, result.channel, result.symbol or other.symbol, refused, ts, result.depth)]
    if other.method == "pong" or (other.channel and other.channel not in _KNOWN):
        return ()
    if other.error is not None:
        return [Answer(other.request, "", other.symbol, other.error[:300])]
    raise _wrong(frame, error) from None


def _wrong(frame: bytes, error: Exception) -> FrameError:
    said = str(error)[:200].encode("unicode_escape").decode()
    text = f"{said} in {bytes(frame[:60])!r}" + (f"… ({len(frame)} bytes)" if len(frame) > 60 else "")
    channel, symbol = _CHANNEL.search(frame[:200]), _SYMBOL.search(frame[:400])
    if channel is None or symbol is None:
        return FrameError(text)
    return FrameError(text, symbol[1].decode("utf-8", "replace"), _CHANNELS[channel[1]])
