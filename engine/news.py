"""What has happened in a market since the last fold, collected row by row or message by message."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import chain

import numpy as np

from engine.book import Touch
from engine.metrics.batch import NO_QUOTES, Quotes, Trades
from engine.tape import NOT_COUNTED, Ints


#: clock, exchange time, ticks, lots, side, flags, id.
TradeRow = tuple[int, int, int, int, int, int, int]
#: clock, epoch, valid, touch.
QuoteRow = tuple[int, int, bool, Touch]


class TradeColumns:
    """Trades as int64 columns: clock, exchange time, ticks, lots, side, flags, id."""

    __slots__ = ("flags", "id", "px", "qty", "side", "t", "ts")

    def __init__(self, t: Ints, ts: Ints, px: Ints, qty: Ints, side: Ints, flags: Ints, ids: Ints) -> None:
        self.t, self.ts, self.px, self.qty, self.side, self.flags, self.id = t, ts, px, qty, side, flags, ids

    def flow(self) -> Trades:
        """Only what counts as order flow."""
        counted = ((self.flags & int(NOT_COUNTED)) == 0) & (self.qty > 0)
        if counted.all():
            return Trades(self.t, self.px, self.qty, self.side)
        return Trades(self.t[counted], self.px[counted], self.qty[counted], self.side[counted])


def trade_columns(rows: list[TradeRow]) -> TradeColumns:
    """Collected trades as columns."""
    flat = np.fromiter(chain.from_iterable(rows), np.int64, 7 * len(rows)).reshape(-1, 7)
    return TradeColumns(*(np.ascontiguousarray(flat[:, i]) for i in range(7)))


def quote_columns(rows: list[QuoteRow], inverse_lot: float) -> Quotes:
    """Collected touches as columns; wire sizes become lots."""
    if not rows:
        return NO_QUOTES
    t, epoch, valid, touches = zip(*rows, strict=True)
    bid, bid_wire, ask, ask_wire = zip(*touches, strict=True)

    def lots(wire: tuple[float, ...]) -> Ints:
        return np.rint(np.array(wire) * inverse_lot).astype(np.int64)

    return Quotes(
        np.array(t, np.int64),
        np.array(bid, np.int64),
        lots(bid_wire),
        np.array(ask, np.int64),
        lots(ask_wire),
        np.array(valid, np.bool_),
        np.array(epoch, np.int64),
    )


class TapNews:
    """Lots on the first levels after every book message, for the level counts some metric wants."""

    def __init__(self, taps: Iterable[int]) -> None:
        self.columns = {tap: (array("q"), array("q")) for tap in taps}

    def take(self) -> dict[int, tuple[Ints, Ints]]:
        """Everything collected, by level count: (bids, asks); forgets it."""
        sums = {tap: (np.array(bids, np.int64), np.array(asks, np.int64)) for tap, (bids, asks) in self.columns.items()}
        self.columns = {tap: (array("q"), array("q")) for tap in self.columns}
        return sums
