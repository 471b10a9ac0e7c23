"""For how much of a window the book was valid."""

from __future__ import annotations

import numpy as np

from engine.metrics.batch import Bools, Quotes
from engine.metrics.calculator import State
from engine.metrics.integral import StepIntegral
from engine.metrics.windows import check_state
from engine.tape import Ints


class BookSeen:
    """Valid time of the book over windows (t - W, t], whole microseconds; only changes of validity are held."""

    def __init__(self) -> None:
        self._steps = StepIntegral()
        self._longest = 0
        self._valid: bool | None = None  # after the last quote; None: no quote yet

    def update(self, quotes: Quotes, valid: Bools | None = None) -> None:
        """Take the news in; `valid` where something else counts as valid."""
        if not len(quotes):
            return
        if valid is None:
            valid = quotes.valid
        if self._valid is not None and bool((valid == self._valid).all()):
            return  # nothing turned: nearly always
        turned = np.empty(len(valid), np.bool_)
        turned[0] = self._valid is None or bool(valid[0]) is not self._valid
        np.not_equal(valid[1:], valid[:-1], out=turned[1:])
        if turned.any():
            t = quotes.t[turned]
            self._steps.extend(t, np.zeros(len(t), np.int64), valid[turned])
        self._valid = bool(valid[-1])

    def keep(self, window: int) -> None:
        """Windows of this length (ns) will be asked for."""
        self._longest = max(self._longest, window)

    def valid_us(self, times: Ints, window: int) -> Ints:
        """Valid time of each window."""
        return self._steps.means(times, window)[1]

    def within(self, times: Ints, window: int) -> Bools:
        """Whether the book was valid at some time of each window."""
        return (self.valid_us(times, window) > 0) | self._steps.valid_at(times)

    def advance(self, t: int) -> None:
        """No window will end before `t`."""
        self._steps.forget(t - self._longest)

    def state(self) -> State:
        """Everything carried."""
        return {
            "kind": "book seen",
            "version": 1,
            "steps": self._steps.state(),
            "longest": self._longest,
            "valid": self._valid,
        }

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it does not fit."""
        check_state(state, "book seen", 1)
        self._steps.restore(state["steps"])
        self._longest = max(self._longest, state["longest"])
        self._valid = state["valid"]
