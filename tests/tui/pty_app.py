"""Run as a program under a pseudo-terminal by test_signals: the monitor on seeded markets."""

from __future__ import annotations

import asyncio
import sys

from tests.tui.monitor import FakeMonitor
from tui.app import AppOptions, FlowtapeApp


def main() -> int:
    monitor = FakeMonitor()

    async def start() -> None:
        while True:
            monitor.step()
            await asyncio.sleep(0.05)

    app = FlowtapeApp(monitor, start, AppOptions())
    app.run(mouse=False)
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
