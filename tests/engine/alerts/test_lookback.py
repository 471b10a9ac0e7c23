"""The last hour of a market: how a number was spread, and what a rule would have done, against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from engine.alerts.language import parse_quantity
from engine.alerts.lookback import BINS, EVERY, KEPT, Lookback, preview_of, value_of
from engine.alerts.rule import compile_rule
from engine.market import Market
from engine.metrics.names import parse_metrics
from engine.tape import Channel, Trust
from tests.engine.tapes import INSTRUMENT, START

STEP = EVERY


def sawtooth(steps: int, names: str = "cvd") -> tuple[Market, Lookback]:
    """cvd climbs by one a step for ten steps and falls back at once."""
    market = Market(INSTRUMENT)
    lookback = Lookback(market, parse_metrics(names))
    for i in range(steps):
        back = i % 10 == 0 and i
        market.trade(0, START + i * STEP, i, "10.00", "9" if back else "1", -1 if back else 1)
    market.clock(0, START + steps * STEP)
    market.flush()
    return market, lookback


def test_the_spread_is_what_is_remembered() -> None:
    market, lookback = sawtooth(201)
    spread = lookback.spread(parse_quantity("cvd"))
    values = np.array([1.0 + i % 10 for i in range(201)])
    assert spread.unit == "base"
    assert spread.span == 201 * STEP
    assert dict(spread.quantiles)[0.5] == pytest.approx(np.quantile(values, 0.5))
    assert sum(spread.bins) == 201
    assert len(spread.bins) == BINS
    assert lookback.quantile(parse_quantity("2 * cvd"), 0.95) == pytest.approx(2 * np.quantile(values, 0.95))
    assert value_of(market, parse_quantity("cvd + 1")) == values[-1] + 1
    assert value_of(market, parse_quantity("mid")) is None


def test_only_an_hour_is_kept() -> None:
    _, lookback = sawtooth(KEPT + 200)
    assert lookback.spread(parse_quantity("cvd")).span == KEPT * STEP


def test_what_a_rule_would_have_done() -> None:
    _market, lookback = sawtooth(201)
    rule = compile_rule("r", "cvd >= 9", cooldown="30s")
    preview = preview_of(lookback, 1.0, parse_quantity("cvd"), rule)
    assert (preview.episodes, preview.suppressed, preview.longest) == (20, 10, 2 * STEP)
    assert preview.per_day == pytest.approx(20 * 86400 / 400)
    assert preview.spread is not None
    nothing = preview_of(lookback, None, None, None)
    assert (nothing.episodes, nothing.spread) == (None, None)


def test_a_metric_that_was_not_remembered_is_from_now_on() -> None:
    market, lookback = sawtooth(50)
    rule = compile_rule("r", "delta(4s) > 1 and cvd > 3")
    assert preview_of(lookback, None, None, rule).episodes is None
    for i in range(50, 80):
        market.trade(0, START + i * STEP, i, "10.00", "1", 1)
    market.clock(0, START + 81 * STEP)
    market.flush()
    preview = preview_of(lookback, None, parse_quantity("delta(4s)"), rule)
    assert preview.episodes == 1
    assert preview.spread is not None
    assert 28 * STEP <= preview.spread.span <= 31 * STEP


def test_so_many_metrics_are_remembered_and_the_usual_ones_always() -> None:
    _market, lookback = sawtooth(20)
    for i in range(1, 60):
        lookback.spread(parse_quantity(f"delta({i}s)"))
    assert len(lookback._samplers) == 25
    assert lookback.spread(parse_quantity("cvd")).span == 20 * STEP


def test_what_cannot_be_trusted_is_not_remembered() -> None:
    market, lookback = sawtooth(10)
    market.status(0, START + 10 * STEP, Channel.TRADES, Trust.STALE)
    market.clock(0, START + 30 * STEP)
    market.flush()
    assert lookback.spread(parse_quantity("cvd")).span <= 11 * STEP


def test_what_was_asked_for_long_ago_can_be_asked_for_beside_what_is_new() -> None:
    _, lookback = sawtooth(20)
    asked = parse_metrics(",".join(f"delta({i}s)" for i in range(1, 31)))
    for metric in asked[:24]:
        assert len(lookback.values([metric])[0]) == 0
    for metrics in (asked[:1] + asked[24:25], asked):
        times, values = lookback.values(metrics)
        assert len(times) == 0
        assert set(values) == {metric.canonical for metric in metrics}
