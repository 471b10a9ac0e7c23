"""A real terminal with eyes: a pty whose output pyte draws, so that tests read what a person would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

from tests.terminal.pseudo import CURSOR, FLOWTAPE, PATIENCE, SYNCHRONISED, PseudoTerminal, environment

#: A sequence that has not come in whole yet.
_UNFINISHED = re.compile(rb"\x1b(?:\[[\d;?<>=$ ]*|\][^\x07\x1b]*)?\Z")
#: Queries and modes that pyte does not know and would print in part.
_UNKNOWN = re.compile(rb"\x1b\[[<>=?][\d;]*(?:\$p|[uqcn])|\x1b\[[<>=][\d;]*[a-zA-Z]")
_ALTERNATE = re.compile(rb"(\x1b\[\?1049[hl])")
FRAME = b"\x1b[?2026h"


class Screen(PseudoTerminal):
    """flowtape, or another command, and the screen it draws. `arguments` follow `flowtape`."""

    def __init__(
        self,
        home: Path,
        *arguments: str,
        size: tuple[int, int] = (120, 40),
        command: Sequence[str] = FLOWTAPE,
        variables: Mapping[str, str | None] | None = None,
    ) -> None:
        self._pyte = pyte.Screen(*size)
        self._shell = self._pyte  # what the alternate screen covers
        self._stream = pyte.ByteStream(self._pyte)
        self._fed = 0
        super().__init__(
            (*command, *arguments), environment(home, **variables or {}), size=size, answers=SYNCHRONISED | CURSOR
        )

    def resize(self, columns: int, rows: int) -> None:
        """See PseudoTerminal."""
        super().resize(columns, rows)
        for drawn in {self._pyte, self._shell}:
            drawn.resize(rows, columns)

    def lines(self) -> list[str]:
        """The rows of the screen now."""
        news = bytes(self.written[self._fed :])
        unfinished = _UNFINISHED.search(news)
        if unfinished is not None:
            news = news[: unfinished.start()]
        self._fed += len(news)
        for part in _ALTERNATE.split(news):
            if _ALTERNATE.fullmatch(part):
                # pyte has one screen; a real terminal a second one, which is empty whenever it is entered.
                self._pyte = pyte.Screen(*self.size) if part.endswith(b"h") else self._shell
                self._stream = pyte.ByteStream(self._pyte)
            else:
                self._stream.feed(_UNKNOWN.sub(b"", part))
        return list(self._pyte.display)

    def cells(self) -> list[list[pyte.screens.Char]]:
        """The same with what each cell looks like."""
        self.lines()
        return [[self._pyte.buffer[y][x] for x in range(self._pyte.columns)] for y in range(self._pyte.lines)]

    @property
    def text(self) -> str:
        """The whole screen."""
        return "\n".join(self.lines())

    def sees(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until a regular expression matches the screen."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            match = re.search(pattern, self.text)
            if match is not None:
                found.append(match)
            return match is not None

        try:
            self.until(look, f"{pattern!r} on the screen", seconds)
        except AssertionError:
            raise AssertionError(f"not on the screen within {seconds} s: {pattern!r}\n{self.text}") from None
        return found[-1]

    def loses(self, pattern: str) -> None:
        """Wait until nothing on the screen matches."""
        self.until(lambda: not re.search(pattern, self.text), f"{pattern!r} gone from the screen")

    def paints(self, frames: int = 1) -> None:
        """Wait for so many more frames."""
        wanted = self.written.count(FRAME) + frames
        self.until(lambda: self.written.count(FRAME) >= wanted, f"{frames} more frames")

    def changes(self, read: Callable[[], object]) -> None:
        """Wait until something read off the screen differs from what it is now."""
        before = read()
        self.until(lambda: read() != before, f"something else than {before!r}")
