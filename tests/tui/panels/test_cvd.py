"""Charts: nothing known is lost, nothing unknown drawn, and axes that rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.view import SeriesView, ViewRequest
from tests.tui.panels.harness import PanelApp, lines
from tests.tui.views import NS, FakeMarket, make_overview, make_view
from tui.panels import canvas, glyphs
from tui.panels.cvd import STEPS, CvdChart, axis_row, clip_series, direction, step_text
from tui.panels.glyphs import ChartKind

KINDS: tuple[ChartKind, ...] = ("braille", "block", "ascii")
VALUES = st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=60)


def dots(text: str, kind: ChartKind) -> int:
    if kind == "braille":
        return sum((ord(char) - 0x2800).bit_count() for char in text if char != " ")
    table = canvas._HALVES if kind == "block" else ()
    return sum(table.index(char).bit_count() for char in text if char != " ") if kind == "block" else len(text.strip())


@given(st.floats(-1e9, 1e9), st.floats(0, 1e6), st.floats(1e-6, 100))
def test_axes_hold_the_data_on_round_steps_and_rest(low: float, extent: float, least: float) -> None:
    high = low + extent
    bounds = canvas.nice_range(low, high, None, least)
    assert bounds[0] <= low
    assert bounds[1] >= high
    assert bounds[0] < bounds[1]
    # Room is left, so that the same data or a little less does not move the axis.
    if extent * 3 >= bounds[1] - bounds[0]:
        assert canvas.nice_range(low, high, bounds, least) == bounds


@given(VALUES, st.integers(1, 20), st.sampled_from(KINDS))
def test_a_line_has_a_stroke_for_each_known_value_and_no_other(
    values: list[float | None], rows: int, kind: ChartKind
) -> None:
    known = [value for value in values if value is not None]
    bounds = canvas.nice_range(min(known, default=0.0), max(known, default=0.0), None, 1.0)
    strokes = canvas.spans(values, values, values, bounds, rows, kind)
    assert [stroke is None for stroke in strokes] == [value is None for value in values]
    top = rows * canvas.DOTS[kind][1] - 1
    for stroke in strokes:
        if stroke is not None:
            assert 0 <= stroke[0] <= stroke[1] <= top
    width = -(-len(values) // canvas.DOTS[kind][0])
    texts = canvas.draw(strokes, width, rows, kind)
    assert len(texts) == rows
    assert all(len(text) == width for text in texts)
    drawn = sum(dots(text, kind) for text in texts)
    if kind != "ascii":
        assert drawn == sum(stroke[1] - stroke[0] + 1 for stroke in strokes if stroke is not None)
    else:
        assert (drawn > 0) == bool(known)


def test_a_line_is_joined_where_it_jumps() -> None:
    strokes = canvas.spans([0.0, 10.0, 0.0], [0.0, 10.0, 0.0], [0.0, 10.0, 0.0], (0.0, 10.0), 4, "block")
    assert strokes == [(0, 0), (1, 7), (0, 6)]


def test_higher_values_stand_higher() -> None:
    texts = canvas.draw(canvas.spans([0.0, 5.0, 10.0], [None] * 3, [None] * 3, (0.0, 10.0), 3, "ascii"), 3, 3, "ascii")
    assert texts[2][0] != " "
    assert texts[0][2] != " "
    assert texts[0][0] == " "


@given(st.integers(1, 60), st.integers(1, 60))
def test_now_is_always_at_the_right_edge(have: int, want: int) -> None:
    series = FakeMarket(1).run(100).series(NS, have)
    clipped = clip_series(series, want)
    assert len(clipped.price) == len(clipped.hole) == len(clipped.buy) == want
    assert clipped.start + want * NS == series.start + have * NS
    assert clipped.cvd[-1] == series.cvd[-1]


def test_holes_are_marked_in_their_column() -> None:
    series = FakeMarket(1).run(100).series(NS, 40)
    hole = tuple(index == 10 for index in range(40))
    runs = axis_row(replace(series, hole=hole), 20, glyphs.BRAILLE)
    text = "".join(text for _, text in runs)
    assert text[5] == "×"
    assert text.count("×") == 1
    assert [role for role, _ in runs] == ["dim", "alert", "dim"]


@pytest.mark.parametrize(
    ("step", "text"), [(NS, "1s"), (15 * NS, "15s"), (60 * NS, "1m"), (3600 * NS, "1h"), (NS // 2, "0.5s")]
)
def test_timeframes_read_as_people_write_them(step: int, text: str) -> None:
    assert step_text(step) == text


def test_direction_ignores_what_is_unknown() -> None:
    assert direction([None, 1.0, None, 2.0]) == 1
    assert direction([2.0, 1.0, None]) == -1
    assert direction([None]) == 0


def test_zero_divides_the_colours() -> None:
    market = FakeMarket(3).run(1200)
    view = market.view(ViewRequest(series_columns=120))
    cvd = [value for value in view.series.cvd if value is not None]
    assert min(cvd) < 0 < max(cvd)  # the seed is chosen so
    chart = CvdChart()
    chart.view = view
    rows = list(chart.rows(view, make_overview(view), 70, 8))
    roles = [row[0][0] for row in rows[:-1]]  # type: ignore[index]
    assert roles == sorted(roles)  # buys above, sells below
    assert set(roles) == {"buy", "sell"}
    assert any(row[1][1].strip() == "0" for row in rows)  # type: ignore[index]


def test_two_charts_when_there_is_room() -> None:
    view = make_view(request=ViewRequest(series_columns=100))
    overview = make_overview(view)
    high, low = lines(CvdChart(), view, overview, 60, 20), lines(CvdChart(), view, overview, 60, 8)
    assert sum("3,02" in text for text in high) > sum("3,02" in text for text in low)


def test_a_series_without_trades_says_so() -> None:
    nothing = (None,) * 3
    series = SeriesView(
        NS, 0, nothing, nothing, nothing, nothing, nothing, nothing, (0.0,) * 3, (0.0,) * 3, (False,) * 3
    )
    view = make_view(series=series)
    assert any("no trades yet" in text for text in lines(CvdChart(), view, make_overview(view), 50, 8))


async def test_only_the_newest_column_changes_between_scrolls() -> None:
    market, chart = FakeMarket(3).run(1200), CvdChart()
    async with PanelApp(chart).run_test(size=(70, 20)):
        changed = []
        for _ in range(30):
            view = market.view(ViewRequest(**chart.request_fields()))
            changed.append(chart.present(view, make_overview(view), force=True))
            market.step(NS // 10)
        still = [rows for rows in changed[1:] if rows < 15]
        assert len(still) >= 24  # it scrolls once a second, three times here
        assert sum(still) / len(still) <= 4


async def test_timeframes_step_and_stop_at_the_ends() -> None:
    chart = CvdChart()
    async with PanelApp(chart).run_test(size=(70, 20)):
        chart.shift_step(-1)
        assert chart.step == STEPS[0]
        chart.shift_step(2)
        assert chart.request_fields()["series_step"] == STEPS[2]
        chart.shift_step(20)
        assert chart.step == STEPS[-1]
        assert chart.request_fields()["series_columns"] == 2 * 60
