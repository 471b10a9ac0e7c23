"""The cost of an order with fees, alone and as a table over markets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.fees import FeeSchedule, FeeTier
from engine.instrument import Instrument
from engine.metrics.cost import slip
from engine.metrics.cost_table import MarketBook, walk_table
from engine.metrics.names import parse_metric
from engine.metrics.spec import Context
from tests.engine.metrics.list_book import ListBook

LISTED = Instrument("x", "A/B", Decimal(1), Decimal(1), maker_bps=2.0, taker_bps=5.0)
UNLISTED = replace(LISTED, venue="y", maker_bps=None, taker_bps=None)
GOLDEN = ListBook([(99, 10)], [(100, 2), (101, 3), (103, 5)])
TIGHT = ListBook([(99_998, 10)], [(100_000, 20)])
VIP = FeeSchedule((FeeTier(0, 1, 4), FeeTier(100, -1, 3)), volume=100)


def cost(text: str, context: Context, book: ListBook = GOLDEN) -> float | None:
    metric = parse_metric(text)
    probe = metric.spec.bind(*metric.args).probe
    assert probe is not None
    return probe(book, context)


def test_cost_is_slip_and_the_fee_of_the_users_tier() -> None:
    walked = slip(GOLDEN, LISTED, -1, 402)
    assert walked == pytest.approx(100.5025, abs=1e-3)
    assert cost("cost(buy,402)", Context(LISTED)) == walked + 5
    assert cost("cost(buy,402)", Context(LISTED, fees=VIP)) == walked + 3
    assert cost("cost(buy,402)", Context(UNLISTED, fees=VIP)) == walked + 3
    assert cost("cost(buy,402)", Context(UNLISTED)) is None
    assert cost("cost(buy,99999)", Context(LISTED)) is None
    assert cost("cost(buy,402)", Context(LISTED), ListBook([], GOLDEN.asks)) is None


def test_the_table_says_the_same_and_ranks_all_in() -> None:
    rows = walk_table(
        [MarketBook(LISTED, TIGHT, adverse_bps=0.4, drift_bps=1.0), MarketBook(UNLISTED, TIGHT, VIP)],
        [100_000, 5_000_000],
    )
    assert [(r.side, r.notional, r.market) for r in rows] == [
        (side, n, market) for side in ("buy", "sell") for n in (100_000, 5_000_000) for market in ("x:A/B", "y:A/B")
    ]
    first, vip = rows[:2]
    assert first.all_in_bps == cost("cost(buy,100k)", Context(LISTED), TIGHT)
    assert first.all_in == pytest.approx(first.all_in_bps * 10)
    assert (first.rank, vip.rank) == (2, 1)  # equal slips: the fee decides
    assert first.slip_bps == vip.slip_bps == pytest.approx(0.1, rel=1e-4)
    assert first.filled_maker_bps == pytest.approx(-0.1 + 2 + 0.4, rel=1e-3)
    taker = first.all_in_bps
    assert first.break_even_fill == pytest.approx(1.0 / (taker + 1.0 - first.filled_maker_bps))
    assert vip.filled_maker_bps is None
    assert vip.break_even_fill is None
    thin = rows[2]
    assert (thin.all_in_bps, thin.rank) == (None, None)
    assert thin.fill_ratio == pytest.approx(0.4)
    assert (thin.worst_px, thin.levels) == (100_000, 1)


def test_equal_costs_share_a_rank_and_lost_books_have_no_rows() -> None:
    twin = replace(LISTED, venue="z")
    lost = replace(TIGHT, trusted=False)
    rows = walk_table([MarketBook(LISTED, TIGHT), MarketBook(twin, TIGHT), MarketBook(UNLISTED, lost, VIP)], [1_000])
    assert [r.rank for r in rows] == [1, 1, 1, 1]
    assert {r.market for r in rows} == {"x:A/B", "z:A/B"}


def test_what_is_unknown_is_not_a_number() -> None:
    one_sided = MarketBook(UNLISTED, ListBook([(99, 1)], [(100, 1)], known_high=99))
    (buy, sell) = walk_table([one_sided], [10])
    assert (buy.slip_bps, buy.fill_ratio, buy.worst_px, buy.all_in_bps) == (None, 0, None, None)
    assert sell.slip_bps is not None
    assert sell.all_in_bps is None  # nobody told the fee
