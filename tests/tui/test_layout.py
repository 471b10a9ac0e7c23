"""The plan of the screen at every size: inside, without overlap, and with what the size promises."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region

from tui.layout import BESIDE, MIN_HEIGHT, MIN_WIDTH, PANELS, plan, size_class

IDS = [panel.id for panel in PANELS]


@given(
    st.integers(0, 400),
    st.integers(0, 150),
    st.sampled_from(BESIDE),
    st.none() | st.sampled_from(IDS),
    st.integers(0, 5),
)
def test_regions_stay_inside_and_apart(width: int, height: int, beside: str, zoomed: str | None, markets: int) -> None:
    regions = list(plan(width, height, beside, zoomed, markets).values())
    screen = Region(0, 0, max(width, 1), max(height, 1))
    assert all(region.area > 0 and screen.contains_region(region) for region in regions)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(regions, 2))


@given(st.integers(MIN_WIDTH, 400), st.integers(MIN_HEIGHT, 150), st.sampled_from(BESIDE))
def test_every_row_below_the_strip_is_used(width: int, height: int, beside: str) -> None:
    regions = plan(width, height, beside)
    ladder = regions["ladder"]
    assert (ladder.y, ladder.bottom) == (1, height - 2)
    assert max(region.right for region in regions.values()) == width
    assert regions["status"].y == height - 2
    assert regions["message"].y == height - 1


def test_what_each_size_shows() -> None:
    always = {"strip", "status", "message"}
    assert set(plan(80, 24)) == always | {"ladder", "cvd"}
    assert set(plan(80, 24, beside="tape")) == always | {"ladder", "tape"}
    assert set(plan(120, 40)) == always | set(IDS)
    assert set(plan(200, 60, markets=3)) == always | set(IDS) | {"ladder2", "cvd2"}
    assert set(plan(200, 60, markets=1)) == always | set(IDS)
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
