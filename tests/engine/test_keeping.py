"""The runtime keeps live markets, and nothing that happens to a checkpoint stops one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine import runtime as module
from engine.checkpoint import unpack
from engine.feed import Engine
from engine.history import Bars, HistoryError
from engine.instrument import Instrument
from engine.metrics.names import parse_metric, parse_metrics
from engine.runtime import Runtime
from tests.engine.bars import bars_of, random_past
from tests.engine.tapes import INSTRUMENT, START

SECOND = 1_000_000_000
NAME = INSTRUMENT.market


class Shelf:
    """A store in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.aside: list[tuple[str, str]] = []
        self.broken = False
        self.saves = self.tries = 0

    def _fail(self) -> None:
        self.tries += 1
        if self.broken:
            raise OSError(28, "No space left on device")

    def save(self, market: str, data: bytes) -> None:
        self._fail()
        self.saves += 1
        self.kept[market] = data

    def load(self, market: str) -> bytes | None:
        self._fail()
        return self.kept.get(market)

    def set_aside(self, market: str, reason: str) -> str | None:
        self._fail()
        self.aside.append((market, reason))
        return f"{market}.unused" if self.kept.pop(market, None) is not None else None


class Live:
    """A live source of trades with these ids, a second apart; ends, or stays."""

    name, live = "test", True
    markets = (NAME,)

    def __init__(self, first: int, count: int, *, stay: bool = False, instrument: Instrument = INSTRUMENT) -> None:
        self._ids, self._stay, self._instrument = range(first, first + count), stay, instrument

    async def run(self, engine: Engine) -> None:
        sink = engine.open(self._instrument)
        for i in self._ids:
            sink.trade(START + i * SECOND, START + i * SECOND, i, "10.00", "1", 1)
            await engine.drained()
        if self._stay:
            await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Wall time stands at a minute after the tape's start, until it is set."""
    wall = [START + 60 * SECOND]

    class Time:
        monotonic = staticmethod(module.time.monotonic)
        time_ns = staticmethod(lambda: wall[0])

    monkeypatch.setattr(module, "time", Time)

    def put(t: int) -> None:
        wall[0] = t

    return put


def runtime(feed: Any, shelf: Shelf | None, **more: Any) -> Runtime:
    return Runtime([feed], metrics=parse_metrics("cvd"), store=shelf, chart=True, **more)


async def ran(feed: Any, shelf: Shelf | None, **more: Any) -> tuple[Runtime, float | None, int]:
    """After a whole run: the runtime, CVD, missing trades."""
    it = runtime(feed, shelf, **more)
    await it.run()
    market = it.markets[NAME]
    return it, market.value(parse_metric("cvd")), market.missing


def said(it: Runtime) -> str:
    return " | ".join(notice.text for notice in it.overview().notices)


async def test_a_run_goes_on_where_the_last_one_ended() -> None:
    shelf = Shelf()
    assert (await ran(Live(0, 5), shelf))[1:] == (5.0, 0)
    it, cvd, missing = await ran(Live(5, 5), shelf)
    assert (cvd, missing) == (10.0, 0)
    assert "goes on from its checkpoint of" in said(it)
    assert (await ran(Live(12, 1), shelf))[1:] == (11.0, 1)


async def test_a_run_that_is_cancelled_keeps_its_markets() -> None:
    shelf = Shelf()
    it = runtime(Live(0, 5, stay=True), shelf)
    task = asyncio.create_task(it.run())
    while NAME not in it.markets or it.markets[NAME].messages < 5:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert unpack(shelf.kept[NAME]).last_trade_id == 4


async def test_checkpoints_are_taken_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_S", 0.01)
    shelf = Shelf()
    task = asyncio.create_task(runtime(Live(0, 5, stay=True), shelf).run())
    async with asyncio.timeout(10):
        while shelf.saves < 3:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_recordings_and_simulations_leave_nothing() -> None:
    shelf = Shelf()
    recorded = Live(0, 5)
    recorded.live = False  # type: ignore[misc]
    await ran(recorded, shelf)
    simulated = replace(INSTRUMENT, simulated=True)
    await ran(Live(0, 5, instrument=simulated), shelf)
    assert shelf.saves == 0
    await ran(Live(0, 5, instrument=simulated), shelf, keep_simulated=True)
    assert shelf.saves == 1


