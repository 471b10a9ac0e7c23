"""After many events the state is still what a fresh recomputation from the raw rows gives: nothing has drifted.

`FLOWTAPE_SOAK_EVENTS` sizes it (10 million on purpose, a small number in the suite).
"""

from __future__ import annotations

import os
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import Batch, Quotes, Trades
from engine.metrics.calculator import Calculator
from engine.metrics.names import parse_metrics
from engine.metrics.registry import bind
from engine.metrics.spec import Context

EVENTS = int(os.environ.get("FLOWTAPE_SOAK_EVENTS", "120000"))
CHUNK = 10_000
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
LOT = Fraction(1, 1000)
INSTRUMENT = Instrument("soak", "A/B", Decimal("0.01"), Decimal("0.001"), base="A", quote="B")
V, N = 40_000, 50  # lots a bucket, buckets
WINDOWED = "delta(1h),buy(1h),sell(1h),volume(1h),trades(1h),volume_quote(1h),ti_z(1h),ofi_raw(10m),imbalance_tw(1,10m)"
SESSION = "cvd,cvd_quote,vwap,vwap_band(2),poc,vah,val"
METRICS = f"{WINDOWED},{SESSION},vpin(40,50),vpin_null(40,50),vpin_fill(40)"


def chunk(number: int, start: int, mid: int) -> dict[str, Any]:
    """Ten events a second on average, from `start` (ns) on, around `mid` (ticks)."""
    rng = np.random.default_rng(number)
    t = start + np.cumsum(rng.integers(0, 200_000_000, CHUNK))
    path = mid + np.cumsum(rng.choice([-1, 0, 0, 1], CHUNK))
    side = rng.choice([-1, 1, 1, -1, 0], CHUNK)
    return {
        "t": t,
        "trade": rng.random(CHUNK) < 0.4,
        "bid": path - 1,
        "ask": path + rng.integers(1, 3, CHUNK),
        "bid_qty": rng.integers(1, 9_000, CHUNK),
        "ask_qty": rng.integers(1, 9_000, CHUNK),
        "px": path,
        "qty": np.ceil(rng.pareto(1.3, CHUNK) * 100).astype(np.int64),
        "side": side,
        "mid": int(np.clip(path[-1], 50_000, 150_000)),
    }


def batch_of(rows: dict[str, Any], start: int, first: int) -> Batch:
    """The rows as a batch."""
    trade = rows["trade"]
    seq = np.arange(first, first + len(trade))
    quote = ~trade
    n = int(quote.sum())
    quotes = Quotes(
        *(rows[name][quote] for name in ("t", "bid", "bid_qty", "ask", "ask_qty")),
        np.ones(n, np.bool_),
        np.ones(n, np.int64),
        seq[quote],
    )
    trades = Trades(*(rows[name][trade] for name in ("t", "px", "qty", "side")), seq[trade])
    return Batch(trades, quotes, {1: (quotes.bid_qty, quotes.ask_qty)}, (), start, int(rows["t"][-1]))


class Run:
    """Calculators of the metrics, fed with batches."""

    def __init__(self, text: str) -> None:
        context = Context(INSTRUMENT)
        self.calculators: dict[Any, Calculator] = {}
        self.fields: dict[str, tuple[Calculator, str]] = {}
        for metric in parse_metrics(text):
            bound = bind(metric, context)
            assert bound.make is not None
            calculator = self.calculators.setdefault(bound.share, bound.make(context))
            calculator.sample(bound.field, np.empty(0, np.int64))
            self.fields[metric.key] = (calculator, bound.field)

    def take(self, batch: Batch) -> None:
        for calculator in self.calculators.values():
            calculator.update(batch)
            calculator.advance(batch.end)

    def values(self, t: int) -> dict[str, float]:
        at = np.array([t])
        return {key: float(calculator.sample(field, at)[0]) for key, (calculator, field) in self.fields.items()}


def test_nothing_drifts() -> None:
    run, clock, mid = Run(METRICS), 1_700_000_000 * SECOND, 100_000
    kept: deque[Batch] = deque()  # of the present session, and of the last hour before it
    total, edges = 0, 0
    imbalances: deque[int] = deque(maxlen=N)
    session = 0
    carried, weight = 0, 0  # lots and twice the bought lots (unknown: half) of the open bucket
    for number in range(max(1, EVENTS // CHUNK)):
        rows = chunk(number, clock, mid)
        batch = batch_of(rows, clock, number * CHUNK + 1)
        run.take(batch)
        clock, mid = batch.end, rows["mid"]
        kept.append(batch)
        session = clock // DAY * DAY
        while kept and kept[0].end < min(session, clock - 3_600 * SECOND):
            kept.popleft()
        # Buckets, by plain division of the running volume: fill by fill only where one closes.
        for qty, side in zip(batch.trades.qty.tolist(), batch.trades.side.tolist(), strict=True):
            left = qty
            while carried + left >= V:
                piece = V - carried
                imbalances.append(abs(weight + piece * (side + 1) - V))
                left -= piece
                carried, weight = 0, 0
                edges += 1
            carried += left
            weight += left * (side + 1)
            total += qty
    values = run.values(clock)

    trades = Trades.joined([batch.trades for batch in kept])
    quotes = Quotes.joined([batch.quotes for batch in kept])
    hour = trades.t > clock - 3_600 * SECOND
    q, s, p = (column[hour].tolist() for column in (trades.qty, trades.side, trades.px))
    bought, sold = (sum(a for a, b in zip(q, s, strict=True) if b == sign) for sign in (1, -1))
    assert values["delta(1h)"] == float((bought - sold) * LOT)
    assert values["buy(1h)"] == float(bought * LOT)
    assert values["sell(1h)"] == float(sold * LOT)
    assert values["volume(1h)"] == float(sum(q) * LOT)
    assert values["trades(1h)"] == len(q)
    assert values["volume_quote(1h)"] == float(Fraction(sum(a * b for a, b in zip(q, p, strict=True)), 100_000))
    day = trades.t >= session
    q, s, p = (column[day].tolist() for column in (trades.qty, trades.side, trades.px))
    assert values["cvd"] == float(sum(a * b for a, b in zip(q, s, strict=True)) * LOT)
    volumes: dict[int, int] = {}
    for px, qty in zip(p, q, strict=True):
        volumes[px] = volumes.get(px, 0) + qty
    assert volumes[round(values["poc"] * 100)] == max(volumes.values())
    near = np.flatnonzero(quotes.t > clock - 600 * SECOND)
    flow = 0
    for i in near.tolist():
        b, qb, a, qa = (int(column[i]) for column in (quotes.bid, quotes.bid_qty, quotes.ask, quotes.ask_qty))
        b0, qb0, a0, qa0 = (int(column[i - 1]) for column in (quotes.bid, quotes.bid_qty, quotes.ask, quotes.ask_qty))
        flow += qb * (b >= b0) - qb0 * (b <= b0) - qa * (a <= a0) + qa0 * (a >= a0)
    assert values["ofi_raw(10m)"] == float(flow * LOT)
    assert edges > N
    assert values["vpin(40,50)"] == sum(imbalances) / (N * V)
    assert values["vpin_fill(40)"] == carried / V

    # A fresh instance that has seen no more than it needs agrees to the bit.
    fresh = Run(f"{WINDOWED},{SESSION}")
    for batch in kept:
        fresh.take(batch)
    again = fresh.values(clock)
    assert again == {key: values[key] for key in again}
    print(f"{edges:,} buckets, {total:,} lots, {len(kept)} batches kept of {max(1, EVENTS // CHUNK):,}")
