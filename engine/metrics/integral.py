"""Exact time-weighted means of a step function over the time in which it was valid."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import Bools, Floats
from engine.metrics.calculator import State
from engine.metrics.windows import Columns, check_state
from engine.tape import Ints

#: Values are integrated in two halves of 27 bits: 2^27 times the longest window in us stays inside int64.
_HALF: Final = 27
_LOW: Final = (1 << _HALF) - 1
MAX_VALUE: Final = 1 << (2 * _HALF)
MAX_WINDOW: Final = 1_000 * 60_000_000_000  # ns: 1,000 minutes

#: Batches of so many rows are taken in one by one.
FEW: Final = 8
_WRAP: Final = 1 << 63

_T, _US, _VALID, _HIGH_VALUE, _LOW_VALUE, _VALID_US, _HIGH_AREA, _LOW_AREA = range(8)


class StepIntegral:
    """Running integral of an integer step function I(t), read as a mean over (t - W, t].

    The function takes the value of a row at its time and keeps it until the next row; rows that are not
    valid contribute neither value nor time. Times count in whole microseconds (floor), values are ints
    with |value| <= 2^54, split into two halves of 27 bits whose areas are summed in int64. The sums may
    wrap around, the difference over a window may not, so every mean comes from exact integers and does
    not depend on how the rows were cut. Windows up to `MAX_WINDOW`.
    """

    def __init__(self) -> None:
        self._rows = Columns(*[np.int64] * 8)

    def extend(self, t: Ints, value: Ints, valid: Bools) -> None:
        """Add rows, in time order: t ns, value int64, valid bool, each of shape (n,)."""
        n = len(t)
        if not n:
            return
        if n <= FEW:
            self._extend_few(t, value, valid)
            return
        if max(int(value.max()), -int(value.min())) > MAX_VALUE:
            raise ValueError(f"a value beyond {MAX_VALUE} cannot be integrated exactly")
        columns = np.zeros((8, n + 1), np.int64)
        columns[_T, 1:] = t
        columns[_US, 1:] = t // 1_000
        columns[_VALID, 1:] = valid
        if not valid.all():
            value = value * valid
        np.right_shift(value, _HALF, out=columns[_HIGH_VALUE, 1:])  # floor: the low half is never negative
        np.bitwise_and(value, _LOW, out=columns[_LOW_VALUE, 1:])
        if len(self._rows):
            for index in range(8):
                columns[index, 0] = self._rows[index][-1]
        else:
            columns[_US, 0] = columns[_US, 1]
        dt = np.diff(columns[_US])
        for area, height in ((_VALID_US, _VALID), (_HIGH_AREA, _HIGH_VALUE), (_LOW_AREA, _LOW_VALUE)):
            np.multiply(columns[height, :-1], dt, out=columns[area, 1:])
            np.cumsum(columns[area], out=columns[area])
        self._rows.append(*columns[:, 1:])

    def _extend_few(self, t: Ints, value: Ints, valid: Bools) -> None:
        """The same a row at a time: numpy's calls cost more than a live batch of some rows holds."""
        rows, out = self._rows, []
        if len(rows):
            _, us, was, high, low, valid_us, high_area, low_area = (int(rows[i][-1]) for i in range(8))
        else:
            us, was, high, low, valid_us, high_area, low_area = int(t[0]) // 1_000, 0, 0, 0, 0, 0, 0
        for at, size, ok in zip(t.tolist(), value.tolist(), valid.tolist(), strict=True):
            if not -MAX_VALUE <= size <= MAX_VALUE:
                raise ValueError(f"a value beyond {MAX_VALUE} cannot be integrated exactly")
            dt, us = at // 1_000 - us, at // 1_000
            valid_us += was * dt
            high_area = (high_area + high * dt + _WRAP) % (2 * _WRAP) - _WRAP
            low_area = (low_area + low * dt + _WRAP) % (2 * _WRAP) - _WRAP
            was = int(ok)
            high, low = was * (size >> _HALF), was * (size & _LOW)
            out.append((at, us, was, high, low, valid_us, high_area, low_area))
        rows.append(*np.array(out, np.int64).T)

    def means(self, times: Ints, window: int) -> tuple[Floats, Ints]:
        """(mean over the valid time of (t - window, t], NaN where there is none; that valid time in us)."""
        end, start = self._areas(times), self._areas(times - window)
        valid_us = end[0] - start[0]
        area = _combined(end[1] - start[1], end[2] - start[2])
        mean = np.full(len(times), np.nan)
        np.divide(area, valid_us, out=mean, where=valid_us > 0)
        return mean, valid_us

    def _areas(self, times: Ints) -> tuple[Ints, Ints, Ints]:
        """(valid us, high area, low area) from the first row to each of `times`."""
        rows = self._rows
        if not len(rows):
            zero = np.zeros(len(times), np.int64)
            return zero, zero, zero
        index = rows[_T].searchsorted(times, "right") - 1
        inside = index >= 0
        index = np.maximum(index, 0)
        dt = np.where(inside, times // 1_000 - rows[_US][index], 0)
        valid, high, low = (
            rows[area][index] + rows[height][index] * dt
            for area, height in ((_VALID_US, _VALID), (_HIGH_AREA, _HIGH_VALUE), (_LOW_AREA, _LOW_VALUE))
        )
        return valid, high, low

    def valid_at(self, times: Ints) -> Bools:
        """Whether the function was valid at each of `times`."""
        if not len(self._rows):
            return np.zeros(len(times), np.bool_)
        index = self._rows[_T].searchsorted(times, "right") - 1
        valid: Bools = (index >= 0) & (self._rows[_VALID][np.maximum(index, 0)] == 1)
        return valid

    def forget(self, before: int) -> None:
        """No time earlier than `before` will be asked for; the value in force then is kept."""
        self._rows.drop(int(self._rows[_T].searchsorted(before, "right")) - 1)

    def state(self) -> State:
        """The rows still needed."""
        return {"kind": "integral", "version": 1, "rows": self._rows.state()}

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it does not fit."""
        check_state(state, "integral", 1)
        self._rows.restore(state["rows"])


def _combined(high: Ints, low: Ints) -> Floats:
    """high * 2^27 + low as float64, carried over exactly first, so that nothing cancels and -x gives -f(x)."""
    sign = np.where(high + (low >> _HALF) < 0, -1, 1)
    high, low = sign * high, sign * low
    high, low = high + (low >> _HALF), low & _LOW
    return sign * (high.astype(np.float64) * float(1 << _HALF) + low.astype(np.float64))
