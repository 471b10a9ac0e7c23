"""Random tapes with everything that makes metrics go wrong, and values at instants by slow, plain arithmetic."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.spec import Context
from tests.engine.metrics.cuts import Event, Fill, Touch

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
#: Twenty seconds before a UTC midnight.
BEFORE_MIDNIGHT = 20_000 * DAY - 20 * SECOND

LINEAR = Context(
    Instrument("test", "ETH/USDT:USDT", Decimal("0.01"), Decimal("0.001"), "linear", base="ETH", quote="USDT")
)
INVERSE = Context(
    Instrument("test", "ETH/USD:ETH", Decimal("0.01"), Decimal(1), "inverse", Decimal(10), base="ETH", quote="USD")
)


def random_tape(
    rng: random.Random, fills: int = 120, start: int = BEFORE_MIDNIGHT, centre: int = 300_000
) -> list[Event]:
    """Fills and touches in one order: sweeps at one time, quiet spells, whales, unknown sides, one-sided and
    crossed books; over `start` + 20 s, where a UTC day begins when `start` is `BEFORE_MIDNIGHT`."""
    events: list[Event] = []
    t, px = start, centre
    for _ in range(fills):
        t += rng.choice((0, 0, 0, 1, 999, 10**8, rng.randrange(10**9), 3 * 10**8, rng.randrange(5 * 10**9)))
        px += rng.choice((0, 0, 0, 1, -1, 2, -3, 25, -25))
        qty = rng.choice((1, 2, 7, rng.randrange(1, 5_000), rng.randrange(1, 3_000_000)))
        events.append(Fill(t, qty, rng.choice((1, 1, -1, -1, 0)), px))
        if rng.random() < 0.6:
            events.append(_touch(rng, t, px))
    return events


def _touch(rng: random.Random, t: int, px: int) -> Touch:
    bid, ask = px - rng.randrange(0, 3), px + rng.randrange(0, 4)
    kind = rng.random()
    if kind < 0.1:
        return Touch(t, NO_BID, 0, ask, rng.randrange(1, 99))
    if kind < 0.2:
        return Touch(t, bid, rng.randrange(1, 99), NO_ASK, 0)
    return Touch(t, bid, rng.randrange(1, 99), ask, rng.randrange(1, 99), valid=bid < ask)


def instants(rng: random.Random, events: Sequence[Event], every: int = SECOND // 2) -> np.ndarray:
    """Ascending instants on a grid over the tape and a little beyond, some at the very times of events."""
    first, last = events[0].t, events[-1].t
    grid = range(first // every * every, last + 3 * every, every)
    own = [e.t + rng.choice((-1, 0, 1)) for e in rng.sample(list(events), min(20, len(events)))]
    return np.array(sorted({*grid, *own, last}), np.int64)


def fills_until(events: Sequence[Event], t: int) -> list[Fill]:
    """The fills with clock <= t."""
    return [e for e in events if isinstance(e, Fill) and e.t <= t]


def in_span(events: Sequence[Event], t: int, span: int | str) -> list[Fill]:
    """The fills of a window that ends at t: (t - span, t], or of the session of the latest fill, or all."""
    fills = fills_until(events, t)
    if span == "start" or not fills:
        return fills
    if span == "session":
        return [f for f in fills if f.t // DAY == fills[-1].t // DAY]
    return [f for f in fills if f.t > t - int(span)]


def mirrored(events: Sequence[Event]) -> list[Event]:
    """The same fills with sides swapped."""
    return [Fill(e.t, e.qty, -e.side, e.px) for e in events if isinstance(e, Fill)]
