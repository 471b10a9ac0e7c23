"""Frames of OKX's v5 public channels, decoded in one typed pass.

`books` (400 levels, every 100 ms), `trades` (the fills of one taker order at one price as one) or `trades-all` (each),
`liquidation-orders` and `instruments` (of all markets of a type), and the answers to requests.
https://www.okx.com/docs-v5/en/ (Order Book Trading, Market Data, Public Data).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from connectors.live.wire import BookMessage, Ended, Fill, FrameError, Liquidation, TradeMessage
from engine.codes import Channel
from engine.feed import Levels

#: A size as a finite number >= 0 (NaN and infinities fail the range check).
Size = Annotated[float, Meta(ge=0, le=1e18)]
#: Milliseconds since the Unix epoch, up to the end of what an int64 of ns holds.
Epoch = Annotated[int, Meta(ge=0, le=9_200_000_000_000)]
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
#: `prevSeqId` of a snapshot is -1; -2 stands for a message without the field.
MaybeId = Annotated[int, Meta(ge=-2, le=(1 << 63) - 1)]
#: Numbers as text; nothing longer is one.
Text = Annotated[str, Meta(max_length=40)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
ABSENT = -2


class _Arg(Struct, gc=False, frozen=True):
    channel: Annotated[str, Meta(max_length=100)] = ""
    native: Annotated[str, Meta(max_length=100)] = field(name="instId", default="")
    type: Annotated[str, Meta(max_length=40)] = field(name="instType", default="")


class _Level(Struct, array_like=True, gc=False, frozen=True):
    """What follows (nothing, and the number of orders) is skipped."""

    price: Text
    size: Size


class _Digits(Struct, array_like=True, gc=False, frozen=True):
    price: Text
    size: Text


class _Book(Struct, gc=False, frozen=True):
    asks: list[_Level]
    bids: list[_Level]
    ts: Epoch
    seq: MaybeId = field(name="seqId", default=ABSENT)
    previous: MaybeId = field(name="prevSeqId", default=ABSENT)
    checksum: Annotated[int, Meta(ge=-(1 << 31), lt=1 << 32)] = 0


class _BookDigits(Struct, gc=False, frozen=True):
    asks: list[_Digits]
    bids: list[_Digits]


class _Books(Struct, gc=False, frozen=True):
    arg: _Arg
    action: Literal["snapshot", "update"]
    data: list[_Book]


class _BooksDigits(Struct, gc=False, frozen=True):
    data: list[_BookDigits]


class Trade(Struct, gc=False, frozen=True):
    """A trade of a stream or of REST, as the venue writes it."""

    native: Name = field(name="instId")
    trade_id: Id = field(name="tradeId")
    price: Text = field(name="px")
    size: Text = field(name="sz")
    side: Literal["buy", "sell"]  # of the taker
    ts: Epoch
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1  # fills told as one; `trade_id` is the last of them


class _Trades(Struct, gc=False, frozen=True):
    arg: _Arg
    data: list[Trade]


class _Closed(Struct, gc=False, frozen=True):
    price: Text = field(name="bkPx")  # of bankruptcy
    size: Text = field(name="sz")
    side: Literal["buy", "sell"]  # of the order that closed the position
    ts: Epoch


class _Liquidated(Struct, gc=False, frozen=True):
    native: Name = field(name="instId")
    details: list[_Closed]


class _Liquidations(Struct, gc=False, frozen=True):
    data: list[_Liquidated]


class _State(Struct, gc=False, frozen=True):
    native: Name = field(name="instId")
    state: Annotated[str, Meta(max_length=40)] = ""


class _States(Struct, gc=False, frozen=True):
    data: list[_State]


class _Probe(Struct, gc=False):
    """What tells the kinds of frames apart when the first bytes don't."""

    arg: _Arg | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    event: Annotated[str, Meta(max_length=40)] = ""
    id: str = ""
    code: str = ""
    msg: str = ""


class Answer(Struct, gc=False, frozen=True):
    """`event`: subscribe, unsubscribe or error; `id` is that of the request; `about` a market, or a type of them."""

    event: str
    id: str
    channel: str
    about: str
    text: str


class Book(Struct, gc=False, frozen=True):
    """A message of `books`: absolute sizes of the levels of a snapshot, or of those that changed; 0 deletes.

    `seq` and `previous` are ABSENT in recordings from before 2022-11; `checksum` is 0 since 2026-06-23. `digits` holds
    (bids, asks) as text where there is a checksum to compare.
    """

    snapshot: bool
    ts: int
    seq: int
    previous: int
    checksum: int
    bids: Levels
    asks: Levels
    digits: tuple[list[tuple[str, str]], list[tuple[str, str]]] | None = None


_decode_books = msgspec.json.Decoder(_Books, strict=False).decode
_decode_digits = msgspec.json.Decoder(_BooksDigits, strict=False).decode
_decode_trades = msgspec.json.Decoder(_Trades, strict=False).decode
_decode_states = msgspec.json.Decoder(_States, strict=False).decode
_decode_liquidations = msgspec.json.Decoder(_Liquidations, strict=False).decode
_decode_probe = msgspec.json.Decoder(_Probe, strict=False).decode

