"""Random trades before a market begins, and the bars that a venue makes of them."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from engine.history import MINUTE, Bars

DAY = 86_400_000_000_000
MIDNIGHT = 1_699_920_000_000_000_000  # a UTC day begins


@dataclass(frozen=True)
class PastTrade:
    t: int
    px: int
    qty: int
    side: int


def random_past(seed: int, start: int, end: int, every: int = MINUTE // 5) -> list[PastTrade]:
    rng, t, px, out = random.Random(seed), start, 268_000, []
    while (t := t + rng.randrange(1, 2 * every)) < end:
        px += rng.randrange(-3, 4)
        out.append(PastTrade(t, px, rng.randrange(1, 9_000), rng.choice((1, -1))))
    return out


def bars_of(trades: list[PastTrade], step: int = MINUTE) -> Bars:
    """As a venue would make them; minutes without trades have none. Traded value in the units of tests' instrument
    (tick 0.01, lot 0.001)."""
    groups: dict[int, list[PastTrade]] = {}
    for trade in trades:
        groups.setdefault(trade.t // step * step, []).append(trade)
    rows = [
        (
            t,
            g[0].px,
            max(x.px for x in g),
            min(x.px for x in g),
            g[-1].px,
            sum(x.qty for x in g),
            sum(x.qty for x in g if x.side > 0),
            sum(x.px * x.qty for x in g) * 1e-5,
            len(g),
        )
        for t, g in sorted(groups.items())
    ]
    columns = list(zip(*rows, strict=True)) or [()] * 9
    return Bars(step, *(np.array(c, np.float64 if i == 7 else np.int64) for i, c in enumerate(columns)))
