"""How often a percentile threshold is crossed by chance alone: what an alert on it must be expected to cost.

The 99th percentile is exceeded by one value in a hundred, not on one day in a hundred: at 50 values a day
that is every other day, unless exceedances come in runs (VPIN shares n - 1 of its n buckets with the value
before, so they do). Andersen & Bondarenko, Journal of Financial Markets 17:1-46, 2014, make this point of VPIN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


def expected_per_day(p: float, values_per_day: float, mean_episode: float) -> float:
    """Episodes above the percentile `p` (0..1) to be expected a day: (1 - p) values_per_day / mean_episode.

    `mean_episode` is the mean number of values an episode lasts, from own history (see `mean_episode_length`).
    Raises ValueError for a `p` that is no share, values that are no number >= 0, or episodes shorter than a value.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"a percentile is a share from 0 to 1, not {p}")
    if not (math.isfinite(values_per_day) and values_per_day >= 0):
        raise ValueError(f"the values of a day must be a number >= 0, not {values_per_day}")
    if not mean_episode >= 1:
        raise ValueError(f"an episode lasts at least one value, not {mean_episode}")
    return (1 - p) * values_per_day / mean_episode


def mean_episode_length(percentiles: Iterable[float], fire: float, rearm: float) -> float | None:
    """Mean number of values above-threshold values come in: an episode begins at a value >= `fire` and ends before
    the first one < `rearm`; only values >= `fire` count. An episode still running counts; None without any.

    NaN (not known) neither counts nor ends an episode. Raises ValueError unless 0 <= rearm <= fire <= 1.
    """
    if not 0 <= rearm <= fire <= 1:
        raise ValueError(f"an alert that fires at {fire} can't re-arm at {rearm}: 0 <= re-arm <= fire <= 1")
    episodes, above, running = 0, 0, False
    for value in percentiles:
        if value >= fire:
            episodes += not running
            above += 1
            running = True
        elif value < rearm:
            running = False
    return above / episodes if episodes else None
