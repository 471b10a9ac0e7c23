"""Bulk classified VPIN against bars written out one by one; distribution functions, cuts, symmetries."""

from __future__ import annotations

import math
import random
import statistics
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.buckets import FixedSize
from engine.metrics.bulk import FEWEST_BARS, BulkVpin
from engine.metrics.distributions import CDFS, normal_cdf, student_cdf
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.vpin_bvc import BulkClassifiedVpin
from engine.metrics.windows import DAY
from tests.engine.metrics.cuts import Event, Fill, batch_of, every_event, fold, random_cuts

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ONE = 1 << 20


# ---- distribution functions


@pytest.mark.parametrize(
    ("z", "normal", "t1", "t025", "t01"),
    [
        (1, 0.841345, 0.75, 0.644348, 0.583672),
        (2, 0.977250, 0.852416, 0.697438, 0.610823),
        (3, 0.998650, 0.897584, 0.725967, 0.626153),
    ],
)
def test_published_check_values(z: int, normal: float, t1: float, t025: float, t01: float) -> None:
    found = [CDFS[name](z) for name in ("normal", "t1", "t0.25", "t0.1")]
    assert found == pytest.approx([normal, t1, t025, t01], abs=5e-7)
    assert [CDFS[name](-z) for name in ("normal", "t1", "t0.25", "t0.1")] == pytest.approx([1 - f for f in found])


@given(st.floats(-1e6, 1e6))
def test_student_equals_its_closed_forms(z: float) -> None:
    assert student_cdf(z, 1.0) == pytest.approx(0.5 + math.atan(z) / math.pi, abs=1e-14)
    assert student_cdf(z, 2.0) == pytest.approx(0.5 + z / (2 * math.sqrt(2 + z * z)), abs=1e-14)


@pytest.mark.parametrize("dof", [0.1, 0.25, 1.0, 3.5, 30.0])
def test_student_is_the_integral_of_its_density(dof: float) -> None:
    scale = math.exp(math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2)) / math.sqrt(dof * math.pi)
    x = np.linspace(0, 4, 400_001)
    density = scale * (1 + x * x / dof) ** (-(dof + 1) / 2)
    area = np.concatenate(([0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(x))))
    for k in range(0, len(x), 40_000):
        assert student_cdf(float(x[k]), dof) == pytest.approx(0.5 + area[k], abs=1e-9)


def test_student_of_many_degrees_is_nearly_normal_and_its_ends_are_0_and_1() -> None:
    assert student_cdf(1.3, 1e7) == pytest.approx(normal_cdf(1.3), abs=1e-6)
    for cdf in CDFS.values():
        assert cdf(-1e300) == pytest.approx(0, abs=1e-9)
        assert cdf(1e300) == pytest.approx(1, abs=1e-9)
        assert cdf(0) == 0.5


# ---- the reference: every bar of the grid, every piece of every bucket


