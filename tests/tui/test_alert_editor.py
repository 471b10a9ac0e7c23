"""Adding an alert while the market runs: wrong input is explained, right input is watched and kept."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from tests.tui.monitor import METRICS, FakeMonitor, make_app
from tests.tui.views import BTC, ETH
from tui.alert_book import OwnAlert
from tui.app import FlowtapeApp
from tui.monitor import AlertFields
from tui.panels.ladder import Ladder
from tui.screens.alert_editor import AlertEditor, Comparison, joined, matching, rule_name, split, value_text


class Keeper:
    """Remembers what it was told to keep; fails when told to."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.done: list[tuple[object, ...]] = []
        self._fails = fails

    def _do(self, *what: object) -> None:
        if self._fails is not None:
            raise self._fails
        self.done.append(what)

    def add(self, fields: AlertFields) -> None:
        self._do("add", fields)

    def replace(self, name: str, fields: AlertFields) -> None:
        self._do("replace", name, fields)

    def remove(self, name: str) -> None:
        self._do("remove", name)

    def enable(self, name: str, enabled: bool) -> None:
        self._do("enable", name, enabled)

    def presets(self, names: object) -> None:
        self._do("presets", names)


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
    keeper = Keeper()
    monitor = FakeMonitor()
    app = make_app(monitor, keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        await pilot.press(*"imba", "down", "enter")
        assert editor.query_one("#metric", Input).value == "imbalance(5)"
        assert "now" in str(editor.query_one("#now", Static).render())
        await pilot.press(*"0.7", "enter")
        await pilot.pause()
        assert app.screen is app.main
    expected = AlertFields("imbalance_5_0.7", "imbalance(5) >= 0.7", ETH.market)
    assert monitor.added == [expected]
    assert keeper.done == [("add", expected)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "pick a metric"),
        ({"metric": "vpin"}, "a level to compare with is missing"),
        ({"metric": "vpin", "level": "high"}, "when: column 9: unknown metric 'high'"),
        ({"metric": "imbalence(5)", "level": "0.7"}, "did you mean 'imbalance'?"),
        ({"metric": "vpin", "level": "0.7", "for_": "soon"}, "for: 'soon' is not a duration"),
        ({"metric": "vpin", "level": "0.7", "cooldown": "3"}, "cooldown: '3' is not a duration"),
        ({"metric": "vpin", "level": "0.7", "rearm": "0.8"}, "rearm: '0.8' must lie at or below"),
        ({"metric": "vpin", "level": "0.7", "name": "mine"}, "there is an alert 'mine' already"),
        ({"metric": "vpin", "level": "0.7", "also": "cvd >"}, "when: column 22: it ends too early"),
        ({"metric": "vpin", "level": "0.7", "severity": "loud"}, "severity: 'loud' must be one of"),
        ({"metric": "vpin", "level": "0.7", "expires": "soon"}, "expires: 'soon' is no day"),
        ({"metric": "vpin", "level": "0.7", "message": "{x}"}, "message: {x} can't be filled in"),
    ],
)
async def test_wrong_input_is_explained_and_nothing_is_added(fields: dict[str, str], expected: str) -> None:
    monitor = FakeMonitor()
    app = make_app(monitor, alerts=(OwnAlert(AlertFields("mine", "cvd > 1")),))
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
        more = {"keep": "1s", "repeat": "10m", "severity": "high", "also": "cvd > 1 or cvd < -1"}
        fill(
            editor,
            metric="vpim",
            level="0.7",
            for_="3s",
            rearm="0.5",
            cooldown="5m",
            on=BTC.market,
            name="mine",
            **more,
        )
        await pilot.press("enter")
        assert "unknown metric" in said(editor)
        fill(editor, metric="vpin(adv/50,50)")
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is app.main
    when = "vpin(adv/50,50) >= 0.7 and (cvd > 1 or cvd < -1)"
    expected = AlertFields("mine", when, BTC.market, "3s", "0.5", "5m", "high", keep_firing_for="1s", repeat="10m")
    assert monitor.added == [expected]


async def test_a_rule_that_cannot_be_kept_is_not_watched_either() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor, keeper=Keeper(OSError("read-only file system")))
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="vpin", level="0.7")
        await pilot.press("enter")
        assert "read-only file system" in said(editor)
        assert monitor.added == []
        assert app.screen is editor


