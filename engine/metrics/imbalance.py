"""Order-book imbalance (B - A) / (B + A) in [-1, 1], from resting sizes of both sides.

An empty side gives +1 or -1; an empty or invalid book gives nothing. A single state of a book is easily
spoofed: the time-weighted mean is the one to put an alert on.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.depth import positive_bps, price_limit, two_sided
from engine.metrics.integral import MAX_WINDOW, StepIntegral
from engine.metrics.spec import BookReader, Bound, MetricSpec, Param
from engine.metrics.windows import check_state
from engine.tape import NO_ASK, NO_BID, Ints

#: Fixed-point bits of an imbalance that is integrated over time: as fine as a double near 1.
_BITS: Final = 53
#: Levels further than so many decay lengths weigh less than 2e-18 of the touch.
_NEGLIGIBLE: Final = 41
_MAX_LEVELS: Final = 1_000


def imbalance(bid: float, ask: float) -> float | None:
    """(bid - ask) / (bid + ask) of two sizes >= 0; None when both are 0."""
    total = bid + ask
    return (bid - ask) / total if total else None


def imbalance_of_levels(book: BookReader, levels: int) -> float | None:
    """Imbalance of the sizes on the first `levels` non-empty levels of each side."""
    if not book.valid:
        return None
    if levels == 1:
        return imbalance(book.bid_qty, book.ask_qty)
    bid, ask = (int(book.levels(side, count=levels)[1].sum()) for side in (1, -1))
    return imbalance(bid, ask)


def imbalance_within(book: BookReader, bps: float) -> float | None:
    """Imbalance of the sizes within `bps` of the mid, the boundary included."""
    if not two_sided(book):
        return _one_sided(book)
    distance = positive_bps(bps)
    bid, ask = (int(book.levels(side, until=price_limit(book, side, distance))[1].sum()) for side in (1, -1))
    return imbalance(bid, ask)


def imbalance_decaying(book: BookReader, spreads: float) -> float | None:
    """Imbalance of sizes weighted by exp(-d / k), d the distance from the mid and k = `spreads` current spreads."""
    if not two_sided(book):
        return _one_sided(book)
    twice_mid, length = book.best_bid + book.best_ask, 2 * spreads * (book.best_ask - book.best_bid)
    reach = math.ceil(_NEGLIGIBLE * length)  # half-ticks
    weighted = []
    for side in (1, -1):
        until = (twice_mid - side * reach) // 2 + (side < 0)
        prices, sizes = book.levels(side, until=until)
        weighted.append(float(np.sum(np.exp(-np.abs(2 * prices - twice_mid) / length) * sizes)))
    return imbalance(*weighted)


def _one_sided(book: BookReader) -> float | None:
    if not book.valid:
        return None
    bids, asks = book.best_bid != NO_BID, book.best_ask != NO_ASK
    return imbalance(float(bids), float(asks))


class TimeWeightedImbalance:
    """Mean of the step function I(t) of L levels over the valid time of (t - W, t].

    Fields: the window in ns, as text. Each state's imbalance is rounded to 53 binary places and integrated
    over whole microseconds in exact ints, so that results do not depend on cuts. Empty books and books that
    are not valid count as no time at all; NaN where the window has no valid time.
    """

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._span = 0  # longest window asked for so far, ns
        self._integral = StepIntegral()

    def update(self, batch: Batch) -> None:
        quotes = batch.quotes
        if not len(quotes):
            return
        bid, ask = batch.sums[self._levels]
        total = bid + ask
        valid = quotes.valid & (total > 0)
        ratio = np.zeros(len(quotes))
        np.divide(bid - ask, total, out=ratio, where=valid)
        self._integral.extend(quotes.t, np.rint(np.ldexp(ratio, _BITS)).astype(np.int64), valid)

    def sample(self, field: str, times: Ints) -> Floats:
        window = int(field)
        self._span = max(self._span, window)
        mean, _ = self._integral.means(times, window)
        return np.ldexp(mean, -_BITS)

    def advance(self, t: int) -> None:
        self._integral.forget(t - self._span)

    def state(self) -> State:
        return {
            "kind": "imbalance_tw",
            "version": 1,
            "levels": self._levels,
            "span": self._span,
            "integral": self._integral.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "imbalance_tw", 1)
        if state["levels"] != self._levels:
            raise ValueError(f"state over {state['levels']} levels, not {self._levels}")
        self._span = max(self._span, state["span"])
        self._integral.restore(state["integral"])


def _check_levels(levels: int) -> None:
    if not 1 <= levels <= _MAX_LEVELS:
        raise ValueError(f"the number of levels must be from 1 to {_MAX_LEVELS}, not {levels}")


def _bind_imbalance(extent: int | float) -> Bound:
    """`extent`: int levels, or float basis points."""
    if isinstance(extent, int):
        levels = extent
        _check_levels(levels)
        return Bound(probe=lambda book, context: imbalance_of_levels(book, levels), needs_book=True)
    positive_bps(extent)
    return Bound(probe=lambda book, context: imbalance_within(book, extent), needs_book=True)


def _bind_decay(spreads: float) -> Bound:
    if not (math.isfinite(spreads) and 0 < spreads <= 10_000):
        raise ValueError(f"the decay length must be above 0 and at most 10000 spreads, not {spreads}")
    return Bound(probe=lambda book, context: imbalance_decaying(book, spreads), needs_book=True)


def _bind_time_weighted(levels: int, window: int) -> Bound:
    _check_levels(levels)
    if not 0 < window <= MAX_WINDOW:
        raise ValueError(f"the window must be above 0 and at most {MAX_WINDOW // 60_000_000_000} minutes")
    return Bound(
        share=("imbalance_tw", levels),
        make=lambda context: TimeWeightedImbalance(levels),
        field=str(window),
        taps=(levels,),
        needs_book=True,
    )


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="imbalance",
        params=(Param("L", "levels_or_bps", "5", "levels of each side, or a distance from the mid such as 10bps"),),
        unit="ratio",
        meaning="(bid size - ask size) / (bid size + ask size) over L levels, or over all within X bps of the mid",
        warmup="from the first valid book on; the state of this moment",
        bind=_bind_imbalance,
        group="book",
    ),
    MetricSpec(
        name="imbalance_decay",
        params=(Param("k", "factor", "5", "decay length in current spreads"),),
        unit="ratio",
        meaning="imbalance of sizes weighted by exp(-d / (k spreads)), d the distance of a level from the mid",
        warmup="from the first valid book on; the state of this moment",
        bind=_bind_decay,
        group="book",
    ),
    MetricSpec(
        name="imbalance_tw",
        params=(
            Param("L", "levels", "5", "levels of each side"),
            Param("W", "window", "10s", "mean over (t - W, t]"),
        ),
        unit="ratio",
        meaning="time-weighted mean over W of the imbalance of L levels, valid time only",
        warmup="from the first valid book on; covers what was valid of W",
        bind=_bind_time_weighted,
        group="book",
    ),
)
