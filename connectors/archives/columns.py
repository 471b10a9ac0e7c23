"""CSV text to columns of integers, vectorised: a block of lines costs a few numpy passes.

Fields are parsed straight from the bytes, so digits stay exact. A line that does not fit the plain
form (quotes, blanks, exponents, damage) is looked at on its own.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from connectors.archives.digits import Digits
from engine.instrument import MAX_UNITS

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_DOT, _COMMA, _NEWLINE, _ZERO = 46, 44, 10, 48
# More decimals than any venue quotes; prices keep three digits before the point then.
_DECIMALS_READ = 15
_MAX_DIGITS = 18  # what an int64 holds whatever the digits are


@dataclass(frozen=True)
class Table:
    """Lines of a block that have the right number of fields, and those that have not.

    `start` and `end` have shape (lines, fields): byte offsets into `data`. `line` numbers them in
    the file; `odd` are (line number, text) of the others.
    """

    data: Bytes
    start: Ints
    end: Ints
    line: Ints
    odd: list[tuple[int, bytes]]

    def __len__(self) -> int:
        return len(self.line)

    def field(self, row: int, column: int) -> str:
        """One field as text."""
        return (
            self.data[self.start[row, column] : self.end[row, column]].tobytes().decode("utf-8", "replace").strip(' "')
        )

    def text(self, row: int) -> bytes:
        """A whole line."""
        return self.data[self.start[row, 0] : self.end[row, -1]].tobytes()


def table(block: bytes, first_line: int, fields: int) -> Table:
    """Cut a block of whole lines into fields; blank lines vanish."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if not block.endswith(b"\n"):
        block += b"\n"
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    commas = np.flatnonzero(data == _COMMA)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    upto = np.searchsorted(commas, ends)
    first = np.concatenate((np.zeros(1, np.int64), upto[:-1]))
    fits = upto - first == fields - 1
    blank = ends == starts
    odd = [
        (int(first_line + i), block[starts[i] : ends[i]])
        for i in np.flatnonzero(~(fits | blank)).tolist()
        if block[starts[i] : ends[i]].strip()
    ]
    good = np.flatnonzero(fits & ~blank)
    cuts = (
        commas[first[good][:, None] + np.arange(fields - 1)]
        if len(commas)
        else np.zeros((len(good), fields - 1), np.int64)
    )
    return Table(
        data,
        np.column_stack((starts[good], cuts + 1)),
        np.column_stack((cuts, ends[good])),
        good + first_line,
        odd,
    )


def integers(data: Bytes, start: Ints, end: Ints) -> tuple[Ints, Bools]:
    """Unsigned integers of up to 18 digits: (values, which are one)."""
    length = end - start
    good = (length > 0) & (length <= _MAX_DIGITS)
    value = np.zeros(len(start), np.int64)
    if not len(start):
        return value, good
    longest = min(int(length.max()), _MAX_DIGITS)
    shortest = int(length.min())
    for j in range(longest):
        at = start + j
        if j < shortest:
            digit = data[at].astype(np.int64) - _ZERO
            good &= (digit >= 0) & (digit <= 9)
            value = value * 10 + digit
        else:
            inside = at < end
            digit = data[np.minimum(at, len(data) - 1)].astype(np.int64) - _ZERO
            good &= ~inside | ((digit >= 0) & (digit <= 9))
            value = np.where(inside, value * 10 + digit, value)
    return value, good


def decimals(data: Bytes, start: Ints, end: Ints, scale: int) -> tuple[Ints, Bools, Bools]:
    """Unsigned decimals in units of 10**-scale: (values, which are a number, which need no finer unit)."""
    dot = _dots(data, start, end)
    whole, good = integers(data, start, dot)
    good &= dot - start <= _MAX_DIGITS - scale
    value = whole
    exact = np.ones(len(start), bool)
    digits = end - dot - 1
    longest = int(digits.max(initial=0))
    for j in range(max(longest, scale)):
        at = dot + 1 + j
        inside = at < end
        digit = np.where(inside, data[np.minimum(at, len(data) - 1)].astype(np.int64) - _ZERO, 0)
        good &= (digit >= 0) & (digit <= 9)
        if j < scale:
            value = value * 10 + digit
        else:
            exact &= digit == 0
    good &= digits != 0  # "1." is no number of these files
    return value, good, exact


def significant_decimals(data: Bytes, start: Ints, end: Ints) -> Ints:
    """Decimals each number needs, trailing zeros not counted."""
    dot = _dots(data, start, end)
    needed = np.zeros(len(start), np.int64)
    for j in range(int((end - dot - 1).max(initial=0))):
        at = dot + 1 + j
        digit = data[np.minimum(at, len(data) - 1)]
        needed = np.where((at < end) & (digit > _ZERO) & (digit <= _ZERO + 9), j + 1, needed)
    return needed


