from __future__ import annotations

import math
import random

import numpy as np
import pytest

from engine.metrics.names import parse_metric
from engine.metrics.prices import LastPrice
from engine.metrics.registry import bind
from engine.tape import NO_ASK, NO_BID, Ints
from tests.engine.metrics.cuts import every_event, fold, random_cuts
from tests.engine.metrics.tapes import LINEAR, fills_until, instants, random_tape


class Top:
    """A book of at most one level a side."""

    known_low = known_high = None

    def __init__(self, bid: int, bid_qty: int, ask: int, ask_qty: int, valid: bool = True) -> None:
        self.best_bid, self.bid_qty, self.best_ask, self.ask_qty, self.valid = bid, bid_qty, ask, ask_qty, valid

    def levels(self, side: int, count: int | None = None, until: int | None = None) -> tuple[Ints, Ints]:
        raise AssertionError("prices read the top only")


def value(name: str, book: Top) -> float | None:
    probe = bind(parse_metric(name), LINEAR).probe
    assert probe is not None
    return probe(book, LINEAR)


NAMES = ("bid", "ask", "bid_size", "ask_size", "mid", "wmid", "spread_bps")


def test_golden() -> None:
    book = Top(26_8000, 3_000, 26_8004, 1_000)
    assert [value(name, book) for name in NAMES] == [
        2680.0,
        2680.04,
        3.0,
        1.0,
        2680.02,
        pytest.approx(2680.03, rel=1e-15),  # the heavy bid pulls up, to the ask
        pytest.approx(4 / 268002 * 1e4, rel=1e-15),
    ]


@pytest.mark.parametrize(
    ("bid_qty", "ask_qty", "imbalance", "weighted"),
    [(20, 471, 0.040733, 14.330407), (25, 148, 0.144509, 14.331445), (31, 95, 0.246032, 14.332460)],
)
def test_weighted_mid_of_published_quotes(bid_qty: int, ask_qty: int, imbalance: float, weighted: float) -> None:
    book = Top(1433, bid_qty, 1434, ask_qty)
    assert bid_qty / (bid_qty + ask_qty) == pytest.approx(imbalance, abs=5e-7)
    assert value("wmid", book) == pytest.approx(weighted, abs=5e-7)


def test_swapping_the_sides_mirrors_the_weighted_mid() -> None:
    there, back = value("wmid", Top(100, 30, 104, 10)), value("wmid", Top(100, 10, 104, 30))
    assert there is not None
    assert back is not None
    assert there - 1.02 == pytest.approx(1.02 - back)


def test_a_missing_side_is_unknown_and_the_other_is_not() -> None:
    only_ask = Top(NO_BID, 0, 105, 7)
    assert [value(name, only_ask) for name in NAMES] == [None, 1.05, None, 0.007, None, None, None]
    only_bid = Top(105, 7, NO_ASK, 0)
    assert [value(name, only_bid) for name in NAMES] == [1.05, None, 0.007, None, None, None, None]


def test_an_invalid_book_tells_nothing() -> None:
    crossed = Top(106, 7, 105, 7, valid=False)
    assert [value(name, crossed) for name in NAMES] == [None] * len(NAMES)


def test_last_is_the_latest_trade_at_every_instant_however_cut() -> None:
    rng = random.Random(2)
    events = random_tape(rng)
    times = instants(rng, events)
    wanted = [f[-1].px / 100 if (f := fills_until(events, int(t))) else math.nan for t in times]
    for cuts in ([], every_event(len(events)), random_cuts(rng, len(events))):
        np.testing.assert_array_equal(fold(lambda: LastPrice(LINEAR), events, cuts, ["last"], times)["last"], wanted)
