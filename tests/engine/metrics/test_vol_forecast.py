"""EWMA against the recursion, HAR against a plain least-squares fit, scored one forecast at a time."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from engine.metrics.seconds import SECOND, YEAR_S
from engine.metrics.vol_forecast import BAR, EwmaVolatility, VolatilityForecast
from tests.engine.metrics.cuts import Event, Touch, every_event, fold, random_cuts
from tests.engine.metrics.mids import mids_until, random_walk, seconds_and_between

DAY = 86_400 * SECOND
START = 20_000 * DAY
FIELDS = ("forecast", "skill", "har", "ewma")


@pytest.mark.parametrize("seed", range(3))
def test_ewma_is_the_recursion_and_does_not_depend_on_the_cut(seed: int) -> None:
    rng = random.Random(seed)
    events = random_walk(rng)
    times = seconds_and_between(rng, events)
    half_life = 7 * SECOND
    whole = fold(lambda: EwmaVolatility(half_life), events, [], ["vol"], times, restore=False)["vol"]
    for cuts in (every_event(len(events)), random_cuts(rng, len(events))):
        again = fold(lambda: EwmaVolatility(half_life), events, cuts, ["vol"], times)["vol"]
        assert again.tobytes() == whole.tobytes()
    decay = 2 ** (-1 / 7)
    known = 0
    for t, found in zip(times.tolist(), whole.tolist(), strict=True):
        mids = mids_until(events, t)
        returns = [math.log(m / mids[s - SECOND]) for s, m in sorted(mids.items()) if s - SECOND in mids]
        variance = returns[0] ** 2 if returns else math.nan
        for r in returns[1:]:
            variance = decay * variance + (1 - decay) * r * r
        wanted = math.sqrt(variance * YEAR_S) if len(returns) >= 3 / (1 - decay) else math.nan
        assert found == pytest.approx(wanted, rel=1e-6, nan_ok=True)
        known += not math.isnan(wanted)
    assert known > 20


def touches(bar_volatilities: list[float], seed: int) -> list[Event]:
    """A touch every 5 s whose log mid takes normal steps, of another size in every bar."""
    rng = np.random.default_rng(seed)
    steps = np.concatenate([vol * rng.standard_normal(60) for vol in bar_volatilities])
    bids = np.rint(1e8 * np.exp(np.cumsum(steps))).astype(int)
    return [Touch(START + 5 * SECOND * i, int(b), 1, int(b) + 2, 1) for i, b in enumerate(bids)]


def clustered(bars: int, seed: int, persistence: float = 0.97) -> list[float]:
    """Volatilities whose logs revert to a mean."""
    rng = np.random.default_rng(seed)
    log_vol, vols = 0.0, []
    for _ in range(bars):
        log_vol = persistence * log_vol + 0.25 * rng.standard_normal()
        vols.append(2e-4 * math.exp(log_vol))
    return vols


def variances_of(events: list[Event]) -> list[float]:
    """Realised variance of every whole bar, from mids 5 s apart (nothing moves in between)."""
    mids = [e.bid + e.ask for e in events if isinstance(e, Touch)]
    squares = [0.0] + [math.log(b / a) ** 2 for a, b in pairwise(mids)]
    bars: list[float] = [0.0] * (len(mids) // 60)
    for i, square in enumerate(squares):
        bar = (5 * i - 1) // 300 if i else 0
        if bar < len(bars):
            bars[bar] += square
    return [max(v, 1e-12) for v in bars]


def reference(variances: list[float], look_back_bars: int) -> list[tuple[float, float, float]]:
    """(HAR, EWMA, skill) after each bar, by ridge regression on the plain definitions."""
    out, scores, terms = [], [], []
    pending: tuple[float, float] | None = None
    for i, variance in enumerate(variances):
        if pending is not None and not math.isnan(pending[0]):
            scores.append((i, *(variance / f - math.log(variance / f) - 1 for f in pending)))
        row = [1.0, math.log(variance)]
        for length in (12, 288):
            held = variances[max(0, i - length + 1) : i + 1]
            row.append(math.log(sum(held) / len(held)) if len(held) >= 0.75 * length else math.nan)
        terms.append(row)
        rows = [j for j in range(max(0, i - look_back_bars + 1), i) if not any(map(math.isnan, terms[j]))]
        har = math.nan
        if len(rows) >= 48:
            x, y = np.array([terms[j] for j in rows]), np.array([terms[j + 1][1] for j in rows])
            beta = np.linalg.solve(x.T @ x + 1e-8 * np.eye(4), x.T @ y)
            har = math.exp(float(beta @ row) + float(np.sum((y - x @ beta) ** 2)) / (len(rows) - 4) / 2)
        weights = [2 ** (-(i - j) / 12) for j in range(i + 1)]
        ewma = sum(w * v for w, v in zip(weights, variances, strict=False)) / sum(weights) if i >= 11 else math.nan
        pending = (har, ewma)
        recent = [s for s in scores if s[0] > i - look_back_bars]
        skill = 1 - sum(s[1] for s in recent) / sum(s[2] for s in recent) if len(recent) >= 48 else math.nan
        out.append((har, ewma, skill))
    return out


@pytest.mark.parametrize("har_wins", [True, False])
def test_har_is_least_squares_and_is_shown_only_where_it_has_beaten_the_ewma(har_wins: bool) -> None:
    bars = 430
    vols = clustered(bars, 5, 0.3)
    if not har_wins:  # what it has learned from a calm day is worth nothing after a break
        vols = [v * (6 if i > 350 else 1) for i, v in enumerate(vols)]
    events = touches(vols, 6)
    look_back = DAY
    times = START + BAR * np.arange(1, bars) + SECOND
    values = fold(lambda: VolatilityForecast(look_back), events, [], FIELDS, times)
    annual = math.sqrt(YEAR_S / 300)
    seen_skill = []
    for i, (har, ewma, skill) in enumerate(reference(variances_of(events), look_back // BAR)[: len(times)]):
        assert values["har"][i] == pytest.approx(math.sqrt(har) * annual, rel=1e-6, nan_ok=True)
        assert values["ewma"][i] == pytest.approx(math.sqrt(ewma) * annual, rel=1e-6, nan_ok=True)
        assert values["skill"][i] == pytest.approx(skill, abs=1e-4, nan_ok=True)
        shown = values["har"] if values["skill"][i] > 0 else values["ewma"]
        assert values["forecast"][i] == pytest.approx(shown[i], rel=0, nan_ok=True)
        if not math.isnan(skill):
            seen_skill.append(skill)
    assert len(seen_skill) > 50
    assert (min(seen_skill[20:]) > 0) is har_wins


def test_forecasts_do_not_depend_on_the_cut_and_go_stale() -> None:
    rng = random.Random(3)
    events = touches(clustered(340, 8), 9)
    lost = events[: 60 * 300] + [
        Touch(e.t, e.bid, 1, e.ask, 1, valid=False) for e in events[60 * 300 : 60 * 306] if isinstance(e, Touch)
    ]
    events = lost + events[60 * 306 :]
    last = events[-1].t
    times = np.array(sorted({*(START + BAR * np.arange(1, 345)).tolist(), *rng.sample(range(START, last), 100), last}))
    whole = fold(lambda: VolatilityForecast(DAY), events, [], FIELDS, times, restore=False)
    assert np.isfinite(whole["har"]).any()
    for cuts in (list(range(0, len(events), 997)), sorted(rng.sample(range(len(events)), 60))):
        again = fold(lambda: VolatilityForecast(DAY), events, cuts, FIELDS, times)
        for field in FIELDS:
            assert again[field].tobytes() == whole[field].tobytes()
    during = (times > START + 303 * BAR) & (times < START + 306 * BAR)
    assert during.any()
    assert np.isnan(whole["forecast"][during]).all()


def test_states_of_other_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="look-back"):
        VolatilityForecast(DAY).restore(VolatilityForecast(2 * DAY).state())
    with pytest.raises(ValueError, match="half-life"):
        EwmaVolatility(SECOND).restore(EwmaVolatility(2 * SECOND).state())
