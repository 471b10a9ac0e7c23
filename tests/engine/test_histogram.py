"""Session volume by price for a panel: complete within its rows, and with the marks inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.histogram import _nodes, _width, histogram
from engine.market import Market
from engine.metrics.names import parse_metric
from engine.picture import market_view
from engine.view import ViewRequest
from tests.engine.tapes import INSTRUMENT, START


def market_of(trades: list[tuple[int, int]]) -> Market:
    """A market with trades of (ticks, lots)."""
    market = Market(INSTRUMENT, metrics=[parse_metric("val")], chart=True)
    for i, (px, lots) in enumerate(trades):
        market.trade(START, START + i, i, f"{px / 100:.2f}", f"{lots / 1000:.3f}", 1)
    market.flush()
    return market


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(2, 3000), st.integers(1, 9000)), min_size=1, max_size=40), st.integers(3, 60))
def test_every_row_holds_what_traded_in_it(trades: list[tuple[int, int]], rows: int) -> None:
    market = market_of(trades)
    view = histogram(market, rows)
    assert view is not None
    assert len(view.rows) == rows
    for row in view.rows:
        lots = sum(lots for px, lots in trades if row.px <= px < row.px + view.width)
        assert row.volume == pytest.approx(lots / 1000)
    low, high = view.rows[-1].px, view.rows[0].px + view.width - 1
    last = trades[-1][0]
    assert low <= min(view.val, view.poc, last)
    assert max(view.vah, view.poc, last) <= high
    assert market.instrument.price(view.val) == market.value(parse_metric("val"))


@given(st.integers(1, 10**7), st.integers(3, 80))
def test_rows_are_one_two_or_five_times_a_power_of_ten(span: int, rows: int) -> None:
    width = _width(span, rows)
    assert str(width).rstrip("0") in ("1", "2", "5")
    assert -(-span // width) + 1 <= rows or width > span
    if width > 1:
        finer = {"1": width // 2, "2": width // 2, "5": width // 5 * 2}[str(width)[0]]
        assert (span - 1) // finer + 2 > rows


def test_nodes_are_the_local_extremes() -> None:
    volumes = np.array([0, 2, 9, 9, 9, 2, 0.5, 0.5, 0.5, 2, 9, 9, 9, 2, 0])
    nodes = _nodes(volumes)
    assert [i for i, node in enumerate(nodes) if node > 0] == [3, 11]
    assert [i for i, node in enumerate(nodes) if node < 0] == [7]
    assert _nodes(np.zeros(9)) == [0] * 9
    assert _nodes(np.array([1.0, 2.0])) == [0, 0]


def test_only_when_it_is_asked_for_and_something_traded() -> None:
    market = market_of([(1000, 5)])
    assert market_view(market, ViewRequest(), ()).histogram is None
    asked = market_view(market, ViewRequest(histogram_rows=9), ()).histogram
    assert asked is not None
    assert asked.poc == 1000
    assert histogram(Market(INSTRUMENT, chart=True), 9) is None
    assert histogram(Market(INSTRUMENT), 9) is None
