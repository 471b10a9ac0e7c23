"""The day's volatility and volume against minutes gathered one by one, and the laws' published numbers."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from engine.metrics.batch import NO_ASK
from engine.metrics.impact import DayState, almgren_shortfall, sqrt_impact, within_validity
from engine.metrics.names import MetricError, parse_metric
from tests.engine.metrics.cuts import DayVolume, Event, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.prevailing_mid import mid_at
from tests.engine.metrics.tapes import BEFORE_MIDNIGHT, DAY, INVERSE, LINEAR, SECOND

MINUTE = 60 * SECOND
FIELDS = ("sigma", "volume", "sqrt:2.5", "share:adv/50", "share:2.5", "almgren:2.5:3600000000000:1000000.0")


def tape(seed: int, minutes: int = 100) -> list[Event]:
    rng, t, px = random.Random(seed), BEFORE_MIDNIGHT, 300_000
    events: list[Event] = []
    for i in range(minutes * 3):
        t += rng.choice((0, rng.randrange(40 * SECOND), 20 * SECOND))
        px += rng.randrange(-20, 21)
        events.append(Fill(t, rng.randrange(1, 5_000), rng.choice((1, -1, 0)), px))
        ask = (NO_ASK, 0) if rng.random() < 0.05 else (px + 1, 5)
        events.append(Touch(t, px - 1, 4, *ask, valid=rng.random() > 0.05, epoch=i // 90))
        if i % 70 == 69:
            events.append(DayVolume(t, rng.randrange(1, 10**9)))
    return events


def sigma(events: list[Event], t: int) -> float:
    squares = []
    for k in range(t // MINUTE - 1440, t // MINUTE):
        before, after = mid_at(events, k * MINUTE), mid_at(events, (k + 1) * MINUTE)
        if before and after and before[1] == after[1]:
            squares.append(math.log(after[0] / before[0]) ** 2)
    return 1e4 * math.sqrt(sum(squares) / len(squares) * 1440) if len(squares) >= 30 else math.nan


@pytest.mark.parametrize("seed", range(2))
def test_values_are_those_of_the_minutes(seed: int) -> None:
    events = tape(seed)
    times = np.arange(events[0].t // MINUTE * MINUTE + 7, events[-1].t, 11 * MINUTE)
    got = fold(lambda: DayState(LINEAR.instrument, None), events, [], FIELDS, times)
    expected = [sigma(events, t) for t in times.tolist()]
    np.testing.assert_allclose(got["sigma"], expected, rtol=1e-12)
    assert np.isfinite(expected).any()
    for i, t in enumerate(times.tolist()):
        told = [e.lots for e in events if isinstance(e, DayVolume) and e.t <= t]
        volume = told[-1] * 0.001 if told else math.nan
        assert got["volume"][i] == pytest.approx(volume, nan_ok=True)
        assert got["share:2.5"][i] == pytest.approx(2.5 / volume, nan_ok=True)
        assert got["sqrt:2.5"][i] == pytest.approx(0.9 * expected[i] * math.sqrt(2.5 / volume), nan_ok=True)
        assert got["share:adv/50"][i] == pytest.approx(0.02 if told else math.nan, nan_ok=True)
        wanted = almgren_shortfall(2.5 / volume, 1 / 24, expected[i], 1e6 / volume) if told else math.nan
        assert got[FIELDS[-1]][i] == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize("seed", range(2))
def test_the_cut_moves_nothing(seed: int) -> None:
    rng, events = random.Random(seed), tape(seed)
    times = np.arange(events[0].t // MINUTE * MINUTE, events[-1].t + MINUTE, MINUTE // 2)

    def make() -> DayState:
        return DayState(LINEAR.instrument, 7_000)

    whole = fold(make, events, [], FIELDS, times)
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(4))):
        cut = fold(make, events, cuts, FIELDS, times)
        for field in FIELDS:
            assert cut[field].tobytes() == whole[field].tobytes()


def test_a_day_of_tape_goes_before_what_others_say() -> None:
    start = BEFORE_MIDNIGHT
    events: list[Event] = [DayVolume(start, 999)]
    events += [Fill(start + h * 3_600 * SECOND + 1, h + 1, 1) for h in range(49)]
    times = np.array([start + 5 * SECOND, start + 2 * DAY - 1, start + 2 * DAY])
    got = fold(lambda: DayState(INVERSE.instrument, 5), events, [20, 30], ("volume",), times)["volume"]
    # Two days on, the last 1440 closed minutes hold the hours 24 to 47.
    assert got.tolist() == [9_990.0, 10 * sum(range(25, 49)), 10 * sum(range(25, 49))]


def test_the_users_volume_serves_until_the_venue_tells() -> None:
    times = np.array([BEFORE_MIDNIGHT, BEFORE_MIDNIGHT + 9])
    events: list[Event] = [Fill(BEFORE_MIDNIGHT, 1, 1), DayVolume(BEFORE_MIDNIGHT + 5, 70)]
    got = fold(lambda: DayState(LINEAR.instrument, 5_000), events, [], ("volume",), times)["volume"]
    assert got.tolist() == pytest.approx([5.0, 0.07])


def test_published_example_of_almgren_2005() -> None:
    # IBM: 10 % of a day's 6.561 million shares, daily volatility 157 bp, 1728 million shares outstanding.
    cost = [almgren_shortfall(0.1, days, 157, 1728 / 6.561) for days in (0.1, 0.2, 0.5)]
    assert [round(c) for c in cost] == [32, 25, 18]
    assert cost == pytest.approx([32.2, 24.6, 18.4], abs=0.05)


def test_square_root_law() -> None:
    assert sqrt_impact(0.01, 400) == pytest.approx(36)
    assert sqrt_impact(0.04, 400) == pytest.approx(72)  # four times the order, twice the impact
    assert [within_validity(s) for s in (9e-5, 1e-4, 0.1, 0.11, math.nan)] == [False, True, True, False, False]


def test_a_supply_must_be_a_number() -> None:
    with pytest.raises(MetricError, match="supply"):
        parse_metric("impact_almgren(10,1h,adv/50)")
    with pytest.raises(MetricError):
        parse_metric("impact_sqrt(-1)")


def test_it_is_told_where_the_law_was_seen() -> None:
    day = DayState(LINEAR.instrument, 1_000_000)
    day.update(batch_of([Fill(1_700_000_000_000_000_000, 5, 1)], 0))
    at = np.array([1_700_000_000_000_000_000])
    assert [day.sample(f"seen:adv/{part}", at)[0] for part in (1_000, 10, 9, 20_000)] == [1, 1, 0, 0]
    assert math.isnan(DayState(LINEAR.instrument, None).sample("seen:adv/1000", at)[0])
