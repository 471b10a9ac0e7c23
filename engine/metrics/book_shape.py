"""The shape of the resting book: its outstanding levels (walls), and how fast depth grows with distance.

Both read the book alone. Comparisons and sums are exact integers, each value is rounded once. Beyond the known
depth of the book levels may be missing: a wall is then the largest level that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from engine.metrics.depth import book_side, exact, positive_bps, price_limit, two_sided
from engine.metrics.spec import BookReader, Bound, Context, MetricSpec, Param

#: A level is a wall from so many median level sizes on.
OUTSTANDING: Final = "5"


@dataclass(frozen=True, slots=True)
class Wall:
    """A level that stands out."""

    px: int  # ticks
    lots: int
    distance_bps: float  # from the mid


def wall_at(book: BookReader, side: int, bps: Fraction, times: Fraction) -> Wall | None:
    """The largest level of a side (+1 bids, -1 asks) within `bps` of the mid (the boundary included; of equal
    ones the nearest), if it is at least `times` the median size of the non-empty levels there, itself included.
    None: no level is, or there is no valid mid."""
    if not two_sided(book):
        return None
    prices, sizes = book.levels(side, until=price_limit(book, side, bps))
    count = len(sizes)
    if not count:
        return None
    largest = int(np.argmax(sizes))
    middle = np.partition(sizes, [(count - 1) // 2, count // 2])
    twice_median = int(middle[(count - 1) // 2]) + int(middle[count // 2])
    px, lots = int(prices[largest]), int(sizes[largest])
    if 2 * lots < times * twice_median:
        return None
    both = book.best_bid + book.best_ask
    return Wall(px, lots, 10_000 * abs(2 * px - both) / both)


def slope_at(book: BookReader, side: int, levels: int) -> Fraction | None:
    """Lots per tick: least-squares slope of cumulative depth on the distance from the mid, |p - m|, over the
    first `levels` non-empty levels of a side. None without a valid mid or with fewer than 2 levels."""
    if not two_sided(book):
        return None
    prices, sizes = book.levels(side, count=levels)
    n = len(prices)
    if n < 2:
        return None
    both = book.best_bid + book.best_ask
    x = [abs(2 * px - both) for px in prices.tolist()]  # half ticks
    y = np.cumsum(sizes).tolist()
    spread = n * sum(d * d for d in x) - sum(x) ** 2
    together = n * sum(d * lots for d, lots in zip(x, y, strict=True)) - sum(x) * sum(y)
    return Fraction(2 * together, spread)


def _bind_wall(side: str, bps: float, k: float) -> Bound:
    of_side, distance, times = book_side(side), positive_bps(bps), _times(k)

    def probe(book: BookReader, context: Context) -> float | None:
        wall = wall_at(book, of_side, distance, times)
        return None if wall is None else wall.distance_bps

    return Bound(probe=probe, needs_book=True)


def _bind_wall_size(side: str, bps: float, k: float) -> Bound:
    of_side, distance, times = book_side(side), positive_bps(bps), _times(k)

    def probe(book: BookReader, context: Context) -> float | None:
        wall = wall_at(book, of_side, distance, times)
        if wall is None:
            return 0.0 if two_sided(book) else None
        return context.instrument.amount(wall.lots)

    return Bound(probe=probe, needs_book=True)


def _times(k: float) -> Fraction:
    if not k > 1:
        raise ValueError(f"a wall must be more than 1 median level, not {k:g}")
    return exact(k)


def _bind_slope(side: str, levels: int) -> Bound:
    of_side = book_side(side)
    if levels < 2:
        raise ValueError("a slope needs at least 2 levels")

    def probe(book: BookReader, context: Context) -> float | None:
        slope = slope_at(book, of_side, levels)
        return None if slope is None else float(slope)

    return Bound(probe=probe, needs_book=True)


_SIDE = Param("side", "side", None, "bid or ask; an order's side is understood too: buy takes asks, sell takes bids")
_BPS = Param("X", "bps", "10bps", "distance from the mid that is looked at")
_TIMES = Param("k", "factor", OUTSTANDING, "a wall is at least k times the median level there")
_KNOWN = "from the first valid two-sided book on"

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="wall",
        params=(_SIDE, _BPS, _TIMES),
        unit="bps",
        meaning="distance from the mid to the largest level of a side within X, if it is at least k median levels",
        warmup=f"{_KNOWN}; null while no level stands out",
        bind=_bind_wall,
        group="book",
    ),
    MetricSpec(
        name="wall_size",
        params=(_SIDE, _BPS, _TIMES),
        unit="base",
        meaning="size of the largest level of a side within X, if it is at least k median levels; 0 when none is",
        warmup=_KNOWN,
        bind=_bind_wall_size,
        group="book",
    ),
    MetricSpec(
        name="slope",
        params=(_SIDE, Param("L", "levels", "10", "levels")),
        unit="lots/tick",
        meaning="how fast depth grows away from the mid: least-squares slope of cumulative size on distance "
        "over the first L levels",
        warmup=f"{_KNOWN} with at least 2 levels",
        bind=_bind_slope,
        group="book",
    ),
)
