"""Several look-backs at once, numbers that stand on bars, and the present against the usual time of day."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.detail_view import Explanation
from engine.duration import parse_duration
from engine.metrics.names import parse_metric
from engine.view import ViewRequest
from tests.tui.panels.harness import check_texts, lines, painted
from tests.tui.views import FakeMarket, make_overview, make_view
from tui.panels import format as fmt
from tui.panels.base import fit
from tui.panels.flow import WINDOWS, Flow, coverage, has_table, metrics, table_numbers, table_rows
from tui.panels.profile import LINES, METRICS, Profile, lines_in
from tui.panels.toxicity import PRESETS, Toxicity
from tui.screens.provenance import card

NS = 1_000_000_000
NOW = 1_700_000_000 * NS


def test_a_look_back_longer_than_the_tape_says_what_it_covers() -> None:
    view = make_view(t=NOW, began=NOW - 130 * NS)
    assert [coverage(view, window) for window in WINDOWS] == ["10s", "60s", "5m (2:10)", "1h (2:10)"]
    view = make_view(t=NOW, began=NOW - 5000 * NS, since={"delta(5m)": NOW - 7 * NS})
    assert [coverage(view, window) for window in WINDOWS] == ["10s", "60s", "5m (0:07)", "1h"]
    assert coverage(make_view(t=NOW, began=NOW - 3723 * NS), "2h") == "2h (1:02:03)"
    assert coverage(make_view(t=NOW, began=None), "10s") == "10s (0:00)"


@given(st.integers(0, 2**42), st.sampled_from(WINDOWS))
def test_coverage_is_said_exactly_while_it_is_short(held: int, window: str) -> None:
    text = coverage(make_view(steps=1, t=NOW, began=NOW - held), window)
    assert ("(" in text) == (held < parse_duration(window))
    assert len(text) <= 10


def test_the_table_has_every_look_back_beside_the_other_and_each_number_once() -> None:
    panel = Flow()
    view = FakeMarket(1).run(50).view(ViewRequest(metrics=metrics()), began=0)
    values = {f"delta({window})": 10.0 * (i + 1) for i, window in enumerate(WINDOWS)}
    view = make_view(metrics={**view.metrics, **values}, t=NOW, began=0)
    texts = lines(panel, view, make_overview(view), 64, 30)
    check_texts(texts, 64)
    delta = [text for text in texts if text.startswith(" delta")]
    assert len(delta) == 1
    assert delta[0].split()[1:5] == ["+10.00", "+20.00", "+30.00", "+40.00"]
    for label in ("buys", "sells", "imbalance", "trades/s"):
        assert sum(f" {label} " in text for text in texts) == 1
    narrow = lines(panel, view, make_overview(view), 59, 30)
    assert not any("look-back" in text for text in narrow)


@given(st.integers(1, 140), st.integers(0, 40))
def test_the_table_never_pushes_a_number_out(width: int, height: int) -> None:
    view = make_view(steps=1, metrics=dict.fromkeys(metrics(), 1.5), began=0)
    rows = painted(Flow(), view, make_overview(view), width, height + 1)
    assert len(rows) <= height + 1
    text = "\n".join("".join(part for _, part in runs) for runs in rows)
    assert ("look-back" in text) == has_table(width, height)
    if has_table(width, height):
        assert all(word in text for word in ("last", "VA low", "volume", "trades/s"))
    assert all(cell_len("".join(part for _, part in fit(runs, 60))) == 60 for runs in table_rows(view))


def test_numbers_of_the_table_are_metrics_that_are_asked_for_from_the_start() -> None:
    for window in WINDOWS:
        assert {number.metric for number in table_numbers(window)} <= set(metrics())
        assert all(parse_metric(number.metric).key == number.metric for number in table_numbers(window))


@given(st.text("ab ", max_size=12), st.text("0123456789.,", max_size=12), st.integers(0, 12))
def test_the_mark_of_bars_takes_a_free_cell_and_nothing_else(label: str, number: str, width: int) -> None:
    text = number.rjust(width)
    marked = fmt.from_bars(label, text)
    assert [len(part) for part in marked] == [len(label), len(text)]
    assert "".join(marked).replace("~", " ") == label + text
    assert "".join(marked).count("~") <= 1


def test_numbers_from_bars_are_marked_and_dim() -> None:
    told = {"vwap": "the session before the start from 30 minute bars", PRESETS[0].vpin: "x", "rvol": "x"}
    values = {"vwap": 4102.5, "last": 4101.0, "rvol": 1.25, PRESETS[0].vpin: 0.321, PRESETS[1].vpin: 0.322}
    view = make_view(request=ViewRequest(histogram_rows=9), metrics=values, warmed=told)
    for panel, number in ((Flow(), "~4,102.5"), (Toxicity(), "~0.321"), (Profile(), "~1.25")):
        runs = [run for row in painted(panel, view, make_overview(view), 60, 24) for run in row]
        assert any(role == "dim" and number in text for role, text in runs), (panel, runs)
        assert sum(text.count("~") for _, text in runs) == 1


@pytest.mark.parametrize("warmed", ["", "12 of the days it is compared with come from bars"])
def test_the_card_names_what_comes_from_bars(warmed: str) -> None:
    told = Explanation("rvol", "rvol", "ratio", "m", "w", 1.25, "", None, None, None, (), (), warmed)
    text = card(told, NOW).plain
    assert ("~1.25" in text, "from bars" in text) == (bool(warmed), bool(warmed))
    assert warmed in text


def test_the_profile_compares_with_the_time_of_day_in_units_or_says_from_when_on() -> None:
    assert all(parse_metric(key) for key in METRICS)
    values: dict[str, float | None] = dict.fromkeys(METRICS, -1.5)
    request = ViewRequest(histogram_rows=9)
    view = make_view(request=request, metrics=values)
    text = "\n".join(lines(Profile(), view, make_overview(view), 70, 24))
    assert "x usual" in text
    assert "z  against this time of day" in text
    unknown = dict.fromkeys(METRICS, "from 5 known days of the last 28 on; then")
    view = make_view(request=request, metrics={}, warmup=unknown)
    text = "\n".join(lines(Profile(), view, make_overview(view), 70, 24))
    assert text.count("from 5 known days of the last 28 on") == len(LINES)


@given(st.integers(0, 60))
def test_lines_leave_the_histogram_half_of_the_room(height: int) -> None:
    assert len(lines_in(height)) <= max(0, height - 1) / 2
    assert lines_in(height) == LINES[: len(lines_in(height))]
