"""Replays keep the pace of the tape and obey: pause, speed, and a seek gives what a fresh fold up to there gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from connectors import replay
from connectors.replay import Playback, ReplayFeed
from engine.feed import Chunk
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.names import parse_metrics
from engine.picture import market_view
from engine.runtime import Runtime
from engine.tape import Ints, Rows
from engine.view import MarketView, ViewRequest
from tests.engine.tapes import INSTRUMENT, message_cuts, random_messages, to_rows

METRICS = parse_metrics("last,cvd,ti(5s),imbalance(5),ofi(5s),vpin(20,3),vwap")
SECOND = 1_000_000_000
REQUEST = ViewRequest(metrics=tuple(metric.key for metric in METRICS))


class Recording:
    """An archive of a random tape in small chunks."""

    name = "recording"

    def __init__(self, seed: int = 1, count: int = 400) -> None:
        self.rows = to_rows(random_messages(seed, count))
        self.passes = 0

    def chunks(self, notice: Callable[[str, str], None]) -> Iterator[Chunk]:
        self.passes += 1
        notice("recording", "a line was skipped")
        for rows in message_cuts(self.rows, lambda: 37):
            yield Chunk(INSTRUMENT, rows)

    @property
    def times(self) -> Ints:
        """The clock after each row."""
        return np.maximum.accumulate(self.rows["ts"])

    def until(self, t: int) -> Rows:
        """The rows by `t`, as a seek to it means them."""
        return self.rows[: int(np.searchsorted(self.times, t, side="right"))]


class Player:
    """A replay that is watched, on a wall clock of its own."""

    def __init__(
        self, speed: float = 1.0, archive: Recording | None = None, begin: Callable[[int], int] | None = None
    ) -> None:
        self.wall = 1000.0
        self.archive = archive or Recording()
        self.play = Playback(speed, lambda: self.wall, begin)
        self.runtime = Runtime([ReplayFeed(self.archive, self.play)], metrics=METRICS, chart=True)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Player:
        self.task = asyncio.create_task(self.runtime.run())
        await self.settled()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def settled(self) -> None:
        """Until nothing more is due: the position stands still over several looks of the feed."""
        still, before = 0, None
        while still < 4:
            await asyncio.sleep(replay.TICK_S)
            now = (self.play.t, self.play.done, self.play.sought, self.archive.passes)
            still, before = (still + 1 if now == before else 0), now

    async def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.play._wake.set()
        await self.settled()

    @property
    def market(self) -> Market:
        return self.runtime.markets[INSTRUMENT.market]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "TICK_S", 0.001)


def picture(market: Market) -> MarketView:
    market.flush()
    return market_view(market, REQUEST, ())


def fresh(rows: Rows) -> MarketView:
    market = Market(INSTRUMENT, metrics=METRICS, chart=True)
    market.apply(rows)
    return picture(market)


def same(one: MarketView, other: MarketView) -> None:
    """Everything but the latency, which is of whole flushes."""
    for name in ("t", "book", "trades", "ladder", "tape", "series", "metrics", "events", "holes", "skipped"):
        assert getattr(one, name) == getattr(other, name), name


async def test_without_controls_it_runs_through() -> None:
    archive = Recording()
    runtime = Runtime([ReplayFeed(archive)], metrics=METRICS, chart=True)
    await runtime.run()
    same(picture(runtime.markets[INSTRUMENT.market]), fresh(archive.rows))
    assert archive.passes == 1


async def test_time_passes_at_the_speed_asked_for() -> None:
    async with Player() as player:
        times, start = player.archive.times, int(player.archive.times[0])
        assert player.play.view().start == start
        at = start
        for seconds, speed in ((2.0, 1.0), (0.0, 1.0), (3.0, 4.0), (1.0, 0.5)):
            if speed != player.play.view().speed:
                player.play.set_speed(speed)
                await player.settled()
                # From here on time runs from the next row.
                at = int(times[np.searchsorted(times, at, side="right")])
            at += int(seconds * speed * SECOND)
            await player.pass_time(seconds)
            assert player.play.t == int(times[np.searchsorted(times, at, side="right") - 1])
            same(picture(player.market), fresh(player.archive.until(at)))


async def test_a_pause_holds_the_tape_and_no_time_is_made_up_for() -> None:
    async with Player() as player:
        await player.pass_time(1.0)
        player.play.pause()
        before = player.play.t
        await player.pass_time(3600.0)
        assert player.play.view().paused
        assert player.play.t == before
        player.play.resume()
        await player.settled()
        times = player.archive.times
        assert player.play.t == int(times[np.searchsorted(times, before, side="right")])
        await player.pass_time(2.0)
        assert before is not None
        assert before < (player.play.t or 0) <= int(times[np.searchsorted(times, before, side="right")]) + 2 * SECOND


async def test_speed_zero_knows_no_pace() -> None:
    async with Player(speed=0.0) as player:
        assert player.play.done
        same(picture(player.market), fresh(player.archive.rows))


@pytest.mark.parametrize("paused", [False, True])
async def test_a_seek_gives_the_state_of_a_fresh_fold(paused: bool) -> None:
    async with Player() as player:
        times = player.archive.times
        if paused:
            player.play.pause()
        # On, on to the very time of a row, back, back to the start, before the start, on again.
        for share in (0.3, 0.6, 0.2, 0.0, -1.0, 0.9):
            row = int(times[int(max(0.0, share) * (len(times) - 1))])
            player.play.seek(row if share >= 0 else row - 99 * SECOND)
            await player.settled()
            # Time runs on from there, and the wall stands still.
            same(picture(player.market), fresh(player.archive.until(row)))
        assert player.archive.passes == 3  # at the start, there is nothing before it


async def test_the_end_stays_for_a_seek_back() -> None:
    async with Player(speed=0.0) as player:
        times = player.archive.times
        assert player.play.view().done
        player.play.seek(int(times[-1]) + 5 * SECOND)
        await player.settled()
        assert player.play.view().done
        assert player.archive.passes == 1
        player.play.pause()
        player.play.seek(int(times[len(times) // 2]))
        await player.settled()
        assert not player.play.view().done
        same(picture(player.market), fresh(player.archive.until(int(times[len(times) // 2]))))
        player.play.resume()
        await player.settled()
        assert player.play.view().done
        same(picture(player.market), fresh(player.archive.rows))


async def test_several_markets_are_begun_anew_together() -> None:
    other = Instrument("test", "C/D", INSTRUMENT.tick, INSTRUMENT.lot, base="C", quote="D")

    class Both(Recording):
        def chunks(self, notice: Callable[[str, str], None]) -> Iterator[Chunk]:
            for chunk in super().chunks(notice):
                yield chunk
                yield Chunk(other, chunk.rows)

    async with Player(speed=0.0, archive=Both()) as player:
        times = player.archive.times
        player.play.pause()
        player.play.seek(int(times[0]))
        await player.settled()
        assert {market.t for market in player.runtime.markets.values()} == {int(times[0])}
        assert player.archive.passes == 2


async def test_a_replay_that_begins_inside_has_its_past_as_history() -> None:
    times = Recording().times
    at = int(times[len(times) // 2])
    async with Player(begin=lambda first: at if first == int(times[0]) else 0) as player:
        same(picture(player.market), fresh(player.archive.until(at)))
        assert not player.play.done
        player.play.seek(int(times[0]))  # what lies before can still be looked at
        await player.settled()
        same(picture(player.market), fresh(player.archive.until(int(times[0]))))


async def test_a_replay_that_is_to_begin_after_its_end_says_so() -> None:
    async with Player(begin=lambda first: first + 10**18) as player:
        assert player.play.done
        assert any("ends before the time" in notice.text for notice in player.runtime.overview().notices)
