"""What a position stands to lose, against its own definition and hand-worked numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.position import (
    Position,
    after_shock,
    cost_adjusted_var,
    liquidation_distance,
    liquidation_price,
    notional,
    profit,
    with_leverage,
)
from tests.engine.metrics.list_book import ListBook
from tests.engine.metrics.tapes import INVERSE, LINEAR

sizes = st.floats(0.01, 1e6) | st.floats(-1e6, -0.01)
positions = st.builds(with_leverage, sizes, st.floats(0.01, 1e6), st.floats(0.5, 125), st.floats(0, 0.1), st.booleans())


def test_a_long_linear_position_at_ten_times() -> None:
    position = with_leverage(2, 30_000, 10, 0.005)
    assert position.margin == 6_000
    assert profit(position, 31_000) == 2_000
    # 6000 + 2 (P - 30000) = 0.005 x 2 P
    assert liquidation_price(position) == pytest.approx(54_000 / 1.99, rel=1e-12)
    distance = liquidation_distance(position, 30_000, volatility=0.5)
    assert distance is not None
    assert distance.bps == pytest.approx(1e4 * (1 - 54_000 / 1.99 / 30_000), rel=1e-12)
    day = 0.5 * math.sqrt(1 / 365.25)
    assert distance.sigma == pytest.approx(math.log(30_000 / (54_000 / 1.99)) / day, rel=1e-12)


def test_inverse_positions() -> None:
    long = with_leverage(10_000, 2_000, 5, 0.01, inverse=True)
    assert long.margin == 1.0  # 5 ETH of value at five times
    assert profit(long, 2_500) == pytest.approx(10_000 * (1 / 2_000 - 1 / 2_500), rel=1e-12)
    # 1 + 10000 (1/2000 - 1/P) = 0.01 x 10000 / P
    assert liquidation_price(long) == pytest.approx(10_100 / 6, rel=1e-12)
    assert liquidation_price(with_leverage(-10_000, 2_000, 1, 0.01, inverse=True)) is None
    short = with_leverage(-10_000, 2_000, 5, 0.01, inverse=True)
    assert liquidation_price(short) == pytest.approx(9_900 / 4, rel=1e-12)


def test_an_unlevered_long_position_is_never_liquidated() -> None:
    assert liquidation_price(with_leverage(1, 100, 1, 0.0)) is None
    assert liquidation_distance(with_leverage(1, 100, 0.5), 100) is None


@given(positions)
def test_at_the_liquidation_price_equity_is_what_is_required(position: Position) -> None:
    price = liquidation_price(position)
    assume(price is not None)
    assert price is not None
    equity = position.margin + profit(position, price)
    scale = position.margin + notional(position, price) + notional(position, position.entry)
    assert equity == pytest.approx(position.maintenance * notional(position, price), abs=1e-9 * scale)
    for shock, holds in ((0.001, position.side > 0), (-0.001, position.side < 0)):
        assert after_shock(position, price, shock).holds is holds
    beyond = liquidation_distance(position, price * (1 + 0.01 * position.side), volatility=1.0)
    assert beyond is not None
    assert beyond.bps > 0
    assert beyond.sigma is not None
    assert beyond.sigma > 0


def test_a_shock_says_whether_the_margin_holds() -> None:
    position = with_leverage(-1, 100, 10, 0.01)
    held = after_shock(position, 100, 0.05)
    assert (held.profit, held.equity, held.required, held.holds) == pytest.approx((-5, 5, 1.05, True))
    assert after_shock(position, 100, 0.10).holds is False
    with pytest.raises(ValueError, match="shock"):
        after_shock(position, 100, -1)


def test_var_with_the_cost_of_getting_out() -> None:
    book = ListBook([(9_900, 1_000), (9_800, 1_000)], [(10_100, 1_000), (10_200, 9_000)])  # 1 and 1; 1 and 9 ETH
    long = Position(2, 100, 50)
    risk = cost_adjusted_var(long, book, LINEAR.instrument, 200, taker_bps=5)
    assert risk is not None
    # selling 200 of quote at 99 and 98: 99 + 98 are not enough for 200 at the mid
    assert (risk.var, risk.exit_cost, risk.total) == (4.0, None, None)
    small = cost_adjusted_var(Position(1.5, 100, 50), book, LINEAR.instrument, 200, taker_bps=5)
    assert small is not None
    sold = 1 + 51 / 98  # coins that give 150 of quote
    slip = 1 - 150 / sold / 100
    assert small.exit_cost == pytest.approx(150 * (slip + 0.0005), rel=1e-9)
    assert small.total == pytest.approx(3.0 + small.exit_cost, rel=1e-12)
    short = cost_adjusted_var(Position(-1, 100, 50), book, LINEAR.instrument, 200)
    assert short is not None
    assert short.exit_cost == pytest.approx(100 * (100 / (100 / 101) / 100 - 1), rel=1e-9)
    assert cost_adjusted_var(long, ListBook([], []), LINEAR.instrument, 200) is None


def test_inverse_var_is_in_base_units() -> None:
    book = ListBook([(9_900, 1_000)], [(10_100, 1_000)])  # contracts of 10 quote units
    risk = cost_adjusted_var(Position(1_000, 100, 1, inverse=True), book, INVERSE.instrument, 100)
    assert risk is not None
    assert risk.var == pytest.approx(10 * 0.01)
    assert risk.exit_cost == pytest.approx(10 * 0.01)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 100, 10), "size"),
        ((1, -5, 10), "entry"),
        ((1, 100, 0), "margin"),
        ((1, 100, 10, 1.5), "maintenance"),
        ((math.nan, 100, 10), "size"),
    ],
)
def test_numbers_that_cannot_be_are_refused(arguments: tuple[float, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Position(*arguments)
    with pytest.raises(ValueError, match="leverage"):
        with_leverage(1, 100, 0)
