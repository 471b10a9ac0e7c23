"""What traded before we came: bars that warm a market up, so that its gauges are not empty for a day.

Bars are not on the tape, so a recording of the run replays without them. Therefore they never touch what
the tape decides: bucket sizes and edges, windows, sums of what was seen. They fill what would be unknown,
are marked as warmed (`MarketView.warmed`), and once real data has taken their place a live market and the
replay of its recording agree again to the bit. What bars say about an average day does go on the tape, as
its DAY_VOLUME row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.instrument import Instrument
from engine.metrics.batch import Floats
from engine.metrics.windows import DAY
from engine.tape import Ints

MINUTE: Final = 60_000_000_000
#: What a market that begins asks for: (length of a bar, number of bars). A day of minutes, 28 days of 5 minutes.
WANTED: Final = ((MINUTE, 1_440), (5 * MINUTE, 28 * 288))
#: Half-life of the mean over past days, in days (as that of the days a calculator sees itself).
_HALF_LIFE_DAYS: Final = 7


class HistoryError(Exception):
    """There is no history to be had; the text says why."""


@dataclass(frozen=True)
class Bars:
    """Whole bars of one length, oldest first; some may be missing. All columns have shape (n,).

    Raises ValueError for what cannot be: unordered or crooked times, a high below a low, more bought than traded.
    """

    step: int  # ns
    t: Ints  # open times, multiples of `step`, ns
    open: Ints  # ticks
    high: Ints
    low: Ints
    close: Ints
    volume: Ints  # lots
    bought: Ints  # lots of taker buys
    quote: Floats  # traded value in the venue's other unit (inverse contracts: base units); 0: not told
    trades: Ints  # number of trades
    sided: bool = True  # False: the venue does not tell what takers bought (0), and perhaps not the number of trades

    def __post_init__(self) -> None:
        if len({len(column) for column in self.columns()}) != 1:
            raise ValueError("columns of bars differ in length")
        if self.step <= 0 or np.any(self.t % self.step) or np.any(np.diff(self.t) <= 0):
            raise ValueError(f"times of bars must rise by multiples of {self.step} ns")
        lowest, highest = np.minimum(self.open, self.close), np.maximum(self.open, self.close)
        if np.any(self.low < 0) or np.any(self.low > lowest) or np.any(self.high < highest):
            raise ValueError("a bar opens or closes beyond its high or low")
        if np.any(self.bought < 0) or np.any(self.bought > self.volume) or np.any(self.trades < 0):
            raise ValueError("a bar has more taker buys than volume, or negative numbers")
        if not np.all(np.isfinite(self.quote)) or np.any(self.quote < 0):
            raise ValueError("a bar's traded value is not a number of 0 or more")

    def __len__(self) -> int:
        return len(self.t)

    @property
    def ends(self) -> Ints:
        """When each bar is over, ns."""
        return self.t + self.step

    def within(self, start: int, end: int) -> Bars:
        """The bars that begin at or after `start` and are over by `end`."""
        keep = (self.t >= start) & (self.ends <= end)
        t, o, h, lo, c, volume, bought, quote, trades = (column[keep] for column in self.columns())
        return Bars(self.step, t, o, h, lo, c, volume, bought, quote, trades, self.sided)

    def columns(self) -> tuple[NDArray[Any], ...]:
        """All columns in their order."""
        return (
            self.t, self.open, self.high, self.low, self.close, self.volume, self.bought, self.quote, self.trades
        )  # fmt: skip


@runtime_checkable
class History(Protocol):
    """A live source that knows what traded before."""

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """The last `count` whole bars of `step` ns, by the source's own clock; fewer when there are no more.
        Takes as long as it takes. HistoryError when it cannot be had."""


def average_day(volumes: Sequence[int]) -> int | None:
    """Average daily volume in lots from the volumes of whole UTC days, oldest first: their exponential mean with a
    half-life of 7 days. None without any."""
    mean: float | None = None
    weight = 2 ** (-1 / _HALF_LIFE_DAYS)
    for volume in volumes:
        mean = float(volume) if mean is None else weight * mean + (1 - weight) * volume
    return round(mean) if mean else None


def session_of(bars: Bars) -> Bars:
    """The bars of the UTC day that the last of them lies in."""
    if not len(bars):
        return bars
    return bars.within(int(bars.t[-1]) // DAY * DAY, 1 << 62)
