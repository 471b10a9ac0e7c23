"""Pauses between tries."""

from __future__ import annotations

import random

from connectors.backoff import Backoff


class _Highest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        assert a == 0.0
        return b


def test_pauses_double_up_to_the_cap_and_never_end() -> None:
    backoff = Backoff(0.5, 30.0, _Highest())
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    for _ in range(5_000):
        assert backoff.next() == 30


def test_reset_starts_over() -> None:
    backoff = Backoff(0.5, 30.0, _Highest())
    for _ in range(5):
        backoff.next()
    assert backoff.tries == 5
    backoff.reset()
    assert backoff.next() == 0.5


def test_the_jitter_spreads_over_the_whole_pause() -> None:
    backoff = Backoff(1.0, 1.0, random.Random(3))
    draws = sorted(backoff.next() for _ in range(400))
    assert draws[0] < 0.05
    assert draws[-1] > 0.95
    assert 0.4 < draws[200] < 0.6