def close_bars(fills: list[Fill], bar: int, until: int) -> list[tuple[int, int, int]]:
    """(end, last price, lots) of every bar from the first trade's on that has ended by `until`."""
    bars, price = [], fills[0].px
    for index in range(fills[0].t // bar, until // bar):
        inside = [f for f in fills if f.t // bar == index]
        price = inside[-1].px if inside else price
        bars.append(((index + 1) * bar, price, sum(f.qty for f in inside)))
    return bars


def shares(bars: list[tuple[int, int, int]], bar: int, distribution: str) -> list[float | None]:
    """Z of each bar, not rounded; None before sigma is known."""
    out: list[float | None] = [None]
    changes: list[int] = []
    for (_, was, _), (_, now, _) in pairwise(bars):
        known = changes[-(DAY // bar) :]
        if len(known) < 30:
            out.append(None)
        else:
            sigma = statistics.stdev([Fraction(c) for c in known])
            z = (now - was) / sigma if sigma else math.copysign(math.inf, now - was) if now != was else 0.0
            out.append(CDFS[distribution](z) if math.isfinite(z) else float(z > 0))
        changes.append(now - was)
    return out


def reference(
    fills: list[Fill], bar: int, distribution: str, n: int, size: int, until: int, rounded: bool
) -> list[tuple[int, Fraction]]:
    """(time, VPIN) of each bucket that has one."""
    bars = close_bars(fills, bar, until)
    closed: list[tuple[int, Fraction]] = []
    room, net = size, Fraction(0)
    for (end, _, volume), share in zip(bars, shares(bars, bar, distribution), strict=True):
        if share is None:
            continue
        bought = Fraction(round(share * ONE), ONE) if rounded else Fraction(share)
        while volume:
            piece = min(room, volume)
            net += piece * (2 * bought - 1)
            room -= piece
            volume -= piece
            if not room:
                closed.append((end, abs(net)))
                room, net = size, Fraction(0)
    sums = [sum(oi for _, oi in closed[k - n + 1 : k + 1]) for k in range(n - 1, len(closed))]
    return [(t, Fraction(s) / (n * size)) for (t, _), s in zip(closed[n - 1 :], sums, strict=True)]


def trades(rng: random.Random, count: int, gap: float = 1.5) -> list[Fill]:
    """Uneven in time, with quiet spells of many bars, sweeps at one time, whales, a price that often stands."""
    t, px, out = START + 17, 50_000, []
    for _ in range(count):
        t += 0 if rng.random() < 0.3 else int(rng.expovariate(1 / gap) * SECOND)
        if rng.random() < 0.02:
            t = (t // (5 * SECOND) + rng.randint(1, 9)) * 5 * SECOND  # on the very edge of a bar
        px += rng.choice((0, 0, 0, 1, -1, 4, -5))
        out.append(Fill(t, 900 if rng.random() < 0.01 else rng.randint(1, 40), rng.choice((1, -1, 0)), px))
    return out


def make(size: int = 100, n: int = 5, bar: int = 5 * SECOND, distribution: str = "normal") -> BulkClassifiedVpin:
    return BulkClassifiedVpin(FixedSize(size), n, bar, distribution)


@pytest.mark.parametrize("distribution", list(CDFS))
def test_equals_the_reference(distribution: str) -> None:
    fills = trades(random.Random(distribution), 600)
    until = fills[-1].t + 12 * SECOND
    times = np.arange(START // SECOND, until // SECOND + 1) * SECOND
    found = fold(lambda: make(distribution=distribution), list(fills), [], ("vpin",), times)["vpin"]
    exact, loose = (reference(fills, 5 * SECOND, distribution, 5, 100, until, rounded) for rounded in (True, False))
    assert len(exact) > 60
    for t, value in zip(times.tolist(), found.tolist(), strict=True):
        known = [v for at, v in exact if at <= t]
        assert (known and value == float(known[-1])) or (not known and math.isnan(value))
        if known:
            assert abs(value - [v for at, v in loose if at <= t][-1]) < 2e-6


def test_sigma_looks_back_a_day_and_counts_empty_bars() -> None:
    bar = DAY // 40
    rng = random.Random(3)
    fills, t, px = [], START // DAY * DAY, 1_000
    for _ in range(160):
        t += rng.choice((1, 1, 1, 2, 3)) * bar
        px += rng.choice((-9, -2, 0, 1, 7)) if len(fills) > 60 else rng.choice((-90, 80))
        fills.append(Fill(t + 1, rng.randint(1, 30), 0, px))
    until = fills[-1].t + bar
    found = fold(lambda: make(50, 3, bar), list(fills), [], ("vpin",), np.array([f.t for f in fills]))["vpin"]
    exact = reference(fills, bar, "normal", 3, 50, until, True)
    expected = [next((float(v) for at, v in reversed(exact) if at <= f.t), math.nan) for f in fills]
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).sum() > 80


@pytest.mark.parametrize("seed", range(4))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(seed)
    events: list[Event] = list(trades(rng, 400, 2))
    times = np.arange(START // SECOND, events[-1].t // SECOND + 20) * SECOND
    fields = ("vpin", "pct")
    whole = fold(lambda: make(20, 3), events, [], fields, times, restore=False)
    assert np.isfinite(whole["pct"]).any()
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(4))):
        cut = fold(lambda: make(20, 3), events, cuts, fields, times)
        for name in fields:
            assert cut[name].tobytes() == whole[name].tobytes(), name


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 10_000)), min_size=40, max_size=120), st.integers(1, 500)
)
def test_mirrored_prices_and_other_ticks_give_the_same_vpin(moves: list[tuple[int, int]], size: int) -> None:
    def values(factor: int, lots: int) -> list[float]:
        bulk, price, out = BulkVpin(2, SECOND), 10**6, []
        for k, (move, volume) in enumerate(moves):
            price += factor * move
            out += bulk.add(k * SECOND, price, volume * lots, size * lots)
        return out

    plain = values(1, 1)
    assert values(-1, 1) == pytest.approx(plain, abs=2e-6, nan_ok=True)
    assert values(1000, 1) == pytest.approx(plain, abs=2e-6, nan_ok=True)
    assert values(1, 7) == pytest.approx(plain, nan_ok=True)
    assert all(math.isnan(v) or 0 <= v <= 1 for v in plain)


