"""Latency, gaps and trust as numbers: against what a list of the messages says."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from engine.codes import Channel, Flag, Trust
from engine.market import Market
from engine.metrics.names import parse_metric
from tests.engine.tapes import (
    INSTRUMENT,
    START,
    Message,
    Recorder,
    fold_rows,
    message_cuts,
    push,
    random_messages,
    to_rows,
)

SECOND = 1_000_000_000
METRICS = "latency_p50(3s),latency_p99(20s),clock_skew,gaps(30s),trust(book),trust(trades)"


def late(seed: int) -> list[Message]:
    """A random tape whose messages take their time, on a clock that runs 1.4 s behind."""
    rng = random.Random(seed)
    out: list[Message] = []
    for name, args in random_messages(seed, 400):
        lag = -1_400_000_000 + int(rng.expovariate(1 / 20e6))
        out.append((name, (args[1] + lag, *args[1:])))
    return out


def reference(messages: list[Message], t: int) -> tuple[float, ...]:
    """The metrics at `t` from a walk over all messages."""
    clock, loaded, lags, holes = 0, False, [], []
    said = {Channel.BOOK: None, Channel.TRADES: None}
    crossed = False
    bids: dict[str, float] = {}
    asks: dict[str, float] = {}
    for name, args in messages:
        recv, ts = args[:2]
        clock = max(clock, ts)
        if clock > t:
            break
        if name == "trade" and not args[6] & (Flag.RECOVERED | Flag.REPLAYED):
            lags.append((clock, recv - ts))
        if name == "book" and loaded:
            if args[3] or args[4]:
                lags.append((clock, recv - ts))
            for side, levels in ((bids, args[3]), (asks, args[4])):
                side.update(levels)
        if name == "snapshot":
            loaded, bids, asks = True, dict(args[3]), dict(args[4])
        if name == "hole":
            holes.append((clock, max(1, args[3])))
        if name == "status" and args[2] in said:
            said[args[2]] = args[3]
            if args[2] is Channel.BOOK and args[3] is not Trust.LIVE:
                loaded, bids, asks = False, {}, {}
        best_bid = max((float(p) for p, s in bids.items() if s), default=-1.0)
        best_ask = min((float(p) for p, s in asks.items() if s), default=1e18)
        crossed = best_bid >= best_ask

    def percentile(span: int, percent: int) -> float:
        found = sorted(lag for at, lag in lags if t - span < at <= t)
        if not found:
            return np.nan
        low = min(lag for at, lag in lags if t - 600 * SECOND < at <= t)
        return (found[-(-len(found) * percent // 100) - 1] - low) / 1e6

    skew = min((lag for at, lag in lags if t - 600 * SECOND < at <= t), default=np.nan) / 1e6
    worth: Any = {None: np.nan, Trust.LIVE: 1.0, Trust.UNVERIFIABLE: 0.5}
    book = 0.0 if crossed and said[Channel.BOOK] is Trust.LIVE else worth.get(said[Channel.BOOK], 0.0)
    gaps = float(sum(count for at, count in holes if t - 30 * SECOND < at <= t))
    return (
        percentile(3 * SECOND, 50), percentile(20 * SECOND, 99), skew, gaps, book, worth.get(said[Channel.TRADES], 0.0)
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_they_are_what_a_list_of_the_messages_says_in_every_cut(seed: int) -> None:
    messages, rng = late(seed), random.Random(seed)
    recorder = Recorder(METRICS)
    market = Market(INSTRUMENT, [recorder])
    for message in messages:
        push(market, message)
        if rng.random() < 0.1:
            market.flush()
    market.finish()
    assert len(recorder.read) > 40
    for t, *texts, _book, _trades in recorder.read:
        found = [float.fromhex(text) for text in texts]
        np.testing.assert_array_equal(found, reference(messages, t), f"at {t - START}")
    again = Recorder(METRICS)
    fold_rows(message_cuts(to_rows(messages), lambda: rng.randrange(0, 9)), again)
    assert again.read == recorder.read


def test_a_resumed_market_knows_its_gaps_and_that_some_trades_are_missing_since() -> None:
    metric = parse_metric("gaps(1h)")
    first = Market(INSTRUMENT, metrics=[metric])
    first.status(START, START, Channel.TRADES, Trust.LIVE)
    first.trade(START, START, 1, "10.00", "1.000", 1)
    first.hole(START, START + SECOND, 2, 7)
    assert first.value(metric) is None  # not folded yet
    state = first.state()
    assert first.value(metric) == 7
    second = Market(INSTRUMENT, metrics=[metric])
    second.resume(state)
    second.trade(START, START + 2 * SECOND, 30, "10.00", "1.000", 1)
    second.flush()
    assert second.value(metric) == 8
