"""What the parts of a condition read at ascending instants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.alerts.quantity import Values
from engine.tape import Ints

#: +1 true, -1 false, 0 unknown; int8.
Truth = NDArray[np.int8]


@dataclass(frozen=True)
class Instants:
    """What is read at ascending instants. Shape (n,) each."""

    times: Ints
    values: Values  # NaN where the metric is unknown or the channels it stands on can't be relied on
    raw: Values  # of the metrics that tell the age of a channel, whatever is thought of it
    epochs: tuple[Ints, Ints]  # of (book, trades): no edge across a change
    lot: float = 1.0  # what one lot comes to in the unit of sizes

    def __len__(self) -> int:
        return len(self.times)


def before(values: NDArray[Any], carry: Any) -> NDArray[Any]:
    """The value at the instant before each."""
    if len(values) == 1:
        return np.array([carry], values.dtype)
    out = np.empty_like(values)
    out[0], out[1:] = carry, values[:-1]
    return out
