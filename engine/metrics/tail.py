"""Value at risk and expected shortfall of a sample of returns. METRICS 1.12.

Losses are positive: VaR 0.01 means that the loss stays below 1 % with the confidence asked for. Nothing is known
while the tail holds less than one observation, n (1 - c) < 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from statistics import NormalDist
from types import MappingProxyType
from typing import Final

import numpy as np

from engine.metrics.batch import Floats

#: Decay a step of the variance that filtered returns are measured by (RiskMetrics, 1996), and when it is warm.
DECAY: Final = 0.94
WARM: Final = 50
_FEWEST_MOMENTS: Final = 30


def tail_size(count: int, confidence: float) -> Fraction:
    """n (1 - c), exact in the decimal text of c; 0 while it is below 1."""
    size = count * (1 - Fraction(repr(confidence)))
    return size if size >= 1 else Fraction(0)


def historical_var(returns: Floats, confidence: float) -> float:
    """Minus the quantile at 1 - c, interpolated between order statistics as Hyndman & Fan's type 7."""
    if not tail_size(len(returns), confidence):
        return math.nan
    position = (len(returns) - 1) * (1 - Fraction(repr(confidence)))
    low = math.floor(position)
    ordered = np.sort(returns)
    below, above = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
    return -(below + float(position - low) * (above - below))


def historical_es(returns: Floats, confidence: float) -> float:
    """Minus the mean of the worst n (1 - c) returns, the last one in part (Acerbi & Tasche, J. Banking & Finance
    26(7):1487-1503, 2002)."""
    size = tail_size(len(returns), confidence)
    if not size:
        return math.nan
    ordered = np.sort(returns)
    whole = math.floor(size)
    worst = math.fsum(ordered[:whole].tolist())
    if size > whole:
        worst += float(size - whole) * float(ordered[whole])
    return -worst / float(size)


def _moments(returns: Floats) -> tuple[float, float, Floats]:
    """Mean, standard deviation (n - 1), and deviations from the mean."""
    mean = math.fsum(returns.tolist()) / len(returns)
    deviations = returns - mean
    return mean, math.sqrt(math.fsum((deviations**2).tolist()) / (len(returns) - 1)), deviations


def _enough(returns: Floats, confidence: float) -> bool:
    return len(returns) >= _FEWEST_MOMENTS and tail_size(len(returns), confidence) > 0


def normal_var(returns: Floats, confidence: float) -> float:
    """-(mean + z sd), z the normal quantile at 1 - c."""
    if not _enough(returns, confidence):
        return math.nan
    mean, deviation, _ = _moments(returns)
    return NormalDist().inv_cdf(confidence) * deviation - mean


def normal_es(returns: Floats, confidence: float) -> float:
    """-(mean - sd phi(z) / (1 - c))."""
    if not _enough(returns, confidence):
        return math.nan
    mean, deviation, _ = _moments(returns)
    z = NormalDist().inv_cdf(confidence)
    return deviation * NormalDist().pdf(z) / (1 - confidence) - mean


def _cornish_fisher(returns: Floats) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness and excess kurtosis."""
    mean, deviation, deviations = _moments(returns)
    if not deviation:
        return mean, 0.0, 0.0, 0.0
    n = len(returns)
    second = math.fsum((deviations**2).tolist()) / n
    skew = math.fsum((deviations**3).tolist()) / n / second**1.5
    kurtosis = math.fsum((deviations**4).tolist()) / n / second**2 - 3
    return mean, deviation, skew, kurtosis


def cornish_fisher_var(returns: Floats, confidence: float) -> float:
    """Normal VaR with the quantile bent for skewness S and excess kurtosis K (Cornish & Fisher, 1938):
    w = z + (z^2 - 1) S/6 + (z^3 - 3z) K/24 - (2z^3 - 5z) S^2/36. Good for mild S and K only."""
    if not _enough(returns, confidence):
        return math.nan
    mean, deviation, skew, kurtosis = _cornish_fisher(returns)
    z = -NormalDist().inv_cdf(confidence)
    return -(mean + deviation * _bent(z, z**2, z**3, skew, kurtosis))


def cornish_fisher_es(returns: Floats, confidence: float) -> float:
    """Mean of the bent quantile over the tail: the same expansion in the moments of a normal below z,
    E Z = -phi/a, E Z^2 = 1 - z phi/a, E Z^3 = -(z^2 + 2) phi/a with a = 1 - c."""
    if not _enough(returns, confidence):
        return math.nan
    mean, deviation, skew, kurtosis = _cornish_fisher(returns)
    z = -NormalDist().inv_cdf(confidence)
    hazard = NormalDist().pdf(z) / (1 - confidence)
    return -(mean + deviation * _bent(-hazard, 1 - z * hazard, -(z**2 + 2) * hazard, skew, kurtosis))


def _bent(z: float, z2: float, z3: float, skew: float, kurtosis: float) -> float:
    return z + (z2 - 1) * skew / 6 + (z3 - 3 * z) * kurtosis / 24 - (2 * z3 - 5 * z) * skew**2 / 36


def next_variance(variance: float, value: float) -> float:
    """The EWMA of squared returns after one more; NaN before the first."""
    return value * value if math.isnan(variance) else DECAY * variance + (1 - DECAY) * value * value


def filtered(returns: Floats) -> Floats:
    """Returns as they would have been at the present volatility, r sigma_now / sigma_then (Hull & White, J. Risk
    1(1):5-19, 1998); sigma_then is known before the return. The first `WARM` are left out."""
    variance, then = math.nan, []
    for r in returns.tolist():
        then.append(variance)
        variance = next_variance(variance, r)
    return rescaled(returns[WARM:], np.array(then[WARM:]), variance)


def rescaled(returns: Floats, variance_then: Floats, variance_now: float) -> Floats:
    """r sigma_now / sigma_then where sigma_then is known and above 0."""
    known = variance_then > 0
    scaled: Floats = returns[known] * np.sqrt(variance_now / variance_then[known])
    return scaled


Estimator = Callable[[Floats, float], float]

#: (VaR, ES) by method. Filtered ones are historical ones of filtered returns.
METHODS: Mapping[str, tuple[Estimator, Estimator]] = MappingProxyType(
    {
        "historical": (historical_var, historical_es),
        "normal": (normal_var, normal_es),
        "cornish": (cornish_fisher_var, cornish_fisher_es),
        "filtered": (historical_var, historical_es),
    }
)
