"""Kyle's lambda, Amihud and Hasbrouck against bars gathered one by one and textbook sums in fractions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.calculator import Calculator
from engine.metrics.illiquidity import Amihud, Hasbrouck
from engine.metrics.kyle import Kyle, fit_line
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.spec import Context
from tests.engine.metrics.cuts import Event, Fill, Touch, every_event, fold, random_cuts
from tests.engine.metrics.prevailing_mid import mid_at, with_epochs
from tests.engine.metrics.tapes import BEFORE_MIDNIGHT, INVERSE, LINEAR, SECOND, instants, random_tape

BAR, COUNT = 2 * SECOND, 70
LOT = {LINEAR: Fraction(1, 1000), INVERSE: Fraction(10)}
TICK = Fraction(1, 100)
FIELDS = ("lambda", "r2", "t", "bps", "n")


def bars(events: list[Event], t: int) -> list[tuple[int, int]]:
    """(begin, end) of the last COUNT bars that ended by t, from that of the first event on; of a silence of
    more than COUNT bars only the first COUNT."""
    first = (events[0].t - 1) // BAR
    last = t // BAR
    touched = {(e.t - 1) // BAR for e in events if e.t <= t}
    return [
        (k * BAR, (k + 1) * BAR)
        for k in range(max(first, last - COUNT), last)
        if any(j in touched for j in range(k - COUNT, k + 1))
    ]


def inside(events: list[Event], begin: int, end: int) -> list[Fill]:
    return [e for e in events if isinstance(e, Fill) and begin < e.t <= end]


def moves(events: list[Event], t: int) -> list[tuple[list[Fill], int, int]]:
    """(fills, bid + ask at the beginning, at the end) of the bars with a mid of one epoch at both ends."""
    out = []
    for begin, end in bars(events, t):
        before, after = mid_at(events, begin), mid_at(events, end)
        if before and after and before[1] == after[1]:
            out.append((inside(events, begin, end), before[0], after[0]))
    return out


def kyle_reference(events: list[Event], t: int, context: Context) -> dict[str, float]:
    rows = moves(events, t)
    out = dict.fromkeys(FIELDS, math.nan) | {"n": float(len(rows))}
    x = [sum(f.qty * f.side for f in fills) * LOT[context] for fills, *_ in rows]
    y = [(b - a) * TICK / 2 for _, a, b in rows]
    n = len(x)
    if n < 30:
        return out
    mx, my = sum(x) / n, sum(y) / n
    sxx = sum((v - mx) ** 2 for v in x)
    sxy = sum((v - mx) * (w - my) for v, w in zip(x, y, strict=True))
    if not sxx:
        return out
    slope = sxy / sxx
    residual = sum((w - my - slope * (v - mx)) ** 2 for v, w in zip(x, y, strict=True))
    total = sum((w - my) ** 2 for w in y)
    price = rows[-1][2] * TICK / 2
    amount = Fraction(10**6) if context is INVERSE else 10**6 / price
    out["lambda"], out["bps"] = float(slope), float(slope * amount / price * 10_000)
    if total:
        out["r2"] = float(1 - residual / total)
    if residual:
        out["t"] = float(slope) / math.sqrt(residual / (n - 2) / sxx)
    return out


def amihud_reference(events: list[Event], t: int, context: Context) -> float:
    ratios = []
    for begin, end in bars(events, t):
        fills, before = inside(events, begin, end), [e for e in events if isinstance(e, Fill) and e.t <= begin]
        if fills and before:
            worth = sum(f.qty * LOT[context] * (1 if context is INVERSE else f.px * TICK) for f in fills)
            ratios.append(abs(Fraction(fills[-1].px, before[-1].px) - 1) / worth)
    return float(sum(ratios) / len(ratios) * 10**10) if ratios else math.nan


def hasbrouck_reference(events: list[Event], t: int, context: Context) -> float:
    s, r = [], []
    for fills, before, after in moves(events, t):
        worth = [f.qty * LOT[context] * (1 if context is INVERSE else f.px * TICK) for f in fills]
        s.append(math.fsum(f.side * math.sqrt(w) for f, w in zip(fills, worth, strict=True)))
        r.append(math.log(after / before))
    squares = math.fsum(v * v for v in s)
    if len(s) < 30 or not squares:
        return math.nan
    return math.fsum(v * w for v, w in zip(s, r, strict=True)) / squares * 1e7


def tape(seed: int) -> list[Event]:
    """With a mid most of the time."""
    rng = random.Random(seed)
    events = [
        e
        for e in random_tape(rng, 250)
        if isinstance(e, Fill) or (isinstance(e, Touch) and ((e.bid_qty and e.ask_qty) or rng.random() < 0.2))
    ]
    return with_epochs(events, 40)


def kyle(context: Context = LINEAR) -> Callable[[], Calculator]:
    return lambda: Kyle(context.instrument, BAR, COUNT)


@pytest.mark.parametrize("context", [LINEAR, INVERSE], ids=["linear", "inverse"])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_the_formulas(seed: int, context: Context) -> None:
    events = tape(seed)
    times = instants(random.Random(seed), events, 7 * SECOND)
    values = fold(kyle(context), events, [], FIELDS, times)
    reference = [kyle_reference(events, t, context) for t in times.tolist()]
    for field in FIELDS:
        expected = np.array([row[field] for row in reference])
        np.testing.assert_allclose(values[field], expected, rtol=1e-12, atol=1e-300, err_msg=field)
        assert np.isfinite(values[field]).sum() > 10, field
    got = fold(lambda: Amihud(context.instrument, BAR, COUNT), events, [], [""], times)[""]
    np.testing.assert_allclose(got, [amihud_reference(events, t, context) for t in times.tolist()], rtol=1e-12)
    got = fold(lambda: Hasbrouck(context.instrument, BAR, COUNT), events, [], [""], times)[""]
    expected = np.array([hasbrouck_reference(events, t, context) for t in times.tolist()])
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    assert np.isfinite(expected).sum() > 10


@pytest.mark.parametrize("seed", range(3))
def test_the_cut_moves_nothing(seed: int) -> None:
    rng, events = random.Random(seed), tape(seed)
    times = instants(rng, events)
    for make, fields in (
        (kyle(), FIELDS),
        (lambda: Amihud(LINEAR.instrument, BAR, COUNT), ("",)),
        (lambda: Hasbrouck(LINEAR.instrument, BAR, COUNT), ("",)),
    ):
        whole = fold(make, events, [], fields, times)
        for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(6))):
            cut = fold(make, events, cuts, fields, times)
            for field in fields:
                assert cut[field].tobytes() == whole[field].tobytes()


def test_a_known_line_is_found_and_alignment_matters() -> None:
    rng = random.Random(4)
    x = [rng.randrange(-50, 50) for _ in range(120)]
    events: list[Event] = [Touch(BEFORE_MIDNIGHT + 1, 99_999, 1, 100_001, 1)]
    mid = 100_000
    for k, flow in enumerate(x):
        begin = BEFORE_MIDNIGHT + k * BAR
        mid += 3 * flow  # three ticks per lot, inside the bar
        events += [Fill(begin + 2, abs(flow) or 1, int(np.sign(flow)))]
        events += [Touch(begin + 3, mid - 1, 1, mid + 1, 1)]
    t = np.array([BEFORE_MIDNIGHT + 120 * BAR])
    values = fold(lambda: Kyle(LINEAR.instrument, BAR, COUNT), events, [50, 51], FIELDS, t)
    assert values["lambda"][0] == 3 * 0.01 / 0.001
    assert values["r2"][0] == 1
    assert np.isnan(values["t"][0])  # nothing is left over to divide by
    assert values["n"][0] == 70
    shifted = fit_line(np.array(x[1:]), np.array(x[:-1]))
    assert shifted is not None
    assert abs(shifted.t or 0) < 3  # the change before the flow has nothing to do with it


def test_sides_swapped_and_prices_mirrored_give_the_same_slope() -> None:
    events = tape(8)
    axis = 600_000
    other: list[Event] = [
        Fill(e.t, e.qty, -e.side, axis - e.px)
        if isinstance(e, Fill)
        else Touch(e.t, axis - e.ask, e.ask_qty, axis - e.bid, e.bid_qty, e.valid, e.epoch)
        for e in events
        if isinstance(e, Fill) or (isinstance(e, Touch) and e.bid_qty and e.ask_qty)
    ]
    same = [e for e in events if isinstance(e, Fill) or (isinstance(e, Touch) and e.bid_qty and e.ask_qty)]
    times = instants(random.Random(1), same)
    a, b = (fold(kyle(), tape_, [], ("lambda", "r2", "n"), times) for tape_ in (same, other))
    for field in a:
        assert a[field].tobytes() == b[field].tobytes()


def test_single_auction_of_kyle_1985() -> None:
    # lambda = sigma_v / (2 sigma_u): the insider trades beta v with beta = sigma_u / sigma_v.
    rng = np.random.default_rng(1985)
    n, sigma_v, sigma_u, scale = 200_000, 1.0, 4.0, 10**6
    v = rng.normal(0, sigma_v, n)
    flow = v * sigma_u / sigma_v + rng.normal(0, sigma_u, n)
    fit = fit_line(np.rint(flow * scale).astype(np.int64), np.rint(v * scale).astype(np.int64))
    assert fit is not None
    assert float(fit.slope) == pytest.approx(0.125, abs=0.001)
    assert 1 - (fit.r2 or 0) == pytest.approx(0.5, abs=0.005)  # half of the information is in the price


def test_too_few_or_constant_flows_give_nothing() -> None:
    rising = np.arange(29)
    assert fit_line(rising, rising) is None
    assert fit_line(np.full(40, 7), np.arange(40)) is None
    flat = fit_line(np.arange(40), np.full(40, 7))
    assert flat is not None
    assert (flat.slope, flat.intercept, flat.r2, flat.t) == (0, 7, None, None)


def test_enormous_numbers_stay_exact() -> None:
    x = np.array([k * 2**55 for k in range(-20, 20)], object)
    fit = fit_line(x, 3 * np.arange(-20, 20))
    assert fit is not None
    assert fit.slope == Fraction(3, 2**55)
    whale = [Fill(BEFORE_MIDNIGHT + k, 2**53, 1, 2**50) for k in range(1, 3_000)]
    events: list[Event] = [
        *whale,
        Fill(BEFORE_MIDNIGHT + BAR + 1, 2**53, 1, 2**51),
        Fill(BEFORE_MIDNIGHT + 3 * BAR, 1, 1),
    ]
    times = np.array([BEFORE_MIDNIGHT + 2 * BAR])
    got = fold(lambda: Amihud(LINEAR.instrument, BAR, COUNT), events, [], [""], times)[""]
    assert got[0] == pytest.approx(1e10 / (2**104 / 10**5), rel=1e-12)
    fold(lambda: Hasbrouck(LINEAR.instrument, BAR, COUNT), events, [7], [""], times)
    fold(kyle(), events, [7], FIELDS, times)


def test_a_hole_of_years_costs_nothing() -> None:
    year = 365 * 86_400 * SECOND
    events: list[Event] = [
        *tape(2),
        Fill(BEFORE_MIDNIGHT + 60 * year + 1, 1, 1),
        Fill(BEFORE_MIDNIGHT + 60 * year + 9, 1, 1),
    ]
    values = fold(kyle(), events, [len(events) - 1], ("n", "lambda"), np.array([BEFORE_MIDNIGHT + 60 * year + 8]))
    assert values["n"][0] == 0
    assert np.isnan(values["lambda"][0])


@pytest.mark.parametrize("text", ["kyle(10s,29)", "kyle(10s,10001)", "hasbrouck(1m,5)", "amihud(1m,20000)", "kyle(0s)"])
def test_impossible_arguments_are_refused(text: str) -> None:
    with pytest.raises(MetricError):
        parse_metric(text)
