"""The monitor as a user meets it: sizes, keys, pausing, faults. On seeded markets, without a clock of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.view import Notice
from tests.tui.monitor import Clock, FakeMonitor, FakePlayback, make_app
from tests.tui.screen_text import screen_lines, screen_segments, screen_text
from tests.tui.views import BTC, ETH, NS, T0
from tui.actions import ACTIONS, APP
from tui.app import FlowtapeApp
from tui.arrangement import DEFAULT
from tui.config.holdings import Holdings
from tui.config.problems import ConfigError
from tui.delivery.courier import SinkStatus
from tui.delivery.desk import Desk
from tui.delivery.terminal import TerminalAlerts, TerminalOptions
from tui.delivery.terminals import find_path
from tui.layout import PANELS
from tui.panels.ladder import Ladder
from tui.screens.help import HelpScreen
from tui.screens.main import Look
from tui.screens.market_search import MarketSearch
from tui.screens.notices import NoticesScreen

SIZES = [(60, 16), (80, 24), (120, 40), (200, 60)]


def monitor_of(app: FlowtapeApp) -> FakeMonitor:
    assert isinstance(app.monitor, FakeMonitor)
    return app.monitor


async def frame(app: FlowtapeApp, pilot: Pilot[Any], steps: int = 1, seconds: float = 0.1) -> None:
    """So many steps of the market and a frame after each."""
    assert isinstance(app.clock, Clock)
    for _ in range(steps):
        monitor_of(app).step()
        app.clock.now += seconds
        app.tick()
    await pilot.pause()


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Let the app work until something has come true; what never does fails by the count of turns, not by time."""
    for _ in range(200):
        if condition():
            return
        await pilot.pause()
    pytest.fail("it never came true")


def problems(app: FlowtapeApp) -> list[str]:
    return [notice.text for notice in app._notices]


