"""What a model of the next move may know at a grid instant, as numbers within -1 and 1. METRICS 1.11.

Odd features change sign when the market is mirrored: the imbalances, the micro-price, order flow and trade
imbalance, Kyle's lambda times the flow, the slope of the CVD. The others say how much those may mean. Unbounded x
stands as x / (1 + |x|). Where nothing is known (no trade in the window, no depth yet) a feature is 0: it speaks for
neither side. Slopes of the book and integrated order flow are left out: they need the levels behind the best after
every book message, which costs more than all else here together.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats, Quotes, Trades
from engine.metrics.calculator import State
from engine.metrics.flow import FlowCalculator
from engine.metrics.imbalance import TimeWeightedImbalance
from engine.metrics.kyle import Kyle
from engine.metrics.microprice import MicroPrice
from engine.metrics.next_move import GRID
from engine.metrics.ofi import OrderFlowImbalance
from engine.metrics.seconds import log_return
from engine.metrics.spec import Context
from engine.metrics.vpin import Vpin, bucket_size
from engine.metrics.windows import Steps, check_state
from engine.tape import Ints

#: Levels of the deeper imbalance: the sums of so many must be in the batches.
LEVELS: Final = 5
FEATURES: Final = (
    "intercept",
    "imbalance_1",
    "imbalance_5",
    "imbalance_tw",  # of 5 levels, mean over 10 s
    "micro",  # micro-price minus mid, in half-spreads, squashed
    "spread",  # 1 - 1 / ticks
    "ofi_1s",  # in mean queues, squashed
    "ofi_10s",
    "ti_1s",
    "ti_10s",
    "lambda",  # Kyle's, times the signed volume of 10 s: the move it stands for, in half-spreads, squashed
    "cvd_slope",  # change of the CVD over 60 s in standard deviations of coin flips, squashed
    "rv_ratio",  # log of (realised variance per second over 1 m / over 1 h), squashed
    "vpin",  # 2 x percentile of VPIN at micro speed (adv/5000, 50) - 1
    "trade_age",  # seconds since the last trade, squashed
)
_FLOW: Final = (f"ti:{GRID}", f"ti:{10 * GRID}", f"ti_z:{60 * GRID}", f"delta:{10 * GRID}")
_TW: Final = str(10 * GRID)
_OFI: Final = (f"norm:{GRID}", f"norm:{10 * GRID}")
_KYLE: Final = (10 * GRID, 180)
_VPIN: Final = ("adv/5000", 50)
_SHORT, _LONG = 60, 3_600  # returns, one a second
_FINE: Final = 2.0**56  # log-returns are squared as whole multiples of 1 / this
_NOW: Final = np.empty(0, np.int64)


def squash(x: float) -> float:
    """x / (1 + |x|)."""
    return x / (1 + abs(x))


class SquareSum:
    """Exact sum of integers over the last so many seconds."""

    def __init__(self, seconds: int) -> None:
        self._span = seconds * GRID
        self.terms: deque[tuple[int, int]] = deque()  # instant, term
        self.total = 0

    @property
    def mean(self) -> float:
        """Of the terms there are."""
        return self.total / len(self.terms)

    def add(self, t: int, term: int) -> None:
        """A term at `t`, no earlier than any before."""
        self.terms.append((t, term))
        self.total += term

    def forget(self, t: int) -> None:
        """Only terms in (t - span, t] count."""
        while self.terms and self.terms[0][0] <= t - self._span:
            self.total -= self.terms.popleft()[1]

    def clear(self) -> None:
        """Back to nothing."""
        self.terms.clear()
        self.total = 0


class FeatureRow:
    """The market at a grid instant."""

    __slots__ = ("epoch", "t", "twice_mid", "x")

    def __init__(self, t: int, epoch: int, twice_mid: int, x: tuple[float, ...]) -> None:
        self.t, self.epoch, self.twice_mid, self.x = t, epoch, twice_mid, x


class FeatureVector:
    """Takes batches, gives the features at grid instants with a usable book, each once and in order."""

    def __init__(self, context: Context) -> None:
        self._news: list[Batch] = []
        self._flow = FlowCalculator(context)
        self._ofi = OrderFlowImbalance(context.instrument)
        self._micro = MicroPrice(context)
        self._calm = TimeWeightedImbalance(LEVELS)
        self._kyle = Kyle(context.instrument, *_KYLE)
        self._vpin = Vpin(bucket_size(*_VPIN)(context), _VPIN[1])
        self._half_tick = float(context.instrument.tick) / 2
        self._book = Steps(*[np.int64] * 7)  # bid, bid_qty, ask, ask_qty, epoch, bids and asks on LEVELS levels
        self._trade = Steps()  # trades, by their clocks
        self._last: tuple[int, int, int] | None = None  # instant, epoch, bid + ask
        self._long, self._short = SquareSum(_LONG), SquareSum(_SHORT)  # log-returns from second to second
        for calculator, fields in ((self._flow, _FLOW), (self._ofi, _OFI), (self._calm, (_TW,))):
            for field in fields:
                calculator.sample(field, _NOW)

    def take(self, batch: Batch) -> None:
        """News; `batch.sums[LEVELS]` must be there."""
        if len(batch.trades) or len(batch.quotes) or batch.day_volumes:
            self._news.append(batch)

    def rows(self, instants: Ints) -> list[FeatureRow]:
        """The features at these instants, later than any before; every one has a valid, two-sided book."""
        self._settle()
        if not len(instants):
            return []
        at = self._book.position(instants)
        bid, bid_qty, ask, ask_qty, epoch, bids, asks = (self._book.values(i)[at] for i in range(7))
        half_spread = (ask - bid) * self._half_tick
        columns = [
            (bid_qty - ask_qty) / (bid_qty + ask_qty),
            (bids - asks) / np.maximum(bids + asks, 1),
            np.nan_to_num(self._calm.sample(_TW, instants), nan=0.0),
            _squashed(self._micro.offsets(instants)),
            1 - 1 / (ask - bid),
            *(_squashed(self._ofi.sample(field, instants)) for field in _OFI),
            *(np.nan_to_num(self._flow.sample(field, instants), nan=0.0) for field in _FLOW[:2]),
            _squashed(self._kyle.sample("lambda", instants) * self._flow.sample(_FLOW[3], instants) / half_spread),
            _squashed(self._flow.sample(_FLOW[2], instants)),
        ]
        toxicity = np.nan_to_num(2 * self._vpin.sample("pct", instants) - 1, nan=0.0)
        ages = _squashed(self._trade_ages(instants), unknown=1.0)
        touches = zip(instants.tolist(), epoch.tolist(), (bid + ask).tolist(), strict=True)
        out = []
        rows = zip(touches, *(c.tolist() for c in columns), toxicity.tolist(), ages.tolist(), strict=True)
        for (t, e, m), *x, toxic, age in rows:
            out.append(FeatureRow(t, e, m, (1.0, *x, self._variance_ratio(t, e, m), toxic, age)))
        self._forget(int(instants[-1]))
        return out

    def _trade_ages(self, instants: Ints) -> Floats:
        """Seconds since the last trade, NaN before the first. Subtracted as ints: a clock in ns is no exact double."""
        at = self._trade.position(instants)
        out = np.full(len(instants), np.nan)
        known = at >= 0
        out[known] = (instants[known] - self._trade.clock[at[known]]) / GRID
        return out

    def _variance_ratio(self, t: int, epoch: int, twice_mid: int) -> float:
        for sums in (self._long, self._short):
            sums.forget(t)
        if self._last is not None and self._last[:2] == (t - GRID, epoch):
            fine = round(log_return(self._last[2], twice_mid) * _FINE)
            for sums in (self._long, self._short):
                sums.add(t, fine * fine)
        self._last = (t, epoch, twice_mid)
        if not self._short.total:
            return 0.0
        return squash(math.log(self._short.mean / self._long.mean))

    def _settle(self) -> None:
        """Give the waiting batches to the stores, as one."""
        if not self._news:
            return
        news, self._news = self._news, []
        batch = news[0] if len(news) == 1 else _joined(news)
        self._flow.update(batch)
        self._ofi.update(batch)
        self._micro.update(batch)
        self._calm.update(batch)
        self._kyle.update(batch)
        self._vpin.update(batch)
        quotes, trades = batch.quotes, batch.trades
        if len(quotes):
            touch = (quotes.bid, quotes.bid_qty, quotes.ask, quotes.ask_qty)
            self._book.append(quotes.t, *touch, quotes.epoch, *batch.sums[LEVELS])
        if len(trades):
            self._trade.append(trades.t)

    def _forget(self, t: int) -> None:
        for store in (self._flow, self._ofi, self._micro, self._calm, self._kyle, self._vpin):
            store.advance(t)
        self._book.forget(t)
        self._trade.forget(t)

    def state(self) -> State:
        self._settle()
        return {
            "kind": "features",
            "version": 2,
            "flow": self._flow.state(),
            "ofi": self._ofi.state(),
            "micro": self._micro.state(),
            "calm": self._calm.state(),
            "kyle": self._kyle.state(),
            "vpin": self._vpin.state(),
            "book": self._book.state(),
            "trade": self._trade.state(),
            "last": self._last,
            "returns": [list(pair) for pair in self._long.terms],
        }

    def restore(self, state: State) -> None:
        """Take over a state; raises ValueError when it is of another version."""
        check_state(state, "features", 2)
        self._news = []
        self._flow.restore(state["flow"])
        self._ofi.restore(state["ofi"])
        self._micro.restore(state["micro"])
        self._calm.restore(state["calm"])
        self._kyle.restore(state["kyle"])
        self._vpin.restore(state["vpin"])
        self._book.restore(state["book"])
        self._trade.restore(state["trade"])
        self._last = None if state["last"] is None else tuple(state["last"])
        for sums in (self._long, self._short):
            sums.clear()
            for t, square in state["returns"]:
                sums.forget(t)
                sums.add(t, square)


def _squashed(x: Floats, unknown: float = 0.0) -> Floats:
    return np.where(np.isnan(x), unknown, x / (1 + np.abs(x)))


def _joined(batches: list[Batch]) -> Batch:
    """Consecutive batches as one."""

    trades = Trades.joined([batch.trades for batch in batches])
    quotes = Quotes.joined([batch.quotes for batch in batches])
    sums = tuple(np.concatenate([batch.sums[LEVELS][side] for batch in batches]) for side in (0, 1))
    volumes = tuple(volume for batch in batches for volume in batch.day_volumes)
    return Batch(trades, quotes, {LEVELS: (sums[0], sums[1])}, volumes, batches[0].start, batches[-1].end)
