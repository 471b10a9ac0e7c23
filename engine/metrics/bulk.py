"""Bulk volume classification: VPIN from bars of price and volume alone, without taker sides.

The share of a bar's volume that counts as bought is Z(dP / sigma), dP being the last price of the bar minus
that of the bar before, Z a distribution function. Easley, Lopez de Prado & O'Hara, RFS 25(5):1457-1493, 2012.
All lots of a bar share one Z; the bars are then poured into equal-volume buckets.

Unlike the papers, which estimate sigma from the whole sample, a bar is classified with the standard deviation
of the bars strictly before it (one day of them, at least 30). Bars without trades count, with dP = 0.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from engine.metrics.calculator import State
from engine.metrics.distributions import CDFS
from engine.metrics.windows import DAY, check_state

#: Bars that sigma needs before anything is classified.
FEWEST_BARS: Final = 30
#: Bought shares are rounded to so many binary places, so that sums over buckets are exact integers.
PLACES: Final = 20
#: Of the buckets that one bar closes, at most n and so many are reported: the others repeat the same value.
_EXTRA_PER_BAR: Final = 1_000
_ONE: Final = 1 << PLACES


class PriceChanges:
    """Standard deviation of the price changes of the last day of bars, from exact integer sums."""

    def __init__(self, bar: int) -> None:
        """`bar`: length of a bar, ns."""
        self._most = DAY // bar
        self._first: int | None = None  # number of the first bar that has a change
        self._changed: deque[tuple[int, int]] = deque()  # (number of the bar, change), zeros left out
        self._sum = 0
        self._squares = 0

    def begin(self, index: int) -> None:
        """Bar number `index` is the first that has a bar before it to differ from."""
        self._first = index

    def share(self, index: int, change: int, cdf: Callable[[float], float]) -> int | None:
        """Share of bar number `index` that counts as bought, in 2^-20; None: too few bars before it.

        Takes the bar's change in afterwards. Bars come in order; those left out did not change the price.
        """
        share = self._classified(index, change, cdf)
        if change:
            self._changed.append((index, change))
            self._sum += change
            self._squares += change * change
        return share

    def _classified(self, index: int, change: int, cdf: Callable[[float], float]) -> int | None:
        while self._changed and self._changed[0][0] < index - self._most:
            _, old = self._changed.popleft()
            self._sum -= old
            self._squares -= old * old
        count = 0 if self._first is None else min(index - self._first, self._most)
        if count < FEWEST_BARS:
            return None
        spread = count * self._squares - self._sum * self._sum  # n (n - 1) sigma^2
        if change == 0:
            return _ONE // 2
        if spread == 0:
            return _ONE if change > 0 else 0
        return round(cdf(change * math.sqrt(count * (count - 1) / spread)) * _ONE)

    def state(self) -> State:
        changed = np.array(self._changed, dtype=object).reshape(-1, 2).tolist()
        return {
            "kind": "price changes",
            "version": 1,
            "most": self._most,
            "first": self._first,
            "changed": changed,
            "sums": [self._sum, self._squares],
        }

    def restore(self, state: State) -> None:
        check_state(state, "price changes", 1)
        if state["most"] != self._most:
            raise ValueError(f"state of {state['most']} bars a day, not {self._most}")
        self._first = state["first"]
        self._changed = deque((index, change) for index, change in state["changed"])
        self._sum, self._squares = state["sums"]


class BulkVpin:
    """VPIN of bulk classified bars. Plain integers all through: prices in ticks, volumes and buckets in lots."""

    def __init__(self, n: int, bar: int, distribution: str = "normal") -> None:
        """`n` buckets, bars of `bar` ns, a name of `CDFS`; raises ValueError for another."""
        if distribution not in CDFS:
            raise ValueError(f"a distribution is one of {', '.join(CDFS)}, not {distribution!r}")
        if not 1 <= bar <= DAY // FEWEST_BARS:
            raise ValueError(f"a bar of {bar} ns is not between 1 ns and a {FEWEST_BARS}th of a day")
        if n < 1:
            raise ValueError(f"VPIN needs at least one bucket, not {n}")
        self._n, self._bar, self._cdf, self._distribution = n, bar, CDFS[distribution], distribution
        self._changes = PriceChanges(bar)
        self._close: int | None = None  # last price, ticks
        self._index: int | None = None  # number of the last bar
        self._ring: deque[tuple[int, int]] = deque()  # (imbalance in lots 2^-20, size in lots) of up to n buckets
        self._sums = [0, 0]
        self._filled = 0  # lots in the open bucket
        self._doubled = 0  # 2 x bought in it, 2^-20
        self._size = 0  # lots it will hold

    def add(self, end: int, close: int, volume: int, size: int | None) -> list[float]:
        """A bar that ended at `end` (ns, a multiple of its length): VPIN after each bucket that it closed.

        `close` in ticks, `volume` in lots, `size` the lots of buckets that start in this bar (None: not known, the
        bar's volume is left out). Bars come in order; bars without trades may be left out or given with volume 0.
        NaN before the n-th bucket. Raises ValueError for a bar out of order or negative numbers of lots.
        """
        index = end // self._bar
        if self._index is not None and index <= self._index:
            raise ValueError(f"a bar that ends at {end} ns comes after one that ended at {self._index * self._bar} ns")
        if volume < 0 or (size is not None and size < 1):
            raise ValueError(f"{volume} lots into buckets of {size} lots: volumes must be >= 0, buckets >= 1")
        share = None
        if self._close is None:
            self._changes.begin(index + 1)
        else:
            share = self._changes.share(index, close - self._close, self._cdf)
        self._index, self._close = index, close
        if share is None or size is None or not volume:
            return []
        return self._pour(volume, 2 * share, size)

    def _pour(self, volume: int, doubled_share: int, size: int) -> list[float]:
        if not self._filled:
            self._size = size
        volume -= max((volume - self._size) // size - _EXTRA_PER_BAR - self._n, 0) * size
        values = []
        while volume >= (room := self._size - self._filled):
            values.append(self._closed(abs(self._doubled + room * doubled_share - self._size * _ONE)))
            volume -= room
            self._filled = self._doubled = 0
            self._size = size
        self._filled += volume
        self._doubled += volume * doubled_share
        return values

    def _closed(self, imbalance: int) -> float:
        ring, sums = self._ring, self._sums
        if len(ring) == self._n:
            old = ring.popleft()
            sums[0] -= old[0]
            sums[1] -= old[1]
        ring.append((imbalance, self._size))
        sums[0] += imbalance
        sums[1] += self._size
        return sums[0] / (sums[1] * _ONE) if len(ring) == self._n else math.nan

    def state(self) -> State:
        return {
            "kind": "bulk vpin",
            "version": 1,
            "shape": [self._n, self._bar, self._distribution],
            "changes": self._changes.state(),
            "last": [self._close, self._index],
            "ring": [list(bucket) for bucket in self._ring],
            "sums": list(self._sums),
            "open": [self._filled, self._doubled, self._size],
        }

    def restore(self, state: State) -> None:
        check_state(state, "bulk vpin", 1)
        if list(state["shape"]) != [self._n, self._bar, self._distribution]:
            raise ValueError(f"state of bulk VPIN {state['shape']}, not {[self._n, self._bar, self._distribution]}")
        self._changes.restore(state["changes"])
        self._close, self._index = state["last"]
        self._ring = deque((imbalance, size) for imbalance, size in state["ring"])
        self._sums = list(state["sums"])
        self._filled, self._doubled, self._size = state["open"]