def warmed(n: int, bar: int = SECOND) -> BulkVpin:
    """Prices have stood still for as many bars as sigma needs: from now on every move is one-sided."""
    bulk = BulkVpin(n, bar)
    for k in range(FEWEST_BARS + 1):
        assert bulk.add(k * bar, 100, 5, 10) == []
    return bulk


def test_golden_buckets_when_every_bar_is_one_sided() -> None:
    def one_move(bulk: BulkVpin) -> BulkVpin:
        state = bulk.state()  # sigma is 0 again before each move: Z is exactly 0 or 1
        state["changes"] = {**state["changes"], "changed": [], "sums": [0, 0]}
        bulk.restore(state)
        return bulk

    bulk, price, found = warmed(2), 100, []
    for k, (lots, side) in enumerate([(6, 1), (7, -1), (12, 1), (25, 1)]):
        price += side
        found.append(one_move(bulk).add((40 + k) * SECOND, price, lots, 10))
    assert [len(values) for values in found] == [0, 1, 1, 3]
    assert [v for values in found for v in values if not math.isnan(v)] == [0.3, 0.7, 1.0, 1.0]


def test_a_sweep_through_many_buckets_does_not_lower_vpin() -> None:
    bulk = warmed(3)
    values = bulk.add(40 * SECOND, 101, 65, 10)
    assert values[2:] == [1.0] * 4


def test_a_standing_price_is_half_bought() -> None:
    bulk = warmed(1)
    assert bulk.add(40 * SECOND, 100, 25, 10) == [0.0, 0.0]


def test_a_monstrous_bar_needs_no_monstrous_memory() -> None:
    bulk = warmed(5)
    values = bulk.add(40 * SECOND, 101, 10**15 + 7, 10)
    assert len(values) <= 1_010
    assert values[-1] == 1.0
    assert bulk.state()["open"][0] == 7


def test_bars_out_of_order_and_impossible_numbers_are_refused() -> None:
    bulk = warmed(2)
    with pytest.raises(ValueError, match="comes after"):
        bulk.add(FEWEST_BARS * SECOND, 100, 5, 10)
    with pytest.raises(ValueError, match="volumes must be"):
        bulk.add(50 * SECOND, 100, -1, 10)
    with pytest.raises(ValueError, match="distribution"):
        BulkVpin(2, SECOND, "cauchy")
    with pytest.raises(ValueError, match="bar of"):
        BulkVpin(2, DAY)
    with pytest.raises(ValueError, match="not"):
        BulkVpin(3, SECOND).restore(bulk.state())


def test_a_bar_closes_by_time_alone_and_at_its_end() -> None:
    vpin = make(10, 1, SECOND)
    fills = [Fill(START + k * SECOND, 1, 0, 100) for k in range(32)] + [Fill(START + 32 * SECOND, 30, 0, 105)]
    vpin.update(batch_of(fills, 0))
    edge = START + 33 * SECOND
    state = vpin.state()
    values = vpin.sample("vpin", np.array([edge - 1, edge, edge + 1]))
    assert math.isnan(values[0])
    assert (values[1], values[2]) == (1.0, 1.0)
    assert vpin.state()["bulk"] == state["bulk"]
    vpin.update(batch_of([Fill(edge, 1, 0, 105)], START + 32 * SECOND))
    assert vpin.closings(0, edge).tolist() == [edge]


def test_arguments() -> None:
    metric = parse_metric("vpin_bvc(1000, bar=10s, dist=T0.25)")
    assert metric.canonical == "vpin_bvc(1000,50,10s,t0.25)"
    assert parse_metric("vpin_bvc").canonical == "vpin_bvc(adv/50,50,1m,normal)"
    assert (
        metric.spec.bind(*metric.args).share
        == parse_metric("vpin_bvc_pct(1000,50,10s,t0.25)").spec.bind(*metric.args).share
    )
    with pytest.raises(MetricError, match=r"t0\.25 or t0\.1"):
        parse_metric("vpin_bvc(dist=t3)")
    with pytest.raises(MetricError, match="bar must last"):
        parse_metric("vpin_bvc(bar=100ms)")
