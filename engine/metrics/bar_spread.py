"""What a bar tells about volume by price and volume by bucket: its volume spread evenly over its prices and time.

An approximation for what traded before a market was watched; what is watched is never treated so.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.history import Bars
from engine.tape import Ints

#: Rows the prices of a session are told apart in at most; a wider range is spread in steps of several ticks.
_ROWS: Final = 1 << 19
#: A bucket must hold so many bars on average, else bars say too little about how one-sided it was.
_BARS_A_BUCKET: Final = 2
_SAFE: Final = 1 << 62


def volume_by_price(bars: Bars) -> tuple[Ints, Ints, Ints]:
    """(prices ascending, sold, bought): the volume of each bar spread evenly from its low to its high, in whole lots
    (int64, shape (prices,)). Sums are those of the bars. Where these tell no sides, all of it stands for sold."""
    traded = bars.volume > 0
    if not traded.any():
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing
    low, high = bars.low[traded], bars.high[traded]
    base, top = int(low.min()), int(high.max())
    stride = -(-(top - base + 1) // _ROWS)
    first, last = (low - base) // stride, (high - base) // stride
    cells = np.zeros((2, int(last.max()) + 1), np.int64)
    sold, bought = bars.volume[traded] - bars.bought[traded], bars.bought[traded]
    for start, stop, *lots in zip(first.tolist(), (last + 1).tolist(), sold.tolist(), bought.tolist(), strict=True):
        n = stop - start
        steps = np.arange(n + 1, dtype=np.int64)
        for side in (0, 1):
            each, rest = divmod(lots[side], n)
            cells[side, start:stop] += each + np.diff(rest * steps // n)
    used = np.flatnonzero(cells.any(axis=0))
    prices: Ints = base + stride * used
    return prices, cells[0][used], cells[1][used]


def buckets_of(bars: Bars, size: int) -> tuple[Ints, Ints]:
    """(closing times, |bought - sold| in lots) of the buckets of `size` lots that the bars fill one after the other,
    the share of taker buys being the same all through a bar. A bucket closes when the bar is over that fills it.

    Inside a bar buys and sells cancel, the more the less bars a bucket holds: with less than two on average, there
    are none.
    """
    volume, bought = bars.volume, bars.bought
    total = sum(volume.tolist())
    if not 0 < total < _SAFE or size * len(bars) < _BARS_A_BUCKET * total:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    poured, bought_so_far = np.cumsum(volume), np.cumsum(bought)
    edges = size * np.arange(1, total // size + 1, dtype=np.int64)
    bar = poured.searchsorted(edges, "left")
    inside = (edges - (poured[bar] - volume[bar])) / volume[bar]  # of the bar that each edge lies in
    at_edge = (bought_so_far[bar] - bought[bar]) + np.rint(inside * bought[bar]).astype(np.int64)
    taken = np.diff(at_edge, prepend=0)
    return bars.ends[bar], np.abs(2 * taken - size)
