"""Conditions, levels, durations and rules as people write them, rightly and wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts.condition import ConditionError, parse_condition, parse_level
from engine.alerts.rule import SEVERITIES, compile_rule
from engine.duration import parse_duration
from engine.metrics.names import parse_metric

CVD = parse_metric("cvd")


@pytest.mark.parametrize(
    ("text", "metric", "comparison", "level", "absolute"),
    [
        ("vpin_pct(adv/50,50) >= 0.99", "vpin_pct(adv/50,50)", ">=", 0.99, False),
        ("vpin_pct>=99%", "vpin_pct(adv/50,50)", ">=", 0.99, False),
        ("  abs( delta(30s) )  >  50 ", "delta(30s)", ">", 50.0, True),
        ("abs(imbalance(10bps)) < .5", "imbalance(10bps)", "<", 0.5, True),
        ("slip(buy, $100k) > 10bps", "slip(buy,100000)", ">", 10.0, False),
        ("cvd_quote <= -$1.5M", "cvd_quote(session)", "<=", -1_500_000.0, False),
        ("last >= $70k", "last", ">=", 70_000.0, False),
        ("cvd > +3k", "cvd(session)", ">", 3000.0, False),
        ("TI(60s) > 7%", "ti(1m)", ">", 0.07, False),
    ],
)
def test_what_can_be_watched(text: str, metric: str, comparison: str, level: float, absolute: bool) -> None:
    found = parse_condition(text)
    assert (found.metric.canonical, found.comparison, found.level, found.absolute) == (
        metric,
        comparison,
        level,
        absolute,
    )
    assert found.text == text.strip()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vpn > 3", "unknown metric 'vpn'; did you mean 'vpin'?"),
        (
            "abs(imbalence(5)) > 0.7",
            "unknown metric 'imbalence' at character 1 of 'imbalence(5)'; did you mean 'imbalance'?",
        ),
        ("ti(3x) > 1", "a duration such as 250ms"),
        ("slip > 10", "slip lacks side"),
        ("slip(buy,1k,3) > 10", "one argument too many"),
        ("vpin", "expected a metric, one of > >= < <= and a level"),
        ("vpin >= ", "from character 9 on"),
        ("> 3", "from character 1 on"),
        ("mid == 3", "from character 5 on"),
        ("imbalance(5) => 0.7", "from character 14 on"),
        ("", "from character 1 on"),
        ("cvd > three", "'three' is not a level: write a number such as"),
        ("cvd > 1,5", "'1,5' is not a level"),
        ("cvd > nan", "is not a level"),
        ("cvd > 1e400", "is not a level"),
        ("cvd > __import__", "is not a level"),
        ("cvd > 10bps", "cvd is not in bps (its unit: base)"),
        ("cvd > $1M", "cvd is not in $ (its unit: base)"),
        ("ti_z > 50%", "ti_z is not in % (its unit: z)"),
        ("abs(cvd) > -5", "must be above 0"),
        ("abs(cvd) >= 0", "must be above 0"),
        ("cvd > 3 and mid < 5", "one comparison a rule"),
        ("cvd > 3 || mid < 5", "one comparison a rule"),
        ("x" * 501, "longer than 500 characters"),
        ("abs(cvd > 3", "can't read"),
        ("abs(abs(cvd)) > 3", "can't read"),
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
    assert parse_level(text, CVD) == float(text)
    assert parse_level(text + "k", CVD) == pytest.approx(1000 * float(text))


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
    assert (rule.hold, rule.rearm, rule.cooldown) == (2 * 10**9, 7.0, 300 * 10**9)
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
