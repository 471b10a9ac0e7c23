"""How hard the resting liquidity near the touch is used: what trades against what rests. METRICS 1.16.

Resting notional within X bps of the mid (the boundary included) is a step function that changes with
every book message. Its mean over a window is taken over the time in which the book was valid and
two-sided, in whole microseconds, with exact integers; `resting_covered` tells how much of the window
that is. Turnover is traded notional over that mean: how often the resting notional changed hands in W.

Notional is price x size; for inverse contracts, whose sizes are money, the size. Where the book is
known less far than X, resting is a lower bound and turnover an upper one.
"""

from __future__ import annotations

from fractions import Fraction
from math import log
from typing import Final

import numpy as np

from engine.instrument import Instrument
from engine.metrics.areas import MAX_WINDOW, StepAreas
from engine.metrics.batch import NO_ASK, NO_BID, Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.depth import book_side, positive_bps
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Sums, check_state, exact_product
from engine.tape import Ints

_BIDS, _ASKS = 0, 1
_SOLD, _BOUGHT, _ALL = 0, 1, 2  # what takers sold hit the bids, what they bought hit the asks
_LN2: Final = log(2)


class LiquidityUse:
    """Resting and traded notional for one distance and any number of windows.

    Fields: `resting:W`, `covered:W`, `turnover:W`, `turnover_bid:W`, `turnover_ask:W`, `half_life:W`, W in ns.
    """

    def __init__(self, instrument: Instrument, bps: Fraction) -> None:
        self._bps = bps
        self._inverse = instrument.kind == "inverse"
        unit = Fraction(instrument.lot) * Fraction(instrument.contract)
        self._unit = unit if self._inverse else unit * Fraction(instrument.tick)  # money of 1 of what is summed
        self._longest = 0
        self._resting = StepAreas(2)  # bids, asks
        self._traded = Sums(3)  # sold, bought, all

    def update(self, batch: Batch) -> None:
        quotes, trades = batch.quotes, batch.trades
        band = batch.bands.get(self._bps)
        if band is not None and len(quotes):
            amounts = (band.bid, band.ask) if self._inverse else (band.bid_money, band.ask_money)
            self._resting.extend(quotes.t, amounts, quotes.valid & (quotes.bid != NO_BID) & (quotes.ask != NO_ASK))
        if len(trades):
            largest = int(trades.qty.max()) * (1 if self._inverse else max(int(trades.px.max()), -int(trades.px.min())))
            money = trades.qty if self._inverse else exact_product(largest, trades.px, trades.qty)
            terms = (money * (trades.side < 0), money * (trades.side > 0), money)
            self._traded.append(trades.t, terms, [len(trades) * largest] * 3)

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        window = int(text)
        self._longest = max(self._longest, window)
        out = np.full(len(times), np.nan)
        (bids, asks), valid_us = self._resting.over(times, window)
        if name == "covered":
            covered: Floats = valid_us / (window / 1_000)
            return np.minimum(covered, 1.0)
        traded = self._traded.window(times, window)
        for i, time in enumerate(valid_us.tolist()):
            if not time:
                continue
            area = bids[i] + asks[i]
            if name == "resting":
                out[i] = area * self._unit.numerator / (time * self._unit.denominator)
                continue
            column = _ALL
            if name == "turnover_bid":
                area, column = bids[i], _SOLD
            elif name == "turnover_ask":
                area, column = asks[i], _BOUGHT
            money = int(traded.sum(column)[i])
            if name == "half_life":
                out[i] = _LN2 * (window / 1e9) * area / (money * time) if money > 0 else np.nan
            elif area:
                out[i] = money * time / area
        return out

    def advance(self, t: int) -> None:
        self._resting.forget(t - self._longest)
        self._traded.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "liquidity use",
            "version": 1,
            "longest": self._longest,
            "resting": self._resting.state(),
            "traded": self._traded.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "liquidity use", 1)
        self._longest = max(self._longest, state["longest"])
        self._resting.restore(state["resting"])
        self._traded.restore(state["traded"])


def _bind(name: str, bps: float, window: int) -> Bound:
    distance = positive_bps(bps)
    if window > MAX_WINDOW:
        raise ValueError(f"the window is too long: at most {MAX_WINDOW // 60_000_000_000} minutes")
    return Bound(
        share=("liquidity use", distance),
        make=lambda context: LiquidityUse(context.instrument, distance),
        field=f"{name}:{window}",
        bands=(distance,),
        needs_book=True,
        needs_trades=name not in ("resting", "covered"),
    )


def _bind_hit(side: str, bps: float, window: int) -> Bound:
    return _bind("turnover_bid" if book_side(side) > 0 else "turnover_ask", bps, window)


_X = Param("X", "bps", "10bps", "distance from the mid")
_W = Param("W", "window", "60s", "look back over (t - W, t]")
_SIDE = Param("side", "side", None, "bid or ask; an order's side is understood too: buy takes asks, sell takes bids")
_WARMUP = "from the first valid two-sided book on; covers W only after W"


def _spec(name: str, field: str, unit: str, meaning: str, warmup: str = _WARMUP) -> MetricSpec:
    def bind(bps: float, window: int) -> Bound:
        return _bind(field, bps, window)

    return MetricSpec(name, (_X, _W), unit, meaning, warmup, bind, "liquidity")


SPECS: tuple[MetricSpec, ...] = (
    _spec("resting", "resting", "quote", "time-weighted mean over W of the notional resting within X, both sides"),
    _spec(
        "resting_covered",
        "covered",
        "ratio",
        "part of W in which the book was valid and two-sided: what means over W stand on",
        "at once",
    ),
    _spec("turnover", "turnover", "ratio", "traded notional in W over the mean notional resting within X, both sides"),
    MetricSpec(
        name="turnover_hit",
        params=(_SIDE, _X, _W),
        unit="ratio",
        meaning="notional that takers took from a side in W over the mean notional resting there within X",
        warmup=_WARMUP,
        bind=_bind_hit,
        group="liquidity",
    ),
    _spec(
        "liquidity_half_life",
        "half_life",
        "s",
        "time in which, at the pace of W, ln 2 of the notional resting within X trades: ln 2 x W / turnover",
        f"{_WARMUP}; null while nothing traded in W",
    ),
)
