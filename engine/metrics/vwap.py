"""Volume-weighted average price, its deviation bands, and the mid's distance from it. METRICS 1.8.

VWAP = sum(p q) / sum(q) over the trades of a session or window, weighted by size as the venue quotes
it; sigma = sqrt(sum(q (p - VWAP)^2) / sum(q)). Moments are exact integers about the tape's first price
and are moved to the whole tick nearest the mean before anything is rounded, so that a tiny variance
of a large price keeps its digits. The session is the UTC day of the latest trade.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.metrics.batch import Batch, Floats, Quotes
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Exact, Span, Steps, Sums, Window, check_state, exact_product, to_floats
from engine.tape import NO_ASK, NO_BID, Ints


@dataclass(frozen=True, slots=True)
class _Moments:
    """Per instant, in ticks: a whole tick next to the mean, the mean beyond it, the standard deviation."""

    centre: Ints
    beyond: Floats
    sigma: Floats


class VwapCalculator:
    """Fields: `vwap:span`, `dev:span`, `band:span:k` (span in ns, or `session`, or `start`)."""

    def __init__(self, context: Context) -> None:
        self._tick = Fraction(context.instrument.tick)
        self._sums = Sums(3)  # q, q d, q d^2 with d = price - anchor
        self._anchor: int | None = None  # ticks, the first price ever
        self._longest = 0
        self._mids = Steps(np.float64)  # bid + ask in ticks, NaN while there is no mid
        self._wants_mids = False

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        if len(batch.quotes):
            self._keep_mids(batch.quotes)
        trades = batch.trades
        n = len(trades)
        if not n:
            return
        if self._anchor is None:
            self._anchor = int(trades.px[0])
        d = trades.px - self._anchor
        largest = int(trades.qty.max())
        furthest = max(int(d.max()), -int(d.min()))
        first, second = largest * furthest, largest * furthest * furthest
        terms = (trades.qty, exact_product(first, trades.qty, d), exact_product(second, trades.qty, d, d))
        self._sums.append(trades.t, terms, (n * largest, n * first, n * second))

    def sample(self, field: str, times: Ints) -> Floats:
        name, text, *more = field.split(":")
        span: Span = text if text in ("session", "start") else int(text)
        if isinstance(span, int) and span > self._longest:
            self._longest = span
        if name == "dev":
            self._wants_mids = True
        out = np.full(len(times), np.nan)
        known = self._sums.known(times)
        if not known.any():
            return out
        at = times[known]
        moments = self._moments(self._sums.window(at, span))
        if name == "dev":
            out[known] = self._deviation(moments, self._mids.at(at))
        else:
            bands = float(more[0]) if more else 0.0
            ticks = moments.centre + (moments.beyond + bands * moments.sigma)
            out[known] = ticks * self._tick.numerator / self._tick.denominator
        return out

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)
        self._mids.forget(t)

    def state(self) -> State:
        return {
            "kind": "vwap",
            "version": 1,
            "sums": self._sums.state(),
            "anchor": self._anchor,
            "longest": self._longest,
            "mids": self._mids.state(),
            "wants_mids": self._wants_mids,
        }

    def restore(self, state: State) -> None:
        check_state(state, "vwap", 1)
        self._sums.restore(state["sums"])
        self._anchor = state["anchor"]
        self._longest = max(self._longest, state["longest"])
        self._mids.restore(state["mids"])
        self._wants_mids = self._wants_mids or state["wants_mids"]

    # ---- its parts

    def _keep_mids(self, quotes: Quotes) -> None:
        rows = slice(None) if self._wants_mids else slice(-1, None)
        t, bid, ask, valid = quotes.t[rows], quotes.bid[rows], quotes.ask[rows], quotes.valid[rows]
        two_sided = valid & (bid != NO_BID) & (ask != NO_ASK)
        self._mids.append(t, np.where(two_sided, bid + ask, np.nan))

    def _moments(self, window: Window) -> _Moments:
        anchor = self._anchor or 0
        volume, first, second = window.sum(0), window.sum(1), window.sum(2)
        weight = to_floats(volume)
        weight[weight == 0] = np.nan
        centre = np.rint(to_floats(first) / weight)
        empty = np.isnan(centre)
        centre[empty] = 0
        c: Exact = centre.astype(np.int64)
        if object in (volume.dtype, first.dtype, second.dtype):
            volume, first, second, c = (x.astype(object) for x in (volume, first, second, c))
        # int64 products may wrap around, and the results, which fit, still come out right
        m1 = to_floats(first - c * volume)
        m2 = to_floats(second - 2 * c * first + c * c * volume)
        beyond = m1 / weight
        # |m1| <= m2 and |m1| <= volume / 2, so the subtraction can't cancel more than half of m2
        variance = np.maximum((m2 - m1 * beyond) / weight, 0.0)
        return _Moments(anchor + centre.astype(np.int64), beyond, np.sqrt(variance))

    def _deviation(self, moments: _Moments, mids: Floats) -> Floats:
        sigma = np.where(moments.sigma > 0, moments.sigma, np.nan)
        return ((mids - 2.0 * moments.centre) / 2 - moments.beyond) / sigma


_W = Param("W", "anchored", "session", "session (the UTC day of the latest trade), start, or a window")
_WARMUP = "from the first trade on, covering what the tape holds of it; null while nothing traded in the window"


def _vwap(span: Span) -> Bound:
    return Bound(share="vwap", make=VwapCalculator, field=f"vwap:{span}", needs_trades=True)


def _deviation(span: Span) -> Bound:
    return Bound(share="vwap", make=VwapCalculator, field=f"dev:{span}", needs_trades=True, needs_book=True)


def _band(k: float, span: Span) -> Bound:
    return Bound(share="vwap", make=VwapCalculator, field=f"band:{span}:{k!r}", needs_trades=True)


SPECS = (
    MetricSpec("vwap", (_W,), "price", "volume-weighted average price of the trades", _WARMUP, _vwap, "prices"),
    MetricSpec(
        "vwap_dev",
        (_W,),
        "sigma",
        "mid minus VWAP, in volume-weighted standard deviations of the price",
        f"{_WARMUP}, or while it traded at one price only, or without a valid mid",
        _deviation,
        "prices",
    ),
    MetricSpec(
        "vwap_band",
        (Param("k", "factor", None, "standard deviations above VWAP; negative: below"), _W),
        "price",
        "VWAP plus k volume-weighted standard deviations of the price",
        _WARMUP,
        _band,
        "prices",
    ),
)
