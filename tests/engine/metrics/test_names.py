from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.names import MetricError, duration_text, parse_metric, parse_metrics, usage
from engine.metrics.registry import SPECS, bind, listing
from tests.engine.metrics.tapes import LINEAR

S = 1_000_000_000


def test_list_splits_at_the_commas_outside_brackets() -> None:
    metrics = parse_metrics(" cvd, ti(30s),vpin(1000,50) ,imbalance(5)")
    assert [m.key for m in metrics] == ["cvd", "ti(30s)", "vpin(1000,50)", "imbalance(5)"]
    assert [m.args for m in metrics] == [("session",), (30 * S,), (1000.0, 50), (5,)]


def test_key_is_the_text_as_asked_and_canonical_is_one_for_all_spellings() -> None:
    metrics = parse_metrics("ti(30s),ti( 30s ),ti(0.5m),TI(W=30000ms),ti(.5m)")
    assert [m.key for m in metrics] == ["ti(30s)", "ti( 30s )", "ti(0.5m)", "TI(W=30000ms)", "ti(.5m)"]
    assert {m.canonical for m in metrics} == {"ti(30s)"}
    assert {m.args for m in metrics} == {(30 * S,)}


def test_defaults_are_filled_in() -> None:
    assert parse_metric("ti").canonical == "ti(1m)" == parse_metric("ti()").canonical
    assert parse_metric("vwap").args == ("session",)
    assert parse_metric("vwap_band(-2)").args == (-2.0, "session")
    assert parse_metric("vwap_band(W=1h, k=1.5)").canonical == "vwap_band(1.5,1h)"


def test_a_metric_may_be_an_argument() -> None:
    first, second = parse_metrics("pct(ti( 0.5m ), W=1h),max(metric=z(spread_bps(), 1d),24h)")
    assert (first.key, first.canonical) == ("pct(ti( 0.5m ), W=1h)", "pct(ti(30s),1h)")
    assert first.args[0].canonical == "ti(30s)"
    assert first.args[1] == 3_600 * S
    assert second.canonical == "max(z(spread_bps,1d),1d)"
    assert (first.spec.unit, second.spec.unit) == ("ratio", "z")
    assert parse_metric("median(spread_bps,1h)").spec.unit == "bps"
    assert parse_metric("median(max(last,1h),1h)").spec.unit == "price"


def test_a_repeated_key_comes_once() -> None:
    assert [m.key for m in parse_metrics("cvd,last,cvd")] == ["cvd", "last"]


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("ti(250ms)", (250_000_000,)),
        ("ti(1d)", (86_400 * S,)),
        ("ti(90d)", (90 * 86_400 * S,)),
        ("ti(1ns)", (1,)),
        ("cvd(start)", ("start",)),
        ("cvd(anchor=session)", ("session",)),
        ("imbalance(10bps)", (10.0,)),
        ("imbalance(0.5BPS)", (0.5,)),
        ("vpin(adv/50,50)", ("adv/50", 50)),
        ("vpin(ADV/500.0, 50)", ("adv/500", 50)),
        ("vpin(10k,50)", (10_000.0, 50)),
        ("vpin(0.5,50)", (0.5, 50)),
        ("slip(buy,$1.5M)", ("buy", 1_500_000.0)),
        ("slip(SELL,100k)", ("sell", 100_000.0)),
        ("depth(bid,25bps)", ("bid", 25.0)),
    ],
)
def test_arguments_of_every_kind(text: str, args: tuple[object, ...]) -> None:
    metric = parse_metric(text)
    assert metric.args == args
    assert [type(a) for a in metric.args] == [type(a) for a in args]
    assert parse_metric(metric.canonical).args == args


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no metric named"),
        (" , ", "unexpected ','"),
        ("cvdd", "did you mean 'cvd'"),
        ("imbalnce(5)", "did you mean 'imbalance'"),
        ("cvd,ti(30s),vpni(1,2)", "at character 13"),
        ("zzzzzz", "unknown metric 'zzzzzz'"),
        ("cvd,", "too early"),
        ("ti(30s", "too early, at character 7"),
        ("ti(30s", "')'"),
        ("ti(5(3))", "unexpected '('"),
        ("pct", "lacks metric"),
        ("pct(cvdd)", "did you mean 'cvd'"),
        ("pct(ti(30x),1d)", "at character 8"),
        ("pct(spread_bps,10s)", "look-back must be from 300 s"),
        ("max(spread_bps,8d)", "7 days"),
        ("pct(pct(pct(pct(ti(30s)))))", "too deep"),
        ("ti 30s", "unexpected '30s'"),
        ("ti(30s))", "unexpected ')'"),
        ("ti((30s))", "unexpected '('"),
        ("cvd=1", "unexpected '='"),
        ("ti(30)", "duration such as"),
        ("ti(30 s)", "unexpected 's'"),
        ("ti(0s)", "above 0"),
        ("ti(-5s)", "above 0"),
        ("ti(91d)", "at most 90d"),
        ("ti(1e30s)", "at most 90d"),
        ("ti(0.5ns)", "whole nanoseconds"),
        ("ti(nans)", "duration such as"),
        ("ti(30x)", "unit is one of"),
        ("ti(30s,5)", "one argument too many, '5'"),
        ("last(3)", "one argument too many, '3'"),
        ("ti(V=3s)", "no argument 'V'"),
        ("ti(W=3s,W=4s)", "given twice"),
        ("vwap_band", "lacks k"),
        ("vwap_band(0)", "not 0"),
        ("vwap_band(inf)", "a number"),
        ("vwap_band(1001)", "1000"),
        ("imbalance(0)", "levels from 1 to 1000"),
        ("imbalance(1001)", "1000"),
        ("imbalance(2.5)", "whole number of levels"),
        ("imbalance(0bps)", "basis points"),
        ("imbalance(99999bps)", "at most 10000"),
        ("vpin(-3,50)", "a size such as"),
        ("vpin(1e16,50)", "a size such as"),
        ("vpin(adv/0,50)", "adv/50"),
        ("vpin(advice,50)", "adv/50"),
        ("vpin(1000,0)", "whole number"),
        ("slip(up,100k)", "bid, ask, buy or sell"),
        ("slip(buy,$)", "quote currency"),
        ("\x1b[31mcvd", "unknown metric '\\x1b[31mcvd'"),
        ("ti(٣s)", "duration such as"),
        ("__import__('os')", "unknown metric"),
    ],
)
def test_errors_say_what_where_and_what_is_expected(text: str, says: str) -> None:
    with pytest.raises(MetricError) as caught:
        parse_metrics(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)


