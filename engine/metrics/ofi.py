"""Order flow imbalance of the best level: what the book's touch gained on the bid minus on the ask.

Cont, Kukanov & Stoikov, Journal of Financial Econometrics 12(1):47-88, 2014. It explains the price
change of the same interval (price-moving events are part of it); it is not a forecast.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import Batch, Bools, Floats
from engine.metrics.calculator import State
from engine.metrics.integral import MAX_WINDOW, StepIntegral
from engine.metrics.queue_flow import QueueFlow
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Columns, check_state
from engine.tape import Ints

#: The mean depth that normalises OFI is taken over so many windows.
DEPTH_WINDOWS: Final = 10
_NEVER: Final = -(1 << 63)


class OrderFlowImbalance:
    """OFI over any number of windows, from one store of events.

    Fields: `raw:W` and `norm:W`, W in ns. Rows that are not valid are dropped before differencing: they
    neither emit nor become the reference. The first row of an epoch emits nothing. A value is known
    where the book was valid at some time of (t - W, t].
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._span = 0  # longest look-back asked for so far, ns
        self._queues = QueueFlow(1)
        self._flow = Columns(np.int64, np.int64)  # t, running sum of e
        self._flow.append([_NEVER], [0])
        self._depth = StepIntegral()  # q_b + q_a

    def update(self, batch: Batch) -> None:
        quotes = batch.quotes
        if not len(quotes):
            return
        self._depth.extend(quotes.t, np.where(quotes.valid, quotes.bid_qty + quotes.ask_qty, 0), quotes.valid)
        times, flow = self._queues.of_touch(quotes)
        if len(times):
            total = self._flow[1][-1:]
            self._flow.append(times, np.cumsum(np.concatenate([total, flow[:, 0]]))[1:])

    def sample(self, field: str, times: Ints) -> Floats:
        kind, _, text = field.partition(":")
        window = int(text)
        self._span = max(self._span, window if kind == "raw" else DEPTH_WINDOWS * window)
        flow = self._sums(times, window)
        known = self._known(times, window)
        if kind == "raw":
            return np.where(known, self._instrument.amounts(flow), np.nan)
        depth, _ = self._depth.means(times, DEPTH_WINDOWS * window)
        ratio = np.full(len(times), np.nan)
        np.divide(2 * flow, depth, out=ratio, where=known & (depth > 0))
        return ratio

    def _sums(self, times: Ints, window: int) -> Ints:
        clock, total = self._flow[0], self._flow[1]
        last, before = (np.maximum(clock.searchsorted(t, "right") - 1, 0) for t in (times, times - window))
        sums: Ints = total[last] - total[before]
        return sums

    def _known(self, times: Ints, window: int) -> Bools:
        _, valid_us = self._depth.means(times, window)
        return (valid_us > 0) | self._depth.valid_at(times)

    def advance(self, t: int) -> None:
        before = t - self._span
        self._depth.forget(before)
        self._flow.drop(int(self._flow[0].searchsorted(before, "right")) - 1)

    def state(self) -> State:
        return {
            "kind": "ofi",
            "version": 2,
            "span": self._span,
            "queues": self._queues.state(),
            "flow": self._flow.state(),
            "depth": self._depth.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "ofi", 2)
        self._span = max(self._span, state["span"])
        self._queues.restore(state["queues"])
        self._flow.restore(state["flow"])
        if not len(self._flow):
            raise ValueError("a state of OFI has at least one row of flow")
        self._depth.restore(state["depth"])


def _bound(kind: str, window: int, looks_back: int) -> Bound:
    if window <= 0:
        raise ValueError("the window of OFI must be longer than nothing")
    if looks_back > MAX_WINDOW:
        longest = MAX_WINDOW // (looks_back // window) // 60_000_000_000
        raise ValueError(f"the window is too long: OFI looks back at most {longest} minutes")
    return Bound(
        share=("ofi",),
        make=lambda context: OrderFlowImbalance(context.instrument),
        field=f"{kind}:{window}",
        needs_book=True,
    )


def _bind_raw(window: int) -> Bound:
    return _bound("raw", window, window)


def _bind_normalised(window: int) -> Bound:
    return _bound("norm", window, DEPTH_WINDOWS * window)


_WINDOW = Param("W", "window", "10s", "look back over (t - W, t]")

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="ofi",
        params=(_WINDOW,),
        unit="ratio",
        meaning="order flow imbalance in mean best queues: sum of e over W divided by the time-weighted mean "
        "of (best bid size + best ask size) / 2 over the last 10 W",
        warmup="from the first valid book on; covers what was valid of W (the mean queue: of 10 W)",
        bind=_bind_normalised,
        group="ofi",
    ),
    MetricSpec(
        name="ofi_raw",
        params=(_WINDOW,),
        unit="base",
        meaning="order flow imbalance of the best level: sum over W of what each book message added to the "
        "bid minus the ask queue",
        warmup="from the first valid book on; covers what was valid of W",
        bind=_bind_raw,
        group="ofi",
    ),
)
