"""VaR, ES and drawdown against slow definitions, and VaR judged by its misses."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backtest import kupiec, var_test
from engine.metrics.drawdown import Drawdown
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.risk import TailRisk
from engine.metrics.seconds import SECOND
from engine.metrics.tail import (
    METHODS,
    cornish_fisher_es,
    cornish_fisher_var,
    filtered,
    historical_es,
    historical_var,
    normal_es,
    normal_var,
)
from tests.engine.metrics.cuts import DayVolume, Fill, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.mids import mids_until, random_walk, seconds_and_between
from tests.engine.metrics.tapes import BEFORE_MIDNIGHT, in_span, instants, random_tape


def test_var_and_es_of_a_hundred_ordered_losses() -> None:
    returns = np.arange(1, 101) / -100  # -0.01 ... -1.00
    np.random.default_rng(1).shuffle(returns)
    # type 7: position 99 x 0.05 = 4.95 among the sorted: between -0.96 and -0.95
    assert historical_var(returns, 0.95) == pytest.approx(0.9505, rel=1e-12)
    assert historical_var(returns, 0.95) == pytest.approx(-np.quantile(returns, 0.05), rel=1e-12)
    assert historical_es(returns, 0.95) == pytest.approx((1 + 0.99 + 0.98 + 0.97 + 0.96) / 5, rel=1e-12)
    # n (1 - c) = 2.5: the third worst counts half
    assert historical_es(returns, 0.975) == pytest.approx((1 + 0.99 + 0.98 / 2) / 2.5, rel=1e-12)


@pytest.mark.parametrize("estimate", [historical_var, historical_es])
def test_a_tail_of_less_than_one_observation_is_unknown(estimate) -> None:  # type: ignore[no-untyped-def]
    returns = np.linspace(-1, 1, 100)
    assert math.isnan(estimate(returns[:99], 0.99))
    assert not math.isnan(estimate(returns, 0.99))
    assert not math.isnan(estimate(returns[:10], 0.9))  # 10 (1 - 0.9) is 1, though not in doubles
    assert math.isnan(normal_var(returns[:29], 0.9))


def test_normal_and_bent_tails_agree_on_a_normal_sample_and_differ_on_a_fat_one() -> None:
    returns = np.array([NormalDist(0.001, 0.02).inv_cdf((i + 0.5) / 20_000) for i in range(20_000)])
    z = NormalDist().inv_cdf(0.99)
    assert normal_var(returns, 0.99) == pytest.approx(z * 0.02 - 0.001, rel=1e-3)
    assert normal_es(returns, 0.99) == pytest.approx(0.02 * NormalDist().pdf(z) / 0.01 - 0.001, rel=1e-3)
    assert cornish_fisher_var(returns, 0.99) == pytest.approx(normal_var(returns, 0.99), rel=2e-3)
    assert cornish_fisher_es(returns, 0.99) == pytest.approx(normal_es(returns, 0.99), rel=2e-3)
    assert historical_es(returns, 0.99) == pytest.approx(normal_es(returns, 0.99), rel=5e-3)
    fat = returns**3
    assert cornish_fisher_var(fat, 0.99) > 1.2 * normal_var(fat, 0.99)


def test_the_bent_shortfall_is_the_mean_of_the_bent_quantiles_beyond() -> None:
    rng = np.random.default_rng(4)
    returns = rng.standard_t(8, 20_000) * 0.01 - 0.002 * rng.exponential(1, 20_000)
    beyond = [0.975 + 0.025 * (i + 0.5) / 100 for i in range(100)]
    mean = sum(cornish_fisher_var(returns, round(c, 6)) for c in beyond) / 100
    assert cornish_fisher_es(returns, 0.975) == pytest.approx(mean, rel=0.02)


def test_filtered_returns_have_the_present_size() -> None:
    rng = np.random.default_rng(2)
    returns = np.concatenate((rng.standard_normal(500) * 0.01, rng.standard_normal(500) * 0.03))
    now = filtered(returns)
    assert len(now) == 950
    assert np.std(now[:400]) == pytest.approx(np.std(now[600:]), rel=0.3)
    assert np.std(now[:400]) > 2 * np.std(returns[:400])


@given(st.lists(st.floats(-0.1, 0.1), min_size=100, max_size=130), st.sampled_from([0.9, 0.95, 0.99]))
def test_shortfall_is_never_less_than_var_and_both_scale(values: list[float], confidence: float) -> None:
    returns = np.array(values)
    var, es = historical_var(returns, confidence), historical_es(returns, confidence)
    assert es >= -1e-15 + -np.sort(returns)[math.ceil(len(returns) * (1 - Fraction(str(confidence)))) - 1]
    assert historical_var(4 * returns, confidence) == 4 * var
    assert historical_es(4 * returns, confidence) == pytest.approx(4 * es, rel=1e-12, abs=1e-15)


# ---- live


@pytest.mark.parametrize("seed", range(3))
def test_live_values_are_those_of_the_definitions_in_every_cut(seed: int) -> None:
    rng = random.Random(seed)
    events = random_walk(rng, 600)
    times = seconds_and_between(rng, events)
    horizon, window = 2 * SECOND, 240 * SECOND
    fields = [
        f"{name}:{m}:{side}:0.9:{window}" for name in ("var", "es") for m in METHODS for side in ("long", "short")
    ]
    whole = fold(lambda: TailRisk(horizon), events, [], fields, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events))):
        again = fold(lambda: TailRisk(horizon), events, cuts, fields, times)
        for field in fields:
            assert again[field].tobytes() == whole[field].tobytes()
    known = 0
    for i, t in enumerate(times.tolist()):
        mids = mids_until(events, t)
        on_grid = [s for s in mids if s % horizon == 0 and s - horizon in mids and s > t - window]
        returns = np.array([math.log(mids[s] / mids[s - horizon]) for s in on_grid])
        for name in ("var", "es"):
            for method in ("historical", "normal", "cornish"):
                for side, sign in (("long", 1), ("short", -1)):
                    wanted = 1e4 * METHODS[method][name == "es"](sign * returns, 0.9)
                    found = whole[f"{name}:{method}:{side}:0.9:{window}"][i]
                    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6, nan_ok=True)
                    known += not math.isnan(wanted)
    assert known > 100
    assert np.isfinite(whole[f"var:filtered:long:0.9:{window}"]).any()


def test_live_filtered_values_are_those_of_the_pure_function() -> None:
    rng = random.Random(9)
    events = random_walk(rng, 1_000, holes=0.0)
    t = events[-1].t
    mids = mids_until(events, t)
    returns = np.array([math.log(mids[s] / mids[s - SECOND]) for s in sorted(mids) if s - SECOND in mids])
    field = f"var:filtered:long:0.95:{7_200 * SECOND}"
    (found,) = fold(lambda: TailRisk(SECOND), events, [], [field], np.array([t]))[field]
    assert found == pytest.approx(1e4 * historical_var(filtered(returns), 0.95), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("var(1s,0.99,historical,1d)", "at most 10000"),
        ("var(1h,0.99)", "no tail"),
        ("var(1500ms)", "whole seconds"),
        ("es(1m,0.4)", "confidence such as"),
        ("es(1m,100%)", "confidence such as"),
        ("es(1m,0.99,gauss)", "historical, normal"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(text: str, says: str) -> None:
    with pytest.raises(MetricError, match=says):
        parse_metric(text)
    assert parse_metric("var(1m,99%)").canonical == "var(1m,0.99,historical,1d,long)"


# ---- backtest


def test_a_right_var_passes_and_a_wrong_one_fails() -> None:
    rng = np.random.default_rng(7)
    steady = rng.standard_normal(4_000) * 0.01
    right = var_test(steady, 0.95, 500)
    assert right.tested == 3_500
    assert right.rate == pytest.approx(0.05, abs=0.012)
    assert right.p_value > 0.01
    growing = steady * np.linspace(1, 6, 4_000)
    assert var_test(growing, 0.99, 500).p_value < 1e-3
    assert var_test(growing, 0.99, 500, "filtered").p_value > 0.01
    breaking = np.concatenate((steady[:1_000], 4 * steady[1_000:1_200]))
    assert var_test(breaking, 0.95, 500).hits > 1.5 * var_test(breaking, 0.95, 500, "filtered").hits


def test_kupiec_golden() -> None:
    # 2 (ln L(0.02) - ln L(0.01)) for 5 hits in 250, and its chi-square tail
    likelihood = 2 * (245 * math.log(0.98 / 0.99) + 5 * math.log(0.02 / 0.01))
    assert likelihood == pytest.approx(1.9568, abs=1e-4)
    assert kupiec(250, 5, 0.01) == pytest.approx(0.1619, abs=1e-4)
    assert kupiec(100, 1, 0.01) == 1.0
    assert kupiec(0, 0, 0.01) != kupiec(0, 0, 0.01)
    assert 0 < kupiec(100, 0, 0.01) < 1


def test_a_test_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no tail"):
        var_test(np.zeros(200), 0.99, 50)
    with pytest.raises(ValueError, match="no method"):
        var_test(np.zeros(200), 0.99, 100, "guess")


# ---- drawdown

SPANS: tuple[int | str, ...] = (3 * SECOND, 20 * SECOND, "session", "start")
DRAWDOWNS = [f"{name}:{span}" for name in ("drawdown", "drawdown_time", "run_up", "run_up_time") for span in SPANS]


@pytest.mark.parametrize("seed", range(4))
def test_drawdown_is_that_of_the_definition_in_every_cut(seed: int) -> None:
    rng = random.Random(seed)
    events = random_tape(rng, 400, BEFORE_MIDNIGHT - 100 * SECOND)
    times = instants(rng, events)
    whole = fold(Drawdown, events, [], DRAWDOWNS, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events))):
        again = fold(Drawdown, events, cuts, DRAWDOWNS, times)
        for field in DRAWDOWNS:
            assert again[field].tobytes() == whole[field].tobytes()
    for span in SPANS:
        for i, t in enumerate(times.tolist()):
            fills = in_span(events, t, span)
            found = [whole[f"{name}:{span}"][i] for name in ("drawdown", "drawdown_time", "run_up", "run_up_time")]
            if not fills:
                assert np.isnan(found).all()
                continue
            px = [f.px for f in fills]
            high, low = max(px), min(px)
            peak = max(f.t for f in fills if f.px == high)
            trough = max(f.t for f in fills if f.px == low)
            wanted = [1 - px[-1] / high, (t - peak) / 1e9, px[-1] / low - 1, (t - trough) / 1e9]
            assert found == pytest.approx(wanted, rel=1e-9, abs=1e-15)


def test_drawdown_keeps_only_what_can_matter() -> None:
    calculator = Drawdown()
    calculator.sample("drawdown:start", np.empty(0, np.int64))
    rng = random.Random(1)
    events = [Fill(i * SECOND, 1, 1, 10_000 + rng.randrange(-50, 50)) for i in range(20_000)]
    for start in range(0, 20_000, 100):
        batch = batch_of(events[start : start + 100], events[start].t)
        calculator.update(batch)
        calculator.advance(batch.end)
    assert len(calculator.state()["rows"][0]) < 600
    calculator.update(batch_of([DayVolume(20_000 * SECOND, 1)], 20_000 * SECOND))
    (value,) = calculator.sample("drawdown:start", np.array([20_000 * SECOND]))
    assert value == pytest.approx(1 - events[-1].px / max(e.px for e in events), rel=1e-12)