@pytest.mark.parametrize("size", SIZES)
async def test_every_panel_of_the_plan_is_painted(size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await frame(app, pilot, 12)
        text = screen_text(app)
        for name in app.main.desk.shown():
            title = app.main.panels[name].TITLE
            assert title
            assert title in text
        assert "SIMULATED" in text
        assert "ETH/USDT:USDT"[:8] in text
        assert all(len(line) == size[0] for line in screen_lines(app))
        assert problems(app) == []


def replaying() -> FakeMonitor:
    monitor = FakeMonitor()
    monitor.playback = FakePlayback()
    return monitor


async def test_every_key_can_be_pressed() -> None:
    app = make_app(replaying())
    async with app.run_test(size=(80, 24)) as pilot:
        for action in ACTIONS:
            for key in action.keys if action.id not in ("quit", "quit_now") else ():
                await pilot.press(key)
                await frame(app, pilot)
                if app.screen is not app.main:
                    await pilot.press("escape")
                assert app.screen is app.main, key
                assert app.is_running, key
        assert problems(app) == []


@pytest.mark.parametrize("size", [(50, 12), (60, 16), (120, 40), (200, 60)])
async def test_every_action_works_at_every_size(size: tuple[int, int]) -> None:
    app = make_app(replaying())
    async with app.run_test(size=size) as pilot:
        for action in ACTIONS:
            if action.id not in ("quit", "quit_now"):
                await app.run_action(action.action, app if action.scope == APP else app.main)
                await frame(app, pilot)
                if app.screen is not app.main:
                    app.pop_screen()
                assert app.is_running, action.id
        assert problems(app) == []


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_quit(key: str) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert not app.is_running or app._exit


async def test_ctrl_c_quits_from_a_dialog_where_text_is_typed() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("a", "q", "ctrl+c")
        await pilot.pause()
        assert app._exit


async def test_a_small_terminal_says_so_and_comes_back() -> None:
    app = make_app()
    async with app.run_test(size=(52, 14)) as pilot:
        await frame(app, pilot)
        assert "enlarge to at least 60×16 (now 52×14)" in screen_text(app)
        for size in ((1, 1), (2, 1), (1, 30), (120, 40), (1, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await frame(app, pilot, 2)
        text = screen_text(app)
        assert "enlarge" not in text
        assert "DEPTH" in text
        assert "CVD" in text
        assert problems(app) == []


async def test_the_ladder_fills_its_panel_at_every_size() -> None:
    for size in SIZES:
        app = make_app()
        async with app.run_test(size=size) as pilot:
            await frame(app, pilot, 2)
            ladder = app.main.panels["ladder"]
            assert len(ladder.texts()) == ladder.size.height
            assert all(line.strip() for line in ladder.texts())


async def test_pause_holds_the_picture_while_the_engine_runs_on() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 3)
        await pilot.press("space")
        # Slow panels too show the instant that is held: composed anew from its view, no row would differ.
        assert {app.main.panels[name].update_rows() for name in app.main.desk.shown()} == {0}
        before = {name: app.main.panels[name].texts() for name in app.main.desk.shown()}
        asked = len(monitor_of(app).requests)
        await frame(app, pilot, 30)
        assert {name: app.main.panels[name].texts() for name in app.main.desk.shown()} == before
        assert len(monitor_of(app).requests) == asked
        assert re.search(r"PAUSED since \d\d:\d\d:\d\d", screen_lines(app)[-2])
        await pilot.press("space")
        await frame(app, pilot, 10)
        assert app.main.panels["tape"].texts() != before["tape"]
        assert "PAUSED" not in screen_text(app)


async def test_panels_that_are_not_shown_cost_nothing() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(app, pilot, 3)
        _, request = monitor_of(app).requests[-1]
        assert request.tape_rows == 1
        assert request.metrics == ()
        assert request.ladder_rows > 10
        await pilot.press("7")
        await frame(app, pilot)
        _, request = monitor_of(app).requests[-1]
        assert request.tape_rows > 1
        assert request.series_columns == 1


async def test_on_a_small_screen_tab_cycles_what_stands_beside_the_ladder() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        seen = []
        for _ in range(6):
            await frame(app, pilot)
            seen.append(app.main.desk.beside)
            await pilot.press("tab")
        assert seen == ["cvd", "imbalance", "toxicity", "flow", "alerts", "tape"]
        assert app.main.desk.beside == "cvd"
        await pilot.press("shift+tab")
        assert app.main.desk.beside == "tape"
        assert app.main.panels["tape"].display


async def test_on_a_large_screen_tab_moves_the_focus() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        assert app.focused is app.main.panels["ladder"]
        order = [panel.id for panel in PANELS if panel.id in DEFAULT.panels]
        for name in [*order[1:], order[0]]:
            await pilot.press("tab")
            assert app.focused is app.main.panels[name]
        await pilot.press("5")
        assert app.focused is app.main.panels["flow"]


async def test_zoom_gives_one_panel_the_screen_and_takes_it_back() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 2)
        await pilot.press("7", "z")
        await frame(app, pilot, 2)
        assert app.main.desk.shown() == ["tape"]
        assert app.main.panels["tape"].size.width == 120
        await pilot.press("2")
        assert app.main.desk.shown() == ["cvd"]
        await pilot.press("escape")
        await frame(app, pilot)
        assert app.main.desk.shown() == [panel.id for panel in PANELS if panel.id in DEFAULT.panels]


async def test_market_switching_asks_for_the_new_markets_own_prices() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 2)
        await pilot.press("n")
        await pilot.pause()
        ladder = app.main.panels["ladder"]
        assert app.main.view is not None
        assert app.main.view.instrument is BTC
        shown = app.main.view.ladder
        assert shown.best_bid is not None
        assert shown.rows[-1].px < shown.best_bid < shown.rows[0].px
        assert any("104,12" in line for line in ladder.texts())
        await pilot.press("N")
        assert app.main.view.instrument is ETH
        await pilot.press("left")
        assert app.main.chosen.market == "binance:ETH/USD:ETH"


async def test_market_search() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(app, pilot)
        await pilot.press("slash", *"btc")
        assert isinstance(app.screen, MarketSearch)
        await pilot.press("enter")
        await pilot.pause()
        assert app.main.chosen.market == BTC.market
        await pilot.press("slash", *"nothing", "enter")
        assert isinstance(app.screen, MarketSearch)
        await pilot.press("escape")
        assert app.main.chosen.market == BTC.market


async def test_grouping_recentring_and_scrolling() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 2)
        ladder = app.main.panels["ladder"]
        assert isinstance(ladder, Ladder)
        group = ladder.group
        await pilot.press("plus")
        await frame(app, pilot)
        assert ladder.group > group
        assert app.main.view is not None
        assert app.main.view.ladder.group == ladder.group
        await pilot.press("minus")
        assert ladder.group == group
        top = app.main.view.ladder.rows[0].px
        await pilot.press(*["up"] * 5)
        await pilot.pause()
        assert app.main.view.ladder.rows[0].px == top + 5 * group
        await pilot.press("c")
        await pilot.pause()
        assert abs(app.main.view.ladder.rows[0].px - top) <= group


