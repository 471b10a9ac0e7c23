"""Order flow at the queues of the book: what each level's bid gained minus what its ask gained, state by state.

Cont, Kukanov & Stoikov, Journal of Financial Econometrics 12(1):47-88, 2014, for the best level; Xu, Gould &
Howison, Market Microstructure and Liquidity 4(3-4) 1950011, 2018, for the levels behind it.
"""

from __future__ import annotations

import numpy as np

from engine.metrics.batch import NO_ASK, NO_BID, Batch, Quotes
from engine.metrics.calculator import State
from engine.metrics.windows import check_state
from engine.tape import Ints

#: Batches of so many rows are taken in one by one, for the best level.
FEW = 8


def queue_flow(bid: Ints, bid_qty: Ints, ask: Ints, ask_qty: Ints) -> Ints:
    """e_n of each state against the one before it, lots, int64; n states give n - 1 values (of each column).

    e = q_b [b >= b'] - q_b' [b <= b'] - q_a [a <= a'] + q_a' [a >= a'], primes marking the state before.
    An empty level stands as NO_BID or NO_ASK with size 0.
    """
    b, a = bid[1:], ask[1:]
    was_b, was_a = bid[:-1], ask[:-1]
    flow: Ints = (
        bid_qty[1:] * (b >= was_b)
        - bid_qty[:-1] * (b <= was_b)
        - ask_qty[1:] * (a <= was_a)
        + ask_qty[:-1] * (a >= was_a)
    )
    return flow


class QueueFlow:
    """e of the m-th best non-empty prices, m = 1..`levels`, from batch to batch.

    States that are not valid are dropped before differencing: they neither emit nor become the reference. The
    first state of an epoch emits nothing. The sides of a level do not depend on each other.
    """

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._last: Ints | None = None  # epoch, then bid, bid_qty, ask, ask_qty per level, of the last valid state

    def of_touch(self, quotes: Quotes) -> tuple[Ints, Ints]:
        """As `of_ladder` of the best level alone."""
        if not len(quotes):
            return quotes.t, np.empty((0, 1), np.int64)
        key = ("queue flow", None if self._last is None else self._last.tobytes())
        known: tuple[tuple[Ints, Ints], Ints | None] | None = quotes.memo.get(key)
        if known is None:
            found = self._of_few(quotes) if len(quotes) <= FEW else self._of_many(quotes)
            quotes.memo[key] = found, self._last
            return found
        found, self._last = known
        return found

    def _of_many(self, quotes: Quotes) -> tuple[Ints, Ints]:
        """`of_touch` of columns."""
        t, epoch, b, qb, a, qa = (quotes.t, quotes.epoch, quotes.bid, quotes.bid_qty, quotes.ask, quotes.ask_qty)
        if not quotes.valid.all():
            t, epoch, b, qb, a, qa = (column[quotes.valid] for column in (t, epoch, b, qb, a, qa))
        if not len(t):
            return t, np.empty((0, 1), np.int64)
        if not qb.all():
            b = np.where(qb == 0, NO_BID, b)
        if not qa.all():
            a = np.where(qa == 0, NO_ASK, a)
        flow = np.zeros(len(t), np.int64)
        flow[1:] = queue_flow(b, qb, a, qa)
        if epoch[0] != epoch[-1]:
            flow[1:][epoch[1:] != epoch[:-1]] = 0
        if self._last is not None and int(self._last[0]) == int(epoch[0]):
            joined = (np.array([was, column[0]]) for was, column in zip(self._last[1:], (b, qb, a, qa), strict=True))
            flow[0] = queue_flow(*joined)[0]
        self._last = np.array([epoch[-1], b[-1], qb[-1], a[-1], qa[-1]], np.int64)
        moved = np.flatnonzero(flow)
        return t[moved], flow[moved][:, None]

    def of_ladder(self, batch: Batch) -> tuple[Ints, Ints]:
        """(clocks of the states in which something flowed, shape (k,); e of their levels, lots, shape (k, levels))."""
        ladder = batch.ladders[self._levels]
        return self._emit(batch.quotes, [ladder.bid_px, ladder.bid_qty, ladder.ask_px, ladder.ask_qty])

    def _of_few(self, quotes: Quotes) -> tuple[Ints, Ints]:
        """`of_touch` a row at a time: numpy's calls cost more than a live batch of some rows holds."""
        columns = (quotes.t, quotes.valid, quotes.epoch, quotes.bid, quotes.bid_qty, quotes.ask, quotes.ask_qty)
        last = None if self._last is None else self._last.tolist()
        times, flow = [], []
        for t, valid, epoch, b, qb, a, qa in zip(*(column.tolist() for column in columns), strict=True):
            if not valid:
                continue
            row = [epoch, b if qb else NO_BID, qb, a if qa else NO_ASK, qa]
            if last is not None and last[0] == epoch:
                _, was_b, was_qb, was_a, was_qa = last
                e = (qb if row[1] >= was_b else 0) - (was_qb if row[1] <= was_b else 0)
                e += (was_qa if row[3] >= was_a else 0) - (qa if row[3] <= was_a else 0)
                if e:
                    times.append(t)
                    flow.append(e)
            last = row
        self._last = None if last is None else np.array(last, np.int64)
        return np.array(times, np.int64), np.array(flow, np.int64).reshape(-1, 1)

    def _emit(self, quotes: Quotes, columns: list[Ints]) -> tuple[Ints, Ints]:
        m = self._levels
        times, epoch = quotes.t, quotes.epoch
        if not quotes.valid.all():
            times, epoch = times[quotes.valid], epoch[quotes.valid]
            columns = [column[quotes.valid] for column in columns]
        if not len(times):
            return times, np.empty((0, m), np.int64)
        rows = np.empty((len(times) + 1, 1 + 4 * m), np.int64)
        rows[1:, 0] = epoch
        for i, column in enumerate(columns):
            rows[1:, 1 + i * m : 1 + (i + 1) * m] = column
        rows[0] = rows[1] if self._last is None else self._last
        rows[0, 0] = -1 if self._last is None else rows[0, 0]
        bid, bid_qty, ask, ask_qty = (rows[:, 1 + i * m : 1 + (i + 1) * m] for i in range(4))
        bid[1:][bid_qty[1:] == 0] = NO_BID
        ask[1:][ask_qty[1:] == 0] = NO_ASK
        flow = queue_flow(bid, bid_qty, ask, ask_qty)
        flow[rows[1:, 0] != rows[:-1, 0]] = 0
        self._last = rows[-1].copy()
        moved = flow.any(axis=1)
        return times[moved], flow[moved]

    def state(self) -> State:
        last = None if self._last is None else self._last.copy()
        return {"kind": "queue flow", "version": 1, "levels": self._levels, "last": last}

    def restore(self, state: State) -> None:
        check_state(state, "queue flow", 1)
        if state["levels"] != self._levels:
            raise ValueError(f"state of {state['levels']} levels, not {self._levels}")
        last = state["last"]
        self._last = None if last is None else np.array(last, np.int64).reshape(1 + 4 * self._levels)
