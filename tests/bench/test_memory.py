"""What one market holds while days of tape go by: every metric that the monitor shows, chart included.

`FLOWTAPE_DAYS` is the length of the tape (a part of a day unless it is set; 7 for the week).
"""

from __future__ import annotations

import os
import time
from decimal import Decimal

import numpy as np
import psutil

from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.names import parse_metrics
from engine.state_codec import encode
from engine.tape import ROW, Flag, Kind, Rows
from tests.bench.test_replay import SECOND
from tui.commands.monitor import later_metrics
from tui.config.model import Config
from tui.panels import flow, imbalance, toxicity

DAYS = float(os.environ.get("FLOWTAPE_DAYS", "0.25"))
RATE = 2  # messages a second, one trade to a book message
INSTRUMENT = Instrument("bench", "A/B", Decimal("0.01"), Decimal("0.001"), base="A", quote="B")
START = 1_700_006_400 * SECOND
HOUR = 3_600


class Source:
    """A book that drifts around its first price, with trades at its touch."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)
        self.t, self.mid, self.id = START, 100_000, 1

    def snapshot(self) -> Rows:
        rows = [(self.t, self.t, 0, 0, 0, 0, Kind.SNAPSHOT, 0, 0, 0)]
        rows += [
            (self.t, self.t, 0, self.mid - side * (i + 1), 1_000, 0, Kind.LEVEL, 0, side, 0)
            for side in (1, -1)
            for i in range(60)
        ]
        rows[-1] = (*rows[-1][:7], int(Flag.LAST), *rows[-1][8:])
        return np.array(rows, ROW)

    def hour(self) -> Rows:
        """An hour of the tape. The mid comes back to where it began: prices do not wander off for good."""
        rng, n = self.rng, HOUR * RATE
        rows = []
        for step, depth, size, up, traded in zip(
            rng.integers(1, 2 * SECOND // RATE, n).tolist(),
            rng.integers(1, 40, (n, 4)).tolist(),
            rng.integers(0, 4_000, (n, 4)).tolist(),
            rng.random(n).tolist(),
            (np.ceil(rng.pareto(1.5, n) * 50)).astype(int).tolist(),
            strict=True,
        ):
            self.t += step
            t = self.t
            self.mid += (up < 0.1) - (up > 0.9 + (self.mid < 99_000) * 0.05 - (self.mid > 101_000) * 0.05)
            for i in range(4):
                side = 1 if i % 2 else -1
                rows.append((t, t, 0, self.mid - side * depth[i], size[i], 0, Kind.LEVEL, 0, side, 0))
            for side in (1, -1):  # the touch is always there, and nothing rests beyond it
                rows.append((t, t, 0, self.mid - side, 500 + size[0], 0, Kind.LEVEL, 0, side, 0))
                rows.append((t, t, 0, self.mid, 0, 0, Kind.LEVEL, 0, side, 0))
                rows.append((t, t, 0, self.mid + side, 0, 0, Kind.LEVEL, int(Flag.LAST) * (side < 0), side, 0))
            taker = 1 if up < 0.5 else -1
            rows.append((t, t, self.id, self.mid + taker, traded, 0, Kind.TRADE, int(Flag.LAST), taker, 0))
            self.id += 1
        return np.array(rows, ROW)


def test_a_market_holds_no_more_as_days_go_by() -> None:
    shown = (*(gauge.metric for gauge in imbalance.gauges("60s", "10s")), *toxicity.METRICS, *flow.metrics("60s"))
    metrics = [*parse_metrics(",".join(shown)), *later_metrics(Config())]
    market, source, process = (
        Market(INSTRUMENT, metrics=metrics, chart=True, day_lots=20_000_000),
        Source(),
        psutil.Process(),
    )
    market.apply(source.snapshot())
    began, spent = time.monotonic(), time.process_time()
    readings: list[tuple[float, int, int]] = []
    print(f"\n{len(metrics)} metrics, {RATE} book messages and {RATE} trades a second")
    while (source.t - START) / SECOND < DAYS * 86_400:
        rows = source.hour()
        ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
        for first in range(0, len(ends), 100):  # folded as often as live, in market time: every 25 s
            begin = ends[first - 1] if first else 0
            market.apply(rows[begin : ends[min(first + 100, len(ends)) - 1]])
        day = (source.t - START) / SECOND / 86_400
        if not readings or int(day * 2) > int(readings[-1][0] * 2):  # at noon and at midnight
            state = len(encode(market.state()))
            readings.append((day, state, process.memory_info().rss))
            print(f"  day {day:5.2f}: state {state / 1e6:7.2f} MB, process {readings[-1][2] / 2**20:6.1f} MiB")
    print(f"  {DAYS} days in {time.monotonic() - began:.0f} s, {time.process_time() - spent:.0f} s of CPU")
    # From the second day on everything is full but what compares with 28 to 30 days: usual volumes by the half minute,
    # spread and depth by the slot, past VPINs; 0.2 MB a day. Compared at noon, when as much of the session is held.
    noons = [(day, state, rss) for day, state, rss in readings if day >= 1.4 and round(2 * day) % 2]
    if len(noons) > 1:
        days = noons[-1][0] - noons[0][0]
        assert noons[-1][1] - noons[0][1] <= 300_000 * days
        assert noons[-1][2] <= 1.1 * noons[0][2]
