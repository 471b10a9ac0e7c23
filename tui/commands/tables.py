"""Tables as text, and a line that says how far a long reading is."""

from __future__ import annotations

import math
import sys
import textwrap
import time
from typing import TYPE_CHECKING

from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.study.table import Cell, Table

_PROGRESS_S = 0.5
_WIDTH = 100


class Progress:
    """One line on a terminal, nothing anywhere else; notices go before it."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._next = time.monotonic() + 1
        self._shown = False

    def show(self, text: str) -> None:
        """How far we are; seldom."""
        if self._on and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_S
            self._shown = True
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave nothing behind."""
        if self._shown:
            self._shown = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def notice(self, source: str, text: str) -> None:
        """What a reader has to say."""
        self.clear()
        print(f"flowtape: {escape_text(source, 120)}: {escape_text(text, 500)}", file=sys.stderr)


def table_text(table: Table) -> str:
    """With its title, and how it is to be read below it."""
    head = [column.strip() for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    left = [all(isinstance(row[i], str) or row[i] is None for row in table.rows) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in ((head, *rows) if any(head) else rows)
    ]
    return "\n".join([table.title, *lines, *textwrap.wrap(f"Reading: {table.reading}", _WIDTH)])


def _cell(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return escape_text(cell, 100)
    if isinstance(cell, int):
        return f"{cell:,}"
    if not math.isfinite(cell):
        return "–" if math.isnan(cell) else ("inf" if cell > 0 else "-inf")
    size = abs(cell)
    if size >= 100_000:
        return f"{cell:,.0f}"
    return f"{cell:.4g}" if size < 1000 else f"{cell:,.2f}"
