"""How late messages come, against the fastest of some minutes."""

from __future__ import annotations

import random

from engine.lateness import Lateness

MINUTE = 60_000_000_000


def test_percentiles_are_of_the_newest_messages_and_the_fastest_of_minutes() -> None:
    lateness, rng = Lateness(), random.Random(1)
    assert lateness.view() is None
    lags = [int(rng.expovariate(1e-7)) - 1_400_000_000 for _ in range(1_000)]
    for i, lag in enumerate(lags):
        lateness.add(i * 50_000_000 + 1, lag)
    view = lateness.view()
    assert view is not None
    newest = sorted(lags[-256:])
    assert (view.median, view.p99) == (newest[128] / 1e6, newest[253] / 1e6)
    assert view.fastest == min(lags) / 1e6


def test_a_clock_that_was_set_shows_after_some_minutes() -> None:
    lateness = Lateness()
    for minute in range(8):
        lateness.add(minute * MINUTE, -1_400_000_000)
    for minute in range(8, 20):
        lateness.add(minute * MINUTE, 30_000_000)
    view = lateness.view()
    assert view is not None
    assert view.fastest == 30.0
