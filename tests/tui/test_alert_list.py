"""The list of alerts: rules are switched, snoozed, edited and deleted; an alert opens the moment it was about."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from tests.tui.monitor import FakeMonitor, FakePlayback, make_app
from tests.tui.screen_text import screen_text
from tests.tui.test_alert_editor import Keeper
from tests.tui.views import ETH
from tui.alert_book import OwnAlert
from tui.app import FlowtapeApp
from tui.monitor import AlertFields
from tui.screens.alert_editor import AlertEditor
from tui.screens.alert_list import AlertList
from tui.screens.evidence import EvidenceScreen

LEAN = AlertFields("lean", "imbalance(5) >= 0.7", for_="3s", message="look")
OFF = AlertFields("quiet", "cvd > 5")


def made(monitor: FakeMonitor, keeper: Keeper | None = None) -> FlowtapeApp:
    own = (OwnAlert(LEAN), OwnAlert(OFF, enabled=False))
    return make_app(monitor, alerts=own, presets=("toxic-flow",), keeper=keeper)


async def open_list(app: FlowtapeApp, pilot: Pilot[Any], list_: str = "rules", at: int = 0) -> AlertList:
    app.tick()
    await pilot.press("r")
    await pilot.pause()
    assert isinstance(app.screen, AlertList)
    options = app.screen.query_one(f"#{list_}", OptionList)
    options.focus()
    options.highlighted = at
    await pilot.pause()
    return app.screen


def said(screen: AlertList) -> str:
    return str(screen.query_one("#said", Static).render())


def lines(screen: AlertList, list_: str) -> list[str]:
    options = screen.query_one(f"#{list_}", OptionList)
    return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_everything_is_listed(size: tuple[int, int]) -> None:
    app = made(FakeMonitor())
    async with app.run_test(size=size) as pilot:
        screen = await open_list(app, pilot)
        rules = lines(screen, "rules")
        assert [line.split()[:2] for line in rules] == [
            ["inactive", "lean"],
            ["off", "quiet"],
            ["inactive", "toxic-flow"],
            ["off", "drawdown"],
        ]
        assert len(lines(screen, "news")) == 3
        text = screen_text(app)
        assert "0 of 2 rules fire" in text
        assert "space on/off" in text


async def test_rules_and_presets_are_switched_and_kept() -> None:
    monitor, keeper = FakeMonitor(), Keeper()
    app = made(monitor, keeper)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_list(app, pilot, at=1)
        await pilot.press("space")
        assert said(screen) == "quiet is on"
        assert [fields.name for fields in monitor.added] == ["lean", "quiet"]
        await pilot.press("down", "down", "space")
        assert said(screen) == "drawdown is on"
        assert set(monitor.presets_on) == {"toxic-flow", "drawdown"}
    assert keeper.done == [("enable", "quiet", True), ("presets", ("toxic-flow", "drawdown"))]


async def test_what_cannot_be_kept_is_not_switched() -> None:
    monitor = FakeMonitor()
    app = made(monitor, Keeper(OSError("disk full")))
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_list(app, pilot, at=1)
        await pilot.press("space")
        assert "not changed: disk full" in said(screen)
        assert [fields.name for fields in monitor.added] == ["lean"]
        assert lines(screen, "rules")[1].startswith("off")


async def test_a_rule_is_deleted_at_the_second_press() -> None:
    monitor, keeper = FakeMonitor(), Keeper()
    app = made(monitor, keeper)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_list(app, pilot)
        await pilot.press("d")
        assert "d again deletes lean" in said(screen)
        await pilot.press("down", "d")
        assert "d again deletes quiet" in said(screen)  # another one was meant
        await pilot.press("up", "d", "d")
        assert said(screen) == "lean is deleted"
        assert [line.split()[1] for line in lines(screen, "rules")][:1] == ["quiet"]
        await pilot.press("down", "d")
        assert "only rules of your own" in said(screen)
    assert keeper.done == [("remove", "lean")]


async def test_snoozing_gets_longer_and_ends() -> None:
    monitor = FakeMonitor()
    app = made(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_list(app, pilot)
        await pilot.press("s")
        assert said(screen) == "lean is snoozed for 15 min on this market"
        assert monitor.snoozed == [("lean", ETH.market, 900.0)]
        await pilot.press("down", "s")
        assert said(screen) == "quiet does not watch this market"


async def test_a_rule_is_edited_with_what_it_had() -> None:
    monitor, keeper = FakeMonitor(), Keeper()
    app = made(monitor, keeper)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_list(app, pilot)
        await pilot.press("e")
        await pilot.pause()
        editor = app.screen
        assert isinstance(editor, AlertEditor)
        texts = {
            field: editor.query_one(f"#{field}", Input).value for field in ("metric", "level", "for", "message", "on")
        }
        assert texts == {"metric": "imbalance(5)", "level": "0.7", "for": "3s", "message": "look", "on": ""}
        editor.query_one("#level", Input).value = "0.8"
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert isinstance(app.screen, AlertList)
    expected = AlertFields("lean", "imbalance(5) >= 0.8", for_="3s", message="look")
    assert keeper.done == [("replace", "lean", expected)]
    assert monitor.added == [expected]


async def test_a_preset_is_not_edited() -> None:
    app = made(FakeMonitor())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_list(app, pilot, at=2)
        await pilot.press("enter")
        assert "toxic-flow is a preset" in said(screen)


async def test_all_are_muted_and_seen() -> None:
    monitor = FakeMonitor()
    app = made(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_list(app, pilot)
        await pilot.press("M")
        assert monitor.muted
        assert "ALL MUTED" in screen_text(app)
        await pilot.press("M", "A")
        assert not monitor.muted
        assert monitor.acknowledged == 1
        assert "all alerts are seen" in said(screen)
        await pilot.press("escape", "M")
        assert monitor.muted


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_an_alert_opens_the_moment_it_was_about(size: tuple[int, int]) -> None:
    monitor = FakeMonitor()
    monitor.playback = playback = FakePlayback()
    app = made(monitor)
    async with app.run_test(size=size) as pilot:
        await open_list(app, pilot, "news")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.pause()
        assert isinstance(app.screen, EvidenceScreen)
        text = screen_text(app)
        for said_ in ("vpin(adv/500,50) >= 0.45", "fired", "percentile", "peak", "trust", "held since"):
            assert said_ in text, said_
        assert "-1.000 s" in text
        assert "+1.000 s" in text
        await pilot.press("g")
        await pilot.pause()
        assert isinstance(app.screen, AlertList)
        event = monitor.overview().alerts[0]
        assert playback.state.t == event.t - 5_000_000_000


async def test_an_alert_of_which_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = FakeMonitor()
    monkeypatch.setattr(monitor, "evidence", lambda episode: None)
    app = made(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_list(app, pilot, "news")
        await pilot.press("enter")
        await pilot.pause()
        assert "Nothing is kept of this alert any more." in screen_text(app)
        await pilot.press("g", "j", "escape")
        assert isinstance(app.screen, AlertList)


async def test_enter_on_the_panel_of_alerts_opens_the_list() -> None:
    app = made(FakeMonitor())
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.press("6", "enter")
        await pilot.pause()
        assert isinstance(app.screen, AlertList)
