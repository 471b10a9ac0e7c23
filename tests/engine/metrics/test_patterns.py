"""What is usual at this time of day, against plain sums over plain lists of days."""

from __future__ import annotations

import math
import random
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from engine.history import Bars
from engine.metrics.names import parse_metric
from engine.metrics.patterns import SLOT, STEP, UsualFlow, UsualLevel, robust_z, same_slots
from tests.engine.metrics.cuts import Event, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import LINEAR

S = 1_000_000_000
DAY = 86_400 * S
#: 2024-10-07 was the 20003rd day of the epoch.
MONDAY = 20_003 * DAY
QUANTITIES = ("volume", "trades", "mean_size", "cvd")
FIELDS = [*(f"z:{q}" for q in QUANTITIES), "rvol", "busy_day"]
SLOTS = range(120, 135)


def tape_of_days(rng: random.Random, days: int, slots: Sequence[int] = SLOTS) -> list[Event]:
    """Trades, and now and then a touch, in some slots of each day; some slots of some days are silent."""
    events: list[Event] = [Touch(MONDAY + 5 * S, 1, 1, 2, 1)]
    for day in range(days):
        for slot in slots:
            if rng.random() < 0.1:
                continue
            start = MONDAY + day * DAY + slot * SLOT
            times = sorted(rng.randrange(1, SLOT + 1) for _ in range(rng.randrange(1, 6)))
            times += [STEP * 4, SLOT] if rng.random() < 0.3 else []
            for t in sorted(times):
                if rng.random() < 0.2:
                    events.append(Touch(start + t, 1, 1, 2, 1))
                else:
                    events.append(Fill(start + t, rng.randrange(1, 9_000), rng.choice((1, -1, 0))))
    return events


BySlot = Mapping[int, Sequence[Event]]


