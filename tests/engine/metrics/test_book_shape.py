"""Walls and slope against plain arithmetic on random books."""

from __future__ import annotations

import random
import statistics
from fractions import Fraction

import pytest

from engine.metrics.book_shape import slope_at, wall_at
from engine.metrics.depth import positive_bps
from engine.metrics.names import MetricError, parse_metric
from tests.engine.metrics.list_book import ListBook
from tests.engine.metrics.tapes import INVERSE, LINEAR

SMALL = ListBook([(99, 4), (97, 40), (90, 3)], [(101, 5), (102, 6), (105, 6)])


def random_book(rng: random.Random) -> ListBook:
    mid = rng.randint(10_000, 20_000)
    gap = rng.randint(0, 3)

    def side(sign: int) -> list[tuple[int, int]]:
        distances = sorted(rng.sample(range(1 + gap, 60), rng.randint(0, 20)))
        return [(mid - sign * d, rng.choice((1, 2, 7, rng.randint(1, 900)))) for d in distances]

    return ListBook(side(1), side(-1))


def value(text: str, book: ListBook, context: object = LINEAR) -> float | None:
    metric = parse_metric(text)
    return metric.spec.bind(*metric.args).probe(book, context)


def test_by_hand() -> None:
    # The mid is 100: 97 is 300 bps away, holds 10 times the median of 3, 4, 40, and is the only one that stands out.
    assert value("wall(bid,2000bps,5)", SMALL) == 300.0
    assert value("wall_size(bid,2000bps,10)", SMALL) == 0.04
    assert value("wall(bid,2000bps,10.1)", SMALL) is None
    assert value("wall_size(bid,2000bps,10.1)", SMALL) == 0.0
    assert value("wall_size(bid,200bps)", SMALL) == 0.0
    assert value("wall(ask,2000bps,1.0001)", SMALL) is None
    # Distances 1, 2, 5 ticks hold 5, 11, 17 lots: the least-squares line rises by 36/13.
    assert slope_at(SMALL, -1, 10) == Fraction(36, 13)
    assert value("slope(ask,2)", SMALL) == 6.0


@pytest.mark.parametrize("seed", range(4))
def test_equals_plain_arithmetic(seed: int) -> None:
    rng = random.Random(seed)
    walls = slopes = 0
    for _ in range(300):
        book = random_book(rng)
        bps, times = positive_bps(rng.choice((5, 20.5, 40))), Fraction(rng.choice((2, 5, 30)), 2)
        for side, levels in ((1, book.bids), (-1, book.asks)):
            found, slope = wall_at(book, side, bps, times), slope_at(book, side, 7)
            if not book.bids or not book.asks:
                assert found is None
                assert slope is None
                continue
            mid = Fraction(book.best_bid + book.best_ask, 2)
            near = [(p, q) for p, q in levels if abs(p - mid) * 10_000 <= mid * bps]
            best = max(near, key=lambda level: (level[1], -abs(level[0] - mid)), default=None)
            if best is None or best[1] < times * Fraction(statistics.median([Fraction(q) for _, q in near])):
                assert found is None
            else:
                assert found is not None
                assert (found.px, found.lots) == best
                assert found.distance_bps == pytest.approx(float(abs(best[0] - mid) / mid * 10_000), rel=1e-15)
                walls += 1
            taken = levels[:7]
            if len(taken) < 2:
                assert slope is None
                continue
            x = [abs(p - mid) for p, _ in taken]
            y = [sum(q for _, q in taken[: i + 1]) for i in range(len(taken))]
            mean_x, mean_y = sum(x) / len(x), Fraction(sum(y), len(y))
            covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
            assert slope == covariance / sum((a - mean_x) ** 2 for a in x)
            slopes += 1
    assert walls > 100
    assert slopes > 300


def test_a_mirrored_book_has_the_same_shape_on_the_other_side() -> None:
    rng = random.Random(5)
    for _ in range(100):
        book = random_book(rng)
        other = book.mirrored(15_000)
        if book.bids and book.asks:
            assert slope_at(book, 1, 9) == slope_at(other, -1, 9)
    flat = ListBook([(99, 9), (98, 1), (97, 1)], [(101, 1)])
    one, other = (
        wall_at(flat, 1, Fraction(400), Fraction(2)),
        wall_at(flat.mirrored(100), -1, Fraction(400), Fraction(2)),
    )
    assert one is not None
    assert other is not None
    assert (one.lots, one.distance_bps) == (other.lots, other.distance_bps) == (9, 100.0)


def test_a_book_that_cannot_be_trusted_has_no_shape() -> None:
    for book in (ListBook(SMALL.bids, SMALL.asks, trusted=False), ListBook(SMALL.bids, []), ListBook([], [])):
        for text in ("wall(bid,2000bps)", "wall_size(bid,2000bps)", "slope(bid)"):
            assert value(text, book) is None
    assert value("wall_size(bid,2000bps)", SMALL, INVERSE) == 400.0


def test_arguments() -> None:
    with pytest.raises(MetricError, match="more than 1 median"):
        parse_metric("wall(bid,10bps,1)")
    with pytest.raises(MetricError, match="at least 2 levels"):
        parse_metric("slope(bid,1)")
    assert parse_metric("wall(sell)").canonical == "wall(sell,10bps,5)"
