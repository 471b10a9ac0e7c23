from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.instrument import Instrument
from engine.metrics.flow import FlowCalculator
from engine.metrics.spec import Context
from tests.engine.metrics.cuts import Event, Fill, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import (
    BEFORE_MIDNIGHT,
    DAY,
    INVERSE,
    LINEAR,
    SECOND,
    fills_until,
    in_span,
    instants,
    mirrored,
    random_tape,
)

WINDOWED = ("delta", "buy", "sell", "volume", "volume_quote", "trades", "ratio", "share", "ti", "ti_z", "mean_size")
SPANS = (1, SECOND, 7 * SECOND, 60 * SECOND, "session", "start")
FIELDS = [f"{name}:{span}" for name in WINDOWED for span in SPANS] + [
    *(f"{name}:{span}" for name in ("cvd", "cvd_quote", "cvd_base", "volume_base") for span in ("session", "start")),
    f"speed:{7 * SECOND}",
]


def expected(field: str, events: list[Event], t: int, context: Context) -> float:
    """By rational arithmetic over the fills of the window."""
    name, span = field.split(":")
    if not fills_until(events, t):
        return math.nan
    fills = in_span(events, t, span if span in ("session", "start") else int(span))
    instrument = context.instrument
    amount, tick = Fraction(instrument.lot) * Fraction(instrument.contract), Fraction(instrument.tick)
    inverse = instrument.kind == "inverse"
    buy = sum(f.qty for f in fills if f.side > 0)
    sell = sum(f.qty for f in fills if f.side < 0)
    volume = sum(f.qty for f in fills)
    if name in ("ratio", "share", "ti", "ti_z"):
        if not buy + sell:
            return math.nan
        if name == "ratio":
            return buy / sell if sell else math.inf
        if name == "ti_z":
            return (buy - sell) / math.sqrt(sum(f.qty**2 for f in fills if f.side))
        return (buy if name == "share" else buy - sell) / (buy + sell)
    if name in ("trades", "speed"):
        return len(fills) / (1 if name == "trades" else int(span) / 1e9)
    if name == "mean_size":
        return float(volume * amount) / len(fills) if fills else math.nan
    signed = name in ("delta", "cvd", "cvd_quote", "cvd_base")
    if name in ("volume_quote", "cvd_quote") and not inverse:
        return float(sum((f.side if signed else 1) * f.px * f.qty for f in fills) * amount * tick)
    if name in ("volume_base", "cvd_base") and inverse:
        return float(
            sum((Fraction(f.side if signed else 1) * f.qty * amount / (f.px * tick) for f in fills), Fraction())
        )
    lots = {"buy": buy, "sell": sell}.get(name, buy - sell if signed else volume)
    return float(lots * amount)


@pytest.mark.parametrize("context", [LINEAR, INVERSE], ids=["linear", "inverse"])
@pytest.mark.parametrize("seed", range(4))
def test_equals_plain_arithmetic_at_every_instant(seed: int, context: Context) -> None:
    rng = random.Random(seed)
    events = random_tape(rng)
    times = instants(rng, events)
    values = fold(lambda: FlowCalculator(context), events, [], FIELDS, times)
    for field in FIELDS:
        wanted = [expected(field, events, int(t), context) for t in times]
        if field.split(":")[0] in ("cvd_base", "volume_base") and context is INVERSE:
            np.testing.assert_allclose(values[field], wanted, rtol=0, atol=1e-9, err_msg=field)
        elif field.startswith("ti_z"):
            np.testing.assert_allclose(values[field], wanted, rtol=1e-15, err_msg=field)
        else:
            np.testing.assert_array_equal(values[field], wanted, err_msg=field)


@pytest.mark.parametrize("context", [LINEAR, INVERSE], ids=["linear", "inverse"])
def test_any_cut_gives_the_same_bits(context: Context) -> None:
    rng = random.Random(7)
    events = random_tape(rng, 80)
    times = instants(rng, events)
    whole = fold(lambda: FlowCalculator(context), events, [], FIELDS, times)
    for cuts in [every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(4))]:
        cut = fold(lambda: FlowCalculator(context), events, cuts, FIELDS, times)
        for field in FIELDS:
            assert cut[field].tobytes() == whole[field].tobytes(), field


def test_absurd_amounts_stay_exact() -> None:
    """Sizes and prices at the limit of what an instrument accepts overflow 64 bits many times over."""
    huge = 1 << 53
    t = 20_000 * DAY
    events: list[Event] = [
        Fill(t + i * SECOND, huge - i if i % 20 < 3 else 5 + i, (1, -1, 1, 0)[i % 4], huge if i % 17 == 2 else 100)
        for i in range(60)
    ]
    names = [
        f"{n}:{s}" for n in ("volume", "volume_quote", "delta", "cvd_quote", "ti_z") for s in (2 * SECOND, "session")
    ]
    times = np.array([t + i * SECOND for i in range(62)], np.int64)
    whole = fold(lambda: FlowCalculator(LINEAR), events, [], names, times)
    for name in names:
        wanted = [expected(name, events, int(x), LINEAR) for x in times]
        np.testing.assert_allclose(whole[name], wanted, rtol=3e-16 if "ti_z" not in name else 1e-15, err_msg=name)
    cut = fold(lambda: FlowCalculator(LINEAR), events, every_event(60), names, times)
    assert all(cut[name].tobytes() == whole[name].tobytes() for name in names)


