"""How far a recording has been read, on standard error."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.runtime import Runtime

_EVERY_S = 0.5


async def show_progress(runtime: Runtime) -> None:
    """Until it is cancelled; nothing in the first second."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(_EVERY_S)
        if time.monotonic() - began < 1:
            continue
        clock = max((market.t for market in runtime.markets.values()), default=0)
        messages = sum(market.messages for market in runtime.markets.values())
        at = datetime.fromtimestamp(clock / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        print(f"\r\x1b[K{at} UTC  {messages:,} messages", end="", file=sys.stderr, flush=True)