async def test_an_engine_that_refuses_is_heard() -> None:
    monitor = FakeMonitor()
    monitor.refuses = "no market like that"
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="vpin", level="0.7")
        await pilot.press("enter")
        assert said(editor) == "no market like that"


async def test_a_percentile_becomes_the_level_it_stands_for() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="imbalance(5)", level="p99.5")
        editor.query_one("#level").focus()
        await pilot.press("tab")
        assert editor.query_one("#level", Input).value == "0.99"
        editor.query_one("#level").focus()
        await pilot.press("down")
        assert editor.query_one("#level", Input).value == "0.98"
        await pilot.press("up", "up")
        assert editor.query_one("#level", Input).value == "0.998"
        fill(editor, level="p50")
        await pilot.press("enter")
        await pilot.pause()
    assert [fields.when for fields in monitor.added] == ["imbalance(5) >= 0"]


async def test_it_says_how_often_it_would_have_fired() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="imbalance(5)")
        await pilot.pause()
        assert "last 45 min: p1 -0.9  p50 0.125  p99 0.9  " in str(editor.query_one("#now", Static).render())
        editor.show_preview()
        assert str(editor.query_one("#preview", Static).render()) == ""
        fill(editor, level="0.7")
        editor.show_preview()
        told = str(editor.query_one("#preview", Static).render())
        assert told == (
            "would have fired 3 times in 45 min (about 96 a day), longest 12 s, 1 held back by the cooldown"
        )
        fill(editor, rearm="0.9")
        editor.show_preview()
        assert "not a rule yet: rearm: '0.9' must lie" in str(editor.query_one("#preview", Static).render())


async def test_a_whole_condition_may_be_typed() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        editor = await open_editor(app, pilot)
        fill(editor, metric="cvd > 1 then vpin > 0.4 within 10s", also="mid > 5")
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is app.main
    assert [fields.when for fields in monitor.added] == ["(cvd > 1 then vpin > 0.4 within 10s) and mid > 5"]


async def test_an_alert_on_a_number_of_the_panel_and_on_a_price() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.press("5", "w")
        await pilot.pause()
        editor = app.screen
        assert isinstance(editor, AlertEditor)
        first = app.main.panels["flow"].metrics[0]
        assert editor.query_one("#metric", Input).value == first
        await pilot.press("escape", "1", "w")
        await pilot.pause()
        editor = app.screen
        assert isinstance(editor, AlertEditor)
        assert (editor.query_one("#metric", Input).value, editor.query_one(Comparison).value) == ("last", "crosses")
        before = float(editor.query_one("#level", Input).value)
        await pilot.press("up")
        assert float(editor.query_one("#level", Input).value) > before
        await pilot.press("enter")
        await pilot.pause()
        assert monitor.added[0].when.startswith("last crosses ")


async def test_a_price_that_is_clicked_twice() -> None:
    monitor = FakeMonitor()
    app = make_app(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.pause()
        ladder = app.main.panels["ladder"]
        assert isinstance(ladder, Ladder)
        y = next(y for y in range(3, 20) if ladder.price_at(y) is not None)
        price = ladder.price_at(y)
        await pilot.click("#ladder", offset=(5, y), times=2)
        await pilot.pause()
        editor = app.screen
        assert isinstance(editor, AlertEditor)
        assert float(editor.query_one("#level", Input).value) == price


@pytest.mark.parametrize(
    ("when", "parts"),
    [
        ("vpin >= 0.5", ("vpin", ">=", "0.5", "")),
        ("abs(ti_z(30s))  >= 4 and trades(30s) >= 30", ("abs(ti_z(30s))", ">=", "4", "trades(30s) >= 30")),
        ("last crosses up $70k", ("last", "crosses up", "$70k", "")),
        ("spread_bps > 3 * median(spread_bps,1d)", None),
        ("cvd > 1 or mid > 3", None),
        ("cvd > 1 and mid > 3 or cvd < 1", None),
        ("imbalance(5) inside [1, 2]", None),
        ("count(cvd > 1, 1m) >= 3", None),
        ("not cvd > 1", None),
    ],
)
def test_conditions_are_put_into_the_fields_only_when_they_fit(when: str, parts: tuple[str, ...] | None) -> None:
    assert split(when) == parts
    if parts is not None:
        assert joined(*parts) == " ".join(when.split())


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
        await pilot.press("right", "right", "equals_sign", "space", "space")
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
