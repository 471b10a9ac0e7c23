"""Reduction to ASCII keeps every width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tui.ascii import AsciiFilter, ascii_text


def test_what_is_drawn() -> None:
    assert ascii_text("╭──╮ │x│ ▲ 1,5 − … é") == "+--+ |x| ^ 1,5 - ~ e"
    assert ascii_text("漢字") == "????"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_width_stays(text: str) -> None:
    plain = ascii_text(text)
    assert plain.isascii()
    assert cell_len(plain) == sum(map(cell_len, text))


def test_styles_stay() -> None:
    style = Style(bold=True)
    assert AsciiFilter().apply([Segment("a", style), Segment("→", style)], Color(0, 0, 0)) == [
        Segment("a", style),
        Segment(">", style),
    ]
