"""Textual's own frames on one terminal, ours on another: the same screens, whatever the application does.

A real application with random panels, sizes, dialogs and messages writes to a driver that hands every frame to two
terminals, as it is and as a difference that leaves now and then. FLOWTAPE_EQUIVALENCE sets how many such sessions are
played (3); each compares its screen some twenty times, by the strict terminal of these tests and by pyte.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pyte
import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.containers import Grid, VerticalScroll
from textual.driver import Driver
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import DataTable, Input, Static

from tests.tui.driver.reference_terminal import ReferenceTerminal
from tui.driver.picture import Picture
from tui.driver.thrifty import FRAME, HARMLESS

SESSIONS = int(os.environ.get("FLOWTAPE_EQUIVALENCE", "3"))
STEPS = 20
SIZES = [(80, 24), (120, 40), (33, 7), (200, 60), (20, 50), (5, 3)]
PIECES = ["63,999.5", " ", "    ", "▐██", "⣿⡇⠂", "漢字", "bid", "▲", "─┼─", "0", "한국", "e\u0301", "°C", "🚀"]
COLORS = ["red", "bright_green", "#56b4e9", "#e69f00", "color(99)", "default"]


def same(stock: pyte.Screen, ours: pyte.Screen) -> list[tuple[object, ...]]:
    """Places where two screens of pyte's do not look the same."""

    def seen(screen: pyte.Screen, x: int, y: int) -> tuple[object, ...]:
        cell, row = screen.buffer[y][x], screen.buffer[y]
        data = cell.data
        # Real terminals make half a wide character that is left over a blank, pyte leaves it.
        if (data == "" and not (x and cell_len(row[x - 1].data) == 2)) or (cell_len(data) == 2 and row[x + 1].data):
            data = " "
        if data == " " and not (cell.underscore or cell.strikethrough or cell.reverse):
            return " ", cell.bg
        return (*cell._replace(data=data),)

    return [
        (x, y, seen(stock, x, y), seen(ours, x, y))
        for y in range(stock.lines)
        for x in range(stock.columns)
        if seen(stock, x, y) != seen(ours, x, y)
    ]


class TwinDriver(Driver):
    """Two terminals side by side; `chance` decides which frames are left out on ours."""

    chance = random.Random(0)

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        width, height = self._size or (80, 24)
        self.stock, self.ours, self.picture = (
            ReferenceTerminal(width, height),
            ReferenceTerminal(width, height),
            Picture(),
        )
        self.pyte_stock, self.pyte_ours = pyte.Screen(width, height), pyte.Screen(width, height)
        self.streams = pyte.Stream(self.pyte_stock), pyte.Stream(self.pyte_ours)
        self.unpainted = False  # the application has not seen the new size yet
        self.frames = self.compared = self.bytes_stock = self.bytes_ours = 0

    def write(self, data: str) -> None:
        if not FRAME.match(data):
            assert HARMLESS.fullmatch(data), data
            return
        self.frames += 1
        self.unpainted = self.unpainted and self._app.size != self._size
        self.bytes_stock += len(data.encode())
        self.stock.feed(data)
        self.streams[0].feed(data)
        if self._app.size != (self.picture.width, self.picture.height):
            self.picture.resize(*self._app.size)
        self.picture.paint(data)
        if self.chance.random() < 0.6:
            self.send()

    def send(self) -> None:
        difference = self.picture.diff()
        self.bytes_ours += len(difference.encode())
        self.ours.feed(difference)
        self.streams[1].feed(difference)

    def compare(self) -> None:
        self.send()
        self.compared += 1
        assert self.ours.difference(self.stock) == []
        assert same(self.pyte_stock, self.pyte_ours) == []

    def resize(self, width: int, height: int) -> None:
        self._size = (width, height)
        self.unpainted = True
        for terminal in (self.stock, self.ours):
            terminal.resize(width, height)
        for screen in (self.pyte_stock, self.pyte_ours):
            screen.resize(height, width)
            screen.erase_in_display(2)
        self.picture.forget()
        size = Size(width, height)
        self._app.post_message(events.Resize(size, size))

    def start_application_mode(self) -> None:
        size = Size(*(self._size or (80, 24)))
        self._app.call_later(self._app.post_message, events.Resize(size, size))

    def disable_input(self) -> None: ...

    def stop_application_mode(self) -> None: ...


