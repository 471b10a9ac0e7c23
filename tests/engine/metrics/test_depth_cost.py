"""Depth, capacity and the book walk against exact references."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.instrument import Instrument
from engine.metrics.cost import slip, walk_book
from engine.metrics.depth import book_side, capacity_at, depth_at
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.spec import Context
from tests.engine.metrics.list_book import ListBook

UNIT = Instrument("x", "A/B", Decimal(1), Decimal(1))
FINE = Instrument("x", "A/B:B", Decimal("0.01"), Decimal("0.001"), kind="linear")
COIN = Instrument("x", "A/B:A", Decimal("0.1"), Decimal(1), kind="inverse", contract=Decimal(10))
GOLDEN = ListBook([(99, 10)], [(100, 2), (101, 3), (103, 5)])


def probe(text: str, book: ListBook, instrument: Instrument = UNIT) -> float | None:
    metric = parse_metric(text)
    return metric.spec.bind(*metric.args).probe(book, Context(instrument))


def random_book(rng: random.Random, levels: int = 40) -> ListBook:
    mid = rng.randint(2_000, 9_000)
    bids = sorted({mid - rng.randint(1, 300) for _ in range(rng.randint(1, levels))}, reverse=True)
    asks = sorted({mid + rng.randint(0, 300) for _ in range(rng.randint(1, levels))})
    return ListBook([(p, rng.randint(1, 999)) for p in bids], [(p, rng.randint(1, 999)) for p in asks])


def side_levels(book: ListBook, side: int) -> list[tuple[int, int]]:
    return book.bids if side > 0 else book.asks


def middle(book: ListBook) -> Fraction:
    return Fraction(book.best_bid + book.best_ask, 2)


# ---- depth


def test_depth_counts_within_the_distance_boundary_included() -> None:
    rng = random.Random(1)
    for _ in range(300):
        book = random_book(rng)
        bps = Fraction(rng.choice(["0.5", "1", "12.5", "25", "100", "333.3"]))
        for side in (1, -1):
            limit = middle(book) * (1 - side * bps / 10_000)
            expected = sum(q for p, q in side_levels(book, side) if side * (p - limit) >= 0)
            assert depth_at(book, side, bps).lots == expected
    exact = ListBook([(9_990, 7)], [(10_010, 5)])
    assert probe("depth(bid,10bps)", exact) == 7
    assert probe("depth(ask,10bps)", exact) == 5
    assert probe("depth(ask,9.999bps)", exact) == 0
    assert probe("depth(sell,10bps)", exact, FINE) == 0.007


def test_depth_beyond_the_known_book_is_marked() -> None:
    book = ListBook([(9_990, 7)], [(10_010, 5)], known_low=9_980, known_high=10_050)
    assert not depth_at(book, 1, Fraction(20)).truncated
    assert depth_at(book, 1, Fraction(21)).truncated
    assert not depth_at(book, -1, Fraction(50)).truncated
    assert depth_at(book, -1, Fraction(51)).truncated


# ---- capacity


def test_golden_capacity() -> None:
    # Mid 99.5; 150.75...% up to an average of 101: 1.5 / 99.5 of the mid.
    assert capacity_at(GOLDEN, UNIT, -1, Fraction(15_000, 1) / Fraction(199, 2)).lots == 6


def average_price(levels: list[tuple[int, int]], lots: Fraction, inverse: bool) -> Fraction:
    paid, got, left = Fraction(0), Fraction(0), lots
    for p, q in levels:
        part = min(left, q)
        paid += part if inverse else part * p
        got += part / p if inverse else part
        left -= part
    assert left == 0
    return paid / got


@pytest.mark.parametrize("instrument", [UNIT, COIN])
def test_capacity_is_where_the_average_price_meets_the_limit(instrument: Instrument) -> None:
    rng = random.Random(2)
    inside = 0
    for _ in range(200):
        book = random_book(rng)
        bps = Fraction(rng.choice([1, 5, 20, 60, 150]))
        for side in (1, -1):
            capacity = capacity_at(book, instrument, side, bps)
            limit = middle(book) * (1 - side * bps / 10_000)
            levels = side_levels(book, side)
            total = sum(q for _, q in levels)
            inverse = instrument.kind == "inverse"
            if capacity.lots == 0:
                assert side * (levels[0][0] - limit) < 0
            elif capacity.lots == total:
                assert side * (average_price(levels, capacity.lots, inverse) - limit) >= 0
            else:
                inside += 1
                assert float(average_price(levels, capacity.lots, inverse) / limit) == pytest.approx(1, rel=1e-15)
                assert not capacity.truncated
            assert capacity.truncated == (capacity.lots == total)
    assert inside > 50


def test_capacity_reads_on_where_the_first_levels_do_not_suffice() -> None:
    book = ListBook([(1_000_000, 1)], [(1_000_001 + k, 2) for k in range(500)])
    limit = Fraction(1, 10)
    capacity = capacity_at(book, UNIT, -1, limit)
    assert capacity.lots < 1_000
    assert capacity_at(book, UNIT, -1, Fraction(10)).lots == 1_000
    price = (Fraction(2_000_001, 2)) * (1 + limit / 10_000)
    assert average_price(book.asks, capacity.lots, False) == price


# ---- walking the book


def test_golden_walk() -> None:
    walk = walk_book(GOLDEN, UNIT, -1, [402])
    assert walk.slip_bps[0] == float(10_000 * (Fraction(201, 2) / Fraction(199, 2) - 1))
    assert f"{walk.slip_bps[0]:.2f}" == "100.50"
    assert (walk.fill_ratio[0], walk.worst_px[0], walk.levels[0]) == (1.0, 101, 2)
    assert probe("slip(buy,402)", GOLDEN) == walk.slip_bps[0]
    assert probe("slip(ask,402)", GOLDEN) == walk.slip_bps[0]


def slow_walk(book: ListBook, instrument: Instrument, side: int, notional: Fraction) -> tuple[float, float, int, int]:
    """(slip, fill ratio, worst price, levels), a level at a time in prices and amounts."""
    tick, lot = Fraction(instrument.tick), Fraction(instrument.lot) * Fraction(instrument.contract)
    left, paid, got, worst, count = notional, Fraction(0), Fraction(0), 0, 0
    for p, q in side_levels(book, side):
        if not left:
            break
        value = q * lot if instrument.kind == "inverse" else q * lot * p * tick
        part = min(left, value)
        paid, got, left = paid + part, got + part / (p * tick), left - part
        worst, count = p, count + 1
    slipped = -side * 10_000 * (paid / got / (middle(book) * tick) - 1)
    return float(slipped), float(paid / notional), worst, count


@pytest.mark.parametrize("instrument", [UNIT, FINE, COIN])
def test_many_orders_equal_the_slow_walk(instrument: Instrument) -> None:
    rng = random.Random(3)
    partial = 0
    for _ in range(150):
        book = random_book(rng)
        for side in (1, -1):
            notionals = [Fraction(rng.randint(1, 10**9), rng.choice([1, 100, 10**5])) for _ in range(6)]
            walk = walk_book(book, instrument, side, notionals)
            for k, notional in enumerate(notionals):
                slipped, ratio, worst, count = slow_walk(book, instrument, side, notional)
                assert walk.slip_bps[k] == pytest.approx(slipped, rel=1e-12, abs=1e-9 if instrument is COIN else 0)
                assert (walk.fill_ratio[k], walk.worst_px[k], walk.levels[k]) == (ratio, worst, count)
                partial += ratio < 1
                expected = None if ratio < 1 else walk.slip_bps[k]
                assert slip(book, instrument, side, notional) == expected
    assert partial > 20


def test_a_walk_that_ends_on_an_edge_takes_no_next_level() -> None:
    walk = walk_book(GOLDEN, UNIT, -1, [200, 201, 503, 504])
    assert walk.levels.tolist() == [1, 2, 2, 3]
    everything = 200 + 303 + 515
    assert probe(f"slip(buy,{everything})", GOLDEN) is not None
    assert probe(f"slip(buy,{everything + 1})", GOLDEN) is None
    assert walk_book(GOLDEN, UNIT, -1, [2 * everything]).fill_ratio[0] == 0.5


def test_levels_beyond_the_known_depth_are_not_walked() -> None:
    book = ListBook(GOLDEN.bids, GOLDEN.asks, known_high=101)
    assert slip(book, UNIT, -1, 503) == slip(GOLDEN, UNIT, -1, 503)
    assert slip(book, UNIT, -1, 504) is None


def test_an_inverse_contract_is_worth_a_fixed_amount_of_quote() -> None:
    # 5 contracts of 10 at 20000.0 and 5 at 20100.0: 100 quote buy 50/20000 + 50/20100 coins.
    book = ListBook([(199_000, 9)], [(200_000, 5), (201_000, 5)])
    average = 100 / (50 / 20_000 + 50 / 20_100)
    assert slip(book, COIN, -1, 100) == pytest.approx(1e4 * (average / 19_950 - 1), rel=1e-12)
    assert probe("depth(ask,100bps)", book, COIN) == 100.0


def test_products_beyond_int64_stay_exact() -> None:
    book = ListBook([(1, 1)], [(1 << 40, 1 << 50), (1 << 41, 1 << 50)])
    notional = Fraction(1 << 90) + 3 * (1 << 89)
    walk = walk_book(book, UNIT, -1, [notional])
    slipped, ratio, worst, count = slow_walk(book, UNIT, -1, notional)
    assert (walk.slip_bps[0], walk.fill_ratio[0], walk.worst_px[0], walk.levels[0]) == (slipped, ratio, worst, count)


# ---- symmetry and edges


def test_depth_capacity_and_slip_read_the_mirrored_book_alike() -> None:
    rng = random.Random(5)
    compared = 0
    for _ in range(400):
        book = random_book(rng)
        if (book.best_bid + book.best_ask) % 2:
            continue
        mirrored = book.mirrored(int(middle(book)))
        compared += 1
        for bps in (Fraction(10), Fraction(75)):
            assert depth_at(book, 1, bps) == depth_at(mirrored, -1, bps)
            assert capacity_at(book, UNIT, 1, bps) == capacity_at(mirrored, UNIT, -1, bps)
    assert compared > 100


@pytest.mark.parametrize("text", ["depth(bid,10bps)", "capacity(ask,10bps)", "slip(buy,100)"])
def test_without_a_trusted_mid_nothing_is_known(text: str) -> None:
    for book in (
        ListBook([(99, 3)], []),
        ListBook([], [(99, 3)]),
        ListBook([], []),
        ListBook([(99, 3)], [(99, 3)]),
        ListBook([(98, 3)], [(99, 3)], trusted=False),
    ):
        assert probe(text, book) is None


def test_worthless_levels_end_a_walk() -> None:
    book = ListBook([(2, 5), (0, 7)], [(3, 1)])
    for instrument in (UNIT, COIN):
        walk = walk_book(book, instrument, 1, [10**6])
        assert walk.levels[0] == 1
        assert walk.fill_ratio[0] < 1
        assert capacity_at(book, instrument, 1, Fraction(9_000)).lots == 5


def test_arguments() -> None:
    assert [book_side(s) for s in ("bid", "sell", "ask", "buy")] == [1, 1, -1, -1]
    for text in ("depth(left,10bps)", "depth(bid,0bps)", "capacity(bid,10000bps)", "slip(buy,0)"):
        with pytest.raises(MetricError):
            parse_metric(text)
    with pytest.raises(ValueError, match="side"):
        book_side("up")
    with pytest.raises(ValueError, match="positive"):
        parse_metric("slip(buy,1)").spec.bind("buy", math.inf)
