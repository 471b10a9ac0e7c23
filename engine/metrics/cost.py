"""What a market order would pay: a walk through the book, exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.fees import rates, taker_cost
from engine.instrument import Instrument
from engine.metrics.depth import book_side, exact, two_sided
from engine.metrics.spec import BookReader, Bound, Context, MetricSpec, Param
from engine.tape import Ints

_FIRST_LEVELS = 128
_INT64_SAFE = float(1 << 62)


@dataclass(frozen=True, slots=True)
class BookWalk:
    """Market orders of several notionals against one side of one book. Arrays of shape (orders,).

    `slip_bps`: average price against the mid, of the part that fills, positive = worse; NaN where nothing
    fills. `fill_ratio`: filled notional / wanted. `worst_px`: ticks of the last level touched (0: none).
    `levels`: how many were touched.
    """

    slip_bps: NDArray[np.float64]
    fill_ratio: NDArray[np.float64]
    worst_px: Ints
    levels: Ints


def walk_book(
    book: BookReader, instrument: Instrument, side: int, notionals: Sequence[float | Fraction]
) -> BookWalk | None:
    """Fill market orders of `notionals` (quote units, > 0) from a side: -1 buys from the asks, +1 sells to the bids.

    Levels fill best first, the last one in part. A lot of a spot or linear market is worth price x amount;
    of an inverse market a fixed amount of quote, and its average price is quote paid per base received.
    Levels beyond the known depth of the book are left out: others may be missing between them. None without
    a valid mid. Linear markets: exact rationals, rounded once. Inverse: within a few units of 1e-16.
    """
    if not two_sided(book):
        return None
    wanted = [exact(n) / _unit(instrument) for n in notionals]
    inverse = instrument.kind == "inverse"
    prices, sizes, worth = _levels(book, side, inverse, max(wanted, default=Fraction(0)))
    twice_mid = book.best_bid + book.best_ask
    count = len(wanted)
    walk = BookWalk(np.full(count, np.nan), np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64))
    if not len(prices):
        return walk
    spent = np.cumsum(worth)
    # What an order receives is worth / price: lots of a linear market (exact), base of an inverse one.
    received = np.cumsum(sizes / prices if inverse else sizes)
    for order, amount in enumerate(wanted):
        last = int(np.searchsorted(spent, math.ceil(amount), side="left"))
        done = amount
        if last == len(prices):
            last, done = last - 1, Fraction(int(spent[-1]))
        before_spent, before_got = (spent[last - 1], received[last - 1]) if last else (0, 0)
        price, rest = int(prices[last]), done - int(before_spent)
        got: Fraction | float
        if inverse:
            got = float(before_got) + float(rest / price)
            average = float(done) / got
            walk.slip_bps[order] = -side * 10_000 * (2 * average / twice_mid - 1)
        else:
            got = int(before_got) + rest / price
            walk.slip_bps[order] = float(-side * 10_000 * (2 * done / got / twice_mid - 1))
        walk.fill_ratio[order] = float(done / amount)
        walk.worst_px[order] = price
        walk.levels[order] = last + 1
    return walk


def _unit(instrument: Instrument) -> Fraction:
    """Quote units of one tick x lot (inverse: of one lot)."""
    lot = Fraction(instrument.lot) * Fraction(instrument.contract)
    return lot if instrument.kind == "inverse" else lot * Fraction(instrument.tick)


def _levels(book: BookReader, side: int, inverse: bool, wanted: Fraction) -> tuple[Ints, Ints, Any]:
    """(prices, sizes, worth of each level in units): int64, worth in Python ints where it could overflow."""
    horizon = book.known_low if side > 0 else book.known_high
    count: int | None = _FIRST_LEVELS
    while True:
        prices, sizes = book.levels(side, count=count, until=horizon)
        complete = count is None or len(prices) < count
        paying = prices > 0
        prices, sizes = prices[paying], sizes[paying]
        worth: Any = sizes
        if not inverse:
            wide = float(np.sum(prices.astype(np.float64) * sizes)) >= _INT64_SAFE
            worth = prices.astype(object) * sizes if wide else prices * sizes
        if complete or int(worth.sum()) >= wanted:
            return prices, sizes, worth
        count = None


def slip(book: BookReader, instrument: Instrument, side: int, notional: float | Fraction) -> float | None:
    """`walk_book` of one order: bps against the mid, None unless it fills wholly."""
    walk = walk_book(book, instrument, side, [notional])
    if walk is None or walk.fill_ratio[0] < 1:
        return None
    return float(walk.slip_bps[0])


def _order(side: str, notional: float) -> tuple[int, Fraction]:
    """The side of the book that is taken, and the notional, exact; raises ValueError."""
    if not (math.isfinite(notional) and notional > 0):
        raise ValueError(f"the order's notional must be a positive number, not {notional}")
    return book_side(side), exact(notional)


def _bind_slip(side: str, notional: float) -> Bound:
    of_side, amount = _order(side, notional)

    def probe(book: BookReader, context: Context) -> float | None:
        return slip(book, context.instrument, of_side, amount)

    return Bound(probe=probe, needs_book=True)


def _bind_cost(side: str, notional: float) -> Bound:
    of_side, amount = _order(side, notional)

    def probe(book: BookReader, context: Context) -> float | None:
        _, taker_bps = rates(context.fees, context.instrument)
        slipped = None if taker_bps is None else slip(book, context.instrument, of_side, amount)
        return None if slipped is None or taker_bps is None else taker_cost(slipped, taker_bps)

    return Bound(probe=probe, needs_book=True)


_ORDER = (
    Param("side", "side", None, "buy (takes asks) or sell (takes bids); ask and bid are understood too"),
    Param("N", "notional", "100000", "size of the order in quote units"),
)

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="slip",
        params=_ORDER,
        unit="bps",
        meaning="average price of a market order of N against the mid, positive = worse; unknown unless the known "
        "book fills it wholly",
        warmup="from the first valid two-sided book on; the state of this moment",
        bind=_bind_slip,
        group="cost",
    ),
    MetricSpec(
        name="cost",
        params=_ORDER,
        unit="bps",
        meaning="slip plus the taker fee: of the user's tier where fees are configured, else as the venue lists it; "
        "unknown without either",
        warmup="from the first valid two-sided book on; the state of this moment",
        bind=_bind_cost,
        group="cost",
    ),
)
