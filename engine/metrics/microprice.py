"""Micro-price: where the mid is expected to settle, given the queue imbalance and the spread.

Stoikov, "The micro-price", Quantitative Finance 18(12), 2018. METRICS 1.11. The touch is a Markov chain
over states (decile of q_b / (q_b + q_a), spread in ticks). With Q the transitions that leave the mid where
it is, R1 k the expected first move and R2 the state after a move, the paper sums

    G* = sum of B^i G1,   G1 = (I - Q)^-1 R1 k,   B = (I - Q)^-1 R2

which is the solution of (I - Q - R2) G* = R1 k among functions that change sign when the book is mirrored;
on those the system is regular once counts are symmetrised. It is solved, not summed.

Differences from the paper: a move counts with its size (up to 100 ticks), since mids of crypto markets jump
over many small ticks, and so the micro-price may well lie outside the spread; touches wider than `SPREADS`
ticks take part in the chain but get no adjustment of their own; a book with equal queues stands with half its
weight on either side of the middle.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats, Quotes
from engine.metrics.calculator import State
from engine.metrics.prices import weighted_mid
from engine.metrics.spec import Bound, Context, MetricSpec
from engine.metrics.windows import Steps, check_state
from engine.tape import Ints

DECILES: Final = 10
#: Spreads of 1 to so many ticks have an adjustment of their own.
SPREADS: Final = 5
STATES: Final = DECILES * (SPREADS + 1)
#: A state that was visited less often falls back to the weighted mid (a visit counts for its mirror image too).
MIN_VISITS: Final = 50
HOUR: Final = 3_600_000_000_000
#: Counts lose half their weight in so many hours that had quotes.
HALF_LIFE: Final = 24
_DECAY: Final = 2.0 ** (-1 / HALF_LIFE)
_MOVE_CAP: Final = 200  # half-ticks
#: A larger adjustment, in ticks, only says that the chain has no way back to the middle.
_LIMIT: Final = 1_000.0
_SHARES: Final = 4  # units in which a transition is counted: an equal book stands half in each of two states
_MIRROR: Final = np.arange(STATES).reshape(-1, DECILES)[:, ::-1].ravel()
_LOW: Final = np.flatnonzero(np.arange(STATES) < _MIRROR)
_MANY: Final = 2_000
_COLUMNS: Final = ("t", "epoch", "bid", "bid_qty", "ask", "ask_qty")


def states(bid: Ints, bid_qty: Ints, ask: Ints, ask_qty: Ints) -> tuple[Ints, Ints]:
    """The two states a two-sided touch stands in with half its weight each: the same one unless queues are equal."""
    spread = np.minimum(ask - bid, SPREADS + 1) - 1
    total = np.maximum(bid_qty + ask_qty, 1)
    last = DECILES - 1
    from_bid = np.minimum(DECILES * bid_qty // total, last)
    from_ask = last - np.minimum(DECILES * ask_qty // total, last)
    high = np.where(bid_qty >= ask_qty, from_bid, from_ask)
    low = np.where(bid_qty == ask_qty, last - high, high)
    return spread * DECILES + low, spread * DECILES + high


def adjustments(counts: Floats, moves: Floats) -> Floats:
    """G* in ticks for every state, NaN where the weighted mid must do. Shape (STATES,).

    `counts[x, y]`: transitions from state x to y, moved or not; `moves[x]`: sum of the mid's moves out of x in
    half-ticks. Both in units of a transition, not symmetrised.
    """
    both = counts + counts[_MIRROR][:, _MIRROR]
    visits = both.sum(axis=1)
    sure = np.maximum(visits, np.finfo(float).tiny)
    chain = both / sure[:, None]
    first = (moves - moves[_MIRROR]) / sure
    # Functions with f(mirror x) = -f(x) are known by their values in the lower half of the states.
    half = chain[np.ix_(_LOW, _LOW)] - chain[np.ix_(_LOW, _MIRROR[_LOW])]
    try:
        low = np.linalg.solve(np.eye(len(_LOW)) - half, first[_LOW])
    except np.linalg.LinAlgError:  # a chain that never comes back to the middle has no micro-price
        low = np.full(len(_LOW), np.nan)
    out = np.empty(STATES)
    out[_LOW], out[_MIRROR[_LOW]] = low / 2, -low / 2
    spread = np.repeat(np.arange(1, SPREADS + 2), DECILES)
    with np.errstate(invalid="ignore"):
        out[~(np.abs(out) <= _LIMIT) | (visits < MIN_VISITS) | (spread > SPREADS)] = np.nan
    return out


class MicroPrice:
    """The only field is `micro`. Transitions are between consecutive valid, two-sided touches of one epoch that
    differ; the table is fitted anew at every full hour (UTC) after one with quotes, from the counts until then.
    """

    def __init__(self, context: Context) -> None:
        self._instrument = context.instrument
        self._touch = Steps(*[np.int64] * 4, np.bool_)  # bid, bid_qty, ask, ask_qty, usable
        self._news: list[Quotes] = []  # not yet counted
        self._waiting = 0  # rows of them
        self._last: list[int] | None = None  # epoch, bid, bid_qty, ask, ask_qty of the last usable row counted
        self._hour: int | None = None  # of the open counts
        self._counts = np.zeros(STATES * STATES, np.int64)  # of the open hour, in shares
        self._moves = np.zeros(STATES, np.int64)
        self._aged_counts = np.zeros((STATES, STATES))
        self._aged_moves = np.zeros(STATES)
        self._tables: list[tuple[int, Floats]] = []  # in force from that time on
        self._next: Floats | None = None  # what the open hour will give, once it is over; None: not computed

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        quotes = batch.quotes
        if not len(quotes):
            return
        usable = quotes.valid & (quotes.bid_qty > 0) & (quotes.ask_qty > 0)
        self._touch.append(quotes.t, quotes.bid, quotes.bid_qty, quotes.ask, quotes.ask_qty, usable)
        self._news.append(quotes)
        self._waiting += len(quotes)
        self._next = None
        if self._hour is None:
            self._hour = int(quotes.t[0]) // HOUR
        if self._waiting > _MANY or int(quotes.t[-1]) // HOUR > self._hour:
            self._count()

    def sample(self, field: str, times: Ints) -> Floats:
        out = np.full(len(times), np.nan)
        rows, touch = self._usable(times)
        bid, bid_qty, ask, ask_qty = touch
        mids = self._instrument.prices(bid + ask) / 2 + self._fitted(times[rows], touch) * float(self._instrument.tick)
        for i in np.flatnonzero(np.isnan(mids)).tolist():
            mids[i] = weighted_mid(self._instrument, int(bid[i]), int(bid_qty[i]), int(ask[i]), int(ask_qty[i]))
        out[rows] = mids
        return out

    def offsets(self, times: Ints) -> Floats:
        """Micro-price minus mid in half-spreads, NaN where the book is unknown."""
        out = np.full(len(times), np.nan)
        rows, touch = self._usable(times)
        bid, bid_qty, ask, ask_qty = touch
        fitted = 2 * self._fitted(times[rows], touch) / (ask - bid)
        weighted = (bid_qty - ask_qty) / (bid_qty + ask_qty)
        out[rows] = np.where(np.isnan(fitted), weighted, fitted)
        return out

    def table(self, t: int) -> Floats | None:
        """The adjustments in force at `t` in ticks, shape (SPREADS, DECILES), NaN: weighted mid; None: not fitted."""
        found = self._table(t)
        return None if found is None else found.reshape(-1, DECILES)[:SPREADS].copy()

    def advance(self, t: int) -> None:
        self._touch.forget(t)
        while len(self._tables) > 1 and self._tables[1][0] <= t:
            del self._tables[0]

    def state(self) -> State:
        self._count()
        return {
            "kind": "micro",
            "version": 1,
            "touch": self._touch.state(),
            "last": None if self._last is None else list(self._last),
            "hour": self._hour,
            "counts": self._counts.copy(),
            "moves": self._moves.copy(),
            "aged_counts": self._aged_counts.copy(),
            "aged_moves": self._aged_moves.copy(),
            "tables": [[t, table.copy()] for t, table in self._tables],
        }

    def restore(self, state: State) -> None:
        check_state(state, "micro", 1)
        shapes = {"counts": (STATES * STATES,), "moves": (STATES,), "aged_counts": (STATES, STATES)}
        for name, shape in {**shapes, "aged_moves": (STATES,)}.items():
            found = np.shape(state[name])
            if found != shape:
                raise ValueError(f"state of a micro-price has {name} of shape {found}, not {shape}")
        self._touch.restore(state["touch"])
        self._last = None if state["last"] is None else list(state["last"])
        self._hour = state["hour"]
        self._counts, self._moves = np.array(state["counts"], np.int64), np.array(state["moves"], np.int64)
        self._aged_counts, self._aged_moves = np.array(state["aged_counts"]), np.array(state["aged_moves"])
        self._tables = [(int(t), np.array(table, np.float64)) for t, table in state["tables"]]
        self._news, self._waiting, self._next = [], 0, None

    # ---- the touch and its adjustment

    def _usable(self, times: Ints) -> tuple[Ints, tuple[Ints, Ints, Ints, Ints]]:
        """Which of the times have a valid two-sided book, and its touch."""
        position = self._touch.position(times)
        rows = np.flatnonzero(position >= 0)
        rows = rows[self._touch.values(4)[position[rows]]] if len(rows) else rows
        at = position[rows]
        bid, bid_qty, ask, ask_qty = (self._touch.values(i)[at] for i in range(4))
        return rows, (bid, bid_qty, ask, ask_qty)

    def _fitted(self, times: Ints, touch: tuple[Ints, Ints, Ints, Ints]) -> Floats:
        """Adjustment in ticks at each time, NaN where the weighted mid must do."""
        out = np.full(len(times), np.nan)
        if not len(times) or self._hour is None or (not self._tables and int(times[-1]) // HOUR <= self._hour):
            return out
        low, high = states(*touch)
        hours = times // HOUR
        for hour in np.unique(hours).tolist():
            table = self._table(hour * HOUR)
            if table is not None:
                mine = hours == hour
                out[mine] = (table[low[mine]] + table[high[mine]]) / 2
        return out

    def _table(self, t: int) -> Floats | None:
        if self._hour is not None and t // HOUR > self._hour:
            if self._next is None:
                self._count()
                self._next = self._fit()[0]
            return self._next
        return next((table for start, table in reversed(self._tables) if start <= t), None)

    # ---- counting

    def _count(self) -> None:
        """Take the waiting quotes into the counts, closing the hours they leave behind."""
        news, self._news, self._waiting = self._news, [], 0
        if not news:
            return
        t, epoch, bid, bid_qty, ask, ask_qty = (np.concatenate([getattr(q, n) for q in news]) for n in _COLUMNS)
        usable = np.concatenate([q.valid for q in news]) & (bid_qty > 0) & (ask_qty > 0)
        rows = np.array([epoch, bid, bid_qty, ask, ask_qty], np.int64)
        hours = t // HOUR
        for hour in np.unique(hours).tolist():
            self._close(hour)
            self._transitions(rows[:, usable & (hours == hour)])

    def _transitions(self, rows: Ints) -> None:
        """Rows of one hour: epoch and touch, shape (5, n)."""
        if self._last is not None:
            rows = np.concatenate([np.array(self._last, np.int64)[:, None], rows], axis=1)
        if not rows.shape[1]:
            return
        self._last = rows[:, -1].tolist()
        step = (rows[0, 1:] == rows[0, :-1]) & np.any(rows[1:, 1:] != rows[1:, :-1], axis=0)
        before, after = rows[1:, :-1][:, step], rows[1:, 1:][:, step]
        move = np.clip(after[0] + after[2] - before[0] - before[2], -_MOVE_CAP, _MOVE_CAP)
        into = states(*after)
        for x in states(*before):
            np.add.at(self._moves, x, 2 * move)
            for y in into:
                self._counts += np.bincount(x * STATES + y, minlength=STATES * STATES)

    def _close(self, hour: int) -> None:
        """Fit when the open hour is over and `hour` begins."""
        if self._hour is None or hour <= self._hour:
            return
        table, counts, moves = self._fit()
        self._tables.append(((self._hour + 1) * HOUR, table))
        self._aged_counts, self._aged_moves = counts * _DECAY, moves * _DECAY
        self._counts[:], self._moves[:] = 0, 0
        self._hour = hour

    def _fit(self) -> tuple[Floats, Floats, Floats]:
        """(table, counts, moves) of everything until the end of the open hour."""
        counts = self._aged_counts + self._counts.reshape(STATES, STATES) / _SHARES
        moves = self._aged_moves + self._moves / _SHARES
        return adjustments(counts, moves), counts, moves


def _bind() -> Bound:
    return Bound(share="micro", make=MicroPrice, field="micro", needs_book=True)


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "micro",
        (),
        "price",
        "Stoikov's micro-price: the mid plus its expected drift, given queue imbalance and spread",
        "from the first valid book on: the weighted mid until the first full hour (UTC), and in states seen fewer "
        f"than {MIN_VISITS} times or wider than {SPREADS} ticks",
        _bind,
        "prices",
    ),
)
