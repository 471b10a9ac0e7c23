"""The screen twice, cell by cell: as it is wanted and as the terminal shows it; and what leads from one to the other.

A frame of Textual's compositor repeats whole spans, each with its colours. `Picture.paint` takes it in, `Picture.diff`
gives only the cells that differ, gathered by colour: a colour costs up to 40 bytes to set and a jump of the cursor 3 to
8, so all cells of one colour are painted before the next is set. The order does not show: the terminal is sent a
picture in one piece.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len, split_graphemes

from tui.driver.pens import NULL, UNKNOWN, Pens, UnknownOutputError

#: What frames are made of: a styled run, a jump, text, line ends (a jump always follows), a link; else the unknown.
_TOKEN = re.compile(
    r"\x1b\[([\d;]+)m([^\x00-\x1f\x7f-\x9f]*)\x1b\[0m"
    r"|\x1b\[(\d+);(\d+)H"
    r"|([^\x00-\x1f\x7f-\x9f]+)"
    r"|(\n)"
    r"|\x1b\]8;([^\x00-\x1f\x7f-\x9f]*)\x1b\\"
    r"|([\s\S])"
)
#: Cells between two runs of a colour that are sent again rather than jumped over (`ESC [ n C` is four bytes).
_BRIDGE = 3
_MOST_PENS = 10_000  # more are not kept; a screen has some dozens
_MANY_PENS = 24  # from here on they are taken in their order instead of by the shortest way

Run = tuple[int, int, int, str, bool]  # row, first column, column after it, text, whether the cursor is then known


@lru_cache(maxsize=8192)
def split_cells(text: str) -> tuple[str, tuple[str, ...]]:
    """What belongs to the cell before the text, and its cells: of a wide character the second one is empty."""
    if cell_len(text) == len(text) and "\u200d" not in text and "\ufe0f" not in text:
        spans = [(n, n + 1, cell_len(character)) for n, character in enumerate(text)]
    else:
        spans, _ = split_graphemes(text)
    before, cells = "", list[str]()
    for start, end, width in spans:
        part = text[start:end]
        if width == 0:
            if not cells:
                before += part
            else:
                at = -2 if cells[-1] == "" else -1
                cells[at] += part
        else:
            cells.append(part)
            cells += [""] * (width - 1)
    return before, tuple(cells)


class Picture:
    """Not safe for threads; one that has not been given a size has no cells."""

    def __init__(self) -> None:
        self.pens = Pens()
        self.width = self.height = 0
        self.dirty: set[int] = set()  # rows that may differ from what the terminal shows
        self.cursor = (0, 0)  # column and row where the last frame left it
        self._cells: list[list[str]] = []
        self._inks: list[list[int]] = []
        self._shown_cells: list[list[str] | None] = []  # None: not known
        self._shown_inks: list[list[int]] = []
        self._pen = UNKNOWN  # the terminal's

    # ---- what is wanted

    def resize(self, width: int, height: int) -> None:
        """Another size: what the terminal makes of its cells is not known."""
        cells, inks = self._cells, self._inks
        self._cells = [[" "] * width for _ in range(height)]
        self._inks = [[NULL] * width for _ in range(height)]
        for y in range(min(height, self.height)):
            kept = min(width, self.width)
            if kept < self.width and cells[y][kept] == "":
                kept -= 1  # no half characters
            self._cells[y][:kept] = cells[y][:kept]
            self._inks[y][:kept] = inks[y][:kept]
        self.width, self.height = width, height
        self.forget()

    def forget(self) -> None:
        """Nothing is known of the terminal any more: the next difference is the whole picture."""
        self._shown_cells = [None] * self.height
        self._shown_inks = [[] for _ in range(self.height)]
        self.dirty = set(range(self.height))
        self._pen = UNKNOWN

    def paint(self, frame: str) -> None:
        """Take a frame in. Raises UnknownOutputError when something in it is not understood; what came before is in."""
        pens = self.pens
        if len(pens) > _MOST_PENS:
            self._renew_pens()
            pens = self.pens
        x = y = 0
        link = ""
        jumped = False
        for codes, styled, row, column, plain, _, href, other in _TOKEN.findall(frame):
            if styled:
                x = self._put(x, y, styled, pens.pen(codes, link))
            elif row:
                y, x, jumped = int(row) - 1, int(column) - 1, True
            elif plain:
                x = self._put(x, y, plain, pens.pen("0", link))
            elif href:
                link = "" if href == ";" else href
            elif other:
                raise UnknownOutputError(f"{other!r} in a frame")
        if jumped:
            self.cursor = (x, y)

    def _put(self, x: int, y: int, text: str, pen: int) -> int:
        """Text at a place; returns the column after it."""
        if text.isascii():
            before, cells = "", list(text)
        else:
            before, split = split_cells(text)
            cells = list(split)
        after = x + len(cells)
        width = self.width
        if not 0 <= y < self.height or not 0 <= x < width:
            return after
        row, inks = self._cells[y], self._inks[y]
        if before and x:
            at = x - 2 if row[x - 1] == "" and x > 1 else x - 1
            row[at] += before
            self.dirty.add(y)
        end = after
        if end > width:
            split_wide = cells[width - x] == ""
            del cells[width - x :]
            if split_wide:
                cells[-1] = " "
            end = width
        blank = self.pens.blank[pen]
        if blank == pen or " " not in cells:
            own = [pen] * len(cells)
        else:
            own = [blank if cell == " " else pen for cell in cells]
        if row[x:end] == cells and inks[x:end] == own:
            return after
        if x and row[x] == "":  # the left half of a wide character that loses its right half
            row[x - 1], inks[x - 1] = " ", self.pens.blank[inks[x - 1]]
        if end < width and row[end] == "":
            row[end], inks[end] = " ", self.pens.blank[inks[end]]
        row[x:end] = cells
        inks[x:end] = own
        self.dirty.add(y)
        return after

    def _renew_pens(self) -> None:
        """Forget pens that are no longer used."""
        old, new = self.pens, Pens()
        moved: dict[int, int] = {}
        for inks in self._inks:
            for x, pen in enumerate(inks):
                if pen not in moved:
                    moved[pen] = new.number(old.look(pen))
                inks[x] = moved[pen]
        self.pens = new
        self.forget()

    # ---- what is sent

    def diff(self) -> str:
        """What makes the terminal show what is wanted; from here on it is taken to have come to pass."""
        ink: dict[int, list[Run]] = {}  # pen -> runs
        blanks: dict[
            int, list[Run]
        ] = {}  # the same of runs that are spaces only: any pen of the same ground paints them
        for y in sorted(self.dirty):
            self._changed_runs(y, ink, blanks)
        self.dirty.clear()
        out: list[str] = []
        pen, blank = self._pen, self.pens.blank
        at: tuple[int, int] | None = None  # the terminal's cursor, None while it is not known
        if pen != UNKNOWN and blank[pen] in blanks:
            ink.setdefault(pen, []).extend(blanks.pop(blank[pen]))
        while ink or blanks:
            if ink:
                new = self._next_pen(pen, ink)
                runs = ink.pop(new)
                if blank[new] in blanks:
                    runs += blanks.pop(blank[new])
            else:
                new = self._next_pen(pen, blanks)
                runs = blanks.pop(new)
            runs.sort()
            out.append(self.pens.way(pen, new))
            pen = new
            for y, start, end, text, known in runs:
                out.append(jump(at, start, y))
                out.append(text)
                at = (end, y) if known and end < self.width else None
        if pen > NULL and self.pens.look(pen).link:
            out.append(self.pens.way(pen, NULL))
            pen = NULL
        self._pen = pen
        return "".join(out)

    def _next_pen(self, pen: int, waiting: dict[int, list[Run]]) -> int:
        if pen in waiting:
            return pen
        if len(waiting) > _MANY_PENS:
            return next(iter(waiting))
        way = self.pens.way
        return min(waiting, key=lambda new: len(way(pen, new)))

    def _changed_runs(self, y: int, ink: dict[int, list[Run]], blanks: dict[int, list[Run]]) -> None:
        cells, inks, shown, shown_inks = self._cells[y], self._inks[y], self._shown_cells[y], self._shown_inks[y]
        if shown is None:
            changed = list(range(self.width))
        elif cells == shown and inks == shown_inks:
            return
        else:
            changed = [
                x
                for x, (cell, old, pen, old_pen) in enumerate(zip(cells, shown, inks, shown_inks, strict=True))
                if pen != old_pen or cell != old
            ]
        blank = self.pens.blank
        start = end = 0
        pen, inked, open_ = NULL, False, False

        def close(known: bool = True) -> None:
            if open_:
                runs = (ink if inked else blanks).setdefault(pen, [])
                runs.append((y, start, end, "".join(cells[start:end]), known))

        for x in changed:
            if x < end:
                continue  # the right half of what was just taken
            if cells[x] == "" and x:
                x -= 1
            cell, own = cells[x], inks[x]
            joins = False
            if open_:
                gap = x - end
                if gap == 0:
                    joins = own == pen or (cell == " " and own == blank[pen])
                    if not joins and not inked and blank[own] == pen:
                        pen, joins = own, True
                elif gap <= _BRIDGE and inked:
                    joins = (own == pen or (cell == " " and own == blank[pen])) and all(
                        len(cells[k]) == 1 and (inks[k] == pen or (cells[k] == " " and inks[k] == blank[pen]))
                        for k in range(end, x)
                    )
            if not joins:
                close()
                start, pen, inked, open_ = x, own, False, True
            inked = inked or cell != " "
            end = x + 1
            if end < self.width and cells[end] == "":
                end += 1
            if len(cell) != 1 or end != x + 1:
                # Terminals do not agree on the width of such: whatever follows is placed anew.
                close(known=False)
                open_ = False
        close()
        self._shown_cells[y], self._shown_inks[y] = cells.copy(), inks.copy()


def jump(at: tuple[int, int] | None, x: int, y: int) -> str:
    """The shortest way of the cursor from a place (None: not known) to column x of row y, both from 0."""
    if at == (x, y):
        return ""
    place = f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
    if at is None:
        return place
    right, down = x - at[0], y - at[1]
    if not down:
        if right > 0:
            return "\x1b[C" if right == 1 else f"\x1b[{right}C"
        return min("\b" * -right, f"\x1b[{x + 1}G", key=len)
    if down > 0 and -3 <= right <= 0:
        lower = "\x1b[B" if down == 1 else f"\x1b[{down}B"
        return min("\b" * -right + lower, place, key=len)
    return place
