"""Pens: how a cell is drawn (colours, attributes, link), and the shortest way from one pen to another."""

from __future__ import annotations

from typing import NamedTuple

#: The pen of a terminal of which nothing is known.
UNKNOWN = -1
#: The terminal's own colours, no attribute, no link.
NULL = 0
#: What switches an attribute off (ECMA-48); bold and dim, and both underlines, go together.
_OFF = {
    1: "22", 2: "22", 3: "23", 4: "24", 21: "24", 5: "25", 6: "25", 7: "27", 8: "28", 9: "29",
    51: "54", 52: "54", 53: "55",
}  # fmt: skip
#: Attributes that can be seen on a space.
_ON_SPACE = frozenset({4, 7, 9, 21, 51, 52, 53})
_MOST_WAYS = 16_384


class UnknownOutputError(ValueError):
    """Something in a frame that is not understood: it must reach the terminal as it is."""


class Look(NamedTuple):
    """One pen. Colours are SGR parameters ("38;2;1;2;3", "31"; empty: the terminal's own)."""

    attributes: frozenset[int]
    front: str
    back: str
    link: str  # "id=…;address" of OSC 8, empty for none


def parse_sgr(codes: str) -> tuple[frozenset[int], str, str]:
    """Attributes, foreground and background after an SGR sequence on a reset pen. Raises UnknownOutputError."""
    attributes: set[int] = set()
    front = back = ""
    rest = iter(codes.split(";"))
    for code in rest:
        number = int(code) if code.isdecimal() else 0
        if number == 0:
            attributes.clear()
            front = back = ""
        elif number in _OFF:
            attributes.add(number)
        elif number in (38, 48):
            kind = next(rest, "")
            size = {"5": 1, "2": 3}.get(kind)
            values = [next(rest, "") for _ in range(size or 0)]
            if size is None or not all(values):
                raise UnknownOutputError(f"SGR {codes!r}")
            color = ";".join((code, kind, *values))
            front, back = (color, back) if number == 38 else (front, color)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            front = code
        elif 40 <= number <= 47 or 100 <= number <= 107:
            back = code
        elif number == 39:
            front = ""
        elif number == 49:
            back = ""
        else:
            raise UnknownOutputError(f"SGR {codes!r}")
    return frozenset(attributes), front, back


class Pens:
    """Pens by number, so that cells compare quickly. 0 is the null pen."""

    def __init__(self) -> None:
        self._numbers: dict[Look, int] = {}
        self._looks: list[Look] = []
        self._named: dict[tuple[str, str], int] = {}
        self._ways: dict[tuple[int, int], str] = {}
        #: pen -> the pen in which a space looks the same: all that has no ink on it counts as one.
        self.blank: list[int] = []
        self.number(Look(frozenset(), "", "", ""))

    def __len__(self) -> int:
        return len(self._looks)

    def look(self, pen: int) -> Look:
        """What a number stands for."""
        return self._looks[pen]

    def pen(self, codes: str, link: str = "") -> int:
        """The pen after a reset and an SGR sequence. Raises UnknownOutputError."""
        pen = self._named.get((codes, link))
        if pen is None:
            pen = self._named[codes, link] = self.number(Look(*parse_sgr(codes), link))
        return pen

    def number(self, look: Look) -> int:
        """The number of a pen known by its look."""
        known = self._numbers.get(look)
        if known is not None:
            return known
        pen = self._numbers[look] = len(self._looks)
        self._looks.append(look)
        self.blank.append(pen)
        if not look.link and not look.attributes & _ON_SPACE:
            self.blank[pen] = self.number(Look(frozenset(), "", look.back, ""))
        return pen

    def way(self, old: int, new: int) -> str:
        """The sequence that turns one pen into another; empty when they are the same."""
        way = self._ways.get((old, new))
        if way is None:
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            way = self._ways[old, new] = self._find_way(old, new)
        return way

    def _find_way(self, old: int, new: int) -> str:
        to = self._looks[new]
        afresh = ";".join(("0", *map(str, sorted(to.attributes)), *filter(None, (to.front, to.back))))
        afresh = "\x1b[m" if afresh == "0" else f"\x1b[{afresh}m"
        if old == UNKNOWN:
            return f"\x1b]8;{to.link}\x1b\\{afresh}" if to.link else afresh
        at = self._looks[old]
        link = f"\x1b]8;{to.link or ';'}\x1b\\" if to.link != at.link else ""
        off = {_OFF[code] for code in at.attributes - to.attributes}
        on = [code for code in sorted(to.attributes) if code not in at.attributes or _OFF[code] in off]
        colors = [
            new or default
            for new, held, default in ((to.front, at.front, "39"), (to.back, at.back, "49"))
            if new != held
        ]
        steps = ";".join((*sorted(off), *map(str, on), *colors))
        stepwise = f"\x1b[{steps}m" if steps else ""
        return link + min(stepwise, afresh, key=len)
