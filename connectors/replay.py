"""Archives as a feed: paced by the tape's own clock, with pause, speed and seek."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import numpy as np

from engine.feed import Archive, Chunk, Engine
from engine.tape import Flag
from engine.view import PlayView

#: Longest stretch handed over at once, so that a screen beside it stays fluent.
SLICE_ROWS = 2_000
TICK_S = 0.03


class Playback:
    """Where a replay stands and how it goes on; the controls a front end holds.

    `begin` of the tape's first time (ns) is where pacing begins: what comes before is folded at once, as its history.
    """

    def __init__(
        self,
        speed: float,
        wall: Callable[[], float] = time.monotonic,
        begin: Callable[[int], int] | None = None,
    ) -> None:
        self._wall = wall
        self._begin = begin
        self._speed = speed
        self._paused = False
        self._wake = asyncio.Event()
        self._anchor: tuple[float, int] | None = None  # (wall, tape) from which time runs at `speed`
        self.start: int | None = None
        self.t: int | None = None
        self.done = False
        self.sought: int | None = None

    def view(self) -> PlayView:
        """Position, for a screen."""
        return PlayView(self.start, None, self.t, self._speed, self._paused, self.done)

    def opened(self, first: int) -> None:
        """The tape's first row has been read; `first` is its time."""
        if self.start is None:
            self.start = first
            if self._begin is not None and self.sought is None:
                self.sought = max(first, self._begin(first))

    def pause(self) -> None:
        """Stop feeding the tape."""
        self._paused = True
        self._anchor = None

    def resume(self) -> None:
        """Go on feeding it."""
        self._paused = False
        self._rouse()

    def set_speed(self, speed: float) -> None:
        """Seconds of tape a second; 0: as fast as it goes."""
        self._speed = speed
        self._rouse()

    def seek(self, t_ns: int) -> None:
        """Go to this time of the tape; backwards, the tape is folded again from its start."""
        self.sought = max(t_ns, self.start or t_ns)
        self._rouse()

    def _rouse(self) -> None:
        self._anchor = None
        self._wake.set()

    def arrive(self) -> None:
        """Everything up to the time that was sought is folded: time runs on from there."""
        if self.sought is not None and not self._paused:
            self._anchor = (self._wall(), self.sought)
        self.sought = None

    def now(self, first: int) -> int | None:
        """Tape time due by now (None: all of it); `first` is the time of the next row."""
        if self.sought is not None:
            return self.sought
        if self._paused:
            return -1
        if self._speed <= 0:
            return None
        if self._anchor is None:
            self._anchor = (self._wall(), first)
        wall, tape = self._anchor
        return tape + int((self._wall() - wall) * self._speed * 1e9)

    async def rest(self) -> None:
        """Until a control was used, or a moment has passed."""
        self._wake.clear()
        try:
            still = self.done or (self._paused and self.sought is None)
            await asyncio.wait_for(self._wake.wait(), None if still else TICK_S)
        except TimeoutError:
            return


class ReplayFeed:
    """An archive as `engine.feed.Feed`. Without a playback it goes as fast as it can."""

    live = False

    def __init__(self, archive: Archive, playback: Playback | None = None) -> None:
        self._archive = archive
        self._playback = playback
        self._markets: list[str] = []

    @property
    def name(self) -> str:
        """The archive's name."""
        return self._archive.name

    @property
    def markets(self) -> Sequence[str]:
        """Those met so far."""
        return self._markets

    async def run(self, engine: Engine) -> None:
        """Push the archive; with a playback stay for a seek back after its end."""
        play = self._playback
        while True:
            finished = await self._pass(engine)
            if play is None:
                return
            if finished:
                play.done = True
                if play.sought is not None and play.t is not None and play.sought > play.t:
                    engine.notice(self.name, "the recording ends before the time that was asked for; this is its end")
                # Only a seek back is one: there is nothing beyond the end.
                while play.sought is None or (play.t is not None and play.sought >= play.t):
                    play.sought = None
                    await play.rest()
                play.done = False
            for market in self._markets:
                engine.restart(market)
            play.t = None

    async def _pass(self, engine: Engine) -> bool:
        """Once through the archive; False when a seek wants it from its start again."""
        for chunk in self._archive.chunks(engine.notice):
            if chunk.instrument.market not in self._markets:
                self._markets.append(chunk.instrument.market)
            sink = engine.open(chunk.instrument)
            if self._playback is None:
                sink.apply(chunk.rows)
                await engine.drained()
            elif not await self._paced(engine, chunk, self._playback):
                return False
        return True

    async def _paced(self, engine: Engine, chunk: Chunk, play: Playback) -> bool:
        sink = engine.open(chunk.instrument)
        ends = np.flatnonzero(chunk.rows["flags"] & Flag.LAST)
        times = np.maximum.accumulate(chunk.rows["ts"][ends])
        play.opened(int(times[0]))
        done = 0  # messages pushed
        while done < len(ends):
            if play.sought is not None and play.sought < int(times[done]):
                if play.t is not None and play.sought < play.t:
                    return False
                play.arrive()
            until = play.now(int(times[done]))
            ready = len(ends) if until is None else int(np.searchsorted(times, until, side="right"))
            ready = min(ready, done + SLICE_ROWS)
            if ready <= done:
                await play.rest()
                continue
            first = 0 if done == 0 else int(ends[done - 1]) + 1
            sink.apply(chunk.rows[first : int(ends[ready - 1]) + 1])
            done = ready
            play.t = max(play.t or 0, int(times[done - 1]))
            await engine.drained()
        return True
