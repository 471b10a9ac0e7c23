"""Slow links: how old the picture is when it arrives, and how late the event loop runs, with each driver.

The terminal's end of the pty is read no faster than the link carries, and every answer of the terminal comes a round
trip later. An age is that of the newest data in a picture when the terminal has worked through it, with half the round
trip for the way there. FLOWTAPE_LINK_SECONDS (25) is how long each is measured, after 6 s of start-up.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terminal.pseudo import CURSOR, SYNCHRONISED, PseudoTerminal, environment

SECONDS = float(os.environ.get("FLOWTAPE_LINK_SECONDS", "25"))
START_UP = 6.0
_STAMP = re.compile(rb"\x1b\]7777;([\d.]+)\x07")


class SlowTerminal(PseudoTerminal):
    """A terminal behind a link of so many bytes a second and such a round trip (seconds)."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str], rate: float, round_trip: float, **more: object):
        self.rate, self.round_trip = rate, round_trip
        self._credit, self._credited = 0.0, time.monotonic()
        self._replies: list[tuple[float, bytes]] = []
        self.ages: list[tuple[float, float]] = []  # when a picture was there, how old it was
        self._seen = 0
        super().__init__(command, env, answers=SYNCHRONISED | CURSOR, **more)  # type: ignore[arg-type]

    def answer(self, data: bytes) -> None:
        """A round trip later."""
        self._replies.append((time.monotonic() + self.round_trip, data))

    def read(self, seconds: float = 0.05) -> bytes:
        """See PseudoTerminal; at most what the link has carried by now."""
        now = time.monotonic()
        while self._replies and self._replies[0][0] <= now:
            super().answer(self._replies.pop(0)[1])
        self._credit = min(self._credit + (now - self._credited) * self.rate, 0.02 * self.rate + 1)
        self._credited = now
        if self._credit < min(64, 0.01 * self.rate):
            time.sleep(0.002)
            return b""
        self.most = max(1, int(self._credit))
        data = super().read(min(seconds, 0.01))
        self._credit -= len(data)
        for stamp in _STAMP.finditer(self.written, max(0, self._seen - 40)):
            if stamp.end() > self._seen:
                now = time.monotonic()
                self.ages.append((now, now - float(stamp[1]) + self.round_trip / 2))
        self._seen = len(self.written)
        return data


@dataclass(frozen=True)
class Measured:
    """Of one run."""

    kilobytes: float  # a second
    pictures: float  # a second
    age: float  # ms, median
    oldest: float  # ms
    late: float | None  # ms, the 99th percentile; None: the loop never got so far as to say
    latest: float | None

    def __str__(self) -> str:
        late = (
            "loop never free"
            if self.late is None
            else f"loop late p99 {self.late:.0f} ms, at most {self.latest:.0f} ms"
        )
        return (
            f"{self.pictures:4.1f} pictures/s, {self.kilobytes:5.1f} kB/s, age {self.age:6.0f} ms "
            f"(oldest {self.oldest:6.0f} ms), {late}"
        )


def measure(home: Path, driver: str, rate: float, round_trip: float) -> Measured:
    """The monitor on its simulated markets behind such a link."""
    report = home / f"{driver}-{rate:.0f}.json"
    command = (sys.executable, "-m", "tests.bench.probed", str(report), "--driver", driver)
    with SlowTerminal(command, environment(home), rate, round_trip) as terminal:
        end = terminal.started + START_UP
        while time.monotonic() < end:
            terminal.read()
        before, began = len(terminal.written), time.monotonic()
        terminal.ages.clear()
        while time.monotonic() < began + SECONDS:
            terminal.read()
        took = time.monotonic() - began
        ages = [1e3 * age for _, age in terminal.ages]
        said = json.loads(report.read_text()) if report.exists() else {}
        return Measured(
            (len(terminal.written) - before) / took / 1e3,
            len(ages) / took,
            statistics.median(ages) if ages else float("nan"),
            max(ages, default=float("nan")),
            said.get("p99_ms"),
            said.get("max_ms"),
        )


@pytest.mark.timeout(0)
@pytest.mark.parametrize("rate", [4_000, 10_000, 25_000, 100_000])
def test_a_slow_link(tmp_path: Path, rate: int) -> None:
    found = {driver: measure(tmp_path, driver, rate, 0.15) for driver in ("stock", "thrifty")}
    print(f"\n{rate / 1000:g} kB/s, 150 ms round trip, 120x40")
    for driver, measured in found.items():
        print(f"  {driver:<8} {measured}")
    ours = found["thrifty"]
    assert ours.late is not None
    assert ours.late <= 50
    if rate >= 25_000:
        assert ours.age <= 150
    assert ours.age <= found["stock"].age or not found["stock"].age > 0
