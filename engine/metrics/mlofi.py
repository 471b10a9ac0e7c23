"""Order flow imbalance of the best L levels: weighted by rank, or integrated along its first principal component.

    mlofi = sum over m of rho^(m-1) OFI^m / sum of rho^(m-1)
    iofi  = sum over m of w_m OFI^m / Q,   Q = mean queue of the L levels

OFI^m is the order flow of the m-th best non-empty price of each side (Xu, Gould & Howison, Market Microstructure
and Liquidity 4(3-4) 1950011, 2018); w the first principal component of past OFI vectors (Cont, Cucuringu & Zhang,
arXiv 2112.13213, 2023), see `loadings`. Ranks shift when an inner level appears: in sparse books `band_flow` is the
steadier measure.
"""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from typing import Final

import numpy as np

from engine.instrument import Instrument
from engine.metrics.bars import BarCutter, Bars
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.integral import MAX_WINDOW, StepIntegral
from engine.metrics.loadings import BAR, HOUR, TRAIN_HOURS, Loadings
from engine.metrics.ofi import DEPTH_WINDOWS
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.queue_flow import QueueFlow
from engine.metrics.seen import BookSeen
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Exact, Sums, Window, check_state, to_floats
from engine.tape import Ints

MOST_LEVELS: Final = 50


class MultiLevelFlow:
    """OFI of each of `levels` levels over any window, exact. Fields: `rho:W`, rho in (0, 1], W in ns.

    A value is known where the book was valid at some time of (t - W, t].
    """

    def __init__(self, instrument: Instrument, levels: int) -> None:
        self._amount = float(Fraction(instrument.lot) * Fraction(instrument.contract))
        self._levels = levels
        self._queues = QueueFlow(levels)
        self._sums = Sums(levels)
        self._seen = BookSeen()
        self._longest = 0

    def update(self, batch: Batch) -> None:
        if not len(batch.quotes):
            return
        self._seen.update(batch.quotes)
        times, flow = self._queues.of_ladder(batch)
        if len(times):
            columns = np.ascontiguousarray(flow.T)
            bounds = np.abs(columns).sum(axis=1, dtype=np.float64) * 1.001
            self._sums.append(times, list(columns), [int(bound) + 1 for bound in bounds])

    def sample(self, field: str, times: Ints) -> Floats:
        rho, _, text = field.partition(":")
        window = int(text)
        self.keep(window)
        weights = float(rho) ** np.arange(self._levels)
        out = np.full(len(times), np.nan)
        known = self._seen.within(times, window)
        if known.any():
            total = weighted(self._sums.window(times[known], window), np.tile(weights, (int(known.sum()), 1)))
            out[known] = total * (self._amount / float(weights.sum()))
        return out

    def sums(self, times: Ints, window: int) -> list[Exact]:
        """Exact OFI of each level over (t - window, t], lots."""
        held = self._sums.window(times, window)
        return [held.sum(m) for m in range(self._levels)]

    def flows(self, times: Ints, window: int, weights: Floats) -> Floats:
        """Weighted sum of the levels' OFI over (t - window, t], lots; NaN where unknown. Weights (n, levels)."""
        out = np.full(len(times), np.nan)
        known = self._seen.within(times, window)
        if known.any():
            out[known] = weighted(self._sums.window(times[known], window), weights[known])
        return out

    def keep(self, window: int) -> None:
        """Windows of this length will be asked for."""
        self._longest = max(self._longest, window)
        self._seen.keep(window)

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)
        self._seen.advance(t)

    def state(self) -> State:
        return {
            "kind": "mlofi",
            "version": 1,
            "queues": self._queues.state(),
            "sums": self._sums.state(),
            "seen": self._seen.state(),
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "mlofi", 1)
        self._queues.restore(state["queues"])
        self._sums.restore(state["sums"])
        self._seen.restore(state["seen"])
        self._longest = max(self._longest, state["longest"])


