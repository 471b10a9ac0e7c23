"""Notifications on their way out: what a real terminal gets from flowtape, bare, inside a real tmux, a real screen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.emulator.binance import BinanceEmulator
from tests.emulator.market import spot
from tests.terminal.pseudo import FLOWTAPE, ROOT, PseudoTerminal, environment
from tests.terminal.screen import Screen
from tests.terminal.test_sources import configuration, trading, watched

NOTE = b"\x1b]777;notify;flowtape test;a test of the terminal, nothing has happened\a"
TEST = b"flowtape test"
RULE = '[[alerts]]\nname = "any"\nwhen = "abs(imbalance(5)) > 0.05"\n'
#: What an outer terminal answers tmux that asks what it is.
XTVERSION = {
    re.compile(rb"\x1b\[>q"): b"\x1bP>|WezTerm 20240203\x1b\\\\",
    re.compile(rb"\x1b\[c"): b"\x1b[?65;4;6;18;22c",
}


def config(home: Path, text: str) -> Path:
    path = home / "c.toml"
    path.write_text(text)
    return path


def notify_test(home: Path, text: str = "", **variables: str | None) -> PseudoTerminal:
    command = (*FLOWTAPE, "notify", "test", "--pause", "0", "--config", str(config(home, text)))
    return PseudoTerminal(command, environment(home, **variables))


@pytest.mark.parametrize(
    ("variables", "sequence"),
    [
        ({"TERM": "foot"}, NOTE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, NOTE),
        (
            {"LC_TERMINAL": "iTerm2"},
            b"\x1b]9;flowtape test: a test of the terminal; nothing has happened\a",
        ),
        ({"TERM": "xterm-kitty"}, b":d=0:e=1:u=0;Zmxvd3RhcGUgdGVzdA==\a"),
    ],
)
def test_each_terminal_gets_its_own(tmp_path: Path, variables: dict[str, str], sequence: bytes) -> None:
    with notify_test(tmp_path, **variables) as terminal:
        terminal.find(b"bell      rung")
        terminal.find(sequence)
        terminal.find(b"\x1b[22;2t\x1b]2;(1!) flowtape\a")
        terminal.find(b"\x1b[23;2t")
        assert terminal.ended() == 0
        assert b"\a" in terminal.written.replace(sequence, b"")


def test_a_terminal_that_is_not_known_gets_the_bell_alone(tmp_path: Path) -> None:
    with notify_test(tmp_path) as terminal:
        assert terminal.ended() == 0
        assert terminal.written.count(b"\a") == 2  # and the end of the title
        assert b"]777" not in terminal.written
        assert b"]9;" not in terminal.written
        assert b"desktop   not sent: the terminal is not known" in terminal.written
        assert b'[notify] desktop = "osc9"' in terminal.written


def test_what_is_switched_off_is_not_tried(tmp_path: Path) -> None:
    with notify_test(tmp_path, '[notify]\nbell = false\ndesktop = "none"\ntitle = false\n', TERM="foot") as terminal:
        assert terminal.ended() == 0
        assert b"\a" not in terminal.written


def test_the_exit_code_tells_of_sinks(tmp_path: Path) -> None:
    sinks = (
        f'[[sinks]]\nname = "good"\nkind = "file"\npath = "{tmp_path}/log.jsonl"\n'
        '[[sinks]]\nname = "bad"\nkind = "command"\ncommand = ["/bin/sh", "-c", "echo no >&2; exit 9"]\n'
        '[[sinks]]\nname = "bare"\nkind = "webhook"\nurl_env = "NOT_SET"\n'
    )
    path = config(tmp_path, sinks)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FLOWTAPE, "notify", "test", "--pause", "0", "--config", str(path), *arguments],
            cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = run()
    assert done.returncode == 1
    assert "skipped: standard output is not a terminal" in done.stdout
    assert "ok        good (file): a line was written" in done.stdout
    assert "FAILED    bad (command): /bin/sh: exit status 9: no" in done.stdout
    assert "FAILED    bare (webhook): the environment variable NOT_SET is not set" in done.stdout
    assert json.loads((tmp_path / "log.jsonl").read_text())["event"] == "test"
    assert run("--sink", "good").returncode == 0
    wrong = run("--sink", "god")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert 'unknown sink "god", did you mean "good"?' in wrong.stderr


# ---- inside multiplexers


@contextmanager
def tmux(home: Path, options: str, command: str, **variables: str | None) -> Iterator[PseudoTerminal]:
    """A tmux of its own, on a terminal, that runs a command in its only pane."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    settings = home / "tmux.conf"
    settings.write_text(f"set -g default-terminal tmux-256color\nset -g escape-time 0\n{options}")
    server = str(home / "tmux.socket")
    argv = ("tmux", "-u", "-S", server, "-f", str(settings), "new-session", "-x", "120", "-y", "40", command)
    env = environment(home, **variables)
    terminal = PseudoTerminal(argv, env, answers=XTVERSION)
    try:
        yield terminal
    finally:
        subprocess.run(["tmux", "-S", server, "kill-server"], check=False, capture_output=True)
        terminal.close()


def inside(home: Path, *arguments: str) -> str:
    """A command line for a multiplexer; what it prints stays until it is closed."""
    words = " ".join([sys.executable, "-m", "tui", *arguments])
    return f"sh -c 'cd {ROOT} && {words}; echo ended; sleep 600'"


