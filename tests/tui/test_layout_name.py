"""Keeping the panels on the screen as a layout: what is kept, under which name, and what is said when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.monitor import make_app
from tests.tui.screen_text import screen_text
from tui.arrangement import BUILT_IN, DEFAULT, Arrangement
from tui.commands.monitor import _save_layout
from tui.config.loading import load
from tui.config.own_alerts import ConfigAlerts
from tui.monitor import AlertFields
from tui.screens.layout_name import LayoutName, read_name


def test_the_panel_beside_comes_to_the_head_of_the_second_column() -> None:
    scalp = BUILT_IN["scalp"]
    assert scalp.with_beside("cvd") is scalp
    assert scalp.with_beside("ladder") is scalp
    assert scalp.with_beside("tape").columns == (("ladder",), ("tape", "cvd", "signal"), ("liquidity",))
    assert scalp.with_beside("risk").columns == (("ladder",), ("risk", "cvd", "signal"), ("liquidity", "tape"))
    assert Arrangement("one", (("tape",),)).with_beside("risk").columns == (("tape",), ("risk",))
    assert DEFAULT.with_beside("tape").columns == (
        ("ladder",),
        ("tape", "cvd", "imbalance", "flow", "cvd2"),
        ("toxicity", "alerts", "ladder2"),
    )


@pytest.mark.parametrize("text", ["", "  ", "x" * 65, "a\x07b", "a\u202eb"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Name: "):
        read_name(text)


async def test_a_layout_is_saved_and_at_once_among_those_to_choose(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    app = make_app(save_layout=lambda layout: _save_layout(file, layout))
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.press("L", "S")
        await pilot.pause()
        assert isinstance(app.screen, LayoutName)
        assert "Columns: ladder | cvd, signal | liquidity, tape" in screen_text(app)
        await pilot.press("enter")
        assert "Name: missing" in screen_text(app)
        await pilot.press(*"mine", "enter")
        await pilot.pause()
        assert app.screen is app.main
        assert app.main.desk.arrangement.name == "mine"
        await pilot.press("L")
        assert app.main.desk.arrangement is DEFAULT
        app.main.action_layout(-1)
        assert app.main.desk.arrangement.columns == BUILT_IN["scalp"].columns
    loaded = load(file, environ={})
    assert loaded.problems == ()
    assert loaded.config.layout.name == "mine"
    assert loaded.config.layouts["mine"].columns == BUILT_IN["scalp"].columns


async def test_a_small_screen_keeps_the_panel_it_shows_and_zoom_keeps_that_alone() -> None:
    saved: list[Arrangement] = []
    app = make_app(save_layout=saved.append)
    async with app.run_test(size=(80, 24)) as pilot:
        app.tick()
        await pilot.press("7", "S", *"trades", "enter")
        await pilot.pause()
        assert app.main.desk.beside == "tape"
        assert saved == [Arrangement("trades", DEFAULT.with_beside("tape").columns)]
        await pilot.press("z", "S")
        await pilot.pause()
        assert app.screen.query_one("#name", Input).value == "trades", "a layout of one's own is offered"
        await pilot.press("enter")
        await pilot.pause()
        assert len(saved[1].panels) == 1
        assert app.main.layouts["trades"] is app.main.desk.arrangement


async def test_a_name_that_is_taken_needs_a_second_word() -> None:
    saved: list[Arrangement] = []
    app = make_app(save_layout=saved.append)
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.press("S", *"cost", "enter")
        await pilot.pause()
        assert 'There is a layout "cost" already' in screen_text(app)
        assert saved == []
        await pilot.press("enter")
        await pilot.pause()
        assert saved == [Arrangement("cost", DEFAULT.columns)]


async def test_what_cannot_be_saved_is_said_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("fps = = 3\n")
    app = make_app(save_layout=lambda layout: _save_layout(file, layout))
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.press("S", *"mine", "enter")
        await pilot.pause()
        assert isinstance(app.screen, LayoutName)
        assert "for it has errors" in " ".join(screen_text(app).split())
        await pilot.press("escape")
        assert "mine" not in app.main.layouts
    with pytest.raises(ValueError, match="not edited, for it has errors"):
        ConfigAlerts(file).add(AlertFields("a", "cvd > 1"))
    assert file.read_text() == "fps = = 3\n"


async def test_the_palette_has_every_layout_also_one_just_saved() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.press("S", *"a[b]", "enter")
        await pilot.pause()
        for name in ("risk", "a[b]"):
            await pilot.press("colon", *f"Layout: {name}")
            for _ in range(200):
                if f"Layout: {name}" in screen_text(app).replace(f"> Layout: {name}", "", 1) and "Show " in screen_text(
                    app
                ):
                    break
                await pilot.pause(0.02)
            await pilot.press("down", "enter")
            for _ in range(200):
                if app.screen is app.main and app.main.desk.arrangement.name == name:
                    break
                await pilot.pause(0.02)
            assert app.main.desk.arrangement.name == name