async def test_timeframe_and_smallest_print() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot)
        before = monitor_of(app).requests[-1][1]
        await pilot.press("right_square_bracket", "x")
        await frame(app, pilot)
        after = monitor_of(app).requests[-1][1]
        assert after.series_step > before.series_step
        assert before.tape_min == 0 < after.tape_min
        await pilot.press("left_square_bracket")
        await frame(app, pilot)
        assert monitor_of(app).requests[-1][1].series_step == before.series_step


async def test_the_wide_screen_shows_the_next_market_too() -> None:
    app = make_app()
    async with app.run_test(size=(200, 60)) as pilot:
        await frame(app, pilot, 3)
        assert "BTC/USDT" in app.main.panels["ladder2"].texts()[0]
        await pilot.press("n")
        await frame(app, pilot, 3)
        assert "ETH/USD:ETH" in app.main.panels["cvd2"].texts()[0]
    app = make_app(FakeMonitor([ETH]))
    async with app.run_test(size=(200, 60)) as pilot:
        await frame(app, pilot, 2)
        assert not app.main.panels["ladder2"].display


async def test_help_tells_keys_panels_and_metrics() -> None:
    app = make_app(keys={"pause": "f5"})
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        assert "F5" in screen_text(app)
        assert "Pause display" in screen_text(app)
        await pilot.press("end")
        await pilot.pause()
        assert "vpin_pct(adv/50,50)" in screen_text(app)
        await pilot.press("question_mark")
        assert app.screen is app.main


async def test_the_palette_runs_actions() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("colon", *"acknow")
        await until(pilot, lambda: "Take all alerts as seen" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: monitor_of(app).acknowledged == 1)


async def test_remapped_keys_work_and_the_old_ones_do_not() -> None:
    app = make_app(keys={"zoom": "f6", "nonsense": "x", "theme": "foo"})
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("z")
        assert app.main.desk.zoomed is None
        await pilot.press("f6")
        assert app.main.desk.zoomed == "ladder"
        assert len(problems(app)) == 2


async def test_themes_step_round() -> None:
    app = make_app(theme="clasic")
    async with app.run_test(size=(120, 40)) as pilot:
        assert app.theme == "okabe-dark"
        assert "did you mean 'classic'?" in problems(app)[0]
        for _ in app.themes.themes:
            await pilot.press("t")
            await frame(app, pilot)
        assert app.theme == "okabe-dark"


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_without_colour(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await frame(app, pilot, 3)
        assert app.theme == "mono"
        for key in ("question_mark", "a", "ctrl+p", "slash", "i", "I", "b"):
            await pilot.press(key)
            await frame(app, pilot, 5)
            await pilot.press("escape")
        colours = {
            segment.style.color.name for segment in screen_segments(app) if segment.style and segment.style.color
        }
        assert colours <= {"default"}
        assert problems(app) == []


async def test_replay_keys_work_only_while_replaying() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p", "greater_than_sign", "full_stop")
        assert app.main.check_action("speed", ()) is None
    monitor = FakeMonitor()
    playback = monitor.playback = FakePlayback()
    app = make_app(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p")
        assert playback.state.paused
        await pilot.press("p", "greater_than_sign", "greater_than_sign", "less_than_sign")
        assert not playback.state.paused
        assert playback.state.speed == 2
        await pilot.press("full_stop", "full_stop", "comma")
        assert playback.state.t == T0 + 70 * NS
        await pilot.press(*["comma"] * 20)
        assert playback.state.t == T0


async def test_an_alert_calls_once_and_raises_one_toast() -> None:
    clock, out = Clock(), []  # type: ignore[var-annotated]
    path = find_path({"TERM": "foot", "LANG": "C.UTF-8"})
    app = make_app(
        clock=clock,
        desk=lambda: Desk(clock),
        terminal=lambda write: TerminalAlerts(out.append, path, TerminalOptions()),
    )
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: bool(app.calling._desk and app.calling._desk.terminal))
        for _ in range(5):
            monitor_of(app).fire()
        await pilot.pause()
        assert out.count("\a") == 1
        assert len([text for text in out if "777;notify" in text]) == 5
        assert len(app._notifications) == 1
        monitor_of(app).fire(kind="resolved")
        monitor_of(app).fire(delivered=False)
        assert len(out) == 6
        clock.now += 60
        app.tick()
        assert out[-1] == "\x1b]2;(2!) flowtape\a"
        await pilot.press("m")
        clock.now += 60
        monitor_of(app).fire(when="[bold]markup[/] \x1b[2J")
        await until(pilot, lambda: "[bold]markup" in screen_text(app))
        assert out.count("\a") == 1
        assert "\x1b" not in screen_text(app)
    assert out[-1] == "\x1b[23;2t"


async def test_a_sink_that_fails_is_on_the_status_line() -> None:
    class Failing:
        def status(self) -> tuple[SinkStatus, ...]:
            return (
                SinkStatus("ops", "webhook", 3, None, 0, 0, 0, 0, "HTTP 503"),
                SinkStatus("log", "file", 0, None, 9, 0, 0, 0, ""),
            )

    desk: Any = Desk(Clock())
    desk.courier = Failing()
    app = make_app(desk=lambda: desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: bool(app.calling._desk))
        await frame(app, pilot, steps=12)
        await until(pilot, lambda: "ops not delivering" in screen_text(app))
        assert "log not" not in screen_text(app)


async def test_acknowledging_clears_the_badge() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 2)
        assert "2 new" in screen_text(app)
        await pilot.press("A")
        await frame(app, pilot, 5)
        assert "2 new" not in screen_text(app)
        assert monitor_of(app).acknowledged == 1


