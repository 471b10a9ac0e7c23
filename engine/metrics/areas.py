"""Exact integrals over time of amounts too large for a machine word, for several amounts that change together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.metrics.batch import Bools
from engine.metrics.calculator import State
from engine.metrics.integral import FEW, MAX_WINDOW
from engine.metrics.windows import Columns, Exact, check_state
from engine.tape import Ints

#: Amounts are held in parts of 27 bits: 2^27 times `MAX_WINDOW` in us stays inside int64.
_BITS: Final = 27
_PARTS: Final = 3
_MASK: Final = (1 << _BITS) - 1
_WRAP: Final = 1 << 63
MAX_AMOUNT: Final = (1 << _BITS * _PARTS) - 1

__all__ = ["MAX_AMOUNT", "MAX_WINDOW", "StepAreas"]


class StepAreas:
    """Running integrals of `amounts` step functions that share their times, read over windows (t - W, t].

    A function takes the value of a row (an int from 0 to `MAX_AMOUNT`) at its time and keeps it until the next
    row; rows that are not valid contribute neither value nor time. Times count in whole microseconds (floor).
    The running sums of the parts may wrap around; their differences over at most `MAX_WINDOW` may not, so
    every integral is exact and does not depend on how the rows were cut.
    """

    def __init__(self, amounts: int) -> None:
        self._amounts = amounts
        self._heights = 1 + _PARTS * amounts  # valid, then the parts of each amount, the lowest first
        self._rows = Columns(*[np.int64] * (1 + 2 * self._heights))  # t, heights, areas

    def extend(self, t: Ints, amounts: Sequence[Exact], valid: Bools) -> None:
        """Rows in time order: t ns, one array of ints per amount, valid bool, each of shape (n,)."""
        n = len(t)
        if not n:
            return
        if n <= FEW:
            self._extend_few(t.tolist(), [amount.tolist() for amount in amounts], valid.tolist())
            return
        heights = np.zeros((self._heights, n + 1), np.int64)
        heights[0, 1:] = valid
        for k, amount in enumerate(amounts):
            if int(amount.max()) > MAX_AMOUNT or int(amount.min()) < 0:
                raise ValueError(f"an amount outside 0 .. {MAX_AMOUNT} cannot be integrated exactly")
            for part in range(_PARTS):
                heights[1 + k * _PARTS + part, 1:] = (amount >> _BITS * part) & _MASK
        heights[1:, 1:] *= valid
        us = np.empty(n + 1, np.int64)
        us[1:] = t // 1_000
        us[0] = us[1]
        areas = np.zeros_like(heights)
        rows, count = self._rows, self._heights
        if len(rows):
            us[0] = int(rows[0][-1]) // 1_000
            heights[:, 0] = [rows[1 + i][-1] for i in range(count)]
        np.multiply(heights[:, :-1], np.diff(us), out=areas[:, 1:])
        if len(rows):
            areas[:, 0] = [rows[1 + count + i][-1] for i in range(count)]
        np.cumsum(areas, axis=1, out=areas)
        self._rows.append(t, *heights[:, 1:], *areas[:, 1:])

    def _extend_few(self, t: list[int], amounts: list[list[int]], valid: list[bool]) -> None:
        """The same a row at a time: numpy's calls cost more than a live batch of some rows holds."""
        rows, count = self._rows, self._heights
        if len(rows):
            held = [int(rows[i][-1]) for i in range(1 + 2 * count)]
            us, heights, areas = held[0] // 1_000, held[1 : 1 + count], held[1 + count :]
        else:
            us, heights, areas = t[0] // 1_000, [0] * count, [0] * count
        out = []
        for at, known, *row in zip(t, valid, *amounts, strict=True):
            dt, us = at // 1_000 - us, at // 1_000
            areas = [
                (area + height * dt + _WRAP) % (2 * _WRAP) - _WRAP for area, height in zip(areas, heights, strict=True)
            ]
            heights = [int(known)]
            for amount in row:
                if not 0 <= amount <= MAX_AMOUNT:
                    raise ValueError(f"an amount outside 0 .. {MAX_AMOUNT} cannot be integrated exactly")
                held_now = amount if known else 0
                heights += [held_now >> _BITS * part & _MASK for part in range(_PARTS)]
            out.append((at, *heights, *areas))
        rows.append(*np.array(out, np.int64).T)

    def over(self, times: Ints, window: int) -> tuple[list[list[int]], Ints]:
        """(per amount its integrals over the valid time of each window, amount x us; that valid time in us)."""
        parts = self._at(times) - self._at(times - window)
        integrals = []
        for k in range(self._amounts):
            columns = parts[1 + k * _PARTS : 1 + (k + 1) * _PARTS].tolist()
            integrals.append(
                [sum(area << _BITS * i for i, area in enumerate(row)) for row in zip(*columns, strict=True)]
            )
        valid_us: Ints = parts[0]
        return integrals, valid_us

    def _at(self, times: Ints) -> Ints:
        """All areas from the first row to each of `times`, shape (heights, n)."""
        rows, count = self._rows, self._heights
        out = np.zeros((count, len(times)), np.int64)
        if not len(rows):
            return out
        index = rows[0].searchsorted(times, "right") - 1
        inside = index >= 0
        index = np.maximum(index, 0)
        dt = np.where(inside, times // 1_000 - rows[0][index] // 1_000, 0)
        for i in range(count):
            out[i] = rows[1 + count + i][index] + rows[1 + i][index] * dt
        return out

    def forget(self, before: int) -> None:
        """No time earlier than `before` will be asked for; the values in force then are kept."""
        self._rows.drop(int(self._rows[0].searchsorted(before, "right")) - 1)

    def state(self) -> State:
        """The rows still needed."""
        return {"kind": "areas", "version": 1, "rows": self._rows.state()}

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it does not fit."""
        check_state(state, "areas", 1)
        self._rows.restore(state["rows"])
