"""What the monitor costs on a terminal: CPU, bytes on the wire, first paint, memory. Run by `make bench`.

The simulated markets at 10 Hz, truecolor, Textual's own driver. CPU is user and system time of the process against
the clock on the wall, in per cent of one core. FLOWTAPE_SOAK=600 adds ten minutes of watching its memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.terminal.pseudo import CURSOR, FLOWTAPE, SYNCHRONISED, PseudoTerminal, environment

WARM_UP, MEASURED = 6.0, 15.0  # seconds
FRAME = b"\x1b[?2026h"
MIB = 1 << 20


def monitor(home: Path, columns: int, rows: int, *options: str) -> PseudoTerminal:
    """The monitor on the simulated markets, under a terminal that knows synchronised output."""
    return PseudoTerminal((*FLOWTAPE, *options), environment(home), size=(columns, rows), answers=SYNCHRONISED | CURSOR)


def drain(terminal: PseudoTerminal, seconds: float) -> None:
    """Read for so long."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        terminal.read(left)


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


@pytest.mark.parametrize(
    ("columns", "rows", "most_cpu", "most_kilobytes"), [(120, 40, 12, 70), (80, 24, 8, None), (200, 60, 18, None)]
)
def test_a_running_screen(
    tmp_path: Path, columns: int, rows: int, most_cpu: float, most_kilobytes: float | None
) -> None:
    with monitor(tmp_path, columns, rows) as terminal:
        drain(terminal, WARM_UP)
        process = psutil.Process(terminal.process.pid)
        bytes_before, frames_before, cpu_before = len(terminal.written), terminal.written.count(FRAME), cpu(process)
        began = time.monotonic()
        drain(terminal, MEASURED)
        took = time.monotonic() - began
        percent = 100 * (cpu(process) - cpu_before) / took
        kilobytes = (len(terminal.written) - bytes_before) / took / 1e3
        frames = (terminal.written.count(FRAME) - frames_before) / took
        print(
            f"\n{columns}x{rows}: {percent:.1f} % of a core, {kilobytes:.1f} kB/s, {frames:.1f} frames/s, "
            f"{process.memory_info().rss / MIB:.0f} MiB"
        )
        terminal.type(b"q")
        assert terminal.ended() == 0
    assert frames >= 9.5
    assert percent <= most_cpu
    assert most_kilobytes is None or kilobytes <= most_kilobytes


def test_first_paint(tmp_path: Path) -> None:
    # As installed: byte code is kept, whatever the shell that runs this says.
    env = environment(tmp_path, PYTHONDONTWRITEBYTECODE=None, PYTHONPYCACHEPREFIX=str(tmp_path / "bytecode"))

    command = Path(sys.executable).with_name("flowtape")

    def paint() -> float:
        with PseudoTerminal((str(command),), env, answers=SYNCHRONISED | CURSOR) as terminal:
            start = terminal.find(b"\x1b[1;1H")
            terminal.until(lambda: terminal.written.count(b"\n", start) >= terminal.size[1] - 1, "a full frame")
            assert b"DEPTH" in terminal.written
            return time.monotonic() - terminal.started

    def bare() -> float:
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import textual.app"], check=True, env=env)
        return time.monotonic() - began

    contestants: list[tuple[Callable[[], float], list[float]]] = [(paint, []), (bare, [])]
    for turn in range(8):
        for run, times in contestants:
            took = run()
            if turn:  # the first ones fill the disk's cache
                times.append(took)
    ours, textual = (min(times) for _, times in contestants)  # all that comes on top is the machine's other work
    print(f"\nfirst paint {1e3 * ours:.0f} ms, import textual.app {1e3 * textual:.0f} ms: {ours / textual:.2f} x")
    assert ours / textual <= 1.3


@pytest.mark.timeout(0)
@pytest.mark.skipif("FLOWTAPE_SOAK" not in os.environ, reason="set FLOWTAPE_SOAK to a number of seconds")
def test_memory_over_time(tmp_path: Path) -> None:
    seconds = float(os.environ["FLOWTAPE_SOAK"])
    slices = 20
    with monitor(tmp_path, 120, 40) as terminal:
        drain(terminal, min(30.0, seconds / 4))
        process = psutil.Process(terminal.process.pid)
        began, cpu_before, bytes_before = time.monotonic(), cpu(process), terminal.forgotten + len(terminal.written)
        sizes: list[float] = []
        for n in range(slices):
            while (left := began + seconds * (n + 1) / slices - time.monotonic()) > 0:
                drain(terminal, min(left, 10.0))
                terminal.forget()
            sizes.append(process.memory_info().rss / MIB)
            took, total = time.monotonic() - began, terminal.forgotten + len(terminal.written) - bytes_before
            print(
                f"{took:7.0f} s  {sizes[-1]:5.0f} MiB  {100 * (cpu(process) - cpu_before) / took:5.1f} % CPU  "
                f"{total / 1e6:8.2f} MB  {total / took / 1e3:5.2f} kB/s",
                flush=True,
            )
        terminal.type(b"q")
        assert terminal.ended() == 0
        assert terminal.restored == []
    assert sizes[-1] <= 130
    # Rings and histories fill up at first; after half the time nothing may go on growing.
    half = sizes[len(sizes) // 2 - 1]
    assert sizes[-1] - half <= 6 + 0.05 * half
