"""How good forecasts made in advance turned out to be, over the last day of them.

Prequential (predict first, then see): log-loss against the ln 2 of a coin, Brier score, area under the ROC
curve and calibration, each over the forecasts that were resolved in (t - 24 h, t]. Losses are rounded once to
2^-36, scores counted in 1000 bins; all sums are integers, so they never depend on how a tape was cut.
METRICS 1.11; Dawid, JRSS A 147(2), 1984.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.metrics.ftrl import probability
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints

#: Fewer resolved forecasts in the window say nothing.
MIN_SCORED: Final = 250
BINS: Final = 1_000
WINDOW: Final = DAY
_ONE: Final = 1 << 36  # a loss of 1
_NEVER: Final = -(1 << 63)
_T, _CODE, _LOSS, _SQUARE = range(4)


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Forecasts with low <= P(up) < high: how many, their mean (to 0.001), and the share that went up."""

    low: float
    high: float
    count: int
    forecast: float | None
    happened: float | None


class Scores:
    """Resolved forecasts of P(up), in the order in which they were resolved."""

    def __init__(self) -> None:
        self._rows = Columns(*[np.int64] * 4)  # clock, 2 * bin + up, running sums of both losses (they may wrap)
        self._rows.append([_NEVER], [-1], [0], [0])
        self._new: list[tuple[int, int, int, int]] = []
        self._dropped = 0
        # Counts per code over rows [first, last) counted from the tape's start; a cache of what rows say.
        self._counts = np.zeros(2 * BINS, np.int64)
        self._first = self._last = 0

    def add(self, t: int, logit: float, up: bool) -> None:
        """At `t` the forecast with log-odds `logit`, made earlier, turned out to be up or not."""
        p = probability(logit)
        code = 2 * min(BINS - 1, int(p * BINS)) + up
        loss = math.log1p(math.exp(-logit if up else logit))
        self._new.append((t, code, round(loss * _ONE), round((p - up) ** 2 * _ONE)))

    def count(self, times: Ints) -> Ints:
        """Forecasts resolved in the window that ends at each time."""
        first, last = self._window(times)
        return last - first

    def skill(self, times: Ints) -> Floats:
        """1 - mean log-loss / ln 2: 0 is a coin, 1 perfect; NaN below MIN_SCORED forecasts."""
        return 1 - self._mean(times, _LOSS) / math.log(2)

    def brier(self, times: Ints) -> Floats:
        """Mean of (P(up) - outcome)^2: 0.25 is a coin; NaN below MIN_SCORED forecasts."""
        return self._mean(times, _SQUARE)

    def auc(self, times: Ints) -> Floats:
        """P(a forecast that went up was higher than one that went down), ties (of 0.001) half; NaN below
        MIN_SCORED forecasts or when all went one way."""
        out = np.full(len(times), np.nan)
        first, last = self._window(times)
        for i in np.flatnonzero(last - first >= MIN_SCORED).tolist():
            downs, ups = self._histogram(int(first[i]), int(last[i]))
            pairs = int(downs.sum()) * int(ups.sum())
            if pairs:
                twice = int((ups * (2 * np.cumsum(downs) - downs)).sum())
                out[i] = twice / (2 * pairs)
        return out

    def calibration(self, t: int, bins: int = 10) -> tuple[CalibrationBin, ...]:
        """The window that ends at `t` in `bins` bins of P(up); `bins` must divide 1000."""
        if bins < 1 or BINS % bins:
            raise ValueError(f"the number of calibration bins must divide {BINS}, not be {bins}")
        first, last = self._window(np.array([t], np.int64))
        downs, ups = self._histogram(int(first[0]), int(last[0]))
        middles, width = 2 * np.arange(BINS) + 1, BINS // bins
        out = []
        for k in range(bins):
            part = slice(k * width, (k + 1) * width)
            up = int(ups[part].sum())
            n = up + int(downs[part].sum())
            forecast = int(((ups + downs)[part] * middles[part]).sum()) / (2 * BINS * n) if n else None
            out.append(CalibrationBin(k / bins, (k + 1) / bins, n, forecast, up / n if n else None))
        return tuple(out)

    def forget(self, t: int) -> None:
        """No window that ends before `t` will be asked for."""
        if len(self._rows) > 2:
            rows = int(self._rows[_T].searchsorted(t - WINDOW, "right")) - 1
            if rows > 0:
                self._move(self._first, max(self._last, self._dropped + rows))
                self._move(max(self._first, self._dropped + rows), self._last)
                self._rows.drop(rows)
                self._dropped += rows

    def state(self) -> State:
        self._settle()
        return {"kind": "scores", "version": 1, "rows": self._rows.state()}

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it does not fit."""
        check_state(state, "scores", 1)
        self._rows.restore(state["rows"])
        if not len(self._rows):
            raise ValueError("a state of scores has at least one row")
        self._new, self._dropped = [], 0
        self._counts, self._first, self._last = np.zeros(2 * BINS, np.int64), 0, 0

    # ---- how they are held

    def _settle(self) -> None:
        """Put the newest forecasts into the columns."""
        if not self._new:
            return
        new = np.array(self._new, np.int64)
        self._new = []
        sums = [np.cumsum(np.concatenate([self._rows[i][-1:], new[:, i]]))[1:] for i in (_LOSS, _SQUARE)]
        self._rows.append(new[:, _T], new[:, _CODE], *sums)

    def _window(self, times: Ints) -> tuple[Ints, Ints]:
        """Rows [first, last) of the window that ends at each time, counted from the tape's start."""
        self._settle()
        clock = self._rows[_T]
        first, last = (
            np.maximum(clock.searchsorted(t, "right") - 1, 0) + self._dropped for t in (times - WINDOW, times)
        )
        return first, last

    def _mean(self, times: Ints, column: int) -> Floats:
        first, last = self._window(times)
        n, held = last - first, self._rows[column]
        out = np.full(len(times), np.nan)
        enough = n >= MIN_SCORED
        sums = held[last[enough] - self._dropped] - held[first[enough] - self._dropped]
        out[enough] = sums / n[enough] / _ONE
        return out

    def _histogram(self, first: int, last: int) -> tuple[Ints, Ints]:
        """Counts per bin of what went (down, up) among rows [first, last)."""
        if last < self._last or first < self._first or first >= self._last:
            self._counts[:] = 0
            self._first = self._last = first
        self._move(self._first, last)
        self._move(first, self._last)
        return self._counts[0::2], self._counts[1::2]

    def _move(self, first: int, last: int) -> None:
        """Let the counts cover rows [first, last), which begin and end no earlier than they did."""
        self._counts += self._tally(self._last, last) - self._tally(self._first, first)
        self._first, self._last = first, last

    def _tally(self, first: int, last: int) -> NDArray[np.int64]:
        codes = self._rows[_CODE][first - self._dropped + 1 : last - self._dropped + 1]
        if len(codes) == 0:
            return np.zeros(2 * BINS, np.int64)
        counted: NDArray[np.int64] = np.bincount(codes, minlength=2 * BINS)
        return counted