def test_tmux_that_lets_through(tmp_path: Path) -> None:
    path = config(tmp_path, "")
    command = inside(tmp_path, "notify", "test", "--pause", "0", "--config", str(path))
    with tmux(tmp_path, "set -g allow-passthrough on\n", command) as terminal:
        # It says of itself that it is WezTerm; tmux asked it, and we asked tmux.
        terminal.find(b"\x1b]777;notify;flowtape test;a test of the terminal, nothing has happened\a")
        terminal.find(b"ended")
        assert b"\a" in terminal.written.replace(NOTE, b"")
        assert b"Ptmux" not in terminal.written


def test_tmux_that_does_not_lets_the_bell_out_and_says_what_to_set(tmp_path: Path) -> None:
    path = config(tmp_path, '[notify]\ndesktop = "osc777"\n')
    command = inside(tmp_path, "notify", "test", "--pause", "0", "--config", str(path))
    with tmux(tmp_path, "set -g allow-passthrough off\n", command) as terminal:
        terminal.find(b"set -g allow-passthrough on")
        terminal.find(b"ended")
        assert b"777;notify" not in terminal.written
        assert b"\a" in terminal.written


@pytest.mark.parametrize("passthrough", ["on", "off"])
def test_an_alert_of_the_monitor_inside_tmux(tmp_path: Path, passthrough: str) -> None:
    path = config(tmp_path, RULE + '[notify]\ndesktop = "osc777"\n')
    command = inside(tmp_path, "--config", str(path))
    with tmux(tmp_path, f"set -g allow-passthrough {passthrough}\nset -g set-titles on\n", command) as terminal:
        terminal.find(b"DEPTH")
        terminal.until(lambda: b"\a" in _without_osc(terminal.written), "the bell")
        if passthrough == "on":
            terminal.find(b"\x1b]777;notify;flowtape SIMULATED sim:")
        else:
            terminal.find(b"any")
            assert b"777;notify" not in terminal.written
        assert b"Ptmux" not in terminal.written


def _without_osc(data: bytes | bytearray) -> bytes:
    return re.sub(rb"\x1b\][^\x07\x1b]*\x07", b"", bytes(data))


def test_screen_lets_through_what_is_wrapped_for_it(tmp_path: Path) -> None:
    if shutil.which("screen") is None:
        pytest.skip("GNU screen is not installed")
    path = config(tmp_path, '[notify]\ndesktop = "osc777"\n')
    settings = tmp_path / "screenrc"
    settings.write_text("startup_message off\nvbell off\ndefutf8 on\n")
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    words = [sys.executable, "-m", "tui", "notify", "test", "--pause", "0", "--config", str(path)]
    env = environment(tmp_path, SCREENDIR=str(folder))
    argv = ("screen", "-U", "-c", str(settings), "-S", "test", "sh", "-c", f"{' '.join(words)}; echo ended; sleep 600")
    with PseudoTerminal(argv, env) as terminal:
        try:
            terminal.find(NOTE)
            terminal.find(b"ended")
            assert b"\a" in terminal.written.replace(NOTE, b"")
        finally:
            subprocess.run(["screen", "-S", "test", "-X", "quit"], env=env, check=False, capture_output=True)


# ---- the monitor itself


def test_the_monitor_calls_and_gives_the_title_back(tmp_path: Path) -> None:
    path = config(tmp_path, RULE + f'[[sinks]]\nname = "log"\nkind = "file"\npath = "{tmp_path}/log.jsonl"\n')
    with Screen(tmp_path, "--config", str(path), variables={"TERM": "foot"}) as screen:
        screen.find(b"\a\x1b]777;notify;flowtape SIMULATED sim:")
        screen.find(b"!) flowtape\a")
        screen.type(b"m")
        screen.sees("bell off")
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.restored == []
        pushed, popped = screen.written.count(b"\x1b[22;2t"), screen.written.count(b"\x1b[23;2t")
        assert pushed == popped == 1
    # What is simulated rings here and goes no further.
    assert not (tmp_path / "log.jsonl").exists()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".jsonl")]


async def test_the_monitor_sends_what_is_live_and_keeps_what_it_could_not(tmp_path: Path) -> None:
    market = spot()
    async with BinanceEmulator(market) as exchange, trading(exchange, market):
        path = configuration(tmp_path, exchange.url, exchange.ws_url)
        sinks = (
            f'[[sinks]]\nname = "log"\nkind = "file"\npath = "{tmp_path}/log.jsonl"\n'
            '[[sinks]]\nname = "ops"\nkind = "webhook"\nurl = "http://127.0.0.1:1/x"\n'
        )
        path.write_text(path.read_text() + RULE + sinks)
        command = f"{' '.join(FLOWTAPE)} binance:ETH/USDT --config {path}; echo left with $?; sleep 600"
        with Screen(tmp_path, command=("/bin/sh", "-c", command)) as screen:
            await watched(screen.sees, "ops not delivering")
            await watched(screen.until, (tmp_path / "log.jsonl").exists, "the file")
            screen.type(b"I")
            await watched(screen.sees, "sink ops[^\\n]*cannot connect to 127.0.0.1")
            screen.type(b"\x03")  # leaves from anywhere
            await watched(screen.sees, r"\d+ alerts are not delivered yet; they wait for the next start")
            await watched(screen.sees, "left with 0")
        told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        assert {payload["market"] for payload in told} == {"binance:ETH/USDT"}
        assert {payload["origin"] for payload in told} == {"live"}
