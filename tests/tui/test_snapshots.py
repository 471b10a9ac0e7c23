"""How the screens look, as pictures: few, because every release of the screen library changes them a little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.monitor import make_app
from tui.alert_book import OwnAlert
from tui.app import FlowtapeApp
from tui.monitor import AlertFields

Compare = Callable[..., bool]


async def settle(pilot: Pilot[Any]) -> None:
    """Some frames, and no blinking cursor."""
    app = pilot.app
    assert isinstance(app, FlowtapeApp)
    await pilot.pause()
    for _ in range(3):
        app.monitor.step()  # type: ignore[attr-defined]
        app.clock.now += 0.1  # type: ignore[attr-defined]
        app.tick()
    for field in app.screen.query(Input):
        field.cursor_blink = False
    await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: "x".join(map(str, size)))
def test_the_main_screen(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(make_app(), terminal_size=size, run_before=settle)


def test_the_help_screen(snap_compare: Compare) -> None:
    assert snap_compare(make_app(), terminal_size=(100, 30), press=["question_mark"], run_before=settle)


def test_the_alert_editor(snap_compare: Compare) -> None:
    async def typed(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await pilot.press("a", *"imb")
        await settle(pilot)

    assert snap_compare(make_app(), terminal_size=(80, 24), run_before=typed)


def test_the_list_of_alerts_and_one_of_them(snap_compare: Compare) -> None:
    async def opened(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)

    own = (OwnAlert(AlertFields("lean", "imbalance(5) >= 0.7")),)
    assert snap_compare(make_app(alerts=own), terminal_size=(100, 30), run_before=opened)


def test_a_light_theme(snap_compare: Compare) -> None:
    assert snap_compare(make_app(theme="okabe-light"), terminal_size=(120, 40), run_before=settle)
