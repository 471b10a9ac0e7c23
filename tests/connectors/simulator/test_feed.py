"""Pacing never changes what a feed delivers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from connectors.simulator import DEFAULT_SYMBOLS, SimulatedArchive, SimulatedFeed
from engine.instrument import Instrument
from engine.tape import Kind, Rows

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


class Tape:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.parts: list[Rows] = []

    def apply(self, rows: Rows) -> None:
        self.parts.append(rows.copy())

    @property
    def rows(self) -> Rows:
        return np.concatenate(self.parts)


class Collector:
    """An engine that keeps the tapes of a feed."""

    def __init__(self) -> None:
        self.tapes: dict[str, Tape] = {}
        self.notices: list[tuple[str, str]] = []
        self.breaths = 0

    def open(self, instrument: Instrument) -> Tape:
        assert instrument.simulated
        return self.tapes.setdefault(instrument.market, Tape())

    def notice(self, source: str, text: str) -> None:
        self.notices.append((source, text))

    async def drained(self) -> None:
        self.breaths += 1
        await asyncio.sleep(0)

    def bytes(self) -> dict[str, bytes]:
        return {market: tape.rows.tobytes() for market, tape in self.tapes.items()}


class Wall:
    """A clock that moves by what is slept, and by extra delays."""

    def __init__(self, delays: Iterator[float]) -> None:
        self.now, self._delays = 1000.0, delays
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + next(self._delays)
        await asyncio.sleep(0)


def delays(*values: float) -> Iterator[float]:
    while True:
        yield from values


async def collected(speed: float, wall: Wall | None = None, symbols: tuple[str, ...] = DEFAULT_SYMBOLS) -> Collector:
    """20 s of markets through a feed."""
    wall = wall or Wall(delays(0.0))
    engine = Collector()
    feed = SimulatedFeed(
        symbols, seed=7, start_ns=START, speed=speed, duration_ns=20 * SECOND, clock=wall.clock, sleep=wall.sleep
    )
    await feed.run(engine)  # type: ignore[arg-type]
    return engine


async def test_pacing_does_not_change_a_byte() -> None:
    fast = (await collected(0)).bytes()
    assert set(fast) == {f"sim:{symbol}" for symbol in DEFAULT_SYMBOLS}
    for speed, wall in (
        (1.0, Wall(delays(0.0))),
        (1.0, Wall(delays(0.3, 0.0, 0.017, 2.5))),
        (3.7, Wall(delays(0.001))),
        (1000.0, Wall(delays(0.01))),
    ):
        assert (await collected(speed, wall)).bytes() == fast
    one = (await collected(1.0, symbols=("SOL/USDT",))).bytes()
    assert one == {"sim:SOL/USDT": fast["sim:SOL/USDT"]}


async def test_an_archive_is_the_same_tape_and_can_be_read_again() -> None:
    archive = SimulatedArchive(seed=7, start_ns=START, duration_ns=20 * SECOND)
    for _ in range(2):
        tapes: dict[str, list[Rows]] = {}
        for chunk in archive.chunks(lambda source, text: pytest.fail(text)):
            assert len(chunk.rows) < 10_000
            tapes.setdefault(chunk.instrument.market, []).append(chunk.rows)
        assert {market: np.concatenate(rows).tobytes() for market, rows in tapes.items()} == (
            await collected(0)
        ).bytes()


async def test_event_time_follows_the_wall() -> None:
    wall = Wall(delays(0.0))
    began = wall.now
    lags: list[float] = []

    class Watching(Collector):
        async def drained(self) -> None:
            newest = int(self.tapes["sim:BTC/USDT"].parts[-1]["ts"][-1])
            lags.append((wall.now - began) * 2 - (newest - START) / SECOND)
            await super().drained()

    feed = SimulatedFeed(
        ["BTC/USDT"], start_ns=START, speed=2.0, duration_ns=30 * SECOND, clock=wall.clock, sleep=wall.sleep
    )
    await feed.run(Watching())  # type: ignore[arg-type]
    assert min(lags[:-1]) >= 0  # nothing from the future
    assert max(lags) < 0.45  # 30 ms of latency, two steps and a pause, at double speed
    assert wall.now - began == pytest.approx(15, abs=0.25)


async def test_a_stopped_process_finds_time_where_it_was() -> None:
    wall = Wall(iter([0.0] * 50 + [3600.0] + [0.0] * 10_000))
    engine = await collected(1.0, wall)
    assert engine.bytes() == (await collected(0)).bytes()
    assert [source for source, _ in engine.notices] == ["sim"]
    assert "3600 s" in engine.notices[0][1]
    assert wall.slept.count(0.0) < 5  # no hour was made up for


async def test_the_end_is_on_the_tape() -> None:
    engine = await collected(0)
    for tape in engine.tapes.values():
        last = tape.rows[-1]
        assert last["kind"] == Kind.CLOCK
        assert last["ts"] == START + 20 * SECOND


async def test_cancelling_ends_an_endless_feed() -> None:
    engine = Collector()
    task = asyncio.create_task(SimulatedFeed(["BTC/USDT"], speed=0).run(engine))  # type: ignore[arg-type]
    while engine.breaths < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_names() -> None:
    feed = SimulatedFeed(["sim:btc/usdt", "BTC/USDT", "eth/usdt"])
    assert feed.name == "sim"
    assert feed.markets == ["sim:BTC/USDT", "sim:ETH/USDT"]
    assert SimulatedFeed().markets == [f"sim:{symbol}" for symbol in DEFAULT_SYMBOLS]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"symbols": []}, "no market"),
        ({"symbols": ["nonsense"]}, "no simulated market"),
        ({"speed": -1.0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"duration_ns": 0}, "duration"),
        ({"start_ns": -1}, "start"),
        ({"start_ns": 0}, "start"),
        ({"start_ns": 1 << 63}, "start"),
        ({"start_ns": START, "duration_ns": 100 * 365 * 86_400 * SECOND}, "start"),
    ],
)
def test_nonsense_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SimulatedFeed(**arguments)  # type: ignore[arg-type]
