"""One live market: its book kept in sequence, its trades complete, its trust told.

Everything that can go wrong with one market ends here: another market on the same socket never notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from connectors.backoff import Backoff
from connectors.live.bars import AverageDay, fetch_average_day
from connectors.live.conflation import Backlog, Merged
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from connectors.live.market_trades import MarketTrades, Spawn
from connectors.live.timing import Pulse, Timing, VenueClock
from connectors.live.venue import Rest, Traits
from connectors.live.wire import (
    BookMessage,
    BookRule,
    Broken,
    Liquidation,
    SnapshotRule,
    Step,
    TradeMessage,
    Update,
)
from engine.codes import Channel, Reason, Trust
from engine.feed import Engine, Sink, SourceError
from engine.instrument import Instrument, OffGridError

USABLE = (Trust.LIVE, Trust.UNVERIFIABLE)
_NOTICE_AGAIN = 60.0
_SHORTEST_WAIT = 0.1
_LONGEST_STEP_NS = 5_000_000_000
_OFF_GRID_LOSSES = 3

_DAY = 86_400.0


class MarketSession:
    """Takes one market's messages from its socket and pushes what is sound into its sink."""

    def __init__(
        self,
        instrument: Instrument,
        engine: Engine,
        rest: Rest,
        make_rule: Callable[[Instrument], BookRule],
        traits: Traits,
        venue_clock: VenueClock,
        spawn: Spawn,
        backoff: Backoff,
        *,
        channels: Sequence[Channel],
        shallow: bool,
        timing: Timing,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        backlog: Backlog | None = None,
    ) -> None:
        self._backlog = Backlog() if backlog is None else backlog
        self._merged = Merged()
        self.instrument = self._listed = instrument
        self.channels = tuple(channels)
        self.resubscribe: Callable[[MarketSession, Channel], None] = lambda _session, _channel: None
        self._engine, self._rest, self._spawn = engine, rest, spawn
        self._make_rule, self._traits = make_rule, traits
        self._venue_clock, self._clock, self._monotonic = venue_clock, clock, monotonic
        self._timing, self._backoff, self._shallow = timing, backoff, shallow
        self._sink: Sink = engine.open(instrument)
        self._rule = make_rule(instrument)
        self._joining: asyncio.Task[None] | None = None
        self._lost: Reason | None = None  # why there is no book; None: there never was one on this connection
        self._live_since = 0.0
        self._said: dict[Channel, tuple[Trust, Reason]] = {}
        self._books = self._trades = 0  # messages so far; plain attributes, for this is done for every message
        self._trades_live = False
        self._pulse = {
            Channel.BOOK: Pulse(timing.silent_book, timing.first_book, timing.longest_silence),
            Channel.TRADES: Pulse(timing.silent_trades, timing.first_trade, _DAY),
        }
        self._off_grid_losses = 0  # books lost to off-grid levels since one was last in place for a while
        self._heard = 0  # recv of the newest message
        self._newest = 0  # the tape's clock
        self._told: dict[str, float] = {}
        self._tape_trades = MarketTrades(
            instrument,
            self._sink,
            rest,
            traits,
            timing,
            spawn,
            clock=clock,
            newest=lambda: self._newest,
            tell=self._tell,
        )

    # ---- before the socket

    async def catch_up(self) -> None:
        """After an earlier run: fetch the trades since, so that they come before anything else and in their own time.
        What can't be had in the time there is shows as a gap of ids when the first live trade comes."""
        if Channel.TRADES in self.channels:
            await self._tape_trades.catch_up()

    # ---- from the socket

    def connecting(self) -> None:
        """A connection is being made."""
        self._say_all(Trust.WARMING, Reason.CONNECTING)

    def subscribed(self) -> None:
        """The subscription was acknowledged, which proves nothing until data comes."""
        now = self._monotonic()
        for channel in self.channels:
            self._pulse[channel].start(now)
            if self._said.get(channel) == (Trust.WARMING, Reason.CONNECTING):
                self._say(channel, Trust.WARMING, Reason.NO_DATA_YET)

    def disconnected(self) -> None:
        """The connection is gone: so is the book; trades go on by their ids when it is back."""
        self._drop_book(None)
        self._tape_trades.interrupted()
        self._say_all(Trust.STALE, Reason.DISCONNECTED)

    def book(self, recv: int, m: BookMessage) -> None:
        """A book message."""
        self._books += 1
        self._hear(recv, m.ts)
        verdict = self._rule.take(m.body)
        if isinstance(verdict, Step):
            if verdict is not Step.OLD and self._joining is None:
                self._await_snapshot()
        elif isinstance(verdict, Broken):
            self._lose(verdict.reason, keep=not self._rule.synced)
        else:
            for update in verdict:
                if not (self._install(recv, update) if update.snapshot else self._update(recv, update)):
                    break

    def trades(self, recv: int, m: TradeMessage) -> None:
        """Trades of the stream."""
        self._trades += 1
        if m.history:
            self._tape_trades.replayed(recv, m.fills)
            return
        if not self._trades_live:
            self._say(Channel.TRADES, Trust.LIVE)
        if m.fills:
            self._hear(recv, m.fills[-1].ts)
            self._tape_trades.take(recv, m.fills)

    def liquidation(self, recv: int, m: Liquidation) -> None:
        """A liquidation that came on this socket."""
        self._hear(recv, m.ts)
        with contextlib.suppress(OffGridError):  # they are a lower bound as it is
            self._sink.liquidation(recv, m.ts, m.price, m.size, m.side)

    def unreadable(self, channel: Channel | None, error: Exception) -> None:
        """A frame of this market (`channel` None: perhaps of this market) made no sense. A lost trade shows by its
        id, where ids are consecutive; a lost delta makes the book wrong."""
        self._tell("unreadable", f"a message could not be read and was skipped: {error}")
        if channel is not Channel.BOOK:
            self._tape_trades.interrupted()
        if channel is Channel.BOOK and (self._rule.synced or self._joining is not None):
            self._lose(Reason.BAD_MESSAGE)

    def tainted(self, reason: Reason) -> None:
        """Messages of the connection are missing, perhaps of this market."""
        self._tape_trades.interrupted()
        if self._rule.synced:
            self._lose(reason)

    def ended(self) -> None:
        """The venue says that this market is no longer traded."""
        self._drop_book(None)
        self._say_all(Trust.STALE, Reason.DELISTED)
        self._tell("ended", "is no longer traded, as the venue says")

    # ---- from the timer

    def tick(self) -> None:
        """Time passes: clock rows in quiet markets, and silence that is too long."""
        now, recv = self._monotonic(), self._clock()
        self._catch_book_up(recv)
        if recv - self._heard > self._timing.quiet * 1e9:
            before = self._newest
            if (ts := self._time(recv)) > before:
                self._sink.clock(recv, ts)
        for channel in self.channels:
            self._pulse[channel].look(now, self._books if channel is Channel.BOOK else self._trades)
            self._check_silence(channel, now)
        if self._live_since and now - self._live_since > self._timing.settled:
            self._backoff.reset()
            self._off_grid_losses = 0

    def _check_silence(self, channel: Channel, now: float) -> None:
        """A channel that has said nothing for longer than its own pace explains is asked for again. SILENT when the
        market's other channel shows that there is something to say."""
        pulse, said = self._pulse[channel], self._said.get(channel)
        if said is None or pulse.silence(now) <= pulse.limit:
            return
        usable, waiting = said[0] in USABLE, said == (Trust.WARMING, Reason.NO_DATA_YET)
        beside = self._moves(Channel.TRADES if channel is Channel.BOOK else Channel.BOOK, now)
        if waiting and channel is Channel.TRADES and not beside:
            return  # no trade yet can be the nature of a market; a book that never moves is a dead subscription
        if usable or waiting:
            self._tell(f"silent {channel}", f"no {_NAMES[channel]} for {pulse.silence(now):.0f} s; subscribing again")
        elif said[1] not in _SILENCES:
            return
        if channel is Channel.BOOK:
            self._drop_book(None)
        if waiting:
            self._say(channel, Trust.SILENT, Reason.NO_FIRST_MESSAGE)
        elif beside:
            self._say(channel, Trust.SILENT, Reason.ONLY_TRADES if channel is Channel.BOOK else Reason.ONLY_BOOK)
        elif usable:
            self._say(channel, Trust.STALE, Reason.NO_MESSAGES)
        pulse.start(now)
        if channel is Channel.TRADES:
            self._tape_trades.interrupted()
        self.resubscribe(self, channel)

    def _moves(self, channel: Channel, now: float) -> bool:
        """Whether a channel is asked for, usable, and has said something lately."""
        said, pulse = self._said.get(channel), self._pulse[channel]
        return said is not None and said[0] in USABLE and pulse.silence(now) <= pulse.limit

    # ---- the book

    def _update(self, recv: int, u: Update) -> bool:
        if self._backlog.behind:
            self._merged.add(u)
            return True
        return self._catch_book_up(recv) and self._apply(recv, u)

    def _catch_book_up(self, recv: int) -> bool:
        """Tell the updates that were merged while messages came too fast."""
        merged = self._merged.take()
        if merged is None:
            return True
        if self._merged.count:
            self._tell(
                "behind",
                f"messages come faster than they are taken in: {self._merged.count:,} updates of the book "
                "were merged so far, no trade is lost",
            )
        return self._apply(recv, merged)

    def _apply(self, recv: int, u: Update) -> bool:
        try:
            self._sink.book(recv, u.ts, u.seq, u.bids, u.asks)
        except OffGridError as e:
            self._off_grid(e)
            return False
        if self._sink.crossed:
            self._lose(Reason.CROSSED_BOOK)
            return False
        return True

    def _off_grid(self, error: OffGridError) -> None:
        self._off_grid_losses += 1
        self._tell("off grid", f"{error}; the book is fetched anew")
        self._lose(Reason.OFF_GRID)

    def _lose(self, reason: Reason, keep: bool = False) -> None:
        """The book of this market is not to be relied on from here: say so, and get a new one. `keep`: the rule has
        lost it itself, and what it kept starts the next."""
        self._drop_book(reason, keep)
        self._say(Channel.BOOK, Trust.RESYNC, reason)
        self._await_snapshot()

    def _drop_book(self, reason: Reason | None, keep: bool = False) -> None:
        self._lost, self._live_since = reason, 0.0
        self._merged.clear()
        if not keep:
            self._rule.reset()
        if self._joining is not None and self._joining is not asyncio.current_task():
            self._joining.cancel()
            self._joining = None

    def _await_snapshot(self) -> None:
        if self._joining is not None:
            return  # it is this very task that lost the book, and goes on
        if self._lost is None:
            self._say(Channel.BOOK, Trust.WARMING, Reason.AWAITING_SNAPSHOT)
        self._joining = self._spawn(self._join())

    async def _join(self) -> None:
        """Ask for snapshots until one makes a book."""
        me = asyncio.current_task()
        asking = self._lost is not None  # the first one comes by itself in a stream that begins with it
        try:
            if self._lost is not None:
                await asyncio.sleep(self._backoff.next())
            while not self._rule.synced:
                wait = await (self._try_to_join() if self._traits.rest_snapshots else self._ask_for_snapshot(asking))
                if wait is not None:
                    await asyncio.sleep(wait)
                asking = True
        finally:
            if self._joining is me:
                self._joining = None

    async def _ask_for_snapshot(self, asking: bool) -> float | None:
        """One attempt where the stream brings it: subscribe anew, and give it some time."""
        if asking:
            try:
                if self._lost is Reason.OFF_GRID:
                    await self._refresh_instrument()
            except (UnreachableError, SourceError) as e:
                self._tell("listing", f"the instrument cannot be looked up: {e}")
            self._rule.reset()
            self.resubscribe(self, Channel.BOOK)
        until = self._monotonic() + self._timing.first_book
        while not self._rule.synced and self._monotonic() < until:
            await asyncio.sleep(min(_SHORTEST_WAIT, self._timing.first_book))
        return None if self._rule.synced else self._backoff.next()

    async def _try_to_join(self) -> float | None:
        """One attempt by REST; seconds to wait before the next, None when there is nothing to wait for."""
        rule = cast(SnapshotRule, self._rule)
        try:
            if self._lost is Reason.OFF_GRID:
                await self._refresh_instrument()
                rule = cast(SnapshotRule, self._rule)
            snapshot = await self._rest.snapshot(self.instrument, self._shallow)
        except RateLimitedError as e:
            self._say(Channel.BOOK, Trust.RESYNC, Reason.RATE_LIMITED)
            self._tell("limited", f"{e}; the book follows then")
            return e.seconds + _SHORTEST_WAIT + self._backoff.next()  # many markets were told the same
        except (UnreachableError, SourceError) as e:
            self._say(Channel.BOOK, Trust.RESYNC, Reason.SNAPSHOT_FAILED)
            self._tell("snapshot", f"no book snapshot, trying again: {e}")
            return max(_SHORTEST_WAIT, self._backoff.next())
        follow = rule.join(snapshot)
        if follow is None:
            # Older than every delta kept: the next one is newer.
            self._say(Channel.BOOK, self._waiting_trust(), Reason.AWAITING_SNAPSHOT)
            return max(_SHORTEST_WAIT, self._backoff.next())
        recv = self._clock()
        if self._install(recv, snapshot, follow):
            return None
        return max(_SHORTEST_WAIT, self._backoff.next())

    def _waiting_trust(self) -> Trust:
        return Trust.WARMING if self._lost is None else Trust.RESYNC

    def _install(self, recv: int, s: Update, follow: Sequence[Update] = ()) -> bool:
        """A snapshot, and what follows on it, is the book."""
        self._merged.clear()
        try:
            self._sink.snapshot(recv, s.ts or self._time(recv), s.seq, s.bids, s.asks)
        except OffGridError as e:
            self._off_grid(e)
            return False
        if self._sink.crossed:
            self._lose(Reason.CROSSED_BOOK)
            return False
        for update in follow:
            if not self._apply(recv, update):
                return False
        if not self._live_since:
            self._lost, self._live_since = None, self._monotonic()
            self._say(Channel.BOOK, self._traits.book_trust, self._traits.book_reason)
        return True

    async def _refresh_instrument(self) -> None:
        """An off-grid price may mean that the venue has changed the tick or the lot."""
        listing = await self._rest.listing([self.instrument.symbol])
        listed = listing.find(self.instrument.symbol).instrument
        fresh = self.instrument if listed == self._listed else listed
        self._listed = listed
        if fresh is self.instrument and self._off_grid_losses >= _OFF_GRID_LOSSES:
            # Orders from before a tick change rest off today's grid, and will as long as they rest.
            fresh = replace(fresh, tick=fresh.tick / 10)
            self._off_grid_losses = 0
            self._tell("finer", f"prices off the tick {self.instrument.tick} keep coming; going on with {fresh.tick}")
        if fresh != self.instrument:
            self._say(Channel.BOOK, Trust.RESYNC, Reason.INSTRUMENT_CHANGED)
            self.instrument = fresh
            self._rule = self._make_rule(fresh)
            self._sink = self._engine.open(fresh)
            self._tape_trades.move_to(fresh, self._sink)
            self._said.clear()
            self._trades_live = False
            self._say(Channel.BOOK, Trust.RESYNC, Reason.INSTRUMENT_CHANGED)

    # ---- what the venue tells about itself

    async def fetch_day_volume(self) -> None:
        """Put the venue's own volume of a day on the tape: the average of the last whole days, else of the last
        24 hours; without an answer nothing is put there."""
        try:
            day = await self._average_day()
            if day.trades:
                self._pulse[Channel.TRADES].expect(_DAY / day.trades)
            size = day.volume or await self._rest.day_volume(self.instrument)
            recv = self._clock()
            self._sink.day_volume(recv, self._time(recv), size)
        except (UnreachableError, RefusedError, OffGridError) as e:
            self._tell("day volume", f"the day's volume is unknown: {e}")

    async def _average_day(self) -> AverageDay:
        now = self._venue_clock.now(self._clock())
        try:
            return await fetch_average_day(self._rest, self.instrument, now)
        except (UnreachableError, RefusedError):
            return AverageDay(None, None)

    # ---- telling

    def _hear(self, recv: int, ts: int) -> None:
        self._heard = recv
        if ts > self._newest:
            self._newest = ts
        self._venue_clock.saw(recv, ts)

    def _time(self, recv: int) -> int:
        """The venue's time now, never behind the tape's. Our own clock may be set while we run: it moves the tape's
        by a few seconds at most."""
        ts = self._venue_clock.now(recv)
        if self._newest:
            ts = max(self._newest, min(ts, self._newest + _LONGEST_STEP_NS))
        self._newest = ts
        return ts

    def _say_all(self, trust: Trust, reason: Reason) -> None:
        for channel in self.channels:
            self._say(channel, trust, reason)

    def _say(self, channel: Channel, trust: Trust, reason: Reason = Reason.NONE) -> None:
        if self._said.get(channel) == (trust, reason):
            return
        self._said[channel] = (trust, reason)
        if channel is Channel.TRADES:
            self._trades_live = trust is Trust.LIVE
        recv = self._clock()
        self._sink.status(recv, self._time(recv), channel, trust, reason)

    def _tell(self, key: str, text: str) -> None:
        """A notice, not the same kind again within a minute."""
        now = self._monotonic()
        if now - self._told.get(key, -_NOTICE_AGAIN) >= _NOTICE_AGAIN:
            self._told[key] = now
            self._engine.notice(self.instrument.market, text)


_SILENCES = (Reason.NO_MESSAGES, Reason.NO_FIRST_MESSAGE, Reason.ONLY_BOOK, Reason.ONLY_TRADES)
_NAMES = {Channel.BOOK: "book update", Channel.TRADES: "trade"}
