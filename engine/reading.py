"""Decimal numbers of a contract that no tick or lot binds: mark and index price, funding rate, open interest."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from engine.codes import Kind

#: Digits kept: any such integer is exact as a double.
DIGITS = 15
#: Decimals that a row tells at most.
MOST_DECIMALS = 22


def to_decimal(kind: Kind, text: str) -> tuple[int, int]:
    """(mantissa, decimals) of a number as written; rounded to DIGITS digits, which no venue's numbers need in full.

    Raises ValueError for what is no finite number, and for a price or an open interest below 0.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is not a number") from None
    if not value.is_finite() or (value < 0 and kind is not Kind.FUNDING):
        raise ValueError(f"{text[:40]!r} is no {_NAMES[kind]}")
    if not value:
        return 0, 0
    if not -MOST_DECIMALS <= value.adjusted() < DIGITS:
        raise ValueError(f"{text[:40]!r} is an absurd {_NAMES[kind]}")
    decimals = min(MOST_DECIMALS, max(0, DIGITS - 1 - value.adjusted()))
    mantissa = int(value.scaleb(decimals).to_integral_value())
    while decimals and mantissa % 10 == 0:
        mantissa, decimals = mantissa // 10, decimals - 1
    return mantissa, decimals


def to_float(mantissa: int, decimals: int) -> float:
    """The number, correctly rounded."""
    scale: int = 10**decimals
    return mantissa / scale


_NAMES = {
    Kind.MARK: "mark price",
    Kind.INDEX: "index price",
    Kind.FUNDING: "funding rate",
    Kind.OPEN_INTEREST: "open interest",
}
