"""What folding costs a live market: messages of a real capture pushed one by one, folded every 50 ms of its time."""

from __future__ import annotations

import statistics
import time

import numpy as np

from connectors.binance.depth_sync import Step
from connectors.binance.messages import Depth, Snapshot, Trade, decode
from engine.metrics.names import parse_metrics
from engine.metrics.registry import SPECS
from tests.bench.test_live_path import CORE, ToBook, frames
from tui.panels import flow, imbalance, toxicity
from tui.session import example

EVERY = 50_000_000
#: What `flush` may cost with everything on (median): 1.5 ms on a machine where a call of numpy on three numbers takes
#: 1.25 µs. It is counted in such calls, measured beside it: a machine that is shared is slower at both.
BUDGET_CALLS = 1_200
_THREE = np.array([1, 2, 3])


def call_us() -> float:
    """µs of CPU of a call of numpy on three numbers, now."""
    began = time.thread_time_ns()
    for _ in range(20):
        np.cumsum(_THREE)
    return (time.thread_time_ns() - began) / 2e4


def flushes(
    metrics: str, items: list[bytes], snapshot: Snapshot, *, chart: bool
) -> tuple[int, list[float], list[float]]:
    """(number of metrics, µs of CPU of each flush, of numpy's calls in between)."""
    market_of = ToBook(snapshot, metrics, views=chart)
    market, sync = market_of.market, market_of.sync
    folded, spent, calls = market.t, [], []
    for frame in items:
        message = decode(frame)
        if type(message) is Depth:
            if sync.delta(message) is Step.APPLY:
                market.book(0, message.ts, message.last, message.bids, message.asks)
        elif type(message) is Trade:
            m = message
            market.trade(0, m.ts, m.trade_id, m.price, m.size, m.side, m.flags)
        if market.t - folded > EVERY:
            folded = market.t
            began = time.thread_time_ns()
            market.flush()
            spent.append((time.thread_time_ns() - began) / 1e3)
            calls.append(call_us())
    return len(parse_metrics(metrics)), spent, calls


def test_a_flush_of_one_market() -> None:
    items, frame = frames(b"@depth", b"@trade")
    snapshot = decode(frame)
    assert isinstance(snapshot, Snapshot)
    shown = (*(gauge.metric for gauge in imbalance.gauges("60s", "10s")), *toxicity.METRICS, *flow.metrics("60s"))
    in_calls = {}
    print()
    for name, metrics, chart in (
        ("core metrics", CORE, False),
        ("the monitor's default panels and chart", ",".join(shown), True),
        ("every metric there is", ",".join(example(name) for name in SPECS), False),
        ("every metric there is, and the chart", ",".join(example(name) for name in SPECS), True),
    ):
        count, spent, calls = flushes(metrics, items, snapshot, chart=chart)
        in_calls[name] = statistics.median(flush / call for flush, call in zip(spent, calls, strict=True))
        spent.sort()
        print(
            f"  {name:<40} {count:4} metrics: {statistics.median(spent):7.0f} µs median, "
            f"{statistics.fmean(spent):7.0f} mean, "
            f"{spent[int(0.99 * len(spent))]:7.0f} p99, {in_calls[name]:5.0f} calls"
        )
    assert in_calls["every metric there is"] <= BUDGET_CALLS
