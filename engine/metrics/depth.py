"""How much rests near the mid, and how much can be traded within a price limit.

All comparisons are exact: prices are ints, the mid is (a + b) / 2, a distance of x bps compares
20000 p against (a + b)(10000 -+ x). Beyond the known-depth horizon of the book (what the snapshot did
not reach) levels may be missing: the value is then a lower bound and marked as truncated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from engine.instrument import Instrument
from engine.metrics.spec import BookReader, Bound, Context, MetricSpec, Param
from engine.tape import NO_ASK, NO_BID

_SIDES: Final = {"bid": 1, "sell": 1, "ask": -1, "buy": -1}
_BASIS: Final = 10_000
#: Fixed-point bits of the value of an inverse contract in base units.
_INVERSE_BITS: Final = 64
_FIRST_LEVELS: Final = 128


@dataclass(frozen=True, slots=True)
class Depth:
    """An amount, and whether unknown levels could make it larger."""

    lots: Fraction
    truncated: bool


def book_side(side: str) -> int:
    """+1 for the bids (`bid`, or `sell`: an order that walks them), -1 for the asks (`ask`, `buy`)."""
    try:
        return _SIDES[side.lower()]
    except KeyError:
        raise ValueError(f"a side is bid or ask (or sell, buy: the order that takes them), not {side!r}") from None


def exact(number: float | int | str | Decimal | Fraction) -> Fraction:
    """A number as the fraction its decimal text stands for: 0.1 is 1/10."""
    return number if isinstance(number, Fraction) else Fraction(str(number))


def positive_bps(bps: float) -> Fraction:
    """A distance in basis points, exact; raises ValueError when it is not above 0 and below 10000."""
    if not (math.isfinite(bps) and 0 < bps < _BASIS):
        raise ValueError(f"a distance must be above 0 and below {_BASIS} bps, not {bps}")
    return exact(bps)


def two_sided(book: BookReader) -> bool:
    """Whether the book can be trusted and has a mid."""
    return book.valid and book.best_bid != NO_BID and book.best_ask != NO_ASK


def limit_within(both: int, side: int, bps: Fraction) -> int:
    """The furthest price in ticks within `bps` of the mid on a side, the boundary included; `both` is twice the mid."""
    scale = _BASIS * bps.denominator
    distance = both * (scale - side * bps.numerator)
    return -(-distance // (2 * scale)) if side > 0 else distance // (2 * scale)


def price_limit(book: BookReader, side: int, bps: Fraction) -> int:
    """As `limit_within`, of a book that has a mid."""
    return limit_within(book.best_bid + book.best_ask, side, bps)


def beyond_horizon(book: BookReader, side: int, price: int) -> bool:
    """Whether levels between the touch and `price` may be unknown."""
    if side > 0:
        return book.known_low is not None and price < book.known_low
    return book.known_high is not None and price > book.known_high


def depth_at(book: BookReader, side: int, bps: Fraction) -> Depth | None:
    """Lots resting on a side (+1 bids, -1 asks) within `bps` of the mid; None without a valid mid."""
    if not two_sided(book):
        return None
    limit = price_limit(book, side, bps)
    _, sizes = book.levels(side, until=limit)
    return Depth(Fraction(int(sizes.sum())), beyond_horizon(book, side, limit))


def capacity_at(book: BookReader, instrument: Instrument, side: int, bps: Fraction) -> Depth | None:
    """The most lots that a market order can take from a side at an *average* price within `bps` of the mid.

    Walking the levels best first, every lot at p saves (or, past the limit p*, costs) its distance to p*;
    the order may grow until the savings are used up: the last level is taken in part. For inverse
    contracts the average price is quote paid per base received, so a lot weighs 1 / p. Truncated when the
    book ends before the savings do, or the walk leaves the known depth.
    """
    if not two_sided(book):
        return None
    limit = (book.best_bid + book.best_ask) * (_BASIS - side * bps) / (2 * _BASIS)
    top, bottom = limit.numerator, limit.denominator
    taken, savings = 0, 0
    for price, size in _walk(book, side):
        if price <= 0:
            break
        saved = side * (bottom * price - top)
        if instrument.kind == "inverse":
            saved = (saved << _INVERSE_BITS) // price
        if savings + saved * size < 0:
            return Depth(taken + Fraction(savings, -saved), beyond_horizon(book, side, price))
        taken += size
        savings += saved * size
    return Depth(Fraction(taken), True)


def _walk(book: BookReader, side: int) -> Iterator[tuple[int, int]]:
    """(price, size) of a side, best first; most walks end within the first levels."""
    prices, sizes = book.levels(side, count=_FIRST_LEVELS)
    yield from zip(prices.tolist(), sizes.tolist(), strict=True)
    if len(prices) == _FIRST_LEVELS:
        prices, sizes = book.levels(side)
        yield from zip(prices[_FIRST_LEVELS:].tolist(), sizes[_FIRST_LEVELS:].tolist(), strict=True)


def amount_of(instrument: Instrument, lots: Fraction) -> float:
    """Lots, a fraction of one included, in base units (inverse: quote units), rounded once."""
    return float(lots * Fraction(instrument.lot) * Fraction(instrument.contract))


def _bind_depth(side: str, bps: float) -> Bound:
    of_side, distance = book_side(side), positive_bps(bps)

    def probe(book: BookReader, context: Context) -> float | None:
        depth = depth_at(book, of_side, distance)
        return None if depth is None else amount_of(context.instrument, depth.lots)

    return Bound(probe=probe, needs_book=True)


def _bind_capacity(side: str, bps: float) -> Bound:
    of_side, distance = book_side(side), positive_bps(bps)

    def probe(book: BookReader, context: Context) -> float | None:
        depth = capacity_at(book, context.instrument, of_side, distance)
        return None if depth is None else amount_of(context.instrument, depth.lots)

    return Bound(probe=probe, needs_book=True)


_SIDE = Param("side", "side", None, "bid or ask; an order's side is understood too: buy takes asks, sell takes bids")
_BPS = Param("X", "bps", "10bps", "distance from the mid")
_KNOWN = "from the first valid two-sided book on; beyond the known depth of the book it is a lower bound"

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="depth",
        params=(_SIDE, _BPS),
        unit="base",
        meaning="size resting on a side within X of the mid, the boundary included",
        warmup=_KNOWN,
        bind=_bind_depth,
        group="book",
    ),
    MetricSpec(
        name="capacity",
        params=(_SIDE, _BPS),
        unit="base",
        meaning="largest market order against a side whose average price stays within X of the mid",
        warmup=_KNOWN,
        bind=_bind_capacity,
        group="book",
    ),
)
