"""Frames of Deribit's JSON-RPC over WebSocket, decoded in one typed pass.

https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval, …/trades/tradesinstrument_nameinterval,
…/market-data/instrumentstatekindcurrency, and public/set_heartbeat. Prices and amounts are JSON numbers of few digits:
the shortest text of the double is what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, UnsetType, field

from connectors.live.wire import FrameError
from engine.codes import Channel, Flag
from engine.feed import Levels

Price = Annotated[float, Meta(gt=0, le=1e15)]
Amount = Annotated[float, Meta(ge=0, le=1e18)]
#: ms since the Unix epoch, 2009 to 2100.
Epoch = Annotated[int, Meta(ge=1_230_768_000_000, lt=4_102_444_800_000)]
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Name = Annotated[str, Meta(max_length=80)]


class Book(Struct, gc=False, frozen=True):
    """The `book` channel: absolute amounts of changed levels, 0 deletes. A change follows the message `previous`."""

    native: str
    ts: int  # ns
    snapshot: bool
    change: int
    previous: int | None
    bids: Levels
    asks: Levels


class Trade(Struct, gc=False, frozen=True):
    """One trade; `side` is the taker's, `seq` counts the trades of its instrument."""

    native: str
    seq: int
    ts: int  # ns
    price: str
    size: str
    side: int
    flags: int


class Trades(Struct, gc=False, frozen=True):
    """The `trades` channel, in the order of the trades; never empty and of one instrument."""

    trades: Sequence[Trade]


class Answer(Struct, gc=False, frozen=True):
    """The answer to a request: the channels that were (un)subscribed, or the venue's error."""

    request: int | None
    channels: Sequence[str]
    error: str | None


class TestRequest(Struct, gc=False, frozen=True):
    """The venue wants `public/test` sent, else it closes the connection."""

    __test__ = False  # its name is the venue's, and no test case


class State(Struct, gc=False, frozen=True):
    """An instrument has been created, started, settled, closed, terminated, …"""

    native: str
    state: str


Message = Book | Trades | Answer | TestRequest | State

# ---- the wire

_Level = tuple[Literal["new", "change", "delete"], Price, Amount]


class _WireBook(Struct, gc=False):
    type: Literal["snapshot", "change"]
    instrument_name: _Name
    timestamp: Epoch
    change_id: Id
    bids: list[_Level]
    asks: list[_Level]
    prev_change_id: Id | None = None


class WireTrade(Struct, gc=False):
    """One trade as the stream and the REST interface write it."""

    instrument_name: _Name
    trade_seq: Id
    timestamp: Epoch
    price: Price
    amount: Amount
    direction: Literal["buy", "sell"]
    block_trade_id: str | int | None = None
    combo_id: str | None = None
    combo_trade_id: str | int | None = None
    liquidation: str | None = None  # whose order was a forced one: M(aker), T(aker), MT

    def trade(self) -> Trade:
        """Normalised. Block trades are agreed on outside the order book, legs of combos trade in the combo's own
        book at prices made from marks: neither is flow of this one."""
        flags = Flag.LIQUIDATED if self.liquidation is not None and "T" in self.liquidation else Flag(0)
        outside = self.block_trade_id is not None or self.combo_id is not None or self.combo_trade_id is not None
        return Trade(
            self.instrument_name,
            self.trade_seq,
            self.timestamp * 1_000_000,
            repr(self.price),
            repr(self.amount),
            1 if self.direction == "buy" else -1,
            int(flags | Flag.NOT_FLOW if outside else flags),
        )


class _Params(Struct, gc=False):
    channel: str
    data: _WireBook | list[WireTrade]


class _Frame(Struct, gc=False):
    params: _Params
    method: Literal["subscription"]


class _Error(Struct, gc=False):
    code: int | None = None
    message: str = ""


class _OtherData(Struct, gc=False):
    instrument_name: str = ""
    state: str = ""


class _OtherParams(Struct, gc=False):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class _Other(Struct, gc=False):
    """What tells the kinds of frames apart when it is neither book nor trades."""

    method: str = ""
    params: _OtherParams | None = None
    id: int | str | None = None
    result: Any = msgspec.UNSET
    error: _Error | UnsetType = field(default=msgspec.UNSET)


