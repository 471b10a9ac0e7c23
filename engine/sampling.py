"""Event-time grids: when values are read, and who gets them.

Grid instants are k x every since the Unix epoch. An instant is complete once the clock has passed
it (or the tape has ended), so that what is read there cannot depend on how the tape was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from engine.metrics.batch import Bools, Floats
from engine.metrics.names import Metric
from engine.tape import Ints


class Reader(Protocol):
    """What a sampler may read of the market when its instants are complete."""

    def values(self, metric: Metric, times: Ints) -> Floats:
        """Values of a metric at ascending instants, NaN = unknown. A metric that reads the book (a probe) can
        only be read at the sampler's own instants: then `times` must be exactly those."""

    @property
    def until(self) -> int:
        """What happened before this time is complete (ns)."""

    def closings(self, metric: Metric, since: int) -> Ints | None:
        """Times in [since, `until`) at which a bucket of the metric closed; None when it has no buckets."""

    def trust(self, times: Ints) -> tuple[list[str | None], list[str | None]]:
        """(book, trades) trust names at ascending instants; None where the source has no such channel."""

    def epochs(self, times: Ints) -> tuple[Ints, Ints]:
        """Breaks of (book, trades) by ascending instants, counted from some start: no difference across one."""

    def silent(self, times: Ints) -> Bools | None:
        """Where instants lie in a stretch in which nothing at all was heard; None: nowhere."""


class Sampler(Protocol):
    """Someone who wants values on a grid."""

    @property
    def every(self) -> int:
        """Period in ns."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it will read."""

    def take(self, times: Ints, clock: int, reader: Reader) -> None:
        """The complete instants since the last call (may be none); `clock` is the market's clock now."""


class Grid:
    """A sampler's place in the fold of one market: the next instant, and book values caught in passing."""

    def __init__(self, sampler: Sampler, probes: tuple[tuple[str, Callable[[], float | None]], ...]) -> None:
        self.sampler = sampler
        self.every = sampler.every
        self._probes = probes  # (canonical metric, reading of the book as it is now)
        self.next: int | None = None  # first instant not delivered
        self.next_probe = 0  # first instant whose book values have not been caught
        self._counts: list[int] = []
        self._values: list[tuple[float, ...]] = []

    @property
    def probing(self) -> bool:
        """Whether the grid needs the book at its instants."""
        return bool(self._probes)

    def begin(self, t: int) -> None:
        """The tape begins at `t`."""
        self.next = self.next_probe = -(-t // self.every) * self.every

    def catch(self, until: int) -> None:
        """The book is about to change at `until`: it stood as it is now at every instant before."""
        count = -(-(until - self.next_probe) // self.every)
        if count > 0:
            values = tuple(np.nan if (v := probe()) is None else v for _, probe in self._probes)
            self._counts.append(count)
            self._values.append(values)
            self.next_probe += count * self.every

    def due(self, clock: int, final: bool) -> Ints:
        """Instants that have become complete."""
        if self.next is None:
            return np.empty(0, np.int64)
        count = max(0, (clock - self.next) // self.every + 1 if final else -(-(clock - self.next) // self.every))
        times = self.next + self.every * np.arange(count, dtype=np.int64)
        self.next += count * self.every
        return times

    def caught(self) -> dict[str, Floats]:
        """Book values at the due instants, by canonical metric; forgets them."""
        if not self._values:
            return {}
        columns = np.repeat(np.array(self._values), self._counts, axis=0)
        self._counts.clear()
        self._values.clear()
        return {name: columns[:, i] for i, (name, _) in enumerate(self._probes)}
