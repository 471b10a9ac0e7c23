"""Text that others wrote (symbol names, exchange messages, file names, configuration) made safe to show.

Foreign text can carry terminal commands, change the direction of what stands beside it, hide characters, or speak
the markup of the screen. Everything that is shown and was not written in this program goes through here.
"""

from __future__ import annotations

import re
import unicodedata

MARK = "\N{REPLACEMENT CHARACTER}"  # stands where something was taken out, so that two names never look alike by it
ELLIPSIS = "…"

_COMMANDS = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]                            # CSI: colours, cursor, modes
    | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]) [^\x07\x1b\x9c]* (?:\x07|\x1b\\|\x9c)   # OSC, DCS, SOS, PM, APC
    | \x1b [ -/]* [0-~]                                              # the short ones
    """,
    re.VERBOSE,
)
_BLANKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# Cc controls, Cf invisible format characters (bidi controls, zero-width, tags, BOM), Cs lone surrogates,
# Co private use, Cn unassigned: none of them has a width or a look that a terminal and we agree on.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters by category, blank to the eye


def escape_text(text: str, width: int = 200) -> str:
    """`text` on one line, without terminal commands, controls, bidi or hidden characters, `width` cells at most.

    What is taken out leaves one MARK for each run; line breaks and tabs become one space; a clipped text ends
    with an ellipsis. Wide (East Asian) characters count two cells. The result is plain text, never to be put
    where Textual reads markup.
    """
    if width <= 0:
        return ""
    # Never look at more than could be shown: each shown cell needs a character, and a hostile text has no end.
    text = text[: width * 16]
    if text.isascii() and text.isprintable():
        return text if len(text) <= width else text[: width - 1] + ELLIPSIS
    text = unicodedata.normalize("NFC", _BLANKS.sub(" ", _COMMANDS.sub("\0", text)))
    shown: list[str] = []
    used = 0
    for char in text:
        piece, cells = _piece(char, shown[-1] if shown else " ")
        if not piece:
            continue
        if used + cells > width:
            while shown and used > width - 1:
                used -= cell_width(shown.pop())
            return "".join(shown) + ELLIPSIS
        shown.append(piece)
        used += cells
    return "".join(shown)


def cell_width(char: str) -> int:
    """Terminal cells that one character takes: 0 for a combining mark, 2 for a wide one."""
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _piece(char: str, before: str) -> tuple[str, int]:
    """What to show for `char` after `before`, and its cells; empty: nothing."""
    if char.isascii() and char.isprintable():
        return char, 1
    category = unicodedata.category(char)
    if category in _HIDDEN or char in _INVISIBLE:
        return ("", 0) if before == MARK else (MARK, 1)
    if category == "Zs":
        return " ", 1
    cells = cell_width(char)
    if cells == 0 and (before in (" ", MARK) or cell_width(before) == 0):
        # A mark with nothing to stand on, or a pile of them that would run into the lines around.
        return ("", 0) if before == MARK else (MARK, 1)
    return char, cells
