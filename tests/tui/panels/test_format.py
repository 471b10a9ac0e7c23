"""Numbers as text of a fixed width."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.panels import format as fmt
from tui.panels.glyphs import ASCII, BRAILLE

ANY = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


@given(ANY, st.integers(5, 14))
def test_every_number_has_exactly_its_width(value: float | None, width: int) -> None:
    texts = [
        fmt.size(value, width),
        fmt.signed(value, width),
        fmt.fixed(value, width, 2),
    ]
    if value is None or not math.isfinite(value) or abs(value) <= 1:
        texts.append(fmt.ratio(value, width))
    for text in texts:
        assert len(text) == width, (value, text)
        assert "nan" not in text
        assert "inf" not in text
        assert "None" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "     0"),
        (0.0012, "0.0012"),
        (0.00001, "<0.001"),
        (0.925, " 0.925"),
        (1.2345, " 1.234"),
        (12.345, " 12.35"),
        (999.96, "1.000k"),
        (1234, "1.234k"),
        (12_340, "12.34k"),
        (123_400, "123.4k"),
        (1_234_000, "1.234M"),
        (5e9, "5.000G"),
        (None, "     –"),
        (math.nan, "     –"),
        (-12.5, "−12.50"),
    ],
)
def test_sizes_read_as_people_write_them(value: float | None, text: str) -> None:
    assert fmt.size(value) == text


@given(st.floats(1e-3, 1e15), st.integers(5, 12))
def test_a_shown_size_is_the_size(value: float, width: int) -> None:
    text = fmt.size(value, width).strip()
    if text.startswith("<"):
        assert value < float(text[1:])
        return
    unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1.0)
    assert float(text.rstrip("kMGT")) * unit == pytest.approx(value, rel=0.06, abs=0.51 * 10 ** -(width - 2))


@given(st.floats(-1e12, 1e12).filter(lambda x: x != 0))
def test_sign_is_written_out(value: float) -> None:
    assert fmt.signed(value).strip()[0] == ("+" if value > 0 else "−")


def test_a_rounded_zero_has_no_sign() -> None:
    assert fmt.ratio(-0.001).strip() == "0.00"
    assert fmt.fixed(-0.001, 6, 1).strip() == "0.0"


def test_percent_never_claims_what_is_not_reached() -> None:
    assert fmt.percent(0.999) == " 99%"
    assert fmt.percent(1.0) == "100%"
    assert fmt.percent(0.0001) == "  1%"
    assert fmt.percent(0.0) == "  0%"
    assert fmt.percent(None).strip() == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (12, "12 s"), (119, "119 s"), (600, "10 min"), (7200, "2 h"), (172_800, "2 d"), (-5, "0.0 s")],
)
def test_ages(seconds: float, text: str) -> None:
    assert fmt.age(int(seconds * fmt.NS)) == text


def test_countdowns() -> None:
    assert [fmt.countdown(s, 9).strip() for s in (0.0, 59.9, 3_725.4, 360_000.0)] == [
        "0:00:00",
        "0:00:59",
        "1:02:05",
        "100:00:00",
    ]
    assert fmt.countdown(None, 9).strip() == "–"


def test_clock_is_utc_time_of_day() -> None:
    assert fmt.clock(1_750_500_000 * fmt.NS + 123_456_789, millis=True) == "10:00:00.123"
    assert len(fmt.clock(None)) == 8


@given(st.floats(-1, 3), st.integers(0, 30), st.booleans())
def test_bars_fill_their_cells(fraction: float, width: int, rightwards: bool) -> None:
    for glyphs in (BRAILLE, ASCII):
        text = fmt.bar(fraction, width, glyphs, rightwards)
        assert len(text) == width
        filled = text.strip()
        assert " " not in filled
        assert bool(filled) == (fraction > 0 and width > 0)
        if filled:
            assert text.startswith(filled) if rightwards else text.endswith(filled)
        if fraction >= 1 and width:
            assert text == glyphs.full * width


@given(st.text(max_size=20), st.integers(0, 20))
def test_cells_are_cut_or_padded_exactly(text: str, width: int) -> None:
    from rich.cells import cell_len

    safe = fmt.foreign(text)
    assert cell_len(fmt.left(safe, width)) == width
    assert cell_len(fmt.right(safe, width)) == width


@given(st.floats(1e-9, 1e12))
def test_nice_steps_are_above_and_near(value: float) -> None:
    nice = fmt.nice_above(value)
    assert value <= nice * (1 + 1e-9)
    assert nice <= value * 2.5 * (1 + 1e-9)
