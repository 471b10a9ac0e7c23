"""Lengths of time as people write them."""

from __future__ import annotations

import re

_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}
_LONGEST = 366 * _UNITS["d"]


def parse_duration(text: str) -> int:
    """A duration such as 500ms, 3s, 30m or 0s in ns; raises ValueError with a text for the user."""
    if text.strip() == "0":
        return 0
    match = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,3}))?\s*(ms|s|m|h|d)", text.strip())
    if match is None:
        raise ValueError(f"{text.strip()[:40]!r} is not a duration: write 500ms, 3s, 30m, 2h or 1d")
    thousandths = int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))
    ns = thousandths * _UNITS[match[3]] // 1000
    if ns > _LONGEST:
        raise ValueError(f"{text.strip()[:40]!r} is longer than a year")
    return ns
