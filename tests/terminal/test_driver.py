"""The thrifty driver on real terminals: what it sends, when it waits, how it stops, steps aside and comes back."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.terminal.pseudo import CURSOR, FLOWTAPE, ROOT, SYNCHRONISED, PseudoTerminal, environment
from tests.terminal.remote import in_tmux, over_ssh
from tests.terminal.screen import Screen
from tests.terminal.test_monitor import LIVE

QUERY = b"\x1b[6n"

#: An application of a few lines: it shows a number that goes up, and does what a key says.
_COUNTER = """
import asyncio, subprocess, sys
from textual.app import App
from textual.widgets import Static
from tui.driver.thrifty import ThriftyDriver

class Counter(App):
    n = 0
    def compose(self):
        yield Static("counted 0", id="n")
        yield Static("an unchanged line " * 4)
    def on_mount(self):
        self.set_interval(0.02, self.count)
    def count(self):
        self.n += 1
        self.query_one("#n").update(f"counted {self.n}")
    def key_x(self):
        self._driver.write("\\x1b[5;5Hmoved\\x1b[1K")
    def key_u(self):
        self._driver.write("\\x1b7")
    async def key_s(self):
        with self.suspend():
            print("in the pager", flush=True)
            done = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()")
            await done.wait()
    def key_q(self):
        self.exit()

