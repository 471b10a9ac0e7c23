"""What alert rules cost at a flush: the same market with and without them, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from connectors.simulator.feed import SimulatedArchive
from engine.alerts.presets import preset_rules
from engine.alerts.rule import compile_rule
from engine.alerts.watch import Watch
from engine.market import Market
from engine.tape import Flag, Rows
from tests.bench.interleaved import race, ratio, report

START = 1_735_732_800_000_000_000
#: Rules of usual kinds: nine of presets, three with state of their own.
PRESETS = ("toxic-flow", "one-sided-flow", "lopsided-book", "expensive-book", "stretched-price")
OWN = ("last crosses vwap", "last moves by 0.1% within 1m", "count(abs(ofi(1s)) > 0.4, 1m) >= 20")


def flushes(seconds: int = 120) -> tuple[Any, list[Rows]]:
    """A simulated market in pieces of 50 ms, as a live one is folded."""
    chunks = list(SimulatedArchive(["BTC/USDT"], duration_ns=seconds * 10**9, start_ns=START).chunks(lambda *_: None))
    rows = np.concatenate([chunk.rows for chunk in chunks])
    clock = np.maximum.accumulate(rows["ts"])
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    due = np.flatnonzero(np.diff(clock[ends - 1] // 50_000_000, append=-1))
    cuts = [0, *ends[due].tolist()]
    return chunks[0].instrument, [rows[a:b] for a, b in pairwise(cuts) if b > a]


def test_a_dozen_rules_cost_less_than_twice_the_fold() -> None:
    """Reading their metrics ten times a second (two of them walk the book) included; computing them is in both."""
    instrument, pieces = flushes()
    rules = [*preset_rules(PRESETS), *(compile_rule(f"own {i}", when) for i, when in enumerate(OWN))]
    metrics = [metric for rule in rules for metric in rule.metrics]
    watch = Watch(instrument.market, rules, lambda event: None)
    # Whatever is told with an alert is computed in both.
    plain = Market(instrument, metrics=[*metrics, *watch.metrics])
    watched = Market(instrument, [watch], metrics=metrics)

    def fold(market: Market, part: Sequence[Rows]) -> None:
        for piece in part:
            market.apply(piece)

    times = race(
        (("without rules", lambda part: fold(plain, part)), ("with twelve rules", lambda part: fold(watched, part))),
        pieces,
        chunk=200,
    )
    report("a flush of 50 ms, simulated market", times, "without rules")
    assert ratio(times, "with twelve rules", "without rules") < 3.0
