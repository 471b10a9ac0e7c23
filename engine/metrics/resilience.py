"""Depletion of the book near the touch, and how fast it comes back. METRICS 1.7.

Depth D is what rests within X bps of the mid on both sides together, read on a grid of 1 s anchored at
the Unix epoch: the state after all rows with clock <= the instant. Its norm M is the median of D at the
300 instants before (at least 150 of them known). An instant with D < M / 2 begins a depletion, whose norm
is kept; it ends with the first later instant at which D >= 0.9 of that norm, and the time between the two is
the resilience. A depletion in which the book is lost, or that lasts 30 minutes, ends without a result.
Everything is compared in integers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from fractions import Fraction
from typing import Final

import numpy as np

from engine.metrics.batch import NO_ASK, NO_BID, Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.depth import positive_bps
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Steps, check_state
from engine.tape import Ints

GRID: Final = 1_000_000_000
#: Instants that make the norm, and how many of them must be known.
SPAN: Final = 300
ENOUGH: Final = 150
#: Instants after which a depletion is given up.
LONGEST: Final = 1_800
#: After so many instants of one depth nothing changes any more.
_SETTLED: Final = LONGEST + SPAN + 2
_UNKNOWN: Final = -1


class Episodes:
    """Depletions of one series of depths, an instant at a time."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=SPAN)  # depths of the last instants, -1 unknown
        self._sorted: list[int] = []  # the known ones of them
        self._norm: int | None = None  # twice the norm of the depletion that is on; None: none is
        self._since = 0  # instants that it has lasted
        self.seconds: int | None = None  # of the last depletion that came back
        self.depleted: bool | None = None  # None: unknown

    def step(self, depth: int) -> None:
        """The depth (lots) at the next instant, -1 when unknown."""
        norm = self._twice_median()
        if self._norm is not None:
            self._since += 1
            if depth != _UNKNOWN and 20 * depth >= 9 * self._norm:
                self.seconds = self._since
                self._norm = None
            elif depth == _UNKNOWN or self._since >= LONGEST:
                self._norm = None
        elif depth != _UNKNOWN and norm is not None and 4 * depth < norm:
            self._norm, self._since = norm, 0
        self.depleted = self._norm is not None
        if depth == _UNKNOWN or (norm is None and self._norm is None):
            self.depleted = None
        self._push(depth)

    def _twice_median(self) -> int | None:
        known = self._sorted
        n = len(known)
        return known[(n - 1) // 2] + known[n // 2] if n >= ENOUGH else None

    def _push(self, depth: int) -> None:
        if len(self._recent) == SPAN and self._recent[0] != _UNKNOWN:
            del self._sorted[bisect_left(self._sorted, self._recent[0])]
        self._recent.append(depth)
        if depth != _UNKNOWN:
            insort(self._sorted, depth)

    def copy(self) -> Episodes:
        """The same, to look ahead with."""
        other = Episodes()
        other.restore(self.state())
        return other

    def state(self) -> State:
        """Everything carried."""
        return {
            "recent": list(self._recent),
            "norm": self._norm,
            "since": self._since,
            "seconds": self.seconds,
            "depleted": self.depleted,
        }

    def restore(self, state: State) -> None:
        """Take over a state."""
        self._recent = deque(state["recent"], SPAN)
        self._sorted = sorted(depth for depth in self._recent if depth != _UNKNOWN)
        self._norm, self._since = state["norm"], state["since"]
        self.seconds, self.depleted = state["seconds"], state["depleted"]


class Resilience:
    """Depletions within one distance. Fields: `resilience` (s) and `depletion` (1, 0)."""

    def __init__(self, bps: Fraction) -> None:
        self._bps = bps
        self._depth = Steps(np.int64)  # after every book message, -1 unknown; only what instants to come need
        self._next: int | None = None  # first instant not yet taken
        self._episodes = Episodes()
        self._results = Steps(np.float64, np.float64)  # resilience and depletion, where they change

    def update(self, batch: Batch) -> None:
        quotes, band = batch.quotes, batch.bands.get(self._bps)
        if band is not None and len(quotes):
            known = quotes.valid & (quotes.bid != NO_BID) & (quotes.ask != NO_ASK)
            self._depth.append(quotes.t, np.where(known, band.bid + band.ask, _UNKNOWN))
            if self._next is None:
                self._next = -(-int(quotes.t[0]) // GRID) * GRID
        if self._next is not None and self._next < batch.end:
            # Rows at the clock `end` may still come: an instant is complete once the clock has passed it.
            self._next = self._walk(self._episodes, self._next, batch.end - 1, self._results)
            self._depth.forget(self._next)

    def _walk(self, episodes: Episodes, first: int, until: int, results: Steps) -> int:
        """Take all instants from `first` to `until` (included); the next one."""
        depths = self._depth
        while first <= until:
            row = int(depths.position(np.array([first]))[0])
            depth = int(depths.values()[row])
            changes = int(depths.clock[row + 1]) if row + 1 < len(depths) else until + 1
            stop = min(-(-changes // GRID) * GRID, (until // GRID + 1) * GRID)  # first instant of another depth
            for instant in range(first, min(stop, first + _SETTLED * GRID), GRID):
                before = (episodes.seconds, episodes.depleted)
                episodes.step(depth)
                if (episodes.seconds, episodes.depleted) != before:
                    values = [np.nan if v is None else float(v) for v in (episodes.seconds, episodes.depleted)]
                    results.append([instant], [values[0]], [values[1]])
            first = stop
        return first

    def sample(self, field: str, times: Ints) -> Floats:
        column = 0 if field == "resilience" else 1
        out = self._results.at(times, column)
        if self._next is not None and len(times) and int(times[-1]) >= self._next:
            ahead = Steps(np.float64, np.float64)
            self._walk(self._episodes.copy(), self._next, int(times[-1]), ahead)
            later = ahead.position(times) >= 0
            out[later] = ahead.at(times, column)[later]
        return out

    def advance(self, t: int) -> None:
        self._results.forget(t)

    def state(self) -> State:
        return {
            "kind": "resilience",
            "version": 1,
            "depth": self._depth.state(),
            "next": self._next,
            "episodes": self._episodes.state(),
            "results": self._results.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "resilience", 1)
        self._depth.restore(state["depth"])
        self._next = state["next"]
        self._episodes.restore(state["episodes"])
        self._results.restore(state["results"])


def _bind(field: str, bps: float) -> Bound:
    distance = positive_bps(bps)
    return Bound(
        share=("resilience", distance),
        make=lambda context: Resilience(distance),
        field=field,
        bands=(distance,),
        needs_book=True,
    )


_X = Param("X", "bps", "10bps", "distance from the mid")

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="resilience",
        params=(_X,),
        unit="s",
        meaning="how long the depth within X took, after its last fall below half its 5-minute median, to be back "
        "at 90 % of it; both sides, read every second",
        warmup="from the first depletion that was made good, at the earliest 150 s after the first book; null before",
        bind=lambda bps: _bind("resilience", bps),
        group="liquidity",
    ),
    MetricSpec(
        name="depletion",
        params=(_X,),
        unit="flag",
        meaning="1 from a fall of the depth within X below half its 5-minute median until it is back at 90 % of "
        "it (at most 30 minutes), else 0; both sides, read every second",
        warmup="150 s after the first book",
        bind=lambda bps: _bind("depletion", bps),
        group="liquidity",
    ),
)
