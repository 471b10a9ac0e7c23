"""Books that move, and the mids of whole seconds read off them by slow, plain arithmetic."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from engine.metrics.batch import NO_ASK, NO_BID
from tests.engine.metrics.cuts import Event, Touch
from tests.engine.metrics.tapes import BEFORE_MIDNIGHT, SECOND

STALE = 300 * SECOND


def random_walk(
    rng: random.Random, touches: int = 200, start: int = BEFORE_MIDNIGHT, step: int = 2 * SECOND, holes: float = 0.03
) -> list[Event]:
    """Touches whose mid wanders, at times equal, on a whole second, or after a long silence; some without a mid."""
    events: list[Event] = []
    t, bid = start, 300_000
    for _ in range(touches):
        t += rng.choice((0, 0, 1, rng.randrange(step), rng.randrange(step)))
        if rng.random() < 0.2:
            t = -(-t // SECOND) * SECOND
        if rng.random() < holes / 5:
            t += rng.randrange(100, 500) * SECOND
        bid += rng.choice((0, 0, 1, -1, 7, -7, rng.randrange(-300, 300)))
        kind = rng.random()
        if kind < holes / 2:
            events.append(Touch(t, NO_BID, 0, bid + 1, 5))
        elif kind < holes:
            events.append(Touch(t, bid, 5, bid + 3, 5, valid=False))
        else:
            events.append(Touch(t, bid, 5, bid + rng.randrange(1, 4), 5))
    return events


def mid_of_second(events: Sequence[Event], t: int) -> int | None:
    """bid + ask at `t`: of the last touch at or before it, unless that has no mid or is old."""
    touches = [e for e in events if isinstance(e, Touch) and e.t <= t]
    if not touches:
        return None
    last = touches[-1]
    known = last.valid and last.bid != NO_BID and last.ask != NO_ASK and t - last.t <= STALE
    return last.bid + last.ask if known else None


def mids_until(events: Sequence[Event], t: int) -> dict[int, int]:
    """bid + ask of every known second up to `t` (inclusive), by the second in ns."""
    first = -(-events[0].t // SECOND) * SECOND
    found = {s: mid_of_second(events, s) for s in range(first, t + 1, SECOND)}
    return {s: mid for s, mid in found.items() if mid is not None}


def seconds_and_between(rng: random.Random, events: Sequence[Event], count: int = 40) -> np.ndarray:
    """Instants on whole seconds, between them, at events, and after the last one."""
    first, last = events[0].t, events[-1].t
    seconds = rng.sample(range(first // SECOND, last // SECOND + 3), min(count, (last - first) // SECOND))
    some = [s * SECOND + rng.choice((0, 0, 0, 1, -1, SECOND // 2)) for s in seconds]
    own = [e.t for e in rng.sample(list(events), min(10, len(events)))]
    return np.array(sorted({*some, *own, last, last + 7 * SECOND}), np.int64)
