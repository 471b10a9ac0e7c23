"""Point of control and value area of a volume profile. METRICS 1.13."""

from __future__ import annotations

import numpy as np

from engine.metrics.windows import Exact
from engine.tape import Ints

_SAFE = 1 << 62


def binned(prices: Ints, volumes: Exact, width: int) -> tuple[Ints, Exact]:
    """Rows of `width` ticks (row = floor(price / width)) and their volumes, empty rows left out.

    `prices` ascending and `volumes` > 0, of one shape (n,), n >= 1.
    """
    if width == 1:
        return prices, volumes
    rows = prices // width
    starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
    sums: Exact = np.add.reduceat(volumes, starts)
    return rows[starts], sums


def point_of_control(rows: Ints, volumes: Exact) -> int:
    """Index of the row with most volume; of several the one nearest the volume-weighted mean row, then the lower."""
    most = volumes.max()
    tied = np.flatnonzero(volumes == most)
    if len(tied) == 1:
        return int(tied[0])
    relative = rows - int(rows[0])
    total = int(volumes.sum())
    if total * int(relative[-1]) >= _SAFE:
        relative, volumes = relative.astype(object), volumes.astype(object)
    moment = int((relative * volumes).sum())
    return int(min(tied.tolist(), key=lambda i: (abs(int(relative[i]) * total - moment), i)))


def value_area(rows: Ints, volumes: Exact, poc: int, percent: int = 70) -> tuple[int, int]:
    """Indices of the lowest and the highest row of the value area.

    From the point of control on, the larger of the next row above and the next below is added (tie:
    above) until `percent` of the volume is covered. Empty rows between traded ones count as rows.

    The greedy choice between two queues is a merge: with each queue's volumes replaced by their
    running minimum, a row above goes before a row below exactly if its minimum is not smaller.
    """
    total = int(volumes.sum())
    needed = -(-percent * total // 100) - int(volumes[poc])
    if needed <= 0:
        return poc, poc
    above, below = volumes[poc + 1 :], volumes[:poc][::-1]
    low_above = _running_minimum(above, np.diff(rows[poc:]))
    low_below = _running_minimum(below, np.diff(rows[: poc + 1])[::-1])
    order_above = np.arange(len(above)) + (-low_below).searchsorted(-low_above, "left")
    order_below = np.arange(len(below)) + (-low_above).searchsorted(-low_below, "right")
    merged: Exact = np.empty(len(above) + len(below), volumes.dtype)
    merged[order_above], merged[order_below] = above, below
    taken = int(np.cumsum(merged).searchsorted(needed, "left")) + 1
    return poc - int((order_below < taken).sum()), poc + int((order_above < taken).sum())


def _running_minimum(volumes: Exact, steps: Ints) -> Exact:
    """Running minimum of the rows outwards, where a step of more than 1 passes empty rows."""
    low: Exact = np.minimum.accumulate(np.where(steps > 1, 0, volumes)) if len(volumes) else volumes
    return low
