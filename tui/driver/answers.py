"""What a terminal says when it is asked, for `flowtape doctor`: how far away it is, and what it knows."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from dataclasses import dataclass

_CURSOR = re.compile(rb"\x1b\[\d+;\d+R")
_SYNCHRONISED = re.compile(rb"\x1b\[\?2026;([0-4])\$y")


@dataclass(frozen=True, slots=True)
class Answers:
    """None: it did not answer."""

    round_trip: float | None  # seconds
    synchronised: bool | None  # shows a picture when it has come whole (mode 2026)


def ask_terminal(read: int, write: int, seconds: float = 2.0, ask_mode: bool = True) -> Answers:
    """Ask the terminal of these file descriptors and wait so long. Keys typed meanwhile are lost.

    `ask_mode` False leaves the question about mode 2026 out, for terminals that would print it. Raises OSError when
    they are no terminal.
    """
    if sys.platform == "win32":
        raise OSError("consoles of Windows are not asked")
    import termios

    try:
        before = termios.tcgetattr(read)
    except termios.error as error:
        raise OSError(*error.args) from None
    quiet = [*before]
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(read, termios.TCSADRAIN, quiet)
    try:
        termios.tcflush(read, termios.TCIFLUSH)
        began = time.monotonic()
        os.write(write, (b"\x1b[?2026$p" if ask_mode else b"") + b"\x1b[6n")
        came = b""
        while (left := began + seconds - time.monotonic()) > 0 and not _CURSOR.search(came):
            if select.select([read], [], [], left)[0]:
                came += os.read(read, 1024)
        took = time.monotonic() - began
        mode = _SYNCHRONISED.search(came)
        return Answers(
            round_trip=took if _CURSOR.search(came) else None,
            synchronised=None if mode is None else mode[1] not in (b"0", b"4"),
        )
    finally:
        termios.tcsetattr(read, termios.TCSAFLUSH, before)
