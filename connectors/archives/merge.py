"""Row streams side by side in the order of their receive time, a bounded stretch at a time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from connectors.archives.rows import CHUNK_ROWS
from engine.tape import Rows


class _Stream:
    """One stream with the rows that were read and not yet handed out."""

    def __init__(self, source: Iterator[Rows]) -> None:
        self._source = source
        self._clock = 0
        self.rows: Rows | None = None
        self.key: NDArray[np.int64] = np.zeros(0, np.int64)
        self.refill()

    def refill(self) -> None:
        """Read the next piece; `rows` is None at the end."""
        for rows in self._source:
            if len(rows):
                # Receive times may run back a little; the order of a stream itself never changes.
                self.key = np.maximum(np.maximum.accumulate(rows["recv"]), self._clock)
                self._clock = int(self.key[-1])
                self.rows = rows
                return
        self.rows = None

    def upto(self, limit: int) -> Rows | None:
        """Hand out the rows with a time of `limit` or before. Rows of one message have one time."""
        rows = self.rows
        if rows is None:
            return None
        n = int(np.searchsorted(self.key, limit, "right"))
        if n == len(rows):
            self.refill()
        else:
            self.rows, self.key = rows[n:], self.key[n:]
        return rows[:n] if n else None


def stretches(sources: Sequence[Iterator[Rows]], span_ns: int | None = None) -> Iterator[list[tuple[int, Rows]]]:
    """Rows of all streams stretch by stretch: lists of (number of the stream, its rows in that stretch).

    A stretch ends where the first stream has no more rows read, and after `span_ns`.
    """
    streams = [_Stream(source) for source in sources]
    while alive := [s for s in streams if s.rows is not None]:
        limit = min(int(s.key[-1]) for s in alive)
        if span_ns is not None:
            limit = min(limit, min(int(s.key[0]) for s in alive) + span_ns)
        found = [(i, rows) for i, s in enumerate(streams) if (rows := s.upto(limit)) is not None]
        yield found


def interleaved(sources: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """Streams of one market as one, messages whole, in the order of receive time (ties: first stream first)."""
    for parts in stretches(sources):
        rows = np.concatenate([rows for _, rows in parts])
        if len(parts) > 1:
            key = np.concatenate([np.maximum.accumulate(rows["recv"]) for _, rows in parts])
            rows = rows[np.argsort(key, kind="stable")]
        start = 0
        while start < len(rows):
            stop = start + CHUNK_ROWS
            if stop < len(rows):
                ends = np.flatnonzero(rows["flags"][start:] & 1)
                inside = ends[ends < CHUNK_ROWS]
                stop = start + int(inside[-1] if len(inside) else ends[0]) + 1
            yield rows[start:stop]
            start = stop


def in_turn(
    one: Iterator[list[tuple[int, Rows]]], other: Iterator[list[tuple[int, Rows]]]
) -> Iterator[list[tuple[int, Rows]]]:
    """Stretches of two sources of different markets, the one that begins earlier first."""
    return heapq.merge(one, other, key=lambda parts: min(int(rows["recv"][0]) for _, rows in parts))
