"""What has happened in a market since the last fold, collected row by row or message by message."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.metrics.batch import NO_QUOTES, Quotes, Trades
from engine.tape import NOT_COUNTED, Ints


def _ints(values: array[int]) -> Ints:
    return np.array(values, np.int64)


class TradeNews:
    """Trades of both carriers, flow or not, in arrival order."""

    def __init__(self) -> None:
        self._fresh()

    def _fresh(self) -> None:
        self.t, self.ts, self.px, self.qty, self.side, self.flags, self.id = (array("q") for _ in range(7))

    def add(self, t: int, ts: int, px: int, qty: int, side: int, flags: int, trade_id: int) -> None:
        """One trade."""
        self.t.append(t)
        self.ts.append(ts)
        self.px.append(px)
        self.qty.append(qty)
        self.side.append(side)
        self.flags.append(flags)
        self.id.append(trade_id)

    def take(self) -> TradeColumns | None:
        """Everything added, as columns; forgets it."""
        if not self.t:
            return None
        columns = TradeColumns(*map(_ints, (self.t, self.ts, self.px, self.qty, self.side, self.flags, self.id)))
        self._fresh()
        return columns


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


class QuoteNews:
    """Best bid and offer after every book message, and sums over the first levels where a metric wants them."""

    def __init__(self, taps: Sequence[int], lot: float) -> None:
        self._taps = tuple(taps)
        self._inverse_lot = 1 / lot
        self._fresh()

    def _fresh(self) -> None:
        self.t, self.bid, self.ask, self.epoch = (array("q") for _ in range(4))
        self.bid_wire, self.ask_wire = array("d"), array("d")
        self.valid = array("b")
        self.sums = {tap: (array("q"), array("q")) for tap in self._taps}

    def take(self) -> tuple[Quotes, dict[int, tuple[Ints, Ints]]]:
        """Everything added, as columns; forgets it."""
        if not self.t:
            return NO_QUOTES, {tap: (NO_QUOTES.t, NO_QUOTES.t) for tap in self._taps}
        quotes = Quotes(
            _ints(self.t),
            _ints(self.bid),
            self._lots(self.bid_wire),
            _ints(self.ask),
            self._lots(self.ask_wire),
            np.array(self.valid, np.bool_),
            _ints(self.epoch),
        )
        sums = {tap: (_ints(bids), _ints(asks)) for tap, (bids, asks) in self.sums.items()}
        self._fresh()
        return quotes, sums

    def _lots(self, wire: array[float]) -> Ints:
        sizes: NDArray[np.float64] = np.array(wire)
        return np.rint(sizes * self._inverse_lot).astype(np.int64)
