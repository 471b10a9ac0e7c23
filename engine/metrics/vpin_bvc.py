"""VPIN by bulk volume classification of a market's trades in time bars: the literature's version, and the
one for venues that do not tell the taker side.

Where sides are told, `vpin` uses them and is the better number. With true sides VPIN behaves unlike this one
(Andersen & Bondarenko, Review of Finance, 2015); what is said of VPIN in `vpin` holds here too.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Final

import numpy as np

from engine.metrics.batch import Batch, Floats, Trades
from engine.metrics.bulk import FEWEST_BARS, BulkVpin
from engine.metrics.calculator import State
from engine.metrics.distributions import CDFS
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.vpin import BucketSize, bucket_size
from engine.metrics.vpin_history import VpinHistory
from engine.metrics.windows import DAY, check_state
from engine.tape import Ints

#: Shortest and longest bar, ns.
SHORTEST_BAR: Final = 1_000_000_000
LONGEST_BAR: Final = DAY // FEWEST_BARS
_SAFE: Final = 1 << 62


class BulkClassifiedVpin:
    """Trades put into bars [k h, (k + 1) h) on the Unix epoch; the bars classified and poured when they end.

    Fields: `vpin` and `pct` (mid-rank percentile 0..1 among the values before). A bucket closes at the end of
    the bar that fills it. The size of buckets that start in a bar is the one in force at its last trade.
    """

    def __init__(self, size: BucketSize, n: int, bar: int, distribution: str) -> None:
        self._n, self._bar = n, bar
        self._sizes = size
        self._bulk = BulkVpin(n, bar, distribution)
        self._open: tuple[int, int, int, int | None] | None = None  # end, last price, lots, bucket size
        self._history = VpinHistory(n)

    def update(self, batch: Batch) -> None:
        for trades, size in self._sizes.pieces(batch.trades, batch.day_volumes):
            if len(trades):
                self._take(trades, size)
        self._close(batch.end)

    def _take(self, trades: Trades, size: int | None) -> None:
        ends = (trades.t // self._bar + 1) * self._bar
        starts = np.concatenate(([0], np.flatnonzero(np.diff(ends)) + 1))
        prices = trades.px[np.append(starts[1:], len(ends)) - 1]
        for end, price, volume in zip(ends[starts].tolist(), prices.tolist(), _sums(trades.qty, starts), strict=True):
            self._close(end - self._bar)
            before = self._open[2] if self._open is not None else 0
            self._open = (end, price, before + volume, size)

    def _close(self, t: int) -> None:
        """Close the open bar if it has ended by `t`."""
        if self._open is None or self._open[0] > t:
            return
        end, price, volume, size = self._open
        self._open = None
        values = self._bulk.add(end, price, volume, size)
        if values:
            self._history.append([end] * len(values), values, [np.nan] * len(values))

    def sample(self, field: str, times: Ints) -> Floats:
        if len(times) and self._open is not None and self._open[0] <= times[-1]:
            ahead = deepcopy(self)  # only time has passed: what the bar will have closed by then
            ahead._close(int(times[-1]))
            return ahead.sample(field, times)
        return self._history.sample(field, times)

    def advance(self, t: int) -> None:
        self._history.forget(t)

    def closings(self, since: int, until: int) -> Ints:
        """Distinct times in (since, until] at which buckets closed; `since` not before the last `advance`."""
        return self._history.closings(since, until)

    def state(self) -> State:
        return {
            "kind": "vpin bvc",
            "version": 1,
            "sizes": self._sizes.state(),
            "bulk": self._bulk.state(),
            "open": None if self._open is None else list(self._open),
            "closed": self._history.closed,
            "history": self._history.rows.state(),
        }

    def restore(self, state: State) -> None:
        check_state(state, "vpin bvc", 1)
        self._sizes.restore(state["sizes"])
        self._bulk.restore(state["bulk"])
        if state["open"] is None:
            self._open = None
        else:
            end, price, volume, size = state["open"]
            self._open = (end, price, volume, size)
        self._history.closed = state["closed"]
        self._history.rows.restore(state["history"])


def _sums(qty: Ints, starts: Ints) -> list[int]:
    """Exact sums of the pieces that begin at `starts`."""
    if int(qty.max()) * len(qty) < _SAFE:
        lots: list[int] = np.add.reduceat(qty, starts).tolist()
        return lots
    return [sum(piece.tolist()) for piece in np.split(qty, starts[1:])]


def _bound(field: str, size: float | str, n: int, bar: int, distribution: str) -> Bound:
    if not SHORTEST_BAR <= bar <= LONGEST_BAR:
        raise ValueError(f"a bar must last from {SHORTEST_BAR // 10**9} s to {LONGEST_BAR // (60 * 10**9)} min")
    sized = bucket_size(size, n)
    return Bound(
        share=("vpin_bvc", size, n, bar, distribution),
        make=lambda context: BulkClassifiedVpin(sized(context), n, bar, distribution),
        field=field,
        needs_trades=True,
    )


_PARAMS: Final = (
    Param("V", "size", "adv/50", "bucket size, to the nearest lot, or a part of the average daily volume"),
    Param("n", "count", "50", "number of buckets"),
    Param("bar", "window", "60s", "length of the bars that are classified, on the Unix epoch"),
    Param("dist", f"choice:{'|'.join(CDFS)}", "normal", "distribution that turns price changes into bought shares"),
)

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="vpin_bvc",
        params=_PARAMS,
        unit="ratio",
        meaning="VPIN without taker sides: the share of a bar's volume taken as bought is Z(price change / its "
        "standard deviation over the day before); a gauge of the present state, cruder than vpin",
        warmup=f"from the n-th closed bucket on, none before {FEWEST_BARS} bars; adv/... also needs the venue's 24 h "
        "volume or a full UTC day first",
        bind=lambda *args: _bound("vpin", *args),
        group="toxicity",
    ),
    MetricSpec(
        name="vpin_bvc_pct",
        params=_PARAMS,
        unit="ratio",
        meaning="share (0..1) of the bulk VPINs of the 30 days before that are lower than the last one, ties half",
        warmup="from 250 earlier VPINs on; at most the last 200,000 count",
        bind=lambda *args: _bound("pct", *args),
        group="toxicity",
    ),
)
