"""A run that is killed and started again: it goes on, and what it missed is there or marked."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.binance import BinanceEmulator, eventually
from tests.emulator.market import EmulatedMarket, spot, usdm
from tui.checkpoints import CheckpointFiles

ROOT = Path(__file__).resolve().parents[3]


class Run:
    """A run in a process of its own, and the last it showed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.shown: dict[str, Any] = {}
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.shown = json.loads(line)

    async def kill(self) -> None:
        """As `kill -9` does."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self._reading


@asynccontextmanager
async def run(emulator: BinanceEmulator, folder: Path, symbol: str) -> AsyncIterator[Run]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.connectors.binance.kept_run"),
        *(emulator.url, emulator.ws_url, str(folder), symbol),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    it = Run(process)
    try:
        yield it
    finally:
        await it.kill()


def total(market: EmulatedMarket, trades: list[dict[str, Any]]) -> float:
    """CVD of the trades."""
    return float(sum(Decimal(t["q"]) * (-1 if t["m"] else 1) for t in trades))


async def follow(emulator: BinanceEmulator, market: EmulatedMarket, it: Run, count: Callable[[], int]) -> None:
    """Let the market go on until the run has seen it live."""
    await eventually(lambda: emulator.subscribed(market), "subscribed", 30)
    await emulator.step(market, deltas=3, trades=5)
    await eventually(lambda: it.shown.get("trades") == count(), "every trade", 30)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    ("make", "symbol", "missed", "lost"),
    [(spot, "ETH/USDT", 1300, 0), (usdm, "ETH/USDT:USDT", 300, 0), (usdm, "ETH/USDT:USDT", 1500, 500)],
)
async def test_killed_and_started_again(tmp_path: Path, make: Any, symbol: str, missed: int, lost: int) -> None:
    market = make()
    path = CheckpointFiles(tmp_path).path(f"binance:{symbol}")
    async with BinanceEmulator(market) as emulator:
        async with run(emulator, tmp_path, symbol) as first:
            await follow(emulator, market, first, lambda: len(market.trades))
            before = path.stat().st_mtime_ns if path.exists() else 0
            await eventually(lambda: path.exists() and path.stat().st_mtime_ns > before, "a checkpoint", 30)
            await eventually(lambda: first.shown["cvd"] == total(market, market.trades), "CVD")
            await first.kill()
        assert path.exists()
        kept = len(market.trades)
        for _ in range(missed):
            market.trade()
        await eventually(lambda: not emulator.subscribed(market), "the old socket is gone")
        async with run(emulator, tmp_path, symbol) as second:
            await follow(emulator, market, second, lambda: len(market.trades) - lost)
            shown = second.shown
    seen = market.trades[:kept] + market.trades[kept + lost :]
    assert shown["cvd"] == total(market, seen)
    assert shown["missing"] == lost
    assert any("goes on from its checkpoint" in text for text in shown["notices"])
    assert [p.name for p in tmp_path.glob("[!.]*")] == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
async def test_a_file_that_was_damaged_meanwhile_is_set_aside(tmp_path: Path) -> None:
    market = spot()
    path = CheckpointFiles(tmp_path).path("binance:ETH/USDT")
    async with BinanceEmulator(market) as emulator:
        async with run(emulator, tmp_path, "ETH/USDT") as first:
            await follow(emulator, market, first, lambda: len(market.trades))
            await eventually(path.exists, "a checkpoint", 30)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        kept = len(market.trades)
        await eventually(lambda: not emulator.subscribed(market), "the old socket is gone")
        async with run(emulator, tmp_path, "ETH/USDT") as second:
            await follow(emulator, market, second, lambda: len(market.trades) - kept)
            shown = second.shown
    assert any("checkpoint is not used: it is damaged" in text for text in shown["notices"])
    assert len(list(tmp_path.glob("*.unused"))) == 1
