"""The same trades as a file, in random cuts, and served live by an exchange on loopback: the same bytes of NDJSON."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.archives import open_archive
from connectors.binance import BinanceFeed, Endpoints
from connectors.live.timing import Timing
from connectors.replay import ReplayFeed
from engine.feed import Engine, Feed
from engine.metrics.names import parse_metrics
from engine.runtime import Runtime
from tests.emulator.binance import BinanceEmulator, eventually
from tests.emulator.market import EmulatedMarket, spot
from tests.engine.tapes import message_cuts
from tests.real_data import data_dir, data_file
from tui.commands.stream import Lines, LineSampler

METRICS = parse_metrics("cvd,ti(30s),vpin(1000,50),vpin(500,50),vwap,delta(60s),ti_z(30s),poc,imbalance(5)")
SECOND = 1_000_000_000
# Clock rows of a quiet line would tell times of our own: these trades come faster than they happened.
TIMING = Timing(between_requests=0.001, quiet=1e9, silent_trades=1e9)
LOT = Decimal("0.00001")  # what the connector makes of the emulator's LOT_SIZE


class CutFeed:
    """An archive whose rows are handed over in pieces of `cut()` messages."""

    name, live, markets = "cut", False, ()

    def __init__(self, archive: Any, seed: int, longest: int) -> None:
        self._archive, self._rng, self._longest = archive, random.Random(seed), longest

    async def run(self, engine: Engine) -> None:
        for chunk in self._archive.chunks(engine.notice):
            sink = engine.open(chunk.instrument)
            for rows in message_cuts(chunk.rows, lambda: self._rng.randrange(1, self._longest + 1)):
                sink.apply(rows)
                await engine.drained()


def collect() -> tuple[list[bytes], Lines]:
    out: list[bytes] = []
    return out, Lines(out.append, ordered=False)


def runtime(feed: Feed, lines: Lines) -> Runtime:
    return Runtime([feed], samplers=lambda i: [LineSampler(i, SECOND, METRICS, lines)])


async def streamed(feed: Feed) -> bytes:
    out, lines = collect()
    await runtime(feed, lines).run()
    return b"".join(out)


async def served(market: EmulatedMarket, trades: list[dict[str, Any]]) -> bytes:
    """What the live path makes of the trades when a local exchange sends them."""
    out, lines = collect()
    async with BinanceEmulator(market) as emulator:
        endpoints = Endpoints(emulator.url, emulator.ws_url)
        engine = runtime(BinanceFeed(["LTC/USDT"], endpoints, ("trades",), timing=TIMING), lines)
        task = asyncio.create_task(engine.run())
        await eventually(lambda: emulator.subscribed(market), "subscribed")
        market.trades = trades  # what REST answers when the connector asks for missing ids: they are not there
        stream = f"{market.native.lower()}@trade"
        await emulator.play(
            market, (json.dumps({"stream": stream, "data": event}, separators=(",", ":")).encode() for event in trades)
        )
        last = trades[-1]["T"] * 1_000_000
        # The last trades may wait for a gap before them to be asked for.
        await eventually(lambda: engine.markets["binance:LTC/USDT"].t >= last, "the last trade", 60)
        await eventually(lambda: engine.markets["binance:LTC/USDT"].messages >= len(trades), "all trades", 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return b"".join(out)


def event(trade_id: int, ms: int, price: str, size: str, side: str) -> dict[str, Any]:
    one = {"e": "trade", "E": ms, "s": "LTCUSDT", "t": trade_id, "p": price, "q": size, "T": ms}
    return one | {"m": side == "sell", "M": True}


def read(paths: list[Path]) -> list[dict[str, Any]]:
    found = []
    for path in paths:
        with gzip.open(path, "rt") as lines:
            found += [
                event(int(r["tradeId"]), int(r["timestamp"]), r["price"], r["quantity"], r["side"])
                for r in csv.DictReader(lines)
            ]
    return sorted(found, key=lambda e: e["t"])


def made(folder: Path) -> Path:
    """A small file of the same shape, with gaps in the ids."""
    rng = random.Random(5)
    ms, px, trade_id, rows = 1_750_500_000_000, 8_000, 100, ["timestamp,price,quantity,side,tradeId"]
    for _ in range(4_000):
        ms += rng.choice((0, 0, rng.randrange(1, 900)))
        px += rng.choice((-1, 0, 0, 1))
        trade_id += 1 if rng.random() > 0.002 else rng.randrange(2, 40)
        size = f"{rng.paretovariate(1.2) * 2:.3f}"
        rows.append(f"{ms},{px / 100:.2f},{size},{rng.choice(('buy', 'sell'))},{trade_id}")
    path = folder / "LTCUSDT_trades.csv.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode() + b"\n"))
    return path


@pytest.fixture(params=["made", "recorded"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    if request.param == "made":
        return [made(tmp_path)]
    data_file("ltcusdt_trades")
    return sorted((data_dir() / "ltcusdt_trades").glob("*.csv.gz"))


async def test_one_batch_random_cuts_and_the_live_path_give_the_same_bytes(files: list[Path]) -> None:
    def archive() -> Any:
        return open_archive(files, market="binance:LTC/USDT", lot=LOT)

    whole = await streamed(ReplayFeed(archive()))
    assert whole.count(b"\n") > 500
    assert await streamed(CutFeed(archive(), 1, 500)) == whole
    if len(files) == 1:  # a fold per trade
        assert await streamed(CutFeed(archive(), 2, 1)) == whole
    market = spot("LTCUSDT", "LTC")
    market.tick, market.lot = "0.01", "0.001"
    trades = read(files)
    market.now_ms = trades[0]["T"] - 3_000  # the connector's first statuses bear the venue's time
    expected = whole.splitlines()
    first = json.loads(expected[0])["t"]
    lines = [line for line in (await served(market, trades)).splitlines() if json.loads(line)["t"] >= first]
    for ours, theirs in zip(lines, expected, strict=False):
        assert ours.decode() == theirs.decode()
    assert len(lines) == len(expected)
