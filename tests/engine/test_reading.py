"""Numbers that no grid binds, as integers and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codes import READINGS, Kind
from engine.reading import DIGITS, MOST_DECIMALS, to_decimal, to_float


@given(st.decimals(min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False, places=8))
def test_text_comes_back_as_the_nearest_double(value: Decimal) -> None:
    mantissa, decimals = to_decimal(Kind.MARK, str(value))
    assert abs(mantissa) < 10**DIGITS
    assert 0 <= decimals <= MOST_DECIMALS
    exact = Decimal(mantissa).scaleb(-decimals)
    digits = len(value.normalize().as_tuple().digits)
    if digits <= DIGITS:
        assert exact == value
        assert to_float(mantissa, decimals) == float(value)
    else:
        assert abs(exact - value) <= value.scaleb(-DIGITS) * 5


def test_signs_and_forms() -> None:
    assert to_decimal(Kind.FUNDING, "-0.00010000") == (-1, 4)
    assert to_decimal(Kind.FUNDING, "1.25e-7") == (125, 9)
    assert to_decimal(Kind.INDEX, "0") == (0, 0)
    assert to_decimal(Kind.OPEN_INTEREST, "1e3") == (1000, 0)
    assert to_float(-1, 4) == -0.0001


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "-1", "1e15", "1e-23", "1" * 50])
def test_what_is_no_such_number_is_refused(text: str) -> None:
    for kind in READINGS:
        if text != "-1" or kind is not Kind.FUNDING:
            with pytest.raises(ValueError, match="is"):
                to_decimal(kind, text)
