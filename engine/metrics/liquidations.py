"""Positions closed by force: how much, and on which side.

A buy closes somebody's short, a sell somebody's long. Venues tell a part of them only (Binance at most one a second
and market), so sums are lower bounds. Nothing is known before the source says that it would hear of liquidations,
nor while it does not; a window counts from then on.
"""

from __future__ import annotations

import numpy as np

from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Steps, Sums, check_state, quotients
from engine.tape import Ints

_BUY, _SELL = range(2)


class Liquidations:
    """Fields are `buy:W`, `sell:W`, `delta:W`, `volume:W`, W in ns: amounts in base units (inverse: quote units)."""

    def __init__(self, context: Context) -> None:
        self._amount = context.instrument.amount_ratio
        self._sums = Sums(2)
        self._hears = Steps(np.int64)  # 1 while liquidations are heard of
        self._longest = 0

    def update(self, batch: Batch) -> None:
        for t, hears in batch.heard:
            self._hears.append([t], [int(hears)])
        closed = batch.liquidations
        if closed is None:
            return
        lots = int(closed.qty.sum())
        self._sums.append(closed.t, (closed.qty * (closed.side > 0), closed.qty * (closed.side < 0)), (lots, lots))

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, text = field.partition(":")
        span = int(text)
        self._longest = max(self._longest, span)
        out = np.full(len(times), np.nan)
        known = self._hears.at(times) == 1
        if known.any():
            window = self._sums.window(times[known], span)
            buy, sell = window.sum(_BUY), window.sum(_SELL)
            lots = {"buy": buy, "sell": sell, "delta": buy - sell, "volume": buy + sell}[name]
            out[known] = quotients(lots, *self._amount)
        return out

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)
        self._hears.forget(t)

    def state(self) -> State:
        return {
            "kind": "liquidations",
            "version": 1,
            "sums": self._sums.state(),
            "hears": self._hears.state(),
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "liquidations", 1)
        self._sums.restore(state["sums"])
        self._hears.restore(state["hears"])
        self._longest = max(self._longest, state["longest"])


def _spec(name: str, field: str, meaning: str) -> MetricSpec:
    return MetricSpec(
        name,
        (Param("W", "window", "1h", "length of the window"),),
        "base",
        meaning + " (a lower bound: venues tell a part)",
        "from when the source says that it hears of liquidations",
        lambda w: Bound(share="liquidations", make=Liquidations, field=f"{field}:{w}"),
        "contract",
    )


SPECS: tuple[MetricSpec, ...] = (
    _spec("liquidations", "volume", "size of the positions closed by force"),
    _spec("liq_buy", "buy", "shorts closed by force, which buys"),
    _spec("liq_sell", "sell", "longs closed by force, which sells"),
    _spec("liq_delta", "delta", "shorts minus longs closed by force"),
)
