"""Rolling ridge regression of the mid's return over a horizon, forecasts frozen in advance.

Moments of resolved rows are collected in blocks of 5 minutes (UTC); at the end of a block the weights are
solved anew from the last 24 blocks that had rows. Everything is added one row at a time in grid order, blocks
in order, so results do not depend on how the tape was cut. METRICS 1.11.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.metrics.prequential import MIN_SCORED, WINDOW
from engine.metrics.windows import Columns, check_state
from engine.tape import Ints

BLOCK: Final = 300_000_000_000
#: Weights rest on so many blocks: two hours of a market that is never quiet.
BLOCKS: Final = 24
#: Penalty per row, in units of a feature's square (features lie within -1 and 1).
RIDGE: Final = 0.01
#: Fewer rows give no weights: forecasts are 0.
MIN_ROWS: Final = 200
#: A larger return counts as this, in bps.
CAP: Final = 100.0
_NEVER: Final = -(1 << 63)
_T, _ERROR, _SQUARE = range(3)


@dataclass(frozen=True, slots=True)
class ReturnReport:
    """A model of returns as a panel shows it."""

    weights: dict[str, float]  # bps per unit of the feature
    scored: int
    skill: float | None  # 1 - sum of squared errors / sum of squared returns


class ReturnModel:
    """Forecasts of 1e4 (m(t + h) - m(t)) / m(t), m the mid."""

    def __init__(self, features: Sequence[str], horizon: int) -> None:
        """`features`: names of the columns; `horizon`: ns, a multiple of the grid."""
        self.features = tuple(features)
        self.horizon = horizon
        self._pending: deque[tuple[int, int, int, tuple[float, ...], float]] = deque()  # t, epoch, mid, x, forecast
        self._weights = [0.0] * len(self.features)
        self._blocks: deque[tuple[Floats, Floats, int]] = deque(maxlen=BLOCKS)  # sums of x x', x y, rows
        self._block: int | None = None  # index of the open one
        self._clear()
        self._scores = Columns(np.int64, np.float64, np.float64)  # clock, running sums of squared errors, returns
        self._scores.append([_NEVER], [0.0], [0.0])

    def step(self, t: int, epoch: int, twice_mid: int, x: Sequence[float]) -> float:
        """Grid instant `t`: resolve the forecast made a horizon ago, then freeze and return a new one, in bps."""
        while self._pending and self._pending[0][0] < t - self.horizon:
            self._pending.popleft()  # there was no usable book at its end
        if self._block is not None and t // BLOCK > self._block:
            self._close()
        self._block = t // BLOCK
        if self._pending and self._pending[0][0] == t - self.horizon:
            _, was_epoch, was, then, forecast = self._pending.popleft()
            if was_epoch == epoch:
                self._learn(t, then, forecast, 10_000 * (twice_mid - was) / was)
        forecast = 0.0
        for w, v in zip(self._weights, x, strict=True):
            forecast += w * v
        self._pending.append((t, epoch, twice_mid, tuple(x), forecast))
        return forecast

    def _learn(self, t: int, x: Sequence[float], forecast: float, change: float) -> None:
        change = min(CAP, max(-CAP, change))
        forecast = min(CAP, max(-CAP, forecast))
        error, square = change - forecast, change
        sums = self._scores  # added one by one in grid order: the same doubles wherever the tape is cut
        self._scores.append([t], sums[_ERROR][-1:] + error * error, sums[_SQUARE][-1:] + square * square)
        row = np.array(x)
        self._moments += row[:, None] * row
        self._products += row * change
        self._rows += 1

    def _close(self) -> None:
        """End the open block and solve for the weights."""
        if self._rows:
            self._blocks.append((self._moments, self._products, self._rows))
            self._clear()
        size, rows = len(self.features), sum(block[2] for block in self._blocks)
        if rows < MIN_ROWS:
            return
        moments, products = np.zeros((size, size)), np.zeros(size)
        for block in self._blocks:
            moments += block[0]
            products += block[1]
        moments += RIDGE * rows * np.eye(size)
        self._weights = np.linalg.solve(moments, products).tolist()

    def _clear(self) -> None:
        size = len(self.features)
        self._moments, self._products, self._rows = np.zeros((size, size)), np.zeros(size), 0

    def skill(self, times: Ints) -> Floats:
        """1 - sum of squared errors / sum of squared returns over what was resolved in (t - 24 h, t]: 0 is no
        better than expecting nothing. NaN below MIN_SCORED forecasts or when nothing moved."""
        first, last = self._window(times)
        out = np.full(len(times), np.nan)
        error, square = ((self._scores[i][last] - self._scores[i][first]) for i in (_ERROR, _SQUARE))
        known = (last - first >= MIN_SCORED) & (square > 0)
        out[known] = 1 - error[known] / square[known]
        return out

    def _window(self, times: Ints) -> tuple[Ints, Ints]:
        clock = self._scores[_T]
        first, last = (np.maximum(clock.searchsorted(t, "right") - 1, 0) for t in (times - WINDOW, times))
        return first, last

    def report(self, t: int) -> ReturnReport:
        """As of `t`."""
        at = np.array([t], np.int64)
        first, last = self._window(at)
        skill = float(self.skill(at)[0])
        weights = dict(zip(self.features, self._weights, strict=True))
        return ReturnReport(weights, int(last[0] - first[0]), None if np.isnan(skill) else skill)

    def forget(self, t: int) -> None:
        """No window that ends before `t` will be asked for."""
        self._scores.drop(int(self._scores[_T].searchsorted(t - WINDOW, "right")) - 1)

    def state(self) -> State:
        return {
            "kind": "return_model",
            "version": 2,
            "features": list(self.features),
            "horizon": self.horizon,
            "pending": [[t, epoch, mid, list(x), forecast] for t, epoch, mid, x, forecast in self._pending],
            "weights": list(self._weights),
            "blocks": [[a.copy(), b.copy(), n] for a, b, n in self._blocks],
            "block": self._block,
            "open": [self._moments.copy(), self._products.copy(), self._rows],
            "scores": self._scores.state(),
        }

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it is of another model."""
        check_state(state, "return_model", 2)
        if state["features"] != list(self.features) or state["horizon"] != self.horizon:
            raise ValueError("state of a model of other features or of another horizon")
        self._pending = deque((t, epoch, mid, tuple(x), y) for t, epoch, mid, x, y in state["pending"])
        self._weights = list(state["weights"])
        self._blocks = deque(((np.array(a), np.array(b), n) for a, b, n in state["blocks"]), maxlen=BLOCKS)
        self._block = state["block"]
        self._moments, self._products = (np.array(v) for v in state["open"][:2])
        self._rows = state["open"][2]
        self._scores.restore(state["scores"])
