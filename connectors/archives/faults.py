"""What was wrong in a file, told once: the first cases by line, then how many there were."""

from __future__ import annotations

from pathlib import Path

from connectors.archives.opening import Notify

#: Cases named by line before only their number is kept.
NAMED = 5


class Faults:
    """Counts the refused lines of one file and names the first of them."""

    def __init__(self, path: Path, notice: Notify) -> None:
        self.count = 0
        self.notice = notice
        self._path = path

    def add(self, line: int, why: str) -> None:
        """A line is skipped because of `why`."""
        self.count += 1
        if self.count <= NAMED:
            self.notice(self._path.name, f"{self._path}:{line}: skipped: {why}")

    def where(self, line: int) -> str:
        """A place in the file."""
        return f"{self._path}:{line}"

    def close(self, lines: str = "lines") -> None:
        """At the end of the file: how many there were in all."""
        if self.count > NAMED:
            self.notice(self._path.name, f"{self._path}: {self.count:,} {lines} skipped in all")


def excerpt(line: bytes) -> str:
    """The start of a line for a message: foreign bytes escaped."""
    return repr(bytes(line[:60]))[1:] + ("…" if len(line) > 60 else "")
