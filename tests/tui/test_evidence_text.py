"""How a comparison that fired a rule is written."""

from __future__ import annotations

import pytest

from engine.alert_view import LeafReading
from tui.screens.evidence import reading_text


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (LeafReading("spread_bps", ">", 3.1, 2.4, unit="bps", truth=True), "spread_bps  3.1 > 2.4 bps, true"),
        (LeafReading("abs(ti_z(30s))", ">=", -4.5, 4.0, truth=True), "abs(ti_z(30s))  4.5 (from -4.5) >= 4, true"),
        (LeafReading("abs(ti_z(30s))", ">=", 4.5, 4.0, truth=True), "abs(ti_z(30s))  4.5 >= 4, true"),
        (LeafReading("cvd", "inside", None, 1.0, 2.0), "cvd  unknown inside [1, 2], unknown"),
    ],
)
def test_values_are_those_that_were_compared(reading: LeafReading, text: str) -> None:
    assert reading_text(reading) == text
