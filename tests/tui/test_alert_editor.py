"""Adding an alert while the market runs: wrong input is explained, right input is watched and kept."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from tests.tui.monitor import METRICS, FakeMonitor, make_app
from tests.tui.views import BTC, ETH
from tui.app import FlowtapeApp
from tui.monitor import AlertFields
from tui.screens.alert_editor import AlertEditor, Comparison, matching, rule_name, value_text


async def open_editor(app: FlowtapeApp, pilot: Pilot[Any]) -> AlertEditor:
    app.tick()
    await pilot.press("a")
    await pilot.pause()
    assert isinstance(app.screen, AlertEditor)
    return app.screen


def said(editor: AlertEditor) -> str:
    return str(editor.query_one("#problem", Static).render())


def fill(editor: AlertEditor, **fields: str) -> None:
    for field, text in fields.items():
        editor.query_one(f"#{field.rstrip('_')}", Input).value = text


async def test_picking_from_the_list_and_saving() -> None:
    saved: list[AlertFields] = []
    monitor = FakeMonitor()
    app = make_app(monitor, save_alert=saved.append)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        await pilot.press(*"imba", "down", "enter")
        assert editor.query_one("#metric", Input).value == "imbalance(5)"
        assert "now" in str(editor.query_one("#now", Static).render())
        await pilot.press(*"0.7", "enter")
        await pilot.pause()
        assert app.screen is app.main
    expected = AlertFields("imbalance_5_0.7", "imbalance(5) >= 0.7", ETH.market)
    assert saved == monitor.added == [expected]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "pick a metric"),
        ({"metric": "vpin"}, "a level to compare with is missing"),
        ({"metric": "vpin", "level": "high"}, "the level 'high' is not a number"),
        ({"metric": "vpin", "level": "nan"}, "is not a number"),
        ({"metric": "imbalence(5)", "level": "0.7"}, "did you mean 'imbalance'?"),
        ({"metric": "vpin", "level": "0.7", "for_": "soon"}, "For: 'soon' is no duration"),
        ({"metric": "vpin", "level": "0.7", "cooldown": "3"}, "Cooldown: '3' is no duration"),
        ({"metric": "vpin", "level": "0.7", "rearm": "0.8"}, "Re-arm: must lie below the level"),
        ({"metric": "vpin", "level": "0.7", "name": "toxic"}, "there is an alert 'toxic' already"),
    ],
)
async def test_wrong_input_is_explained_and_nothing_is_added(fields: dict[str, str], expected: str) -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, **fields)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert expected in said(editor)
        assert app.screen is editor
        assert monitor.added == []


async def test_wrong_then_right() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(60, 16)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="vpim", level="0.7", for_="3s", rearm="0.5", cooldown="5m", on=BTC.market, name="mine")
        await pilot.press("enter")
        assert "unknown metric" in said(editor)
        fill(editor, metric="vpin(adv/50,50)")
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is app.main
    assert monitor.added == [AlertFields("mine", "vpin(adv/50,50) >= 0.7", BTC.market, "3s", "0.5", "5m")]


async def test_a_rule_that_cannot_be_kept_is_not_watched_either() -> None:
    def save(_: AlertFields) -> None:
        raise OSError("read-only file system")

    monitor = FakeMonitor()
    app = make_app(monitor, save_alert=save)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="vpin", level="0.7")
        await pilot.press("enter")
        assert "not saved: read-only file system" in said(editor)
        assert monitor.added == []
        assert app.screen is editor


async def test_an_engine_that_refuses_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: AlertFields) -> None:
        raise ValueError("no market like that")

    monitor = FakeMonitor()
    monkeypatch.setattr(monitor, "add_rule", refuse)
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="vpin", level="0.7")
        await pilot.press("enter")
        assert said(editor) == "no market like that"


async def test_the_comparison_changes_by_keys() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        comparison = editor.query_one(Comparison)
        comparison.focus()
        await pilot.press("less_than_sign")
        assert comparison.value == "<"
        await pilot.press("equals_sign")
        assert comparison.value == "<="
        await pilot.press("space")
        assert comparison.value == ">"
        await pilot.press("left")
        assert comparison.value == "<="


async def test_the_value_shown_moves_with_the_market() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="cvd")
        await pilot.pause()
        before = str(editor.query_one("#now", Static).render())
        monitor.step(50)
        editor.show_value()
        after = str(editor.query_one("#now", Static).render())
        assert before.startswith("now ")
        assert after.startswith("now ")
        assert before != after


async def test_escape_adds_nothing() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="vpin", level="0.7")
        await pilot.press("escape")
        assert app.screen is app.main
        assert monitor.added == []


async def test_nothing_found_offers_nothing() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        await pilot.press(*"zzz", "down", "enter")
        options = editor.query_one("#metrics", OptionList)
        assert options.option_count == 1
        assert options.get_option_at_index(0).disabled


def test_names_are_short_unique_and_plain() -> None:
    assert rule_name("vpin(adv/50,50) >= 0.4", []) == "vpin_adv_50_50_0.4"
    assert rule_name("cvd > 5", ["cvd_5", "cvd_5_2"]) == "cvd_5_3"
    assert len(rule_name("x" * 500 + " > 1", [])) <= 40


def test_matching_puts_names_before_meanings() -> None:
    assert [metric[0] for metric in matching(METRICS, "vpin")] == ["vpin(adv/50,50)", "vpin_pct(adv/50,50)"]
    assert matching(METRICS, "best ask")[0][0] == "mid"
    assert len(matching(METRICS, "")) == len(METRICS)
    assert matching(METRICS, "imbalance(5)")[0][0] == "imbalance(5)"


def test_values_are_shown_with_enough_digits() -> None:
    assert [value_text(v) for v in (None, float("nan"), 0.123456, 104123.456)] == [
        "unknown now", "unknown now", "0.1235", "104,123.46",
    ]  # fmt: skip
