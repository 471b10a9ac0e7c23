"""A thread that hands bytes to the terminal: whoever writes does not wait, and can see whether it has caught up."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO


class Writer(threading.Thread):
    """Takes the place of Textual's own thread, whose queue holds 30 pieces and then blocks the event loop.

    Bytes wait here without limit: the driver gives it a new picture only when the last one has left.
    """

    def __init__(self, file: TextIO, idle: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="terminal-output")
        self._fileno = file.fileno()
        self._encoding = file.encoding or "utf-8"
        self._idle = idle  # called in this thread, once after each `call_when_idle`
        self._waiting: deque[bytes] = deque()
        self._condition = threading.Condition()
        self._held = 0  # bytes not yet taken by the kernel
        self._call = False
        self._ended = False
        self._broken = False

    def write(self, text: str) -> int:
        """Hand over; returns how many bytes that are."""
        data = text.encode(self._encoding, "replace")
        with self._condition:
            if not self._broken and data:
                self._waiting.append(data)
                self._held += len(data)
                self._condition.notify_all()
        return len(data)

    @property
    def held(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return self._held

    def call_when_idle(self) -> None:
        """Call `idle` once, as soon as nothing waits here."""
        with self._condition:
            self._call = True
            self._condition.notify_all()

    def wait_below(self, size: int) -> None:
        """Wait until fewer than `size` bytes are held, or the terminal is gone."""
        with self._condition:
            self._condition.wait_for(lambda: self._held < size or self._broken or not self.is_alive())

    def run(self) -> None:
        """See Thread."""
        while True:
            with self._condition:
                if not self._waiting and self._call:
                    self._call = False
                    call = True
                else:
                    call = False
                    while not self._waiting and not self._call and not self._ended:
                        self._condition.wait()
                    if not self._waiting and self._ended:
                        return
                data = b"".join(self._waiting)
                self._waiting.clear()
            if call:
                self._idle()
            if data:
                self._write_all(data)
                with self._condition:
                    self._held = 0 if self._broken else self._held - len(data)
                    self._condition.notify_all()

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._broken:
            try:
                view = view[os.write(self._fileno, view) :]
            except BlockingIOError:  # another program has set the terminal so
                select.select([], [self._fileno], [], 1.0)
            except OSError:  # it is gone
                self._broken = True
                self._waiting.clear()

    def stop(self, seconds: float = 3.0) -> None:
        """Write out what waits and end; a terminal that takes nothing for so long is given up."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        self.join(seconds)
