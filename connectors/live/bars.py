"""Bars of the past, from a venue's pages to an instrument's grid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from connectors.backoff import Backoff
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from connectors.live.venue import Rest
from connectors.live.wire import Bar
from engine.history import Bars, HistoryError, average_day
from engine.instrument import MAX_UNITS, Instrument
from engine.metrics.windows import DAY

#: Whole days that an average day is made of: four half-lives.
_DAYS = 28
_ATTEMPTS = 8


async def fetch_bars(rest: Rest, instrument: Instrument, step: int, count: int, now: int, backoff: Backoff) -> Bars:
    """The last `count` bars of `step` ns that are over at `now`, page by page; waits when it is told to, and gives up
    with a HistoryError when a page cannot be had in several attempts."""
    end = now // step * step
    start = end - count * step
    bars: list[Bar] = []
    while start < end:
        page = await _page(rest, instrument, step, start, end, backoff)
        bars += page
        last = max((bar.opened for bar in page), default=start - 1)
        if last < start:
            break
        start = last + step
    return read_bars(bars, instrument, step, end)


async def _page(rest: Rest, instrument: Instrument, step: int, start: int, end: int, backoff: Backoff) -> Sequence[Bar]:
    failures = 0
    while True:
        try:
            return await rest.bars(instrument, step, start, end)
        except RateLimitedError as e:
            await asyncio.sleep(e.seconds)
        except UnreachableError as e:
            failures += 1
            if failures == _ATTEMPTS:
                raise HistoryError(str(e)) from None
            await asyncio.sleep(max(0.05, backoff.next()))
        except RefusedError as e:
            raise HistoryError(str(e)) from None


@dataclass(frozen=True)
class AverageDay:
    """What an average day of a market is like; None where it is not known."""

    volume: str | None  # in the unit sizes are quoted in
    trades: int | None


async def fetch_average_day(rest: Rest, instrument: Instrument, now: int) -> AverageDay:
    """The averages of the last whole days. Raises what a single request raises."""
    end = now // DAY * DAY
    bars = read_bars(await rest.bars(instrument, DAY, end - _DAYS * DAY, end), instrument, DAY, end)
    lots = average_day(bars.volume.tolist())
    volume = None if lots is None else str(lots * instrument.lot)
    return AverageDay(volume, average_day(bars.trades.tolist()))


def read_bars(bars: Sequence[Bar], instrument: Instrument, step: int, end: int) -> Bars:
    """Bars on the instrument's grid: prices to the nearest tick, volumes to the nearest lot, for the grid may have
    been another then. What makes no sense is left out: a bar fewer is better than a wrong one."""
    numbers = np.full((len(bars), 7), np.nan)
    times = np.array([bar.opened for bar in bars], np.int64)
    trades = np.array([min(bar.trades, MAX_UNITS) for bar in bars], np.int64)
    for i, bar in enumerate(bars):
        try:
            texts = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.bought or "0", bar.quote)
            numbers[i] = [float(x) for x in texts]
        except ValueError:
            continue
    scale = np.array([float(instrument.tick)] * 4 + [float(instrument.lot)] * 2 + [1.0])
    with np.errstate(invalid="ignore", over="ignore"):
        units = numbers / scale
        o, h, lo, c, volume, bought, _ = units.T
        keep = np.all((units >= 0) & (units <= MAX_UNITS), axis=1) & (lo > 0) & (bought <= volume)
        keep &= (lo <= np.minimum(o, c)) & (h >= np.maximum(o, c)) & (times % step == 0) & (times + step <= end)
    _, first = np.unique(times, return_index=True)
    picked = first[keep[first]]
    o, h, lo, c, volume, bought = (np.rint(units[picked, i]).astype(np.int64) for i in range(6))
    sided = not any(bar.bought is None for bar in bars)
    return Bars(step, times[picked], o, h, lo, c, volume, bought, numbers[picked, 6], trades[picked], sided)
