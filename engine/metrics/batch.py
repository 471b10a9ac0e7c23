"""What the fold hands to calculators: the news of a market since the last time, as columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.tape import NO_ASK, NO_BID, Ints, Kind

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trades:
    """Order flow only (nothing flagged REPLAYED or NOT_FLOW), in arrival order. All int64, shape (n,)."""

    t: Ints  # the market's clock at the trade (running maximum of exchange time), ns
    px: Ints  # ticks
    qty: Ints  # lots, > 0
    side: Ints  # taker: +1, -1, 0 unknown
    seq: Ints  # number of its message in the market's tape: joins trades and quotes in arrival order

    def __len__(self) -> int:
        return len(self.t)

    @classmethod
    def joined(cls, parts: Sequence[Trades]) -> Trades:
        """Consecutive pieces of a tape as one."""
        names = ("t", "px", "qty", "side", "seq")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True)
class Quotes:
    """Best bid and offer after every book message. Shape (n,); int64 unless said."""

    t: Ints  # clock, ns
    bid: Ints  # ticks; NO_BID when the side is empty (size 0)
    bid_qty: Ints  # lots
    ask: Ints  # ticks; NO_ASK when the side is empty
    ask_qty: Ints
    valid: Bools  # False: crossed, locked or not trusted; neither a value nor a reference
    epoch: Ints  # +1 at every snapshot or loss; no difference is taken across epochs
    seq: Ints  # number of its message in the market's tape, ascending; a status shares its message's number
    #: What calculators made of these rows, by what it was made with: those that carry the same do it once.
    memo: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.t)

    @classmethod
    def joined(cls, parts: Sequence[Quotes]) -> Quotes:
        """Consecutive pieces of a tape as one."""
        names = ("t", "bid", "bid_qty", "ask", "ask_qty", "valid", "epoch", "seq")
        columns: list[Any] = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        return cls(*columns)


@dataclass(frozen=True, slots=True)
class Ladder:
    """The best M non-empty levels of both sides after every book message, best first. Shape (n, M), int64.

    A missing level is NO_BID or NO_ASK with size 0. Only as good as the quote of the same row is valid.
    """

    bid_px: Ints
    bid_qty: Ints
    ask_px: Ints
    ask_qty: Ints


@dataclass(frozen=True, slots=True)
class Band:
    """What rests within a distance of the mid, the boundary included, after every book message. Shape (n,), int64.

    0 where the book is not valid or lacks a side. Beyond the known depth of the book a lower bound.
    """

    bid: Ints  # lots
    ask: Ints
    #: Sum of price x size, ticks x lots; Python ints in an array of dtype object where int64 would overflow.
    bid_money: NDArray[Any]
    ask_money: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """Every level that a delta named while the book was loaded (not snapshots), in order. Shape (k,), int64."""

    t: Ints  # clock, ns
    seq: Ints  # message number
    epoch: Ints
    side: Ints  # +1 bid, -1 ask
    px: Ints  # ticks
    before: Ints  # lots there before the message; a level named twice: before its own change
    after: Ints  # lots there now

    def __len__(self) -> int:
        return len(self.t)


class Reading(NamedTuple):
    """A number that the venue tells of a contract."""

    t: int  # clock, ns
    kind: Kind
    value: float
    due: int  # of a funding rate: when it is settled, ns; 0: not told


@dataclass(frozen=True, slots=True)
class Batch:
    """One cut of the tape at message boundaries. `start` <= every t <= `end`."""

    trades: Trades
    quotes: Quotes
    #: Per tap of L levels: (lots on the first L bid levels, on the first L ask levels), aligned to `quotes`.
    sums: Mapping[int, tuple[Ints, Ints]]
    day_volumes: tuple[tuple[int, int], ...]  # (clock, lots) of the venue's 24 h volume
    start: int  # clock before the batch
    end: int  # clock after it
    ladders: Mapping[int, Ladder] = field(default_factory=dict)  # per level count that a metric's `ladders` names
    changes: Changes | None = None  # None: no metric asked for `changes`
    bands: Mapping[Fraction, Band] = field(default_factory=dict)  # per distance (bps) that a metric's `bands` names
    liquidations: Trades | None = None  # as trades, side of the closing order; None: there were none
    heard: tuple[tuple[int, bool], ...] = ()  # (clock, whether liquidations are heard of from then on)
    readings: tuple[Reading, ...] = ()
    holes: tuple[tuple[int, int], ...] = ()  # (clock, trades known to be missing; -1: nobody knows how many)
    trust: tuple[tuple[int, int, int], ...] = ()  # (clock, trust of the book, of the trades from then on)
    lags: tuple[Ints, Ints] | None = None  # (clock, receive less exchange time, ns); None: no metric asked for it


_NONE = np.empty(0, np.int64)
NO_TRADES = Trades(_NONE, _NONE, _NONE, _NONE, _NONE)
NO_QUOTES = Quotes(_NONE, _NONE, _NONE, _NONE, _NONE, np.empty(0, np.bool_), _NONE, _NONE)

__all__ = [
    "NO_ASK",
    "NO_BID",
    "NO_QUOTES",
    "NO_TRADES",
    "Band",
    "Batch",
    "Bools",
    "Changes",
    "Floats",
    "Ladder",
    "Quotes",
    "Reading",
    "Trades",
]