async def test_copying_sends_every_number(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot)
        await pilot.press("y")
        cells = app.clipboard.split("\t")
        assert cells[0] == ETH.market
        assert cells[1].startswith("2025-")
        assert app.main.view is not None
        usual = {"bid", "ask", "last", "mid", "spread_bps", "cvd", "delta(60s)"}
        assert dict(cell.split("=") for cell in cells[2:]).keys() >= {*usual, *app.main.view.metrics}


async def test_an_engine_that_stops_leaves_the_screen_alive() -> None:
    async def start() -> None:
        raise OSError("no route to host")

    app = FlowtapeApp(FakeMonitor(), start, make_app().options)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: bool(problems(app)))
        await frame(app, pilot)
        assert "stopped: OSError: no route to host" in screen_lines(app)[-1]
        await pilot.press("n")
        assert app.main.chosen.market == BTC.market


async def test_the_engine_starts_after_the_first_frame_and_is_cancelled_at_the_end() -> None:
    told: list[str] = []

    async def start() -> None:
        told.append("DEPTH" in screen_text(app))  # type: ignore[arg-type]
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    app = FlowtapeApp(FakeMonitor(), start, make_app().options)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert told == [True]
    assert told == [True, "cancelled"]


async def test_a_failing_engine_call_is_reported_once() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        monitor_of(app).fails = RuntimeError("broken [b]")
        await frame(app, pilot, 5)
        assert problems(app) == ["RuntimeError: broken [b]"]
        await pilot.press("n", "c", "plus")
        assert app.is_running
        monitor_of(app).fails = None
        await frame(app, pilot, 5)
        assert app.main.view is not None


async def test_a_failing_panel_does_not_take_the_others_down(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:

        def fail(*_: object, **__: object) -> int:
            raise ZeroDivisionError("a fault")

        monkeypatch.setattr(app.main.panels["flow"], "present", fail)
        await frame(app, pilot, 20)
        assert len(problems(app)) == 1
        assert "ZeroDivisionError: a fault" in problems(app)[0]
        assert any("▲" in line or "▼" in line for line in app.main.panels["tape"].texts())


async def test_notices_show_and_make_way_for_the_keys() -> None:
    monitor = FakeMonitor()
    monitor.notices = (Notice(T0, "binance", "a hostile\x1b]0;x\x07 [red]text"),)
    app = make_app(monitor, notices=(("config", "line 3: unknown key"),))
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot)
        assert "config: line 3: unknown key" in screen_lines(app)[-1]
        await frame(app, pilot, 1, seconds=30)
        assert "help" in screen_lines(app)[-1]
        assert "2 notices" in screen_lines(app)[-1]
        await pilot.press("I")
        await pilot.pause()
        assert isinstance(app.screen, NoticesScreen)
        assert "[red]text" in screen_text(app)
        assert "\x1b" not in screen_text(app)


async def test_no_market_at_all() -> None:
    app = make_app(FakeMonitor([]))
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 3)
        await pilot.press("n", "a", "y", "slash", "escape", "c", "plus", "up")
        await frame(app, pilot, 3)
        assert problems(app) == []
        assert "no data yet" in screen_text(app)


async def test_the_picture_under_a_dialog_goes_on_slowly() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 100)
        await pilot.press("question_mark")
        asked = len(monitor_of(app).requests)
        await frame(app, pilot, 20)
        assert len(monitor_of(app).requests) - asked == 4


