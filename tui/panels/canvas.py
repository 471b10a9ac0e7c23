"""Lines drawn into character cells: braille (2×4 dots a cell), half blocks (1×2), or ASCII (1×3).

A chart has one dot column for each time bucket. A bucket is a vertical stroke from its low to its high, joined
to the bucket before, so that the line has no gaps where the price jumps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tui.panels.format import nice_above
from tui.panels.glyphs import ChartKind

#: Dot columns and dot rows of one cell.
DOTS: dict[ChartKind, tuple[int, int]] = {"braille": (2, 4), "block": (1, 2), "ascii": (1, 3)}
#: Bit of the dot at (row from the top, column) in U+2800.
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_HALVES = (" ", "▀", "▄", "█")
_SCAN = (" ", "'", "-", "|", "_", "|", "|", "|")

Span = tuple[int, int]  # lowest and highest dot of a column, counted from the bottom


def dot_columns(width: int, kind: ChartKind) -> int:
    """How many time buckets fit into `width` cells."""
    return width * DOTS[kind][0]


def nice_range(low: float, high: float, before: tuple[float, float] | None, least: float) -> tuple[float, float]:
    """Bounds of the vertical axis: on round steps and wider than the data, so that they seldom change.

    `before` are the bounds in use: they stay while the data lies inside and fills more than a third of them.
    `least` (> 0) is the smallest range there is, for data that does not move.
    """
    if before is not None and before[0] <= low and high <= before[1] and (high - low) * 3 >= before[1] - before[0]:
        return before
    step = nice_above(max(high - low, least) / 4)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    if top <= bottom:
        bottom, top = bottom - step, top + step
    # Room at an edge the data touches: the next tick must not rescale everything.
    if high > top - step * 0.1:
        top += step
    if low < bottom + step * 0.1:
        bottom -= step
    return bottom, top


def spans(
    close: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    bounds: tuple[float, float],
    rows: int,
    kind: ChartKind,
) -> list[Span | None]:
    """Strokes of a line in a chart of `rows` cells height; None where nothing is known."""
    dots = rows * DOTS[kind][1]
    bottom, top = bounds
    scale = (dots - 1) / (top - bottom)
    out: list[Span | None] = []
    last: int | None = None
    for value, least, most in zip(close, low, high, strict=True):
        if value is None:
            out.append(None)
            last = None
            continue
        at = _dot(value, bottom, scale, dots)
        first = at if least is None else _dot(least, bottom, scale, dots)
        final = at if most is None else _dot(most, bottom, scale, dots)
        first, final = min(first, at), max(final, at)
        if last is not None:
            # Joined to the neighbour, but not drawn over its dot.
            first, final = min(first, last + 1) if last < first else first, max(final, last - 1)
        out.append((first, final))
        last = at
    return out


def _dot(value: float, bottom: float, scale: float, dots: int) -> int:
    return max(0, min(dots - 1, round((value - bottom) * scale)))


def draw(strokes: Sequence[Span | None], width: int, rows: int, kind: ChartKind, level: int | None = None) -> list[str]:
    """The chart as `rows` texts of `width` cells, top first; `level` is a dot row with a dotted line (zero)."""
    across, down = DOTS[kind]
    cells = [[0] * width for _ in range(rows)]

    def put(column: int, dot: int) -> None:
        row, part = divmod(rows * down - 1 - dot, down)
        cell, side = divmod(column, across)
        if 0 <= row < rows and cell < width:
            cells[row][cell] |= _BRAILLE[part][side] if kind == "braille" else 1 << part

    if level is not None and kind != "block":
        # Half blocks have no dot fine enough for a zero line that could be told from the data.
        for column in range(0, width * across, 4):
            put(column, level)
    for column, stroke in enumerate(strokes):
        if stroke is not None:
            for dot in range(stroke[0], stroke[1] + 1):
                put(column, dot)
    if kind == "braille":
        # A space is one byte where the empty braille cell is three, and some fonts draw its dots.
        return ["".join(chr(0x2800 + bits) if bits else " " for bits in row) for row in cells]
    glyphs = _HALVES if kind == "block" else _SCAN
    return ["".join(glyphs[bits] for bits in row) for row in cells]


def level_dot(value: float, bounds: tuple[float, float], rows: int, kind: ChartKind) -> int | None:
    """The dot row of a value, None when it lies outside."""
    bottom, top = bounds
    if not bottom <= value <= top:
        return None
    dots = rows * DOTS[kind][1]
    return _dot(value, bottom, (dots - 1) / (top - bottom), dots)
