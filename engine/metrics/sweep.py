"""The largest sweep: what one taker took at once.

Fills that follow each other on one side at one time of the market's clock count as one sweep: a single order that
ate several resting ones prints like that. Its size is the money it moved. METRICS 5.3.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Columns, check_state, exact_product
from engine.tape import Ints

_LONGEST: Final = 3_600_000_000_000
_T, _SIDE, _SIZE = range(3)


class Sweeps:
    """Fields are windows in ns."""

    def __init__(self, context: Context) -> None:
        instrument = context.instrument
        self._inverse = instrument.kind == "inverse"
        self._instrument = instrument
        self._rows = Columns(np.int64, np.int64, np.float64)  # clock, side, money
        self._last = 0  # the exact sum of the newest sweep: ticks x lots, or lots
        self._longest = 0

    def update(self, batch: Batch) -> None:
        """See Calculator."""
        trades = batch.trades
        if not len(trades):
            return
        qty = trades.qty
        bound = int(qty.max()) * len(trades) * (1 if self._inverse else int(trades.px.max()))
        terms = qty if self._inverse else exact_product(bound, trades.px, qty)
        if len(self._rows):
            first, side = int(self._rows[_T][-1]), int(self._rows[_SIDE][-1])
        else:
            first, side = -1, 2
        new = (np.diff(trades.t, prepend=first) != 0) | (np.diff(trades.side, prepend=side) != 0)
        starts = np.flatnonzero(new)
        # Fills that go on with the newest sweep of the batch before.
        tail = int(starts[0]) if len(starts) else len(trades)
        if tail:
            self._last += sum(terms[:tail].tolist())
            self._rows[_SIZE][-1] = self._money(self._last)
        if len(starts):
            sums = np.add.reduceat(terms, starts).tolist()
            self._last = sums[-1]
            sizes = [self._money(total) for total in sums]
            self._rows.append(trades.t[starts], trades.side[starts], sizes)

    def _money(self, total: int) -> float:
        return self._instrument.amount(total) if self._inverse else self._instrument.notional(total)

    def sample(self, field: str, times: Ints) -> Floats:
        """See Calculator."""
        window = int(field)
        self._longest = max(self._longest, window)
        out = np.full(len(times), np.nan)
        clock, sizes = self._rows[_T], self._rows[_SIZE]
        begin, end = clock.searchsorted(times - window, "right"), clock.searchsorted(times, "right")
        for i in np.flatnonzero(end > begin).tolist():
            out[i] = sizes[begin[i] : end[i]].max()
        return out

    def advance(self, t: int) -> None:
        """See Calculator. The newest sweep stays: it may go on."""
        gone = int(self._rows[_T].searchsorted(t - self._longest, "right"))
        self._rows.drop(min(gone, len(self._rows) - 1))

    def state(self) -> State:
        """See Calculator."""
        return {
            "kind": "sweeps",
            "version": 1,
            "rows": self._rows.state(),
            "last": self._last,
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        """See Calculator."""
        check_state(state, "sweeps", 1)
        self._rows.restore(state["rows"])
        self._last = state["last"]
        self._longest = max(self._longest, state["longest"])


def _bind(window: int) -> Bound:
    if window > _LONGEST:
        raise ValueError("the window must be at most 1h")
    return Bound(share="sweeps", make=Sweeps, field=str(window), needs_trades=True)


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "sweep",
        (Param("W", "window", "5s", "window, at most 1h"),),
        "quote",
        "largest sweep of the window, in money: fills of one side at one time count as one order",
        "from the first trade on; null while nothing traded in the window",
        _bind,
        "flow",
    ),
)
