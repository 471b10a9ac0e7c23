"""The tape: one ordered, columnar log of everything a market told us.

Rows are the canonical carrier. They stand in arrival order and are never re-sorted; the market's
clock is the running maximum of ``ts``. Prices are in ticks and sizes in lots of the instrument
that heads the tape, so sums never drift and equality is exact.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
Ints = NDArray[np.int64]

#: recv, ts: receive and exchange time, ns since the Unix epoch (recv only serves latency and staleness);
#: id: trade id, or the sequence number of a book message; px: ticks; qty: lots; aux: see ``Kind``.
ROW = np.dtype(
    [
        ("recv", "<i8"),
        ("ts", "<i8"),
        ("id", "<i8"),
        ("px", "<i8"),
        ("qty", "<i8"),
        ("aux", "<i4"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("side", "i1"),
        ("channel", "u1"),
    ]
)

#: A missing best level: below every bid, above every ask.
NO_BID = -(1 << 62)
NO_ASK = 1 << 62


class Kind(IntEnum):
    """What a row says."""

    TRADE = 1  # px, qty, side = taker (+1 buy, -1 sell, 0 unknown), id = trade id
    LEVEL = 2  # absolute size qty at px; side +1 bid, -1 ask; id = sequence of its message
    SNAPSHOT = 3  # the book is replaced: the LEVEL rows up to the LAST flag are all of it
    STATUS = 4  # trust of `channel` changes: aux = trust | reason << 8, qty = percent for WARMING
    CLOCK = 5  # time passes, nothing happened
    HOLE = 6  # trades are missing: id = first missing id (or -1), qty = how many (-1 unknown)
    DAY_VOLUME = 7  # the venue's own volume of the last 24 h: qty lots


class Flag(IntFlag):
    """Properties of a row."""

    LAST = 1  # last row of its message: the book is consistent after it
    RECOVERED = 2  # a missed trade fetched afterwards by REST
    REPLAYED = 4  # history a venue replays on subscribing: shown, never flow
    NOT_FLOW = 8  # insurance fund, auto-deleveraging, block trade: stored, never flow, last or VWAP


#: A trade with one of these is not order flow.
NOT_COUNTED = Flag.REPLAYED | Flag.NOT_FLOW


class Channel(IntEnum):
    """A stream of a market whose trust is tracked on its own."""

    BOOK = 1
    TRADES = 2


class Trust(IntEnum):
    """How far the data of a channel can be relied on."""

    NONE = 0  # the source does not carry this channel
    WARMING = 1
    LIVE = 2
    RESYNC = 3
    STALE = 4
    SILENT = 5
    CROSSED = 6
    UNVERIFIABLE = 7


class Reason(IntEnum):
    """Why a channel has its trust; `REASON_TEXT` says it to a person."""

    NONE = 0
    CONNECTING = 1
    AWAITING_SNAPSHOT = 2
    SEQUENCE_GAP = 3
    CROSSED_BOOK = 4
    BAD_MESSAGE = 5
    OFF_GRID = 6
    DISCONNECTED = 7
    NO_SNAPSHOT_IN_SOURCE = 8
    NO_DATA_YET = 9
    RATE_LIMITED = 10
    NO_SEQUENCE = 11
    SNAPSHOT_FAILED = 12
    INSTRUMENT_CHANGED = 13
    NO_MESSAGES = 14


REASON_TEXT: dict[Reason, str] = {
    Reason.NONE: "",
    Reason.CONNECTING: "connecting",
    Reason.AWAITING_SNAPSHOT: "waiting for the book snapshot",
    Reason.SEQUENCE_GAP: "a book update is missing",
    Reason.CROSSED_BOOK: "best bid is not below best ask",
    Reason.BAD_MESSAGE: "a message could not be read",
    Reason.OFF_GRID: "a price or size is off the instrument's grid",
    Reason.DISCONNECTED: "connection lost",
    Reason.NO_SNAPSHOT_IN_SOURCE: "the source has no book snapshot",
    Reason.NO_DATA_YET: "subscribed, no data yet",
    Reason.RATE_LIMITED: "the venue asked to wait",
    Reason.NO_SEQUENCE: "the source has no sequence numbers",
    Reason.SNAPSHOT_FAILED: "the snapshot request failed",
    Reason.INSTRUMENT_CHANGED: "tick or lot size changed",
    Reason.NO_MESSAGES: "no message for too long",
}


def rows_of(n: int) -> Rows:
    """`n` zeroed rows."""
    return np.zeros(n, ROW)


def row(kind: Kind, recv: int, ts: int, **fields: Any) -> Rows:
    """One row; `flags` defaults to LAST."""
    r = np.zeros(1, ROW)
    r["kind"], r["recv"], r["ts"], r["flags"] = kind, recv, ts, Flag.LAST
    for name, value in fields.items():
        r[name] = value
    return r


def status_row(recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0) -> Rows:
    """A change of trust of one channel."""
    return row(Kind.STATUS, recv, ts, channel=channel, aux=int(trust) | int(reason) << 8, qty=percent)


def hole_row(recv: int, ts: int, first_id: int, count: int) -> Rows:
    """`count` trades from `first_id` on never arrived (-1: an unknown number)."""
    return row(Kind.HOLE, recv, ts, channel=Channel.TRADES, id=first_id, qty=count)


def clock_row(recv: int, ts: int) -> Rows:
    """Nothing happened until `ts`."""
    return row(Kind.CLOCK, recv, ts)
