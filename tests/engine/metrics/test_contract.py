"""Liquidations and what venues tell of a contract, against plain loops over the same messages."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest

from engine.market import Market
from engine.metrics.names import parse_metric
from engine.tape import Channel, Flag, Kind, Trust
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
NAMES = (
    "liquidations(5s)", "liq_buy(1m)", "liq_sell(1m)", "liq_delta(20s)", "mark", "index", "basis_bps", "funding_bps",
    "funding_due", "open_interest", "oi_change(30s)",
)  # fmt: skip


def told(messages: list[Message], kind: Kind, t: int) -> tuple[float, int] | None:
    """The newest reading of a kind by the clock `t`; None when there is none or it is older than 5 minutes."""
    clock, found = 0, None
    for name, args in messages:
        clock = max(clock, args[1])
        if clock > t:
            break
        if name == "reading" and args[2] is kind:
            found = (clock, float(args[3]), args[4])
    return None if found is None or t - found[0] > 300 * SECOND else found[1:]


def closed(messages: list[Message], t: int, span: int) -> tuple[float, float] | None:
    """(buys, sells) closed by force in (t - span, t]; None while liquidations are not heard of."""
    clock, heard, buy, sell = 0, False, Fraction(), Fraction()
    for name, args in messages:
        clock = max(clock, args[1])
        if clock > t:
            break
        if name == "status" and args[2] is Channel.LIQUIDATIONS:
            heard = args[3] is Trust.LIVE
        forced = name == "trade" and args[6] & Flag.LIQUIDATED
        if name == "liquidation" or forced:
            size, side = (Fraction(args[4]), args[5]) if forced else (Fraction(args[3]), args[4])
            if clock > t - span:
                buy, sell = buy + size * (side > 0), sell + size * (side < 0)
    return (float(buy), float(sell)) if heard else None


def expected(name: str, messages: list[Message], t: int) -> float:
    def number(kind: Kind, at: int = t) -> float:
        found = told(messages, kind, at)
        return math.nan if found is None else found[0]

    if name.startswith("liq"):
        spans = {"liquidations(5s)": 5, "liq_buy(1m)": 60, "liq_sell(1m)": 60, "liq_delta(20s)": 20}
        found = closed(messages, t, spans[name] * SECOND)
        if found is None:
            return math.nan
        buy, sell = found
        by_name = {"liq_buy": buy, "liq_sell": sell, "liq_delta": buy - sell, "liquidations": buy + sell}
        return by_name[name.partition("(")[0]]
    if name == "basis_bps":
        return (number(Kind.MARK) / number(Kind.INDEX) - 1) * 1e4
    if name == "funding_bps":
        return number(Kind.FUNDING) * 1e4
    if name == "funding_due":
        found = told(messages, Kind.FUNDING, t)
        return (found[1] - t) / 1e9 if found is not None and found[1] > t else math.nan
    if name == "oi_change(30s)":
        return number(Kind.OPEN_INTEREST) - number(Kind.OPEN_INTEREST, t - 30 * SECOND)
    return number({"mark": Kind.MARK, "index": Kind.INDEX}.get(name, Kind.OPEN_INTEREST))


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_plain_loop_in_every_cut_and_carrier(seed: int) -> None:
    messages, rng = random_messages(seed, 400), random.Random(seed)
    rows, recorder = to_rows(messages), Recorder(",".join(NAMES))
    fold_rows([rows], recorder)
    assert len(recorder.read) > 30
    known = dict.fromkeys(NAMES, 0)
    for t, *values in recorder.read:
        for name, text in zip(NAMES, values, strict=False):
            value, wanted = float.fromhex(text), expected(name, messages, t)
            assert (math.isnan(value) and math.isnan(wanted)) or value == pytest.approx(wanted, rel=1e-12, abs=1e-9), (
                name,
                t,
            )
            known[name] += not math.isnan(value)
    assert all(known.values()), known
    for cut in (lambda: 1, lambda: rng.randrange(0, 9)):
        again = Recorder(",".join(NAMES))
        fold_rows(message_cuts(rows, cut), again)
        assert again.read == recorder.read
    live = Recorder(",".join(NAMES))
    sink = Market(INSTRUMENT, [live])
    for message in messages:
        push(sink, message)
        if rng.random() < 0.3:
            sink.flush()
    sink.finish()
    assert live.read == recorder.read


def test_a_liquidation_is_printed_in_its_place_and_is_no_flow() -> None:
    market = Market(INSTRUMENT, chart=True)
    market.trade(0, START, 1, "10.00", "1", 1)
    market.liquidation(0, START + 1, "9.00", "2", -1)
    market.trade(0, START + 2, 2, "10.01", "3", 1, int(Flag.LIQUIDATED))
    market.flush()
    assert [(p[1], p[3], p[4]) for p in market.prints] == [(1000, 1, 0), (900, -1, 16), (1001, 1, 16)]
    assert market.value(parse_metric("cvd")) is None  # asked for only now
    assert market.value(parse_metric("last")) is None


def test_flow_counts_a_trade_that_was_a_liquidation_and_not_what_is_told_beside() -> None:
    market = Market(INSTRUMENT, metrics=[parse_metric("cvd"), parse_metric("liq_delta(1m)")])
    market.status(0, START, Channel.LIQUIDATIONS, Trust.LIVE)
    market.trade(0, START + 2, 2, "10.01", "3", 1, int(Flag.LIQUIDATED))
    market.liquidation(0, START + 3, "9.00", "2", -1)
    market.flush()
    assert market.value(parse_metric("cvd")) == 3.0
    assert market.value(parse_metric("liq_delta(1m)")) == 1.0


def test_nothing_told_is_unknown_and_nothing_closed_is_zero() -> None:
    names = [parse_metric(name) for name in NAMES]
    market = Market(INSTRUMENT, metrics=names)
    market.trade(0, START, 1, "10.00", "1", 1)
    market.flush()
    assert [market.value(name) for name in names] == [None] * len(names)
    market.status(0, START + 1, Channel.LIQUIDATIONS, Trust.LIVE)
    market.flush()
    assert [market.value(name) for name in names[:4]] == [0.0] * 4
    market.status(0, START + 2, Channel.LIQUIDATIONS, Trust.STALE)
    market.flush()
    assert [market.value(name) for name in names[:4]] == [None] * 4


def test_what_is_no_number_changes_nothing() -> None:
    market = Market(INSTRUMENT, metrics=[parse_metric("mark")])
    market.reading(0, START, Kind.MARK, "10.123456")
    with pytest.raises(ValueError, match="not a number"):
        market.reading(0, START + SECOND, Kind.MARK, "ten")
    market.flush()
    assert market.value(parse_metric("mark")) == 10.123456
    assert market.t == START
