"""Times in files: s, ms, µs or ns since the Unix epoch, told apart by their magnitude."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from engine.codes import EARLIEST, LATEST

Ints = NDArray[np.int64]


#: Times further apart from those around them than this are damaged, whatever the clocks are worth.
DAY = 86_400_000_000_000


def nanoseconds(times: Ints) -> Ints:
    """Times in s, ms, µs or ns, by their magnitude, in ns; 0 for what is no time of any market."""
    unit = np.select(
        [times < 100_000_000_000, times < 100_000_000_000_000, times < 100_000_000_000_000_000],
        [1_000_000_000, 1_000_000, 1_000],
        1,
    )
    scaled: Ints = np.where(times <= LATEST // unit, times, 0) * unit
    return np.where(scaled >= EARLIEST, scaled, 0)


def epoch_of(text: str) -> int:
    """One time as written, in ns. Raises ValueError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"time {text[:30]!r} is not a number") from None
    if not value.is_finite() or not 0 < value <= LATEST:
        raise ValueError(f"time {text[:30]!r} is none")
    unit = 10**9 if value < 10**11 else 10**6 if value < 10**14 else 10**3 if value < 10**17 else 1
    ns = int(value * unit)
    if not EARLIEST <= ns <= LATEST:
        raise ValueError(f"time {text[:30]!r} is none of a market")
    return ns


def out_of_place(times: Ints) -> NDArray[np.bool_]:
    """Which times are more than a day away from those around them (the median of five); the outer two never are.

    A damaged time would carry the market's clock, which never runs back, away for good. Times that
    only ascend are never out of place, however sparse they are.
    """
    out = np.zeros(len(times), bool)
    if len(times) >= 5:
        around = np.median(np.lib.stride_tricks.sliding_window_view(times, 5), axis=1)
        out[2:-2] = np.abs(times[2:-2] - around) > DAY
    return out
