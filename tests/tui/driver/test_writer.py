"""Bytes reach the terminal in order, without making the writer wait, and a dead terminal ends nothing but itself."""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from collections.abc import Iterator
from typing import TextIO

import pytest

from tui.driver.writer import Writer


@pytest.fixture
def ends() -> Iterator[tuple[int, TextIO]]:
    """The master of a pty and its slave as a file."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    with os.fdopen(slave, "w", encoding="utf-8") as file:
        yield master, file
    try:
        os.close(master)
    except OSError:
        return


def take(master: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(master, 4096)
    return data


def test_everything_arrives_in_order_and_writing_does_not_block(ends: tuple[int, TextIO]) -> None:
    master, file = ends
    idle = threading.Event()
    writer = Writer(file, idle.set)
    writer.start()
    parts = [f"{n}·" * 500 for n in range(300)]  # far more than a pty holds
    for part in parts:
        writer.write(part)
    writer.call_when_idle()
    assert writer.held > 0
    assert not idle.is_set()
    whole = "".join(parts).encode()
    assert take(master, len(whole)) == whole
    assert idle.wait(10)
    assert writer.held == 0
    writer.stop()
    assert not writer.is_alive()


def test_stopping_writes_out_what_waits(ends: tuple[int, TextIO]) -> None:
    master, file = ends
    writer = Writer(file, lambda: None)
    writer.start()
    writer.write("the end")
    writer.stop()
    assert take(master, 7) == b"the end"


def test_a_terminal_that_takes_nothing_is_given_up(ends: tuple[int, TextIO]) -> None:
    _, file = ends
    writer = Writer(file, lambda: None)
    writer.start()
    writer.write("x" * 1_000_000)
    began = time.monotonic()
    writer.stop(0.2)
    assert time.monotonic() - began < 5
    assert writer.held > 0


def test_a_terminal_that_is_gone(ends: tuple[int, TextIO]) -> None:
    master, file = ends
    writer = Writer(file, lambda: None)
    writer.start()
    os.close(master)
    for _ in range(50):
        writer.write("x" * 1000)
    writer.wait_below(1)
    writer.stop()
    assert not writer.is_alive()