async def test_another_day_is_another_session(now: Callable[[int], None]) -> None:
    shelf = Shelf()
    await ran(Live(0, 5), shelf)
    now(START + 86_400 * SECOND)
    it, cvd, _ = await ran(Live(86_400, 5), shelf)
    assert cvd == 5.0
    assert (shelf.aside, said(it)) == ([], "")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "checksum"),
        (lambda data: data[: len(data) // 2], "checksum"),
        (lambda data: b"", "damaged"),
        (lambda data: b"\x00" * 10_000, "damaged"),
    ],
)
async def test_a_damaged_one_is_set_aside(spoil: Callable[[bytes], bytes], reason: str) -> None:
    shelf = Shelf()
    await ran(Live(0, 5), shelf)
    shelf.kept[NAME] = spoil(shelf.kept[NAME])
    it, cvd, missing = await ran(Live(9, 5), shelf)
    assert (cvd, missing) == (5.0, 0)
    assert reason in shelf.aside[0][1]
    assert f"{NAME}.unused" in said(it)
    assert unpack(shelf.kept[NAME]).last_trade_id == 13


async def test_one_of_another_instrument_is_set_aside() -> None:
    shelf = Shelf()
    await ran(Live(0, 5), shelf)
    it, cvd, _ = await ran(Live(5, 5, instrument=replace(INSTRUMENT, lot=Decimal("0.01"))), shelf)
    assert cvd == 5.0
    assert "another instrument" in said(it)


async def test_one_of_another_version_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    await ran(Live(0, 5), shelf)

    def check(_state: Any, kind: str, version: int) -> None:
        raise ValueError(f"state of {kind} version {version} is not one of version {version + 1}")

    monkeypatch.setattr("engine.metrics.flow.check_state", check)
    it, cvd, _ = await ran(Live(5, 5), shelf)
    assert cvd == 5.0
    assert "another version" in said(it)


async def test_a_store_that_fails_is_told_once_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_S", 0.005)
    shelf = Shelf()
    shelf.broken = True
    it = runtime(Live(0, 5, stay=True), shelf)
    task = asyncio.create_task(it.run())
    async with asyncio.timeout(10):
        while shelf.tries < 6:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert it.markets[NAME].value(parse_metric("cvd")) == 5.0
    assert said(it).count("can't be written") == 1
    assert said(it).count("can't be read") == 1


async def test_the_rules_and_metrics_of_the_last_run_are_there_again() -> None:
    shelf = Shelf()
    first = Runtime([Live(0, 5)], metrics=parse_metrics("volume(1h)"), store=shelf)
    await first.run()
    it, _, _ = await ran(Live(5, 1), shelf)
    assert it.markets[NAME].value(parse_metric("volume(1h)")) == 6.0


# ---- history


class Remembering(Live):
    """A live source with history."""

    def __init__(self, *args: Any, error: Exception | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.error = error
        self.asked: list[tuple[int, int]] = []

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        self.asked.append((step // SECOND, count))
        if self.error is not None:
            raise self.error
        return bars_of(random_past(1, START - 3600 * SECOND, START), step)


async def warmed(feed: Remembering, shelf: Shelf | None = None, **more: Any) -> Runtime:
    it = Runtime([feed], metrics=parse_metrics("vwap"), store=shelf, **more)
    task = asyncio.create_task(it.run())
    for _ in range(200):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return it


async def test_a_new_market_learns_once() -> None:
    feed = Remembering(0, 5, stay=True)
    it = await warmed(feed, warm=True)
    assert feed.asked == [(60, 1440), (300, 8064)]
    assert it.markets[NAME].warmed(parse_metric("vwap")) is not None


async def test_one_that_goes_on_or_is_not_asked_to_learns_nothing() -> None:
    shelf = Shelf()
    await ran(Live(0, 5), shelf)
    resumed, plain = Remembering(5, 5, stay=True), Remembering(0, 5, stay=True)
    await warmed(resumed, shelf, warm=True)
    await warmed(plain)
    assert resumed.asked == plain.asked == []


@pytest.mark.parametrize(
    ("error", "text"), [(HistoryError("HTTP 500"), "no history to warm up with: HTTP 500"), (KeyError("x"), "failed")]
)
async def test_without_history_it_runs_all_the_same(error: Exception, text: str) -> None:
    it = await warmed(Remembering(0, 5, stay=True, error=error), warm=True)
    assert it.markets[NAME].value(parse_metric("vwap")) == 10.0
    assert text in said(it)
