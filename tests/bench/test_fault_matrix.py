"""Venue × fault: how long until both books are true again, and what was lost on the way.

Times are at the emulator's pace (backoff 10 to 50 ms instead of 0.5 to 30 s, silence after 0.4 s instead of 15), so
they compare faults; they are not those of life.
"""

from __future__ import annotations

import time

import pytest

from tests.connectors.live.test_faults import check, running
from tests.emulator.faults import FAULTS, applies
from tests.emulator.venues import EXCHANGES


@pytest.mark.parametrize("venue", EXCHANGES)
async def test_time_to_live_again_and_losses(venue: str) -> None:
    kind = EXCHANGES[venue]
    print(f"\n{venue}: fault; ms to true books again; times this book was lost, of it snapshots; trades missing")
    for name in FAULTS:
        if not applies(name, kind) or name == "delisted":
            continue
        async with running(kind) as run:
            sink = run.sink
            said, snapshots = len(sink.said), sink.snapshots
            began = time.perf_counter()
            await FAULTS[name](run)
            await run.settle()
            took = 1e3 * (time.perf_counter() - began)
            check(run)
            losses = sum(1 for _, trust, _ in sink.said[said:] if trust.name in ("RESYNC", "STALE", "SILENT"))
            missing = sum(max(1, count) for _, count in sink.holes)
            print(f"  {name:44} {took:7.0f} {losses:4} {sink.snapshots - snapshots:4} {missing:4}")
