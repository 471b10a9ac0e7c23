"""Values of metrics as rules read them, kept for looking back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.alerts.evaluation import channels_of
from engine.alerts.watch import usable
from engine.metrics.batch import Floats
from engine.metrics.names import Metric
from engine.metrics.windows import Columns
from engine.sampling import Reader
from engine.tape import Ints

#: A look back is bounded in memory: so many numbers of a market.
MOST_VALUES: Final = 12_000_000


class Remembering:
    """A sampler (engine.sampling.Sampler) that keeps the last `most` instants of each metric; NaN where the channels it
    stands on can't be relied on. `full` tells that some had to go."""

    def __init__(self, metrics: Sequence[Metric], every: int, most: int | None = None) -> None:
        self.metrics: tuple[Metric, ...] = tuple({metric.canonical: metric for metric in metrics}.values())
        self.every = every
        self.full = False
        self.known_from: dict[str, int] = {}  # by canonical metric: its first known value ever
        self._most = min(most or MOST_VALUES, MOST_VALUES // max(1, len(self.metrics)))
        self._channels = [() if metric.name == "age" else channels_of(metric) for metric in self.metrics]
        self._rows = Columns(np.int64, *[np.float64] * len(self.metrics))

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """See Sampler."""
        if not len(times):
            return
        doubts = usable(reader, times)
        columns: list[Floats] = []
        for metric, channels in zip(self.metrics, self._channels, strict=True):
            values = reader.values(metric, times)
            for channel in channels:
                if (trusted := doubts[channel]) is not None:
                    values = np.where(trusted, values, np.nan)
            if metric.canonical not in self.known_from and len(known := np.flatnonzero(~np.isnan(values))):
                self.known_from[metric.canonical] = int(times[known[0]])
            columns.append(values)
        self._rows.append(times, *columns)
        if len(self._rows) > self._most:
            self.full = True
            self._rows.drop(len(self._rows) - self._most)

    @property
    def times(self) -> Ints:
        """The instants (a view)."""
        return self._rows[0]

    @property
    def values(self) -> dict[str, Floats]:
        """By canonical metric (views)."""
        return {metric.canonical: self._rows[i + 1] for i, metric in enumerate(self.metrics)}
