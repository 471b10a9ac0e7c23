"""Age of the last news, in every cut."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine.metrics.age import Age
from tests.engine.metrics.cuts import Fill, Touch, every_event, fold, random_cuts
from tests.engine.metrics.tapes import instants, random_tape


@pytest.mark.parametrize("seed", range(3))
def test_age_counts_from_the_latest_news(seed: int) -> None:
    rng = random.Random(seed)
    events = random_tape(rng)
    times = instants(rng, events)
    whole = fold(Age, events, [], ("book", "trades"), times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events))):
        again = fold(Age, events, cuts, ("book", "trades"), times)
        assert all(again[name].tobytes() == whole[name].tobytes() for name in again)
    for name, kind in (("book", Touch), ("trades", Fill)):
        for t, found in zip(times.tolist(), whole[name].tolist(), strict=True):
            heard = [e.t for e in events if isinstance(e, kind) and e.t <= t and getattr(e, "valid", True)]
            if heard:
                assert found == (t - heard[-1]) / 1e9
            else:
                assert np.isnan(found)