async def test_a_resize_while_paused_fills_the_new_size() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(app, pilot, 3)
        await pilot.press("space")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: app.main.panels["ladder"].size.height == 37)
        await until(pilot, lambda: all(line.strip() for line in app.main.panels["ladder"].texts()))
        assert any(line.strip() for line in app.main.panels["tape"].texts()[1:])


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_layouts_show_their_panels_when_they_are_chosen(size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await frame(app, pilot, 2)
        assert "cost" not in app.main.panels, "nothing is made that was never shown"
        for name in ("scalp", "toxicity", "cost", "risk", "default"):
            await pilot.press("L")
            await frame(app, pilot, 3)
            assert app.main.desk.arrangement.name == name
            text = screen_text(app)
            for panel in app.main.desk.shown():
                assert app.main.panels[panel].TITLE in text, (name, panel)
                assert len(app.main.panels[panel].texts()) == app.main.panels[panel].size.height
        assert problems(app) == []


async def test_provenance_tells_where_the_numbers_of_the_focused_panel_come_from() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 2)
        await pilot.press("5", "e")
        await pilot.pause()
        text = screen_text(app)
        assert "Flow: where its numbers come from" in text
        assert "what last means" in text
        assert "window 60s; 50% of it on the tape" in text
        assert "trades LIVE" in text
        assert "warm-up: from the first trade on" in text
        await pilot.press("e")
        assert app.screen is app.main
        await pilot.press("7", "e")
        await pilot.pause()
        assert "there is no number in it" in screen_text(app)


async def test_a_position_is_entered_kept_and_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "positions.json"
    app = make_app(look=Look(holdings=Holdings(file)))
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 2)
        await pilot.press("P", *"x1", "enter")
        assert "Size: 'x1' is not a number" in screen_text(app)
        await pilot.press("backspace", "backspace", *"-1.5", "tab", *"3000", "tab", *"450", "enter")
        await frame(app, pilot, 2)
        assert app.screen is app.main
        _, request = monitor_of(app).requests[-1]
        held = Holdings(file).of(ETH.market)
        assert held is not None
        assert (held.size, held.entry, held.margin, held.maintenance) == (-1.5, 3000.0, 450.0, 0.005)
        assert request.position == held
        await pilot.press("P", "tab", "tab", "ctrl+u", *"10x", "enter")
        await frame(app, pilot)
        held = Holdings(file).of(ETH.market)
        assert held is not None
        assert held.margin == pytest.approx(1.5 * 3_000 / 10)
        await pilot.press("P", *["backspace"] * 4, "enter")
        await frame(app, pilot)
        assert Holdings(file).of(ETH.market) is None
    assert problems(app) == []


def test_positions_that_cannot_be_read_are_said_and_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "positions.json"
    file.write_text("[1, 2]")
    holdings = Holdings(file)
    assert holdings.problem is not None
    assert "positions not read" in holdings.problem
    with pytest.raises(ConfigError):
        holdings.put("sim:X", None)
    assert file.read_text() == "[1, 2]"
    file.write_text('{"sim:X": {"size": "many"}}')
    assert Holdings(file).of("sim:X") is None


async def test_one_number_is_explained_by_choice_or_by_name() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(app, pilot, 2)
        await pilot.press("5", "i")
        await pilot.pause()
        first = screen_text(app)
        assert "Flow: where a number comes from" in first
        assert "window 60s; 50% of it on the tape" in first
        names = app.main.panels["flow"].metrics
        assert f"what {names[0]} means" in first
        await pilot.press("down")
        await pilot.pause()
        assert f"what {names[1]} means" in screen_text(app)
        await pilot.press(*"ti(7s)")
        await pilot.pause()
        assert "what ti(7s) means" in screen_text(app)
        await pilot.press("escape", "7", "i")
        await pilot.pause()
        assert "what last means" in screen_text(app), "the tape's own numbers are those of the market"
    assert problems(app) == []


async def test_an_anchor_is_typed_asked_for_and_taken_away() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await frame(app, pilot, 2)
        await pilot.press("b", *"noon", "enter")
        await pilot.pause()
        assert "'noon' is no time" in screen_text(app)
        await pilot.press("ctrl+u", *"10s", "enter")
        await frame(app, pilot, 2)
        assert app.screen is app.main
        _, request = monitor_of(app).requests[-1]
        assert request.anchor is not None
        assert any(key.startswith("vwap(20") for key in request.metrics)
        assert "since" in screen_text(app)
        await pilot.press("b", "ctrl+u", "enter")
        await frame(app, pilot, 2)
        assert monitor_of(app).requests[-1][1].anchor is None
    assert problems(app) == []