def test_error_points_at_the_piece() -> None:
    with pytest.raises(MetricError) as caught:
        parse_metrics("cvd,ti(30z)")
    error = caught.value
    assert (error.piece, error.position) == ("30z", 7)
    assert "at character 8 of 'cvd,ti(30z)'" in str(error)


def test_one_metric_is_asked_for() -> None:
    with pytest.raises(MetricError, match="2 metrics"):
        parse_metric("cvd,last")


def test_endless_text_is_refused_quickly() -> None:
    with pytest.raises(MetricError, match="at most"):
        parse_metrics("cvd," * 100_000)


@given(st.text(alphabet="cvdti(),=0123456789.smhkM/$-+ \n\x00é", max_size=40))
def test_any_text_is_parsed_or_refused_with_a_reason(text: str) -> None:
    try:
        metrics = parse_metrics(text)
    except MetricError:
        return
    for metric in metrics:
        again = parse_metric(metric.canonical)
        assert (again.canonical, again.args) == (metric.canonical, metric.args)


@given(st.integers(1, 90 * 86_400 * S))
def test_durations_come_back_exactly(ns: int) -> None:
    assert parse_metric(f"ti({duration_text(ns)})").args == (ns,)


def test_registry_is_complete() -> None:
    rows = listing()
    assert len(rows) == len(SPECS) == len({row.usage for row in rows})
    for spec in SPECS.values():
        assert spec.name == spec.name.lower()
        assert spec.unit
        assert spec.meaning
        assert spec.warmup
        assert spec.group
        assert "\n" not in spec.meaning + spec.warmup
        needed = {
            "metric": "cvd",
            "factor": "1",
            "side": "bid",
            "bps": "10bps",
            "notional": "100k",
            "size": "1000",
            "count": "50",
        }
        given = [f"{p.name}={needed.get(p.kind, '1')}" for p in spec.params if p.default is None]
        text = f"{spec.name}({','.join(given)})" if given else spec.name
        if spec.name in ("slip", "cost"):
            text = text.replace("bid", "buy")
        metric = parse_metric(text)
        bound = spec.bind(*metric.args)
        assert (bound.make is None) != (bound.probe is None)
        assert bound.make is not None or not bound.field
        # What the venue tells of a contract is told beside book and trades; how far they can be relied on is known
        # just when they can't.
        assert bound.needs_book or bound.needs_trades or spec.group in ("contract", "trust")
        assert usage(spec).startswith(spec.name)


def test_every_calculator_knows_nothing_before_the_first_row() -> None:
    for metric in parse_metrics("vwap,vwap_dev,vwap_band(1),delta,cvd,ratio,ti,ti_z,speed,mean_size,poc,vah,val,last"):
        bound = bind(metric, LINEAR)
        assert bound.make is not None
        (value,) = bound.make(LINEAR).sample(bound.field, np.array([5 * S])).tolist()
        assert math.isnan(value), metric.key
