"""Replay of columns in batches against the same numbers computed event by event, and a recording with everything on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from connectors.archives import open_archive
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.batch import Batch, Floats, Quotes, Trades
from engine.metrics.calculator import Calculator
from engine.metrics.names import parse_metrics
from engine.metrics.registry import SPECS, bind
from engine.metrics.spec import Context
from tests.bench import per_event
from tests.bench.interleaved import race, ratio, report
from tests.real_data import data_file
from tui.session import example

INSTRUMENT = Instrument("bench", "A/B", Decimal("0.01"), Decimal("0.001"), base="A", quote="B")
SECOND = per_event.SECOND
EVENTS = 400_000
RATE = 1_000  # a second
BATCH = 10_000
PLAIN, OURS = "plain Python, one event after the other", f"in batches of {BATCH:,}"
METRICS = (
    "cvd,delta(60s),buy(60s),sell(60s),volume(60s),trades(60s),ti(60s),ti_z(60s),speed(60s),mean_size(60s),"
    "vpin(50,50),vpin_pct(50,50),vpin_null(50,50),vwap,vwap_dev,vwap_band(2),"
    "ofi_raw(10s),ofi(10s),imbalance_tw(1,10s),drawdown(1h),run_up(1h),"
    "kyle(10s,180),kyle_r2(10s,180),kyle_t(10s,180),markout(1s,5m),effective_spread(5m),rv(5m),poc,vah,val"
)


class Tape:
    """A random market of `EVENTS` events, 100 a second: two quotes to a trade."""

    def __init__(self, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        n = EVENTS
        start = 1_700_006_400 * SECOND  # a session of its own
        self.t = start + np.cumsum(rng.integers(0, 2_000_000_000 // RATE, n))
        self.is_trade = rng.random(n) < 1 / 3
        mid = 100_000 + np.cumsum(rng.choice([-1, 0, 0, 0, 0, 1], n))
        self.bid, self.ask = mid - 1, mid + rng.integers(1, 3, n)
        self.bid_qty, self.ask_qty = rng.integers(1, 5_000, (2, n))
        self.side = rng.choice([-1, 1], n)
        self.px = np.where(self.side > 0, self.ask, self.bid)
        self.qty = np.ceil(rng.pareto(1.5, n) * 200).astype(np.int64)
        self.first = -(-int(self.t[0]) // SECOND) * SECOND
        self.times = np.arange(self.first, int(self.t[-1]), SECOND)

    def batches(self, most: int = EVENTS // BATCH, size: int = BATCH) -> list[Batch]:
        """The first batches of BATCH events, in pieces of `size` events."""
        out, end = [], int(self.t[0])
        for i in range(0, most * BATCH, size):
            part = slice(i, i + size)
            seq = np.arange(i + 1, i + 1 + len(self.t[part]))
            trade = self.is_trade[part]
            quote = ~trade
            ones = np.ones(int(quote.sum()))
            columns = [getattr(self, name)[part] for name in ("t", "bid", "bid_qty", "ask", "ask_qty")]
            quotes = Quotes(
                *(column[quote] for column in columns), ones.astype(np.bool_), ones.astype(np.int64), seq[quote]
            )
            trades = Trades(*(getattr(self, name)[part][trade] for name in ("t", "px", "qty", "side")), seq[trade])
            sums = {1: (quotes.bid_qty, quotes.ask_qty)}
            out.append(Batch(trades, quotes, sums, (), end, int(self.t[part][-1])))
            end = int(self.t[part][-1])
        return out

    def events(self) -> list[tuple[Any, ...]]:
        """(clock, True, px, qty, side, 0) of trades, (clock, False, bid, bid_qty, ask, ask_qty) of quotes."""
        columns = (self.t, self.is_trade, self.px, self.qty, self.side)
        trades = zip(*(column.tolist() for column in columns), [0] * EVENTS, strict=True)
        columns = (self.t, self.is_trade, self.bid, self.bid_qty, self.ask, self.ask_qty)
        quotes = zip(*(column.tolist() for column in columns), strict=True)
        return [trade if trade[1] else quote for trade, quote in zip(trades, quotes, strict=True)]


class InBatches:
    """Ours: the calculators behind the metrics, fed with batches, read on the grid."""

    def __init__(self, tape: Tape) -> None:
        context = Context(INSTRUMENT)
        bounds = [bind(metric, context) for metric in parse_metrics(METRICS)]
        self.calculators: dict[Any, Calculator] = {}
        self.fields = []
        for bound in bounds:
            assert bound.make is not None
            calculator = self.calculators.setdefault(bound.share, bound.make(context))
            calculator.sample(bound.field, np.empty(0, np.int64))
            self.fields.append((calculator, bound.field))
        self.times, self.done = tape.times, 0
        self.read: list[list[Floats]] = [[] for _ in self.fields]

    def run(self, part: Sequence[Batch]) -> None:
        for batch in part:
            for calculator in self.calculators.values():
                calculator.update(batch)
            due = int(self.times.searchsorted(batch.end, "left"))
            times = self.times[self.done : due]
            for column, (calculator, field) in zip(self.read, self.fields, strict=True):
                column.append(calculator.sample(field, times))
            until = min(batch.end, int(self.times[due])) if due < len(self.times) else batch.end
            for calculator in self.calculators.values():
                calculator.advance(until)
            self.done = due


class OneByOne:
    """The reference: every event to every metric that wants it, read at the same instants."""

    def __init__(self, tape: Tape) -> None:
        lot, tick = float(INSTRUMENT.lot), float(INSTRUMENT.tick)
        self.metrics: list[Any] = [
            per_event.Flow(60 * SECOND, lot),
            per_event.Vpin(50_000, 50),
            per_event.Vwap(tick),
            per_event.OrderFlow(10 * SECOND, lot),
            per_event.Extremes(3_600 * SECOND),
            per_event.Kyle(10 * SECOND, 180, tick / 2 / lot),
            per_event.Markouts(SECOND, 300 * SECOND),
            per_event.Volatility(300 * SECOND),
            per_event.Profile(tick),
        ]
        self.on_trade = [metric.trade for metric in self.metrics if hasattr(metric, "trade")]
        self.on_quote = [metric.quote for metric in self.metrics if hasattr(metric, "quote")]
        self.next, self.last = tape.first, int(tape.times[-1])
        self.read: list[list[float]] = []

    def run(self, part: Sequence[list[tuple[Any, ...]]]) -> None:
        on_trade, on_quote = self.on_trade, self.on_quote
        for batch in part:
            for t, is_trade, a, b, c, d in batch:
                while self.next < t and self.next <= self.last:
                    self.read.append([value for metric in self.metrics for value in metric.values(self.next)])
                    self.next += SECOND
                if is_trade:
                    for trade in on_trade:
                        trade(t, a, b, c)
                else:
                    for quote in on_quote:
                        quote(t, a, b, c, d)


def test_columns_in_batches_against_events_one_by_one() -> None:
    """The plain Python keeps running totals for everything: it does as little as an event can cost it."""
    tape = Tape()
    batches, events = tape.batches(), tape.events()
    ours, plain = InBatches(tape), OneByOne(tape)
    items = [(batch, events[i * BATCH : (i + 1) * BATCH]) for i, batch in enumerate(batches)]
    times = race(
        [(PLAIN, lambda part: plain.run([e for _, e in part])), (OURS, lambda part: ours.run([b for b, _ in part]))],
        items,
        chunk=1,
    )
    report(f"{EVENTS:,} events, {RATE:,} a second, {len(ours.fields)} metrics read every second", times, OURS)
    for name, values in times.items():
        print(f"  {name:<58} {BATCH / statistics.median(values) * 1e6:12,.0f} events/s")
    found = np.column_stack([np.concatenate(column) for column in ours.read])
    wanted = np.array(plain.read)
    assert found.shape == wanted.shape
    for i, (_, field) in enumerate(ours.fields):
        np.testing.assert_allclose(found[:, i], wanted[:, i], rtol=1e-6, atol=1e-9, err_msg=field)
    assert ratio(times, PLAIN, OURS) >= 5  # 7 to 9 on a quiet machine


def test_columns_in_batches_against_the_same_calculators_fed_one_by_one() -> None:
    """What batches are for: numpy's calls cost the same for one event and for thousands."""
    tape = Tape()
    batches = tape.batches(3)
    singles = tape.batches(2, 1)
    whole, single = InBatches(tape), InBatches(tape)
    spent = {}
    for name, run, part, events in (("one by one", single, singles[:2_000], 2_000), (OURS, whole, batches, 3 * BATCH)):
        began = time.thread_time_ns()
        run.run(part)
        spent[name] = (time.thread_time_ns() - began) / 1e3 / events
    print(
        f"\n  a batch for every event {spent['one by one']:.1f} us/event, {OURS} {spent[OURS]:.2f} us/event: ", end=""
    )
    print(f"{spent['one by one'] / spent[OURS]:.0f} x")
    assert spent["one by one"] / spent[OURS] >= 20


