"""Past values of a VPIN, one per closed bucket, and the percentile of one among those before it."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from engine.metrics.batch import Floats
from engine.metrics.windows import DAY, Columns
from engine.tape import Ints

#: The percentile looks back so far, over at most so many values, and needs at least so many.
LOOKBACK: Final = 30 * DAY
MOST_VALUES: Final = 200_000
FEWEST_VALUES: Final = 250

_T, _VALUE, _NULL = range(3)


class VpinHistory:
    """Closing times of buckets with the VPIN and its null level then; both NaN before the n-th bucket."""

    def __init__(self, n: int, learned: int = 0) -> None:
        """`learned`: so many buckets will come first that were not seen but learned from bars. No percentile counts
        a value in which one of them is: bars make flow look less one-sided than it was."""
        self._n = n
        self.learned = learned
        self.rows = Columns(np.int64, np.float64, np.float64)  # close time, VPIN, null
        self.closed = 0  # buckets so far

    def append(self, t: Any, values: Any, nulls: Any) -> None:
        """Buckets that closed, in order: arrays or sequences of one length."""
        self.rows.append(t, values, nulls)
        self.closed += len(t)

    def sample(self, field: str, times: Ints) -> Floats:
        """`vpin`, `null`, `age` (s since a bucket closed) or `pct` (mid-rank percentile, 0..1) at `times`."""
        index = self.rows[_T].searchsorted(times, "right") - 1
        out = np.full(len(times), np.nan)
        some = index >= 0
        index = index[some]
        if field == "vpin":
            out[some] = self.rows[_VALUE][index]
        elif field == "null":
            out[some] = self.rows[_NULL][index]
        elif field == "age":
            out[some] = (times[some] - self.rows[_T][index]) / 1e9
        elif field == "pct":
            distinct, back = np.unique(index, return_inverse=True)
            out[some] = np.array([self._percentile(i) for i in distinct.tolist()], np.float64)[back]
        else:
            raise ValueError(f"VPIN has no field {field!r}")
        return out

    def _percentile(self, index: int) -> float:
        """(below + ties / 2) / number, among the values before that of a retained bucket."""
        values = self.rows[_VALUE]
        counted = self.learned + self._n - 1 - (self.closed - len(values))
        before = values[max(self._oldest(index), counted) : index]
        if math.isnan(values[index]) or len(before) < FEWEST_VALUES:
            return math.nan
        below = int(np.count_nonzero(before < values[index]))
        ties = int(np.count_nonzero(before == values[index]))
        return (below + ties / 2) / len(before)

    def _oldest(self, index: int) -> int:
        """The first retained bucket whose value the percentile at `index` compares with."""
        clock = self.rows[_T]
        return max(int(clock.searchsorted(clock[index] - LOOKBACK, "right")), index - MOST_VALUES)

    def forget(self, t: int) -> None:
        """No instant before `t` will be asked for."""
        index = int(self.rows[_T].searchsorted(t, "right")) - 1
        if index > 0:
            self.rows.drop(self._oldest(index))

    def closings(self, since: int, until: int) -> Ints:
        """Distinct times in (since, until] at which buckets closed; `since` not before the last `forget`."""
        clock = self.rows[_T]
        return np.unique(clock[clock.searchsorted(since, "right") : clock.searchsorted(until, "right")])

    def last(self, k: int) -> tuple[Ints, Floats]:
        """(close times, VPIN) of the last `k` buckets that have a value, oldest first."""
        known = min(max(self.closed - self._n + 1, 0), len(self.rows), k)
        start = len(self.rows) - known
        return self.rows[_T][start:].copy(), self.rows[_VALUE][start:].copy()
