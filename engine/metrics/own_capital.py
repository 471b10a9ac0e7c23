"""How well a trader's own capital works in the book: fills against what was posted. METRICS 1.16.

A pure function of the trader's orders and fills, in exact fractions: nothing is rounded before the
end. Prices and sizes are as the venue quotes them. Notional is price x size x contract (inverse
contracts: size x contract, which is money already), in quote units.

An order rests from `placed` to `ended`, less its fills as they come. Mean posted notional is the
integral of everyone's resting notional over the time looked at, divided by that time, idle time
included: capital that waits is capital too. Fills count with `start` < t <= `end`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from engine.instrument import Instrument


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """An order that rested in the book."""

    id: str
    side: int  # +1 bought, -1 sold
    price: Decimal
    size: Decimal
    placed: int  # ns
    ended: int | None = None  # cancelled or filled, ns; None: it still rests


@dataclass(frozen=True, slots=True)
class OwnFill:
    """A trade of one's own."""

    t: int  # ns
    side: int  # +1 bought, -1 sold
    price: Decimal
    size: Decimal
    order: str | None = None  # the resting order it came from; None: taken from the book
    fee: Decimal = Decimal(0)  # quote units; negative: a rebate


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Use of own capital over a time. Money in quote units; None: unknown, or nothing to divide by."""

    filled: float  # notional of all fills
    filled_posted: float  # of those that came from resting orders
    mean_posted: float | None  # None: no orders were given
    utilisation: float | None  # filled_posted / mean_posted: how often the posted capital was filled
    fill_ratio: float | None  # size filled in the time / size of the orders that rested in it
    fees: float
    pnl: float | None  # fills marked at the last price, less fees; None: no mark
    pnl_per_posted: float | None  # pnl / mean_posted
    position: float  # base units (inverse: quote units) that the fills add up to


def utilisation(
    instrument: Instrument,
    start: int,
    end: int,
    fills: Iterable[OwnFill],
    orders: Iterable[OwnOrder] | None = None,
    mark: Decimal | None = None,
) -> Utilisation:
    """What own orders and fills made of the time (start, end], ns.

    `orders` None: what was posted is unknown. `mark` values what the fills left open.
    Raises ValueError for times, sides, prices or sizes that can't be, fills beyond their order, unknown orders,
    and two orders of one id.
    """
    if end <= start:
        raise ValueError(f"the time must end after it starts, not at {end} after {start}")
    if mark is not None and not (mark.is_finite() and mark > 0):
        raise ValueError(f"the mark must be a price above 0, not {mark}")
    every = [_checked_fill(fill) for fill in fills]
    counted = [fill for fill in every if start < fill.t <= end]
    money = _Money(instrument)
    filled = sum((money.notional(fill.price, fill.size) for fill in counted), Fraction())
    filled_posted = sum(
        (money.notional(fill.price, fill.size) for fill in counted if fill.order is not None), Fraction()
    )
    fees = sum((Fraction(fill.fee) for fill in counted), Fraction())
    pnl = None if mark is None else sum((money.gain(fill, mark) for fill in counted), Fraction()) - fees
    mean = ratio = None
    if orders is not None:
        known = _by_id(orders)
        mean, ratio = _posted(money, known, _by_order(every, known), start, end)
    return Utilisation(
        filled=float(filled),
        filled_posted=float(filled_posted),
        mean_posted=None if mean is None else float(mean),
        utilisation=float(filled_posted / mean) if mean else None,
        fill_ratio=None if ratio is None else float(ratio),
        fees=float(fees),
        pnl=None if pnl is None else float(pnl),
        pnl_per_posted=float(pnl / mean) if mean and pnl is not None else None,
        position=float(sum((fill.side * Fraction(fill.size) for fill in counted), Fraction()) * money.contract),
    )


class _Money:
    """Sizes as the venue quotes them, to money."""

    def __init__(self, instrument: Instrument) -> None:
        self.contract = Fraction(instrument.contract)
        self._inverse = instrument.kind == "inverse"

    def notional(self, price: Decimal, size: Decimal | Fraction) -> Fraction:
        """Quote units."""
        amount = Fraction(size) * self.contract
        return amount if self._inverse else amount * Fraction(price)

    def gain(self, fill: OwnFill, mark: Decimal) -> Fraction:
        """What a fill has gained at `mark`, quote units."""
        amount = fill.side * Fraction(fill.size) * self.contract
        if self._inverse:  # gained in base units, s x amount x (1 / price - 1 / mark), and worth `mark` each
            return amount * (Fraction(mark) / Fraction(fill.price) - 1)
        return amount * (Fraction(mark) - Fraction(fill.price))


def _posted(
    money: _Money, orders: Mapping[str, OwnOrder], fills: Mapping[str, list[OwnFill]], start: int, end: int
) -> tuple[Fraction, Fraction | None]:
    """(mean posted notional, size filled / size that rested) in (start, end]."""
    area, rested, done = Fraction(), Fraction(), Fraction()
    for order in orders.values():
        until = end if order.ended is None else min(order.ended, end)
        if order.placed > end or (until <= start and order.placed <= start):
            continue
        left, since = Fraction(order.size), order.placed
        for fill in fills[order.id]:
            area += money.notional(order.price, left) * max(0, min(fill.t, until) - max(since, start))
            left, since = left - Fraction(fill.size), fill.t
            if fill.t > start and fill.t <= end:
                done += Fraction(fill.size)
        area += money.notional(order.price, left) * max(0, until - max(since, start))
        earlier = sum((Fraction(fill.size) for fill in fills[order.id] if fill.t <= start), Fraction())
        rested += Fraction(order.size) - earlier
    return area / (end - start), done / rested if rested else None


def _by_id(orders: Iterable[OwnOrder]) -> dict[str, OwnOrder]:
    found: dict[str, OwnOrder] = {}
    for order in orders:
        _check(f"order {order.id!r}", order.side, order.price, order.size)
        if order.ended is not None and order.ended < order.placed:
            raise ValueError(f"order {order.id!r} ends before it was placed")
        if order.id in found:
            raise ValueError(f"two orders are named {order.id!r}")
        found[order.id] = order
    return found


def _by_order(fills: Iterable[OwnFill], orders: Mapping[str, OwnOrder]) -> dict[str, list[OwnFill]]:
    """Each order's fills in time order."""
    found: dict[str, list[OwnFill]] = defaultdict(list)
    for fill in sorted(fills, key=lambda fill: fill.t):
        if fill.order is None:
            continue
        order = orders.get(fill.order)
        if order is None:
            raise ValueError(f"a fill at {fill.t} names order {fill.order!r}, which is not among the orders")
        if fill.side != order.side or fill.t < order.placed or (order.ended is not None and fill.t > order.ended):
            raise ValueError(f"a fill at {fill.t} doesn't fit its order {fill.order!r}: other side, or not its time")
        found[fill.order].append(fill)
        if sum(Fraction(one.size) for one in found[fill.order]) > Fraction(order.size):
            raise ValueError(f"order {fill.order!r} is filled with more than its size {order.size}")
    return found


def _checked_fill(fill: OwnFill) -> OwnFill:
    _check(f"a fill at {fill.t}", fill.side, fill.price, fill.size)
    if not fill.fee.is_finite():
        raise ValueError(f"a fill at {fill.t}: its fee is {fill.fee}")
    return fill


def _check(what: str, side: int, price: Decimal, size: Decimal) -> None:
    if side not in (1, -1):
        raise ValueError(f"{what}: a side is +1 or -1, not {side}")
    for name, value in (("price", price), ("size", size)):
        if not (value.is_finite() and value > 0):
            raise ValueError(f"{what}: its {name} must be above 0, not {value}")
