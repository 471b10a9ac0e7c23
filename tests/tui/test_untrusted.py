"""Foreign text cannot command the terminal, hide, turn around or grow."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.untrusted import MARK, cell_width, escape_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BTC/USDT:USDT", "BTC/USDT:USDT"),
        ("", ""),
        ("red\x1b[31mname", f"red{MARK}name"),
        ("title\x1b]0;owned\x07!", f"title{MARK}!"),
        ("title\x1b]0;owned\x1b\\!", f"title{MARK}!"),
        ("eight\x9b2Jbit", f"eight{MARK}bit"),
        ("dcs\x1bPq#1\x1b\\end", f"dcs{MARK}end"),
        ("open\x1b]52;c;aGk=", f"open{MARK}52;c;aGk="),
        ("reset\x1bcdone", f"reset{MARK}done"),
        ("bell\x07\x00\x08back", f"bell{MARK}back"),
        ("two\r\nlines\tand tab", "two lines and tab"),
        ("abc\u202egnp.exe", f"abc{MARK}gnp.exe"),
        ("BTC\u200b", f"BTC{MARK}"),
        ("\u2066x\u2069", f"{MARK}x{MARK}"),
        ("lone \ud800 half", f"lone {MARK} half"),
        ("币安", "币安"),
        ("caf\u0065\u0301", "cafe\u0301".replace("e\u0301", "é")),
        ("no\u00a0break", "no break"),
        ("\u3164", MARK),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert escape_text(text) == shown


def test_stacked_marks_are_cut() -> None:
    assert escape_text("x" + "\u0300\u0301\u0302\u0303" * 20) == "x\u0300" + MARK


def test_two_names_that_differ_by_hidden_characters_look_different() -> None:
    assert escape_text("BTC\u200d/USDT") != escape_text("BTC/USDT")


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("币安人生", 8, "币安人生"),
        ("币安人生", 7, "币安人…"),
        ("币安人生", 6, "币安…"),
        ("币安人生", 1, "…"),
        ("abc", 0, ""),
        ("é" * 5, 3, "éé…"),
    ],
)
def test_clipping_counts_cells(text: str, width: int, shown: str) -> None:
    assert escape_text(text, width) == shown


def test_a_text_without_end_costs_little() -> None:
    assert len(escape_text("\x1b]" * 5_000_000, 20)) <= 20


@given(st.text(), st.integers(0, 40))
def test_never_a_control_and_never_too_wide(text: str, width: int) -> None:
    shown = escape_text(text, width)
    assert sum(map(cell_width, shown)) <= width
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in shown)


@given(st.text(alphabet=st.sampled_from("\x1b\x9b\x9d[]0;m\\\x07\x9cPX^_ab?! "), max_size=60))
def test_no_command_survives(text: str) -> None:
    assert not any(char < " " or "\x7f" <= char < "\xa0" for char in escape_text(text))
