"""The resting orders of a simulated market: a dense array of sizes per side, changed in place.

Index i stands for price `low + i` ticks. Around the touch every level is alive (the dense zone);
beyond it only round prices hold size, out to the ends of the array, so that a snapshot at the start
tells the whole book and the depth known from it never runs out.
"""

from __future__ import annotations

import random
from array import array

import numpy as np
from numpy.typing import NDArray

from connectors.simulator.profiles import Profile
from engine.tape import Ints

Floats = NDArray[np.float64]

#: Ends of the array, relative to the price level; the fair value stays well inside.
LOWEST, HIGHEST = 0.72, 1.34
#: Steps for which the random numbers of the refresh are drawn in one go.
_BLOCK = 256
#: At most so many levels are refreshed per side and step.
_WIDEST = 24
#: Round prices, in ticks, and how much more size they hold.
_ROUND = ((10, 1.7), (50, 2.3), (100, 4.0))
_FAR_EVERY = 100
#: The dense zone follows the touch in strides of so many ticks.
_SLACK = 8

BID, ASK = 0, 1


class RestingBook:
    """Resting sizes in lots; `best[BID] < best[ASK]` always holds.

    `draw` and `rng` are the market's own generators. Sides are BID and ASK throughout.
    """

    def __init__(self, profile: Profile, draw: random.Random, rng: np.random.Generator) -> None:
        self._draw, self._rng = draw, rng
        anchor = round(profile.price / float(profile.tick))
        self.low = round(anchor * LOWEST)
        self.size = n = round(anchor * HIGHEST) - self.low
        self.levels = min(profile.levels, n // 8)
        self.unit = max(4.0, profile.level_size / float(profile.lot))  # lots of a level at the hump
        memory = array("q", bytes(16 * n))
        whole = memoryview(memory)
        #: Scalar access per side; `_now` is the same memory, shape (2, n).
        self.sides = (whole[:n], whole[n:])
        self._now: Ints = np.frombuffer(memory, np.int64).reshape(2, n)
        self._told: Ints = np.zeros((2, n), np.int64)  # what messages said so far
        self._shape, self._gone = self._shapes()
        self._weight, self._far = self._round_prices()
        self._cursor = _BLOCK
        self.best = [0, 0]
        self._edge = [0, 0]  # outermost index of the dense zone
        self._told_edge = [0, 0]  # where it was at the last message
        self._open(anchor - self.low)

    # ---- shape

    def _shapes(self) -> tuple[Floats, Floats]:
        """Mean size and probability of an empty level by distance from the touch, shape (levels,)."""
        d = np.arange(self.levels)
        x = d / (self.levels / 10)
        return self.unit * (0.3 + 0.85 * x * np.exp(1 - x)), np.where(d == 0, 0.0, 0.02 + 0.3 * d / self.levels)

    def _round_prices(self) -> tuple[Floats, Ints]:
        """Factor of every price, and the size resting at it when it is far away. Shape (size,)."""
        px = self.low + np.arange(self.size)
        weight = np.ones(self.size)
        for every, factor in _ROUND:
            weight[px % every == 0] = factor
        far = np.zeros(self.size, np.int64)
        spots = np.flatnonzero(px % _FAR_EVERY == 0)
        far[spots] = 1 + self.unit * 3.0 * self._rng.lognormal(0.0, 0.8, len(spots))
        return weight, far

    def _open(self, middle: int) -> None:
        """Fill both sides around `middle`."""
        d = self.levels
        self.best = [middle - 1, middle]
        self._edge = [middle - d, middle + d - 1]
        self._now[BID, : self._edge[BID]] = self._far[: self._edge[BID]]
        self._now[ASK, self._edge[ASK] + 1 :] = self._far[self._edge[ASK] + 1 :]
        self._now[BID, self._edge[BID] : middle] = self._fresh(np.arange(d)[::-1], self._edge[BID], d)
        self._now[ASK, middle : middle + d] = self._fresh(np.arange(d), middle, d)
        self._now[BID, middle - 1] = max(1, self._now[BID, middle - 1])

    def _fresh(self, distance: Ints, first: int, n: int) -> Ints:
        """New sizes at `distance` levels from the touch; `first` is the lowest index of the n prices."""
        noise = self._rng.lognormal(-0.25, 0.7, n)
        noise[self._rng.random(n) < self._gone[distance]] = 0.0
        size = self._shape[distance] * noise * self._weight[first : first + n]
        return np.where(size > 0, np.maximum(size, 1), 0).astype(np.int64)

    # ---- taking

    def take(self, side: int, lots: int, reach: int) -> list[tuple[int, int]]:
        """Eat up to `lots` from `side`, at most `reach` prices deep: [(index, lots)] in order of price.

        The dense zone never runs empty: what would eat more is not filled.
        """
        sizes, step = self.sides[side], 1 if side == ASK else -1
        i = self.best[side]
        end = i + step * reach
        fills = []
        while lots > 0 and i != end:
            here = sizes[i]
            if here:
                part = min(here, lots)
                sizes[i] = here - part
                lots -= part
                fills.append((i, part))
                if part < here:
                    break
            i += step
        self._rescan(side, self.best[side])
        return fills

    def sum_of(self, side: int, prices: int) -> int:
        """Lots on the first so many prices of a side, from the best on."""
        i = self.best[side]
        return int((self._now[ASK, i : i + prices] if side == ASK else self._now[BID, i - prices + 1 : i + 1]).sum())

    def _rescan(self, side: int, start: int) -> None:
        """The best index of a side, nothing being better than `start`."""
        sizes, step = self.sides[side], 1 if side == ASK else -1
        i = start
        while not sizes[i]:
            i += step
        self.best[side] = i

    # ---- quoting

    def withdraw_beyond(self, bid: int, ask: int) -> None:
        """Cancel bids above `bid` and asks below `ask`."""
        if self.best[BID] > bid:
            self._now[BID, bid + 1 : self.best[BID] + 1] = 0
            self._rescan(BID, bid)
        if self.best[ASK] < ask:
            self._now[ASK, self.best[ASK] : ask] = 0
            self._rescan(ASK, ask)

    def improve(self, side: int, target: int, share: float, factor: float) -> None:
        """Quote nearer to `target`: fill `share` of the prices that are missing, with `factor` x the usual size."""
        best = self.best[side]
        gap = abs(target - best)
        if not gap:
            return
        n = min(gap, max(1, round(gap * share)), self.levels)
        first = best + 1 if side == BID else best - n
        distance = np.arange(n)
        fresh = np.maximum(1, self._fresh(distance[::-1] if side == BID else distance, first, n) * factor)
        self._now[side, first : first + n] = fresh.astype(np.int64)
        self.best[side] = best + n if side == BID else best - n

    def refresh(self, side: int, n: int, factor: float) -> None:
        """Orders come and go at `n` levels behind the touch (the touch included)."""
        row = self._cursor
        if row >= _BLOCK:
            self._draw_block()
            row = self._cursor
        self._cursor = row + 1
        n = min(n, _WIDEST)
        best = self.best[side]
        at = best + self._offset[row, :n] if side == ASK else best - self._offset[row, :n]
        size = self._scale[row, :n] * self._weight[at] * factor
        self._now[side, at] = size.astype(np.int64)
        if not self.sides[side][best]:
            self.sides[side][best] = 1

    def _draw_block(self) -> None:
        rng, shape = self._rng, (_BLOCK, _WIDEST)
        near = rng.exponential(self.levels / 30, shape)
        wide = rng.exponential(self.levels / 5, shape)
        offset = np.where(rng.random(shape) < 0.6, near, wide).astype(np.int64) % self.levels
        scale = self._shape[offset] * rng.lognormal(-0.25, 0.7, shape)
        scale[rng.random(shape) < 0.03] *= 4
        scale[rng.random(shape) < self._gone[offset]] = 0.0
        self._offset, self._scale, self._cursor = offset, scale, 0

    def lean_touch(self, side: int, aim: float) -> None:
        """Move the size at the best price a third of the way to `aim` lots."""
        sizes, best = self.sides[side], self.best[side]
        sizes[best] = max(1, round(sizes[best] + 0.33 * (aim - sizes[best])))

    def follow(self) -> None:
        """Let the dense zone move with the touch: far levels keep round prices only, new ones come alive."""
        for side in (BID, ASK):
            edge, want = self._edge[side], self.best[side] + (self.levels if side == ASK else -self.levels)
            if abs(want - edge) < _SLACK:
                continue
            lo, hi = (want, edge) if side == BID else (edge + 1, want + 1)
            if lo < hi:  # the zone grows outwards
                n = hi - lo
                fresh = self._fresh(np.full(n, self.levels - 1), lo, n)
                self._now[side, lo:hi] = np.maximum(fresh, self._far[lo:hi])
            else:
                self._now[side, hi:lo] = self._far[hi:lo]
            self._edge[side] = want

    # ---- telling

    def snapshot(self) -> tuple[Ints, Ints, Ints]:
        """All levels as (side, index, lots), bids first, prices ascending."""
        self._told[:] = self._now
        self._told_edge[:] = self._edge
        return self._listed(self._now > 0, 0)

    def changes(self) -> tuple[Ints, Ints, Ints]:
        """Levels that changed since the last message, likewise; a size of 0 deletes."""
        lo = min(self._edge[BID], self._told_edge[BID]) - _SLACK
        hi = max(self._edge[ASK], self._told_edge[ASK]) + _SLACK
        self._told_edge[:] = self._edge
        changed = self._listed(self._now[:, lo:hi] != self._told[:, lo:hi], lo)
        side, at, lots = changed
        self._told[side, at] = lots
        return changed

    def _listed(self, mask: NDArray[np.bool_], first: int) -> tuple[Ints, Ints, Ints]:
        side, at = np.nonzero(mask)
        at += first
        return side, at, self._now[side, at]
