"""The characters that panels draw with: braille, blocks, or plain ASCII.

`tui/terminal.py` finds out what the terminal can show and calls `use` once, before the first panel paints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChartKind = Literal["braille", "block", "ascii"]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of characters, each one cell wide."""

    name: ChartKind
    full: str  # a whole cell of a bar
    half_left: str  # half a cell that touches what stands left of it
    half_right: str
    empty: str  # the empty part of a gauge
    centre: str  # the zero line of a bar that goes both ways
    line: str  # horizontal rule
    up: str
    down: str
    best_bid: str
    best_ask: str
    poc: str
    unknown: str  # beyond what is known
    none: str  # a number that is unknown
    hole: str
    mark: str  # a level on a gauge
    minus: str
    ellipsis: str
    dot: str  # between two texts
    at_least: str
    at_most: str
    times: str


_BLOCK = {
    "full": "█",
    "half_left": "▌",
    "half_right": "▐",
    "empty": "░",
    "centre": "│",
    "line": "─",
    "up": "▲",
    "down": "▼",
    "best_bid": "◂",
    "best_ask": "▸",
    "poc": "◆",
    "unknown": "·",
    "none": "–",
    "hole": "×",
    "mark": "┃",
    "minus": "−",
    "ellipsis": "…",
    "dot": "·",
    "at_least": "≥",
    "at_most": "≤",
    "times": "×",
}

BRAILLE = Glyphs("braille", **_BLOCK)
BLOCK = Glyphs("block", **_BLOCK)
ASCII = Glyphs(
    "ascii",
    full="#",
    half_left="=",
    half_right="=",
    empty=".",
    centre="|",
    line="-",
    up="^",
    down="v",
    best_bid="<",
    best_ask=">",
    poc="*",
    unknown=".",
    none="-",
    hole="x",
    mark="!",
    minus="-",
    ellipsis="~",
    dot="-",
    at_least=">=",
    at_most="<=",
    times="x",
)

SETS: dict[str, Glyphs] = {"braille": BRAILLE, "block": BLOCK, "ascii": ASCII}
_current: Glyphs = BRAILLE


def use(name: str) -> Glyphs:
    """Choose the set all panels paint with from now on; raises KeyError for a name that is not in SETS."""
    global _current
    _current = SETS[name]
    return _current


def current() -> Glyphs:
    """The set in use."""
    return _current
