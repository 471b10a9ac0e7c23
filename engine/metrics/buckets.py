"""Equal-volume buckets: trades poured into buckets of exactly V lots, and how large V is.

The volume clock of Easley, Lopez de Prado & O'Hara, RFS 25(5):1457-1493, 2012. A fill that crosses the
edge of a bucket is split there; a fill larger than a bucket closes several at its own time. Everything
is an int, so a bucket holds exactly its size and the result does not depend on how the trades were cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

import numpy as np

from engine.metrics.batch import Floats, Trades
from engine.metrics.calculator import State
from engine.metrics.windows import DAY, check_state
from engine.tape import Ints

#: Largest bucket, lots: sums over 10,000 of them stay inside int64.
MAX_BUCKET: Final = 1 << 45
#: Squares of lots are summed exactly while a bucket is below 2^31 lots; of a larger one the low bits are left out.
_SQUARE_BITS: Final = 31
_SAFE: Final = float(1 << 61)

#: Average daily volume: half-life of its exponential mean, in days.
_HALF_LIFE_DAYS: Final = 7
_SIZES_KEPT: Final = 1_000
_MEDIANS_PER_BUCKET: Final = 50


@dataclass(frozen=True, slots=True)
class Closed:
    """Buckets that closed, in order. int64, shape (n,)."""

    t: Ints  # clock of the fill that completed the bucket, ns
    imbalance: Ints  # |bought - sold|, lots; a trade of unknown side counts half and half
    size: Ints  # lots
    concentration: Floats  # root of the sum over its fills of (share of the bucket)^2, float64, 0..1


@dataclass(frozen=True, slots=True)
class Filling:
    """How full the open bucket was after each of some trades."""

    t: Ints
    poured: Ints  # lots since the start of the bucket that was open before them
    edges: Ints  # where buckets closed, on the same count
    first: int  # size of that bucket
    later: int  # size of those after it

    def at(self, times: Ints) -> Floats:
        """Fraction of the open bucket at `times`, none of them before the first trade."""
        poured = self.poured[self.t.searchsorted(times, "right") - 1]
        closed = self.edges.searchsorted(poured, "right")
        start = np.concatenate([[0], self.edges])[closed]
        fraction: Floats = (poured - start) / np.where(closed > 0, self.later, self.first)
        return fraction


class Buckets:
    """The open bucket; `pour` closes as many as the trades fill."""

    def __init__(self, most_per_fill: int) -> None:
        """`most_per_fill`: of the buckets that one fill closes alone, no more than these are reported (at
        least as many); a fill of a million buckets must not need memory for a million."""
        self._most = most_per_fill
        self._fill = 0  # lots in the open bucket
        self._doubled = 0  # 2 x bought + unknown in it
        self._squares = 0  # sum over its fills of lots^2
        self._size = 0  # lots it will hold; fixed when its first lot comes

    def pour(self, trades: Trades, size: int) -> Iterator[tuple[Closed, Filling]]:
        """Pour the trades; buckets that start from now on hold `size` lots, the open one keeps its own."""
        if not len(trades):
            return
        if self._fill == 0:
            self._size = size
        excess = np.maximum((trades.qty - self._size) // size - self._most, 0)
        qty = trades.qty - excess * size
        if float(np.sum(qty, dtype=np.float64)) * 2 + self._size >= _SAFE and len(trades) > 1:
            half = len(trades) // 2
            for part in (slice(None, half), slice(half, None)):
                columns = (trades.t, trades.px, trades.qty, trades.side, trades.seq)
                yield from self.pour(Trades(*(column[part] for column in columns)), size)
            return
        yield self._pour(trades.t, qty, trades.side + 1, size)

    def _pour(self, t: Ints, qty: Ints, doubling: Ints, size: int) -> tuple[Closed, Filling]:
        first = self._size
        poured = np.cumsum(qty) + self._fill
        doubled = np.cumsum(qty * doubling) + self._doubled
        total = int(poured[-1])
        count = 0 if total < first else 1 + (total - first) // size
        edges = first + size * np.arange(count, dtype=np.int64)
        reach = poured.searchsorted(edges, "left")  # the fill that reaches each edge
        beyond = poured[reach] - edges
        sizes = np.full(count, size, np.int64)
        sizes[:1] = first

        doubled_at = doubled[reach] - beyond * doubling[reach]
        imbalance = np.abs(np.diff(doubled_at, prepend=0) - sizes)
        concentration = self._concentration(qty, reach, beyond, sizes, size)

        filling = Filling(t, poured, edges, first, size)
        if count:
            self._fill = total - int(edges[-1])
            self._doubled = int(doubled[-1] - doubled_at[-1])
            self._size = size
        else:
            self._fill, self._doubled = total, int(doubled[-1])
        return Closed(t[reach], imbalance, sizes, concentration), filling

    def _concentration(self, qty: Ints, reach: Ints, beyond: Ints, sizes: Ints, size: int) -> Floats:
        """Of the closing buckets; carries the sum of squares of the open one."""
        count = len(reach)
        inside = np.full(len(qty), _shift(self._size), np.int64)
        if count:
            inside[int(reach[0]) + 1 :] = _shift(size)
        # Prefix sums may wrap around; over the inside of a bucket they differ by less than 2^62.
        prefix = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.square(qty >> inside))])
        if not count:
            self._squares += int(prefix[-1])
            return np.empty(0)
        shifts = np.full(count, _shift(size), np.int64)
        head = np.square(np.minimum(beyond, size) >> shifts)  # of the bucket after each edge
        shifts[:1] = _shift(self._size)
        squares = np.square(np.minimum(qty[reach] - beyond, sizes) >> shifts)
        squares[0] += self._squares + prefix[reach[0]]
        squares[1:] += head[:-1] + prefix[reach[1:]] - prefix[reach[:-1] + 1]
        squares[1:][reach[1:] == reach[:-1]] = 0  # one fill took the whole bucket
        concentration: Floats = np.sqrt(squares.astype(np.float64)) / np.ldexp(sizes.astype(np.float64), -shifts)
        concentration[1:][reach[1:] == reach[:-1]] = 1.0
        self._squares = int(head[-1]) + int((prefix[-1:] - prefix[reach[-1:] + 1])[0])
        return concentration

    def state(self) -> State:
        carried = [self._fill, self._doubled, self._squares, self._size]
        return {"kind": "buckets", "version": 1, "open": carried}

    def restore(self, state: State) -> None:
        check_state(state, "buckets", 1)
        self._fill, self._doubled, self._squares, self._size = state["open"]


def _shift(size: int) -> int:
    return max(size.bit_length() - _SQUARE_BITS, 0)


class FixedSize:
    """Buckets of one size for good."""

    def __init__(self, lots: int) -> None:
        if not 1 <= lots <= MAX_BUCKET:
            raise ValueError(f"a bucket of {lots} lots is not between 1 and {MAX_BUCKET} lots")
        self._lots = lots

    @property
    def present(self) -> int | None:
        """Lots a bucket that starts now would hold; None: not known yet."""
        return self._lots

    def pieces(self, trades: Trades, day_volumes: Sequence[tuple[int, int]]) -> Iterator[tuple[Trades, int | None]]:
        """(trades, size in lots of buckets that start with them; None: not known yet)."""
        yield trades, self._lots

    def state(self) -> State:
        return {"kind": "fixed size", "version": 1, "lots": self._lots}

    def restore(self, state: State) -> None:
        check_state(state, "fixed size", 1)
        if state["lots"] != self._lots:
            raise ValueError(f"state for buckets of {state['lots']} lots, not {self._lots}")


class DailyVolumeSize:
    """Buckets of a part of the average daily volume, revised at 00:00 UTC of event time.

    ADV is an exponential mean over UTC days (half-life 7 days) that the venue's own 24 h volume (the
    first one told, from the trades after it on) or the user starts; else the first full day does. A day
    is full when a trade of an earlier day had been seen; days without any trade count as not observed.
    The smallest bucket is 50 median fills (of the last 1,000 before midnight; at first, of the first 1,000).
    """

    def __init__(self, divisor: Fraction, day_lots: int | None) -> None:
        self._divisor = divisor
        self._average: float | None = float(day_lots) if day_lots else None
        self._seed: tuple[int, int] | None = None  # clock, lots
        self._median: float | None = None
        self._first_day: int | None = None
        self._day: int | None = None
        self._day_lots = 0
        self._fills = 0
        self._recent = np.empty(0, np.int64)

    def pieces(self, trades: Trades, day_volumes: Sequence[tuple[int, int]]) -> Iterator[tuple[Trades, int | None]]:
        """(trades, size in lots of buckets that start with them; None: not known yet)."""
        if self._seed is None:
            self._seed = next(((t, lots) for t, lots in day_volumes if lots > 0), None)
        if not len(trades):
            return
        days = trades.t // DAY
        cuts = {0, len(trades), *(np.flatnonzero(np.diff(days)) + 1).tolist()}
        if self._seed is not None:
            cuts.add(int(trades.t.searchsorted(self._seed[0], "right")))
        cuts.add(min(max(_SIZES_KEPT - self._fills, 0), len(trades)))
        for start, stop in pairwise(sorted(cuts)):
            self._revise(int(trades.t[start]), int(days[start]))
            qty = trades.qty[start:stop]
            self._day_lots += _total(qty)
            self._fills += len(qty)
            self._recent = np.concatenate([self._recent, qty[-_SIZES_KEPT:]])[-_SIZES_KEPT:]
            cut = slice(start, stop)
            yield Trades(trades.t[cut], trades.px[cut], qty, trades.side[cut], trades.seq[cut]), self._size()

    @property
    def present(self) -> int | None:
        """Lots a bucket that starts now would hold; None: not known yet."""
        return self._size()

    def _revise(self, t: int, day: int) -> None:
        """What is known before a trade at `t` changes the averages."""
        if self._average is None and self._seed is not None and t > self._seed[0]:
            self._average = float(self._seed[1])
        if self._first_day is None:
            self._first_day = self._day = day
        if day != self._day:
            if self._day is not None and self._day > self._first_day:
                weight = 2 ** (-1 / _HALF_LIFE_DAYS)
                full = float(self._day_lots)
                self._average = full if self._average is None else weight * self._average + (1 - weight) * full
            self._median = float(np.median(self._recent))
            self._day, self._day_lots = day, 0
        elif self._fills == _SIZES_KEPT:
            self._median = float(np.median(self._recent))

    def _size(self) -> int | None:
        if self._average is None:
            return None
        size = round(self._average / float(self._divisor))
        if self._median is not None:
            size = max(size, round(_MEDIANS_PER_BUCKET * self._median))
        return min(max(size, 1), MAX_BUCKET)

    def state(self) -> State:
        return {
            "kind": "daily volume size",
            "version": 1,
            "divisor": str(self._divisor),
            "average": self._average,
            "seed": None if self._seed is None else list(self._seed),
            "median": self._median,
            "first_day": self._first_day,
            "day": self._day,
            "day_lots": self._day_lots,
            "fills": self._fills,
            "recent": self._recent.copy(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "daily volume size", 1)
        if state["divisor"] != str(self._divisor):
            raise ValueError(f"state for buckets of adv/{state['divisor']}, not adv/{self._divisor}")
        seed: Any = state["seed"]
        self._average, self._seed = state["average"], None if seed is None else (seed[0], seed[1])
        self._median, self._first_day, self._day = state["median"], state["first_day"], state["day"]
        self._day_lots, self._fills = state["day_lots"], state["fills"]
        self._recent = np.array(state["recent"], np.int64)


def _total(lots: Ints) -> int:
    return int(lots.sum()) if float(np.sum(lots, dtype=np.float64)) < _SAFE else sum(lots.tolist())
