"""UTC times as people write them: `2024-08-08`, `2024-08-08T14:30`, `2024-08-08T14:30:15.5Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

NS = 1_000_000_000
EXPECTED = "a UTC time such as 2024-08-08T14:30 or 2024-08-08T14:30:15.5Z"
_FORM = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?)?[Zz]?")


def looks_like_instant(text: str) -> bool:
    """Whether it begins as a date does."""
    return re.match(r"\d{4}-", text) is not None


def parse_instant(text: str) -> int:
    """The time in ns since the Unix epoch. Raises ValueError with what is expected instead."""
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError(EXPECTED)
    seconds, _, fraction = (match[3] or ":00")[1:].partition(".")
    try:
        whole = datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00'}:{seconds}+00:00")
    except ValueError:
        raise ValueError(f"{EXPECTED}, one that there is") from None
    return int(whole.timestamp()) * NS + int(fraction.ljust(9, "0"))


def instant_text(ns: int) -> str:
    """The shortest of these forms with a time of day: `2024-08-08T14:30Z`, seconds and fraction where it has any."""
    seconds, fraction = divmod(ns, NS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if fraction:
        return f"{text}.{fraction:09d}".rstrip("0") + "Z"
    return text.removesuffix(":00") + "Z"
