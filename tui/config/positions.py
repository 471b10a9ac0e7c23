"""On which line of a TOML document each key stands.

`tomllib` forgets positions, and an error without its line makes people search. The document is known to be valid
when it comes here, so this walks over it and only looks at what can hold a key: tables, arrays, inline tables.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Generator, Iterator

Path = tuple[str | int, ...]  # ("alerts", 0, "when")

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'(?s:.)*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[Path, int]:
    """Line (from 1) of every key, table header and array element of a valid document.

    Of a table opened several times (`[a.b]`, then `[a]`) the first line counts.
    """
    walker = _Walker(text)
    lines: dict[Path, int] = {}
    for path, line in walker.walk():
        lines.setdefault(path, line)
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of `path`, or of the nearest part of it that stands in the document."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _Walker:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._counts: dict[Path, int] = {}  # how often [[path]] was opened

    def walk(self) -> Iterator[tuple[Path, int]]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            line = self._line()
            if self._text.startswith("[", self._at):
                table = yield from self._header(line)
            else:
                yield from self._pair(table, line)
            self._skip(_BLANK)

    def _header(self, line: int) -> Generator[tuple[Path, int], None, Path]:
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        names = self._key()
        self._at += 2 if array else 1
        path: Path = ()
        for i, name in enumerate(names):
            path += (name,)
            yield path, line
            if array and i == len(names) - 1:
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                # A header below an array of tables speaks of its last table.
                path += (self._counts[path] - 1,)
                yield path, line
        return path

    def _pair(self, table: Path, line: int) -> Iterator[tuple[Path, int]]:
        path = table
        for name in self._key():
            path += (name,)
            yield path, line
        self._at += 1  # the equals sign
        yield from self._value(path)

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        self._skip(_SPACE)
        if self._text.startswith("[", self._at):
            yield from self._elements(path, "]")
        elif self._text.startswith("{", self._at):
            yield from self._elements(path, "}")
        elif string := _STRING.match(self._text, self._at):
            self._at = string.end()
        elif scalar := _SCALAR.match(self._text, self._at):
            self._at = scalar.end()

    def _elements(self, path: Path, closing: str) -> Iterator[tuple[Path, int]]:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            if self._text[self._at] == closing:
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
            elif closing == "}":
                yield from self._pair(path, self._line())
            else:
                yield (*path, index), self._line()
                yield from self._value((*path, index))
                index += 1

    def _key(self) -> list[str]:
        """The parts of a dotted key; afterwards the cursor stands behind the blanks that follow it."""
        names: list[str] = []
        while True:
            self._skip(_SPACE)
            if bare := _BARE.match(self._text, self._at):
                names.append(bare.group())
                self._at = bare.end()
            elif quoted := _STRING.match(self._text, self._at):
                names.append(tomllib.loads(f"k = {quoted.group()}")["k"])
                self._at = quoted.end()
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self._text, self._at):
            self._at = match.end()

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)
