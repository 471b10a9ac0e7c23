"""What happened to the mid after trades, and what takers paid: markouts, effective and realised spread.

With s the taker's side, p the price, m the mid that the trade met and m' the mid a time h later:

    markout M(h) = s (m' - m) / m        effective spread = 2 s (p - m) / m
    realised spread = effective - 2 M(h)

A trade meets the last valid book strictly before it in arrival order; m' is the mid in force when all rows of
clock <= trade + h have come. A trade counts when both mids belong to one epoch and its side is known. Means are
per fill, in bps. METRICS 1.9; Bouchaud, Gefen, Potters & Wyart, Quantitative Finance 4(2):176-190, 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats, Trades
from engine.metrics.calculator import State
from engine.metrics.prevailing import Mids, PrevailingMid
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Columns, Exact, Sums, check_state, to_floats
from engine.tape import Ints

#: Means come from sums of whole 2^-30 bps, so that they do not depend on cuts.
_PLACES: Final = 30
_ONE: Final = float(1 << _PLACES)
_BASIS: Final = 10_000
#: A tenfold price counts as no more: one absurd print must not decide a mean for hours.
_MOST_BPS: Final = 100_000.0
_MOST: Final = int(_MOST_BPS * _ONE)


@dataclass(frozen=True, slots=True)
class Joined:
    """The trades of known side that met a mid. Shape (n,); int64 but for `effective`."""

    t: Ints
    side: Ints
    qty: Ints
    twice: Ints  # bid + ask met, half-ticks
    epoch: Ints
    effective: Floats  # effective spread, bps

    def __len__(self) -> int:
        return len(self.t)


def join(trades: Trades, mids: Mids) -> Joined:
    """Trades with the mid that each met strictly before it in arrival order."""
    row = mids.met(trades.seq)
    twice = mids.twice[row]
    use = (twice > 0) & (trades.side != 0)
    row, twice, side = row[use], twice[use], trades.side[use]
    distance = side * (2 * trades.px[use] - twice)  # half-ticks
    return Joined(trades.t[use], side, trades.qty[use], twice, mids.epoch[row], 2 * _BASIS * (distance / twice))


def moved_bps(side: Ints, then: Ints, now: Ints) -> Floats:
    """Markouts in bps of mids given in half-ticks; elementwise."""
    return _BASIS * (side * (now - then) / then)


def _fixed(bps: Floats) -> Ints:
    limited = np.minimum(np.maximum(bps, -_MOST_BPS), _MOST_BPS)
    return np.rint(limited * _ONE).astype(np.int64)


class EffectiveSpread:
    """Mean effective spread of the trades of (t - W, t], bps; the field is W in ns."""

    def __init__(self) -> None:
        self._mid = PrevailingMid()
        self._sums = Sums(1)
        self._longest = 0

    def update(self, batch: Batch) -> None:
        mids = self._mid.extend(batch.quotes)
        if not len(batch.trades):
            return
        joined = join(batch.trades, mids)
        spread = _fixed(joined.effective)
        self._sums.append(joined.t, (spread,), (len(spread) * _MOST,))

    def sample(self, field: str, times: Ints) -> Floats:
        window = int(field)
        self._longest = max(self._longest, window)
        over = self._sums.window(times, window)
        return _mean(to_floats(over.sum(0)), to_floats(over.count()))

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "effective spread",
            "version": 1,
            "mid": self._mid.state(),
            "sums": self._sums.state(),
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "effective spread", 1)
        self._mid.restore(state["mid"])
        self._sums.restore(state["sums"])
        self._longest = max(self._longest, state["longest"])


_BUYS, _BUY_MOVES, _SELL_MOVES, _EFFECTIVE = range(4)
_T, _SIDE, _TWICE, _EPOCH, _SPREAD = range(5)


class Markouts:
    """Markouts at one horizon, of the trades that became h old in (t - W, t].

    Fields: `all:W`, `buy:W`, `sell:W` (mean markout, bps), `realised:W` (mean realised spread, bps), `n:W`.
    A trade waits until the clock has passed its time + h; what only time has completed is resolved on reading.
    """

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._mid = PrevailingMid()
        self._waiting = Columns(*[np.int64] * 5)  # due time, side, bid + ask met, epoch, effective in fixed point
        self._sums = Sums(4)
        self._longest = 0

    def update(self, batch: Batch) -> None:
        mids = self._mid.extend(batch.quotes)
        if len(batch.trades):
            joined = join(batch.trades, mids)
            self._waiting.append(
                joined.t + self._horizon, joined.side, joined.twice, joined.epoch, _fixed(joined.effective)
            )
        due = int(self._waiting[_T].searchsorted(batch.end, "left"))  # at the very end more may still come
        if due:
            times, terms = self._resolve(mids, due)
            self._sums.append(times, terms, (len(times) * _MOST,) * 4)
            self._waiting.drop(due)

    def _resolve(self, mids: Mids, due: int) -> tuple[Ints, tuple[Ints, ...]]:
        """(times, terms to sum) of the first `due` waiting trades, by the mids in force when they are due."""
        times, side, twice, epoch, spread = (self._waiting[i][:due] for i in range(5))
        row = mids.at(times)
        now = mids.twice[row]
        use = (now > 0) & (mids.epoch[row] == epoch)
        side = side[use]
        moves = _fixed(moved_bps(side, twice[use], now[use]))
        buys = (side > 0).astype(np.int64)
        return times[use], (buys, moves * buys, moves * (1 - buys), spread[use])

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        window = int(text)
        self._longest = max(self._longest, window)
        over = self._sums.window(times, window)
        sums: list[Exact] = [over.count(), *(over.sum(i) for i in range(4))]
        if len(times) and len(self._waiting) and int(self._waiting[_T][0]) <= int(times[-1]):
            sums = [np.add(*pair) for pair in zip(sums, self._pending(times, window), strict=True)]
        count, buys, buy_moves, sell_moves, spread = sums
        if name == "buy":
            return _mean(buy_moves, buys)
        if name == "sell":
            return _mean(sell_moves, count - buys)
        if name == "all":
            return _mean(buy_moves + sell_moves, count)
        if name == "n":
            return to_floats(count)
        return _mean(spread - 2 * (buy_moves + sell_moves), count)

    def _pending(self, times: Ints, window: int) -> list[Ints]:
        """Number and sums of what nothing but time resolves, per instant."""
        twice, epoch = self._mid.now
        here = np.array([0], np.int64)
        now = np.array([[twice], [epoch]], np.int64)
        mids = Mids(here, here, now[0], now[1], now[:, 1:])
        due = int(self._waiting[_T].searchsorted(times[-1], "right"))
        at, terms = self._resolve(mids, due)
        begin, end = at.searchsorted(times - window, "right"), at.searchsorted(times, "right")
        sums = [np.concatenate(([0], np.cumsum(term)))[[begin, end]] for term in (np.ones_like(at), *terms)]
        return [last - first for first, last in sums]

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "markouts",
            "version": 1,
            "horizon": self._horizon,
            "mid": self._mid.state(),
            "waiting": self._waiting.state(),
            "sums": self._sums.state(),
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "markouts", 1)
        if state["horizon"] != self._horizon:
            raise ValueError(f"state of markouts after {state['horizon']} ns, not {self._horizon}")
        self._mid.restore(state["mid"])
        self._waiting.restore(state["waiting"])
        self._sums.restore(state["sums"])
        self._longest = max(self._longest, state["longest"])


def _mean(total: Exact, count: Exact) -> Floats:
    """Sums in fixed point over numbers; NaN of nothing."""
    out, divisor = np.full(len(total), np.nan), to_floats(count)
    np.divide(np.ldexp(to_floats(total), -_PLACES), divisor, out=out, where=divisor > 0)
    return out


# ---- their descriptions


def _bind_effective(window: int) -> Bound:
    def make(context: Context) -> EffectiveSpread:
        del context  # bps need no unit
        return EffectiveSpread()

    return Bound(share="effective spread", make=make, field=str(window), needs_book=True, needs_trades=True)


def _bind(field: str, horizon: int, window: int) -> Bound:
    def make(context: Context) -> Markouts:
        del context
        return Markouts(horizon)

    return Bound(("markout", horizon), make, f"{field}:{window}", needs_book=True, needs_trades=True)


_H = Param("h", "window", "1s", "how long after the trade")
_W = Param("W", "window", "5m", "window")
_WARMUP = "from the first trade on that met a valid book and is h old; covers W only after W + h"


def _spec(name: str, field: str, unit: str, meaning: str) -> MetricSpec:
    return MetricSpec(name, (_H, _W), unit, meaning, _WARMUP, lambda h, window: _bind(field, h, window), "cost")


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="effective_spread",
        params=(_W,),
        unit="bps",
        meaning="twice the distance of the price from the mid that the trade met, on the taker's side, mean per fill",
        warmup="from the first trade on that met a valid book; covers W only after W",
        bind=_bind_effective,
        group="cost",
    ),
    _spec(
        "realised_spread",
        "realised",
        "bps",
        "effective spread minus twice the markout after h, mean per fill: what the makers kept",
    ),
    _spec(
        "markout",
        "all",
        "bps",
        "move of the mid in the taker's direction from just before the trade to h after it, mean per fill",
    ),
    _spec("markout_buy", "buy", "bps", "as markout, of taker buys"),
    _spec("markout_sell", "sell", "bps", "as markout, of taker sells"),
    _spec("markout_n", "n", "count", "number of fills that a markout stands on"),
)
