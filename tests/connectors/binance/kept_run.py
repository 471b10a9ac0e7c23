"""A live run with checkpoints, to be killed: `python -m tests.connectors.binance.kept_run REST WS FOLDER SYMBOL`.

Prints what the market shows as JSON lines. Its wall clock stands in the emulated market's time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from connectors.binance import BinanceFeed, Endpoints
from engine import runtime as module
from engine.metrics.names import parse_metrics
from engine.runtime import Runtime
from tests.emulator.exchange import QUICK
from tests.emulator.market import START_MS
from tui.checkpoints import CheckpointFiles

METRICS = parse_metrics("cvd,volume(start),trades(start)")


async def main(rest: str, ws: str, folder: str, symbol: str) -> None:
    began = time.time_ns()
    module.CHECKPOINT_S = 0.2
    emulated = SimpleNamespace(
        monotonic=time.monotonic, time_ns=lambda: START_MS * 1_000_000 + time.time_ns() - began + 60 * 10**9
    )
    module.time = emulated  # type: ignore[attr-defined]
    feed = BinanceFeed([symbol], Endpoints(rest, ws), timing=QUICK)
    runtime = Runtime([feed], metrics=METRICS, chart=True, store=CheckpointFiles(Path(folder)))
    running = asyncio.create_task(runtime.run())
    while not running.done():
        for market in tuple(runtime.markets.values()):
            market.flush()
            shown = {metric.name: market.value(metric) for metric in METRICS}
            notices = [notice.text for notice in runtime.overview().notices]
            print(json.dumps({**shown, "missing": market.missing, "notices": notices}), flush=True)
        await asyncio.sleep(0.01)
    running.result()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
