"""Simulated markets as sources: paced by a wall clock like a live venue, or read like a recording."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import numpy as np

from connectors.simulator.market import MAX_LATENCY_NS, SimulatedMarket, bars_before
from connectors.simulator.profiles import DEFAULT_SYMBOLS, VENUE, profile_of
from engine.feed import Chunk, Engine
from engine.history import Bars, HistoryError
from engine.instrument import Instrument
from engine.tape import ROW, Rows

_NS = 1_000_000_000
#: At most so much event time is generated between two breaths of the event loop.
_SLICE_NS = _NS
#: Event time of a chunk of an archive.
_CHUNK_NS = 10 * _NS
#: 2009-01-01 and 2100-01-01: what a market's clock may show.
_EARLIEST, _LATEST = 1_230_768_000 * _NS, 4_102_444_800 * _NS
#: Seconds between two deliveries of a paced feed: as often as a screen looks. Every delivery is a fold of all metrics.
_PACE = 0.1
#: A clock that jumps by more seconds than this means the process was stopped: simulated time stood still too.
_STOPPED = 5.0


class SimulatedFeed:
    """Seeded markets whose event time follows the wall clock.

    `symbols` are `BASE/QUOTE` or `sim:BASE/QUOTE`. The rows depend on symbols, `seed` and `start_ns` (ns since
    the epoch; None: the present) alone, whatever the pace. `speed` multiplies wall time; 0 is as fast as it
    goes. After `duration_ns` of event time (None: never) `run` returns. `clock` gives seconds, monotonic.
    Raises ValueError for a symbol, speed or duration that makes no sense.
    """

    def __init__(
        self,
        symbols: Sequence[str] = DEFAULT_SYMBOLS,
        *,
        seed: int = 1,
        start_ns: int | None = None,
        speed: float = 1.0,
        duration_ns: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not (math.isfinite(speed) and speed >= 0):
            raise ValueError(f"simulator: speed must be a number >= 0, not {speed}")
        _check_span(start_ns, duration_ns)
        self._symbols = _symbols(symbols)
        self._seed, self._start, self._duration, self._speed = seed, start_ns, duration_ns, speed
        self._clock, self._sleep = clock, sleep
        self._began: int | None = None

    @property
    def name(self) -> str:
        """`sim`."""
        return VENUE

    @property
    def live(self) -> bool:
        """It may be started again: it goes on at the present."""
        return self._start is None

    @property
    def markets(self) -> Sequence[str]:
        """The markets, as `sim:BASE/QUOTE`."""
        return [f"{VENUE}:{symbol}" for symbol in self._symbols]

    async def run(self, engine: Engine) -> None:
        """Deliver each market's opening, then its steps when their time has come."""
        start = self._began = time.time_ns() if self._start is None else self._start
        end = None if self._duration is None else start + self._duration
        markets = [SimulatedMarket(symbol, self._seed, start) for symbol in self._symbols]
        sinks = [engine.open(market.instrument) for market in markets]
        for market, sink in zip(markets, sinks, strict=True):
            sink.apply(market.opening())
        await engine.drained()
        reached, began = start, self._clock()
        seen = began
        while end is None or reached < end:
            due = reached + _SLICE_NS
            if self._speed:
                now = self._clock()
                if now - seen > _STOPPED:
                    began += now - seen
                    engine.notice(VENUE, f"stood still for {now - seen:.0f} s; simulated time goes on where it was")
                seen = now
                # A row is due when it would have been received.
                arrived = start + int((now - began) * self._speed * _NS) - MAX_LATENCY_NS
                due = min(due, max(reached, arrived))
            due = due if end is None else min(due, end)
            for market, sink in zip(markets, sinks, strict=True):
                rows = _generate(market, due)
                if len(rows):
                    sink.apply(rows)
            behind = not self._speed or due == reached + _SLICE_NS
            reached = due
            await engine.drained()
            await self._sleep(0.0 if behind else _PACE)
        for market, sink in zip(markets, sinks, strict=True):
            sink.apply(market.clock())
        await engine.drained()

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """See engine.history.History: what the market is said to have traded before it began."""
        if self._began is None:
            raise HistoryError("the simulation has not begun")
        return bars_before(profile_of(instrument.symbol), self._seed, self._began, step, count)


class SimulatedArchive:
    """The same markets as a recording of `duration_ns` that can be read again and again."""

    def __init__(
        self, symbols: Sequence[str] = DEFAULT_SYMBOLS, *, duration_ns: int, seed: int = 1, start_ns: int | None = None
    ) -> None:
        _check_span(start_ns, duration_ns)
        self._symbols = _symbols(symbols)
        self._start = time.time_ns() if start_ns is None else start_ns
        self._seed, self._end = seed, self._start + duration_ns

    @property
    def name(self) -> str:
        """`sim`."""
        return VENUE

    def chunks(self, notice: Callable[[str, str], None]) -> Iterator[Chunk]:
        """Some seconds of each market in turn; nothing is ever missing, so `notice` is not called."""
        markets = [SimulatedMarket(symbol, self._seed, self._start) for symbol in self._symbols]
        for market in markets:
            yield Chunk(market.instrument, market.opening())
        reached = self._start
        while reached < self._end:
            reached = min(reached + _CHUNK_NS, self._end)
            for market in markets:
                rows = _generate(market, reached)
                if len(rows):
                    yield Chunk(market.instrument, rows)
        for market in markets:
            yield Chunk(market.instrument, market.clock())


def _generate(market: SimulatedMarket, until: int) -> Rows:
    """The rows of all whole steps that end by `until`."""
    parts = []
    while market.now_ns + market.profile.step_ns <= until:
        parts.append(market.step())
    return np.concatenate(parts) if parts else _NOTHING


_NOTHING = np.zeros(0, ROW)


def _symbols(symbols: Sequence[str]) -> list[str]:
    """In their usual form, each once, in order."""
    found = list(dict.fromkeys(profile_of(symbol).symbol for symbol in symbols))
    if not found:
        raise ValueError(f"simulator: no market named; try {VENUE}:{DEFAULT_SYMBOLS[0]}")
    return found


def _check_span(start_ns: int | None, duration_ns: int | None) -> None:
    """Raises ValueError when a row's time could not be told."""
    if duration_ns is not None and duration_ns <= 0:
        raise ValueError(f"simulator: the duration must be > 0 ns, not {duration_ns}")
    last = (start_ns or 0) + (duration_ns or 0)
    if start_ns is not None and not (_EARLIEST <= start_ns <= last < _LATEST):
        raise ValueError(f"simulator: start and end must be ns since 1970 of the years 2009 to 2099, not {start_ns}")