def _dots(data: Bytes, start: Ints, end: Ints) -> Ints:
    """Offset of the first dot of each field, its end where there is none."""
    dots = np.flatnonzero(data == _DOT)
    if not len(dots):
        return end.copy()
    found = dots[np.minimum(np.searchsorted(dots, start), len(dots) - 1)]
    return np.where((found >= start) & (found < end), found, end)


def first_letters(data: Bytes, start: Ints, end: Ints) -> tuple[Bytes, Ints]:
    """First byte in lower case and length of each field (byte 0 where empty)."""
    length = end - start
    letter = data[np.minimum(start, len(data) - 1)]
    lower = np.where((letter >= 65) & (letter <= 90), letter + 32, letter)
    return np.where(length > 0, lower, 0).astype(np.uint8), length


def fields_of(line: bytes) -> list[str]:
    """The fields of one line, quotes and blanks around them removed; raises ValueError."""
    text = line.decode("utf-8")
    if "\0" in text or "\r" in text.rstrip("\r"):
        raise ValueError("control bytes in the line")
    try:
        row = next(csv.reader([text], strict=True, skipinitialspace=True))
    except (csv.Error, StopIteration) as error:
        raise ValueError(str(error)) from None
    return [field.strip() for field in row]


def survey_numbers(
    block: Table, columns: Sequence[int], digits: Sequence[Digits], id_column: int = -1
) -> tuple[Ints, Bools]:
    """Count the digits of some columns; returns the ids (empty without `id_column`) and which lines are plain.

    Lines that are not in the plain form are looked at one by one, so a file all in quotes counts too.
    """
    plain = np.ones(len(block), bool)
    for column, counted in zip(columns, digits, strict=True):
        start, end = block.start[:, column], block.end[:, column]
        number, good, _ = decimals(block.data, start, end, 0)
        plain &= good
        needing = significant_decimals(block.data, start, end)[good]
        counted.add(int(good.sum()), needing, len(str(int(number[good].max(initial=0)))))
    ids = np.zeros(0, np.int64)
    if id_column >= 0:
        ids, good = integers(block.data, block.start[:, id_column], block.end[:, id_column])
        plain &= good
        ids = ids[good]
    for text in [text for _, text in block.odd] + [block.text(i) for i in np.flatnonzero(~plain).tolist()]:
        try:
            row = fields_of(text)
            values = [Decimal(row[column]).normalize() for column in columns]
            more = [int(row[id_column])] if id_column >= 0 else []
        except (ValueError, IndexError, InvalidOperation):
            continue
        for value, counted in zip(values, digits, strict=True):
            if value.is_finite() and abs(value.adjusted()) < 30:
                counted.add(1, [max(0, -int(value.as_tuple().exponent))], max(1, value.adjusted() + 1))
        ids = np.concatenate((ids, np.array(more, np.int64))) if all(0 <= i < 1 << 62 for i in more) else ids
    return ids, plain


def insert_rows(columns: Sequence[Ints], line: Ints, more: list[tuple[int, tuple[int, ...]]]) -> list[Ints]:
    """Put rows that were read on their own, given as (line, values), among the others by line number."""
    if not more:
        return list(columns)
    more_lines = np.array([n for n, _ in more], np.int64)
    order = np.argsort(np.concatenate((line, more_lines)), kind="stable")
    added = np.array([values for _, values in more], np.int64)
    return [np.concatenate((column, added[:, i]))[order] for i, column in enumerate(columns)]


@dataclass(frozen=True)
class Step:
    """A tick or lot as a whole number of decimals' units, so that digits become steps exactly."""

    scale: int  # decimals read
    size: int  # the step in units of 10**-scale

    @classmethod
    def of(cls, step: Decimal) -> Step:
        """The step of an instrument. More decimals than an int64 has room for are left to careful reading."""
        scale = max(0, -int(step.normalize().as_tuple().exponent))
        scale = min(scale, _DECIMALS_READ)
        return cls(scale, int(Fraction(step) * 10**scale))

    def units(self, data: Bytes, start: Ints, end: Ints) -> tuple[Ints, Bools]:
        """Fields as whole steps: (values, which are exactly that)."""
        value, good, exact = decimals(data, start, end, self.scale)
        if not self.size:
            return value, np.zeros(len(value), bool)
        steps = value // self.size
        return steps, good & exact & (steps * self.size == value) & (steps <= MAX_UNITS)


def equals(data: Bytes, start: Ints, end: Ints, word: bytes) -> Bools:
    """Which fields are exactly this word."""
    same: Bools = end - start == len(word)
    for j, byte in enumerate(word):
        same &= data[np.minimum(start + j, len(data) - 1)] == byte
    return same
