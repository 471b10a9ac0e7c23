"""The study of OHLCV bars, which tell no sides: bulk VPIN, its alerts, and value at risk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from engine.history import average_day
from engine.metrics.bulk import FEWEST_BARS, BulkVpin
from engine.metrics.distributions import CDFS
from engine.metrics.vpin_history import FEWEST_VALUES, VpinHistory
from engine.metrics.windows import DAY
from engine.study.price import grid_returns, risk_table
from engine.study.table import Cell, Table, minute
from engine.study.toxicity import ALERT_COLUMNS, COUNT, alert_cells, alerts
from engine.tape import Ints

#: Buckets of a day.
PARTS: Final = (50, 500)
_HOUR: Final = 3_600_000_000_000
#: Told the number of bars done and of all bars.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class OhlcvBars:
    """Bars of one market and length, ascending by `end`; some may be missing. int64 columns of shape (n,).

    Raises ValueError for what cannot be.
    """

    market: str
    step: int  # ns
    tick: Decimal
    lot: Decimal
    end: Ints  # last instant of each bar, ns, a multiple of `step`
    open: Ints  # ticks
    high: Ints
    low: Ints
    close: Ints
    volume: Ints  # lots

    def __post_init__(self) -> None:
        columns = (self.end, self.open, self.high, self.low, self.close, self.volume)
        if not len(self.end) or len({len(column) for column in columns}) != 1:
            raise ValueError("bars need columns of one length, at least one row")
        if not 1 <= self.step <= DAY // FEWEST_BARS:
            raise ValueError(f"bars of {self.step / 1e9:g} s: they must be shorter than a {FEWEST_BARS}th of a day")
        if np.any(self.end % self.step) or np.any(np.diff(self.end) <= 0):
            raise ValueError(f"the times of bars must rise by multiples of {self.step / 1e9:g} s")
        # A venue may open a bar at the close before it, outside what traded in it: `open` is not held against them.
        inside = (self.low <= self.close) & (self.close <= self.high)
        if np.any(self.low <= 0) or np.any(self.open <= 0) or not np.all(inside) or np.any(self.volume < 0):
            raise ValueError("a bar closes beyond its high or low, has a price of 0, or a volume below 0")

    def __len__(self) -> int:
        return len(self.end)

    @property
    def days(self) -> float:
        """From the beginning of the first bar to the end of the last."""
        return float(int(self.end[-1]) - int(self.end[0]) + self.step) / DAY


def bars_tables(bars: OhlcvBars, progress: Progress | None = None) -> list[Table]:
    """The whole study. `progress` is told now and then how far the long part of it is."""
    returns = grid_returns(bars.end, bars.close, bars.step)
    return [
        _summary(bars),
        bulk_vpin_table(bars, progress),
        risk_table({f"{bars.step / 1e9:g} s": returns}, "closing prices"),
    ]


def _summary(bars: OhlcvBars) -> Table:
    tick = float(bars.tick)
    lowest = int(bars.low.argmin())
    fall, at = deepest_hour(bars)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("from, UTC", minute(int(bars.end[0]) - bars.step)),
        ("to, UTC", minute(int(bars.end[-1]))),
        ("bars", len(bars)),
        ("bars missing", round(bars.days * DAY / bars.step) - len(bars)),
        ("volume", sum(bars.volume.tolist()) * float(bars.lot)),
        ("highest", int(bars.high.max()) * tick),
        ("lowest", int(bars.low[lowest]) * tick),
        ("bar of the lowest ends", minute(int(bars.end[lowest]))),
        ("deepest fall in an hour, log", fall),
        ("that hour ends", None if at is None else minute(at)),
    )
    return Table(
        "bars",
        "What the bars hold",
        ("", "value"),
        rows,
        "Bars tell no taker side: all below infers it from price changes. Times are the ends of bars.",
    )


def deepest_hour(bars: OhlcvBars) -> tuple[float | None, int | None]:
    """(lowest log return from close to close over an hour, the end of that hour)."""
    before = bars.end.searchsorted(bars.end - _HOUR)
    known = bars.end[before] == bars.end - _HOUR
    if not known.any():
        return None, None
    log = np.log(bars.close.astype(np.float64))
    moved = np.where(known, log - log[before], math.inf)
    deepest = int(moved.argmin())
    return float(moved[deepest]), int(bars.end[deepest])


# ---- bulk VPIN


@dataclass(frozen=True, slots=True)
class BulkRun:
    """Bulk VPIN over all bars: the values of bars that closed buckets, and their causal percentiles."""

    values: tuple[tuple[int, float], ...]  # (end of the bar, VPIN after it), from the n-th bucket on
    buckets: int
    highest: tuple[float, int] | None  # of all buckets: value, end of the bar that closed it
    percentiles: tuple[float, ...]  # of `values` among those before; NaN while those are too few


def bulk_run(bars: OhlcvBars, sizes: Iterable[int | None], distribution: str) -> BulkRun:
    """`sizes`: lots of buckets that start in each bar; None: not known yet."""
    bulk, history = BulkVpin(COUNT, bars.step, distribution), VpinHistory(COUNT)
    highest: tuple[float, int] | None = None
    rows = zip(bars.end.tolist(), bars.close.tolist(), bars.volume.tolist(), sizes, strict=True)
    for end, close, volume, size in rows:
        values = bulk.add(end, close, volume, size)
        if values:
            history.append([end] * len(values), values, [math.nan] * len(values))
            top = max((v for v in values if v == v), default=-1.0)
            if top >= 0 and (highest is None or top > highest[0]):
                highest = (top, end)
    ends = np.unique(history.rows[0])
    level, percentile = history.sample("vpin", ends), history.sample("pct", ends)
    known = ~np.isnan(level)
    return BulkRun(
        tuple(zip(ends[known].tolist(), level[known].tolist(), strict=True)),
        history.closed,
        highest,
        tuple(percentile[known].tolist()),
    )


def span_sizes(bars: OhlcvBars, part: int) -> Iterator[int | None]:
    """A part of the mean day of all bars: it looks ahead."""
    size = max(1, round(sum(bars.volume.tolist()) / bars.days / part))
    yield from [size] * len(bars)


def causal_sizes(bars: OhlcvBars, part: int) -> Iterator[int | None]:
    """A part of the average day of the whole UTC days before each bar; None in the first one."""
    day = (bars.end - 1) // DAY
    days, where = np.unique(day, return_inverse=True)
    per_day = [sum(bars.volume[where == i].tolist()) for i in range(len(days))]
    whole = [int(bars.end[0]) - bars.step <= int(days[0]) * DAY, *[True] * (len(days) - 1)]
    for i in where.reshape(-1).tolist():
        before = [volume for volume, full in zip(per_day[:i], whole[:i], strict=True) if full]
        average = average_day(before)
        yield None if average is None else max(1, average // part)


_SIZES: Final = {"mean day": span_sizes, "days before": causal_sizes}


def bulk_vpin_table(bars: OhlcvBars, progress: Progress | None = None) -> Table:
    """Each distribution, for buckets from the whole span and causal ones."""
    rows: list[tuple[Cell, ...]] = []
    kinds = [(name, sizes, part) for name, sizes in _SIZES.items() for part in PARTS]
    for name, sizes, part in kinds:
        for distribution in CDFS:
            rows.append(
                (f"{name}/{part}", distribution, *_bulk_cells(bulk_run(bars, sizes(bars, part), distribution), bars))
            )
            if progress is not None:
                progress(len(rows), len(kinds) * len(CDFS))
    return Table(
        "bulk_vpin",
        f"Bulk VPIN of {COUNT} buckets, and an alert on its causal percentile",
        ("bucket", "distribution", "buckets", "per day", "maximum", "bar ends, UTC", *ALERT_COLUMNS, "first alert"),
        tuple(rows),
        "Buckets of the mean day take their size from the whole span, which looks ahead; those of the days before "
        f"(EWMA, half-life 7 d) do not, and lose the first day. Percentiles are causal, from {FEWEST_VALUES} earlier "
        "values on, so the beginning has no alerts; expected: as if percentiles were uniform, at the episode length "
        "seen. Where the maximum stands against the fall above says if it came before or after; one crash is one "
        "observation.",
    )


def _bulk_cells(run: BulkRun, bars: OhlcvBars) -> tuple[Cell, ...]:
    highest, at = run.highest or (None, None)
    fired = alerts(run.percentiles)
    return (
        run.buckets,
        run.buckets / bars.days,
        highest,
        None if at is None else minute(at),
        *alert_cells(list(run.percentiles)),
        minute(run.values[fired[0]][0]) if fired else None,
    )
