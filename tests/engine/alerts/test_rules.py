"""Conditions, levels, durations and rules as people write them, rightly and wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts.condition import (
    Absence,
    All,
    Compared,
    ConditionError,
    Count,
    Crosses,
    Extent,
    Leaf,
    Not,
    Plain,
    Some,
    Then,
    Within,
)
from engine.alerts.language import KEYWORDS, parse_condition, parse_quantity
from engine.alerts.quantity import Arithmetic, Magnitude, Number, Quantity, Reading, constant
from engine.alerts.rule import SEVERITIES, compile_rule, parse_expiry
from engine.duration import parse_duration
from engine.metrics.names import parse_metric
from engine.metrics.registry import SPECS


def reading(text: str) -> Reading:
    return Reading(parse_metric(text))


@pytest.mark.parametrize(
    ("text", "measured", "comparison", "level"),
    [
        ("vpin_pct(adv/50,50) >= 0.99", reading("vpin_pct(adv/50,50)"), ">=", Number(0.99)),
        ("vpin_pct>=99%", reading("vpin_pct"), ">=", Number(0.99, "%")),
        ("  abs( delta(30s) )  >  50 ", Magnitude(reading("delta(30s)")), ">", Number(50.0)),
        ("abs(imbalance(10bps)) < .5", Magnitude(reading("imbalance(10bps)")), "<", Number(0.5)),
        ("slip(buy, $100k) > 10bps", reading("slip(buy, $100k)"), ">", Number(10.0, "bps")),
        ("cvd_quote <= -$1.5M", reading("cvd_quote"), "<=", Number(-1_500_000.0, "$")),
        ("last >= $70k", reading("last"), ">=", Number(70_000.0, "$")),
        ("cvd > +3k", reading("cvd"), ">", Number(3000.0)),
        ("TI(60s) > 7%", reading("TI(60s)"), ">", Number(0.07, "%")),
        ("bid_size > 500 lots", reading("bid_size"), ">", Number(500.0, "lots")),
        ("age(trades) > 1.5m", reading("age(trades)"), ">", Number(90.0, "s")),
        ("vpin_age > 500ms", reading("vpin_age"), ">", Number(0.5, "s")),
        (
            "spread_bps > 1.5 * median(spread_bps, 1d)",
            reading("spread_bps"),
            ">",
            Arithmetic("*", Number(1.5), reading("median(spread_bps, 1d)")),
        ),
        (
            "bid_size - ask_size > (bid_size + ask_size) / 2",
            Arithmetic("-", reading("bid_size"), reading("ask_size")),
            ">",
            Arithmetic("/", Arithmetic("+", reading("bid_size"), reading("ask_size")), Number(2.0)),
        ),
    ],
)
def test_what_can_be_compared(text: str, measured: Quantity, comparison: str, level: Quantity) -> None:
    found = parse_condition(text)
    assert isinstance(found, Leaf)
    assert (found.measure, found.test) == (Plain(measured), Compared(comparison, level))


def test_every_form_there_is() -> None:
    cvd, last = Plain(reading("cvd")), Plain(reading("last"))
    one = Leaf("cvd", cvd, Compared(">", Number(1.0)), "base")
    two = Leaf("last", last, Compared("<", Number(2.0)), "price")
    second = 10**9
    for text, meaning in (
        ("last crosses up 2", Leaf("last", last, Crosses("up", Number(2.0)), "price")),
        ("last crosses above 2", Leaf("last", last, Crosses("up", Number(2.0)), "price")),
        ("last crosses down vwap", Leaf("last", last, Crosses("down", reading("vwap")), "price")),
        ("last crosses either 2", Leaf("last", last, Crosses("either", Number(2.0)), "price")),
        ("last crosses 2", Leaf("last", last, Crosses("either", Number(2.0)), "price")),
        ("cvd inside [-1, 2]", Leaf("cvd", cvd, Within("inside", Number(-1.0), Number(2.0)), "base")),
        ("cvd exits [-1, 2]", Leaf("cvd", cvd, Within("exits", Number(-1.0), Number(2.0)), "base")),
        (
            "last rises by 1.5% within 5m",
            Leaf(
                "last rises within 5m", Extent(reading("last"), "rises", True, 300 * second),
                Compared(">=", Number(0.015)), "ratio",
            ),
        ),
        (
            "last falls by $20 within 90s",
            Leaf(
                "last falls within 90s", Extent(reading("last"), "falls", False, 90 * second),
                Compared(">=", Number(20.0, "$")), "price",
            ),
        ),
        (
            "count(cvd > 1, 1m) >= 3",
            Leaf("count(cvd > 1, 1m)", Count(one, 60 * second), Compared(">=", Number(3.0)), "count"),
        ),
        ("trades absent for 5s", Leaf("trades absent", Absence("trades"), Compared(">=", Number(5.0, "s")), "s")),
        ("cvd absent for 5s", Leaf("cvd absent", Absence(reading("cvd")), Compared(">=", Number(5.0, "s")), "s")),
        ("cvd > 1 and last < 2 or cvd > 1", Some((All((one, two)), one))),
        ("cvd > 1 and (last < 2 or cvd > 1)", All((one, Some((two, one))))),
        ("not cvd > 1 and last < 2", All((Not(one), two))),
        ("cvd > 1 then last < 2 within 3s", Then(one, two, 3 * second)),
        ("cvd > 1 then last < 2 within 3s then cvd > 1 within 4s", Then(Then(one, two, 3 * second), one, 4 * second)),
    ):  # fmt: skip
        assert parse_condition(text) == meaning, text


def test_no_metric_is_named_like_a_word_of_the_language() -> None:
    assert not KEYWORDS & set(SPECS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vpn > 3", "column 1: unknown metric 'vpn'; did you mean 'vpin'?"),
        ("abs(imbalence(5)) > 0.7", "column 5: unknown metric 'imbalence'; did you mean 'imbalance'?"),
        ("cvd > 1 and vpn > 3", "column 13: unknown metric 'vpn'; did you mean 'vpin'?"),
        ("spread_bps > 3 * medain(spread_bps)", "column 18: unknown metric 'medain'; did you mean 'median'?"),
        ("pct(vpn, 1h) > 1", "column 5: unknown metric 'vpn'; did you mean 'vpin'?"),
        ("ti(3x) > 1", "column 4: ti: W can't be '3x': expected a duration such as 250ms"),
        ("slip > 10", "column 1: slip lacks side"),
        ("slip(buy,1k,3) > 10", "column 13: one argument too many"),
        ("vpin", "column 5: it ends too early; expected > >= < <=, crosses up, inside"),
        ("vpin >= ", "column 8: it ends too early"),
        ("> 3", "column 1: '> 3' is not expected here"),
        ("mid == 3", "column 5: '==': numbers that are measured are never exactly equal; write inside [low, high]"),
        ("mid != 3", "column 5: '!=': write outside"),
        ("imbalance(5) => 0.7", "column 14: '=': write >= or <="),
        ("", "column 1: nothing there"),
        ("cvd > three", "column 7: unknown metric 'three'"),
        ("cvd > 1,5", "column 8: ',5' is not expected here"),
        ("cvd > nan", "column 7: unknown metric 'nan'"),
        ("cvd > 1e400", "column 8"),
        ("cvd > 1111111111111111111", "is no number"),
        ("cvd > __import__", "column 7: unknown metric '__import__'"),
        ("cvd > 10bps", "column 1: cvd is not in bps (its unit: base); write a plain number"),
        ("cvd > $1M", "cvd is not in $ (its unit: base)"),
        ("ti_z > 50%", "ti_z is not in % (its unit: z)"),
        ("cvd > 5s", "cvd is not in lengths of time (its unit: base)"),
        ("cvd > mid", "cvd: what is in base can't be compared with what is in price"),
        ("cvd + mid > 3", "what is in base can't be added with what is in price"),
        ("abs(cvd) > -5", "column 12: abs(…) is never below 0, so its level must be above 0"),
        ("abs(cvd) >= 0", "must be above 0"),
        ("cvd > 3 && mid < 5", "column 9: '&&': write and"),
        ("cvd > 3 || mid < 5", "column 9: '||': write or"),
        ("cvd > 3 adn mid < 5", "column 9: 'adn' is not expected here; did you mean 'and'?"),
        ("cvd > 3 AND mid < 5", "did you mean 'and'?"),
        ("cvd cross up 3", "column 5: 'cross' is not expected here; did you mean 'crosses'?"),
        ("cvd rises by 1 wthin 5m", "column 16: 'wthin' is not expected here; did you mean 'within'?"),
        ("not cvd crosses up 3", "not can't be said of crosses"),
        ("not (cvd > 3 then mid < 5 within 1s)", "not can't be said of then"),
        ("3 > cvd", "column 1: a number where a metric is expected; write the metric first"),
        ("3 crosses up 4", "column 1: a number where a metric is expected"),
        ("cvd inside [3, 2]", "the range must begin with its lower end"),
        ("count(cvd > 1, 1m) < 3", "a count can be compared with >= or > only"),
        ("count(cvd > 1, 1m) >= 2.5", "must be a whole number from 1 to 10000"),
        ("count(cvd > 1, 2d) >= 2", "at most a day"),
        ("cvd rises by 1 within 0s", "above 0"),
        ("cvd rises by 1 within 5", "'5' is not a duration"),
        ("cvd rises by 0 within 5s", "must be above 0"),
        ("x" * 1001, "longer than 1000 characters"),
        ("abs(cvd > 3", "column 9"),
        (" and ".join(["cvd > 1"] * 41), "41 comparisons"),
    ],
)
def test_what_cannot(text: str, complaint: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.text(max_size=60))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    for whole in (text, f"cvd > {text}", f"{text} > 3", f"abs({text}) > 3"):
        try:
            parse_condition(whole)
        except ConditionError:
            continue


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6, allow_nan=False))
def test_a_level_is_the_nearest_double_of_its_text(value: object) -> None:
    text = f"{value:f}"
    assert constant(parse_quantity(text)) == float(text)
    assert constant(parse_quantity(text + "k")) == pytest.approx(1000 * float(text))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("0s", 0),
        ("1ms", 10**6),
        ("1.5ms", 1_500_000),
        ("0.25s", 250_000_000),
        ("30m", 1800 * 10**9),
        ("2h", 7200 * 10**9),
        ("1d", 86_400 * 10**9),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1w", "1 s s", "1e3s", "1.0005s", "400d", "999999999h"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|year"):
        parse_duration(text)


def test_a_rule_and_its_defaults() -> None:
    rule = compile_rule("toxic", "vpin > 0.5")
    assert (rule.on, rule.hold, rule.rearm, rule.cooldown, rule.severity, rule.message) == (
        "*",
        0,
        None,
        0,
        "warning",
        "",
    )
    assert rule.toxicity
    rule = compile_rule("x", "spread_bps > 10bps", "binance:*", "2s", "7bps", "5m", "info", "wide")
    assert (rule.hold, rule.rearm, rule.cooldown) == (2 * 10**9, Number(7.0, "bps"), 300 * 10**9)
    assert not rule.toxicity
    assert rule.applies("binance:ETH/USDT:USDT")
    assert not rule.applies("sim:ETH/USDT")
    assert compile_rule("x", "cvd > 1", "sim:[A]/B").applies("sim:[A]/B")


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("name", {"name": "a\x1b[2J"}),
        ("name", {"name": ""}),
        ("name", {"name": "n" * 61}),
        ("when", {"when": "vpn > 1"}),
        ("for", {"hold": "soon"}),
        ("rearm", {"rearm": "0.8"}),
        ("rearm", {"rearm": "high"}),
        ("rearm", {"rearm": "5bps"}),
        ("rearm", {"when": "vpin < 0.5", "rearm": "0.4"}),
        ("rearm", {"rearm": "vpin > 0.2"}),
        ("rearm", {"rearm": "vpin < 0.6"}),
        ("rearm", {"rearm": "vpn < 0.2"}),
        ("rearm", {"when": "abs(cvd) > 3", "rearm": "0"}),
        ("rearm", {"when": "cvd inside [1, 2]", "rearm": "0"}),
        ("rearm", {"when": "cvd > 1 or last > 2", "rearm": "0"}),
        ("rearm", {"when": "last crosses 5", "rearm": "4"}),
        ("rearm", {"when": "spread_bps > 3 * median(spread_bps)", "rearm": "4 * median(spread_bps)"}),
        ("keep_firing_for", {"when": "last crosses 5", "keep_firing_for": "3s"}),
        ("repeat", {"repeat": "10ms"}),
        ("stale_after", {"stale_after": "0"}),
        ("expires", {"expires": "tomorrow"}),
        ("message", {"message": "{valeu}"}),
        ("message", {"message": "{value.__class__}"}),
        ("message", {"message": "{value!r:>100}"}),
        ("message", {"message": "{"}),
        ("on", {"on": "binance:*,"}),
        ("cooldown", {"cooldown": "-1s"}),
        ("severity", {"severity": "critical"}),
    ],
)
def test_a_wrong_rule_names_its_key(key: str, more: dict[str, str]) -> None:
    given_fields = {"name": "n", "when": "vpin > 0.5"} | more
    with pytest.raises(ConditionError) as caught:
        compile_rule(**given_fields)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{key}: ")


def test_severities_are_one_set_everywhere() -> None:
    from typing import get_args

    from tui.config.model import Severity

    assert get_args(Severity) == SEVERITIES == ("info", "warning", "high")


def test_a_rearm_is_a_level_of_the_first_comparison_or_a_condition() -> None:
    assert compile_rule("n", "vpin > 0.5 and cvd > 3", rearm="0.4").rearm == Number(0.4)
    assert compile_rule("n", "last crosses up 5", rearm="4").rearm == Number(4.0)
    assert compile_rule("n", "cvd inside [1, 2]", rearm="cvd outside [0, 3]").rearm == parse_condition(
        "cvd outside [0, 3]"
    )
    assert compile_rule("n", "vpin > 0.5", rearm="vpin < 0.5 and cvd < 3").rearm is not None
    scaled = compile_rule("n", "depth(bid) < 30% * median(depth(bid))", rearm="50% * median(depth(bid))")
    assert {metric.name for metric in scaled.metrics} == {"depth", "median"}


def test_when_a_rule_is_over() -> None:
    assert parse_expiry("2026-12-31") == parse_expiry("2027-01-01T00:00") == 1_798_761_600 * 10**9
    assert parse_expiry("2027-01-01T01:00+01:00") == parse_expiry("2026-12-31")


def test_what_names_a_rule_and_its_trigger() -> None:
    rule = compile_rule("n", "vpin > 0.5", cooldown="5m")
    assert rule.trigger == compile_rule("other", " vpin  > 0.5 ", severity="high").trigger
    assert rule.version != compile_rule("n", "vpin > 0.5", severity="high", cooldown="5m").version
    for more in (
        {"hold": "1s"},
        {"rearm": "0.4"},
        {"keep_firing_for": "1s"},
        {"stale_after": "1m"},
        {"expires": "2027-01-01"},
    ):
        assert compile_rule("n", "vpin > 0.5", cooldown="5m", **more).trigger != rule.trigger  # type: ignore[arg-type]


def test_several_markets() -> None:
    rule = compile_rule("n", "vpin > 0.5", on="binance:*, sim:BTC/USDT")
    assert rule.applies("binance:ETH/USDT:USDT")
    assert rule.applies("sim:BTC/USDT")
    assert not rule.applies("sim:ETH/USDT")