def _decoder(kind: Any) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(kind).decode


_usual = _decoder(_Frame)
_other = _decoder(_Other)
_other_data = _decoder(_OtherData)
_MOST_TEXTS = 50_000
#: Text of the prices met before.
_texts: dict[float, str] = {}


def decode(frame: bytes) -> Sequence[Message]:
    """The messages of a frame; empty for what is of no use here. Raises FrameError."""
    try:
        usual = _usual(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as e:
        return _decode_other(frame, e)
    params = usual.params
    data, channel = params.data, params.channel
    if type(data) is _WireBook:
        # A grouped book (book.NAME.none.10.100ms) has the same name and other contents.
        if channel.startswith("book.") and channel.count(".") == 2:
            return (_book(data),)
    elif channel.startswith("trades.") and data:
        trades = [t.trade() for t in data]
        if len({t.native for t in trades}) == 1:
            return (Trades(trades),)
        natives = dict.fromkeys(t.native for t in trades)  # trades.future.BTC.100ms: of many instruments
        return [Trades([t for t in trades if t.native == native]) for native in natives]
    return ()


def _book(b: _WireBook) -> Book:
    return Book(
        b.instrument_name,
        b.timestamp * 1_000_000,
        b.type == "snapshot",
        b.change_id,
        b.prev_change_id,
        _levels(b.bids),
        _levels(b.asks),
    )


def _levels(wire: Sequence[_Level]) -> Levels:
    texts = _texts
    if len(texts) > _MOST_TEXTS:
        texts.clear()
    levels = []
    for action, price, amount in wire:
        text = texts.get(price)
        if text is None:
            text = texts[price] = repr(price)
        levels.append((text, 0.0 if action == "delete" else amount))
    return levels


# ---- everything else

#: Whose a frame is, also of one that is cut off. Grouped books and trades of many instruments have more parts.
_WHOSE = re.compile(rb'"channel"\s*:\s*"(book|trades)\.([^".]{1,80})\.[^".]{1,20}"')
_CHANNELS = {b"book": Channel.BOOK, b"trades": Channel.TRADES}


def _decode_other(frame: bytes, error: Exception) -> Sequence[Message]:
    """Answers, heartbeats, other channels; or says what is wrong with a frame."""
    try:
        other = _other(frame)
        if other.error is not msgspec.UNSET:
            code = "" if other.error.code is None else f" (code {other.error.code})"
            return (Answer(_number(other.id), (), f"{other.error.message[:300]!r}{code}"),)
        if other.result is not msgspec.UNSET:
            channels = other.result if isinstance(other.result, list) else ()
            return (Answer(_number(other.id), [c for c in channels if isinstance(c, str)], None),)
        known = None if other.params is None else _of_channel(other.method, other.params)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        known = None
    if known is None:
        raise _wrong(frame, error)
    return known


def _of_channel(method: str, params: _OtherParams) -> Sequence[Message] | None:
    """What it says; None for what should have been read."""
    if method == "heartbeat":
        return (TestRequest(),) if params.type == "test_request" else ()
    channel = params.channel.split(".")
    if method != "subscription" or not channel[0]:
        return None
    if channel[:2] == ["instrument", "state"]:
        data = _other_data(params.data)
        return (State(data.instrument_name, data.state),)
    return None if len(channel) == 3 and channel[0] in ("book", "trades") else ()


def _number(value: int | str | None) -> int | None:
    return value if isinstance(value, int) else None


def _wrong(frame: bytes, error: Exception) -> FrameError:
    said = str(error)[:200].encode("unicode_escape").decode()
    text = f"{said} in {bytes(frame[:60])!r}" + (f"… ({len(frame)} bytes)" if len(frame) > 60 else "")
    whose = _WHOSE.search(frame[:300])
    if whose is None:
        return FrameError(text)
    return FrameError(text, whose[2].decode("utf-8", "replace"), _CHANNELS[whose[1]])