class IntegratedFlow:
    """OFI by levels, and integrated OFI once a field of it is bound. Fields: those of `MultiLevelFlow`, `iofi:W` (mean
    queues consumed), `share:` (of the variance, of the component in force).

    Bars in which the book was lost or replaced, or had no mid at an end, teach nothing.
    """

    def __init__(self, instrument: Instrument, levels: int) -> None:
        self._levels = levels
        self._flow = MultiLevelFlow(instrument, levels)
        self._depth = StepIntegral()  # lots on both sides of the levels
        self._span = 0  # longest look-back of the depth
        self._mid = PrevailingMid()
        self._bars = BarCutter(BAR, 2, 0, TRAIN_HOURS * HOUR // BAR)
        self._loadings = Loadings(levels)
        self._integrating = False

    def update(self, batch: Batch) -> None:
        if not self._integrating:
            self._flow.update(batch)
            return
        quotes = batch.quotes
        if len(quotes):
            ladder = batch.ladders[self._levels]
            depth = ladder.bid_qty.sum(axis=1) + ladder.ask_qty.sum(axis=1)
            self._depth.extend(quotes.t, np.where(quotes.valid, depth, 0), quotes.valid)
            self._flow.update(batch)
        mids = self._mid.extend(quotes)
        levels = np.stack((mids.twice[1:], mids.epoch[1:]))
        bars = self._bars.cut(mids.t[1:], levels, mids.t[:0], (), batch.end)
        self._learn(self._loadings, bars, batch.end - 1)

    def _learn(self, loadings: Loadings, bars: Bars | None, until: int) -> None:
        if bars is not None:
            (begun, old), (ended, new) = bars.before, bars.after
            counts = (begun > 0) & (ended > 0) & (old == new)
            loadings.add(bars.end[counts], self._flow.sums(bars.end[counts], BAR))
        loadings.reach(until)

    def sample(self, field: str, times: Ints) -> Floats:
        kind, _, text = field.partition(":")
        if kind not in ("iofi", "share"):
            return self._flow.sample(field, times)
        if not self._integrating:
            self._integrating = True
            self._flow.keep(BAR)
        loadings = self._loadings
        if len(times) and loadings.due(int(times[-1])):
            loadings = deepcopy(loadings)  # an hour that only time has completed
            self._learn(loadings, self._bars.pending(int(times[-1])), int(times[-1]))
        weights, share = loadings.at(times)
        if kind == "share":
            return share
        window = int(text)
        self._flow.keep(window)
        self._span = max(self._span, DEPTH_WINDOWS * window)
        flow = self._flow.flows(times, window, weights)
        depth, _ = self._depth.means(times, DEPTH_WINDOWS * window)
        out = np.full(len(times), np.nan)
        np.divide(2 * self._levels * flow, depth, out=out, where=depth > 0)
        return out

    def advance(self, t: int) -> None:
        self._flow.advance(t)
        self._depth.forget(t - self._span)
        self._loadings.forget(t)

    def state(self) -> State:
        return {
            "kind": "iofi",
            "version": 2,
            "integrating": self._integrating,
            "flow": self._flow.state(),
            "depth": self._depth.state(),
            "span": self._span,
            "mid": self._mid.state(),
            "bars": self._bars.state(),
            "loadings": self._loadings.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "iofi", 2)
        self._integrating = self._integrating or state["integrating"]
        self._flow.restore(state["flow"])
        self._depth.restore(state["depth"])
        self._span = max(self._span, state["span"])
        self._mid.restore(state["mid"])
        self._bars.restore(state["bars"])
        self._loadings.restore(state["loadings"])


def weighted(window: Window, weights: Floats) -> Floats:
    """Sum of the columns of a window, each times its weight; weights (n, columns). Added from the first level on."""
    total = np.zeros(len(weights))
    for m in range(weights.shape[1]):
        column: Exact = window.sum(m)
        total += weights[:, m] * to_floats(column)
    return total


def _check(levels: int, window: int, looks_back: int) -> None:
    if not 1 <= levels <= MOST_LEVELS:
        raise ValueError(f"the number of levels must be from 1 to {MOST_LEVELS}, not {levels}")
    if looks_back > MAX_WINDOW:
        longest = MAX_WINDOW // (looks_back // window) // 60_000_000_000
        raise ValueError(f"the window is too long: it looks back at most {longest} minutes")


def _bind_mlofi(levels: int, window: int, rho: float) -> Bound:
    _check(levels, window, window)
    if not 0 < rho <= 1:
        raise ValueError(f"rho must be above 0 and at most 1, not {rho}")
    return Bound(
        share=("levels flow", levels),
        make=lambda context: IntegratedFlow(context.instrument, levels),
        field=f"{rho!r}:{window}",
        ladders=(levels,),
        needs_book=True,
    )


def _bind_integrated(field: str, levels: int, window: int) -> Bound:
    _check(levels, window, DEPTH_WINDOWS * window)
    return Bound(
        share=("levels flow", levels),
        make=lambda context: IntegratedFlow(context.instrument, levels),
        field=field,
        ladders=(levels,),
        needs_book=True,
    )


_LEVELS = Param("L", "levels", "5", "number of levels of each side")
_WINDOW = Param("W", "window", "10s", "look back over (t - W, t]")
_TRAINED = "from the first full hour (UTC) with 60 bars of 10 s on; relearned every hour from the last 24"

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="mlofi",
        params=(_LEVELS, _WINDOW, Param("rho", "factor", "0.5", "weight of a level against the one before it, 0 to 1")),
        unit="base",
        meaning="order flow imbalance of the best L levels, level m weighted by rho^(m-1), weights adding to 1",
        warmup="from the first valid book on; covers what was valid of W",
        bind=_bind_mlofi,
        group="ofi",
    ),
    MetricSpec(
        name="iofi",
        params=(_LEVELS, _WINDOW),
        unit="ratio",
        meaning="integrated OFI in mean queues: the best L levels weighted by the first principal component of their "
        "past flow (weights adding to 1 in size), divided by the mean queue of the last 10 W",
        warmup=_TRAINED,
        bind=lambda levels, window: _bind_integrated(f"iofi:{window}", levels, window),
        group="ofi",
    ),
    MetricSpec(
        name="iofi_share",
        params=(_LEVELS,),
        unit="ratio",
        meaning="share (0..1) of the variance of the L levels' order flow in the component that weights iofi",
        warmup=_TRAINED,
        bind=lambda levels: _bind_integrated("share:", levels, 1),
        group="ofi",
    ),
)
