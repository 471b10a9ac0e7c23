"""What traded at each price in each minute of the last day, by the taker's side: what an anchor set later counts from.

Sums are exact ints. The open minute is held trade by trade, so that an anchor may lie anywhere in it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.history import MINUTE
from engine.metrics.batch import Batch, Floats, Trades
from engine.metrics.calculator import State
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints

#: At most so many cells (minute, price, side) are held; the oldest minutes go first.
_MOST: Final = 150_000


class Footprint:
    """No fields: `since` gives what an anchored calculator begins with."""

    def __init__(self) -> None:
        self._cells = Columns(*[np.int64] * 4)  # start of the minute, ticks, side, lots; by minute, side, ticks
        self._open = Columns(*[np.int64] * 4)  # clock, ticks, lots, side: trades not yet in a cell
        self._from: int | None = None  # everything since is held; None: nothing came

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        if self._from is None and batch.end:
            self._from = batch.start or batch.end
        if len(trades):
            self._open.append(trades.t, trades.px, trades.qty, trades.side)

    def sample(self, field: str, times: Ints) -> Floats:
        del field
        return np.full(len(times), np.nan)

    def advance(self, t: int) -> None:
        clock = self._open[0]
        if not len(clock) or int(clock[0]) // MINUTE >= t // MINUTE:
            return
        closed = int(clock.searchsorted(t // MINUTE * MINUTE, "left"))
        at, px, qty, side = (self._open[i][:closed] for i in range(4))
        keys = np.stack((at // MINUTE * MINUTE, side, px))
        cells, where = np.unique(keys, axis=1, return_inverse=True)
        lots = np.zeros(cells.shape[1], np.int64)
        np.add.at(lots, where.reshape(-1), qty)
        self._cells.append(cells[0], cells[2], cells[1], lots)
        self._open.drop(closed)
        self._forget(t)

    def _forget(self, t: int) -> None:
        minutes = self._cells[0]
        oldest = t - DAY
        if len(minutes) > _MOST:
            oldest = max(oldest, int(minutes[len(minutes) - _MOST]) + MINUTE)
        gone = int(minutes.searchsorted(oldest, "left"))
        if gone:
            self._from = int(minutes[gone - 1]) + MINUTE
            self._cells.drop(gone)

    def since(self, anchor: int) -> tuple[Trades, int]:
        """(the trades at or after the anchor, those of a closed minute at a price and side as one with the clock of
        the minute's start; from when on they are all there: the anchor, or later where that is not known)."""
        minutes = self._cells[0]
        first = int(minutes.searchsorted(anchor, "left"))
        opened = int(self._open[0].searchsorted(anchor, "left"))
        cells, open_ = ([columns[i][start:] for i in range(4)] for columns, start in (
            (self._cells, first), (self._open, opened)))  # fmt: skip
        t = np.concatenate((cells[0], open_[0]))
        trades = Trades(
            t,
            np.concatenate((cells[1], open_[1])),
            np.concatenate((cells[3], open_[2])),
            np.concatenate((cells[2], open_[3])),
            np.zeros(len(t), np.int64),
        )
        complete = max(anchor, self._from) if self._from is not None else anchor
        inside = len(minutes) and first and anchor < int(minutes[first - 1]) + MINUTE  # of a minute that is closed
        return trades, int(minutes[first - 1]) + MINUTE if inside else complete

    def state(self) -> State:
        return {
            "kind": "footprint",
            "version": 1,
            "cells": self._cells.state(),
            "open": self._open.state(),
            "from": self._from,
        }

    def restore(self, state: State) -> None:
        check_state(state, "footprint", 1)
        self._cells.restore(state["cells"])
        self._open.restore(state["open"])
        self._from = state["from"]
