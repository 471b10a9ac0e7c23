"""What a rule means, written down naively: the whole series is a function of time that any instant may be asked of.

Times are whole units small enough to visit one by one, so nothing is found by reasoning about intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

STALE = 10_000_000_000


@dataclass(frozen=True)
class Meaning:
    """A rule in plain numbers."""

    comparison: str
    level: float
    absolute: bool
    hold: int
    rearm: float | None
    cooldown: int


Told = tuple[str, int, float | None, bool]  # kind, stamp, value, delivered


def _true(meaning: Meaning, value: float) -> bool:
    x = abs(value) if meaning.absolute else value
    return {
        ">": x > meaning.level,
        ">=": x >= meaning.level,
        "<": x < meaning.level,
        "<=": x <= meaning.level,
    }[meaning.comparison]


def _safe(meaning: Meaning, value: float) -> bool:
    if meaning.rearm is None:
        return not _true(meaning, value)
    x = abs(value) if meaning.absolute else value
    return x < meaning.rearm if meaning.comparison.startswith(">") else x > meaning.rearm


def told(meaning: Meaning, instants: list[int], values: list[float | None], until: int, unit: int) -> list[Told]:
    """All events stamped before `until`, by visiting every multiple of `unit` from the first instant on."""
    out: list[Told] = []
    at = dict(zip(instants, values, strict=True))
    value: float | None = None
    truth_began: int | None = None  # unbroken since
    firing, unknown_began, delivered, last_delivery = False, None, False, None
    t = instants[0]
    while t < until:
        if t in at:
            value = at[t]
        if not firing:
            if value is None or not _true(meaning, value):
                truth_began = None
            else:
                if truth_began is None:
                    truth_began = t
                if t - truth_began == meaning.hold:
                    firing, truth_began, unknown_began = True, None, None
                    delivered = last_delivery is None or t - last_delivery >= meaning.cooldown
                    if delivered:
                        last_delivery = t
                    out.append(("fired", t, value, delivered))
        elif value is None:
            if unknown_began is None:
                unknown_began = t
            if t - unknown_began == STALE:
                out.append(("no data", t, None, delivered))
                firing = False
        else:
            unknown_began = None
            if _safe(meaning, value):
                out.append(("resolved", t, value, delivered))
                firing = False
        t += unit
    return out
