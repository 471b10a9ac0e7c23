"""`--from`: where in a recording one begins to look; what comes before is its history."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from engine.instant import NS, looks_like_instant, parse_instant
from tui.commands.failure import UsageError

_DAY = 86_400 * NS
_EXPECTED = "a UTC time such as 2024-08-08T23:55 or 23:55:30"


@dataclass(frozen=True, slots=True)
class Begin:
    """A time, or a time of day: then the first one in the recording."""

    ns: int
    of_day: bool

    def at(self, start: int) -> int:
        """The time, of a recording that begins at `start` (both ns)."""
        if not self.of_day:
            return self.ns
        at = start // _DAY * _DAY + self.ns
        return at if at >= start else at + _DAY


def add_begin_argument(parser: argparse.ArgumentParser) -> None:
    """`--from` on the command line."""
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        help="begin at this UTC time (2024-08-08T23:55, or 23:55); what the recordings hold before it warms the "
        "numbers up",
    )


def read_begin(text: str | None) -> Begin | None:
    """`--from` as typed; raises UsageError."""
    if text is None:
        return None
    day = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", text)
    if day is not None:
        hour, minute, second = (int(part or 0) for part in day.groups())
        return Begin(((hour * 60 + minute) * 60 + second) * NS, True)
    if not looks_like_instant(text):
        raise UsageError(f"--from: {text[:40]!r} is no time; write {_EXPECTED}")
    try:
        return Begin(parse_instant(text), False)
    except ValueError as error:
        raise UsageError(f"--from: {text[:40]!r} is no time; write {error}") from None
