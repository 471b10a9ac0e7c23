"""Online logistic regression: FTRL-Proximal, one label at a time.

McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013. Every coordinate has its own
learning rate, and weights that explain nothing stay at 0. Plain Python floats added in a fixed order: the
same labels give the same weights bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.metrics.calculator import State
from engine.metrics.windows import check_state

#: Log-odds are kept within these bounds: no forecast is surer than 1 in 10^13.
MAX_LOGIT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rate alpha / (beta + sqrt(sum of squared gradients)), and the L1 and L2 penalties."""

    alpha: float
    beta: float = 1.0
    l1: float = 1.0
    l2: float = 1.0


def probability(logit: float) -> float:
    """1 / (1 + exp(-logit)), accurate at both ends."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1 + odds)


class FtrlLogistic:
    """P(up) = 1 / (1 + exp(-w.x)) over `size` features."""

    def __init__(self, size: int, rates: Rates) -> None:
        self._rates = rates
        self._z = [0.0] * size
        self._n = [0.0] * size
        self._w = [0.0] * size
        self.labels = 0  # learned from so far

    @property
    def weights(self) -> tuple[float, ...]:
        """One per feature."""
        return tuple(self._w)

    def logit(self, x: Sequence[float]) -> float:
        """Log-odds of up, within +-MAX_LOGIT."""
        total = 0.0
        for w, v in zip(self._w, x, strict=True):
            total += w * v
        return min(MAX_LOGIT, max(-MAX_LOGIT, total))

    def learn(self, x: Sequence[float], up: bool) -> None:
        """One label: the step goes down the log-loss at `x` of the weights as they are now."""
        rates = self._rates
        error = probability(self.logit(x)) - up
        for i, v in enumerate(x):
            gradient = error * v
            n = self._n[i] + gradient * gradient
            self._z[i] += gradient - (math.sqrt(n) - math.sqrt(self._n[i])) / rates.alpha * self._w[i]
            self._n[i] = n
            self._w[i] = self._weight(i)
        self.labels += 1

    def _weight(self, i: int) -> float:
        rates, z = self._rates, self._z[i]
        if abs(z) <= rates.l1:
            return 0.0
        return -(z - math.copysign(rates.l1, z)) / ((rates.beta + math.sqrt(self._n[i])) / rates.alpha + rates.l2)

    def state(self) -> State:
        return {"kind": "ftrl", "version": 1, "z": list(self._z), "n": list(self._n), "labels": self.labels}

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it does not fit."""
        check_state(state, "ftrl", 1)
        if len(state["z"]) != len(self._z) or len(state["n"]) != len(self._z):
            raise ValueError(f"state of {len(state['z'])} weights, not {len(self._z)}")
        self._z, self._n = [float(v) for v in state["z"]], [float(v) for v in state["n"]]
        self._w = [self._weight(i) for i in range(len(self._z))]
        self.labels = int(state["labels"])
