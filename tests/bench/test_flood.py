"""The whole live path under load: socket, decoding, sequence, trust, book, tape, metrics, views; and many markets.

Sizes come from the environment: FLOWTAPE_FLOOD_RATE (messages a second, 20,000), FLOWTAPE_FLOOD_SECONDS (10),
FLOWTAPE_FLOOD_MARKETS (100).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from connectors.binance import BinanceFeed, Endpoints
from engine.metrics.names import parse_metrics
from engine.runtime import Runtime
from engine.tape import Channel
from engine.view import ViewRequest
from tests.bench.flood import native

RATE = int(os.environ.get("FLOWTAPE_FLOOD_RATE", "20000"))
SECONDS = float(os.environ.get("FLOWTAPE_FLOOD_SECONDS", "10"))
MARKETS = int(os.environ.get("FLOWTAPE_FLOOD_MARKETS", "100"))
CORE = "cvd,delta(60s),ti(30s),ofi(10s),vpin(1000,50),vwap,mid,imbalance(5),trades(24h)"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Watched:
    """What was seen of a run."""

    lags: list[float] = field(default_factory=list)  # ms: now - exchange time of the newest message
    late: list[float] = field(default_factory=list)  # ms: how late the event loop woke us
    cpu: float = 0.0  # share of a core that we had
    cost: float = 0.0  # CPU seconds a message
    told: dict[str, float] = field(default_factory=dict)
    runtime: Runtime = field(default_factory=lambda: Runtime([]))


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


@asynccontextmanager
async def flood(markets: int, rate: int, seconds: float) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.flood", str(markets), str(rate), str(seconds),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        yield int(await server.stdout.readline()), server
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        await server.wait()


async def run(markets: int, rate: int, seconds: float, views: int) -> Watched:
    """A feed of so many markets through the runtime, of which `views` are drawn ten times a second."""
    seen = Watched()
    async with flood(markets, rate, seconds) as (port, server):
        symbols = [f"{native(i)[:4]}/USDT" for i in range(markets)]
        endpoints = Endpoints(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
        feed = BinanceFeed(symbols, endpoints, rng=random.Random(1))
        runtime = seen.runtime = Runtime([feed], metrics=parse_metrics(CORE), chart=True)
        task = asyncio.create_task(runtime.run())
        try:
            await _watch(seen, runtime, server, views)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return seen


async def _watch(seen: Watched, runtime: Runtime, server: asyncio.subprocess.Process, views: int) -> None:
    while not runtime.markets or not all(m.trust.usable(Channel.BOOK) for m in runtime.markets.values()):
        await asyncio.sleep(0.05)
    assert server.stdout is not None
    assert server.stdin is not None
    server.stdin.write(b"go\n")
    ended = asyncio.create_task(server.stdout.readline())
    count = next(iter(parse_metrics("trades(24h)")))
    while not any(m.value(count) for m in runtime.markets.values()):
        await asyncio.sleep(0.01)
    gc.collect()
    gc.freeze()
    process, turn = psutil.Process(), 0
    began, cpu = time.monotonic(), sum(process.cpu_times()[:2])
    request = ViewRequest(ladder_rows=30, metrics=("cvd", "vpin(1000,50)", "imbalance(5)"))
    names = list(runtime.markets)[:views]
    while not ended.done():
        before = time.monotonic()
        await asyncio.sleep(0.02)
        seen.late.append((time.monotonic() - before - 0.02) * 1e3)
        seen.lags.append(time.time() * 1e3 - max(m.t for m in runtime.markets.values()) / 1e6)
        turn += 1
        if turn % 5 == 0:
            for name in names:
                runtime.view(name, request)
    seen.told = json.loads(ended.result())
    with contextlib.suppress(TimeoutError):  # where others use the machine, too, it may not have kept up
        async with asyncio.timeout(90):
            while _arrived(runtime) < seen.told["trades"]:
                await asyncio.sleep(0.1)
    spent = sum(process.cpu_times()[:2]) - cpu
    seen.cpu, seen.cost = spent / (time.monotonic() - began), spent / seen.told["sent"]
    gc.unfreeze()


def _report(title: str, seen: Watched) -> None:
    half = len(seen.lags) // 2
    print(
        f"\n{title}: {seen.told}\n"
        f"  CPU {1e6 * seen.cost:.1f} µs a message: {seen.cost * seen.told['sent'] / SECONDS:.0%} of a core would do; "
        f"it had {seen.cpu:.0%}; age of the newest message ms: p50 {at(seen.lags, 0.5):.1f}, "
        f"p99 {at(seen.lags, 0.99):.1f}, first half p50 {at(seen.lags[:half], 0.5):.1f}, "
        f"second half {at(seen.lags[half:], 0.5):.1f}; "
        f"event loop late ms: p50 {at(seen.late, 0.5):.1f}, p99 {at(seen.late, 0.99):.1f}"
    )


def _arrived(runtime: Runtime) -> int:
    count = next(iter(parse_metrics("trades(24h)")))
    return sum(int(market.value(count) or 0) for market in runtime.markets.values())


def _complete(seen: Watched) -> None:
    """Nothing was lost, every book is right."""
    assert [m.missing for m in seen.runtime.markets.values() if m.missing] == []
    assert all(m.trust.usable(Channel.BOOK) for m in seen.runtime.markets.values())
    assert _arrived(seen.runtime) == seen.told["trades"]


async def test_a_flood_of_messages_is_sustained() -> None:
    seen = await run(10, RATE, SECONDS, views=1)
    _report(f"{RATE:,} messages/s of 10 markets for {SECONDS:.0f} s, metrics and views at 10 Hz", seen)
    _complete(seen)
    assert seen.cost * RATE < 0.9, "one core would not do"


@pytest.mark.timeout(300)  # snapshots of 100 markets are more than the venue allows in a minute
async def test_many_markets_in_one_process() -> None:
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    seen = await run(MARKETS, 20 * MARKETS, SECONDS, views=1)
    grown = process.memory_info().rss - before
    _report(f"{MARKETS} markets of 20 messages/s each for {SECONDS:.0f} s", seen)
    print(f"  memory {grown / MARKETS / 1024:.0f} kB a market, {grown / 2**20:.0f} MB in all")
    _complete(seen)
