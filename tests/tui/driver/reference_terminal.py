"""A terminal as simple as can be: what the drivers may send, done cell by cell. Anything else is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rich.cells import split_graphemes

_TOKEN = re.compile(
    r"\x1b\[(\d*)(?:;(\d+))?H|\x1b\[([\d;]*)m|\x1b\[(\d*)([BCG])|(\x08)|(\n)|\x1b\]8;([^\x1b]*)\x1b\\"
    r"|(\x1b\[\?2026[hl]|\x1b\[6n)|([^\x00-\x1f\x7f]+)|([\s\S])"
)
_SEEN_ON_SPACE = {"4", "7", "9", "21", "51", "52", "53"}
_OFF = {
    "22": "1 2", "23": "3", "24": "4 21", "25": "5 6", "27": "7", "28": "8", "29": "9", "54": "51 52", "55": "53",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One place on the screen; the right half of a wide character has no text."""

    text: str = " "
    attributes: frozenset[str] = frozenset()
    front: str = ""
    back: str = ""
    link: str = ""

    @property
    def seen(self) -> tuple[object, ...]:
        """What a person sees: on a space without a line through it or around it, only its ground."""
        if self.text == " " and not self.attributes & _SEEN_ON_SPACE and not self.link:
            return (" ", self.back)
        return (self.text, self.attributes, self.front, self.back, self.link)


class ReferenceTerminal:
    """Without line wrap, as Textual switches it off: at the right edge the cursor stays where it is."""

    def __init__(self, width: int, height: int) -> None:
        self.cells: list[list[Cell]] = []
        self.width = self.height = 0
        self.pen = Cell()
        self.x = self.y = 0
        self.resize(width, height)

    def resize(self, width: int, height: int, garbage: str = " ") -> None:
        """Another size, with something in every cell that must be painted over."""
        self.width, self.height = width, height
        self.x, self.y = min(self.x, width - 1), min(self.y, height - 1)
        self.cells = [[Cell(garbage)] * width for _ in range(height)]

    def feed(self, data: str) -> None:
        """Do what the bytes say. ValueError for what is not known here."""
        for row, column, sgr, count, letter, back, newline, link, known, text, other in _TOKEN.findall(data):
            if text:
                self._print(text)
            elif letter:
                self._move(letter, int(count or 1))
            elif row:
                self.y, self.x = min(int(row), self.height) - 1, min(int(column or 1), self.width) - 1
            elif back:
                self.x = max(0, self.x - 1)
            elif newline:
                self.x, self.y = 0, min(self.height - 1, self.y + 1)
            elif link:
                self._set(link="" if link == ";" else link)
            elif other:
                raise ValueError(f"{other!r} in {data!r}")
            elif not known:
                self._style(sgr)
            assert 0 <= self.y < self.height, f"row {self.y} of {self.height}"
            assert self.x >= 0, f"column {self.x}"

    def _move(self, letter: str, count: int) -> None:
        if letter == "B":
            self.y = min(self.height - 1, self.y + count)
        elif letter == "C":
            self.x = min(self.width - 1, self.x + count)
        else:
            self.x = min(count, self.width) - 1

    def _set(self, **changes: object) -> None:
        self.pen = Cell(**{**vars(self.pen), "text": " ", **changes})  # type: ignore[arg-type]

    def _style(self, sgr: str) -> None:
        codes = sgr.split(";")
        while codes:
            code = codes.pop(0)
            if code in ("", "0"):
                self._set(attributes=frozenset(), front="", back="")
            elif code in ("38", "48"):
                size = {"5": 2, "2": 4}[codes[0]]
                color = ";".join([code, *codes[:size]])
                assert len(codes) >= size
                del codes[:size]
                self._set(**{"front" if code == "38" else "back": color})
            elif code in _OFF:
                self._set(attributes=self.pen.attributes - set(_OFF[code].split()))
            elif code in ("39", "49"):
                self._set(**{"front" if code == "39" else "back": ""})
            elif 30 <= int(code) <= 37 or 90 <= int(code) <= 97:
                self._set(front=code)
            elif 40 <= int(code) <= 47 or 100 <= int(code) <= 107:
                self._set(back=code)
            else:
                assert code in {"1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53"}, sgr
                self._set(attributes=self.pen.attributes | {code})

    def _print(self, text: str) -> None:
        row = self.cells[self.y]
        for start, end, width in split_graphemes(text)[0]:
            part = text[start:end]
            if width == 0:
                at = self.x - 1
                if at >= 0 and row[at].text == "":
                    at -= 1
                if at >= 0:
                    row[at] = Cell(**{**vars(row[at]), "text": row[at].text + part})
                continue
            if self.x + width > self.width:
                self._put(self.x, " ")  # half a character is none
                continue
            self._put(self.x, part)
            if width == 2:
                self._put(self.x + 1, "", whole=False)
            # At the right edge the cursor stays on the last cell, whatever is printed there.
            self.x = min(self.x + width, self.width - 1)

    def _put(self, x: int, text: str, whole: bool = True) -> None:
        row = self.cells[self.y]
        if whole and row[x].text == "" and x:
            row[x - 1] = Cell(**{**vars(row[x - 1]), "text": " "})
        if x + 1 < self.width and row[x + 1].text == "":
            row[x + 1] = Cell(**{**vars(row[x + 1]), "text": " "})
        row[x] = Cell(**{**vars(self.pen), "text": text})

    def difference(self, other: ReferenceTerminal) -> list[tuple[int, int, Cell, Cell]]:
        """Column, row and both cells wherever the two do not look the same."""
        assert (self.width, self.height) == (other.width, other.height)
        return [
            (x, y, mine, theirs)
            for y in range(self.height)
            for x, (mine, theirs) in enumerate(zip(self.cells[y], other.cells[y], strict=True))
            if mine.seen != theirs.seen
        ]
