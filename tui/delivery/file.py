"""A file with one line of JSON for each alert. It is opened anew for every line, so it may be moved away or rotated."""

from __future__ import annotations

import os
from pathlib import Path

from tui.delivery.aside import Once
from tui.delivery.sink import Letter, Trouble


class LinesFile:
    """Appends to `path`; a new file is the user's alone."""

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._beside = Once("flowtape-file")

    async def send(self, letter: Letter) -> None:
        """See Sink. A line that is still being written, on a disk that hangs, is waited for and not written twice."""
        try:
            await self._beside.run(letter.id, lambda: self._append(letter.body), self._timeout)
        except TimeoutError:
            raise Trouble(f"{self._path}: the disk has not answered within {self._timeout:g} s") from None
        except OSError as error:
            raise Trouble(f"{self._path}: {error.strerror or error}") from None

    def _append(self, body: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as stream:
            torn = False
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                torn = stream.read(1) != b"\n"
            # What a crash has torn stays a line of its own.
            stream.write((b"\n" if torn else b"") + body + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    async def close(self) -> None:
        """See Sink."""
