"""Order-book imbalance of a state and over time."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.instrument import Instrument
from engine.metrics.imbalance import (
    TimeWeightedImbalance,
    imbalance_decaying,
    imbalance_of_levels,
    imbalance_within,
)
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.spec import Context
from tests.engine.metrics.cuts import Event, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.list_book import ListBook

MS = 1_000_000
CONTEXT = Context(Instrument("x", "A/B", Decimal("0.01"), Decimal("0.001")))


def probe(text: str, book: ListBook) -> float | None:
    metric = parse_metric(text)
    bound = metric.spec.bind(*metric.args)
    assert bound.needs_book
    return bound.probe(book, CONTEXT)


def random_book(rng: random.Random) -> ListBook:
    mid = rng.randint(500, 2_000)
    bids = sorted({mid - rng.randint(1, 60) for _ in range(rng.randint(1, 30))}, reverse=True)
    asks = sorted({mid + rng.randint(0, 60) for _ in range(rng.randint(1, 30))})
    return ListBook([(p, rng.randint(1, 99)) for p in bids], [(p, rng.randint(1, 99)) for p in asks])


BOOK = ListBook([(99, 3), (98, 1), (90, 6)], [(101, 1), (103, 2), (110, 7)])


def test_levels_by_hand() -> None:
    assert probe("imbalance(1)", BOOK) == 0.5
    assert probe("imbalance(2)", BOOK) == 1 / 7
    assert probe("imbalance", BOOK) == 0.0


def test_distance_includes_its_boundary() -> None:
    # Mid 100: 100 bps reach 99 and 101 exactly, 200 bps add 98, 300 bps add 103.
    assert probe("imbalance(99.99bps)", BOOK) is None
    assert probe("imbalance(100bps)", BOOK) == 0.5
    assert probe("imbalance(200bps)", BOOK) == 3 / 5
    assert probe("imbalance(299.9bps)", BOOK) == 3 / 5
    assert probe("imbalance(300bps)", BOOK) == 1 / 7


def test_decay_weighs_by_distance_in_spreads() -> None:
    def weight(distance: float) -> float:
        return math.exp(-distance / (2 * 5.0))  # spread 2, k = 5

    bid = 3 * weight(1) + weight(2) + 6 * weight(10)
    ask = weight(1) + 2 * weight(3) + 7 * weight(10)
    assert probe("imbalance_decay", BOOK) == pytest.approx((bid - ask) / (bid + ask), rel=1e-14)
    far = ListBook([*BOOK.bids, (1, 10**9)], BOOK.asks)
    assert imbalance_decaying(far, 0.1) == imbalance_decaying(BOOK, 0.1)


@pytest.mark.parametrize("text", ["imbalance(1)", "imbalance(3)", "imbalance(50bps)", "imbalance_decay(2)"])
def test_edges(text: str) -> None:
    assert probe(text, ListBook([(99, 3)], [])) == 1.0
    assert probe(text, ListBook([], [(99, 3)])) == -1.0
    assert probe(text, ListBook([], [])) is None
    assert probe(text, replace(BOOK, trusted=False)) is None
    assert probe(text, ListBook([(99, 3)], [(99, 3)])) is None
    assert probe(text, ListBook([(100, 3)], [(99, 3)])) is None


def test_mirror_changes_the_sign_and_the_size_is_at_most_one() -> None:
    rng = random.Random(4)
    for _ in range(300):
        book = random_book(rng)
        mirrored = book.mirrored(5_000)
        for value, opposite in (
            (imbalance_of_levels(book, 5), imbalance_of_levels(mirrored, 5)),
            (imbalance_decaying(book, 5.0), imbalance_decaying(mirrored, 5.0)),
        ):
            assert value == -opposite
            assert abs(value) <= 1
        centre = book.mirrored((book.best_bid + book.best_ask) // 2)
        if (book.best_bid + book.best_ask) % 2 == 0:
            value = imbalance_within(book, 150.0)
            assert (value is None and imbalance_within(centre, 150.0) is None) or value == -imbalance_within(
                centre, 150.0
            )


# ---- over time

FIELDS = (str(20 * MS), str(700 * MS))


def states(rng: random.Random, count: int) -> list[Touch]:
    t, out = 1_700_000_000_000 * MS, []
    for _ in range(count):
        t += rng.choice([0, 0, 1, 1_500, rng.randint(0, 20 * MS)])
        bid, ask = (rng.choice([0, rng.randint(1, 10**6)]) for _ in range(2))
        out.append(Touch(t, 1, 1, 2, 1, rng.random() > 0.1, 0, {3: (bid, ask)}))
    return out


def mean_of(events: list[Touch], t: int, window: int) -> float:
    area, time = Fraction(0), 0
    for k, touch in enumerate(events):
        end = events[k + 1].t if k + 1 < len(events) else t
        dt = min(end, t) // 1_000 - max(touch.t, t - window) // 1_000
        bid, ask = touch.sums[3]
        if dt > 0 and touch.valid and bid + ask:
            area += Fraction(bid - ask, bid + ask) * dt
            time += dt
    return float(area / time) if time else math.nan


@pytest.mark.parametrize("seed", range(4))
def test_time_weighted_mean_is_that_of_the_step_function(seed: int) -> None:
    rng = random.Random(seed)
    events = states(rng, 250)
    times = np.array(sorted(rng.randint(events[0].t - MS, events[-1].t + 800 * MS) for _ in range(120)))
    values = fold(lambda: TimeWeightedImbalance(3), list(events), [], FIELDS, times, taps=(3,))
    for name in FIELDS:
        expected = [mean_of(events, t, int(name)) for t in times.tolist()]
        np.testing.assert_allclose(values[name], expected, rtol=0, atol=5e-16)
        assert np.isfinite(values[name]).sum() > 30


@pytest.mark.parametrize("seed", range(5))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(30 + seed)
    events: list[Event] = list(states(rng, 250))
    times = np.arange(events[0].t // MS, events[-1].t // MS + 5, 4) * MS
    whole = fold(lambda: TimeWeightedImbalance(3), events, [], FIELDS, times, taps=(3,), restore=False)
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(4))):
        cut = fold(lambda: TimeWeightedImbalance(3), events, cuts, FIELDS, times, taps=(3,))
        for name in FIELDS:
            assert cut[name].tobytes() == whole[name].tobytes()


def test_swapped_sides_change_the_sign_to_the_bit() -> None:
    events = states(random.Random(8), 300)
    swapped = [replace(e, sums={3: e.sums[3][::-1]}) for e in events]
    times = np.arange(events[0].t, events[-1].t, 3 * MS)
    one, other = (fold(lambda: TimeWeightedImbalance(3), list(e), [], FIELDS, times, (3,)) for e in (events, swapped))
    for name in FIELDS:
        np.testing.assert_array_equal(one[name], -other[name])


def test_it_forgets_what_no_window_needs() -> None:
    calculator = TimeWeightedImbalance(3)
    calculator.sample(str(10 * MS), np.empty(0, np.int64))
    for k in range(1, 500):
        calculator.update(batch_of([Touch(k * MS, 1, 1, 2, 1, sums={3: (3, 1)})], 0, (3,)))
        calculator.advance(k * MS)
    assert len(calculator.state()["integral"]["rows"][0]) <= 12
    assert calculator.sample(str(10 * MS), np.array([499 * MS]))[0] == 0.5


def test_arguments() -> None:
    metric = parse_metric("imbalance_tw(7,3s)")
    bound = metric.spec.bind(*metric.args)
    assert (bound.taps, bound.field, bound.share) == ((7,), "3000000000", ("imbalance_tw", 7))
    for text in ("imbalance_decay(-2)", "imbalance_tw(5,2d)", "imbalance(0)", "imbalance(10000bps)"):
        with pytest.raises(MetricError):
            parse_metric(text)
    with pytest.raises(ValueError, match="over 3 levels"):
        TimeWeightedImbalance(4).restore(TimeWeightedImbalance(3).state())
