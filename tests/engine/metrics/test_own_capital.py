"""Use of own capital: by hand, and against a walk nanosecond by nanosecond."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.metrics.own_capital import OwnFill, OwnOrder, utilisation
from tests.engine.metrics.tapes import INVERSE, LINEAR

ETH, USD = LINEAR.instrument, INVERSE.instrument


def D(text: object) -> Decimal:  # noqa: N802
    return Decimal(str(text))


def test_by_hand() -> None:
    orders = [
        OwnOrder("a", 1, D(100), D(2), placed=0, ended=60),  # 200 for 40, then 100 for 20
        OwnOrder("b", -1, D(110), D(1), placed=50),  # 110 for 50
        OwnOrder("c", 1, D(1), D(9), placed=200),
    ]
    fills = [OwnFill(40, 1, D(100), D(1), "a", D("0.02")), OwnFill(70, -1, D(105), D("0.5"), None, D("0.05"))]
    use = utilisation(ETH, 0, 100, fills, orders, mark=D(104))
    mean = Fraction(200 * 40 + 100 * 20 + 110 * 50, 100)
    assert use.mean_posted == float(mean)
    assert (use.filled, use.filled_posted) == (152.5, 100.0)
    assert use.utilisation == float(100 / mean)
    assert use.fill_ratio == float(Fraction(1, 3))
    assert use.fees == 0.07
    assert use.pnl == float(4 + Fraction(1, 2) - Fraction(7, 100))
    assert use.pnl_per_posted == float((Fraction(9, 2) - Fraction(7, 100)) / mean)
    assert use.position == 0.5
    # From 40 on: the fill at 40 is not of this time, and 1 of order a is left to rest.
    later = utilisation(ETH, 40, 100, fills, orders)
    assert later.mean_posted == float(Fraction(100 * 20 + 110 * 50, 60))
    assert later.fill_ratio == 0.0
    assert (later.filled, later.pnl) == (52.5, None)


def test_inverse_contracts_count_in_money() -> None:
    # 100 contracts of 10 USD bought at 2000 and worth 2500: 1000 x (1/2000 - 1/2500) coins of 2500.
    fill = OwnFill(5, 1, D(2000), D(100), "a")
    use = utilisation(USD, 0, 10, [fill], [OwnOrder("a", 1, D(2000), D(100), 0, 5)], D(2500))
    assert (use.filled, use.mean_posted, use.pnl, use.position) == (1000.0, 500.0, 250.0, 1000.0)
    assert (use.utilisation, use.fill_ratio) == (2.0, 1.0)


def test_what_is_unknown_is_none() -> None:
    bare = utilisation(ETH, 0, 10, [OwnFill(5, 1, D(2), D(1))])
    assert (bare.filled, bare.mean_posted, bare.utilisation, bare.fill_ratio, bare.pnl) == (2.0, None, None, None, None)
    idle = utilisation(ETH, 0, 10, [], [])
    assert (idle.filled, idle.mean_posted, idle.utilisation, idle.fill_ratio) == (0.0, 0.0, None, None)


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_walk_through_every_instant(seed: int) -> None:
    rng = random.Random(seed)
    orders, fills = [], []
    for k in range(12):
        placed = rng.randrange(60)
        ended = rng.choice((None, placed + rng.randrange(30)))
        order = OwnOrder(str(k), rng.choice((1, -1)), D(rng.randint(90, 110)), D(rng.randint(1, 9)), placed, ended)
        orders.append(order)
        left = order.size
        for _ in range(rng.randrange(3)):
            size = min(left, D(rng.randint(1, 3)))
            if size:
                t = rng.randint(placed, 60 if ended is None else ended) if ended is None or ended > placed else placed
                fills.append(OwnFill(max(t, placed), order.side, order.price, size, order.id))
                left -= size
    for start, end in ((0, 80), (13, 47), (30, 31)):
        area = 0
        rested = {}
        for now in range(start, end):  # the interval (now, now + 1]
            for order in orders:
                if order.placed <= now and (order.ended is None or order.ended > now):
                    left = order.size - sum(f.size for f in fills if f.order == order.id and f.t <= now)
                    area += int(left * order.price)
        for order in orders:
            if order.placed <= end and (order.ended is None or order.ended > start or order.placed > start):
                rested[order.id] = order.size - sum(f.size for f in fills if f.order == order.id and f.t <= start)
        inside = [f for f in fills if start < f.t <= end]
        use = utilisation(ETH, start, end, fills, orders, D(100))
        assert use.mean_posted == float(Fraction(area, end - start))
        total = sum(rested.values())
        assert use.fill_ratio == (
            float(Fraction(sum((f.size for f in inside), D(0)) / 1) / Fraction(total)) if total else None
        )
        assert use.filled == float(sum(f.size * f.price for f in inside))
        assert use.pnl == float(sum(f.side * f.size * (100 - f.price) for f in inside))
        # Twice the size everywhere: the same ratios.
        twice = utilisation(
            ETH, start, end, [replace(f, size=2 * f.size) for f in fills], [replace(o, size=2 * o.size) for o in orders]
        )
        assert (twice.utilisation, twice.fill_ratio) == (use.utilisation, use.fill_ratio)


ORDER = OwnOrder("a", 1, D(100), D(2), 10, 20)
FILL = OwnFill(15, 1, D(100), D(1), "a")


@pytest.mark.parametrize(
    ("fills", "orders", "says"),
    [
        ([replace(FILL, order="z")], [ORDER], "not among the orders"),
        ([replace(FILL, t=21)], [ORDER], "doesn't fit"),
        ([replace(FILL, side=-1)], [ORDER], "doesn't fit"),
        ([FILL, replace(FILL, size=D("1.5"))], [ORDER], "more than its size"),
        ([], [ORDER, ORDER], "two orders"),
        ([], [replace(ORDER, ended=9)], "before it was placed"),
        ([replace(FILL, side=0)], [ORDER], "side"),
        ([replace(FILL, price=D("nan"))], [ORDER], "price"),
        ([], [replace(ORDER, size=D(0))], "size"),
        ([replace(FILL, fee=D("inf"))], [ORDER], "fee"),
    ],
)
def test_what_cannot_be_is_refused(fills: list[OwnFill], orders: list[OwnOrder], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        utilisation(ETH, 0, 100, fills, orders)


def test_times_and_marks_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="must end after"):
        utilisation(ETH, 5, 5, [])
    with pytest.raises(ValueError, match="mark"):
        utilisation(ETH, 0, 5, [], mark=D(0))
