"""Trade signing and its agreement with told sides, trade by trade."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.signing import RULES, SignAgreement, TickRule, TradeSigner
from tests.engine.metrics.cuts import Event, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import SECOND, instants, random_tape


def expected_signs(events: list[Event], rule: str) -> list[int]:
    """One sign per fill."""
    signs: list[int] = []
    last_price, tick = None, 0
    mid, epoch = None, None
    for event in events:
        if isinstance(event, Touch):
            if event.valid:
                mid = (event.bid + event.ask) / 2 if event.bid != NO_BID and event.ask != NO_ASK else None
            elif event.epoch != epoch:
                mid = None
            epoch = event.epoch
        elif isinstance(event, Fill):
            if last_price is not None and event.px != last_price:
                tick = 1 if event.px > last_price else -1
            last_price = event.px
            if rule == "lee-ready" and mid is not None and event.px != mid:
                signs.append(1 if event.px > mid else -1)
            else:
                signs.append(tick)
    return signs


def agreement(events: list[Event], rule: str, t: int, window: int) -> float:
    fills = [e for e in events if isinstance(e, Fill)]
    pairs = [
        (f.side, sign)
        for f, sign in zip(fills, expected_signs(events, rule), strict=True)
        if f.side and t - window < f.t <= t
    ]
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else math.nan


def test_tick_rule_takes_the_last_change_that_was_one() -> None:
    rule = TickRule()
    assert rule.signs(np.array([100, 100, 101, 101, 99, 99])).tolist() == [0, 0, 1, 1, -1, -1]
    assert rule.signs(np.array([99, 100])).tolist() == [-1, 1]
    assert rule.signs(np.empty(0, np.int64)).tolist() == []


def test_lee_ready_compares_with_the_mid_before_the_trade() -> None:
    events: list[Event] = [
        Fill(1, 1, 0, 100),  # nothing known
        Touch(2, 98, 5, 102, 5),
        Fill(3, 1, 0, 101),  # above the mid
        Fill(4, 1, 0, 100),  # at the mid: fell
        Touch(5, 99, 5, 103, 5),
        Fill(6, 1, 0, 100),  # below the mid
        Fill(7, 1, 0, 101),  # at the mid: rose
        Touch(8, 105, 1, 104, 1, valid=False),  # crossed: the mid of 101 stays in force
        Fill(9, 1, 0, 102),
        Touch(10, 99, 5, NO_ASK, 0),  # no mid: tick rule
        Fill(11, 1, 0, 101),
    ]
    batch = batch_of(events, 0)
    assert TradeSigner("lee-ready").signs(batch.trades, batch.quotes).tolist() == [0, 1, -1, -1, 1, 1, -1]


def test_told_sides_stay_and_the_others_are_filled() -> None:
    batch = batch_of([Fill(1, 1, -1, 100), Fill(2, 1, 0, 101), Fill(3, 1, -1, 102), Fill(4, 1, 0, 102)], 0)
    signed = TradeSigner("tick").signed(batch.trades, batch.quotes)
    assert signed.side.tolist() == [-1, 1, -1, 1]
    assert signed.qty is batch.trades.qty


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_agreement_equals_the_reference_and_no_cut_changes_it(rule: str, seed: int) -> None:
    rng = random.Random(seed)
    events = random_tape(rng, 150)
    times = instants(rng, events)
    windows = (SECOND, 30 * SECOND)
    fields = tuple(str(w) for w in windows)
    whole = fold(lambda: SignAgreement(rule), events, [], fields, times, restore=False)
    for window in windows:
        expected = [agreement(events, rule, t, window) for t in times.tolist()]
        np.testing.assert_array_equal(whole[str(window)], expected)
    assert 0 < np.nanmean(whole[fields[1]]) < 1
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        cut = fold(lambda: SignAgreement(rule), events, cuts, fields, times)
        assert all(cut[name].tobytes() == whole[name].tobytes() for name in fields)


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(1, 9))
def test_mirrored_prices_swap_the_signs_and_ticks_do_not_matter(prices: list[int], factor: int) -> None:
    px = np.array(prices, np.int64)
    signs = TickRule().signs(px)
    assert TickRule().signs(1_000 - px).tolist() == (-signs).tolist()
    assert TickRule().signs(factor * px).tolist() == signs.tolist()


def test_a_market_whose_takers_lift_offers_is_signed_right() -> None:
    rng = random.Random(1)
    events: list[Event] = []
    for k in range(300):
        side, mid = rng.choice((1, -1)), 1_000 + rng.randint(-20, 20)
        events += [Touch(2 * k + 1, mid - 2, 5, mid + 2, 5), Fill(2 * k + 2, 1, side, mid + 2 * side)]
    last = np.array([events[-1].t])
    assert fold(lambda: SignAgreement("lee-ready"), events, [], ("10000",), last)["10000"][0] == 1
    assert fold(lambda: SignAgreement("tick"), events, [], ("10000",), last)["10000"][0] < 0.9


def test_arguments() -> None:
    assert parse_metric("sign_agreement").canonical == "sign_agreement(lee-ready,1h)"
    metric = parse_metric("sign_agreement(tick, 5m)")
    bound = metric.spec.bind(*metric.args)
    assert (bound.field, bound.needs_book) == (str(300 * SECOND), False)
    with pytest.raises(MetricError, match="tick or lee-ready"):
        parse_metric("sign_agreement(bulk)")
    with pytest.raises(ValueError, match="signing rule"):
        TradeSigner("coin")
    with pytest.raises(ValueError, match="state of the rule"):
        TradeSigner("tick").restore(TradeSigner("lee-ready").state())
