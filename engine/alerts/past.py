"""Earlier values of what a rule measures: where a value stands among those of the hour before."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.metrics.batch import Floats
from engine.metrics.windows import Columns
from engine.tape import Ints

#: A value is compared with those of so many seconds before, of which so many must be known.
SECONDS: Final = 3_600
FEWEST: Final = 250
_SECOND: Final = 1_000_000_000


class Past:
    """Known values at whole seconds."""

    def __init__(self) -> None:
        self._rows = Columns(np.int64, np.float64)

    def add(self, times: Ints, values: Floats) -> None:
        """Values at later instants than all before; those of whole seconds are taken, NaN is none."""
        if len(times) == 1:
            self.add_one(int(times[0]), float(values[0]))
            return
        seconds = times % _SECOND == 0
        if seconds.any():
            taken = values[seconds]
            known = ~np.isnan(taken)
            self._rows.append(times[seconds][known], taken[known])

    def add_one(self, t: int, value: float) -> None:
        """The same of a single instant."""
        if t % _SECOND == 0 and value == value:
            self._rows.append([t], [value])
            self.forget(t)

    def forget(self, t: int) -> None:
        """Nothing before `t` will be asked for."""
        self._rows.drop(int(self._rows[0].searchsorted(t - (SECONDS + 60) * _SECOND, "right")))

    def rank(self, t: int, value: float) -> float | None:
        """Share of the values of the hour before `t` that are below `value`, ties half; None for too few."""
        clock = self._rows[0]
        begin, end = clock.searchsorted(t - SECONDS * _SECOND, "right"), clock.searchsorted(t, "left")
        values = self._rows[1][begin:end]
        if len(values) < FEWEST:
            return None
        below, ties = int(np.count_nonzero(values < value)), int(np.count_nonzero(values == value))
        return (below + ties / 2) / len(values)

    def state(self) -> Any:
        """Everything carried."""
        return self._rows.state()

    def restore(self, state: Any) -> None:
        """Take over a `state()`. Raises ValueError when it does not fit."""
        self._rows.restore(state)
