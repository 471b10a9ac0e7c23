"""Numbers one under the other, each with its unit, and where one is unknown, from when on it will be known.

The texts of warm-up come with the view, out of the registry of metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from engine.instrument import Instrument
from engine.view import MarketView
from tui.panels import format as fmt
from tui.panels.base import Role, Runs
from tui.panels.glyphs import Glyphs

Shape = Literal["price", "amount", "signed", "share", "ratio", "number", "bps", "count", "seconds", "z"]
LABEL, VALUE = 13, 9
#: Longest stretch of a value's own unit beside it.
UNIT = 8


class Line(NamedTuple):
    """One row: a label and one number, or one for each side."""

    label: str
    metrics: tuple[str, ...]
    shape: Shape
    unit: str = ""  # empty with an amount: the instrument's
    note: str = ""  # behind the unit, where there is room


class Heading(NamedTuple):
    """A row of words: what the rows below have in common, or the names of their columns."""

    text: str
    columns: tuple[str, ...] = ()


def value_text(value: float | None, shape: Shape, instrument: Instrument, width: int = VALUE) -> str:
    """A number in `width` cells."""
    match shape:
        case "price":
            return fmt.price(value, instrument.price_digits, width)
        case "signed" | "z":
            return fmt.signed(value, width)
        case "bps":
            return bps_text(value, width)
        case "ratio":
            return fmt.fixed(value, width, 3)
        case "share":
            return fmt.percent(value, width) if value is None or abs(value) <= 9.99 else fmt.size(value, width)
        case "count":
            return fmt.fixed(value, width, 0)
        case "seconds":
            if value is None or not 0 <= value < 1e9:
                return fmt.size(value, width)
            return fmt.right(fmt.age(int(value * fmt.NS)), width)
        case _:
            return fmt.size(value, width)


def bps_text(value: float | None, width: int) -> str:
    """Basis points with their sign and two decimals, fewer where they are many."""
    if value is None or not fmt.known(value) or abs(value) >= 1e4:
        return fmt.signed(value, width)
    return fmt.ratio(value, width, 2 if abs(value) < 100 else 1)


def unit_of(line: Line, instrument: Instrument) -> str:
    """The unit as it stands beside the number."""
    if line.unit or line.shape not in ("amount", "signed"):
        return line.unit
    return fmt.foreign(instrument.unit, UNIT)


def since_text(view: MarketView, keys: Sequence[str]) -> str:
    """`counting since 12:03:10` for numbers that began when they were first looked at and do not reach back yet."""
    begun = [view.since[key] for key in keys if key in view.since]
    return f"counting since {fmt.clock(max(begun))}" if begun else ""


def waiting_text(view: MarketView, key: str) -> str:
    """Why a number is unknown."""
    warmup = view.warmup.get(key, "")
    parts = (since_text(view, (key,)), fmt.foreign(warmup.partition(";")[0], 120))
    return ": ".join(part for part in parts if part)


def line_runs(view: MarketView, line: Line, glyphs: Glyphs) -> Runs:
    """A row of the panel; cut by whoever fits it to the width."""
    values = [view.metrics.get(key) for key in line.metrics]
    label = fmt.left(" " + line.label, LABEL)
    if not any(fmt.known(value) for value in values):
        return (("text", label), ("dim", f" {glyphs.none} {waiting_text(view, line.metrics[0])}"))
    texts = "".join(value_text(value, line.shape, view.instrument) for value in values)
    tail = f" {unit_of(line, view.instrument)}"
    rest = "  ".join(part for part in (line.note, since_text(view, line.metrics)) if part)
    role = role_of(line, values)
    if any(key in view.warmed for key in line.metrics):
        label, texts = fmt.from_bars(label, texts)
        role = "dim"
    runs: list[tuple[Role, str]] = [("text", label), (role, texts), ("text", tail)]
    if role == "text":
        runs = [("text", label + texts + tail)]
    if rest:
        runs.append(("dim", "  " + rest))
    return tuple(runs)


def role_of(line: Line, values: Sequence[float | None]) -> Role:
    """Signed amounts have the colour of their side; the sign stands there too."""
    value = values[0]
    if line.shape not in ("signed", "z") or len(values) > 1 or value is None or not fmt.known(value):
        return "text"
    return "buy" if value > 0 else "sell" if value < 0 else "text"


def heading_runs(heading: Heading) -> Runs:
    """A row of words, its columns above the values."""
    text = fmt.left(" " + heading.text, LABEL) if heading.columns else " " + heading.text
    return (("dim", text + "".join(fmt.right(column, VALUE) for column in heading.columns)),)


def block(view: MarketView, rows: Sequence[Line | Heading], glyphs: Glyphs) -> list[Runs]:
    """All rows of a part of a panel."""
    return [heading_runs(row) if isinstance(row, Heading) else line_runs(view, row, glyphs) for row in rows]


def keys_of(rows: Sequence[Line | Heading]) -> tuple[str, ...]:
    """The metrics of lines, each once."""
    return tuple(dict.fromkeys(key for row in rows if isinstance(row, Line) for key in row.metrics))


def no_data(view: MarketView, channel: Literal["book", "trades"], needs: str) -> str | None:
    """A sentence in place of a panel, while nothing has come or the source does not carry what it needs."""
    state = view.book if channel == "book" else view.trades
    if state.state == "NONE":
        return f"this source carries no {needs}"
    if view.t == 0:
        return f"no data yet: {fmt.foreign(state.reason) or f'waiting for the first {channel}'}"
    return None