Counter(driver_class=ThriftyDriver).run()
"""


@contextmanager
def counter(home: Path) -> Iterator[Screen]:
    program = home / "counter.py"
    program.write_text(_COUNTER)
    command = (sys.executable, str(program))
    with Screen(home, command=command, size=(60, 10), variables={"PYTHONPATH": str(ROOT)}) as screen:
        screen.sees(r"counted \d")
        yield screen


def test_the_monitor_sends_only_what_changes(tmp_path: Path) -> None:
    with Screen(tmp_path, "--driver", "thrifty") as screen:
        screen.sees(LIVE)
        screen.sees(r"\d kB/s \d+ ms away")
        start = len(screen.written)
        screen.paints(20)
        sent = bytes(screen.written[start:])
        assert len(sent) / 20 < 2_000
        assert b"DEPTH" not in sent
        screen.type(b"\x0c")  # Ctrl+L
        screen.until(lambda: b"DEPTH" in screen.written[start:], "all of it again")


def test_the_stock_driver_can_be_had(tmp_path: Path) -> None:
    with Screen(tmp_path, "--driver", "stock") as screen:
        screen.sees(LIVE)
        assert QUERY not in screen.written
        assert "kB/s" not in screen.text


def test_no_more_than_two_pictures_are_under_way(tmp_path: Path) -> None:
    answers = dict(SYNCHRONISED)
    with PseudoTerminal((*FLOWTAPE, "--driver", "thrifty"), environment(tmp_path), answers=answers) as terminal:
        terminal.find(QUERY)
        terminal.type(b"\x1b[1;1R")  # the first question is answered, and none after it
        terminal.until(lambda: terminal.written.count(QUERY) == 3, "two pictures")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            terminal.read()
        assert terminal.written.count(QUERY) == 3
        row = re.findall(rb"\x1b\[(\d+)H\x1b\[6n", terminal.written)[-1]
        terminal.type(b"\x1b[" + row + b";1R")
        terminal.until(lambda: terminal.written.count(QUERY) >= 4, "the next picture")
        terminal.type(b"q")
        assert terminal.ended() == 0
        assert terminal.restored == []


def test_a_terminal_that_answers_nothing(tmp_path: Path) -> None:
    with PseudoTerminal((*FLOWTAPE, "--driver", "thrifty"), environment(tmp_path)) as terminal:
        terminal.find(b"DEPTH")
        start = len(terminal.written)
        terminal.until(lambda: terminal.written.count(b"\x1b[38;2", start) > 20, "pictures all the same")
        terminal.type(b"q")
        assert terminal.ended() == 0
        assert terminal.restored == []


def test_an_end_while_the_terminal_takes_nothing(tmp_path: Path) -> None:
    with PseudoTerminal((*FLOWTAPE, "--driver", "thrifty"), environment(tmp_path), answers=SYNCHRONISED) as terminal:
        terminal.find(b"DEPTH")
        time.sleep(2)  # what is not read fills the pty's buffer
        terminal.signal(signal.SIGTERM)
        assert terminal.process.wait(20) == 128 + signal.SIGTERM


def test_what_is_not_understood_goes_out_as_it_is(tmp_path: Path) -> None:
    with counter(tmp_path) as screen:
        screen.type(b"u")
        screen.until(lambda: b"\x1b7" in screen.written, "the unknown sequence")
        screen.changes(lambda: screen.text)
        screen.sees("an unchanged line")
        start = len(screen.written)
        screen.changes(lambda: screen.text)
        assert QUERY not in screen.written[start + 200 :]
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.restored == []


def test_an_unknown_sequence_in_a_frame(tmp_path: Path) -> None:
    with counter(tmp_path) as screen:
        screen.type(b"x")
        screen.sees("moved|an unchanged")
        screen.changes(lambda: screen.text)
        assert b"\x1b[1K" in screen.written
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.restored == []


def test_another_program_in_between(tmp_path: Path) -> None:
    with counter(tmp_path) as screen:
        for _ in range(2):
            screen.type(b"s")
            screen.sees("in the pager")
            time.sleep(1)  # fifty pictures are drawn meanwhile and none is sent
            before = len(screen.written)
            screen.read(0.2)
            assert b"counted" not in screen.written[before:]
            screen.type(b"\n")
            screen.sees("an unchanged line")
            screen.changes(lambda: screen.text)
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.restored == []


def test_stopped_by_a_signal_that_no_program_sees(tmp_path: Path) -> None:
    with counter(tmp_path) as screen:
        screen.signal(signal.SIGSTOP)
        time.sleep(0.2)
        screen.signal(signal.SIGCONT)
        start = len(screen.written)
        screen.until(lambda: b"an unchanged line" in screen.written[start:], "the whole picture again")
        screen.changes(lambda: screen.text)
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.restored == []


def test_sizes_to_and_fro(tmp_path: Path) -> None:
    with counter(tmp_path) as screen:
        for size in ((30, 5), (60, 10), (100, 30), (60, 10), (61, 10), (60, 10)):
            screen.resize(*size)
        start = len(screen.written)
        screen.until(lambda: b"an unchanged line" in screen.written[start:], "the whole picture again")
        screen.sees("an unchanged line")
        screen.changes(lambda: screen.text)
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.restored == []


@pytest.mark.parametrize("way", ["ssh", "tmux"])
def test_at_the_far_end(tmp_path: Path, way: str) -> None:
    env = environment(tmp_path)
    opened = over_ssh if way == "ssh" else in_tmux
    with opened(FLOWTAPE, env, tmp_path / way) as command, Screen(tmp_path, command=command) as screen:
        screen.sees(LIVE)
        screen.sees(r"\d kB/s \d+ ms away")
        if way == "ssh":
            assert not {1000, 1003} & {mode for mode, on in screen.modes().items() if on}, "no mouse over SSH"
        screen.resize(80, 24)
        screen.sees(r"DEPTH")
        screen.changes(lambda: screen.text)
        screen.type(b"q")
        assert screen.ended() == 0
        if way == "ssh":
            assert [wrong for wrong in screen.restored if "printed" not in wrong] == []


def test_the_doctor_asks_the_terminal(tmp_path: Path) -> None:
    answers = SYNCHRONISED | CURSOR | {re.compile(rb"\$p\x1b\[6n"): b"\x1b[1;1R"}
    with PseudoTerminal((*FLOWTAPE, "doctor"), environment(tmp_path), answers=answers) as terminal:
        assert terminal.ended() in (0, 1)
        assert re.search(rb"round trip +\d+ ms", terminal.written)
        assert b"shows each one at once" in terminal.written
        assert re.search(rb"driver +thrifty", terminal.written)
        assert os.isatty(terminal.slave)


@pytest.mark.parametrize(
    ("variables", "buy", "sell"),
    [({"NO_COLOR": "1"}, "▲B", "▼S"), ({"TERM": "vt220", "COLORTERM": None, "LANG": "C"}, r"\^B", "vS")],
)
def test_without_colours_sides_and_alerts_are_told_apart(
    tmp_path: Path, variables: dict[str, str | None], buy: str, sell: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text('presets = []\n[[alerts]]\nname = "price is there"\nwhen = "last > 0"\n')
    with Screen(tmp_path, "--config", str(config), variables=variables) as screen:
        screen.sees(LIVE)
        screen.sees(rf"\d\d {buy} +\d")
        screen.sees(rf"\d\d {sell} +\d")
        screen.sees("(?i)firing[^\n]*price is")
        reverse = ["".join(cell.data for cell in row if cell.reverse).strip() for row in screen.cells()]
        assert any(re.search("(?i)firing", text) for text in reverse), reverse
        assert "SIMULATED" in " ".join(reverse)