def test_a_recording_with_everything_on() -> None:
    """Rows of a real capture to all metrics there are, read every second."""
    everything = parse_metrics(",".join(example(name) for name in SPECS))
    print()
    for name, metrics in (("book and tape alone", []), (f"all {len(everything)} metrics", everything)):
        archive = open_archive([data_file("binance_raw/usdm_ethusdt_20240808.gz")])
        chunks = list(archive.chunks(lambda *_: None))
        market = Market(chunks[0].instrument, [_Every(metrics)])
        began = time.thread_time_ns()
        for chunk in chunks:
            market.apply(chunk.rows)
        market.finish()
        spent = (time.thread_time_ns() - began) / 1e9
        rows = sum(len(chunk.rows) for chunk in chunks)
        print(
            f"  {name:<24} {rows:,} rows, {market.messages:,} messages in {spent:.2f} s of CPU: "
            f"{rows / spent:,.0f} rows/s, {market.messages / spent:,.0f} messages/s"
        )


class _Every:
    """Reads all of it once a second."""

    every = SECOND

    def __init__(self, metrics: Sequence[Any]) -> None:
        self.metrics = tuple(metrics)

    def take(self, times: Any, clock: int, reader: Any) -> None:
        for metric in self.metrics:
            reader.values(metric, times)
