"""The monitor on a real terminal, on its simulated market: numbers, keys, sizes, how it ends, poor terminals."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.pseudo import FLOWTAPE, ROOT, environment
from tests.terminal.screen import Screen
from tui.actions import ACTIONS

LIVE = r"BTC/USDT[^\n]*\d[\d ,]*\.\d"
_KEYS = {
    "question_mark": b"?", "colon": b":", "slash": b"/", "plus": b"+", "equals_sign": b"=", "minus": b"-",
    "left_square_bracket": b"[", "right_square_bracket": b"]", "less_than_sign": b"<", "greater_than_sign": b">",
    "comma": b",", "full_stop": b".", "space": b" ", "tab": b"\t", "shift+tab": b"\x1b[Z", "escape": b"\x1b",
    "up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D", "f1": b"\x1bOP",
}  # fmt: skip


#: Actions that open a dialog, and what shows that one is open.
OPENS = dict.fromkeys(("help", "notices", "search", "add_alert", "number", "anchor"), "Esc closes") | {
    "command_palette": "Search for"
}


def wire(key: str) -> bytes:
    """A key as an xterm sends it."""
    if key in _KEYS:
        return _KEYS[key]
    if key.startswith("ctrl+"):
        return bytes([ord(key[-1]) & 0x1F])
    assert len(key) == 1, key
    return key.encode()


def press(screen: Screen, key: bytes) -> None:
    """A key, and the frames in which it takes effect; what follows an Escape too closely would make it Alt."""
    screen.type(key)
    screen.paints(3 if key == b"\x1b" else 1)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    with Screen(tmp_path) as screen:
        screen.sees(LIVE)
        yield screen


def test_numbers_come_and_move(screen: Screen) -> None:
    screen.sees("SIM")
    for title in ("DEPTH", "CVD", "VPIN", "IMBALANCE", "TAPE"):
        screen.sees(title)
    screen.changes(lambda: re.findall(r"\d+\.\d+", screen.text))
    screen.sees(r"\d\d:\d\d:\d\d")


def test_every_key(screen: Screen) -> None:
    pressed = 0
    for action in ACTIONS:
        if action.action in ("quit", "suspend_process"):
            continue
        for key in action.keys:
            press(screen, wire(key))
            pressed += 1
            if action.action in OPENS:
                screen.sees(OPENS[action.action])
                press(screen, b"\x1b")
                screen.loses(OPENS[action.action])
            elif action.action == "pause":
                press(screen, b" ")
    assert pressed >= 35
    press(screen, b"\x1b")
    screen.sees("DEPTH")
    screen.type(b"n")
    screen.changes(lambda: screen.text)
    assert b"Traceback" not in screen.written
    assert screen.process.poll() is None
    assert "stopped" not in screen.text
    screen.type(b"q")
    assert screen.ended() == 0
    assert screen.restored == []


def test_dialogs_open_and_close(screen: Screen) -> None:
    for key, title in ((b"?", "(?i)general"), (b"a", "(?i)metric"), (b"/", "ETH/USDT")):
        screen.type(key)
        screen.sees("Esc closes")
        screen.sees(title)
        press(screen, b"\x1b")
        screen.loses("Esc closes")
    screen.type(b"/")
    screen.sees("Esc closes")
    screen.type(b"eth")
    screen.sees(r"eth [^\n]*\n(?s:.*)ETH/USDT")
    screen.paints()
    screen.type(b"\r")
    screen.sees("▸sim:ETH/USDT")
    screen.type(b"I")
    screen.sees("(?i)notice")
    screen.type(b"\x03")  # leaves from anywhere
    assert screen.ended() == 0
    assert screen.restored == []


def test_sizes(screen: Screen) -> None:
    for columns, rows in ((1, 1), (59, 15), (3, 200), (120, 40)):
        before = len(screen.written)
        screen.resize(columns, rows)
        screen.until(lambda start=before: len(screen.written) > start, "something painted")  # type: ignore[misc]
        if (columns, rows) == (59, 15):
            screen.sees("60")  # how large it must be
    screen.sees("DEPTH")
    screen.sees(LIVE)
    assert screen.process.poll() is None
    screen.resize(80, 24)
    screen.sees("DEPTH")


@pytest.mark.parametrize(
    ("how", "status"),
    [(b"q", 0), (b"\x03", 0), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP)],
)
def test_ends_and_leaves_the_terminal_as_it_was(screen: Screen, how: bytes | signal.Signals, status: int) -> None:
    assert screen.modes()[1049]
    assert screen.modes()[25] is False
    if isinstance(how, bytes):
        screen.type(how)
    else:
        screen.signal(how)
    assert screen.ended() == status
    assert screen.restored == []
    assert b"\x1b[?1049l" in screen.written


def test_ends_with_its_terminal(screen: Screen) -> None:
    os.close(screen.slave)
    os.close(screen.master)  # what closing a terminal's window does
    assert screen.process.wait(20) != 0


def test_ends_with_its_terminal_under_a_program_that_lives_on(tmp_path: Path) -> None:
    """The hang-up is told to the leader of the session alone, here one that waits for its programs as make does."""
    command = ("/bin/sh", "-c", 'trap "" HUP; "$@"; exit 3', "sh", *FLOWTAPE)
    with Screen(tmp_path, command=command) as screen:
        screen.sees(LIVE)
        os.close(screen.slave)
        os.close(screen.master)
        assert screen.process.wait(20) == 3


def test_stops_and_comes_back_in_a_shell(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash for its job control")
    variables = {"PS1": "prompt> ", "INPUTRC": os.devnull}
    with Screen(tmp_path, command=(bash, "--norc", "--noprofile", "-i"), variables=variables) as screen:
        screen.sees("prompt>")
        screen.type(b"stty -a > ~/before; " + " ".join(FLOWTAPE).encode() + b"\n")
        screen.sees(LIVE)
        screen.type(b"\x1a")
        screen.sees("(?i)stopped")
        screen.type(b"stty -a | diff ~/before - && echo as it was\n")
        screen.sees(r"\nas it was")
        screen.type(b"fg\n")
        screen.sees("DEPTH")
        screen.changes(lambda: screen.text)
        # The shell's own new prompt: those of before show as soon as the screen is given back, while flowtape
        # still ends, and what is typed then is lost.
        prompts = screen.written.count(b"prompt>")
        screen.type(b"q")
        screen.until(lambda: screen.written.count(b"prompt>") > prompts, "the shell's next prompt")
        screen.type(b"stty -a | diff ~/before - && echo status $? again\n")
        screen.sees("status 0 again")


def test_no_color(tmp_path: Path) -> None:
    with Screen(tmp_path, variables={"NO_COLOR": "1"}) as screen:
        screen.sees(LIVE)
        screen.type(b"?")
        screen.sees("(?i)general")
        press(screen, b"\x1b")
        screen.type(b"q")
        assert screen.ended() == 0
        assert colours(screen) <= {0, 1, 2, 3, 4, 7, 22, 23, 24, 27, 39, 49}  # 39 and 49: the terminal's own


def test_sixteen_colours(tmp_path: Path) -> None:
    with Screen(tmp_path, "--color", "16") as screen:
        screen.sees(LIVE)
        screen.paints()
        assert {38, 48} & colours(screen) == set()
        assert any(30 <= code <= 37 or 90 <= code <= 97 for code in colours(screen))


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("--ascii",), {}),
        ((), {"TERM": "linux", "COLORTERM": None, "LANG": "C"}),
        ((), {"TERM": "vt100", "COLORTERM": None}),
    ],
)
def test_ascii(tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str | None]) -> None:
    with Screen(tmp_path, *arguments, variables=variables) as screen:
        screen.sees(LIVE)
        for dialog in b"?/ai":
            screen.type(bytes([dialog]))
            screen.sees("Esc closes")
            press(screen, b"\x1b")
            screen.loses("Esc closes")
        for key in b"2z4567z":
            press(screen, bytes([key]))
        assert sorted({c for c in screen.written.decode("utf-8", "replace") if not c.isascii()}) == []
        screen.type(b"q")
        assert screen.ended() == 0


def test_without_a_terminal(tmp_path: Path) -> None:
    run = subprocess.run(FLOWTAPE, env=environment(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert run.stdout == ""
    assert "flowtape stream" in run.stderr


def test_a_terminal_without_a_screen(tmp_path: Path) -> None:
    with Screen(tmp_path, variables={"TERM": "dumb", "COLORTERM": None}) as screen:
        assert screen.ended() == 2
        assert "flowtape stream" in screen.text
        assert b"\x1b" not in screen.written


def test_a_broken_configuration(tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text('fps = 10\nthme = "classic"\n')
    with Screen(tmp_path, "--config", str(config)) as screen:
        screen.sees(r"my\.toml:2")
        screen.sees(LIVE)
        screen.type(b"I")
        screen.sees(r"(?s)thme.*theme")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("bnance:ETH/USDT",), 1, "binance"),
        (("sim:NOPE",), 1, "NOPE"),
        (("--channels", "books"), 2, "--channels"),
        (("play", "nowhere.gz"), 1, "no such file"),
        (("--fps", "1000"), 2, "--fps"),
    ],
)
def test_what_cannot_be_shown(tmp_path: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    with Screen(tmp_path, *arguments) as screen:
        assert screen.ended() == status
        assert re.search(said, screen.text), screen.text
        assert "Traceback" not in screen.text
        assert [wrong for wrong in screen.restored if "printed" not in wrong] == []


def colours(screen: Screen) -> set[int]:
    """Numbers of all SGR sequences that were written."""
    found = re.findall(rb"\x1b\[([\d;]*)m", screen.written)
    return {int(number) for numbers in found for number in numbers.split(b";") if number}
