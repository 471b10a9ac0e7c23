"""The price and size steps of a market, from the digits a file itself uses.

Files pad their numbers ("2683.80000000"), so only digits before trailing zeros count, and the
whole source is looked through: a step taken from its beginning would misplace a finer price later.

Prices and sizes are not alike. A price of a book off the grid is damage. Sizes finer than a
venue's lot are real: Binance spot books hold remainders from times of a finer lot (2292.22972 ETH
where the lot is 0.0001), so the finest size there is decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

#: No venue quotes finer than this; such a number is damaged.
MAX_DIGITS = 12

#: Prices of a book: digits that only one value in so many needs, or fewer, are damage, not the grid.
STRAY = 1_000

#: Digits before and after the point together: what an integer count can be told by from a double.
_MAX_WIDTH = 15


class Digits:
    """How many values need how many decimals, and how long they are before the point."""

    def __init__(self, stray: int = 0) -> None:
        """`stray`: a decimal that one value in so many needs, or fewer, is none of the grid (0: every one is)."""
        self._stray = stray
        self._values = 0
        self._needing = [0] * (MAX_DIGITS + 2)  # the last: more decimals than any grid has
        self._width = 1

    def add(self, values: int, needing: Sequence[int] | NDArray[np.int64], width: int = 1) -> None:
        """`values` more values; `needing` lists the decimals of those that have some.

        `width`: the most digits before the point among them.
        """
        self._values += values
        self._width = max(
            self._width, min(width, _MAX_WIDTH - 3)
        )  # one absurd number must not take the decimals from all
        if len(needing):
            counts = np.bincount(np.minimum(np.asarray(needing, np.int64), MAX_DIGITS + 1))
            for d, n in enumerate(counts.tolist()):
                self._needing[d] += n

    @property
    def decimals(self) -> int:
        """Decimals of the grid."""
        count = 0
        for d in range(max(0, min(MAX_DIGITS, _MAX_WIDTH - self._width)), 0, -1):
            count += self._needing[d]
            if count and count * self._stray >= self._values * bool(self._stray):
                return d
        return 0

    def finer(self, decimals: int) -> int:
        """How many values need more decimals than that."""
        return sum(self._needing[decimals + 1 :])


class TextDigits:
    """Decimals of the numbers in text, at the cost of one scan for those finer than what was found so far."""

    def __init__(self, before: Sequence[bytes], stray: int = 0) -> None:
        """`before`: regular expressions of what stands before a number."""
        self._digits = Digits(stray)
        self._before = tuple(before)
        self._base = 0
        self._longest = 6
        self._found = self._patterns()

    def _patterns(self) -> list[re.Pattern[bytes]]:
        """Numbers with more decimals than the grid, or more digits before the point than any so far."""
        one = rb"(\d+\.\d{%d}\d*[1-9]|\d{%d,})" % (self._base, self._longest + 1)
        return [re.compile(before + one) for before in self._before]

    def scan(self, block: bytes, values: int) -> None:
        """Look through a block of whole lines that holds so many numbers."""
        needing, width = [], self._longest
        for pattern in self._found:
            for number in pattern.findall(block):
                whole, _, decimals = number.partition(b".")
                width = max(width, len(whole))
                if len(decimals) > self._base:
                    needing.append(len(decimals))
        self._digits.add(values, needing, width)
        # From here on only what is finer than the grid so far needs a look.
        decimals = max(self._base, self._digits.decimals)
        if decimals > self._base or width > self._longest:
            self._base, self._longest = decimals, width
            self._found = self._patterns()

    @property
    def decimals(self) -> int:
        """Decimals of the grid."""
        return max(self._base, self._digits.decimals)

    @property
    def strays(self) -> int:
        """How many values have more decimals than the grid."""
        return self._digits.finer(self.decimals)


def step(decimals: int) -> Decimal:
    """The step of a grid with so many decimals."""
    return Decimal(1).scaleb(-decimals)
