"""Frames of Binance's market-data streams, decoded in one typed pass.

A frame is what one WebSocket message or one line of a capture holds: a combined-stream wrapper
`{"stream":"ethusdt@trade","data":{…}}`, a bare event, the reply to a request, or the depth
snapshot of the REST interface. `decode` looks at a few bytes of the stream's name and lets
msgspec check types, ranges and finiteness of everything else, so nothing invalid gets past it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from connectors.live.wire import FrameError
from engine.codes import Flag


class MarketType(Enum):
    """The three separate exchanges behind the name: own endpoints, own sequence rule."""

    SPOT = "spot"
    USDM = "usdm"  # linear futures, margined in stablecoins
    COINM = "coinm"  # inverse futures, sizes in contracts of 10 or 100 USD


#: A size as a finite number >= 0 (NaN and infinities fail the range check).
Size = Annotated[float, Meta(ge=0, le=1e18)]
#: Milliseconds since the Unix epoch, or microseconds where that unit was asked for.
Epoch = Annotated[int, Meta(ge=0, le=9_200_000_000_000_000)]
#: Trade ids and sequence numbers: what an int64 column holds.
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
#: `pu` of a book that has no earlier update is -1.
MaybeId = Annotated[int, Meta(ge=-1, le=(1 << 63) - 1)]
#: Price text as written, absolute size.
Side = list[tuple[str, Size]]

#: Trade types that are order flow; the rest (INSURANCE_FUND, ADL, NA, …) moves contracts outside the book.
FLOW_TYPES = frozenset({"MARKET", "RPI"})

# Milliseconds reach this in the year 5138; microseconds passed it in 1973.
_MICROSECONDS_FROM = 100_000_000_000_000


def epoch_ns(value: int) -> int:
    """A time of the wire (ms, or µs) in ns."""
    return value * 1_000_000 if value < _MICROSECONDS_FROM else value * 1_000


class Depth(Struct, gc=False, frozen=True, tag_field="e", tag="depthUpdate"):
    """`depthUpdate`: absolute sizes of changed levels; 0 deletes."""

    symbol: str = field(name="s")
    event_time: Epoch = field(name="E")
    first: Id = field(name="U")
    last: Id = field(name="u")
    bids: Side = field(name="b")
    asks: Side = field(name="a")
    engine_time: Epoch = field(name="T", default=0)  # futures only
    previous: MaybeId = field(name="pu", default=-1)  # futures only

    @property
    def ts(self) -> int:
        """Exchange time in ns: of the matching engine where it is sent, else of the event."""
        t = self.engine_time or self.event_time
        return t * 1_000_000 if t < _MICROSECONDS_FROM else t * 1_000


class Trade(Struct, gc=False, frozen=True, tag_field="e", tag="trade"):
    """`trade`: one execution."""

    symbol: str = field(name="s")
    trade_id: Id = field(name="t")
    price: str = field(name="p")
    size: str = field(name="q")
    buyer_is_maker: bool = field(name="m")
    trade_time: Epoch = field(name="T")
    event_time: Epoch = field(name="E", default=0)
    type: str = field(name="X", default="MARKET")  # futures only

    @property
    def ts(self) -> int:
        """Exchange time in ns."""
        t = self.trade_time
        return t * 1_000_000 if t < _MICROSECONDS_FROM else t * 1_000

    @property
    def side(self) -> int:
        """The taker's side: the seller is the aggressor when the buyer was resting."""
        return -1 if self.buyer_is_maker else 1

    @property
    def flags(self) -> int:
        """NOT_FLOW for executions outside the order book."""
        return 0 if self.type in FLOW_TYPES else int(Flag.NOT_FLOW)


class AggTrade(Struct, gc=False, frozen=True, tag_field="e", tag="aggTrade"):
    """`aggTrade`: the fills of one taker order at one price within 100 ms."""

    symbol: str = field(name="s")
    agg_id: Id = field(name="a")
    price: str = field(name="p")
    size: str = field(name="q")
    first_id: MaybeId = field(name="f")
    last_id: MaybeId = field(name="l")
    buyer_is_maker: bool = field(name="m")
    trade_time: Epoch = field(name="T")
    event_time: Epoch = field(name="E", default=0)

    @property
    def ts(self) -> int:
        """Exchange time in ns."""
        return epoch_ns(self.trade_time)

    @property
    def side(self) -> int:
        """The taker's side."""
        return -1 if self.buyer_is_maker else 1


class Forced(Struct, gc=False, frozen=True):
    """The order of a `forceOrder`."""

    symbol: str = field(name="s")
    side: Literal["BUY", "SELL"] = field(name="S")
    average: str = field(name="ap")
    filled: str = field(name="z")
    trade_time: Epoch = field(name="T")

    @property
    def ts(self) -> int:
        """Exchange time in ns."""
        return epoch_ns(self.trade_time)


class ForceOrder(Struct, gc=False, frozen=True, tag_field="e", tag="forceOrder"):
    """`forceOrder`: the largest liquidation of a market within a second (futures only)."""

    order: Forced = field(name="o")


class BookTicker(Struct, gc=False, frozen=True):
    """`bookTicker`: best bid and offer; spot sends it without an event type and without times."""

    symbol: str = field(name="s")
    update: Id = field(name="u")
    bid: str = field(name="b")
    bid_size: Size = field(name="B")
    ask: str = field(name="a")
    ask_size: Size = field(name="A")
    engine_time: Epoch = field(name="T", default=0)
    event_time: Epoch = field(name="E", default=0)

    @property
    def ts(self) -> int:
        """Exchange time in ns; 0 where the venue sends none."""
        return epoch_ns(self.engine_time or self.event_time)


