"""Depletions of the book against the rule told instant by instant."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.batch import NO_ASK
from engine.metrics.names import parse_metric
from engine.metrics.resilience import Resilience
from tests.engine.metrics.cuts import Event, Touch, batch_of, every_event, fold, random_cuts

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
TEN = Fraction(10)
FIELDS = ("resilience", "depletion")


def make() -> Resilience:
    return Resilience(TEN)


def depth(t: int, lots: int, valid: bool = True, ask: int = 101) -> Touch:
    return Touch(t, 100, 1, ask, 1 if ask != NO_ASK else 0, valid, bands={TEN: (lots // 3, lots - lots // 3, 0, 0)})


def tape(rng: random.Random, count: int = 1_000) -> list[Event]:
    """Depth around a level that shifts, with falls that recover soon, late or never, and losses of the book."""
    t, usual, factor, events = START + rng.randrange(SECOND), 1_000, 1.0, []
    for _ in range(count):
        t += rng.choice((0, 1, rng.randrange(SECOND), SECOND - t % SECOND, rng.randrange(9 * SECOND)))
        roll = rng.random()
        if roll < 0.05:
            factor = rng.choice((0.2, 0.4, 0.499))
        elif roll < 0.35:
            factor = rng.choice((0.8, 1.0, 1.2))
        elif roll < 0.355:
            usual = rng.choice((300, 1_000, 4_000))
        elif roll < 0.36:
            t += rng.randrange(2_400) * SECOND
        if rng.random() < 0.012:
            events.append(depth(t, 0, valid=False) if rng.random() < 0.5 else depth(t, 0, ask=NO_ASK))
        else:
            events.append(depth(t, int(usual * factor * rng.uniform(0.95, 1.05))))
    return events


def told(events: Sequence[Event], until: int) -> dict[int, tuple[float, float]]:
    """(resilience, depletion) at each second."""
    touches = [e for e in events if isinstance(e, Touch)]
    instants = range(-(-touches[0].t // SECOND) * SECOND, until + 1, SECOND)
    series: list[int | None] = []
    out: dict[int, tuple[float, float]] = {}
    began, norm, seconds, row = 0, None, math.nan, 0
    for g in instants:
        while row + 1 < len(touches) and touches[row + 1].t <= g:
            row += 1
        now = touches[row]
        d = sum(now.bands[TEN][:2]) if now.valid and now.ask != NO_ASK else None
        known = [2 * v for v in series[-300:] if v is not None]
        median = Fraction(int(statistics.median(known)), 2) if len(known) >= 150 else None
        if norm is not None:
            if d is None or (d < norm * Fraction(9, 10) and g - began >= 1_800 * SECOND):
                norm = None
            elif d >= norm * Fraction(9, 10):
                seconds, norm = (g - began) / SECOND, None
        elif d is not None and median is not None and d < median / 2:
            began, norm = g, median
        unknown = d is None or (median is None and norm is None)
        out[g] = (seconds, math.nan if unknown else float(norm is not None))
        series.append(d)
    return out


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_rule_instant_by_instant(seed: int) -> None:
    rng = random.Random(seed)
    events = tape(rng)
    end = events[-1].t + 5 * SECOND
    wanted = told(events, end)
    times = np.array(sorted({*wanted, *(rng.randint(START, end) for _ in range(200))}), np.int64)
    values = fold(make, events, random_cuts(rng, len(events)), FIELDS, times)
    for column, name in enumerate(FIELDS):
        rows = [wanted.get(t // SECOND * SECOND, (math.nan, math.nan))[column] for t in times.tolist()]
        np.testing.assert_array_equal(values[name], rows, name)
    assert len({v for v in values["resilience"].tolist() if v == v}) > 5
    assert np.nansum(values["depletion"]) > 50


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(60 + seed)
    events = tape(rng, 300)
    times = np.arange(events[0].t // SECOND, events[-1].t // SECOND + 3, 7) * SECOND
    whole = fold(make, events, [], FIELDS, times, restore=False)
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(3))):
        cut = fold(make, events, cuts, FIELDS, times)
        for name in FIELDS:
            assert cut[name].tobytes() == whole[name].tobytes(), name


def test_by_hand() -> None:
    def at(second: int) -> int:
        return START + second * SECOND

    events: list[Event] = [
        depth(at(0), 1_000),
        depth(at(200) - 1, 500),  # exactly half: no depletion
        depth(at(210), 499),
        depth(at(220), 899),
        depth(at(231) + 1, 900),  # in force at the instant 232
        depth(at(240), 400),
        depth(at(241), 0, valid=False),  # lost: this depletion has no end
        depth(at(242), 950),
    ]
    times = np.array([at(s) for s in (149, 150, 205, 209, 210, 231, 232, 240, 241, 242, 300)])
    values = fold(make, events, [], FIELDS, times)
    nan = math.nan
    np.testing.assert_array_equal(values["depletion"], [nan, 0, 0, 0, 1, 1, 0, 1, nan, 0, 0])
    np.testing.assert_array_equal(values["resilience"], [nan] * 6 + [22] * 5)


def test_a_depletion_that_lasts_becomes_the_norm() -> None:
    events: list[Event] = [depth(START, 1_000), depth(START + 400 * SECOND, 100)]
    times = np.array([START + s * SECOND for s in (399, 400, 2_199, 2_200, 9_000, 10**6)])
    values = fold(make, events, [], FIELDS, times)
    assert values["depletion"].tolist() == [0, 1, 1, 0, 0, 0]
    assert np.isnan(values["resilience"]).all()


def test_it_holds_no_more_than_it_needs() -> None:
    resilience = make()
    for k in range(2_000):
        now = START + k * SECOND // 2
        resilience.update(batch_of([depth(now, 100 if k % 50 else 10)], now))
        resilience.advance(now)
    state = resilience.state()
    assert len(state["depth"]["columns"][0]) <= 4
    assert len(state["results"]["columns"][0]) <= 4
    with pytest.raises(ValueError, match="version"):
        make().restore({**state, "version": 2})


def test_arguments() -> None:
    one, other = parse_metric("resilience"), parse_metric("depletion(10.0bps)")
    bounds = [metric.spec.bind(*metric.args) for metric in (one, other)]
    assert bounds[0].share == bounds[1].share
    assert [bound.field for bound in bounds] == list(FIELDS)
    assert bounds[0].bands == (TEN,)
