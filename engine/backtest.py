"""How often a value at risk would have been exceeded: it is judged by its misses, one return ahead at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.metrics.tail import METHODS, filtered


@dataclass(frozen=True, slots=True)
class VarTest:
    """VaR forecasts against the returns that followed.

    `p_value` is Kupiec's (J. Derivatives 3(2):73-84, 1995): the chance of a hit count at least as unlikely if hits
    came with the promised rate, LR = -2 ln[(1-a)^(n-x) a^x / ((1-x/n)^(n-x) (x/n)^x)] against chi-square with one
    degree of freedom. Small: the VaR is wrong. It says nothing about hits that come in bunches.
    """

    tested: int  # returns that had a forecast
    hits: int  # of them, losses beyond it
    expected: float
    rate: float  # hits / tested, NaN without tests
    p_value: float


def var_test(returns: NDArray[np.float64], confidence: float, window: int, method: str = "historical") -> VarTest:
    """Forecast each return's VaR from the `window` returns before it, count the losses beyond it.

    `returns` of shape (n,), oldest first, not overlapping; `method` one of `engine.metrics.tail.METHODS`.
    Raises ValueError for another method, a confidence outside (0.5, 1), or a window too short for a tail.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}: one of {', '.join(METHODS)}")
    if not 0.5 < confidence < 1:
        raise ValueError(f"the confidence must be above 0.5 and below 1, not {confidence}")
    estimate = METHODS[method][0]
    tested = hits = 0
    for i in range(window, len(returns)):
        past = returns[i - window : i]
        var = estimate(filtered(past) if method == "filtered" else past, confidence)
        if math.isnan(var):
            continue
        tested += 1
        hits += bool(returns[i] < -var)
    if window < len(returns) and not tested:
        raise ValueError(f"{window} returns have no tail beyond {confidence}")
    rate = hits / tested if tested else math.nan
    return VarTest(tested, hits, tested * (1 - confidence), rate, kupiec(tested, hits, 1 - confidence))


def kupiec(tested: int, hits: int, rate: float) -> float:
    """p-value of `hits` in `tested` when each comes with probability `rate`; NaN without tests."""
    if not tested:
        return math.nan
    observed = hits / tested
    promised = _log_likelihood(tested, hits, rate)
    ratio = max(0.0, 2 * (_log_likelihood(tested, hits, observed) - promised))
    return math.erfc(math.sqrt(ratio / 2))


def _log_likelihood(tested: int, hits: int, rate: float) -> float:
    """ln[(1-p)^(n-x) p^x], with 0^0 = 1."""
    missed = (tested - hits) * math.log1p(-rate) if tested > hits else 0.0
    return missed + (hits * math.log(rate) if hits else 0.0)
