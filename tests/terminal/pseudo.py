"""A program under a pseudo-terminal: its keys, its size, what it writes, what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
FLOWTAPE = (sys.executable, "-m", "tui")
#: Seconds after which something that has not happened counts as never happening.
PATIENCE = 30.0
#: Variables of whoever runs the tests that would change what the program takes its terminal for.
_FOREIGN = re.compile(
    r"NO_COLOR|COLORTERM|TERM.*|LC_.*|LANG|LANGUAGE|TMUX.*|STY|SSH_.*|VTE_VERSION|WT_SESSION|KONSOLE_.*|KITTY_.*|TEXTUAL.*"
    r"|COLUMNS|LINES|XDG_.*|FLOWTAPE_.*"
)
_MODES = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
#: Does the terminal know synchronised output? Yes.
SYNCHRONISED = {re.compile(rb"\x1b\[\?2026\$p"): b"\x1b[?2026;2$y"}
#: Where is the cursor? Where it was just put, at the beginning of a row.
CURSOR = {re.compile(rb"\x1b\[(\d+)H\x1b\[6n"): b"\x1b[\\1;1R"}


def environment(home: Path, **changes: str | None) -> dict[str, str]:
    """A UTF-8 truecolor terminal with an empty home; None takes a variable away."""
    env = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
    env |= {"HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    for name, value in changes.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    return env


class PseudoTerminal:
    """A process whose controlling terminal is a pty; `written` is all that has come out of it.

    `answers` maps a query of the program to what this terminal replies, as real ones do (a template of what
    `re.Match.expand` fills in). Close it (or use it as a context manager): the process is killed if it still runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        size: tuple[int, int] = (120, 40),
        answers: Mapping[re.Pattern[bytes], bytes] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.size = (0, 0)
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.written = bytearray()
        self.forgotten = 0  # bytes
        self.most = 1 << 16  # bytes taken at a time
        self._answers = dict(answers or {})
        self._answered = 0
        # A shell that opens the terminal by its name, in a session of its own, gets it as the controlling one.
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$0" "$@" <>{os.ttyname(self.slave)} >&0 2>&0', *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=cwd, env=dict(env), start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and give the terminal back."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for end in (self.master, self.slave):
            try:
                os.close(end)
            except OSError:
                continue

    # ---- to the program

    def resize(self, columns: int, rows: int) -> None:
        """Another size; the kernel tells the program."""
        self.size = (columns, rows)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Keys as a terminal sends them."""
        os.write(self.master, keys)

    def signal(self, number: signal.Signals) -> None:
        """To the process itself."""
        self.process.send_signal(number)

    # ---- from the program

    def read(self, seconds: float = 0.05) -> bytes:
        """What has come within `seconds` (returns as soon as anything has); empty when nothing has."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return b""
        try:
            data = os.read(self.master, self.most)
        except OSError:  # the other end is gone
            return b""
        self.written += data
        self._reply()
        return data

    def _reply(self) -> None:
        # From a little before the news: a query may have come in two parts.
        start = max(0, self._answered - 16)
        for query, answer in self._answers.items():
            for found in query.finditer(self.written[start:]):
                if start + found.end() > self._answered:
                    self.answer(found.expand(answer))
        self._answered = len(self.written)

    def answer(self, data: bytes) -> None:
        """What the terminal says by itself."""
        os.write(self.master, data)

    def forget(self) -> None:
        """Drop what was written so far, in long runs."""
        self.forgotten += len(self.written) - len(self.written[-64:])
        del self.written[:-64]  # the beginning of a query may be the last that came
        self._answered = len(self.written)

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Read until `condition` holds; AssertionError with what was last written when it never does."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}; last written: {bytes(self.written[-600:])!r}")
            self.read()

    def find(self, text: bytes, start: int = 0) -> int:
        """Read until `text` was written after `start`; where it ends."""
        self.until(lambda: self.written.find(text, start) >= 0, f"{text!r} on the wire")
        return self.written.find(text, start) + len(text)

    def ended(self) -> int:
        """Read until the process has ended and all it wrote is here; its exit status."""
        self.until(lambda: self.process.poll() is not None, "the end of the process")
        while self.read(0):
            continue
        return self.process.wait()

    # ---- the state of the terminal

    def modes(self) -> dict[int, bool]:
        """DEC private modes that were set (True) or reset (False), by the last word on each."""
        last: dict[int, bool] = {}
        for numbers, switch in _MODES.findall(self.written):
            last |= {int(number): switch == b"h" for number in numbers.split(b";") if number}
        return last

    @property
    def restored(self) -> list[str]:
        """What is not as it was before the program started; empty when all is."""
        modes = self.modes()
        wrong = [f"mode {n} is still on" for n, on in modes.items() if on and n not in (25, 7)]
        if modes.get(25) is False:
            wrong.append("the cursor is hidden")
        if termios.tcgetattr(self.slave) != self.before:
            wrong.append("the line settings differ")
        left = self.written.rfind(b"\x1b[?1049l")
        printed = re.sub(rb"\x1b\[[?<>=]?[\d;]*[a-zA-Z]|[\r\n]", b"", bytes(self.written[left:])) if left >= 0 else b""
        if printed:
            wrong.append(f"printed after the screen was left: {printed[-400:]!r}")
        return wrong
