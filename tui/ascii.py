"""Nothing but ASCII on the wire: for terminals and fonts that have no more, and for `--ascii`."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

#: One cell each. What is not here is reduced to its base letter, or becomes `?`.
_PLAIN = str.maketrans(
    {
        "…": "~", "·": ".", "•": "*", "–": "-", "—": "-", "−": "-", "×": "x", "±": "~", "≥": ">", "≤": "<", "≈": "~",
        "↑": "^", "↓": "v", "←": "<", "→": ">", "▲": "^", "▼": "v", "▸": ">", "◂": "<", "▶": ">", "◀": "<", "⏸": "=",
        "▌": "|", "▐": "|", "█": "#", "▄": "#", "▀": "#", "▔": "-", "▁": "_", "▎": "|", "▊": "|", "░": ".", "▒": ":",
        "▓": "#", "■": "#", "●": "*", "○": "o", "✓": "x", "’": "'", "◆": "*", "┃": "!", "═": "=", "⚠": "!",
    }
)  # fmt: skip


def ascii_text(text: str) -> str:
    """`text` in ASCII, of the same width in cells."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _ascii_cell(c) for c in text.translate(_PLAIN))


def _ascii_cell(character: str) -> str:
    if "─" <= character <= "╿":
        name = unicodedata.name(character)
        sides = [side in name for side in ("HORIZONTAL", "VERTICAL")]
        return {(True, False): "-", (False, True): "|"}.get((sides[0], sides[1]), "+")
    base = unicodedata.normalize("NFKD", character)[:1]
    width = cell_len(character)
    return base if base.isascii() and base.isprintable() and width == 1 else "?" * width


class AsciiFilter(LineFilter):
    """Applied to every line of every widget, whatever wrote it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """See LineFilter."""
        return [
            segment if segment.text.isascii() else Segment(ascii_text(segment.text), segment.style, segment.control)
            for segment in segments
        ]
