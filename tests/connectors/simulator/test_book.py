"""The resting book and its walls."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulator.book import ASK, BID, RestingBook
from connectors.simulator.profiles import profile_of
from connectors.simulator.walls import Wall, Walls

SECOND = 1_000_000_000


def a_book(seed: int = 1) -> RestingBook:
    return RestingBook(profile_of("SOL/USDT"), random.Random(seed), np.random.default_rng(seed))


def sizes(book: RestingBook) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return np.array([book.sides[BID], book.sides[ASK]])


actions = st.lists(
    st.tuples(
        st.sampled_from(["take", "withdraw", "improve", "refresh", "lean", "follow"]),
        st.sampled_from([BID, ASK]),
        st.integers(1, 40),
    ),
    max_size=60,
)


@given(st.integers(0, 5), actions)
def test_best_prices_are_right_and_changes_tell_everything(seed: int, done: list[tuple[str, int, int]]) -> None:
    book = a_book(seed)
    told = np.zeros_like(sizes(book))
    side, at, lots = book.snapshot()
    told[side, at] = lots
    for what, side_of, n in done:
        gap = book.best[ASK] - book.best[BID] - 1
        if what == "take":
            before = book.sides[side_of][book.best[side_of]]
            fills = book.take(side_of, before * n // 4 + 1, n)
            assert sum(part for _, part in fills) <= before * n // 4 + 1
        elif what == "withdraw":
            book.withdraw_beyond(book.best[BID] - n, book.best[ASK] + n % 3)
        elif what == "improve" and gap:
            aim = book.best[side_of] + (min(n, gap) if side_of == BID else -min(n, gap))
            book.improve(side_of, aim, 0.5, 0.5)
        elif what == "refresh":
            book.refresh(side_of, n, 0.3)
        elif what == "lean":
            book.lean_touch(side_of, float(n))
        elif what == "follow":
            book.follow()
            side, at, lots = book.changes()
            assert (told[side, at] != lots).all()
            told[side, at] = lots
            assert (told == sizes(book)).all()
        now = sizes(book)
        assert (now >= 0).all()
        assert book.best == [int(np.flatnonzero(now[BID])[-1]), int(np.flatnonzero(now[ASK])[0])]
        assert book.best[BID] < book.best[ASK]


def test_take_fills_by_price_and_stops_at_its_reach() -> None:
    book = a_book()
    best = book.best[ASK]
    want = sizes(book)[ASK, best : best + 5]
    fills = book.take(ASK, 10**12, 5)
    assert fills == [(best + i, lots) for i, lots in enumerate(want.tolist()) if lots]
    assert book.best[ASK] >= best + 5


def test_sum_of_counts_from_the_best() -> None:
    book = a_book()
    now = sizes(book)
    bid, ask = book.best
    assert book.sum_of(BID, 7) == now[BID, bid - 6 : bid + 1].sum()
    assert book.sum_of(ASK, 7) == now[ASK, ask : ask + 7].sum()


def a_wall(book: RestingBook, walls: Walls, side: int, away: int, *, shy: bool = False) -> Wall:
    at = book.best[side] + (away if side == ASK else -away)
    wall = Wall(side, at, 50_000_000, 20 * SECOND, shy, 3)
    walls.standing.append(wall)
    walls.restore()
    return wall


def test_a_wall_appears_at_a_round_price_far_above_the_usual_size() -> None:
    for seed in range(20):
        book = a_book(seed)
        walls = Walls(book, random.Random(seed))
        walls.appear(0)
        (wall,) = walls.standing
        assert (book.low + wall.at) % 5 == 0
        assert (wall.at > book.best[ASK]) if wall.side == ASK else (wall.at < book.best[BID])
        assert book.sides[wall.side][wall.at] == wall.lots > 6 * book.unit


@pytest.mark.parametrize("side", [BID, ASK])
def test_a_wall_holds_the_quotes_until_it_is_eaten(side: int) -> None:
    book = a_book()
    walls = Walls(book, random.Random(1))
    wall = a_wall(book, walls, side, 3)
    low, high = walls.bounds()
    assert (high if side == ASK else low) == wall.at
    book.take(side, 10**12, 3)  # up to the wall
    assert book.best[side] == wall.at
    book.take(side, 20_000_000, 1)
    walls.note_eaten()
    book.refresh(side, 24, 1.0)
    walls.restore()
    assert book.sides[side][wall.at] == 30_000_000
    book.take(side, 30_000_000, 1)
    walls.note_eaten()
    assert not walls.standing


def test_walls_are_pulled_when_old_or_when_the_price_comes_near() -> None:
    book = a_book()
    walls = Walls(book, random.Random(1))
    old, shy = a_wall(book, walls, ASK, 12), a_wall(book, walls, BID, 6, shy=True)
    walls.withdraw(SECOND, 0)
    assert walls.standing == [old, shy]
    book.withdraw_beyond(shy.at + 2, book.best[ASK])
    walls.withdraw(2 * SECOND, 0)
    assert walls.standing == [old]
    assert book.sides[BID][shy.at] < shy.lots / 100
    walls.withdraw(20 * SECOND, 0)
    assert not walls.standing
    assert 0 < book.sides[ASK][old.at] < old.lots / 100
