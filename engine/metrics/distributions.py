"""Distribution functions of the classifiers, without tables: normal, and Student's t of any degrees of freedom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

_TINY: Final = 1e-300
_PRECISION: Final = 1e-15
_MOST_TERMS: Final = 400


def normal_cdf(z: float) -> float:
    """P(Z <= z) of the standard normal distribution."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def student_cdf(z: float, dof: float) -> float:
    """P(T <= z) of Student's t with `dof` > 0 degrees of freedom, not necessarily whole. About 1e-14 exact.

    P(T > |z|) = I_x(dof / 2, 1/2) / 2 with x = dof / (dof + z^2), I the regularised incomplete beta function.
    """
    if z == 0:
        return 0.5
    square = z * z
    tail = 0.5 * _incomplete_beta(dof / (dof + square), square / (dof + square), dof / 2, 0.5)
    return tail if z < 0 else 1 - tail


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """I_x(a, b), `rest` = 1 - x given apart so that nothing cancels; continued fraction DLMF 8.17.22."""
    if x <= 0:
        return 0.0
    if rest <= 0:
        return 1.0
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest))
    if x * (a + b + 2) <= a + 1:
        return scale * _beta_fraction(x, a, b) / a
    return 1 - scale * _beta_fraction(rest, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The fraction 1 / (1 + d1 / (1 + d2 / ...)) by Lentz's method."""
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value, step = d, 0.0
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _nonzero(1 + term * d)
            c = _nonzero(1 + term / c)
            step = c * d
            value *= step
        if abs(step - 1) < _PRECISION:
            break
    return value


def _nonzero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


#: Distribution functions by the names users write.
CDFS: Final[Mapping[str, Callable[[float], float]]] = MappingProxyType(
    {
        "normal": normal_cdf,
        "t2": partial(student_cdf, dof=2.0),
        "t1": partial(student_cdf, dof=1.0),
        "t0.25": partial(student_cdf, dof=0.25),
        "t0.1": partial(student_cdf, dof=0.1),
    }
)
