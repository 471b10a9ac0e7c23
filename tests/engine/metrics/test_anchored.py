"""Metrics from a time on: against slow sums, whenever they are asked for, however the tape is cut."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from engine.explanation import explain
from engine.instant import instant_text
from engine.market import Market
from engine.metrics.footprint import Footprint
from engine.metrics.names import MetricError, parse_metric, parse_metrics
from engine.metrics.windows import DAY, Anchor
from engine.tape import Flag, Kind
from tests.engine.metrics.cuts import Fill, batch_of
from tests.engine.tapes import INSTRUMENT, START, Recorder, fold_rows, message_cuts, random_messages, to_rows

MINUTE = 60_000_000_000
SUMMED = ("cvd", "cvd_quote", "buy", "ti", "vwap", "poc", "vah", "val")


@pytest.mark.parametrize(
    ("text", "canonical", "ns"),
    [
        ("2024-08-08", "2024-08-08T00:00Z", 1_723_075_200 * 10**9),
        ("2024-08-08t23:55", "2024-08-08T23:55Z", 1_723_161_300 * 10**9),
        ("2024-08-08T23:55:00Z", "2024-08-08T23:55Z", 1_723_161_300 * 10**9),
        ("2024-08-08T23:55:01.250", "2024-08-08T23:55:01.25Z", 1_723_161_301_250_000_000),
    ],
)
def test_a_time_is_an_anchor(text: str, canonical: str, ns: int) -> None:
    metric = parse_metric(f"cvd({text})")
    assert metric.args == (Anchor(ns),)
    assert metric.canonical == f"cvd({canonical})"
    assert parse_metric(metric.canonical).canonical == metric.canonical


@pytest.mark.parametrize("text", ["2024-02-30T00:00", "2024-08-08T25:00", "2024-8-8", "2024-08-08T23:55+02:00"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(MetricError, match="a UTC time such as 2024-08-08T14:30"):
        parse_metric(f"poc(1,{text})")


def test_what_looks_back_only_takes_no_time() -> None:
    with pytest.raises(MetricError):
        parse_metric("speed(2024-08-08)")


def flow_of(rows: np.ndarray) -> list[tuple[int, int, int, int]]:
    """(clock, ticks, lots, side) of the trades that are flow."""
    clock, out = 0, []
    for r in rows:
        clock = max(clock, int(r["ts"]))
        if r["kind"] == Kind.TRADE and not r["flags"] & (Flag.NOT_FLOW | Flag.REPLAYED):
            out.append((clock, int(r["px"]), int(r["qty"]), int(r["side"])))
    return out


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_sums_of_the_trades_since_then(seed: int) -> None:
    rows = to_rows(random_messages(seed))
    trades = flow_of(rows)
    anchor = trades[len(trades) // 3][0]  # exactly at a trade: it counts
    at = instant_text(anchor)
    recorder = Recorder(f"cvd({at}),trades({at}),vwap({at}),poc(1,{at}),drawdown({at})")
    fold_rows([rows], recorder)
    before = after = 0
    for t, *read, _, _ in recorder.read:
        values = [float.fromhex(text) for text in read]
        seen = [trade for trade in trades if anchor <= trade[0] <= t]
        cvd, count, vwap, poc, drawdown = values
        if t < anchor:
            before += 1
            assert all(np.isnan(value) for value in values)
        elif seen:
            after += 1
            lots, money = sum(q for _, _, q, _ in seen), sum(p * q for _, p, q, _ in seen)
            assert cvd == float(Fraction(sum(s * q for _, _, q, s in seen), 1000))
            assert count == len(seen)
            assert vwap == pytest.approx(money / lots / 100, rel=1e-12)
            volumes: Counter[int] = Counter()
            for _, p, q, _ in seen:
                volumes[p] += q
            top = max(volumes.values())
            assert volumes[round(poc * 100)] == top
            high = max(p for _, p, _, _ in seen)
            assert drawdown == pytest.approx(1 - seen[-1][1] / high, abs=1e-12)
    assert before
    assert after > 20


def test_not_cut_dependent() -> None:
    rows, rng = to_rows(random_messages(4)), random.Random(4)
    at = instant_text(flow_of(rows)[40][0] - 1)
    asked = ",".join(f"{name}({at})" for name in ("cvd", "ti_z", "vwap", "vwap_dev", "drawdown_time"))
    asked += f",poc(1,{at}),hvn(5,{at}),vwap_band(2,{at})"
    whole = Recorder(asked)
    fold_rows([rows], whole)
    for most in (2, 60):
        again = Recorder(asked)
        fold_rows(message_cuts(rows, lambda most=most: rng.randrange(0, most)), again)
        assert again.read == whole.read


def keys(at: str) -> dict[str, str]:
    return {name: f"{name}(1,{at})" if name in ("poc", "vah", "val") else f"{name}({at})" for name in SUMMED}


@pytest.mark.parametrize("seed", range(3))
def test_an_anchor_in_the_past_counts_as_if_it_had_been_set_then(seed: int) -> None:
    rng = random.Random(seed)
    rows = to_rows(random_messages(seed, 1500))
    first, last = int(rows["ts"].min()), int(rows["ts"].max())
    minutes = rng.sample(range(-(-first // MINUTE), last // MINUTE + 1), 2)
    open_minute = last // MINUTE * MINUTE + last % MINUTE // 2  # in the past only while that minute is open
    for anchor in (*(minute * MINUTE for minute in minutes), open_minute):
        names = keys(instant_text(anchor))
        early = Market(INSTRUMENT, metrics=parse_metrics(",".join(names.values())), chart=True)
        late = Market(INSTRUMENT, chart=True)
        pieces = message_cuts(rows, lambda: rng.randrange(1, 120))
        asked_after = rng.randrange(len(pieces) // 2, len(pieces))
        for i, piece in enumerate(pieces):
            early.apply(piece)
            late.apply(piece)
            if i >= asked_after:
                for text in names.values():
                    metric = parse_metric(text)
                    assert late.value(metric) == early.value(metric), (text, i)
        for text in names.values():
            told = explain(late, text)
            assert told is not None
            assert told.start == anchor
            assert (told.since or 0) <= max(anchor, first)


def test_counts_that_sums_by_price_cannot_tell_begin_when_they_are_asked_for() -> None:
    rows = to_rows(random_messages(1))
    pieces = message_cuts(rows, lambda: 100)
    market = Market(INSTRUMENT, chart=True)
    for piece in pieces[:-2]:
        market.apply(piece)
    text = f"trades({instant_text(START)})"
    assert market.value(parse_metric(text)) is None
    told = explain(market, text)
    assert told is not None
    assert told.since == market.t


def test_an_anchor_before_the_market_tells_what_it_holds() -> None:
    market = Market(INSTRUMENT, chart=True)
    market.apply(to_rows(random_messages(2)))
    told = explain(market, f"cvd({instant_text(START - 3600 * 10**9)})")
    assert told is not None
    assert told.value is not None
    assert told.since == market.began
    assert told.covered is not None
    assert told.covered < 1


def test_a_footprint_holds_a_day_and_says_from_when_on() -> None:
    footprint, rng = Footprint(), random.Random(0)
    fills = [Fill(START + i * 7_000_000_000, 1 + i % 5, rng.choice((-1, 0, 1)), 100 + i % 9) for i in range(30_000)]
    clock = 0
    for i in range(0, len(fills), 500):
        batch = batch_of(fills[i : i + 500], clock)
        footprint.update(batch)
        footprint.advance(clock := batch.end)
    anchor = (clock - DAY // 2) // MINUTE * MINUTE
    trades, complete = footprint.since(anchor)
    assert complete == anchor
    assert int(trades.qty.sum()) == sum(f.qty for f in fills if f.t >= anchor)
    assert int((trades.qty * trades.side).sum()) == sum(f.qty * f.side for f in fills if f.t >= anchor)
    _, complete = footprint.since(START)
    assert clock - DAY <= complete <= clock - DAY + 2 * MINUTE
    again = Footprint()
    again.restore(footprint.state())
    assert again.since(anchor)[0].qty.tolist() == trades.qty.tolist()


def test_trades_that_wait_to_be_folded_are_counted_once() -> None:
    market = Market(INSTRUMENT, chart=True)
    minute = START // 60_000_000_000 * 60_000_000_000
    cvd = parse_metric(f"cvd({instant_text(minute)})")
    market.trade(0, START, 1, "10.00", "1", 1)
    market.flush()
    market.trade(0, START + 1, 2, "10.00", "1", 1)
    assert market.value(cvd) == 2.0
    market.trade(0, START + 2, 3, "10.00", "1", 1)
    market.flush()
    assert market.value(cvd) == 3.0
