"""A metric against its own past: against plain lists of what was read before."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest

from engine.market import Market
from engine.metrics.history import FEWEST_VALUES, SEASONED, History
from engine.metrics.names import parse_metric
from engine.tape import Channel, Trust
from tests.engine.tapes import INSTRUMENT, START, Recorder, fold_rows, message_cuts, push, random_messages, to_rows

S = 1_000_000_000
NAMES = ("pct", "median", "min", "max", "z")
INNER = ("spread_bps", "ti(10s)", "depth(bid,10bps)")
TEXT = ",".join([*INNER, *(f"{name}({inner},5m)" for name in NAMES for inner in INNER)])
NESTED = "ti(10s),pct(ti(10s),5m),pct(pct(ti(10s),5m),5m),max(min(spread_bps,20s),30s)"


def reference(name: str, past: list[float], now: float) -> float:
    """The definitions; `past` are the known earlier values."""
    if name in ("min", "max"):
        return (min if name == "min" else max)(past) if past else math.nan
    if name == "median":
        return statistics.median(past)
    if math.isnan(now):
        return math.nan
    if name == "pct":
        return (sum(v < now for v in past) + sum(v == now for v in past) / 2) / len(past)
    spread = statistics.stdev(past)
    return (now - statistics.fmean(past)) / spread if spread else math.nan


def test_values_are_those_of_the_definitions() -> None:
    recorder = Recorder(TEXT)
    fold_rows([to_rows(random_messages(1, 2_500))], recorder)
    times = [row[0] for row in recorder.read]
    columns = {
        metric.key: [float.fromhex(row[i + 1]) for row in recorder.read] for i, metric in enumerate(recorder.metrics)
    }
    compared = 0
    for inner in INNER:
        values = columns[inner]
        first = next(t for t, v in zip(times, values, strict=True) if not math.isnan(v))
        for i in range(0, len(times), 7):
            t = times[i]
            past = [v for s, v in zip(times[:i], values[:i], strict=True) if s > t - 300 * S and not math.isnan(v)]
            seasoned = len(past) >= FEWEST_VALUES and t - first >= 300 * S
            for name in NAMES:
                found = columns[f"{name}({inner},5m)"][i]
                if name in ("min", "max") or seasoned:
                    wanted = reference(name, past, values[i])
                    assert found == pytest.approx(wanted, rel=1e-9, nan_ok=True), (name, inner, t)
                    compared += not math.isnan(wanted)
                else:
                    assert math.isnan(found)
    assert compared > 400


def test_values_do_not_depend_on_the_cut_the_carrier_or_other_samplers() -> None:
    messages, rng = random_messages(2, 1_500), random.Random(2)
    rows = to_rows(messages)
    text = TEXT + "," + NESTED
    whole = Recorder(text)
    fold_rows([rows], whole)
    assert sum(value != "nan" for row in whole.read for value in row[4:-2]) > 1_000
    again, often = Recorder(text), Recorder(text, 100_000_000)
    market = Market(INSTRUMENT, [often, again])
    for piece in message_cuts(rows, lambda: rng.randrange(0, 40)):
        market.apply(piece)
    market.finish()
    assert again.read == whole.read
    assert [row for row in often.read if row[0] % S == 0] == whole.read
    live = Recorder(text)
    sink = Market(INSTRUMENT, [live])
    for message in messages:
        push(sink, message)
        if rng.random() < 0.1:
            sink.flush()
    sink.finish()
    assert live.read == whole.read


def test_the_value_for_the_screen_is_that_of_the_instant() -> None:
    market = Market(INSTRUMENT)
    metrics = [parse_metric(f"{name}(bid_size,5m)") for name in NAMES]
    for metric in metrics:
        assert market.value(metric) is None
    market.status(0, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START, 1, [("10.00", 1.0)], [("10.02", 3.0)])
    for i in range(1, 400):
        market.book(0, START + i * S, 1 + i, [("10.00", 1.0 + i % 4)], [])
        market.flush()
    past = [1.0 + i % 4 for i in range(100, 399)]
    now = market.value(parse_metric("bid_size"))
    assert now == 1.0 + 399 % 4
    for metric in metrics:
        assert market.value(metric) == pytest.approx(reference(metric.name, past, now), rel=1e-12)


def past_of(text: str = "last") -> History:
    history = History(parse_metric(text))
    for name in NAMES:
        history.sample(f"{name}:{300 * S}", np.empty(0, np.int64))
    return history


def test_an_hour_or_the_window_must_have_passed_and_250_values_be_known() -> None:
    history = History(parse_metric("last"))
    day = 86_400 * S
    history.sample(f"pct:{day}", np.empty(0, np.int64))
    history.learn(np.arange(3_700) * S, np.arange(3_700.0))
    times = np.array([3_599 * S, 3_600 * S, 3_601 * S])
    assert SEASONED == 3_600 * S
    assert np.isnan(history.beside(f"pct:{day}", times, np.full(3, 9e9))).tolist() == [True, False, False]
    sparse = past_of()
    sparse.learn(np.arange(0, 600, 2) * S, np.arange(300.0))
    assert np.isnan(sparse.beside(f"pct:{300 * S}", np.array([600 * S]), np.zeros(1)))[0]


def test_mid_ranks_and_the_present_value_is_never_in_its_own_past() -> None:
    history = past_of()
    history.learn(np.arange(301) * S, np.array([1.0] * 100 + [2.0] * 100 + [3.0] * 101))
    at = np.array([300 * S])
    assert history.beside(f"max:{300 * S}", at, np.array([9.0]))[0] == 3.0
    pct = history.beside(f"pct:{300 * S}", at, np.array([2.0]))[0]
    assert pct == (99 + 100 / 2) / 299  # the value 300 s old is out, that of the instant itself as well
    assert history.beside(f"median:{300 * S}", at, np.array([9.0]))[0] == 2.0
    constant = past_of()
    constant.learn(np.arange(301) * S, np.full(301, 5.0))
    assert math.isnan(constant.beside(f"z:{300 * S}", at, np.array([5.0]))[0])
    assert constant.beside(f"pct:{300 * S}", at, np.array([5.0]))[0] == 0.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(6))
def test_forgetting_restoring_and_reading_back_and_forth_change_nothing(seed: int, name: str) -> None:
    rng = random.Random(seed)
    values = np.array([rng.choice((0.0, -0.0, 1.5, rng.gauss(0, 1), math.nan, math.inf)) for _ in range(900)])
    whole, cut = past_of(), past_of()
    whole.learn(np.arange(900) * S, values)
    field, done = f"{name}:{300 * S}", 0
    while done < 900:
        step = rng.choice((0, 1, 1, 5, 200))
        cut.learn(np.arange(done, min(900, done + step)) * S, values[done : done + step])
        done = min(900, done + step)
        times = np.array([max(0, done - 3), done]) * S
        now = np.array([rng.gauss(0, 1), 1.5])
        for at, value in ((times[1:], now[1:]), (times, now)):
            wanted = whole.beside(field, at, value)
            assert cut.beside(field, at, value).tobytes() == wanted.tobytes()
        cut.advance(int(times[0]))
        if rng.random() < 0.3:
            state = cut.state()
            cut = past_of()
            cut.restore(state)


def test_a_state_of_another_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="not of"):
        past_of("cvd").restore(past_of("last").state())
