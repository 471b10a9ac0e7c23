"""What the monitor costs on a terminal: CPU, bytes on the wire, first paint, memory. Run by `make bench`.

The simulated markets at 10 Hz, truecolor; Textual's driver and ours run side by side, each under its own pty, directly,
over a real sshd on loopback, and in tmux (there the bytes are those that tmux sends). CPU is user and system time of
the process against the clock on the wall, in per cent of one core: it holds for a machine that does little else.
FLOWTAPE_SOAK=600 adds ten minutes of watching its memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.terminal.pseudo import CURSOR, FLOWTAPE, SYNCHRONISED, PseudoTerminal, environment
from tests.terminal.remote import in_tmux, over_ssh

WARM_UP, MEASURED = 10.0, 20.0  # seconds
DRIVERS = ("stock", "thrifty")
MIB = 1 << 20


def monitor(home: Path, columns: int, rows: int, *options: str) -> PseudoTerminal:
    """The monitor on the simulated markets, under a terminal that answers as modern ones do."""
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


@dataclass(frozen=True)
class Cost:
    """Of one driver, a second."""

    percent: float  # of a core
    kilobytes: float
    rss: float  # MiB

    def __str__(self) -> str:
        return f"{self.percent:5.1f} % of a core  {self.kilobytes:7.2f} kB/s  {self.rss:4.0f} MiB"


class Watched:
    """A terminal that a thread reads all the time."""

    def __init__(self, terminal: PseudoTerminal, marker: str) -> None:
        self.terminal, self._marker = terminal, marker
        self._going = True
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while self._going:
            self.terminal.read(0.05)

    def process(self) -> psutil.Process:
        """The monitor itself, wherever it runs: by an argument that only it has."""
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if self._marker in words and "python" in words[0]:
                return process
        raise AssertionError(f"no process has {self._marker}; written: {bytes(self.terminal.written[-500:])!r}")

    def measure(self, seconds: float) -> Cost:
        """Over so many seconds."""
        process = self.process()
        began, cpu_before, before = time.monotonic(), cpu(process), len(self.terminal.written)
        time.sleep(seconds)
        took = time.monotonic() - began
        return Cost(
            100 * (cpu(process) - cpu_before) / took,
            (len(self.terminal.written) - before) / took / 1e3,
            process.memory_info().rss / MIB,
        )

    def stop(self) -> None:
        """Stop reading."""
        self._going = False
        self._thread.join()


@contextmanager
def watched(folder: Path, driver: str, way: str, size: tuple[int, int], *options: str) -> Iterator[Watched]:
    """The monitor with a driver, at the end of a way."""
    config = folder / f"{driver}.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("")
    command = (*FLOWTAPE, *options, "--driver", driver, "--config", str(config))
    env = environment(folder / "home")
    with ExitStack() as stack:
        if way == "ssh":
            command = stack.enter_context(over_ssh(command, env, folder / "ssh"))
        elif way == "tmux":
            command = stack.enter_context(in_tmux(command, env, folder / "tmux"))
        elif way == "ssh and tmux":
            command = stack.enter_context(in_tmux(command, env, folder / "tmux"))
            command = stack.enter_context(over_ssh(command, env, folder / "ssh"))
        terminal = stack.enter_context(PseudoTerminal(command, env, size=size, answers=SYNCHRONISED | CURSOR))
        watch = Watched(terminal, str(config))
        stack.callback(watch.stop)
        yield watch
        terminal.type(b"q")


@pytest.mark.parametrize("way", ["pty", "ssh", "tmux", "ssh and tmux"])
@pytest.mark.parametrize(
    ("size", "most_cpu", "most_kilobytes"), [((120, 40), 12, 20), ((200, 60), 18, 40), ((80, 24), 8, 10)]
)
def test_a_running_screen(
    tmp_path: Path, way: str, size: tuple[int, int], most_cpu: float, most_kilobytes: float
) -> None:
    if way != "pty" and size != (120, 40):
        pytest.skip("other ways are measured at one size")
    with ExitStack() as stack:
        both = {name: stack.enter_context(watched(tmp_path / name, name, way, size)) for name in DRIVERS}
        time.sleep(WARM_UP)
        found: dict[str, Cost] = {}
        threads = [
            threading.Thread(target=lambda name=name: found.setdefault(name, both[name].measure(MEASURED)))
            for name in DRIVERS
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"\n{way}, {size[0]}x{size[1]}")
    for name in DRIVERS:
        print(f"  {name:<8} {found[name]}")
    ours, stock = found["thrifty"], found["stock"]
    assert ours.kilobytes <= most_kilobytes
    assert ours.kilobytes <= 0.5 * stock.kilobytes
    # On a machine with other work everything takes longer; then Textual's driver tells how much.
    assert ours.percent <= max(most_cpu, 1.25 * stock.percent)


@pytest.mark.parametrize("how", ["paused picture", "finished recording"])
def test_a_screen_that_stands_still(tmp_path: Path, how: str) -> None:
    options = () if how == "paused picture" else ("play", str(_recording(tmp_path)), "--speed", "0")
    config = tmp_path / "c.toml"
    config.write_text("presets = []\n")  # an alert is news
    names = ("--as", "binance:ETH/USDT:USDT", "--tick", "0.01", "--lot", "0.001") if options else ()
    command = (*FLOWTAPE, *options, *names, "--config", str(config))
    with PseudoTerminal(command, environment(tmp_path), answers=SYNCHRONISED | CURSOR) as terminal:
        drain(terminal, 8.0)
        if how == "paused picture":
            terminal.type(b" ")
        drain(terminal, 8.0)  # notices are shown for a while, and the last pictures leave
        process = psutil.Process(terminal.process.pid)
        began, cpu_before, before = time.monotonic(), cpu(process), len(terminal.written)
        drain(terminal, 30.0)
        percent = 100 * (cpu(process) - cpu_before) / (time.monotonic() - began)
        sent = bytes(terminal.written[before:])
        print(f"\n{how}: {percent:.2f} % of a core, {len(sent)} bytes in 30 s")
        terminal.type(b"q")
        assert terminal.ended() == 0
    assert sent == b""
    if how == "finished recording":  # the engine of the simulated markets goes on under a paused picture
        assert percent <= 1.0


def _recording(folder: Path) -> Path:
    from tests.connectors.archives.recordings import SYNCED, capture, depth, trade

    lines = [*SYNCED]
    for n in range(1, 200):
        at, update = 200 * n, 106 + n
        lines.append(depth(at, update, update, update - 1, [("99.99", f"{1 + n % 7}.000")], []))
        lines.append(trade(at + 1, n, "100.01" if n % 3 else "100.00", "0.500", maker=n % 3 == 0))
    return capture(folder / "usdm_ethusdt_20240808.gz", lines)


def test_first_paint(tmp_path: Path) -> None:
    # As installed: byte code is kept, whatever the shell that runs this says.
    env = environment(tmp_path, PYTHONDONTWRITEBYTECODE=None, PYTHONPYCACHEPREFIX=str(tmp_path / "bytecode"))

    command = Path(sys.executable).with_name("flowtape")

    def paint() -> float:
        with PseudoTerminal((str(command),), env, answers=SYNCHRONISED | CURSOR) as terminal:
            terminal.find(b"\x1b[6n", terminal.find(b"DEPTH"))  # the end of the picture
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
