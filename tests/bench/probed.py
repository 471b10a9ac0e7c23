"""`flowtape` with probes, for the measurements here: how late the event loop runs, and when each picture was taken.

Run as `python -m tests.bench.probed REPORT [ARGUMENT…]`. Each picture on the wire is followed by an OSC 7777 that
names the time (seconds, monotonic clock) of the newest data in it; REPORT gets what the loop was like, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

STAMP = "\x1b]7777;{:.6f}\x07"
_EVERY = 0.01  # seconds between two looks at the loop


def main(report: Path, arguments: list[str]) -> int:
    """Run the command line with the probes in place."""
    from textual.drivers.linux_driver import LinuxDriver

    import tui.app as application
    from tui.cli import main as command_line
    from tui.driver.thrifty import FRAME, ThriftyDriver

    taken = time.monotonic()
    late: list[float] = []
    ticks = 0

    async def watch() -> None:
        due = time.monotonic() + 5.0  # after start-up
        await asyncio.sleep(5.0)
        while True:
            due = max(due + _EVERY, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            late.append(time.monotonic() - due)
            if len(late) % 100 == 0:
                ordered = sorted(late)
                report.write_text(
                    json.dumps(
                        {"p99_ms": 1e3 * ordered[len(ordered) * 99 // 100], "max_ms": 1e3 * ordered[-1], "ticks": ticks}
                    )
                )

    begin, tick = application.FlowtapeApp._begin, application.FlowtapeApp.tick

    def begin_watched(app: Any) -> None:
        app.run_worker(watch(), name="probe")
        begin(app)

    def tick_timed(app: Any) -> None:
        nonlocal taken, ticks
        skipped = app.link is not None and app.link.congested
        if not skipped:
            taken = time.monotonic()
            ticks += 1
        tick(app)

    send, write = ThriftyDriver._send, LinuxDriver.write

    def send_stamped(driver: Any, data: str) -> int:
        return send(driver, data + STAMP.format(taken) if "\x1b[6n" in data else data)

    def write_stamped(driver: Any, data: str) -> None:
        write(driver, data + STAMP.format(taken) if FRAME.match(data) else data)

    for owner, name, probe in (
        (application.FlowtapeApp, "_begin", begin_watched),
        (application.FlowtapeApp, "tick", tick_timed),
        (ThriftyDriver, "_send", send_stamped),
        (LinuxDriver, "write", write_stamped),
    ):
        setattr(owner, name, probe)
    return command_line(arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
