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

from bisect import bisect_right
from fractions import Fraction
from typing import Final

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import NO_ASK, Batch, Floats, Quotes, Trades
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

#: Sizes held before the old ones are dropped.
_MANY: Final = 256

_ABSORBED, _BACK, _EVIDENCE, _FAILED = range(4)
#: Clock, then what it adds to the four sums.
_Row = tuple[int, int, int, int, int]


class _Side:
    """The stands of one side (+1 bids, -1 asks), event by event: most messages change nothing. All state is ints."""

    def __init__(self, side: int) -> None:
        self._side = side
        self.sums = Sums(4)
        # The best price, if there is one to be trusted, and its sizes until it is hit.
        self._px, self._epoch, self._ok = 0, -1, False
        self._shown: list[tuple[int, int]] = []  # (clock, lots)
        # Its stand.
        self._taken = 0  # 0: there is none
        self._displayed = 0
        self._absorbed = 0
        self._back = 0
        self._grew = False  # something was absorbed since the last book message

    def update(self, quotes: Quotes, trades: Trades) -> None:
        """Take the news in."""
        bids = self._side > 0
        best, sizes = (quotes.bid, quotes.bid_qty) if bids else (quotes.ask, quotes.ask_qty)
        hitting = trades.side == -self._side
        hits = list(zip(*(c[hitting].tolist() for c in (trades.seq, trades.t, trades.px, trades.qty)), strict=True))
        states = zip(
            *(c.tolist() for c in (quotes.seq, quotes.t, best, sizes, quotes.valid, quotes.epoch)), strict=True
        )
        rows: list[_Row] = []
        done = 0
        for seq, t, px, qty, valid, epoch in states:
            while done < len(hits) and hits[done][0] < seq:
                _, at, price, lots = hits[done]
                self._hit(at, price, lots, rows)
                done += 1
            ok = valid and -NO_ASK < px < NO_ASK
            if ok and self._ok and px == self._px and epoch == self._epoch:
                if self._taken:
                    self._stay(t, qty, rows)
                else:
                    self._show(t, qty)
                continue
            if self._taken:
                self._end(t, valid and epoch == self._epoch and self._side * (px - self._px) < 0, rows)
            self._px, self._epoch, self._ok = px, epoch, ok
            self._shown = [(t, qty)]
        for _, at, price, lots in hits[done:]:
            self._hit(at, price, lots, rows)
        if rows:
            times, *columns = np.array(rows, np.int64).T
            self.sums.append(times, columns, [int(np.abs(column).sum()) for column in columns])

    def _hit(self, t: int, px: int, qty: int, rows: list[_Row]) -> None:
        """A taker has come; counts if he traded at the best price."""
        if not self._ok or px != self._px:
            return
        if not self._taken:
            self._forget_shown(t)
            self._displayed = max(lots for _, lots in self._shown)
        self._taken += qty
        more = max(0, self._taken - self._displayed) - self._absorbed
        if more:
            self._absorbed += more
            self._grew = True
            rows.append((t, more, 0, 0, 0))

    def _stay(self, t: int, qty: int, rows: list[_Row]) -> None:
        """The price of the stand is still the best."""
        back = min(max(qty - self._displayed + self._taken, 0), self._taken)
        if back != self._back or self._grew:
            rows.append((t, 0, back - self._back, int(self._grew), 0))
        self._back, self._grew = back, False

    def _end(self, t: int, gave_way: bool, rows: list[_Row]) -> None:
        """The stand is over."""
        if gave_way:
            rows.append((t, 0, self._absorbed - self._back, 0, 1))
        self._taken = self._displayed = self._absorbed = self._back = 0
        self._grew = False

    def _show(self, t: int, qty: int) -> None:
        self._shown.append((t, qty))
        if len(self._shown) > _MANY:
            self._forget_shown(t)

    def _forget_shown(self, t: int) -> None:
        """Keep the sizes that were in force in the second before `t`."""
        self._shown = self._shown[max(0, bisect_right(self._shown, (t - DISPLAYED, NO_ASK)) - 1) :]

    def state(self) -> State:
        """Everything carried."""
        return {
            "sums": self.sums.state(),
            "best": [self._px, self._epoch, self._ok],
            "shown": [list(row) for row in self._shown],
            "stand": [self._taken, self._displayed, self._absorbed, self._back, self._grew],
        }

    def restore(self, state: State) -> None:
        """Take over a state."""
        self.sums.restore(state["sums"])
        self._px, self._epoch, self._ok = state["best"]
        self._shown = [(t, lots) for t, lots in state["shown"]]
        self._taken, self._displayed, self._absorbed, self._back, self._grew = state["stand"]


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
                side.update(batch.quotes, batch.trades)

    def sample(self, field: str, times: Ints) -> Floats:
        name, of_side, text = field.split(":")
        side, window = self._sides[int(of_side)], int(text)
        self._longest = max(self._longest, window)
        self._seen.keep(window)
        out = np.full(len(times), np.nan)
        known = self._seen.within(times, window)
        if not known.any():
            return out
        found = side.sums.window(times[known], window)
        if name == "absorption":
            out[known] = self._amounts(found.sum(_ABSORBED))
        elif name == "replenishment":
            back = found.sum(_BACK)
            out[known] = self._amounts(np.maximum(back, 0))  # the window may begin within a stand
        else:
            evidence, failed = to_floats(found.sum(_EVIDENCE)), to_floats(found.sum(_FAILED))
            confidence = evidence / (evidence + failed + DOUBT)
            out[known] = {"evidence": evidence, "failed": failed, "confidence": confidence}[name]
        return out

    def _amounts(self, lots: Exact) -> Floats:
        amount = Fraction(self._instrument.lot) * Fraction(self._instrument.contract)
        return quotients(lots, amount.numerator, amount.denominator)

    def advance(self, t: int) -> None:
        self._seen.advance(t)
        for side in self._sides.values():
            side.sums.forget(t - self._longest)

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
