"""Bars of the past from Binance, with the volume that takers bought.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints (klines), and the
same paths of both futures exchanges. Volumes are in the unit sizes are quoted in; the other unit is the quote
currency, on COIN-M the base currency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from connectors.backoff import Backoff
from connectors.binance.messages import MarketType
from connectors.binance.rest import BARS_A_PAGE, BinanceRest, Kline, RateLimitedError, RefusedError, UnreachableError
from engine.history import MINUTE, Bars, HistoryError, average_day
from engine.instrument import MAX_UNITS, Instrument
from engine.metrics.windows import DAY

INTERVALS = {MINUTE: "1m", 5 * MINUTE: "5m", DAY: "1d"}
#: Whole days that an average day is made of: four half-lives.
_DAYS = 28
_ATTEMPTS = 8


async def fetch_bars(
    rest: BinanceRest, market: MarketType, instrument: Instrument, step: int, count: int, now: int, backoff: Backoff
) -> Bars:
    """The last `count` bars of `step` ns that are over at `now`, page by page; waits when it is told to, and gives up
    with a HistoryError when a page cannot be had in several attempts."""
    end = now // step * step
    start = end - count * step
    klines: list[Kline] = []
    while start < end:
        page = await _page(rest, market, instrument, step, start, end, backoff)
        klines += page
        last = max((k.opened for k in page), default=start)
        if len(page) < BARS_A_PAGE or last < start:
            break
        start = last + step
    return read_bars(klines, instrument, step, end)


async def _page(
    rest: BinanceRest, market: MarketType, instrument: Instrument, step: int, start: int, end: int, backoff: Backoff
) -> list[Kline]:
    failures = 0
    while True:
        try:
            return await rest.klines(market, instrument.native, INTERVALS[step], start, end)
        except RateLimitedError as e:
            await asyncio.sleep(e.seconds)
        except UnreachableError as e:
            failures += 1
            if failures == _ATTEMPTS:
                raise HistoryError(str(e)) from None
            await asyncio.sleep(max(0.05, backoff.next()))
        except RefusedError as e:
            raise HistoryError(str(e)) from None


async def average_day_volume(rest: BinanceRest, market: MarketType, instrument: Instrument, now: int) -> str | None:
    """The average of the last whole days' volume in the unit sizes are quoted in; None when there are none.
    Raises what a single request raises."""
    end = now // DAY * DAY
    klines = await rest.klines(market, instrument.native, INTERVALS[DAY], end - _DAYS * DAY, end)
    lots = average_day(read_bars(klines, instrument, DAY, end).volume.tolist())
    return None if lots is None else str(lots * instrument.lot)


def read_bars(klines: Sequence[Kline], instrument: Instrument, step: int, end: int) -> Bars:
    """Bars on the instrument's grid: prices to the nearest tick, volumes to the nearest lot, for the grid may have
    been another then. What makes no sense is left out: a bar fewer is better than a wrong one."""
    numbers = np.full((len(klines), 7), np.nan)
    times = np.array([k.opened for k in klines], np.int64)
    trades = np.array([min(k.trades, MAX_UNITS) for k in klines], np.int64)
    for i, k in enumerate(klines):
        try:
            numbers[i] = [float(x) for x in (k.open, k.high, k.low, k.close, k.volume, k.bought, k.quote)]
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
    return Bars(step, times[picked], o, h, lo, c, volume, bought, numbers[picked, 6], trades[picked])
