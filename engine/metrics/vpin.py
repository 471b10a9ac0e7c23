"""VPIN: how one-sided the taker flow of the last n equal-volume buckets was.

    VPIN = sum |B_j - S_j| / sum V_j over the last n closed buckets, in [0, 1]

Easley, Lopez de Prado & O'Hara, RFS 25(5):1457-1493, 2012, with the taker side of every trade as the
exchange tells it instead of a classification from prices. The open bucket never enters.

What it is not: Andersen & Bondarenko (Journal of Financial Markets 17:1-46, 2014) found that it peaked
after the crash it had been said to announce, that it is mechanically tied to trading intensity, and that
it adds nothing to volume and volatility once they are known. It is a gauge of the present state. Read it
as a percentile of its own past, beside the level that coin-toss sides would give for the same fills.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np

from engine.history import Bars
from engine.instrument import Instrument
from engine.metrics.bar_spread import buckets_of
from engine.metrics.batch import Batch, Floats
from engine.metrics.buckets import Buckets, Closed, DailyVolumeSize, Filling, FixedSize
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.vpin_history import VpinHistory
from engine.metrics.windows import DAY, check_state
from engine.tape import Ints

#: (name, bucket size, number of buckets): about a day, 2.4 hours and 14 minutes of volume.
PRESETS: Final = (("slow", "adv/50", 50), ("fast", "adv/500", 50), ("micro", "adv/5000", 50))

_MOST_BUCKETS: Final = 10_000
_EXTRA_PER_FILL: Final = 1_000
#: Concentrations are summed in ints of 46 binary places, so that the mean does not depend on cuts.
_PLACES: Final = 46
_COIN_TOSS: Final = math.sqrt(2 / math.pi)


class Vpin:
    """VPIN over n buckets and what belongs to it.

    Fields: `vpin`; `pct`, the mid-rank percentile (0..1) of the last value among those before it; `null`, the
    expected level if the sides of the same fills were coin tosses; `fill`, the fraction of the open bucket;
    `age`, seconds since a bucket closed. One fill reports at most 1,000 + n of the buckets it closes (the others
    would repeat the same value).
    """

    def __init__(self, size: BucketSize, n: int) -> None:
        self._n = n
        self._sizes = size
        self._buckets = Buckets(_EXTRA_PER_FILL + n)
        # Imbalance, size, concentration (-1: of bars, not known) of the last n - 1 buckets.
        self._ring = np.zeros((3, 0), np.int64)
        self._waiting: list[Bars] = []  # bars that came before the size of buckets was known
        self._history = VpinHistory(n)
        self._fillings: list[Filling] = []  # since the last `advance`
        self._fraction = math.nan  # of the open bucket, before them

    def update(self, batch: Batch) -> None:
        for trades, size in self._sizes.pieces(batch.trades, batch.day_volumes):
            if size is None:
                continue
            if self._waiting:
                self._learn_waiting()
            for closed, filling in self._buckets.pour(trades, size):
                self._fillings.append(filling)
                if len(closed.t):
                    self._close(closed)

    def _close(self, closed: Closed) -> None:
        fixed_point = np.rint(np.ldexp(closed.concentration, _PLACES)).astype(np.int64)
        self._append(closed.t, np.array([closed.imbalance, closed.size, fixed_point]))

    def _append(self, t: Ints, new: Ints) -> None:
        """Closed buckets: their times and the three rows of the ring."""
        known = np.concatenate([self._ring, new], axis=1)
        held = self._ring.shape[1]
        n, count = self._n, len(t)
        sums = np.zeros((4, known.shape[1] + 1), np.int64)
        np.cumsum(known, axis=1, out=sums[:3, 1:])
        np.cumsum(known[2] < 0, out=sums[3, 1:])
        values, nulls = np.full(count, np.nan), np.full(count, np.nan)
        first = max(n - 1 - held, 0)  # the n-th bucket of the tape, where it is among the new ones
        if first < count:
            window = sums[:, n:] - sums[:, :-n]
            values[first:] = window[0] / window[1]
            nulls[first:] = np.ldexp(window[2] / n, -_PLACES) * _COIN_TOSS
            nulls[first:][window[3] > 0] = np.nan
        self._history.append(t, values, nulls)
        self._ring = known[:, max(known.shape[1] - n + 1, 0) :].copy()

    # ---- Learner

    def learn_bars(self, bars: Bars) -> None:
        """Buckets of bars stand before those of the tape, as long as fewer than n of these have closed; of several
        kinds of bars, those that give the most. The open bucket and the sizes stay as the tape says. Buys and sells of
        one bar cancel, so a VPIN of bars is too low (on trades of a thin market by 10 to 20 % at three bars a
        bucket): percentiles, and alerts on them, count the tape alone."""
        if not bars.sided or bars.step >= DAY or self._history.closed - self._history.learned >= self._n:
            return
        self._waiting.append(bars)
        if self._sizes.present is not None:
            self._learn_waiting()

    def _learn_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        size = self._sizes.present
        real = self._history.closed - self._history.learned
        if size is None or real >= self._n:
            return
        t, imbalance = max((buckets_of(bars, size) for bars in waiting), key=lambda found: len(found[0]))
        if len(t) <= self._history.learned:
            return
        held = len(self._history.rows) - real
        seen_t, seen = self._history.rows[0][held:].copy(), self._ring[:, self._ring.shape[1] - real :]
        past = np.array([imbalance, np.full(len(t), size), np.full(len(t), -1)], np.int64)
        self._history, self._ring = VpinHistory(self._n, learned=len(t)), np.zeros((3, 0), np.int64)
        self._append(np.concatenate([t, seen_t]), np.concatenate([past, seen], axis=1))

    def warmed(self, field: str) -> str | None:
        """See Learner: until n buckets of the tape have closed."""
        real = self._history.closed - self._history.learned
        if not self._history.learned or real >= self._n:
            return None
        if field == "age":
            return "the last bucket closed with a bar" if not real else None
        return f"{self._n - real} of {self._n} buckets from bars, which read low" if field == "vpin" else None

    # ---- values

    def sample(self, field: str, times: Ints) -> Floats:
        if field == "fill":
            return self._fractions(times)
        return self._history.sample(field, times)

    def _fractions(self, times: Ints) -> Floats:
        out = np.full(len(times), self._fraction)
        for filling in self._fillings:
            reached = times >= filling.t[0]
            if np.any(reached):
                out[reached] = filling.at(times[reached])
        return out

    def advance(self, t: int) -> None:
        past = sum(int(filling.t[-1]) <= t for filling in self._fillings)
        if past:
            self._fraction = float(self._fractions(np.array([t], np.int64))[0])
            del self._fillings[:past]
        self._history.forget(t)

    def closings(self, since: int, until: int) -> Ints:
        """Distinct times in (since, until] at which buckets closed; `since` not before the last `advance`."""
        return self._history.closings(since, until)

    def history(self, k: int) -> tuple[Ints, Floats]:
        """(close times, VPIN) of the last `k` buckets that have a value, oldest first."""
        return self._history.last(k)

    def state(self) -> State:
        return {
            "kind": "vpin",
            "version": 2,
            "n": self._n,
            "learned": self._history.learned,
            "waiting": [[bars.step, *bars.columns()] for bars in self._waiting],
            "sizes": self._sizes.state(),
            "buckets": self._buckets.state(),
            "ring": self._ring.copy(),
            "closed": self._history.closed,
            "history": self._history.rows.state(),
            "fillings": [[f.t.copy(), f.poured.copy(), f.edges.copy(), f.first, f.later] for f in self._fillings],
            "fraction": self._fraction,
        }

    def restore(self, state: State) -> None:
        check_state(state, "vpin", 2)
        if state["n"] != self._n:
            raise ValueError(f"state of VPIN over {state['n']} buckets, not {self._n}")
        self._sizes.restore(state["sizes"])
        self._buckets.restore(state["buckets"])
        self._ring = np.array(state["ring"], np.int64).reshape(3, -1)
        self._history.learned = state["learned"]
        self._waiting = [Bars(*columns) for columns in state["waiting"]]
        self._history.closed = state["closed"]
        self._history.rows.restore(state["history"])
        self._fillings = [
            Filling(np.array(t), np.array(poured), np.array(edges, np.int64), first, later)
            for t, poured, edges, first, later in state["fillings"]
        ]
        self._fraction = state["fraction"]


def bucket_lots(instrument: Instrument, size: float) -> int:
    """A size in the instrument's amount unit as lots: the nearest whole number, at least 1."""
    lot = Fraction(instrument.lot) * Fraction(instrument.contract)
    return max(1, round(Fraction(str(size)) / lot))


