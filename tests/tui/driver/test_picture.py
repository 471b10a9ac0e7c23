"""What the thrifty driver sends leads to the same screen as what it was given, cell for cell."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len, set_cell_size

from tests.tui.driver.reference_terminal import ReferenceTerminal
from tui.driver.pens import NULL, UNKNOWN, Pens, UnknownOutputError, parse_sgr
from tui.driver.picture import Picture, jump, split_cells

WIDTH, HEIGHT = 14, 5
#: Random sequences of frames; more of them are tried with FLOWTAPE_PICTURES=20000.
EXAMPLES = int(os.environ.get("FLOWTAPE_PICTURES", "300"))
CODES = st.lists(
    st.sampled_from(["1", "2", "3", "4", "7", "9", "21", "53", "31", "94", "44", "38;5;9", "38;2;1;2;3", "48;2;9;9;9"]),
    unique=True, min_size=1, max_size=4,
).map(";".join)  # fmt: skip
#: Wide, combining, joined and plain; and much blank, as screens have it.
TEXT = st.lists(
    st.sampled_from([" ", " ", " ", "a", "7", "─", "⣿", "漢", "🚀", "e\u0301", "👩\u200d🚀", "❤\ufe0f", "한"]),
    min_size=1,
    max_size=9,
).map("".join)


@st.composite
def frames(draw: st.DrawFn) -> str:
    """Whole spans at places of the screen up to its right edge, as the compositor writes them."""
    out = []
    styles = st.sampled_from(["31", "31", "1;31;44", "44", "7", "4", "38;2;1;2;3;48;2;9;9;9", "48;2;9;9;9"])
    for _ in range(draw(st.integers(1, 5))):
        x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
        out.append(f"\x1b[{y + 1};{x + 1}H")
        for _ in range(draw(st.integers(1, 3))):
            text = draw(TEXT)
            if x + cell_len(text) > WIDTH:
                text = set_cell_size(text, WIDTH - x)
            if not text:
                break
            x += cell_len(text)
            if draw(st.integers(0, 4)):
                text = f"\x1b[{draw(styles) if draw(st.booleans()) else draw(CODES)}m{text}\x1b[0m"
            if draw(st.integers(0, 4)) == 0:
                text = f"\x1b]8;id=1;https://example.org/{draw(st.integers(0, 1))}\x1b\\{text}\x1b]8;;\x1b\\"
            out.append(text)
        if draw(st.booleans()):
            out.append("\n")
    return "".join(out) + "\x1b[1;1H"


@pytest.mark.timeout(120 + EXAMPLES // 2)
@settings(deadline=None, max_examples=EXAMPLES)
@given(st.lists(st.tuples(frames(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=6))
def test_the_screen_is_the_same(steps: list[tuple[str, bool, int]]) -> None:
    stock, ours, picture = ReferenceTerminal(WIDTH, HEIGHT), ReferenceTerminal(WIDTH, HEIGHT), Picture()
    picture.resize(WIDTH, HEIGHT)
    for frame, sends, chance in steps:
        stock.feed(frame)
        picture.paint(frame)
        if chance == 0:  # the terminal was cleared, by a resize or another program
            ours.resize(WIDTH, HEIGHT, "x")
            picture.forget()
        if sends:
            ours.feed(picture.diff())
            assert ours.difference(stock) == []
    ours.feed(picture.diff())
    assert ours.difference(stock) == []
    assert picture.diff() == ""
    assert not ours.pen.link


def test_only_what_changed_is_sent() -> None:
    picture = Picture()
    picture.resize(40, 10)
    picture.paint("\x1b[3;1H\x1b[38;2;1;2;3;48;2;4;5;6mbid 64,001.5          \x1b[0m\x1b[1;1H")
    picture.diff()
    picture.paint("\x1b[3;1H\x1b[38;2;1;2;3;48;2;4;5;6mbid 64,002.5          \x1b[0m\x1b[1;1H")
    assert picture.diff() == "\x1b[38;2;1;2;3;48;2;4;5;6m\x1b[3;10H2"
    picture.paint("\x1b[3;1H\x1b[38;2;1;2;3;48;2;4;5;6mbid 64,003.5          \x1b[0m\x1b[1;1H")
    assert picture.diff() == "\x1b[3;10H3"  # the pen is still the same


def test_after_what_terminals_measure_differently_the_cursor_is_placed_anew() -> None:
    picture = Picture()
    picture.resize(20, 2)
    picture.diff()
    picture.paint("\x1b[1;1Ha漢b❤\ufe0fc\x1b[1;1H")
    assert picture.diff() == "\x1b[1Ha漢\x1b[1;4Hb❤\ufe0f\x1b[1;7Hc"


@pytest.mark.parametrize("between", ["31", "32", "7", "31;44"])
@pytest.mark.parametrize("gap", [1, 2, 3, 4, 9])
def test_what_lies_between_two_changes_stays_as_it_is(between: str, gap: int) -> None:
    picture, ours, stock = Picture(), ReferenceTerminal(20, 1), ReferenceTerminal(20, 1)
    picture.resize(20, 1)
    for text in ("1", "2"):
        frame = f"\x1b[1;1H\x1b[31m{text}\x1b[0m\x1b[{between}m{'- xy ' * 2:.{gap}}\x1b[0m\x1b[31m{text}\x1b[0m"
        picture.paint(frame)
        stock.feed(frame)
        ours.feed(picture.diff())
        assert ours.difference(stock) == []


def test_each_colour_is_set_once() -> None:
    picture = Picture()
    picture.resize(20, 10)
    picture.diff()
    rows = [f"\x1b[{row};1H\x1b[31mbid\x1b[0m \x1b[32mask\x1b[0m\n" for row in range(1, 10)]
    picture.paint("".join(rows))
    sent = picture.diff()
    assert sorted(re.findall(r"\x1b\[[\d;]*m", sent)) == ["\x1b[31m", "\x1b[32m"]


def test_a_smaller_and_a_larger_screen() -> None:
    picture = Picture()
    picture.resize(6, 2)
    picture.paint("\x1b[1;1Habc漢x\x1b[2;1H123456")
    picture.resize(4, 3)  # through the wide character
    terminal = ReferenceTerminal(4, 3)
    terminal.resize(4, 3, "?")
    terminal.feed(picture.diff())
    assert ["".join(cell.text for cell in row) for row in terminal.cells] == ["abc ", "1234", "    "]


@pytest.mark.parametrize(
    "frame", ["\x1b[1;1Ha\tb", "\x1b[1;1H\x1b[2J", "\x1b[1;1H\x1b[4:3mx\x1b[0m", "\x1b[1;1H\x07", "\x1b[1;1H\x9b2J"]
)
def test_the_unknown_is_not_guessed_at(frame: str) -> None:
    picture = Picture()
    picture.resize(10, 2)
    with pytest.raises(UnknownOutputError):
        picture.paint(frame)


@pytest.mark.parametrize("codes", ["38", "38;2;1", "38;7;1", "99", "1;66"])
def test_unknown_colours(codes: str) -> None:
    with pytest.raises(UnknownOutputError):
        parse_sgr(codes)


def test_pens_that_are_no_longer_used_are_forgotten() -> None:
    picture = Picture()
    picture.resize(10, 1)
    for n in range(10_100):
        picture.paint(f"\x1b[1;1H\x1b[38;2;{n % 250};{n // 250};7mx\x1b[0m")
        picture.diff()
    assert len(picture.pens) < 200
    terminal, stock = ReferenceTerminal(10, 1), ReferenceTerminal(10, 1)
    picture.forget()
    terminal.feed(picture.diff())
    stock.feed("\x1b[1;1H\x1b[38;2;99;40;7mx\x1b[0m")
    assert terminal.difference(stock) == []


@given(CODES, CODES)
def test_the_way_from_pen_to_pen(old: str, new: str) -> None:
    pens, terminal, fresh = Pens(), ReferenceTerminal(2, 1), ReferenceTerminal(2, 1)
    first, second = pens.pen(old), pens.pen(new, "id=1;https://example.org")
    terminal.feed(pens.way(UNKNOWN, first) + pens.way(first, second))
    fresh.feed(f"\x1b[{new}m\x1b]8;id=1;https://example.org\x1b\\")
    assert terminal.pen == fresh.pen
    terminal.feed(pens.way(second, NULL))
    assert terminal.pen == ReferenceTerminal(1, 1).pen
    assert len(pens.way(first, second)) <= len(pens.way(UNKNOWN, second)) + len("\x1b]8;;\x1b\\")


@given(st.integers(0, 99), st.integers(0, 49), st.integers(0, 99), st.integers(0, 49))
def test_jumps_arrive_and_are_no_longer_than_the_plain_one(x: int, y: int, to_x: int, to_y: int) -> None:
    terminal = ReferenceTerminal(100, 50)
    terminal.feed(f"\x1b[{y + 1};{x + 1}H")
    way = jump((x, y), to_x, to_y)
    terminal.feed(way)
    assert (terminal.x, terminal.y) == (to_x, to_y)
    assert len(way) <= len(f"\x1b[{to_y + 1};{to_x + 1}H")


@given(TEXT)
def test_cells_add_up_to_the_text(text: str) -> None:
    before, cells = split_cells(text)
    assert before + "".join(cells) == text