class Wall(Widget):
    """Lines of random pieces in random styles."""

    DEFAULT_CSS = "Wall { height: 1fr; min-height: 3; border: round #456789; }"

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.lines: dict[int, list[tuple[str, Style]]] = {}

    def line(self) -> list[tuple[str, Style]]:
        chance = self.chance
        return [
            (
                chance.choice(PIECES) + chance.choice(["", " ", "  "]),
                Style(
                    color=chance.choice([None, *COLORS]),
                    bgcolor=chance.choice([None, None, *COLORS]),
                    bold=chance.random() < 0.2,
                    reverse=chance.random() < 0.1,
                    underline=chance.random() < 0.1,
                    strike=chance.random() < 0.05,
                    link="https://example.org/x" if chance.random() < 0.05 else None,
                ),
            )
            for _ in range(chance.randint(0, 12))
        ]

    def change(self) -> None:
        from textual.geometry import Region

        for _ in range(self.chance.randint(1, 6)):
            y = self.chance.randrange(max(1, self.size.height))
            self.lines[y] = self.line()
            self.refresh(Region(0, y + 1, self.outer_size.width, 1))

    def render_line(self, y: int) -> Strip:
        segments = [Segment(text, style) for text, style in self.lines.get(y, ())]
        return Strip(segments).adjust_cell_length(self.size.width, Style())


class Dialog(ModalScreen[None]):
    """Over the panels, which shine through."""

    CSS = "Dialog { align: center middle; background: $background 60%; } Input { width: 30; }"

    def compose(self) -> ComposeResult:
        yield Static("A [b]dialog[/b] with 漢字 and [link='https://example.org']a link[/]")
        yield Input("typed")


class Panels(App[None]):
    """Panels of all kinds."""

    CSS = "Grid { grid-size: 2; } #scrolled Static { height: 3; }"

    def __init__(self, chance: random.Random) -> None:
        super().__init__(driver_class=TwinDriver)
        self.chance = chance
        self.steps = 0

    def compose(self) -> ComposeResult:
        with Grid():
            yield Wall(self.chance)
            yield Wall(self.chance)
            with VerticalScroll(id="scrolled"):
                for n in range(30):
                    yield Static(f"{n} " + "漢字 text " * 9)
            table: DataTable[str] = DataTable()
            table.add_columns("venue", "価格", "size")
            for n in range(40):
                table.add_row(f"v{n}", f"{n}.5", "▐" * (n % 9))
            yield table

    def step(self) -> None:
        self.steps += 1
        chance = self.chance
        walls = list(self.screen_stack[0].query(Wall))
        dialog = isinstance(self.screen, Dialog)
        what = chance.randrange(9)
        if what == 0:
            driver = self._driver
            assert isinstance(driver, TwinDriver)
            # To its own size again Textual paints nothing: its terminal would stay as the resize has left it.
            driver.resize(*chance.choice([size for size in SIZES if size != driver._size]))
        elif what == 1:
            if dialog:
                self.pop_screen()
            else:
                self.push_screen(Dialog())
        elif what == 2:
            self.notify(chance.choice(PIECES) * 3, title="A message", timeout=chance.choice([0.05, 5]))
        elif what == 3:
            self.screen_stack[0].query_one("#scrolled").scroll_to(y=chance.randrange(60), animate=False)
        elif what == 4:
            chance.choice(walls).display ^= True
        elif what == 5 and dialog:
            self.screen.query_one(Input).value = "".join(chance.choices(PIECES, k=3))
        else:
            for wall in walls:
                wall.change()


@asynccontextmanager
async def running(app: Panels, size: tuple[int, int]) -> AsyncIterator[TwinDriver]:
    task = asyncio.create_task(app.run_async(size=size))
    try:
        while not app.is_running or not isinstance(app._driver, TwinDriver) or app._driver.frames == 0:
            await asyncio.sleep(0.01)
            assert not task.done(), app._exception
        yield app._driver
    finally:
        app.exit()
        await task


async def settle(app: Panels, driver: TwinDriver) -> None:
    """Until no frame has come for a while."""
    seen = -1
    while seen != driver.frames or driver.unpainted:
        seen = driver.frames
        await asyncio.sleep(0.05)


@pytest.mark.timeout(60 + 10 * SESSIONS)
async def test_both_drivers_show_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    compared = frames = stock = ours = 0
    for seed in range(SESSIONS):
        chance = random.Random(seed)
        TwinDriver.chance = random.Random(seed + 1)
        app = Panels(chance)
        async with running(app, chance.choice(SIZES)) as driver:
            for _ in range(STEPS):
                taken = app.steps
                app.call_later(app.step)
                while app.steps == taken:
                    assert app._exception is None, app._exception
                    await asyncio.sleep(0)
                if chance.random() < 0.5:
                    await settle(app, driver)
                    driver.compare()
                else:
                    await asyncio.sleep(0)
            await settle(app, driver)
            driver.compare()
        assert app.return_code == 0
        compared += driver.compared
        frames += driver.frames
        stock += driver.bytes_stock
        ours += driver.bytes_ours
    with capsys.disabled():
        if "FLOWTAPE_EQUIVALENCE" in os.environ:
            print(f"\n{SESSIONS} sessions, {frames} frames, {compared} screens compared: 0 cells differ; ")
            print(f"{stock / 1e3:.0f} kB by Textual's driver, {ours / 1e3:.0f} kB by ours")
    assert compared >= SESSIONS