class Snapshot(Struct, gc=False, frozen=True):
    """The REST depth snapshot; spot sends no time and no symbol."""

    last_update: Id = field(name="lastUpdateId")
    bids: Side
    asks: Side
    engine_time: Epoch = field(name="T", default=0)
    event_time: Epoch = field(name="E", default=0)
    symbol: str = ""

    @property
    def ts(self) -> int:
        """Exchange time in ns; 0 where the venue sends none."""
        return epoch_ns(self.engine_time or self.event_time)


class Reply(Struct, gc=False, frozen=True):
    """The answer to a SUBSCRIBE: `code` is None when it was accepted."""

    id: int | str | None = None
    code: int | None = None
    text: str = ""


class Shutdown(Struct, gc=False, frozen=True):
    """`serverShutdown`: the server closes this connection soon."""

    event_time: Epoch = field(name="E", default=0)


Message = Depth | Trade | AggTrade | ForceOrder | BookTicker | Snapshot | Reply | Shutdown


def _wrapped(data_type: Any) -> Callable[[bytes], Any]:
    """A decoder of the combined-stream wrapper around `data_type`; the stream's name is skipped unread."""
    frame_type = msgspec.defstruct("Frame", [("data", data_type)], gc=False)
    return msgspec.json.Decoder(frame_type, strict=False).decode


def _bare(data_type: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(data_type, strict=False).decode


class _Usual(Struct, gc=False):
    """What a live connection consists of, told apart by "e" inside the one pass."""

    data: Depth | Trade | AggTrade
    stream: str


_usual = _bare(_Usual)
#: Whether a stream carries what `_Usual` takes it for: partial books come as depthUpdate, too.
_wanted: dict[str, bool] = {}
_MOST_STREAMS = 10_000


def _is_wanted(stream: str) -> bool:
    if len(_wanted) >= _MOST_STREAMS:
        _wanted.clear()
    name = stream.partition("@")[2]
    return _wanted.setdefault(stream, name in ("depth", "trade", "aggTrade") or name.startswith("depth@"))


# The six bytes after `symbol@`. `@depth5` and the like are partial books, not deltas: not in here.
_BY_STREAM: dict[bytes, Callable[[bytes], Any]] = {
    b"depth@": _wrapped(Depth),
    b'depth"': _wrapped(Depth),
    b'trade"': _wrapped(Trade),
    b"aggTra": _wrapped(AggTrade),
    b"bookTi": _wrapped(BookTicker),
    b"forceO": _wrapped(ForceOrder),
}
_BY_EVENT: dict[str, Callable[[bytes], Any]] = {
    "depthUpdate": _bare(Depth),
    "trade": _bare(Trade),
    "aggTrade": _bare(AggTrade),
    "bookTicker": _bare(BookTicker),
    "forceOrder": _bare(ForceOrder),
    "serverShutdown": _bare(Shutdown),
}
_snapshot = _bare(Snapshot)
_PREFIX = b'{"stream":"'
_NAME_ENDS = len(_PREFIX) + 120  # a symbol in escapes is longer than it looks


class _Error(Struct, gc=False):
    code: int | None = None
    msg: str = ""


class _Probe(Struct, gc=False):
    """What tells the kinds of frames apart when the first bytes don't."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    e: str = ""
    last_update: msgspec.Raw = field(name="lastUpdateId", default=msgspec.Raw(b""))
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    code: int | None = None
    msg: str = ""
    error: _Error | None = None


_probe = _bare(_Probe)


def decode(frame: bytes) -> Message | None:
    """The message in a frame; None for streams that are of no use here. Raises FrameError."""
    try:
        usual = _usual(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_other(frame)
    stream = usual.stream
    return usual.data if _wanted.get(stream) or _is_wanted(stream) else None


def _decode_other(frame: bytes) -> Message | None:
    """What is none of the usual events, or wrong: says what is wrong with it."""
    try:
        if frame.startswith(_PREFIX):
            at = frame.find(b"@", 11, _NAME_ENDS)
            known = _BY_STREAM.get(frame[at + 1 : at + 7])
            if known is not None:
                return known(frame).data  # type: ignore[no-any-return]
        return _decode_unusual(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise FrameError(f"{_shown(e)} in {_excerpt(frame)}") from None


def _decode_unusual(frame: bytes) -> Message | None:
    """Bare events, replies, snapshots, wrappers with their keys in another order."""
    probe = _probe(frame)
    if len(probe.last_update):
        return _snapshot(frame)  # type: ignore[no-any-return]
    if len(probe.data) and probe.stream:
        name = probe.stream.partition("@")[2]
        known = _BY_STREAM.get((name + '"').encode()[:6])
        return None if known is None else known(frame).data
    if probe.e:
        event = _BY_EVENT.get(probe.e)
        return None if event is None else event(frame)
    if probe.error is not None:
        return Reply(_reply_id(probe.id), probe.error.code or 0, probe.error.msg)
    if probe.code is not None:
        return Reply(_reply_id(probe.id), probe.code, probe.msg)
    if probe.id is not msgspec.UNSET:
        return Reply(_reply_id(probe.id))
    return None


def decode_snapshot(body: bytes) -> Snapshot:
    """The body of a REST depth answer. Raises FrameError."""
    try:
        return _snapshot(body)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise FrameError(f"{_shown(e)} in {_excerpt(body)}") from None


def _reply_id(value: int | str | msgspec.UnsetType | None) -> int | str | None:
    return None if value is msgspec.UNSET else value


def _shown(error: Exception) -> str:
    return str(error)[:200].encode("unicode_escape").decode()


def _excerpt(frame: bytes) -> str:
    """The start of a frame for a message to people: hostile bytes escaped."""
    return repr(bytes(frame[:60])) + (f"… ({len(frame)} bytes)" if len(frame) > 60 else "")
