"""The largest sweep, against a plain loop over the fills, in every cut."""

from __future__ import annotations

import math
import random
from itertools import groupby

import pytest

from engine.instrument import Instrument
from engine.metrics.spec import Context
from engine.metrics.sweep import Sweeps
from tests.engine.metrics.cuts import Fill, every_event, fold, random_cuts
from tests.engine.metrics.tapes import instants, random_tape
from tests.engine.tapes import INSTRUMENT

SECOND = 1_000_000_000
WINDOWS = {"1s": SECOND, "20s": 20 * SECOND}


def expected(fills: list[Fill], t: int, window: int, instrument: Instrument) -> float:
    """Groups of fills that follow each other with one clock and side."""
    sizes = []
    for (clock, _), group in groupby((f for f in fills if f.t <= t), key=lambda f: (f.t, f.side)):
        if clock > t - window:
            sizes.append(instrument.notional(sum(f.px * f.qty for f in group)))
    return max(sizes, default=math.nan)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_a_plain_loop_finds(seed: int) -> None:
    rng = random.Random(seed)
    events = random_tape(rng)
    times = instants(rng, events)
    fields = tuple(str(window) for window in WINDOWS.values())

    def make() -> Sweeps:
        return Sweeps(Context(INSTRUMENT))

    whole = fold(make, events, [], fields, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events))):
        again = fold(make, events, cuts, fields, times)
        assert all(again[name].tobytes() == whole[name].tobytes() for name in again)
    fills = [e for e in events if isinstance(e, Fill)]
    known = 0
    for field in fields:
        for t, found in zip(times.tolist(), whole[field].tolist(), strict=True):
            plain = expected(fills, t, int(field), INSTRUMENT)
            assert found == plain or (math.isnan(found) and math.isnan(plain))
            known += not math.isnan(plain)
    assert known > 10
