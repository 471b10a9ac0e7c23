"""How late messages come, against the clock that the venue seems to have.

A message bears the venue's time, and ours when it was received. Their difference is the way it took plus the
difference of the two clocks, which can be seconds and of either sign. The smallest difference of the last 10 minutes is
that of the clocks plus the fastest way; what a message took longer than that is latency. Trades fetched afterwards and
replayed history don't count, nor do snapshots.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Columns, check_state
from engine.tape import Ints

#: The smallest difference of so long is that of the clocks.
SKEW_NS: Final = 600_000_000_000


class Latency:
    """Fields: `skew` (ms), `50:W` and `99:W` (ms): percentiles by nearest rank of the messages in (t - W, t]."""

    def __init__(self) -> None:
        self._rows = Columns(np.int64, np.int64)  # clock, receive less exchange time
        self._longest = 0

    def update(self, batch: Batch) -> None:
        if batch.lags is not None and len(batch.lags[0]):
            self._rows.append(*batch.lags)

    def sample(self, field: str, times: Ints) -> Floats:
        percent, _, text = field.partition(":")
        clock, lags = self._rows[0], self._rows[1]
        ends = clock.searchsorted(times, "right").tolist()
        out = np.full(len(times), np.nan)
        firsts = clock.searchsorted(times - SKEW_NS, "right").tolist()
        if percent == "skew":
            for i, (first, end) in enumerate(zip(firsts, ends, strict=True)):
                if end > first:
                    out[i] = lags[first:end].min() / 1e6
            return out
        span = int(text)
        self._longest = max(self._longest, span)
        begins = clock.searchsorted(times - span, "right").tolist()
        for i, (first, begin, end) in enumerate(zip(firsts, begins, ends, strict=True)):
            if end > begin:
                rank = -(-(end - begin) * int(percent) // 100) - 1
                low = lags[min(first, begin) : end].min()
                out[i] = (np.partition(lags[begin:end], rank)[rank] - low) / 1e6
        return out

    def advance(self, t: int) -> None:
        self._rows.drop(int(self._rows[0].searchsorted(t - max(SKEW_NS, self._longest), "right")))

    def state(self) -> State:
        return {"kind": "latency", "version": 1, "rows": self._rows.state(), "longest": self._longest}

    def restore(self, state: State) -> None:
        check_state(state, "latency", 1)
        self._rows.restore(state["rows"])
        self._longest = max(self._longest, state["longest"])


def _bound(field: str) -> Bound:
    return Bound(share="latency", make=lambda context: Latency(), field=field, lags=True)


def _percentile(percent: int) -> MetricSpec:
    return MetricSpec(
        f"latency_p{percent}",
        (Param("W", "window", "60s", "length of the window"),),
        "ms",
        f"time by which {percent} % of the messages had come, above the fastest of 10 minutes",
        "from the first message on; only of what comes after it was asked for",
        lambda w: _bound(f"{percent}:{w}"),
        "trust",
    )


SPECS: tuple[MetricSpec, ...] = (
    _percentile(50),
    _percentile(99),
    MetricSpec(
        "clock_skew",
        (),
        "ms",
        "receive less exchange time of the fastest message of 10 minutes: both clocks' difference and the fastest way",
        "from the first message on",
        lambda: _bound("skew"),
        "trust",
    ),
)
