"""High and low volume nodes of a volume profile: where price stayed, and what it passed through. METRICS 1.13."""

from __future__ import annotations

import numpy as np

from engine.metrics.windows import Exact
from engine.tape import Ints


def nodes(rows: Ints, volumes: Exact) -> tuple[Ints, Ints]:
    """(high, low) volume nodes: local extremes of the volumes summed over each row and its two neighbours.

    `rows` ascending and `volumes` > 0, of one shape (n,), n >= 1; rows between them are empty. Rows of equal sums
    side by side are one node at their middle (the lower of two). Low nodes lie between high ones.
    """
    # beyond two rows from anything traded the sum is 0: one row on each side stands for all of a gap
    places = np.unique(np.concatenate([rows + offset for offset in range(-2, 3)]))
    sums: Exact = _at(rows, volumes, places - 1) + _at(rows, volumes, places) + _at(rows, volumes, places + 1)
    starts = np.flatnonzero(np.concatenate(([True], sums[1:] != sums[:-1])))
    ends = np.append(starts[1:], len(sums)) - 1
    level = sums[starts]
    middle = (places[starts] + places[ends]) // 2
    inner, before, after = level[1:-1], level[:-2], level[2:]
    return (
        middle[1:-1][np.asarray((inner > before) & (inner > after), np.bool_)],
        middle[1:-1][np.asarray((inner < before) & (inner < after), np.bool_)],
    )


def _at(rows: Ints, volumes: Exact, places: Ints) -> Exact:
    index = np.minimum(rows.searchsorted(places), len(rows) - 1)
    found: Exact = np.where(rows[index] == places, volumes[index], 0)
    return found


def nearest(places: Ints, row: int) -> int | None:
    """The node nearest to a row, the lower of two; None when there is none."""
    if not len(places):
        return None
    return int(places[int(np.argmin(np.abs(places - row)))])
