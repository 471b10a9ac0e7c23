"""Imbalance, toxicity and flow: bars from the centre, presets in words, units beside numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.names import parse_metric
from engine.view import ChannelView, MarketView, RuleView, ViewRequest
from tests.tui.panels.harness import lines, painted
from tests.tui.views import ETH_COIN, NS, FakeMarket, make_overview, make_view
from tui.panels import glyphs
from tui.panels.flow import CONTRACT, WINDOWS, Flow, windows
from tui.panels.imbalance import GAUGES, METRICS, Imbalance, arm, chosen, imbalance_rows, paint_bar
from tui.panels.toxicity import PRESETS, Toxicity, gauge, reading

RULE = RuleView("toxic", "vpin(adv/500,50) >= 0.45", "firing", 0.52, 0.45, None, 1, 0, True)


def toxic_view(**changes: object) -> MarketView:
    fast = PRESETS[1]
    metrics = {fast.vpin: 0.52, fast.percentile: 0.995, fast.null: 0.25, fast.fill: 0.4, fast.age: 75.0}
    return make_view(metrics=metrics | dict(changes), rules=())


@given(st.floats(-1, 1), st.integers(30, 80))
def test_bars_grow_from_the_centre_to_their_side(value: float, width: int) -> None:
    key = imbalance_rows(make_view(metrics={"imbalance(5)": value}), width, 20)[1]
    text = "".join(part for _, part in paint_bar(key, width, glyphs.BRAILLE))
    zero = text.index("│")
    filled = [i for i, char in enumerate(text[: zero + 1 + arm(width)]) if char in "█▌▐"]
    if value > 0:
        assert filled[0] == zero + 1
        assert len(filled) == pytest.approx(value * arm(width), abs=1)
    elif value < 0:
        assert filled[-1] == zero - 1
        assert len(filled) == pytest.approx(-value * arm(width), abs=1)
    else:
        assert not filled


def test_order_flow_bars_are_bounded_and_their_numbers_are_not() -> None:
    key = imbalance_rows(make_view(metrics={"ofi(1s)": 5.0, "ofi(10s)": -1e6}), 60, 20)
    one, ten = key[9], key[10]
    assert one.halves == arm(60)  # 5 queues: half an arm
    assert -2 * arm(60) <= ten.halves < -2 * arm(60) * 0.98
    assert "5.000" in one.value
    assert "1.000M" in ten.value


def test_the_most_wanted_gauges_stay_when_there_is_little_room() -> None:
    assert [gauge.metric for gauge in chosen(3)] == ["imbalance(5)", "ti(10s)", "ofi(10s)"]
    assert len(chosen(100)) == len(GAUGES) == len(METRICS)


def test_only_the_rows_of_a_stale_channel_are_dim() -> None:
    view = make_view(metrics=dict.fromkeys(METRICS, 0.5))
    view = replace(view, book=ChannelView("RESYNC", "", view.t, 0, view.t))
    rows = painted(Imbalance(), view, make_overview(view), 60, 13)
    assert "book RESYNC" in "".join(text for _, text in rows[0])
    for runs in rows[2:]:
        roles = {role for role, _ in runs}
        assert ("stale" in roles) == ("trade" not in runs[0][1])


@given(st.floats(0, 1), st.floats(0, 1), st.integers(3, 60))
def test_the_gauge_shows_value_and_chance(value: float, null: float, width: int) -> None:
    text = gauge(value, null, width, glyphs.BRAILLE)
    assert len(text) == width
    assert text.count("┃") == 1
    assert text.index("┃") == pytest.approx(null * width, abs=1)
    assert sum(char in "█▌┃" for char in text) == pytest.approx(value * width, abs=2)


def test_a_preset_shows_value_percentile_chance_excess_bucket_and_age() -> None:
    whole = "\n".join(lines(Toxicity(), toxic_view(), make_overview(), 40, 14))
    for part in ("fast   0.520", "p99 ", "chance 0.250", "excess +0.270", "bucket  40%", "age 75 s", "not a forecast"):
        assert part in whole, whole


def test_extreme_percentiles_are_toxic_and_usual_ones_are_not() -> None:
    fast = PRESETS[1]
    assert reading(toxic_view(), fast).toxic
    assert not reading(toxic_view(**{fast.percentile: 0.98}), fast).toxic
    assert not reading(toxic_view(**{fast.percentile: None}), fast).toxic


def test_what_is_missing_for_a_value_is_said() -> None:
    view = make_view(metrics={PRESETS[2].fill: 0.24})
    whole = "\n".join(lines(Toxicity(), view, make_overview(), 50, 14))
    assert "no bucket size yet" in whole
    assert "needs a day's volume (--adv SIZE)" in whole
    assert "warming: open bucket 24%" in whole
    assert "needs 50 of adv/5000, about 14 min" in whole
    assert "0.000" not in whole


def test_firing_rules_are_a_word_in_reverse_and_stand_first() -> None:
    view = toxic_view()
    idle = replace(RULE, rule="calm", state="inactive")
    other = replace(RULE, rule="elsewhere", toxicity=False)
    view = replace(view, rules=(idle, replace(RULE, since=view.t - 12 * NS), other))
    rows = painted(Toxicity(), view, make_overview(), 44, 16)
    assert ("alert", " TOXIC ") in [(role, text) for role, text in rows[0]]
    texts = ["".join(text for _, text in runs) for runs in rows]
    firing = next(i for i, text in enumerate(texts) if "FIRING" in text)
    calm = next(i for i, text in enumerate(texts) if "calm" in text)
    assert firing < calm
    assert rows[firing][0][0] == "alert"
    assert "12 s" in texts[firing]
    assert not any("elsewhere" in text for text in texts)


def test_without_a_rule_the_panel_says_how_to_get_one() -> None:
    assert any("press a" in text for text in lines(Toxicity(), toxic_view(), make_overview(), 44, 16))


def test_flow_numbers_follow_the_window_and_keep_their_units() -> None:
    panel = Flow()
    panel.shift_window(1)
    assert "delta(5m)" in panel.metrics
    assert "cvd" in panel.metrics
    for _ in range(9):
        panel.shift_window(1)
    assert panel.window == WINDOWS[-1]
    coin = FakeMarket(1, ETH_COIN).run(50)
    panel = Flow()
    view = coin.view(ViewRequest(metrics=panel.metrics))
    texts = lines(panel, view, make_overview(), 60, 12)
    delta = next(text for text in texts if "delta" in text)
    assert "USD" in delta  # an inverse contract counts in its quote currency
    assert "bps" in next(text for text in texts if "spread" in text)


def test_a_contract_shows_what_its_venue_tells_of_it() -> None:
    panel = Flow()
    told = {"funding_bps": 1.25, "funding_due": 3_725.4, "open_interest": 98_765.0, "liq_delta(1h)": -12.0}
    assert set(told) < set(panel.metrics)
    perpetual = FakeMarket(1, ETH_COIN).run(50).view(ViewRequest(metrics=panel.metrics))
    mute = dict.fromkeys(key for key in panel.metrics if key in {n.metric for n in CONTRACT})
    texts = lines(panel, replace(perpetual, metrics={**perpetual.metrics, **mute, **told}), make_overview(), 60, 14)
    shown = " ".join(" ".join(texts).split())
    assert "funding +1.25 bps" in shown
    assert "settles 1:02:05" in shown
    assert "liq. net −12.00 USD" in shown
    assert "basis" not in shown
    spot = FakeMarket(1).run(50).view(ViewRequest(metrics=panel.metrics))
    assert "funding" not in " ".join(lines(panel, spot, make_overview(), 60, 14))


def test_missing_trades_are_said_beside_the_numbers() -> None:
    panel = Flow()
    view = FakeMarket(1).run(50).view(ViewRequest(metrics=panel.metrics), holes=12)
    assert "12 trades missing" in lines(panel, view, make_overview(), 60, 12)[0]


def test_every_number_a_panel_asks_for_is_a_metric() -> None:
    keys = {*METRICS, *Toxicity.METRICS}
    for window in WINDOWS:
        keys |= set(Flow(window=window).metrics)
    for key in keys:
        assert parse_metric(key).key == key


def test_the_users_windows_take_their_places() -> None:
    panel = Flow(window="2m")
    assert (panel.window, "delta(2m)" in panel.metrics) == ("2m", True)
    panel.shift_window(1)
    assert panel.window == "5m"
    panel.shift_window(-2)
    assert panel.window == "60s"
    assert windows("1m") == ("10s", "1m", "5m", "1h")
    bars = Imbalance(flow="2m", ofi="3s")
    assert {"ti(10s)", "ti(2m)", "ofi(1s)", "ofi(3s)"} <= set(bars.metrics)
    assert not {"ti(60s)", "ofi(10s)"} & set(bars.metrics)
    assert len(Imbalance(flow="10s", ofi="1s").metrics) == len(METRICS) - 2
    view = make_view(metrics={"ti(2m)": 0.25, "ofi(3s)": -2.0})
    whole = "\n".join(lines(bars, view, make_overview(view), 60, 13))
    assert "trade 2m" in whole
    assert "OFI 3s" in whole
    assert "+0.25" in whole
