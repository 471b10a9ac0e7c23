"""Times in files: s, ms, µs or ns since the Unix epoch, told apart by their magnitude."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def nanoseconds(times: Ints) -> Ints:
    """Times in s, ms, µs or ns, by their magnitude, in ns."""
    unit = np.select(
        [times < 100_000_000_000, times < 100_000_000_000_000, times < 100_000_000_000_000_000],
        [1_000_000_000, 1_000_000, 1_000],
        1,
    )
    scaled: Ints = np.where(times > 9_000_000_000_000_000_000, 0, times) * unit
    return scaled


def epoch_of(text: str) -> int:
    """One time as written, in ns. Raises ValueError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"time {text[:30]!r} is not a number") from None
    if not value.is_finite() or not 0 < value < 9_000_000_000_000_000_000:
        raise ValueError(f"time {text[:30]!r} is none")
    unit = 10**9 if value < 10**11 else 10**6 if value < 10**14 else 10**3 if value < 10**17 else 1
    return int(value * unit)
