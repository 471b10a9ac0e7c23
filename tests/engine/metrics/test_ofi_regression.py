"""OFI regression against bars gathered one by one and textbook sums in fractions."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.ofi_regression import OfiRegression
from tests.engine.metrics.cuts import Event, Touch, every_event, fold, random_cuts
from tests.engine.metrics.prevailing_mid import mid_at
from tests.engine.metrics.tapes import BEFORE_MIDNIGHT, LINEAR, SECOND, instants

BAR, COUNT = SECOND, 60
LOT, TICK = Fraction(1, 1000), Fraction(1, 100)
FIELDS = ("beta", "r2", "t")


def make() -> OfiRegression:
    return OfiRegression(LINEAR.instrument, BAR, COUNT)


def tape(seed: int, count: int = 500) -> list[Event]:
    """Touches that move, some of them one-sided or crossed, snapshots, and a silence longer than the window."""
    rng = random.Random(seed)
    events: list[Event] = []
    t, mid, epoch = BEFORE_MIDNIGHT, 300_000, 0
    for k in range(count):
        t += rng.choice((0, 1, rng.randrange(SECOND), rng.randrange(SECOND), SECOND))
        t += 90 * SECOND if k == count // 2 else 0
        t = -(-t // SECOND) * SECOND if rng.random() < 0.05 else t  # on the edge of a bar
        epoch += rng.random() < 0.01
        mid += rng.choice((0, 0, 1, -1))
        bid, ask = mid - rng.randrange(2), mid + rng.randrange(1, 3)
        kind = rng.random()
        if kind < 0.01:
            events.append(Touch(t, NO_BID, 0, ask, rng.randint(1, 30), True, epoch))
        elif kind < 0.02:
            events.append(Touch(t, bid, rng.randint(1, 30), NO_ASK, 0, True, epoch))
        else:
            events.append(Touch(t, bid, rng.randint(1, 30), ask, rng.randint(1, 30), kind > 0.04, epoch))
    return events


def flows(events: list[Event]) -> list[tuple[int, int]]:
    """(t, e) of every valid state that has one before it in its epoch."""
    out, was = [], None
    for now in events:
        assert isinstance(now, Touch)
        if not now.valid:
            continue
        if was is not None and was.epoch == now.epoch:
            e = now.bid_qty * (now.bid >= was.bid) - was.bid_qty * (now.bid <= was.bid)
            e += was.ask_qty * (now.ask >= was.ask) - now.ask_qty * (now.ask <= was.ask)
            out.append((now.t, e))
        was = now
    return out


def reference(events: list[Event], t: int) -> dict[str, float]:
    all_flows, touched = flows(events), {(e.t - 1) // BAR for e in events if e.t <= t}
    x, y = [], []
    for k in range(max((events[0].t - 1) // BAR, t // BAR - COUNT), t // BAR):
        before, after = mid_at(events, k * BAR), mid_at(events, (k + 1) * BAR)
        silent = not any(j in touched for j in range(k - COUNT, k + 1))
        if before and after and before[1] == after[1] and not silent:
            x.append(sum(e for at, e in all_flows if k * BAR < at <= (k + 1) * BAR) * LOT)
            y.append((after[0] - before[0]) * TICK / 2)
    n = len(x)
    out = dict.fromkeys(FIELDS, math.nan)
    if n < 30:
        return out
    mx, my = sum(x) / n, sum(y) / n
    sxx, syy = sum((v - mx) ** 2 for v in x), sum((w - my) ** 2 for w in y)
    sxy = sum((v - mx) * (w - my) for v, w in zip(x, y, strict=True))
    if not sxx:
        return out
    out["beta"] = float(sxy / sxx)
    residual = syy - sxy * sxy / sxx
    if syy:
        out["r2"] = float(1 - residual / syy)
    if residual:
        out["t"] = float(sxy / sxx) / math.sqrt(residual / (n - 2) / sxx)
    return out


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_formulas(seed: int) -> None:
    events = tape(seed)
    times = instants(random.Random(seed), events, 5 * SECOND)
    values = fold(make, events, [], FIELDS, times)
    expected = [reference(events, t) for t in times.tolist()]
    for field in FIELDS:
        np.testing.assert_allclose(values[field], [row[field] for row in expected], rtol=1e-12, err_msg=field)
        assert np.isfinite(values[field]).sum() > 20


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng, events = random.Random(seed), tape(seed, 300)
    times = instants(rng, events)
    whole = fold(make, events, [], FIELDS, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        cut = fold(make, events, cuts, FIELDS, times)
        assert all(cut[name].tobytes() == whole[name].tobytes() for name in FIELDS)


def test_a_mirrored_book_has_the_same_slope() -> None:
    events = tape(5)
    mirrored: list[Event] = [
        Touch(
            e.t,
            600_000 - e.ask if e.ask_qty else NO_BID,
            e.ask_qty,
            600_000 - e.bid if e.bid_qty else NO_ASK,
            e.bid_qty,
            e.valid,
            e.epoch,
        )
        for e in events
        if isinstance(e, Touch)
    ]
    times = instants(random.Random(5), events, 5 * SECOND)
    one, other = (fold(make, tape_, [], FIELDS, times) for tape_ in (events, mirrored))
    for field in FIELDS:
        np.testing.assert_array_equal(one[field], other[field])


def test_the_stylised_book_has_the_slope_of_its_depth() -> None:
    """Every D lots of OFI move the mid by one tick (both prices; D per level): dm = OFI / (2 D) in ticks."""
    depth, rng, mid, t = 40, random.Random(2), 5_000, BEFORE_MIDNIGHT
    events: list[Event] = [Touch(t, mid, depth, mid + 1, depth)]
    for _ in range(400):
        t += SECOND // 4
        step = rng.choice((-1, 0, 1))
        mid += step
        events.append(Touch(t, mid, depth, mid + 1, depth))
    values = fold(make, events, [], FIELDS, np.array([t + SECOND]))
    # a step of both prices is +D on the bid and +D on the ask
    assert values["beta"][0] == pytest.approx(float(TICK / (2 * depth * LOT)), rel=1e-12)
    assert values["r2"][0] == 1
    assert math.isnan(values["t"][0])


def test_arguments() -> None:
    assert parse_metric("ofi_beta").canonical == "ofi_beta(10s,180)"
    assert (
        parse_metric("ti_r2").spec.bind(10 * SECOND, 180).share
        == parse_metric("kyle_r2").spec.bind(10 * SECOND, 180).share
    )
    for name in ("ofi_beta", "ofi_r2", "ofi_t", "ti_beta", "ti_r2"):
        assert "contemporaneous" in parse_metric(name).spec.meaning
    with pytest.raises(MetricError, match="number of bars"):
        parse_metric("ofi_beta(1s,29)")
