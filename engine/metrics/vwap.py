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

from engine.history import MINUTE, Bars, session_of
from engine.metrics.anchored import since
from engine.metrics.batch import Batch, Floats, Quotes
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import (
    DAY,
    Anchor,
    Exact,
    Span,
    Spoken,
    Steps,
    Sums,
    check_state,
    exact_product,
    plus_where,
    to_floats,
)
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
        self._amount = Fraction(context.instrument.lot) * Fraction(context.instrument.contract)
        self._inverse = context.instrument.kind == "inverse"
        self._sums = Sums(3)  # q, q d, q d^2 with d = price - anchor
        self._anchor: int | None = None  # ticks, the first price ever
        self._longest = 0
        self._before: tuple[int, tuple[int, int, int], int] | None = None  # UTC day, sums of bars in it, their number
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
        moments = self._moments(self._with_bars(at, span))
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
            "version": 2,
            "sums": self._sums.state(),
            "anchor": self._anchor,
            "before": self._before,
            "longest": self._longest,
            "mids": self._mids.state(),
            "wants_mids": self._wants_mids,
        }

    def restore(self, state: State) -> None:
        check_state(state, "vwap", 2)
        self._sums.restore(state["sums"])
        self._anchor = state["anchor"]
        self._before = state["before"]
        self._longest = max(self._longest, state["longest"])
        self._mids.restore(state["mids"])
        self._wants_mids = self._wants_mids or state["wants_mids"]

    # ---- Learner

    def learn_bars(self, bars: Bars) -> None:
        """Minute bars of the session before the market began. A bar counts as its volume at its own VWAP (traded
        value / volume, or (high + low + close) / 3 where that lies outside of the bar), spread evenly from low to high
        for the deviation."""
        if bars.step != MINUTE:
            return
        bars = session_of(bars)
        if self._anchor is None:
            self._anchor = int(bars.close[0])
        q, d, d2 = 0, 0, 0
        means = self._means(bars)
        columns = (bars.volume.tolist(), bars.low.tolist(), bars.high.tolist(), means.tolist())
        for volume, low, high, mean in zip(*columns, strict=True):
            off = mean - self._anchor
            q += volume
            d += round(volume * off)
            d2 += round(volume * (off * off + (high - low) ** 2 / 12))
        if q:
            self._before = (int(bars.t[0]) // DAY, (q, d, d2), len(bars))

    def _means(self, bars: Bars) -> Floats:
        """Mean price of each bar in ticks."""
        volume = np.where(bars.volume > 0, bars.volume, np.nan)
        if self._inverse:  # the traded value is in base units: contracts x value / price
            value = np.where(bars.quote > 0, bars.quote, np.nan)
            mean = bars.volume / value * float(self._amount / self._tick)
        else:
            mean = bars.quote / volume / float(self._amount * self._tick)
        inside = (mean >= bars.low - 0.5) & (mean <= bars.high + 0.5)
        return np.where(inside, mean, (bars.high + bars.low + bars.close) / 3)

    def warmed(self, field: str) -> str | None:
        """See Learner: until the session that began before the market is over."""
        if self._before is None or field.split(":")[1] != "session":
            return None
        day, _, bars = self._before
        if len(self._sums) and int(self._sums.clock[-1]) // DAY != day:
            return None
        return f"the session before the start from {bars} minute bars"

    def _with_bars(self, times: Ints, span: Span) -> tuple[Exact, Exact, Exact]:
        """Sums of q, q d, q d^2 in the window that ends at each time, of which a trade must have come."""
        window = self._sums.window(times, span)
        sums = (window.sum(0), window.sum(1), window.sum(2))
        if self._before is None or span != "session":
            return sums
        day, before, _ = self._before
        same_day = window.session_start() // DAY == day
        return (
            plus_where(sums[0], before[0], same_day),
            plus_where(sums[1], before[1], same_day),
            plus_where(sums[2], before[2], same_day),
        )

    # ---- its parts

    def _keep_mids(self, quotes: Quotes) -> None:
        rows = slice(None) if self._wants_mids else slice(-1, None)
        t, bid, ask, valid = quotes.t[rows], quotes.bid[rows], quotes.ask[rows], quotes.valid[rows]
        two_sided = valid & (bid != NO_BID) & (ask != NO_ASK)
        self._mids.append(t, np.where(two_sided, bid + ask, np.nan))

    def _moments(self, sums: tuple[Exact, Exact, Exact]) -> _Moments:
        anchor = self._anchor or 0
        volume, first, second = sums
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


_W = Param("W", "anchored", "session", "session (the UTC day of the latest trade), start, a window, or a UTC time")
_WARMUP = "from the first trade on, covering what the tape holds of it; null while nothing traded in the window"


def _vwap(span: Spoken) -> Bound:
    if isinstance(span, Anchor):
        return since(_vwap("start"), span, seeded=True)
    return Bound(share="vwap", make=VwapCalculator, field=f"vwap:{span}", needs_trades=True)


def _deviation(span: Spoken) -> Bound:
    if isinstance(span, Anchor):
        return since(_deviation("start"), span, seeded=True)
    return Bound(share="vwap", make=VwapCalculator, field=f"dev:{span}", needs_trades=True, needs_book=True)


def _band(k: float, span: Spoken) -> Bound:
    if isinstance(span, Anchor):
        return since(_band(k, "start"), span, seeded=True)
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
