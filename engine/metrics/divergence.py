"""Divergence of price and cumulative delta: takers pushed one way and the price did not go with them.

METRICS 1.2: sign of the price change over W unlike that of the CVD change, while the trade imbalance is more
than two standard deviations of fair coin flips away from 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Exact, Sums, check_state, exact_product
from engine.tape import Ints

#: |TI_z| must exceed this.
LEAST_Z: Final = 2

_NET, _SQUARES, _MOVE = range(3)


class Divergence:
    """Fields are windows in ns. +1: takers bought and the price did not rise; -1: they sold and it did not fall;
    0: neither, or the imbalance is within what coin flips would give.

    Unknown without a price at the window's beginning, or a trade of known side in it.
    """

    def __init__(self) -> None:
        self._sums = Sums(3)
        self._price: int | None = None
        self._longest = 0

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        if not len(trades):
            return
        move = np.diff(trades.px, prepend=trades.px[0] if self._price is None else self._price)
        self._price = int(trades.px[-1])
        largest, count = int(trades.qty.max()), len(trades)
        terms: tuple[Exact, ...] = (
            trades.qty * trades.side,
            exact_product(largest * largest, trades.qty, trades.qty) * (trades.side != 0),
            move,
        )
        bounds = (count * largest, count * largest * largest, count * int(np.abs(move).max()))
        self._sums.append(trades.t, terms, bounds)

    def sample(self, field: str, times: Ints) -> Floats:
        span = int(field)
        self._longest = max(self._longest, span)
        out = np.full(len(times), np.nan)
        known = self._sums.known(times - span)
        if known.any():
            window = self._sums.window(times[known], span)
            columns = (window.sum(i).tolist() for i in (_NET, _SQUARES, _MOVE))
            out[known] = [_divergence(*row) for row in zip(*columns, strict=True)]
        return out

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "divergence",
            "version": 1,
            "sums": self._sums.state(),
            "price": self._price,
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "divergence", 1)
        self._sums.restore(state["sums"])
        self._price = state["price"]
        self._longest = max(self._longest, state["longest"])


def _divergence(net: int, squares: int, move: int) -> float:
    """In exact integers: TI_z = net / sqrt(squares)."""
    if not squares:
        return np.nan
    if net * net <= LEAST_Z * LEAST_Z * squares:
        return 0.0
    if net > 0:
        return 1.0 if move <= 0 else 0.0
    return -1.0 if move >= 0 else 0.0


def _bind(window: int) -> Bound:
    return Bound(share="divergence", make=lambda context: Divergence(), field=str(window), needs_trades=True)


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="divergence",
        params=(Param("W", "window", "5m", "look back over (t - W, t]"),),
        unit="sign",
        meaning="+1: takers bought more than coin flips would (|ti_z| > 2) and the last price did not rise over "
        "W; -1: they sold and it did not fall; else 0",
        warmup="from W after the first trade on; null while nothing of known side traded in the window",
        bind=_bind,
        group="flow",
    ),
)
