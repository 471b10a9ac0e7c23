"""Order flow imbalance against the formula written out state by state, and exact time-weighted depth."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.instrument import Instrument
from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.integral import MAX_VALUE, MAX_WINDOW, StepIntegral
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.ofi import DEPTH_WINDOWS, OrderFlowImbalance
from engine.metrics.spec import Context
from tests.engine.metrics.cuts import Event, Touch, batch_of, every_event, fold, random_cuts

MS = 1_000_000
LOT = Decimal("0.5")


def instrument() -> Instrument:
    return Instrument("x", "A/B", Decimal("0.01"), LOT)


def make() -> OrderFlowImbalance:
    return OrderFlowImbalance(instrument())


def touches(rng: random.Random, count: int) -> list[Touch]:
    """Moving, vanishing and crossed books, several messages at one time, snapshots."""
    t, epoch, out, mid = 1_700_000_000_000 * MS, 0, [], 1_000
    for _ in range(count):
        t += rng.choice([0, 0, 1, 999, rng.randint(0, 40 * MS)])
        epoch += rng.random() < 0.02
        mid += rng.choice([0, 0, 0, -1, 1])
        bid, ask = mid - rng.randint(0, 2), mid + rng.randint(1, 2)
        empty = rng.random()
        touch = Touch(t, bid, rng.randint(1, 50), ask, rng.randint(1, 50), rng.random() > 0.06, epoch)
        if empty < 0.05:
            touch = replace(touch, bid=NO_BID, bid_qty=0)
        if 0.03 < empty < 0.08:
            touch = replace(touch, ask=NO_ASK, ask_qty=0)
        out.append(touch)
    return out


def flow_of(now: Touch, was: Touch) -> int:
    """e_n as the formula reads."""
    e = 0
    if now.bid >= was.bid:
        e += now.bid_qty
    if now.bid <= was.bid:
        e -= was.bid_qty
    if now.ask <= was.ask:
        e -= now.ask_qty
    if now.ask >= was.ask:
        e += was.ask_qty
    return e


def reference(events: list[Touch], t: int, window: int) -> tuple[float, float]:
    """(ofi_raw, ofi) at t."""
    flows, last = [], None
    for touch in events:
        if touch.valid:
            if last is not None and last.epoch == touch.epoch:
                flows.append((touch.t, flow_of(touch, last)))
            last = touch
    raw = sum(e for at, e in flows if t - window < at <= t)
    area, time = areas(events, t, DEPTH_WINDOWS * window)
    _, recent = areas(events, t, window)
    current = [e for e in events if e.t <= t]
    if not (recent or (current and current[-1].valid)):
        return math.nan, math.nan
    return raw * float(LOT), float(2 * raw * time / area) if area else math.nan


def areas(events: list[Touch], t: int, window: int) -> tuple[Fraction, int]:
    """(integral of the sizes of both sides, valid time) over (t - window, t], in microseconds."""
    area, time = Fraction(0), 0
    for k, touch in enumerate(events):
        end = events[k + 1].t if k + 1 < len(events) else t
        lo, hi = max(touch.t, t - window) // 1_000, min(end, t) // 1_000
        if hi > lo and touch.valid:
            area += (touch.bid_qty + touch.ask_qty) * (hi - lo)
            time += hi - lo
    return area, time


def test_golden_vector() -> None:
    book = [
        (100, 5, 102, 4),
        (100, 8, 102, 4),
        (101, 2, 102, 4),
        (101, 2, 102, 1),
        (101, 2, 103, 6),
        (100, 8, 103, 6),
        (NO_BID, 0, 103, 6),
        (99, 4, 103, 6),
        (104, 3, 103, 6),
        (99, 9, 103, 6),
    ]
    events = [Touch(k * MS, *row, valid=row[0] < row[2]) for k, row in enumerate(book, start=1)]
    ofi = make()
    assert len(ofi.sample(f"raw:{MS}", np.empty(0, np.int64))) == 0
    ofi.update(batch_of(events, 0))
    one_each = ofi.sample(f"raw:{MS}", np.array([e.t for e in events])) / float(LOT)
    # The crossed state emits nothing, yet the book had been valid within the window.
    assert one_each.tolist() == [0, 3, 2, 3, 1, -2, -8, 4, 0, 5]


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_formula(seed: int) -> None:
    rng = random.Random(seed)
    events = touches(rng, 300)
    times = np.array(sorted(rng.randint(events[0].t - MS, events[-1].t + 300 * MS) for _ in range(150)))
    for window in (7 * MS, 100 * MS, 30 * MS + 1):
        fields = (f"raw:{window}", f"norm:{window}")
        values = fold(make, list(events), [], fields, times)
        expected = [reference(events, t, window) for t in times.tolist()]
        np.testing.assert_array_equal(values[fields[0]], [raw for raw, _ in expected])
        np.testing.assert_allclose(values[fields[1]], [norm for _, norm in expected], rtol=1e-15)
        assert np.isfinite(values[fields[1]]).sum() > 100


@pytest.mark.parametrize("seed", range(6))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(50 + seed)
    events: list[Event] = list(touches(rng, 250))
    times = np.arange(events[0].t // (5 * MS), events[-1].t // (5 * MS) + 9) * 5 * MS
    fields = tuple(f"{kind}:{w * MS}" for kind in ("raw", "norm") for w in (5, 60, 900))
    whole = fold(make, events, [], fields, times, restore=False)
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(4))):
        cut = fold(make, events, cuts, fields, times)
        for name in fields:
            assert cut[name].tobytes() == whole[name].tobytes(), name


def test_mirrored_book_changes_the_sign() -> None:
    events = touches(random.Random(7), 400)
    mirrored = [
        replace(
            e,
            bid=2_000 - e.ask if e.ask_qty else NO_BID,
            bid_qty=e.ask_qty,
            ask=2_000 - e.bid if e.bid_qty else NO_ASK,
            ask_qty=e.bid_qty,
        )
        for e in events
    ]
    times = np.arange(events[0].t, events[-1].t, 3 * MS)
    fields = (f"raw:{50 * MS}", f"norm:{50 * MS}")
    one, other = (fold(make, list(e), [], fields, times) for e in (events, mirrored))
    for name in fields:
        np.testing.assert_array_equal(one[name], -other[name])
        assert np.nanmax(np.abs(one[name])) > 0


def test_it_is_unknown_without_a_valid_book_and_forgets_what_no_window_needs() -> None:
    ofi = make()
    field = f"raw:{10 * MS}"
    ofi.sample(field, np.empty(0, np.int64))
    assert np.isnan(ofi.sample(field, np.array([1])))[0]
    ofi.update(batch_of([Touch(100 * MS, 5, 5, 6, 5), Touch(101 * MS, 5, 9, 6, 5, valid=False, epoch=1)], 0))
    values = ofi.sample(field, np.array([99, 100, 105, 111, 112]) * MS)
    np.testing.assert_array_equal(values, [np.nan, 0, 0, np.nan, np.nan])
    for k in range(200, 5_000):
        ofi.update(batch_of([Touch(k * MS, 5, k, 6, 5, epoch=2)], k * MS))
        ofi.advance(k * MS)
    assert len(ofi.state()["flow"][0]) <= 12
    assert ofi.sample(field, np.array([4_999 * MS]))[0] == 10 * float(LOT)


def test_arguments() -> None:
    metric = parse_metric("ofi")
    bound = metric.spec.bind(*metric.args)
    assert (bound.share, bound.field) == (("ofi",), "norm:10000000000")
    assert parse_metric("ofi_raw(1s)").spec.bind(10**9).share == bound.share
    assert isinstance(bound.make(Context(instrument())), OrderFlowImbalance)
    with pytest.raises(MetricError, match="100 minutes"):
        parse_metric("ofi(2h)")
    with pytest.raises(ValueError, match="version"):
        make().restore({**make().state(), "version": 9})


def test_integral_is_exact_at_the_largest_sizes_and_windows() -> None:
    rng = random.Random(2)
    t = np.cumsum([rng.randint(0, MAX_WINDOW // 3) for _ in range(40)]).astype(np.int64)
    value = np.array([rng.choice([1, -1]) * (MAX_VALUE - rng.randint(0, 9)) for _ in t], np.int64)
    integral = StepIntegral()
    for k in range(0, 40, 7):
        integral.extend(t[k : k + 7], value[k : k + 7], np.ones(len(t[k : k + 7]), np.bool_))
    ends = t[5:] + 12_345
    means, valid_us = integral.means(ends, MAX_WINDOW)
    assert valid_us.tolist() == [min(MAX_WINDOW // 1_000, (e // 1_000 - t[0] // 1_000)) for e in ends]
    for end, mean, time in zip(ends.tolist(), means.tolist(), valid_us.tolist(), strict=True):
        area = 0
        for k, start in enumerate(t.tolist()):
            stop = t[k + 1] if k + 1 < len(t) else end
            area += int(value[k]) * max(0, min(int(stop), end) // 1_000 - max(start, end - MAX_WINDOW) // 1_000)
        assert mean == pytest.approx(float(Fraction(area, time)), rel=1e-15)
    with pytest.raises(ValueError, match="exactly"):
        integral.extend(t[-1:], np.array([MAX_VALUE + 1]), np.array([True]))
