"""The trades of one market on their way to the tape: each once, in order, and what is missing fetched or told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from connectors.backoff import Backoff
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from connectors.live.timing import Timing
from connectors.live.trade_overlap import UniqueIds
from connectors.live.trade_sequence import ConsecutiveIds, Continuity, Hole, Item
from connectors.live.venue import Rest, Traits
from connectors.live.wire import Fill
from engine.codes import Flag
from engine.feed import Sink
from engine.instrument import Instrument, OffGridError

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
_SHORTEST_WAIT = 0.05
#: Trades fetched at most for one gap: the live ones wait meanwhile.
_MOST_RECOVERED = 20_000
#: Pages asked for at most before the socket is opened.
_MOST_PAGES = 40


class MarketTrades:
    """Puts trades into the sink, by the rule of the venue's ids; fills gaps by REST.

    `tell(key, text)` makes a notice, `newest()` is the tape's clock as the session knows it.
    """

    def __init__(
        self,
        instrument: Instrument,
        sink: Sink,
        rest: Rest,
        traits: Traits,
        timing: Timing,
        spawn: Spawn,
        *,
        clock: Callable[[], int],
        newest: Callable[[], int],
        tell: Callable[[str, str], None],
    ) -> None:
        self._instrument, self._sink, self._rest = instrument, sink, rest
        self._traits, self._timing, self._spawn = traits, timing, spawn
        self._clock, self._newest, self._tell = clock, newest, tell
        self._sequence: Continuity = ConsecutiveIds() if traits.consecutive_ids else UniqueIds()
        self._recovering: asyncio.Task[None] | None = None
        self._put_at = 0  # time of the newest trade on the tape

    def move_to(self, instrument: Instrument, sink: Sink) -> None:
        """The tape goes on in another sink, for the grid has changed."""
        self._instrument, self._sink = instrument, sink

    async def catch_up(self) -> None:
        """After an earlier run: fetch the trades since, so that they come before anything else and in their own time.
        What can't be had in the time there is shows as a gap of ids when the first live trade comes."""
        last = self._sink.last_trade_id
        if last is None:
            return
        self._sequence.resume(last)
        with contextlib.suppress(TimeoutError, RefusedError, RateLimitedError):
            async with asyncio.timeout(self._timing.recovery):
                await self._catch_up()

    async def _catch_up(self) -> None:
        backoff = Backoff(2 * _SHORTEST_WAIT, 1.0)
        for _ in range(_MOST_PAGES if self._traits.consecutive_ids else 0):
            last = self._sequence.last or 0
            try:
                page = await self._rest.trades(self._instrument, last, self._put_at or self._sink.t)
            except RateLimitedError:
                raise
            except UnreachableError:
                await asyncio.sleep(max(_SHORTEST_WAIT, backoff.next()))
                continue
            self._emit(self._sequence.caught_up(self._clock(), page.fills, page.flow_only), Flag.RECOVERED)
            if page.flow_only or self._sequence.last == last:
                return

    def take(self, recv: int, fills: Sequence[Fill]) -> None:
        """Trades of the stream."""
        expects = self._sequence.expects
        for fill in fills:
            if expects(fill):
                self._put(recv, fill, 0)
                continue
            taken = self._sequence.take(recv, fill)
            self._emit(taken.now, 0)
            self._fill_gap(taken.gap)

    def replayed(self, recv: int, fills: Sequence[Fill]) -> None:
        """What the venue replays on subscribing: stored as the past the first time, what was missed later on."""
        flag = Flag.REPLAYED if self._sequence.last is None else Flag.RECOVERED
        taken = self._sequence.replayed(recv, fills)
        self._emit(taken.now, flag)
        self._fill_gap(taken.gap)

    def interrupted(self) -> None:
        """Trades may be missing from here on."""
        self._sequence.interrupted()

    def _fill_gap(self, gap: Hole | None) -> None:
        if gap is not None and gap.count > _MOST_RECOVERED:
            self._tell("trades", f"{gap.count:,} trades are missing, too many to fetch")
            self._emit(self._sequence.release(), 0)
        elif gap is not None and (self._recovering is None or self._recovering.done()):
            self._recovering = self._spawn(self._recover())

    async def _recover(self) -> None:
        """Fill gaps by REST while later trades wait, each for so long as is sensible."""
        while self._sequence.gap is not None:
            try:
                async with asyncio.timeout(self._timing.recovery):
                    await self._fill()
            except TimeoutError:
                self._tell("trades", "missing trades could not be fetched in time")
            self._emit(self._sequence.release(), 0)

    async def _fill(self) -> None:
        backoff = Backoff(2 * _SHORTEST_WAIT, 1.0)
        while self._sequence.gap is not None and not self._sequence.filled:
            last = self._sequence.last or 0
            try:
                page = await self._rest.trades(self._instrument, last, self._put_at or self._sink.t)
            except RateLimitedError as e:
                await asyncio.sleep(e.seconds)
                continue
            except RefusedError as e:
                self._tell("trades", f"missing trades cannot be fetched: {e}")
                return
            except UnreachableError:
                await asyncio.sleep(max(_SHORTEST_WAIT, backoff.next()))
                continue
            self._emit(self._sequence.recovered(self._clock(), page.fills, page.flow_only), Flag.RECOVERED)
            if self._sequence.last == last and not self._sequence.filled:
                if self._sequence.hopeless(page.fills):
                    return
                await asyncio.sleep(max(_SHORTEST_WAIT, backoff.next()))

    def _emit(self, items: Sequence[Item], flags: int) -> None:
        for item in items:
            if isinstance(item, Hole):
                recv = self._clock()
                # At the trade before it: a later time would put the trades that waited into the past.
                at = self._put_at or self._sink.t or self._newest()
                self._sink.hole(recv, at, item.first, item.count)
            else:
                self._put(*item, flags)

    def _put(self, recv: int, t: Fill, flags: int) -> None:
        flags |= t.flags
        self._put_at = t.ts
        try:
            self._sink.trade(recv, t.ts, t.trade_id, t.price, t.size, t.side, flags)
        except OffGridError as e:
            # What was not order flow may print at any price; flow that cannot be stored is missing.
            if not flags & Flag.NOT_FLOW:
                self._tell("off-grid trade", f"{e}; the trade is counted as missing")
                self._sink.hole(recv, t.ts, t.trade_id - t.count + 1, t.count)
