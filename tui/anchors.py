"""Where an anchored number begins, as users type it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from engine.duration import parse_duration
from engine.instant import NS, instant_text, looks_like_instant, parse_instant

_MINUTE = 60 * NS
_EXPECTED = "a UTC time such as 14:05, 14:05:30 or 2024-08-08T14:05, a while ago such as 10m, or now"


def read_anchor(text: str, now: int) -> int | None:
    """The time that was typed, ns; None for an empty text. `now` is the market's clock, ns.

    A time of day is that of the last 24 hours. A while ago is a whole minute of those that are over (so much is known
    exactly of them), in the present minute a whole second. Raises ValueError that says what is wrong, and what to type.
    """
    text = text.strip()
    if not text:
        return None
    if text.lower() == "now":
        return now // NS * NS
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            at = _of_day(text, now)
        else:
            at = parse_instant(text) if looks_like_instant(text) else _ago(parse_duration(text), now)
    except ValueError:
        raise ValueError(f"{text[:30]!r} is no time: type {_EXPECTED}") from None
    if at > now:
        raise ValueError(f"{text[:30]} has not come yet: the market's clock says {instant_text(now // NS * NS)}")
    return at


def _ago(duration: int, now: int) -> int:
    at = now - duration
    step = NS if at // _MINUTE == now // _MINUTE else _MINUTE
    return at // step * step


def _of_day(text: str, now: int) -> int:
    hour, minute, second = (int(part) for part in (text + ":0").split(":")[:3])
    today = datetime.fromtimestamp(now // NS, UTC).replace(hour=hour, minute=minute, second=second)
    at = int(today.timestamp()) * NS
    return at if at <= now else int((today - timedelta(days=1)).timestamp()) * NS
