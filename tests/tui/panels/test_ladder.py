"""The ladder: where its window stands, what its rows say, and when it is hidden."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.view import ChannelView, LadderRow, LadderView, MarketView, ViewRequest
from tests.tui.panels.harness import PanelApp, lines
from tests.tui.views import NS, FakeMarket, make_overview, make_view
from tui.panels import glyphs
from tui.panels.ladder import Ladder
from tui.panels.ladder_rows import (
    GROUPS,
    Columns,
    PriceRow,
    SpreadRow,
    bar_scale,
    columns_for,
    ladder_rows,
    paint_price,
    starting_group,
)

COLUMNS = Columns(8, 6, 7, 7, 0)


def rows_of(view: MarketView, height: int = 40, scale: int = 1000) -> list[PriceRow | SpreadRow]:
    return ladder_rows(view, COLUMNS, height, scale, glyphs.BRAILLE)


def small_view(rows: list[LadderRow], group: int = 1, **changes: object) -> MarketView:
    base = LadderView(True, group, tuple(rows), 100, 101, 5, 7, None, None)
    return make_view(ladder=replace(base, **changes), tape=())  # type: ignore[arg-type]


@given(st.integers(20, 300), st.integers(4, 16))
def test_columns_never_exceed_the_width(width: int, price: int) -> None:
    columns = columns_for(width, price)
    used = price + 2 * 6 + 4 + 2 * columns.bar + 2 * columns.traded + columns.volume + columns.profile
    assert used <= width or columns == Columns(price, 0, 0, 0, 0)


def test_columns_are_dropped_as_the_width_shrinks() -> None:
    assert columns_for(38, 8).bar >= 4
    assert columns_for(38, 8).traded == 0
    assert columns_for(50, 8).traded
    assert columns_for(50, 8).volume == 0
    assert columns_for(80, 8).volume
    assert columns_for(80, 8).profile


@pytest.mark.parametrize(("mid", "group"), [(302_514, 2), (10_412_345, 100), (8_500, 1), (1_234, 1), (0, 1)])
def test_the_first_grouping_is_a_tenth_of_a_basis_point(mid: int, group: int) -> None:
    assert starting_group(mid) == group


def test_the_spread_stands_between_the_sides() -> None:
    view = small_view([LadderRow(px, 5 if px <= 100 else 0, 7 if px >= 101 else 0, 0, 0) for px in range(105, 95, -1)])
    rows = rows_of(view)
    at = next(i for i, row in enumerate(rows) if isinstance(row, SpreadRow))
    above, below = rows[at - 1], rows[at + 1]
    assert isinstance(above, PriceRow)
    assert isinstance(below, PriceRow)
    assert (above.px, above.side, below.px, below.side) == (101, -1, 100, 1)
    assert above.place == "▸"
    assert below.place == "◂"
    assert "spread 0.01" in rows[at].text  # type: ignore[union-attr]
    assert "mid 1.005" in rows[at].text  # type: ignore[union-attr]


def test_the_best_levels_are_grouped_to_their_side() -> None:
    # Best bid 103 is in the row of 100, best ask 104 in that of 105.
    view = small_view(
        [LadderRow(px, 5 if px <= 100 else 0, 7 if px >= 105 else 0, 0, 0) for px in range(120, 80, -5)],
        group=5,
        best_bid=103,
        best_ask=104,
        poc=112,
    )
    places = {row.px: row.place for row in rows_of(view) if isinstance(row, PriceRow)}
    assert places[100] == "◂"
    assert places[105] == "▸"
    assert places[110] == "◆"


def test_beyond_the_known_depth_nothing_is_shown_as_empty() -> None:
    rows = [LadderRow(px, 5 if px in (100, 96) else 0, 7 if px in (101, 105) else 0, 0, 0) for px in range(106, 94, -1)]
    view = small_view(rows, known_low=97, known_high=104)
    by_price = {row.px: row for row in rows_of(view) if isinstance(row, PriceRow)}
    assert by_price[98].bid.strip() == ""
    assert by_price[95].bid.strip() == "·"
    assert by_price[96].bid == "0.005+"
    assert by_price[103].ask.strip() == ""
    assert by_price[106].ask.strip() == "·"
    assert by_price[105].ask.strip().endswith("+")


def test_the_last_trade_marks_its_price() -> None:
    view = make_view(seed=4)
    last = view.tape[0]
    marked = [row for row in rows_of(view, 60) if isinstance(row, PriceRow) and row.mark != " "]
    assert [(row.px, row.mark) for row in marked] == [(last.px, "▲" if last.side > 0 else "▼")]


def test_a_wall_is_cut_and_marked_instead_of_flattening_the_rest() -> None:
    rows = [LadderRow(px, 10 if px <= 100 else 0, 10 if px > 100 else 0, 0, 0) for px in range(120, 80, -1)]
    rows[30] = replace(rows[30], bid=5_000)
    scale = bar_scale(rows, 1)
    assert scale == 10
    keys = [row for row in rows_of(small_view(rows), scale=scale) if isinstance(row, PriceRow)]
    assert [row.px for row in keys if row.wall] == [rows[30].px]
    wall = next(row for row in keys if row.wall)
    assert "large" in {role for role, _ in paint_price(wall, COLUMNS, make_view().instrument, glyphs.BRAILLE)}


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60), st.integers(1, 10**9))
def test_the_bar_scale_rests(sizes: list[int], before: int) -> None:
    rows = [LadderRow(i, size, 0, 0, 0) for i, size in enumerate(sizes)]
    scale = bar_scale(rows, before)
    assert scale >= sorted(sizes)[(len(sizes) - 1) * 9 // 10]
    assert bar_scale(rows, scale) == scale


@pytest.mark.parametrize("state", ["RESYNC", "STALE", "CROSSED", "WARMING"])
def test_a_book_that_is_not_valid_is_hidden_and_says_why(state: str) -> None:
    view = make_view()
    broken = replace(
        view,
        book=ChannelView(state, "a book update is missing", view.t - NS, 0, view.t),
        ladder=LadderView(False, 1, (), None, None, 0, 0, None, None),
    )
    texts = lines(Ladder(), broken, make_overview(broken), 60, 20)
    whole = " ".join(" ".join(texts).split())
    assert "no order book now: a book update is missing" in whole
    assert state in texts[0]
    assert "3,02" not in whole


def test_a_one_sided_book_says_so() -> None:
    view = make_view()
    view = replace(view, ladder=replace(view.ladder, best_ask=None, ask_qty=0))
    assert not any(isinstance(row, SpreadRow) for row in rows_of(view))


async def run(market: FakeMarket, ladder: Ladder, frames: int = 1) -> list[int]:
    changed = []
    for _ in range(frames):
        view = market.view(ViewRequest(**ladder.request_fields()))
        changed.append(ladder.present(view, make_overview(view), force=True))
    return changed


async def test_the_window_stands_still_until_the_mid_leaves_its_middle() -> None:
    market, ladder = FakeMarket(1).run(50), Ladder(group=1)
    async with PanelApp(ladder).run_test(size=(60, 34)):
        await run(market, ladder, 2)
        top = ladder.top
        assert top is not None
        market.mid += 4
        market._fill()
        await run(market, ladder, 2)
        assert ladder.top == top
        market.mid += 14
        market._fill()
        await run(market, ladder, 2)
        assert ladder.top is not None
        assert ladder.top > top + 10
        middle = ladder.top - ladder.request_fields()["ladder_rows"] // 2
        assert abs(middle - market.mid) <= 1


async def test_follow_keeps_the_mid_in_the_middle_and_scrolling_keeps_the_place() -> None:
    market, ladder = FakeMarket(1).run(50), Ladder(group=1)
    async with PanelApp(ladder).run_test(size=(60, 34)):
        await run(market, ladder, 2)
        top = ladder.top
        assert top is not None
        ladder.toggle_follow()
        market.mid += 3
        market._fill()
        await run(market, ladder, 2)
        assert ladder.top == top + 3
        ladder.toggle_follow()
        ladder.scroll_rows(40)
        await run(market, ladder, 2)
        assert ladder.top == top + 43
        assert "free" in ladder.texts()[0]
        ladder.recentre()
        await run(market, ladder, 2)
        assert ladder.top == top + 3
        assert ladder.mode == "auto"


async def test_grouping_steps_keep_the_mid_and_belong_to_the_market() -> None:
    market, ladder = FakeMarket(1).run(50), Ladder()
    async with PanelApp(ladder).run_test(size=(60, 34)):
        await run(market, ladder, 2)
        assert ladder.group == 2
        seen = []
        for _ in range(4):
            ladder.coarser()
            await run(market, ladder)
            seen.append(ladder.group)
            assert ladder.top is not None
            assert ladder.top % ladder.group == 0
            assert any("spread" in text for text in ladder.texts())
        assert seen == [5, 10, 20, 50]
        assert "0.50 a row" in ladder.texts()[0]
        ladder.finer()
        assert ladder.group == 20
        other = FakeMarket(2, replace(market.instrument, symbol="BTC/USDT"))
        await run(other, ladder, 2)
        assert ladder.group != 20
        await run(market, ladder, 2)
        assert ladder.group == 20
        for _ in range(40):
            ladder.finer()
        assert ladder.group == 1
        for _ in range(40):
            ladder.coarser()
        assert ladder.group == GROUPS[-1]


async def test_a_quiet_market_repaints_nothing_and_a_level_one_row() -> None:
    market, ladder = FakeMarket(1).run(50), Ladder(group=1)
    async with PanelApp(ladder).run_test(size=(60, 34)):
        await run(market, ladder, 3)
        assert await run(market, ladder) == [0]
        # A small change of one level: neither the scale of the bars nor another row may move.
        px = market.mid - 3
        market.bids[px] += 1 if market.bids[px] < 10_000 else -1
        assert await run(market, ladder) == [1]
