"""The codes that rows of a tape carry. Kept apart from the columns: a screen needs these before it needs arrays."""

from __future__ import annotations

from enum import IntEnum, IntFlag

#: Exchange times outside 2009-01-01 .. 2100-01-01 are refused: one would stop the clock for good.
EARLIEST, LATEST = 1_230_768_000_000_000_000, 4_102_444_800_000_000_000
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
    LIQUIDATION = 8  # px, qty, side of the order that closed a position by force (+1: a short was closed); no flow
    # Readings: a decimal number, px * 10^-aux, for the tick and the lot don't bind it.
    MARK = 9  # the price that margins are computed with
    INDEX = 10  # the price of the underlying
    FUNDING = 11  # rate that longs pay shorts at the next settlement; id = when that is, ns (0: not told)
    OPEN_INTEREST = 12  # open contracts, in the venue's size unit


#: Kinds that carry a decimal number.
READINGS = (Kind.MARK, Kind.INDEX, Kind.FUNDING, Kind.OPEN_INTEREST)


class Flag(IntFlag):
    """Properties of a row."""

    LAST = 1  # last row of its message: the book is consistent after it
    RECOVERED = 2  # a missed trade fetched afterwards by REST
    REPLAYED = 4  # history a venue replays on subscribing: shown, never flow
    NOT_FLOW = 8  # insurance fund, auto-deleveraging, block trade: stored, never flow, last or VWAP
    LIQUIDATED = 16  # the taker's order closed a position by force: flow, and a liquidation


#: A trade with one of these is not order flow.
NOT_COUNTED = Flag.REPLAYED | Flag.NOT_FLOW


class Channel(IntEnum):
    """A stream of a market whose trust is tracked on its own."""

    BOOK = 1
    TRADES = 2
    LIQUIDATIONS = 3  # not in the samples of trust: it only says whether liquidations would be heard of


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
    BAD_CHECKSUM = 15
    DELISTED = 16
    MEMBERS_OUT = 17
    NO_FIRST_MESSAGE = 18
    ONLY_BOOK = 19
    ONLY_TRADES = 20


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
    Reason.BAD_CHECKSUM: "the book is not what its checksum says",
    Reason.DELISTED: "no longer traded, as the venue says",
    Reason.MEMBERS_OUT: "some of its markets are left out",
    Reason.NO_FIRST_MESSAGE: "subscribed, but nothing comes",
    Reason.ONLY_BOOK: "the book moves, but no trade comes",
    Reason.ONLY_TRADES: "trades come, but the book does not move",
}
