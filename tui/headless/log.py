"""Structured lines on standard output, written by a thread: a reader that stalls holds up nobody."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from tui.untrusted import escape_text

Form = Literal["text", "json"]
Level = Literal["info", "warning", "error"]
#: Lines that wait for the reader; what comes beyond is counted and told when there is room again.
MOST_WAITING = 10_000
_WIDTH = 1000


class LogLines:
    """`write` and `raw` may be called from any thread and never wait. `broken` is called, from the writing thread,
    when nobody can read any more. `now` gives wall time in ns."""

    def __init__(self, file: int, form: Form, now: Callable[[], int], broken: Callable[[], None]) -> None:
        self._file = file
        self._form = form
        self._now = now
        self._broken = broken
        self._queue: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="flowtape-log", daemon=True)
        self._thread.start()

    def write(
        self, level: Level, event: str, text: str, at: int | None = None, **fields: str | int | float | None
    ) -> None:
        """One line. `at` is the event time it is about, ns; `fields` stand in the JSON form only."""
        self._tell_dropped()
        self._put(self._line(level, event, text, at, fields))

    def raw(self, sequence: str) -> None:
        """Bytes for the terminal, between two lines."""
        self._put(sequence.encode("utf-8", "replace"))

    def close(self, seconds: float = 2.0) -> None:
        """Let the rest be written, for so long at most."""
        self._tell_dropped()
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _line(
        self, level: Level, event: str, text: str, at: int | None, fields: dict[str, str | int | float | None]
    ) -> bytes:
        stamp = _iso(self._now())
        text = escape_text(text, _WIDTH)
        if self._form == "text":
            when = f"  [{_iso(at)}]" if at is not None else ""
            return f"{stamp} {level:<7} {event:<10} {text}{when}\n".encode("utf-8", "replace")
        line: dict[str, object] = {"time": stamp, "level": level, "event": event, "text": text}
        if at is not None:
            line["at"] = _iso(at)
        for name, value in fields.items():
            line[name] = escape_text(value, _WIDTH) if isinstance(value, str) else value
        return msgspec.json.encode(line) + b"\n"

    def _tell_dropped(self) -> None:
        dropped = self._dropped
        if dropped:
            line = self._line("warning", "log", f"{dropped} lines were dropped", None, {"dropped": dropped})
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(line)
                self._dropped -= dropped

    def _put(self, data: bytes) -> None:
        try:
            self._queue.put_nowait(data)
        except queue.Full:
            self._dropped += 1

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError:
                self._broken()
                return


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
