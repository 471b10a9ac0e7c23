"""Liquidity use against integrals in plain fractions."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.areas import MAX_AMOUNT, MAX_WINDOW, StepAreas
from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.spec import Context
from engine.metrics.turnover import LiquidityUse
from tests.engine.metrics.book_tapes import SECOND, START, book_tape
from tests.engine.metrics.cuts import Event, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import INVERSE, LINEAR, instants

TEN = Fraction(10)
NAMES = ("resting", "covered", "turnover", "turnover_bid", "turnover_ask", "half_life")
FIELDS = [f"{name}:{window}" for name in NAMES for window in (SECOND // 3, 7 * SECOND + 1, 60 * SECOND)]


def expected(events: Sequence[Event], context: Context, field: str, t: int) -> float:
    name, text = field.split(":")
    window = int(text)
    touches = [e for e in events if isinstance(e, Touch) and e.t <= t]
    time, areas = 0, [0, 0]
    inverse = context.instrument.kind == "inverse"
    for i, e in enumerate(touches):
        end = touches[i + 1].t if i + 1 < len(touches) else t
        us = max(0, end // 1000 - max(e.t, t - window) // 1000) if end > t - window else 0
        if e.valid and e.bid != NO_BID and e.ask != NO_ASK:
            time += us
            row = e.bands[TEN]
            areas = [areas[0] + us * row[0 if inverse else 2], areas[1] + us * row[1 if inverse else 3]]
    if name == "covered":
        return min(1.0, float(Fraction(time * 1000, window)))
    if not time:
        return math.nan
    fills = [e for e in events if isinstance(e, Fill) and t - window < e.t <= t]
    sides = {"turnover_bid": (-1,), "turnover_ask": (1,)}.get(name, (-1, 0, 1))
    traded = sum(e.qty * (1 if inverse else e.px) for e in fills if e.side in sides)
    area = {"turnover_bid": areas[0], "turnover_ask": areas[1]}.get(name, sum(areas))
    if name == "resting":
        unit = Fraction(context.instrument.lot) * Fraction(context.instrument.contract)
        unit *= 1 if inverse else Fraction(context.instrument.tick)
        return float(Fraction(area, time) * unit)
    if name == "half_life":
        return math.log(2) * window / 1e9 * float(Fraction(area, time * traded)) if traded else math.nan
    return float(Fraction(traded * time, area)) if area else math.nan


@pytest.mark.parametrize("context", [LINEAR, INVERSE], ids=["linear", "inverse"])
@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_fractions(seed: int, context: Context) -> None:
    rng = random.Random(seed)
    events = book_tape(rng)
    times = instants(rng, events, 3 * SECOND)
    values = fold(lambda: LiquidityUse(context.instrument, TEN), events, random_cuts(rng, len(events)), FIELDS, times)
    for name in FIELDS:
        wanted = [expected(events, context, name, t) for t in times.tolist()]
        tolerance = 1e-15 if name.startswith(("half_life", "covered")) else 0
        np.testing.assert_allclose(values[name], wanted, rtol=tolerance, err_msg=name)
        assert np.nansum(values[name]) > 0, name


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(40 + seed)
    events = book_tape(rng, 400)
    times = instants(rng, events)

    def make() -> LiquidityUse:
        return LiquidityUse(LINEAR.instrument, TEN)

    whole = fold(make, events, [], FIELDS, times, restore=False)
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(3))):
        cut = fold(make, events, cuts, FIELDS, times)
        for name in FIELDS:
            assert cut[name].tobytes() == whole[name].tobytes(), name


def test_by_hand() -> None:
    # 2 s of 100 x 10 + 101 x 10, then 1 s of 100 x 20 + 101 x 10: 2010 + 1/3 of 1000 ticks x lots on average.
    events: list[Event] = [
        Touch(START, 100, 10, 101, 10, bands={TEN: (10, 10, 1000, 1010)}),
        Fill(START + SECOND, 30, 1, 101),
        Touch(START + 2 * SECOND, 100, 20, 101, 10, bands={TEN: (20, 10, 2000, 1010)}),
        Fill(START + 3 * SECOND, 7, -1, 100),
    ]
    fields = [f"{name}:{6 * SECOND}" for name in NAMES]
    use = LiquidityUse(LINEAR.instrument, TEN)
    values = fold(lambda: use, events, [], fields, np.array([START + 3 * SECOND]), restore=False)
    resting, covered, turnover, bid, ask, half_life = (values[name][0] for name in fields)
    mean = Fraction(2 * 2010 + 3010, 3)
    assert resting == float(mean * Fraction(1, 100_000))
    assert covered == 0.5
    assert turnover == float((30 * 101 + 700) / mean)
    assert bid == float(700 / Fraction(2 * 1000 + 2000, 3))
    assert ask == 3.0
    assert half_life == pytest.approx(math.log(2) * 6 / turnover, rel=1e-15)


def test_integrals_are_exact_at_the_largest_amounts_and_windows() -> None:
    rng = random.Random(2)
    t = np.cumsum([rng.randint(0, MAX_WINDOW // 3) for _ in range(40)]).astype(np.int64)
    amounts = np.array([MAX_AMOUNT - rng.randint(0, 9) for _ in t], object)
    areas = StepAreas(1)
    for k in range(0, 40, 7):
        areas.extend(t[k : k + 7], [amounts[k : k + 7]], np.ones(len(t[k : k + 7]), np.bool_))
    ends = t[5:] + 12_345
    (found,), _ = areas.over(ends, MAX_WINDOW)
    for end, area in zip(ends.tolist(), found, strict=True):
        wanted = 0
        for k, start in enumerate(t.tolist()):
            stop = int(t[k + 1]) if k + 1 < len(t) else end
            wanted += int(amounts[k]) * max(0, min(stop, end) // 1_000 - max(start, end - MAX_WINDOW) // 1_000)
        assert area == wanted
    for wrong in (MAX_AMOUNT + 1, -1):
        with pytest.raises(ValueError, match="exactly"):
            areas.extend(t[-1:], [np.array([wrong], object)], np.array([True]))


def test_it_forgets_what_no_window_needs() -> None:
    use = LiquidityUse(LINEAR.instrument, TEN)
    use.sample(f"turnover:{2 * SECOND}", np.empty(0, np.int64))
    for k in range(500):
        now = START + k * SECOND
        touch = Touch(now, 100, 1, 101, 1, bands={TEN: (1, 1, 100, 101)})
        use.update(batch_of([touch, Fill(now, 1, 1, 101)], now))
        use.advance(now)
    state = use.state()
    assert len(state["resting"]["rows"][0]) < 6
    assert len(state["traded"]["rows"][0]) < 6
    assert use.sample(f"turnover:{2 * SECOND}", np.array([START + 499 * SECOND]))[0] == 202 / 201


def test_arguments() -> None:
    assert parse_metric("turnover").canonical == "turnover(10bps,1m)"
    one, other = (parse_metric(text) for text in ("turnover_hit(buy,5bps,1h)", "resting(5bps,1m)"))
    assert one.spec.bind(*one.args).share == other.spec.bind(*other.args).share
    assert one.spec.bind(*one.args).field == f"turnover_ask:{3600 * SECOND}"
    with pytest.raises(MetricError, match="1000 minutes"):
        parse_metric("resting(5bps,17h)")
    with pytest.raises(ValueError, match="version"):
        LiquidityUse(LINEAR.instrument, TEN).restore({"kind": "liquidity use", "version": 0})
