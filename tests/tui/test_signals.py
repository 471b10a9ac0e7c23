"""A real terminal: signals end the monitor cleanly, Ctrl+Z stops it and `fg` brings it back."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds until a silent terminal counts as hung


class Terminal:
    """The monitor under a pseudo-terminal of 120x40, and what it has written."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.tui.pty_app"],
            stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=env, start_new_session=True,
        )  # fmt: skip
        self.written = b""

    def read_until(self, text: bytes, start: int = 0) -> int:
        """Where `text` ends in the output after `start`; fails when the terminal falls silent before."""
        while (at := self.written.find(text, start)) < 0:
            ready, _, _ = select.select([self.master], [], [], PATIENCE)
            if not ready:
                pytest.fail(f"{text!r} never came; the last was {self.written[-300:]!r}")
            try:
                self.written += os.read(self.master, 65536)
            except OSError:
                pytest.fail(f"{text!r} never came; the terminal was closed after {self.written[-300:]!r}")
        return at + len(text)

    def drain(self) -> int:
        """Read until the process has ended; its exit status."""
        while self.process.poll() is None:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if ready:
                self.written += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0)[0]:
            self.written += os.read(self.master, 65536)
        return self.process.returncode


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    try:
        terminal.read_until(b"TAPE")
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
        terminal.process.wait()
        for end in (terminal.master, terminal.slave):
            try:
                os.close(end)
            except OSError:
                continue


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_cleanly(terminal: Terminal, name: str) -> None:
    number = getattr(signal, name)
    terminal.process.send_signal(number)
    assert terminal.drain() == 128 + number
    assert b"\x1b[?1049l" in terminal.written[-2000:]
    assert b"\x1b[?25h" in terminal.written[-2000:]
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert b"Traceback" not in terminal.written


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_a_key_ends_it_cleanly(terminal: Terminal, key: bytes) -> None:
    os.write(terminal.master, key)
    assert terminal.drain() == 0
    assert b"\x1b[?1049l" in terminal.written[-2000:]
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_a_terminal_that_goes_away_ends_it(terminal: Terminal) -> None:
    os.close(terminal.slave)
    os.close(terminal.master)
    terminal.process.send_signal(signal.SIGHUP)  # what the system sends to the owner of a closed terminal
    assert terminal.process.wait(PATIENCE) != 0


def test_stopped_and_continued(terminal: Terminal) -> None:
    os.write(terminal.master, b"\x1a")
    at = terminal.read_until(b"\x1b[?1049l")
    _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    terminal.process.send_signal(signal.SIGCONT)
    at = terminal.read_until(b"\x1b[?1049h", at)
    terminal.read_until(b"DEPTH", at)
    os.write(terminal.master, b"q")
    assert terminal.drain() == 0
