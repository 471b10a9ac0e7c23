"""The plan of the screen at every size: inside, without overlap, and with what the size promises."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region

from tui.arrangement import BUILT_IN, DEFAULT, PANEL_IDS, SECOND, Arrangement, all_layouts, columns_problem
from tui.layout import BESIDE, MIN_HEIGHT, MIN_WIDTH, PANELS, TITLES, plan, size_class, small_order

IDS = [panel.id for panel in PANELS]
USUAL = set(DEFAULT.panels)


@st.composite
def arrangements(draw: st.DrawFn) -> Arrangement:
    """Any layout that `columns_problem` lets pass."""
    panels = draw(st.permutations(PANEL_IDS))
    columns: list[tuple[str, ...]] = []
    for _ in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1, 4))
        columns.append(tuple(panels[:count]))
        panels = panels[count:]
    columns = [column for column in columns if column]
    if columns[0][0] in SECOND:
        columns[0] = (next(each for each in IDS if all(each not in column for column in columns)), *columns[0])
    assert columns_problem(columns) is None
    return Arrangement("own", tuple(columns))


@given(
    st.integers(0, 400),
    st.integers(0, 150),
    st.sampled_from(BESIDE),
    st.none() | st.sampled_from(IDS),
    st.integers(0, 5),
    st.sampled_from(list(BUILT_IN.values())) | arrangements(),
)
def test_regions_stay_inside_and_apart(
    width: int, height: int, beside: str, zoomed: str | None, markets: int, layout: Arrangement
) -> None:
    regions = list(plan(width, height, beside, zoomed, markets, layout).values())
    screen = Region(0, 0, max(width, 1), max(height, 1))
    assert all(region.area > 0 and screen.contains_region(region) for region in regions)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(regions, 2))


@given(st.integers(MIN_WIDTH, 400), st.integers(MIN_HEIGHT, 150), st.sampled_from(BESIDE))
def test_every_row_below_the_strip_is_used(width: int, height: int, beside: str) -> None:
    regions = plan(width, height, beside)
    assert set(plan(width, height, beside)) - {"strip", "status", "message", beside} <= USUAL
    ladder = regions["ladder"]
    assert (ladder.y, ladder.bottom) == (1, height - 2)
    assert max(region.right for region in regions.values()) == width
    assert regions["status"].y == height - 2
    assert regions["message"].y == height - 1


def test_what_each_size_shows() -> None:
    always = {"strip", "status", "message"}
    assert set(plan(80, 24)) == always | {"ladder", "cvd"}
    assert set(plan(80, 24, beside="tape")) == always | {"ladder", "tape"}
    assert set(plan(120, 40)) == always | USUAL
    assert set(plan(200, 60, markets=3)) == always | USUAL | {"ladder2", "cvd2"}
    assert set(plan(200, 60, markets=1)) == always | USUAL
    assert set(plan(120, 40, zoomed="risk")) == always | {"risk"}
    assert set(plan(120, 40, zoomed="tape")) == always | {"tape"}
    assert set(plan(59, 40)) == set(plan(200, 15)) == set(plan(1, 1)) == {"small"}


def test_the_ladder_keeps_its_columns_at_the_usual_sizes() -> None:
    assert plan(80, 24)["ladder"].width >= 42
    assert plan(120, 40)["ladder"].width >= 42
    assert plan(200, 60)["ladder"].width >= 50


def test_size_classes() -> None:
    assert [size_class(*size) for size in ((50, 12), (60, 16), (80, 24), (120, 40), (200, 60), (300, 30))] == [
        "small", "narrow", "narrow", "normal", "wide", "normal",
    ]  # fmt: skip


@given(st.integers(MIN_WIDTH, 400), st.integers(MIN_HEIGHT, 150), arrangements(), st.sampled_from(IDS))
def test_any_layout_fills_the_screen(width: int, height: int, layout: Arrangement, beside: str) -> None:
    regions = plan(width, height, beside, markets=2, layout=layout)
    assert max(region.right for region in regions.values()) == width
    assert layout.first in regions or layout.first == beside
    body = [region for name, region in regions.items() if name not in ("strip", "status", "message")]
    lowest = {x: max(each.bottom for each in body if each.x == x) for x in {each.x for each in body}}
    assert set(lowest.values()) == {height - 2}, "a column ends above the status line"


def test_layouts_show_what_they_are_named_for() -> None:
    for name, panel in (("scalp", "signal"), ("toxicity", "toxicity"), ("cost", "cost"), ("risk", "risk")):
        for size in ((80, 24), (120, 40), (200, 60)):
            layout = BUILT_IN[name]
            shown = plan(*size, beside=layout.beside, layout=layout)
            assert "ladder" in shown
            assert panel in shown or size == (80, 24), (name, size)
            if size != (80, 24):
                assert set(layout.panels) <= set(shown), (name, size)


def test_a_small_screen_cycles_through_the_panels_of_its_layout() -> None:
    assert small_order(DEFAULT) == ["cvd", "imbalance", "toxicity", "flow", "alerts", "tape"]
    assert small_order(BUILT_IN["cost"]) == ["tape", "cost", "profile", "liquidity"]
    alone = Arrangement("alone", (("tape",),))
    assert small_order(alone) == []
    assert set(plan(80, 24, layout=alone)) == {"strip", "status", "message", "tape", "cvd"}
    assert set(plan(80, 24, beside="tape", layout=alone)) == {"strip", "status", "message", "tape"}


def test_every_panel_can_stand_in_a_layout() -> None:
    assert set(PANEL_IDS) == set(IDS) | set(SECOND) == set(TITLES) | set(SECOND)
    assert set(BESIDE) < set(IDS)


def test_what_is_no_layout_is_said() -> None:
    assert columns_problem([]) == "a layout has 1 to 4 columns, not 0"
    assert columns_problem([["cvd"]] * 5) == "a layout has 1 to 4 columns, not 5"
    assert columns_problem([["cvd"], []]) == "a column without panels"
    assert columns_problem([["cvd"], ["tape", "cvd"]]) == '"cvd" stands in it twice'
    assert columns_problem([["cvd2"], ["tape"]]) == '"cvd2" can\'t come first: small screens do not show it'
    for layout in BUILT_IN.values():
        assert columns_problem(layout.columns) is None


def test_own_layouts_come_after_the_built_in_ones_and_replace_them() -> None:
    layouts = all_layouts({"mine": [["tape"], ["cvd"]], "risk": [["risk"]]})
    assert list(layouts) == ["default", "scalp", "toxicity", "cost", "risk", "mine"]
    assert layouts["mine"].columns == (("tape",), ("cvd",))
    assert layouts["risk"].first == "risk"