def by_slot(events: Sequence[Event]) -> BySlot:
    slots: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        slots[(event.t - 1) // SLOT].append(event)
    return slots


def quantities(slots: BySlot, slot: int, steps: int, heard_in: int) -> dict[str, float] | None:
    """Of the first steps of a slot; None when nothing was heard in it, or the tape began in it."""
    start = slot * SLOT
    heard = [e for e in slots.get(slot, ()) if e.t <= start + heard_in * STEP]
    if not heard or min(slots) >= slot:
        return None
    fills = [e for e in heard if isinstance(e, Fill) and e.t <= start + steps * STEP]
    lots = sum(f.qty for f in fills)
    return {
        "volume": lots / 1000,
        "trades": float(len(fills)),
        "mean_size": lots / 1000 / len(fills) if fills else math.nan,
        "cvd": sum(f.qty * f.side for f in fills) / 1000,
    }


def slots_compared(slot: int) -> list[int]:
    weekend = (slot * SLOT // DAY + 3) % 7 >= 5
    before = [slot - 288 * d for d in range(1, 29)]
    return [s for s in before if ((s * SLOT // DAY + 3) % 7 >= 5) == weekend]


def reference(slots: BySlot, field: str, slot: int, steps: int) -> float:
    name, _, quantity = field.partition(":")
    now = quantities(slots, slot, steps, steps)
    past = [q for s in slots_compared(slot) if (q := quantities(slots, s, steps, 10)) is not None]
    if now is None:
        return math.nan
    if name == "rvol":
        usual = [p["volume"] for p in past]
        median = statistics.median(usual) if len(usual) >= 5 else 0.0
        return now["volume"] / median if median else math.nan
    known = [math.copysign(math.log1p(abs(p[quantity])), p[quantity]) for p in past if not math.isnan(p[quantity])]
    if len(known) < 5 or math.isnan(now[quantity]):
        return math.nan
    median = statistics.median(known)
    spread = 1.4826 * statistics.median([abs(x - median) for x in known])
    value = math.copysign(math.log1p(abs(now[quantity])), now[quantity])
    return (value - median) / spread if spread > 0 else math.nan


def instants(rng: random.Random, first_day: int, days: int, slots: Sequence[int] = SLOTS) -> np.ndarray:
    found = set()
    for day in range(first_day, days):
        for slot in slots:
            start = MONDAY + day * DAY + slot * SLOT
            found |= {
                start + rng.choice((1, 30, 59, 60, 61, 90, 200, 300)) * S + rng.choice((0, 0, 1)) for _ in range(3)
            }
    return np.array(sorted(found))


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_the_definitions_in_every_cut(seed: int) -> None:
    rng = random.Random(seed)
    events = tape_of_days(rng, 12)
    times = instants(rng, 5, 12)
    make = lambda: UsualFlow(LINEAR)  # noqa: E731
    whole = fold(make, events, [], FIELDS, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events))):
        again = fold(make, events, cuts, FIELDS, times)
        for field in FIELDS:
            assert again[field].tobytes() == whole[field].tobytes(), field
    known, slots = 0, by_slot(events)
    for i, t in enumerate(times.tolist()):
        slot = (t - 1) // SLOT
        steps = (t - slot * SLOT) // STEP
        for field in FIELDS[:-1]:
            wanted = reference(slots, field, slot, steps) if steps >= 2 else math.nan
            assert whole[field][i] == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True), (field, t)
            known += not math.isnan(wanted)
        closed = range(slot // 288 * 288, slot + (steps == 10))
        ratios = [r for s in closed if not math.isnan(r := reference(slots, "rvol", s, 10))]
        wanted = statistics.median(ratios) if len(ratios) >= 12 else math.nan
        assert whole["busy_day"][i] == pytest.approx(wanted, rel=1e-9, nan_ok=True)
        known += not math.isnan(wanted)
    assert known > 100


def test_weekends_are_compared_with_weekends() -> None:
    saturday = (MONDAY + 5 * DAY) // SLOT + 7
    days = {(s * SLOT // DAY + 3) % 7 for s in same_slots(saturday).tolist()}
    assert days == {5, 6}
    assert len(same_slots(saturday)) == 8
    assert len(same_slots(saturday - 288)) == 20


def test_five_days_are_needed_and_a_spread() -> None:
    assert math.isnan(robust_z(3.0, np.array([1.0, 2.0, 3.0, 4.0, math.nan])))
    assert math.isnan(robust_z(3.0, np.full(9, 2.0)))
    # logs of 1 + x: 1 ... 5; median 3, MAD 1
    usual = np.expm1(np.arange(1.0, 6.0))
    assert robust_z(math.expm1(5.0), usual) == pytest.approx(2 / 1.4826, rel=1e-12)
    assert robust_z(-math.expm1(5.0), -usual) == pytest.approx(-2 / 1.4826, rel=1e-12)


def bars_of(starts: Sequence[int], volumes: Sequence[int], step: int = SLOT) -> Bars:
    n = len(starts)
    flat, volume = np.full(n, 100), np.array(volumes, np.int64)
    return Bars(
        step, np.array(starts, np.int64), flat, flat, flat, flat, volume, volume // 2, np.zeros(n), np.full(n, 7)
    )


def test_bars_stand_in_for_the_days_before_and_only_for_them() -> None:
    slot = (MONDAY + 10 * DAY) // SLOT + 120
    starts = [(slot - 288 * d) * SLOT for d in range(8, 0, -1)]
    volumes = [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000]
    calculator = UsualFlow(LINEAR)
    calculator.sample("rvol", np.empty(0, np.int64))
    calculator.learn_bars(bars_of(starts, volumes))
    events = [Touch(slot * SLOT - S, 1, 1, 2, 1), Fill(slot * SLOT + 10 * S, 9_000, 1)]
    calculator.update(batch_of(events, 0))
    assert "6 of the days" in (calculator.warmed("rvol") or "")
    calculator.update(batch_of([Touch(slot * SLOT + 301 * S, 1, 1, 2, 1)], events[-1].t))
    # Wed, Thu of this week and the same weekdays before: the 8 days before a Thursday hold one weekend
    weekdays = [v for v, s in zip(volumes, starts, strict=True) if (s // DAY + 3) % 7 < 5]
    assert len(weekdays) == 6
    half, whole = calculator.sample("rvol", np.array([slot * SLOT + 150 * S, slot * SLOT + 300 * S]))
    assert half == pytest.approx(9_000 / (statistics.median(weekdays) / 2), rel=1e-12)
    assert whole == pytest.approx(9_000 / statistics.median(weekdays), rel=1e-12)
    again = UsualFlow(LINEAR)
    again.restore(calculator.state())
    assert again.sample("rvol", np.array([slot * SLOT + 300 * S]))[0] == whole


def test_bars_of_minutes_fill_whole_slots_only() -> None:
    calculator = UsualFlow(LINEAR)
    starts = [MONDAY + i * 60 * S for i in range(8)]
    calculator.learn_bars(bars_of(starts, range(1, 9), 60 * S))
    assert [column.tolist() for column in calculator.state()["bars"][:2]] == [[MONDAY // SLOT], [15]]
    calculator.learn_bars(bars_of([MONDAY - SLOT, MONDAY], [3, 40]))
    assert calculator.state()["bars"][1].tolist() == [3, 40]
    calculator.learn_bars(bars_of([MONDAY], [4], 60 * 60 * S))
    assert calculator.state()["bars"][1].tolist() == [3, 40]


@pytest.mark.parametrize("seed", range(3))
def test_levels_are_compared_by_their_means_in_every_cut(seed: int) -> None:
    rng = random.Random(seed)
    metric = parse_metric("spread_bps")
    days = (*range(5), 7, 8, 9)
    samples: list[tuple[int, float]] = []
    for day in days:
        start = MONDAY + day * DAY + 100 * SLOT
        level = rng.uniform(1, 5)
        lost = (0.0, 0.1, 0.5, 0.0, 0.15)[day] if day < 5 else 0.05
        samples += [
            (start + second * S, math.nan if rng.random() < lost else level + rng.random()) for second in range(1, 330)
        ]
    times, values = (np.array(column) for column in zip(*samples, strict=True))

    def run(cuts: list[int], field: str = "z") -> tuple[list[float], list[float]]:
        level, out, at = UsualLevel(metric), [], []
        begin = 0
        for end in [*cuts, len(times)]:
            level.learn(times[begin:end], values[begin:end])
            out += level.beside(field, times[begin:end], values[begin:end]).tolist()
            at += times[begin:end].tolist()
            if end < len(times):
                level.advance(int(times[end]))
            begin = end
            state, level = level.state(), UsualLevel(metric)
            level.restore(state)
        return out, at

    whole, at = run([])
    medians, _ = run([], "median")
    for cuts in (list(range(len(times))), sorted(rng.sample(range(len(times)), 40))):
        assert np.array(run(cuts)[0]).tobytes() == np.array(whole).tobytes()
        assert np.array(run(cuts, "median")[0]).tobytes() == np.array(medians).tobytes()
    known = 0
    for t, found, median in zip(at, whole, medians, strict=True):
        slot, elapsed = (t - 1) // SLOT, t - (t - 1) // SLOT * SLOT

        def mean(slot: int, until: int) -> tuple[int, float]:
            of = [v for s, v in samples if slot * SLOT < s <= until and not math.isnan(v)]
            return len(of), statistics.fmean(of) if of else math.nan

        if t % (20 * S):
            continue
        count, now = mean(slot, t)
        past = [mean(s, (s + 1) * SLOT) for s in slots_compared(slot)]
        usual = np.array([m for n, m in past if n >= 240])
        wanted = robust_z(now, usual) if elapsed >= 60 * S and count >= 0.8 * (elapsed // S) else math.nan
        assert found == pytest.approx(wanted, rel=1e-9, nan_ok=True)
        assert median == pytest.approx(np.median(usual) if len(usual) >= 5 else math.nan, nan_ok=True)
        known += not math.isnan(wanted)
    assert known > 5