_BOOKS_START = b'{"arg":{"channel":"books",'
_TRADES_START = b'{"arg":{"channel":"trades'  # or trades-all
#: The channels, by the channel's name at the venue.
CHANNELS = {
    "books": Channel.BOOK,
    "trades": Channel.TRADES,
    "trades-all": Channel.TRADES,
    "liquidation-orders": Channel.LIQUIDATIONS,
}
_TRADES = ("trades", "trades-all")
#: Of a frame that cannot be decoded: whose it was.
_CHANNEL = re.compile(rb'"channel"\s*:\s*"([a-z-]{1,40})"')
_NATIVE = re.compile(rb'"instId"\s*:\s*"([^"\\\x00-\x1f]{1,100})"')
#: What the venue calls a market that is no longer traded, for now or for good.
_ENDED = ("suspend", "expired")
#: The notice before a connection is closed for an upgrade.
_CLOSING = "64008"

Decoded = BookMessage | TradeMessage | Liquidation | Answer | Ended


def decode(frame: bytes) -> list[Decoded]:
    """What a frame says, empty for what is of no use. Raises FrameError, with the market where it can be told."""
    try:
        if frame.startswith(_BOOKS_START):
            return _books(frame)
        if frame.startswith(_TRADES_START):
            return _trades(frame)
        return _unusual(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        native, channel = _owner(frame)
        raise FrameError(f"{_shown(e)} in {_excerpt(frame)}", native, channel) from None


def _books(frame: bytes) -> list[Decoded]:
    message = _decode_books(frame)
    if message.arg.channel != "books":
        return []  # books5 and the like are other views
    native, snapshot = message.arg.native, message.action == "snapshot"
    out: list[Decoded] = []
    for i, b in enumerate(message.data):
        ts = b.ts * 1_000_000
        bids = [(level.price, level.size) for level in b.bids]
        asks = [(level.price, level.size) for level in b.asks]
        digits = _digits(frame, i) if b.checksum else None
        out.append(BookMessage(native, ts, Book(snapshot, ts, b.seq, b.previous, b.checksum, bids, asks, digits)))
    return out


def _digits(frame: bytes, i: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The levels as they are written, in a second pass that only frames with a checksum need."""
    text = _decode_digits(frame).data[i]
    return [(x.price, x.size) for x in text.bids], [(x.price, x.size) for x in text.asks]


def _trades(frame: bytes) -> list[Decoded]:
    message = _decode_trades(frame)
    if message.arg.channel not in _TRADES:
        return []
    by_native: dict[str, list[Fill]] = {}
    for t in message.data:
        by_native.setdefault(t.native, []).append(fill_of(t))
    return [TradeMessage(native, ordered(fills)) for native, fills in by_native.items()]


def fill_of(t: Trade) -> Fill:
    """The trade as it goes on the tape."""
    return Fill(t.trade_id, t.ts * 1_000_000, t.price, t.size, 1 if t.side == "buy" else -1, 0, t.count)


def ordered(fills: list[Fill]) -> list[Fill]:
    """In order of id, whatever the order on the wire."""
    if len(fills) > 1:
        fills.sort(key=lambda f: f.trade_id)
    return fills


def _unusual(frame: bytes) -> list[Decoded]:
    """Answers, notices, other channels, and known ones with their keys in another order."""
    if frame == b"pong":
        return []
    probe = _decode_probe(frame)
    arg = probe.arg or _Arg()
    if probe.event in ("subscribe", "unsubscribe", "error"):
        text = f"{probe.msg[:300]} (code {probe.code[:20]})"
        return [Answer(probe.event, probe.id, arg.channel, arg.native or arg.type, text)]
    if probe.event == "notice" and probe.code == _CLOSING:
        return [Ended()]
    if probe.event or not len(probe.data):
        return []
    if arg.channel == "books":
        return _books(frame)
    if arg.channel == "liquidation-orders":
        return [
            Liquidation(x.native, d.ts * 1_000_000, d.price, d.size, 1 if d.side == "buy" else -1, average=True)
            for x in _decode_liquidations(frame).data
            for d in x.details
        ]
    if arg.channel == "instruments":
        return [Ended(x.native) for x in _decode_states(frame).data if x.state in _ENDED]
    return _trades(frame) if arg.channel in _TRADES else []


def _owner(frame: bytes) -> tuple[str, Channel | None]:
    head = frame[:400]
    channel, native = _CHANNEL.search(head), _NATIVE.search(head)
    name = native[1].decode(errors="replace") if native else ""
    return name, CHANNELS.get(channel[1].decode()) if channel else None


def _shown(error: Exception) -> str:
    return str(error)[:200].encode("unicode_escape").decode()


def _excerpt(frame: bytes) -> str:
    """The start of a frame for a message to people: hostile bytes escaped."""
    return repr(bytes(frame[:60])) + (f"… ({len(frame)} bytes)" if len(frame) > 60 else "")
