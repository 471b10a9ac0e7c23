"""Absorption and replenishment at the best price: what an L2 feed suggests about hidden or refilled size.

Orders can't be seen, so everything here is inferred. For one side of the book:

- A *stand* begins when takers hit the best price (trades at exactly the prevailing best price, of known
  side) and lasts while that price stays the best. It ends when the price gives way, is bettered, or when
  the book is lost.
- D is the most that was displayed at the price, while it was the best, in the second before the first hit
  (a second, since some feeds show the book before the trade); H is what takers have taken since.
- Absorbed: max(0, H - D), what was taken beyond what had been displayed. Told at the trade.
- Replenished: q - D + H between 0 and H, where q is displayed now, or 0 once the price gave way: how much
  of what was taken has come back. Told at each book message; it falls when the refill is cancelled. Of a
  stand that gave way, exactly what was absorbed remains.
- Evidence: of the times between two book messages, those in which more was absorbed and after which the
  price still was the best. Against it: stands that gave way. Confidence is
  evidence / (evidence + gave way + 4), from 0 to below 1: four failures are assumed beforehand, so that a
  few refills prove little.

Refills by other traders look like an iceberg's, and a feed that batches the book shows less of both.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import NO_ASK, NO_BID, Batch, Bools, Floats, Quotes, Trades
from engine.metrics.calculator import State
from engine.metrics.depth import book_side
from engine.metrics.seen import BookSeen
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Exact, Sums, check_state, quotients, to_floats
from engine.tape import Ints

#: How long before the first hit the displayed size counts, ns.
DISPLAYED: Final = 1_000_000_000
#: Failures assumed before any evidence.
DOUBT: Final = 4

_ABSORBED = 1
_BACK, _EVIDENCE, _FAILED = 0, 1, 2  # columns of the sums


class _States(NamedTuple):
    """States of one side: those carried over (all of one run), then one per book message."""

    t: Ints
    px: Ints
    qty: Ints
    epoch: Ints
    valid: Bools
    run: Ints  # ascending number of the run: states in sequence with the same best price
    old: int  # how many were carried over


class _Side:
    """The stands of one side (+1 bids, -1 asks). All carried state is ints."""

    def __init__(self, side: int) -> None:
        self._side = side
        self.trades = Sums(2)  # taken, absorbed
        self.messages = Sums(3)  # replenished, evidence, stands that gave way
        # The run that goes on: times and sizes of its last state and of those that a first hit may need.
        self._t, self._qty = [0], [0]
        self._px, self._epoch, self._ok = 0, -1, False
        # Its stand.
        self._taken = 0  # 0: there is none
        self._displayed = 0
        self._back = 0
        self._grew = False  # something was absorbed since the last book message

    def update(self, quotes: Quotes, trades: Trades, end: int) -> None:
        """Take the news in; `end` is the clock after them."""
        states, ok = self._states(quotes)
        at = quotes.seq.searchsorted(trades.seq, "left") + states.old - 1  # the prevailing state of each trade
        hit = (trades.side == -self._side) & ok[at] & (trades.px == states.px[at])
        if self._taken or hit.any():
            self._account(states, trades.t[hit], trades.qty[hit], at[hit])
        begin = len(states.t) - 1
        if not self._taken:
            begin = min(begin, _displayed_from(states, begin, end))
        self._t, self._qty = states.t[begin:].tolist(), states.qty[begin:].tolist()
        self._px, self._epoch, self._ok = int(states.px[-1]), int(states.epoch[-1]), bool(ok[-1])

    def _states(self, quotes: Quotes) -> tuple[_States, Bools]:
        """The states, and which of them have a best price that can be trusted."""
        old = len(self._t)
        best, qty, none = (
            (quotes.bid, quotes.bid_qty, NO_BID) if self._side > 0 else (quotes.ask, quotes.ask_qty, NO_ASK)
        )
        px = np.concatenate([np.full(old, self._px), best])
        epoch = np.concatenate([np.full(old, self._epoch), quotes.epoch])
        valid = np.concatenate([np.full(old, self._ok), quotes.valid])
        ok = valid & (px != none)
        new = np.zeros(len(px), np.bool_)
        new[1:] = ~(ok[1:] & ok[:-1]) | (px[1:] != px[:-1]) | (epoch[1:] != epoch[:-1])
        new[:old] = False
        t, sizes = np.concatenate([self._t, quotes.t]), np.concatenate([self._qty, qty])
        return _States(t, px, sizes, epoch, valid, np.cumsum(new), old), ok

    def _account(self, states: _States, hit_t: Ints, hit_qty: Ints, hit_at: Ints) -> None:
        """Count the hits, and the book messages of the runs that were hit."""
        run, old = states.run, states.old
        carried = 1 if self._taken else 0  # the stand carried over is one hit before all others
        lots = np.concatenate([np.full(carried, self._taken), hit_qty])
        at = np.concatenate([np.full(carried, old - 1), hit_at])
        first = np.concatenate([[True], run[at[1:]] != run[at[:-1]]])
        stand, starts = np.cumsum(first) - 1, np.flatnonzero(first).tolist()
        total = np.cumsum(lots)
        taken = total - (total - lots)[first][stand]
        displayed = np.empty(len(starts), np.int64)
        for i, k in enumerate(starts):
            if carried and k == 0:
                displayed[i] = self._displayed
            else:
                state = int(at[k])
                displayed[i] = states.qty[_displayed_from(states, state, int(hit_t[k - carried])) : state + 1].max()
        shown = displayed[stand]
        absorbed = np.maximum(taken - shown, 0)
        gained = np.where(first, absorbed, np.diff(absorbed, prepend=0))[carried:]
        if len(hit_t):
            bound = int(hit_qty.sum())
            self.trades.append(hit_t, (hit_qty, gained), (bound, bound))
        grew = np.zeros(len(run), np.bool_)  # by absorption before the next state
        grew[hit_at[gained > 0]] = True
        grew[old - 1] |= self._grew
        change, failed = self._replenished(states, at, taken, shown)
        self._tell(states, change, grew[old - 1 : -1], failed)
        self._grew = bool(grew[-1])
        goes_on = run[at[-1]] == run[-1]
        self._taken = int(taken[-1]) if goes_on else 0
        self._displayed = int(shown[-1]) if goes_on else 0

    def _replenished(self, states: _States, at: Ints, taken: Ints, shown: Ints) -> tuple[Ints, Bools]:
        """By how much each new state, against the one before it, changes what has come back, and whether it ends a
        stand because the price gave way."""
        _, px, qty, epoch, valid, run, old = states
        now = slice(old, None)
        was = slice(old - 1, -1)
        last = at.searchsorted(np.arange(old, len(run)), "left") - 1  # the last hit before each state
        standing = (last >= 0) & (run[at[last]] == run[was])
        h, d = taken[last] * standing, shown[last]
        lasts = run[now] == run[was]
        gave_way = valid[now] & (epoch[now] == epoch[was]) & (self._side * (px[now] - px[was]) < 0)
        after = np.clip(np.where(lasts, qty[now], 0) - d + h, 0, h)
        in_stand = np.where(lasts, after, 0)
        before = np.concatenate([[self._back], in_stand])
        self._back = int(before[-1])
        change: Ints = np.where(lasts | gave_way, after - before[:-1], 0)
        return change, gave_way & standing

    def _tell(self, states: _States, change: Ints, grew: Bools, failed: Bools) -> None:
        evidence = grew & (states.run[states.old :] == states.run[states.old - 1 : -1])
        told = evidence | failed | (change != 0)
        if told.any():
            change, n = change[told], int(told.sum())
            columns = (change, evidence[told].astype(np.int64), failed[told].astype(np.int64))
            self.messages.append(states.t[states.old :][told], columns, (n * int(np.abs(change).max()), n, n))

    def state(self) -> State:
        """Everything carried."""
        return {
            "trades": self.trades.state(),
            "messages": self.messages.state(),
            "t": list(self._t),
            "qty": list(self._qty),
            "best": [self._px, self._epoch, self._ok],
            "stand": [self._taken, self._displayed, self._back, self._grew],
        }

    def restore(self, state: State) -> None:
        """Take over a state."""
        self.trades.restore(state["trades"])
        self.messages.restore(state["messages"])
        self._t, self._qty = list(state["t"]), list(state["qty"])
        self._px, self._epoch, self._ok = state["best"]
        self._taken, self._displayed, self._back, self._grew = state["stand"]


def _displayed_from(states: _States, state: int, t: int) -> int:
    """The first state of a state's run that was in force in the second before `t`."""
    in_run = int(states.run.searchsorted(states.run[state]))
    return max(in_run, int(states.t.searchsorted(t - DISPLAYED, "right")) - 1)


