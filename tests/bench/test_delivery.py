"""Sinks that hang, refuse, fail and crawl, beside none at all: how late the engine's loop runs, what a post costs it.

pytest -s tests/bench/test_delivery.py
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path

from tests.tui.delivery.notes import event
from tests.tui.delivery.receiver import Receiver
from tui.delivery.command import Command
from tui.delivery.courier import Courier, Destination
from tui.delivery.desk import Desk
from tui.delivery.file import LinesFile
from tui.delivery.outbox import Outbox
from tui.delivery.sink import Route, Sink
from tui.delivery.webhook import Webhook

ROUNDS, SECONDS, A_SECOND = 5, 3.0, 40
TICK = 0.005


async def lateness(desk: Desk, first: int) -> tuple[list[float], float]:
    """How late a loop that wakes every 5 ms is (ms) while alerts come, and CPU of its thread an alert (µs)."""
    late: list[float] = []
    spent, told = 0.0, 0
    began = due = time.monotonic()
    while due < began + SECONDS:
        due += TICK
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        late.append(1e3 * max(0.0, time.monotonic() - due))
        if len(late) % round(1 / TICK / A_SECOND) == 0:
            one = event(f"r{told % 7}", t=1_750_500_000_000_000_000 + (first + told) * 1_000_000)
            before = time.thread_time()
            desk.alert(one)
            spent += time.thread_time() - before
            told += 1
    return late, 1e6 * spent / told


def test_the_engine_is_not_late(tmp_path: Path) -> None:
    with Receiver() as hanging, Receiver() as failing:
        hanging.mood, failing.mood = "hang", 500
        # A free port of a moment ago: refused.
        with Receiver() as gone:
            refused = gone.url
        sinks: dict[str, Sink] = {
            "hangs": Webhook(hanging.url, "s", 1.0),
            "fails": Webhook(failing.url, "s", 1.0),
            "refuses": Webhook(refused, "s", 1.0),
            "crashes": Command((sys.executable, "-c", "raise SystemExit(1)"), 5.0),
            "sleeps": Command(("/bin/sleep", "60"), 0.5),
            "file": LinesFile(tmp_path / "log.jsonl", 5.0),
        }
        to = [Destination(name, "x", sink, Route(), 10_000, 1.0) for name, sink in sinks.items()]
        courier = Courier(to, lambda: Outbox(tmp_path / "o.db"), lambda *said: None, retry=(0.05, 0.2))
        courier.start()
        nothing, everything = Desk(time.monotonic), Desk(time.monotonic)
        everything.courier = courier
        late: dict[str, list[list[float]]] = {"no sinks": [], "six bad sinks": []}
        cost: dict[str, list[float]] = {"no sinks": [], "six bad sinks": []}
        for round_ in range(ROUNDS):
            for name, desk in (("no sinks", nothing), ("six bad sinks", everything)):
                found, spent = asyncio.run(lateness(desk, round_ * 10_000))
                late[name].append(found)
                cost[name].append(spent)
        courier.close(2.0)
        status = {one.name: one for one in courier.status()}
    # Whatever else the machine does falls on a round, so the middle one speaks.
    p99 = {name: statistics.median(_cut(found, 98) for found in rounds) for name, rounds in late.items()}
    for name, rounds in late.items():
        middle = statistics.median(_cut(found, 49) for found in rounds)
        worst = statistics.median(map(max, rounds))
        print(
            f"{name:<14} lateness ms: median {middle:.2f}, p99 {p99[name]:.2f}, worst {worst:.1f} (median of rounds);"
            f" post {statistics.median(cost[name]):.0f} µs of CPU"
        )
    print({name: (one.waiting, one.sent, one.problem) for name, one in status.items()})
    assert status["file"].sent == ROUNDS * round(SECONDS * A_SECOND)
    assert statistics.median(cost["six bad sinks"]) < 5 * statistics.median(cost["no sinks"])
    # A blocking sink would show as whole timeouts, hundreds of ms.
    assert p99["six bad sinks"] < 50


def _cut(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent]
