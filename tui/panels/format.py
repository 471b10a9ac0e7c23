"""Numbers, times and foreign text as cells of a fixed width: what does not move need not be sent again.

Everything here returns text without control characters; None and NaN become a dash, never "nan" or "None".
"""

from __future__ import annotations

import math

from rich.cells import cell_len, set_cell_size

from tui.panels.glyphs import Glyphs, current
from tui.untrusted import escape_text

NS = 1_000_000_000
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def left(text: str, width: int) -> str:
    """Cut or padded on the right to exactly `width` cells; a cut is marked."""
    return _cell(text, width, right=False)


def right(text: str, width: int) -> str:
    """Cut or padded on the left to exactly `width` cells; a cut is marked."""
    return _cell(text, width, right=True)


def centre(text: str, width: int) -> str:
    """In the middle of exactly `width` cells; a cut is marked."""
    spare = width - cell_len(text)
    return left(" " * (spare // 2) + text, width) if spare > 0 else left(text, width)


def _cell(text: str, width: int, right: bool) -> str:
    if width <= 0:
        return ""
    size = len(text) if text.isascii() else cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + current().ellipsis
    return " " * (width - size) + text if right else text + " " * (width - size)


def size(value: float | None, width: int = 6) -> str:
    """An amount in at most `width` cells, right aligned: 0.0012, 1.234, 12.34k, 1.2M. At least 5 wide.

    A number of another size than zero never becomes a plain 0: what is too small shows as <0.001.
    """
    if value is None or not math.isfinite(value):
        return right(current().none, width)
    text = _magnitude(abs(value), width - (1 if value < 0 else 0))
    return right((current().minus if value < 0 else "") + text, width)


def count(number: int) -> str:
    """How many: a whole number, from a hundred thousand on as short as an amount."""
    return f"{number:,}" if number < 100_000 else size(float(number)).strip()


def signed(value: float | None, width: int = 7) -> str:
    """As `size`, with the sign always there (none for zero)."""
    if value is None or not math.isfinite(value):
        return right(current().none, width)
    sign = "+" if value > 0 else current().minus if value < 0 else ""
    return right(sign + _magnitude(abs(value), width - 1), width)


def _magnitude(value: float, width: int) -> str:
    """A number >= 0 in at most `width` cells (width >= 4)."""
    for unit, letter in _UNITS:
        # 999.96 must not become 1000.0: the switch to the next unit comes a rounding earlier.
        if value >= unit * 0.99995:
            return _digits(value / unit, width - 1) + letter
    if value == 0:
        return "0"
    smallest = 10.0 ** -(width - 2)
    if value < smallest:
        return "<" + f"{10.0 ** -(width - 3):.{max(0, width - 3)}f}"
    return _digits(value, width)


def _digits(value: float, width: int) -> str:
    """A number with four significant digits, as far as they fit (small ones: four decimals)."""
    whole = len(str(int(value)))
    places = max(0, min(width - whole - 1, 4 if value < 0.1 else 3 if value < 1 else 4 - whole))
    text = f"{value:.{places}f}"
    if len(text) > width:
        text = f"{value:.{max(0, places - (len(text) - width))}f}"
    return text if len(text) <= width else ("9" * (width - 1) + "+" if width > 1 else "+")


def from_bars(label: str, text: str) -> tuple[str, str]:
    """A label's cell and a number's, with a ~ in the free cell before a number that stands on bars, not on the tape."""
    cells = label + text
    at = len(cells) - len(text.lstrip()) - 1
    if at >= 0 and cells[at] == " ":
        cells = cells[:at] + "~" + cells[at + 1 :]
    return cells[: len(label)], cells[len(label) :]


def ratio(value: float | None, width: int = 6, digits: int = 2) -> str:
    """A number in [-1, 1] with its sign: +0.25."""
    if value is None or not math.isfinite(value):
        return right(current().none, width)
    shown = round(value, digits)
    sign = "+" if shown > 0 else current().minus if shown < 0 else ""
    return right(f"{sign}{abs(shown):.{digits}f}", width)


def countdown(value: float | None, width: int) -> str:
    """Seconds as h:mm:ss."""
    if value is None or not math.isfinite(value):
        return right(current().none, width)
    minutes, seconds = divmod(int(value), 60)
    return right(f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}", width)


def fixed(value: float | None, width: int, digits: int) -> str:
    """A plain number with so many decimals; falls back to `size` when it does not fit."""
    if value is None or not math.isfinite(value):
        return right(current().none, width)
    text = f"{abs(value):.{digits}f}"
    if value < 0 and float(text) != 0:
        text = current().minus + text
    return right(text, width) if len(text) <= width else size(value, width)


def price(value: float | None, digits: int, width: int = 0) -> str:
    """A price with the market's decimals and thousands separators, right aligned."""
    if value is None or not math.isfinite(value):
        text = current().none
    else:
        text = f"{value:,.{digits}f}"
        if width and len(text) > width:
            text = f"{value:.{digits}f}"
    return right(text, width) if width else text


def percent(value: float | None, width: int = 4) -> str:
    """A fraction in [0, 1] as whole percent, rounded down from 100 and up from 0 only when it is exactly there."""
    if value is None or not math.isfinite(value):
        return right(current().none, width)
    shown = round(value * 100)
    if shown >= 100 and value < 1:
        shown = 99
    if shown <= 0 < value:
        shown = 1
    return right(f"{shown}%", width)


def age(ns: int | None) -> str:
    """A duration as a person says it: 0.4 s, 12 s, 3 min, 2 h, 4 d. Negative counts as nothing."""
    if ns is None:
        return current().none
    seconds = max(0, ns) / NS
    if seconds < 1:
        return f"{seconds:.1f} s"
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(min(seconds // 86_400, 99_999))} d"


def clock(ns: int | None, millis: bool = False) -> str:
    """UTC time of day of a Unix time, 12:34:56 or 12:34:56.789."""
    if ns is None:
        return current().none * 2 + ":" + current().none * 2 + ":" + current().none * 2 + (".---" if millis else "")
    seconds, rest = divmod(ns, NS)
    minutes, second = divmod(seconds % 86_400, 60)
    hour, minute = divmod(minutes, 60)
    text = f"{hour:02d}:{minute:02d}:{second:02d}"
    return f"{text}.{rest // 1_000_000:03d}" if millis else text


def bar(fraction: float, width: int, glyphs: Glyphs, rightwards: bool = True) -> str:
    """A bar of `fraction` (cut to [0, 1]) of `width` cells in half-cell steps, padded with spaces to `width`.

    `rightwards` bars begin at the left edge, the others at the right. Any fraction above 0 shows at least half a cell.
    """
    if width <= 0:
        return ""
    halves = bar_halves(fraction, width)
    whole, half = divmod(halves, 2)
    if rightwards:
        return (glyphs.full * whole + glyphs.half_left * half).ljust(width)
    return (glyphs.half_right * half + glyphs.full * whole).rjust(width)


def bar_halves(fraction: float, width: int) -> int:
    """Half cells that `bar` fills: the part of a row's key that decides whether its bar looks different."""
    if not fraction > 0 or width <= 0:
        return 0
    return max(1, min(2 * width, round(fraction * 2 * width)))


def nice_above(value: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `value` (> 0)."""
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 2.0, 5.0, 10.0):
        if step * power >= value * (1 - 1e-12):
            return step * power
    return 10.0 * power


def rule(text: str, width: int, glyphs: Glyphs) -> str:
    """A horizontal rule of `width` cells with a text in its middle."""
    if len(text) + 2 > width:
        return left(text, width)
    spare = width - len(text) - 2
    return glyphs.line * (spare // 2) + f" {text} " + glyphs.line * (spare - spare // 2)


def foreign(text: str, width: int = 60) -> str:
    """Text that others wrote, safe and short."""
    return escape_text(text, width)
