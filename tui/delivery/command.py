"""A program that is run for each alert: no shell, the payload as JSON on its standard input, killed when it is late."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

from tui.delivery.sink import Letter, Trouble
from tui.untrusted import escape_text

_MOST_ERROR = 4096


class Command:
    """Runs `argv`. Exit status 0 is its word that it has the letter; anything else is tried again."""

    def __init__(self, argv: Sequence[str], timeout: float) -> None:
        self._argv = tuple(argv)
        self._timeout = timeout

    async def send(self, letter: Letter) -> None:
        """See Sink. Input and errors go through files: a program that doesn't read, or leaves children behind that
        hold its output open, can't stall anyone."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as told:
            given.write(letter.body)
            given.seek(0)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=given,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=told,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                raise Trouble(f"{self._argv[0]}: can't be run: {reason}") from None
            try:
                status = await asyncio.wait_for(process.wait(), self._timeout)
            except TimeoutError:
                await self._kill(process)
                raise Trouble(f"{self._argv[0]}: killed, still running after {self._timeout:g} s") from None
            except asyncio.CancelledError:
                await asyncio.shield(self._kill(process))
                raise
            if status != 0:
                raise Trouble(f"{self._argv[0]}: {_said(status)}{_last_line(told)}")

    async def _kill(self, process: asyncio.subprocess.Process) -> None:
        """End it with all that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def close(self) -> None:
        """See Sink."""


def _said(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"ended by signal {-status}"


def _last_line(told: IO[bytes]) -> str:
    size = told.seek(0, os.SEEK_END)
    told.seek(max(0, size - _MOST_ERROR))
    lines = told.read(_MOST_ERROR).decode("utf-8", "replace").strip().splitlines()
    return f": {escape_text(lines[-1], 150)}" if lines else ""
