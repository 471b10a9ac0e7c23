"""Multi-level and integrated OFI against the formula written out level by level, and loadings learned by hand."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.loadings import BAR, HOUR, Loadings
from engine.metrics.mlofi import IntegratedFlow, MultiLevelFlow
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.ofi import OrderFlowImbalance
from tests.engine.metrics.cuts import Event, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.prevailing_mid import mid_at
from tests.engine.metrics.tapes import LINEAR, SECOND, instants

LOT = Fraction(1, 1000)
START = 1_700_000_000 * SECOND // HOUR * HOUR + HOUR // 2
Side = list[tuple[int, int]]


def state(t: int, bids: Side, asks: Side, valid: bool = True, epoch: int = 0, m: int = 3) -> Touch:
    bid, bid_qty = bids[0] if bids else (NO_BID, 0)
    ask, ask_qty = asks[0] if asks else (NO_ASK, 0)
    return Touch(t, bid, bid_qty, ask, ask_qty, valid, epoch, ladders={m: (bids[:m], asks[:m])})


def tape(rng: random.Random, count: int, gap: int, m: int = 3) -> list[Event]:
    """Ladders with gaps, of few levels at times, one-sided, crossed, with snapshots; the levels move together."""
    events: list[Event] = []
    t, mid, epoch = START, 10_000, 0
    for _ in range(count):
        t += rng.choice((0, 1, rng.randrange(gap), rng.randrange(gap)))
        epoch += rng.random() < 0.01
        mid += rng.choice((0, 0, 0, 1, -1))
        lean = rng.randint(-30, 30)

        def side(sign: int, mid: int = mid, lean: int = lean) -> Side:
            prices = sorted(rng.sample(range(1, 8), rng.choice((m, m, m, m + 1, rng.randint(0, 3)))))
            return [(mid - sign * p, max(1, 40 + sign * lean + rng.randint(-9, 9))) for p in prices]

        events.append(state(t, side(1), side(-1), rng.random() > 0.04, epoch, m))
    return events


def level(touch: Touch, side: int, m: int, k: int) -> tuple[int, int]:
    levels = touch.ladders[m][side]
    return levels[k] if k < len(levels) else ((NO_BID, NO_ASK)[side], 0)


def level_flows(events: list[Event], m: int) -> list[tuple[int, list[int]]]:
    """(t, e of each level) of every valid state that has one before it in its epoch."""
    out, was = [], None
    for now in events:
        assert isinstance(now, Touch)
        if not now.valid:
            continue
        if was is not None and was.epoch == now.epoch:
            row = []
            for k in range(m):
                (b, qb), (b_, qb_) = (
                    e.ladders[m][0][k] if k < len(e.ladders[m][0]) else (NO_BID, 0) for e in (now, was)
                )
                (a, qa), (a_, qa_) = (
                    e.ladders[m][1][k] if k < len(e.ladders[m][1]) else (NO_ASK, 0) for e in (now, was)
                )
                row.append(qb * (b >= b_) - qb_ * (b <= b_) - qa * (a <= a_) + qa_ * (a >= a_))
            out.append((now.t, row))
        was = now
    return out


def valid_somewhere(events: list[Event], t: int, window: int) -> bool:
    return valid_area(events, t, window)[1] > 0 or any(
        e.valid for e in [e for e in events if isinstance(e, Touch) and e.t <= t][-1:]
    )


def valid_area(events: list[Event], t: int, window: int, m: int = 3) -> tuple[int, int]:
    """(integral of the lots on both sides of m levels, valid time) over (t - window, t], us."""
    area = time = 0
    for k, e in enumerate(events):
        assert isinstance(e, Touch)
        end = events[k + 1].t if k + 1 < len(events) else t
        lo, hi = max(e.t, t - window) // 1000, min(end, t) // 1000
        if hi > lo and e.valid:
            area += sum(q for side in e.ladders[m] for _, q in side) * (hi - lo)
            time += hi - lo
    return area, time


def window_flow(flows: list[tuple[int, list[int]]], t: int, window: int, m: int = 3) -> list[int]:
    inside = [row for at, row in flows if t - window < at <= t]
    return [sum(row[k] for row in inside) for k in range(m)]


def make() -> MultiLevelFlow:
    return MultiLevelFlow(LINEAR.instrument, 3)


@pytest.mark.parametrize("seed", range(3))
def test_mlofi_equals_the_formula(seed: int) -> None:
    rng = random.Random(seed)
    events = tape(rng, 250, SECOND)
    times, flows = instants(rng, events), level_flows(events, 3)
    for rho, window in (("0.5", SECOND), ("1.0", 20 * SECOND), ("0.1", 3 * SECOND)):
        weights = [Fraction(rho) ** k for k in range(3)]
        expected = []
        for t in times.tolist():
            row = window_flow(flows, t, window)
            value = sum(w * e for w, e in zip(weights, row, strict=True)) / sum(weights) * LOT
            expected.append(float(value) if valid_somewhere(events, t, window) else math.nan)
        field = f"{rho}:{window}"
        values = fold(make, events, [], (field,), times)[field]
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-15)
        assert (np.abs(values) > 0).sum() > 50


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(seed)
    events = tape(rng, 200, SECOND)
    times = instants(rng, events)
    fields = (f"0.5:{SECOND}", f"0.9:{9 * SECOND}")
    whole = fold(make, events, [], fields, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        cut = fold(make, events, cuts, fields, times)
        assert all(cut[name].tobytes() == whole[name].tobytes() for name in fields)


def test_golden_vector_of_the_best_level() -> None:
    book: list[tuple[Side, Side]] = [
        ([(100, 5)], [(102, 4)]),
        ([(100, 8)], [(102, 4)]),
        ([(101, 2)], [(102, 4)]),
        ([(101, 2)], [(102, 1)]),
        ([(101, 2)], [(103, 6)]),
        ([(100, 8)], [(103, 6)]),
        ([], [(103, 6)]),
        ([(99, 4)], [(103, 6)]),
        ([(104, 3)], [(103, 6)]),
        ([(99, 9)], [(103, 6)]),
    ]
    events = [state(k * SECOND, *row, valid=k != 9, m=1) for k, row in enumerate(book, 1)]
    flow = MultiLevelFlow(LINEAR.instrument, 1)
    flow.sample(f"0.5:{SECOND}", np.empty(0, np.int64))
    flow.update(batch_of(events, 0))
    values = flow.sample(f"0.5:{SECOND}", np.arange(1, 11) * SECOND) / float(LOT)
    np.testing.assert_allclose(values, [0, 3, 2, 3, 1, -2, -8, 4, 0, 5], rtol=1e-12)


def test_one_level_is_the_best_level_ofi() -> None:
    rng = random.Random(4)
    events = tape(rng, 200, SECOND, m=1)
    times = instants(rng, events)
    one = fold(lambda: MultiLevelFlow(LINEAR.instrument, 1), events, [], (f"1.0:{SECOND}",), times)[f"1.0:{SECOND}"]
    ofi = fold(lambda: OrderFlowImbalance(LINEAR.instrument), events, [], (f"raw:{SECOND}",), times)[f"raw:{SECOND}"]
    np.testing.assert_allclose(one, ofi, rtol=1e-12)


def test_a_missing_ask_level_does_not_erase_what_its_bid_did() -> None:
    events = [
        state(1, [(100, 5), (99, 5), (98, 5)], [(101, 5)]),
        state(2, [(100, 5), (99, 5), (98, 12)], [(101, 5)]),
    ]
    flow = make()
    flow.update(batch_of(events, 0))
    assert flow.sample("1.0:5", np.array([2]))[0] == pytest.approx(7 / 3 * float(LOT))


def mirrored(events: list[Event]) -> list[Event]:
    out: list[Event] = []
    for e in events:
        assert isinstance(e, Touch)
        ((m, (bids, asks)),) = e.ladders.items()
        swapped = ([(20_000 - p, q) for p, q in asks], [(20_000 - p, q) for p, q in bids])
        out.append(state(e.t, *swapped, e.valid, e.epoch, m))
    return out


# ---- integrated OFI


def integrated() -> IntegratedFlow:
    return IntegratedFlow(LINEAR.instrument, 3)


def learned(events: list[Event], hour: int) -> tuple[list[float], float] | None:
    """(loadings, share) as of the full hour `hour`, from all bars that ended in the 24 hours to it."""
    flows, rows = level_flows(events, 3), []
    if not events:
        return None
    begin = max((events[0].t - 1) // BAR, (hour - 24) * HOUR // BAR)
    for k in range(begin, hour * HOUR // BAR):
        before, after = mid_at(events, k * BAR), mid_at(events, (k + 1) * BAR)
        if before and after and before[1] == after[1]:
            rows.append(window_flow(flows, (k + 1) * BAR, BAR))
    if len(rows) < 60:
        return None
    values, vectors = np.linalg.eigh(np.cov(np.array(rows, float).T))
    first = vectors[:, -1] * np.sign(vectors[:, -1].sum())
    return (first / np.abs(first).sum()).tolist(), float(values[-1] / values.sum())


@pytest.mark.parametrize("seed", range(2))
def test_iofi_equals_the_definition(seed: int) -> None:
    rng = random.Random(seed)
    events = tape(rng, 700, 40 * SECOND)
    window = 60 * SECOND
    grid = np.arange(START, events[-1].t, 47 * SECOND)
    hours = np.arange(START // HOUR + 1, events[-1].t // HOUR + 2) * HOUR
    times = np.unique(np.concatenate([grid, hours - 1, hours, hours + 1]))
    flows = level_flows(events, 3)
    fits = {hour: learned([e for e in events if e.t <= hour * HOUR], hour) for hour in set((times // HOUR).tolist())}
    expected, shares = [], []
    for t in times.tolist():
        fit = fits[t // HOUR]
        shares.append(math.nan if fit is None else fit[1])
        area, time = valid_area(events, t, 10 * window)
        if fit is None or not area or not valid_somewhere(events, t, window):
            expected.append(math.nan)
            continue
        queue = area / time / 6
        expected.append(sum(w * e for w, e in zip(fit[0], window_flow(flows, t, window), strict=True)) / queue)
    fields = (f"iofi:{window}", "share:")
    values = fold(integrated, events, [], fields, times)
    np.testing.assert_allclose(values[fields[0]], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(values["share:"], shares, rtol=1e-9)
    assert np.isfinite(values[fields[0]]).sum() > 100
    assert np.isnan(values[fields[0]]).sum() > 10
    other = fold(integrated, mirrored(events), [], fields, times)
    np.testing.assert_array_equal(other[fields[0]], -values[fields[0]])
    np.testing.assert_array_equal(other["share:"], values["share:"])


@pytest.mark.parametrize("seed", range(2))
def test_iofi_does_not_depend_on_the_cut(seed: int) -> None:
    rng = random.Random(seed)
    events = tape(rng, 500, 50 * SECOND)
    times = np.unique(
        np.concatenate([np.arange(START // HOUR, events[-1].t // HOUR + 3) * HOUR, [e.t for e in events]])
    )
    fields = (f"iofi:{60 * SECOND}", "share:")
    whole = fold(integrated, events, [], fields, times, restore=False)
    assert np.isfinite(whole["share:"]).sum() > 50
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        cut = fold(integrated, events, cuts, fields, times)
        assert all(cut[name].tobytes() == whole[name].tobytes() for name in fields)


def test_a_planted_component_is_found_exactly_whatever_its_size() -> None:
    rng = random.Random(1)
    end = START // HOUR * HOUR + BAR * np.arange(1, 200)
    for size in (1, 10**12):
        steps = [rng.randint(-100, 100) * size for _ in end]
        loadings = Loadings(3)
        loadings.add(end, [np.array([c * s for s in steps], np.int64) for c in (5, 3, 2)])
        loadings.reach((START // HOUR + 1) * HOUR)
        weights, share = loadings.at(np.array([(START // HOUR + 1) * HOUR - 1, (START // HOUR + 1) * HOUR]))
        assert np.isnan(weights[0]).all()
        np.testing.assert_allclose(weights[1], [0.5, 0.3, 0.2], rtol=1e-12)
        assert share[1] == pytest.approx(1)


def test_what_is_older_than_a_day_is_not_learned_from() -> None:
    loadings, hour = Loadings(2), START // HOUR
    end = BAR * np.arange(1, 121)
    step = np.array([(-1) ** k * k for k in range(120)])
    loadings.add(hour * HOUR + end, [step, 0 * step])
    loadings.add((hour + 23) * HOUR + end, [0 * step, step])
    loadings.reach((hour + 25) * HOUR)
    weights, _ = loadings.at(np.array([hour + 1, hour + 23, hour + 24, hour + 25]) * HOUR)
    np.testing.assert_allclose(weights[[0, 1]], [[1, 0], [1, 0]], atol=1e-12)
    np.testing.assert_allclose(weights[3], [0, 1], atol=1e-12)
    loadings.reach((hour + 10_000_000) * HOUR)  # a silence of a thousand years costs nothing
    assert loadings.state()["hours"] == []


def test_too_few_bars_and_no_flow_at_all_teach_nothing() -> None:
    hour = START // HOUR
    for count, flow in ((59, 7), (100, 0)):
        loadings = Loadings(2)
        column = np.array([flow * (-1) ** k for k in range(count)])
        loadings.add(hour * HOUR + BAR * np.arange(1, count + 1), [column, column])
        loadings.reach((hour + 5) * HOUR)
        assert np.isnan(loadings.at(np.array([(hour + 5) * HOUR]))[1]).all()


def test_arguments() -> None:
    assert parse_metric("mlofi").canonical == "mlofi(5,10s,0.5)"
    bound = parse_metric("mlofi(10,1s)").spec.bind(10, SECOND, 0.5)
    assert (bound.ladders, bound.share) == ((10,), ("levels flow", 10))
    assert parse_metric("iofi").spec.bind(5, SECOND).share == parse_metric("iofi_share").spec.bind(5).share
    for text, message in (("mlofi(51)", "levels"), ("mlofi(rho=1.5)", "rho"), ("iofi(5,2h)", "100 minutes")):
        with pytest.raises(MetricError, match=message):
            parse_metric(text)
    with pytest.raises(ValueError, match="levels"):
        Loadings(3).restore(Loadings(2).state())