BucketSize = FixedSize | DailyVolumeSize


def bucket_size(size: float | str, n: int) -> Callable[[Context], BucketSize]:
    """How large the buckets of a market are: `size` an amount, or "adv/50". Raises ValueError for an impossible
    size, or number `n` of buckets."""
    if not 1 <= n <= _MOST_BUCKETS:
        raise ValueError(f"the number of buckets must be from 1 to {_MOST_BUCKETS}, not {n}")
    if isinstance(size, str):
        divisor = Fraction(size.removeprefix("adv/"))
        if divisor <= 0:
            raise ValueError(f"the average day can't be divided by {divisor}")
        return lambda context: DailyVolumeSize(divisor, context.day_lots)
    if not (math.isfinite(size) and size > 0):
        raise ValueError(f"the size of a bucket must be a positive number, not {size}")
    return lambda context: FixedSize(bucket_lots(context.instrument, size))


def _bound(field: str, size: float | str, n: int) -> Bound:
    sized = bucket_size(size, n)
    return Bound(share=("vpin", size, n), make=lambda context: Vpin(sized(context), n), field=field, needs_trades=True)


_SIZE = Param("V", "size", "adv/50", "bucket size, to the nearest lot, or a part of the average daily volume")
_COUNT = Param("n", "count", "50", "number of buckets")
_DEFAULT_COUNT: Final = 50
_FROM_NTH = "from the n-th closed bucket on; adv/... also needs the venue's 24 h volume or a full UTC day first"

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="vpin",
        params=(_SIZE, _COUNT),
        unit="ratio",
        meaning="one-sidedness of taker flow: sum of |bought - sold| over the last n closed equal-volume buckets "
        "divided by their volume; a gauge of the present state",
        warmup=_FROM_NTH,
        bind=lambda size, n: _bound("vpin", size, n),
        group="toxicity",
    ),
    MetricSpec(
        name="vpin_pct",
        params=(_SIZE, _COUNT),
        unit="ratio",
        meaning="share (0..1) of the VPINs of the 30 days before that are lower than the last one, ties half",
        warmup="from 250 earlier VPINs on; at most the last 200,000 count",
        bind=lambda size, n: _bound("pct", size, n),
        group="toxicity",
    ),
    MetricSpec(
        name="vpin_null",
        params=(_SIZE, _COUNT),
        unit="ratio",
        meaning="level VPIN would have if the sides of the same fills were coin tosses: mean over the n buckets of "
        "sqrt(2/pi) sqrt(sum of squared fill shares)",
        warmup=_FROM_NTH,
        bind=lambda size, n: _bound("null", size, n),
        group="toxicity",
    ),
    MetricSpec(
        name="vpin_fill",
        params=(_SIZE,),
        unit="ratio",
        meaning="how full the open bucket is, 0..1",
        warmup="from the first trade on; adv/... also needs the venue's 24 h volume or a full UTC day first",
        bind=lambda size: _bound("fill", size, _DEFAULT_COUNT),
        group="toxicity",
    ),
    MetricSpec(
        name="vpin_age",
        params=(_SIZE,),
        unit="s",
        meaning="time since a bucket closed",
        warmup="from the first closed bucket on",
        bind=lambda size: _bound("age", size, _DEFAULT_COUNT),
        group="toxicity",
    ),
)