class Absorption:
    """Both sides. Fields: `absorption:side:W`, `replenishment:...`, `confidence:...`, `evidence:...`, `failed:...`,
    side 1 (bids) or -1 (asks), W in ns."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._longest = 0
        self._seen = BookSeen()
        self._sides = {1: _Side(1), -1: _Side(-1)}

    def update(self, batch: Batch) -> None:
        self._seen.update(batch.quotes)
        if len(batch.quotes) or len(batch.trades):
            for side in self._sides.values():
                side.update(batch.quotes, batch.trades, batch.end)

    def sample(self, field: str, times: Ints) -> Floats:
        name, of_side, text = field.split(":")
        side, window = self._sides[int(of_side)], int(text)
        self._longest = max(self._longest, window)
        self._seen.keep(window)
        out = np.full(len(times), np.nan)
        known = self._seen.within(times, window)
        if not known.any():
            return out
        trades, messages = side.trades.window(times[known], window), side.messages.window(times[known], window)
        if name == "absorption":
            out[known] = self._amounts(trades.sum(_ABSORBED))
        elif name == "replenishment":
            back = messages.sum(_BACK)
            out[known] = self._amounts(np.maximum(back, 0))  # the window may begin within a stand
        else:
            evidence, failed = to_floats(messages.sum(_EVIDENCE)), to_floats(messages.sum(_FAILED))
            confidence = evidence / (evidence + failed + DOUBT)
            out[known] = {"evidence": evidence, "failed": failed, "confidence": confidence}[name]
        return out

    def _amounts(self, lots: Exact) -> Floats:
        amount = Fraction(self._instrument.lot) * Fraction(self._instrument.contract)
        return quotients(lots, amount.numerator, amount.denominator)

    def advance(self, t: int) -> None:
        self._seen.advance(t)
        for side in self._sides.values():
            side.trades.forget(t - self._longest)
            side.messages.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "absorption",
            "version": 1,
            "longest": self._longest,
            "seen": self._seen.state(),
            "bids": self._sides[1].state(),
            "asks": self._sides[-1].state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "absorption", 1)
        self._longest = max(self._longest, state["longest"])
        self._seen.restore(state["seen"])
        self._sides[1].restore(state["bids"])
        self._sides[-1].restore(state["asks"])


_PARAMS = (
    Param("side", "side", None, "bid or ask; an order's side is understood too: buy takes asks, sell takes bids"),
    Param("W", "window", "60s", "look back over (t - W, t]"),
)


def _spec(name: str, field: str, unit: str, meaning: str) -> MetricSpec:
    def bind(side: str, window: int) -> Bound:
        return Bound(
            share="absorption",
            make=lambda context: Absorption(context.instrument),
            field=f"{field}:{book_side(side)}:{window}",
            needs_book=True,
            needs_trades=True,
        )

    warmup = "from the first valid book on; covers W only after W"
    return MetricSpec(name, _PARAMS, unit, f"{meaning}; inferred from L2", warmup, bind, "book")


SPECS: tuple[MetricSpec, ...] = (
    _spec(
        "absorption",
        "absorption",
        "base",
        "size that takers took at a side's best price beyond what had been displayed there, while it stood",
    ),
    _spec(
        "replenishment",
        "replenishment",
        "base",
        "size that came back at a side's best price after it was hit, at most what was taken",
    ),
    _spec(
        "absorption_confidence",
        "confidence",
        "ratio",
        f"how far absorption may be believed, 0 to 1: evidence / (evidence + times it gave way + {DOUBT})",
    ),
    _spec(
        "absorption_evidence",
        "evidence",
        "count",
        "times between two book messages in which more was taken at a side's best price than displayed, and it stood",
    ),
    _spec(
        "absorption_failed",
        "failed",
        "count",
        "times that a side's best price gave way after it was hit",
    ),
)
