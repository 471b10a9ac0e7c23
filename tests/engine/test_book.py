"""Both order books against a plain dictionary, on random streams with far, absurd and off-grid prices."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest

from engine.book import TickBook
from engine.book_side import SPILL, WINDOW
from engine.instrument import Instrument, OffGridError
from engine.sparse_book import SparseBook
from engine.tape import NO_ASK, NO_BID

INSTRUMENT = Instrument("test", "A/B", Decimal("0.01"), Decimal("0.001"), base="A", quote="B")


class DictBook:
    """The obviously correct one."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def update(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        for held, changes in ((self.bids, bids), (self.asks, asks)):
            for px, qty in changes:
                held[px] = qty
                if not qty:
                    del held[px]  # deleting an absent level is normal


def text(bids: list[tuple[int, int]]) -> list[tuple[str, float]]:
    return [(f"{px / 100:.2f}", float(f"{qty / 1000:.3f}")) for px, qty in bids]


def random_changes(rng: random.Random, mid: int, sign: int) -> list[tuple[int, int]]:
    out = []
    for _ in range(rng.randrange(8)):
        roll = rng.random()
        if roll < 0.8:
            distance = int(rng.expovariate(1 / 30)) + 1
        elif roll < 0.97:
            distance = rng.randrange(1, 60_000)
        else:
            distance = rng.randrange(60_000, 400_000)
        px = max(1, mid - sign * distance)
        out.append((px, rng.choice((0, 0, rng.randrange(1, 10_000)))))
    return out


def same(book: TickBook | SparseBook, truth: DictBook, rng: random.Random) -> None:
    bids = sorted(truth.bids.items(), reverse=True)
    asks = sorted(truth.asks.items())
    assert book.best_bid == (bids[0][0] if bids else NO_BID)
    assert book.best_ask == (asks[0][0] if asks else NO_ASK)
    assert book.bid_qty == (bids[0][1] if bids else 0)
    assert book.ask_qty == (asks[0][1] if asks else 0)
    count = rng.choice((1, 5, 40, None))
    for side, levels in ((1, bids), (-1, asks)):
        prices, sizes = book.levels(side, count)
        assert list(zip(prices.tolist(), sizes.tolist(), strict=True)) == levels[:count]
        if levels:
            until = rng.choice(levels)[0] + rng.randrange(-3, 4)
            prices, sizes = book.levels(side, None, until)
            inside = [(p, q) for p, q in levels if (p >= until if side > 0 else p <= until)]
            assert list(zip(prices.tolist(), sizes.tolist(), strict=True)) == inside
    top = rng.choice((1, 5, 20))
    assert book.top_sums(top) == (sum(q for _, q in bids[:top]), sum(q for _, q in asks[:top]))
    assert (book.size(1), book.size(-1)) == (len(bids), len(asks))


@pytest.mark.parametrize("kind", [TickBook, SparseBook])
@pytest.mark.parametrize("carrier", ["text", "ticks"])
@pytest.mark.parametrize("seed", range(6))
def test_equals_a_dictionary(kind: type[TickBook] | type[SparseBook], carrier: str, seed: int) -> None:
    rng = random.Random(seed)
    book, truth, mid = kind(INSTRUMENT), DictBook(), 268_000
    bids = [(mid - 1 - 3 * i, rng.randrange(1, 9_000)) for i in range(300)]
    asks = [(mid + 1 + 3 * i, rng.randrange(1, 9_000)) for i in range(300)]
    truth.update(bids, asks)
    book.replace(text(bids), text(asks))
    assert (book.known_low, book.known_high) == (bids[-1][0], asks[-1][0])
    for step in range(600):
        mid = max(500_000 if seed == 5 else 1_000, mid + rng.randrange(-200, 201) * (50 if rng.random() < 0.02 else 1))
        bids, asks = random_changes(rng, mid, 1), random_changes(rng, mid, -1)
        truth.update(bids, asks)
        if carrier == "text":
            book.update(text(bids), text(asks))
        else:
            levels = [(1, p, q) for p, q in bids] + [(-1, p, q) for p, q in asks]
            book.update_ticks([s for s, _, _ in levels], [p for _, p, _ in levels], [q / 1000 for _, _, q in levels])
        if step % 7 == 0:
            book.recentre()
        same(book, truth, rng)


@pytest.mark.parametrize("kind", [TickBook, SparseBook])
def test_a_snapshot_of_more_far_levels_than_the_spill_begins_with(kind: type[TickBook] | type[SparseBook]) -> None:
    book, truth, rng = kind(INSTRUMENT), DictBook(), random.Random(1)
    mid, apart, count = 100_000_000, 7 * WINDOW // SPILL, 2 * SPILL
    bids = [(mid - apart * i, rng.randrange(1, 9_000)) for i in range(1, count)]
    asks = [(mid + apart * i, rng.randrange(1, 9_000)) for i in range(1, count)]
    truth.update(bids, asks)
    book.replace(text(bids), text(asks))
    same(book, truth, rng)


def test_crossed_and_one_sided_books_are_said_to_be_so() -> None:
    book = TickBook(INSTRUMENT)
    assert not book.valid
    book.replace([("10.00", 1.0)], [("10.01", 1.0)])
    assert book.valid
    book.update([("10.01", 1.0)], [])
    assert book.crossed
    assert not book.valid
    book.update([("10.01", 0.0), ("10.00", 0.0)], [])
    assert book.valid
    assert book.best_bid == NO_BID
    book.clear()
    assert not book.valid


def test_the_whole_side_far_away_becomes_the_window() -> None:
    book = TickBook(INSTRUMENT)
    book.replace([("10.00", 1.0)], [("10.01", 1.0)])
    book.update([], [("9000.00", 2.0), ("10.01", 0.0), ("8000.00", 3.0)])
    assert book.best_ask == 800_000
    assert book.asks.best < WINDOW
    assert book.levels(-1)[0].tolist() == [800_000, 900_000]
    book.update([], [("10.05", 4.0)])
    assert book.best_ask == 1005
    assert book.levels(-1)[1].tolist() == [4000, 3000, 2000]


@pytest.mark.parametrize("price", ["10.005", "nan", "inf", "-1.00", "1e400", "ten", "", "10.0000001"])
def test_a_price_off_the_grid_is_an_error_that_names_the_instrument(price: str) -> None:
    book = TickBook(INSTRUMENT)
    book.replace([("10.00", 1.0)], [("10.01", 1.0)])
    with pytest.raises(OffGridError, match="test:A/B: price"):
        book.update([(price, 1.0)], [])
    with pytest.raises(OffGridError, match="test:A/B: price"):
        book.replace([(price, 1.0)], [])
    assert not book.valid


def test_wire_sizes_survive_the_way_through_lots() -> None:
    rng = np.random.default_rng(1)
    for lots in rng.integers(0, 1 << 40, 2000).tolist():
        assert INSTRUMENT.wire_size(lots) == float(f"{lots // 1000}.{lots % 1000:03d}")
