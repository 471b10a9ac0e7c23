"""A terminal is asked how far away it is, and left as it was."""

from __future__ import annotations

import os
import pty
import termios
import threading
from collections.abc import Iterator

import pytest

from tui.driver.answers import ask_terminal


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("reply", "synchronised"),
    [(b"\x1b[?2026;2$y\x1b[12;40R", True), (b"\x1b[?2026;0$y\x1b[1;1R", False), (b"\x1b[1;1R", None)],
)
def test_a_terminal_that_answers(ends: tuple[int, int], reply: bytes, synchronised: bool | None) -> None:
    master, slave = ends
    before = termios.tcgetattr(slave)

    def answer() -> None:
        asked = b""
        while not asked.endswith(b"\x1b[6n"):
            asked += os.read(master, 100)
        os.write(master, reply)

    thread = threading.Thread(target=answer)
    thread.start()
    said = ask_terminal(slave, slave, 10)
    thread.join()
    assert said.round_trip is not None
    assert said.round_trip > 0
    assert said.synchronised is synchronised
    assert termios.tcgetattr(slave) == before


def test_a_terminal_that_is_silent(ends: tuple[int, int]) -> None:
    master, slave = ends
    before = termios.tcgetattr(slave)
    said = ask_terminal(slave, slave, 0.05, ask_mode=False)
    assert (said.round_trip, said.synchronised) == (None, None)
    assert termios.tcgetattr(slave) == before
    assert os.read(master, 100) == b"\x1b[6n"


def test_no_terminal() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(OSError, match=r".+"):
            ask_terminal(read, write)
    finally:
        os.close(read)
        os.close(write)