def test_unknown_before_the_first_trade_and_zero_in_an_empty_window() -> None:
    t = 20_000 * DAY
    events: list[Event] = [Fill(t, 4, 1)]
    times = np.array([t - 1, t, t + SECOND - 1, t + SECOND], np.int64)
    fields = [f"{name}:{SECOND}" for name in ("delta", "trades", "ratio", "ti", "mean_size", "speed")]
    values = fold(lambda: FlowCalculator(LINEAR), events, [], fields, times)
    nan, inf = math.nan, math.inf
    np.testing.assert_array_equal(values[fields[0]], [nan, 0.004, 0.004, 0.0])
    np.testing.assert_array_equal(values[fields[1]], [nan, 1, 1, 0])
    np.testing.assert_array_equal(values[fields[2]], [nan, inf, inf, nan])
    np.testing.assert_array_equal(values[fields[3]], [nan, 1, 1, nan])
    np.testing.assert_array_equal(values[fields[4]], [nan, 0.004, 0.004, nan])
    np.testing.assert_array_equal(values[fields[5]], [nan, 1, 1, 0])


def test_session_restarts_at_the_first_trade_of_a_utc_day() -> None:
    midnight = BEFORE_MIDNIGHT + 20 * SECOND
    events: list[Event] = [
        Fill(midnight - 1, 5, 1),
        Fill(midnight, 3, -1),
        Fill(midnight, 1, -1),
        Fill(midnight + DAY, 2, 1),
    ]
    times = np.array([midnight - 1, midnight, midnight + DAY - 1, midnight + DAY], np.int64)
    for name in ("cvd", "delta"):
        for cuts in ([], [1], [2], [3], [1, 2, 2, 3]):
            values = fold(lambda: FlowCalculator(LINEAR), events, cuts, [f"{name}:session"], times)
            assert values[f"{name}:session"].tolist() == [0.005, -0.004, -0.004, 0.002]


def test_swapping_sides_flips_signs_and_keeps_volumes() -> None:
    rng = random.Random(3)
    events = random_tape(rng)
    times = instants(rng, events)
    there = fold(lambda: FlowCalculator(LINEAR), events, [], FIELDS, times)
    back = fold(lambda: FlowCalculator(LINEAR), mirrored(events), [], FIELDS, times)
    for span in SPANS:
        for name in ("delta", "ti", "ti_z"):
            np.testing.assert_array_equal(there[f"{name}:{span}"], -back[f"{name}:{span}"])
        np.testing.assert_array_equal(there[f"buy:{span}"], back[f"sell:{span}"])
        for name in ("volume", "trades", "mean_size"):
            np.testing.assert_array_equal(there[f"{name}:{span}"], back[f"{name}:{span}"])


def test_buys_sells_and_unknown_make_up_the_volume() -> None:
    rng = random.Random(11)
    events = random_tape(rng)
    times = instants(rng, events)[1:]
    values = fold(lambda: FlowCalculator(LINEAR), events, [], FIELDS, times)
    for span in SPANS:
        for i, t in enumerate(times.tolist()):
            unknown = sum(f.qty for f in in_span(events, t, span) if not f.side) / 1000
            if fills_until(events, t):
                parts = values[f"buy:{span}"][i] + values[f"sell:{span}"][i] + unknown
                assert values[f"volume:{span}"][i] == pytest.approx(parts, rel=1e-14)


def test_inverse_contracts_count_money_exactly_and_coins_beside() -> None:
    instrument = Instrument("test", "ETH/USD:ETH", Decimal("0.01"), Decimal(1), "inverse", Decimal(10))
    t = 20_000 * DAY
    events: list[Event] = [Fill(t, 300, 1, 300_000), Fill(t, 100, -1, 250_000)]
    fields = ["cvd:start", "cvd_quote:start", "cvd_base:start", "volume:start", "volume_base:start"]
    values = fold(lambda: FlowCalculator(Context(instrument)), events, [1], fields, np.array([t]))
    assert [values[f].tolist() for f in fields[:2]] == [[2000.0], [2000.0]]
    assert values["volume:start"].tolist() == [4000.0]
    assert values["cvd_base:start"].tolist() == pytest.approx([1.0 - 0.4], abs=1e-11)
    assert values["volume_base:start"].tolist() == pytest.approx([1.4], abs=1e-11)


def test_foreign_state_is_refused() -> None:
    calculator = FlowCalculator(LINEAR)
    state = calculator.state()
    with pytest.raises(ValueError, match="version"):
        calculator.restore({**state, "version": 99})
    with pytest.raises(ValueError, match="not one of"):
        calculator.restore({"kind": "vwap", "version": 1})


def test_what_no_window_needs_is_forgotten() -> None:
    calculator = FlowCalculator(LINEAR)
    t = 20_000 * DAY
    calculator.sample(f"delta:{60 * SECOND}", np.empty(0, np.int64))
    for i in range(2_000):
        calculator.update(batch_of([Fill(t + i * SECOND, 1, 1)], t + i * SECOND))
        calculator.advance(t + i * SECOND)
    assert len(calculator.state()["sums"]["rows"][0]) <= 62
