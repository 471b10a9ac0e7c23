"""Runs contestants over the same chunks in turn, so that what the machine does meanwhile hits all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

Contestant = tuple[str, Callable[[Sequence[Any]], object]]


def race(contestants: Sequence[Contestant], items: Sequence[Any], chunk: int = 1000) -> dict[str, list[float]]:
    """µs of CPU time per item, a figure a chunk, for each contestant; the order rotates."""
    gc.collect()
    gc.freeze()
    times: dict[str, list[float]] = {name: [] for name, _ in contestants}
    for turn, start in enumerate(range(0, len(items), chunk)):
        part = items[start : start + chunk]
        at = turn % len(contestants)
        for name, run in (*contestants[at:], *contestants[:at]):
            began = time.thread_time_ns()
            run(part)
            times[name].append((time.thread_time_ns() - began) / 1e3 / len(part))
    gc.unfreeze()
    return times


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> float:
    """How many times as long `slow` takes as `fast`: median over the chunks."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def report(title: str, times: dict[str, list[float]], base: str) -> None:
    """Prints the table."""
    print(f"\n{title}")
    for name, values in times.items():
        print(f"  {name:<58} {statistics.median(values):9.2f} µs/item   {ratio(times, name, base):7.2f} x {base}")
