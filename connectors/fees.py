"""Fees as published, from what ccxt knows: a start for the user's own configuration, dated by ccxt's version.

Nothing here is asked of an exchange. ccxt's tables are written by hand and grow old; what the user's account shows
goes before them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from connectors.ccxt_exchange import exchange, version
from engine.feed import SourceError
from engine.fees import FeeSchedule, FeeTier

#: Where ccxt's tier thresholds are volumes in US dollars. Elsewhere it does not say what they are (Binance's: BTC).
_DOLLAR_TIERS: Final = frozenset({"kraken"})
_PARTS: Final = {
    "spot": ("spot",),
    "swap": ("linear", "inverse"),
    "future": ("linear", "inverse"),
    "linear": ("linear",),
    "inverse": ("inverse",),
}


def published_fees(venue: str) -> dict[str, FeeSchedule]:
    """Schedules of a venue by kind of market ("spot", "linear", "inverse"); "" for every other kind.

    Tiers are given only where they can be trusted to be what they seem: thresholds in dollars, and the first tier
    the same as the fee that stands beside them. Otherwise there is one tier, and the source says so. The code of
    the exchange is loaded on the first call (about half a second). SourceError: ccxt does not know the exchange or
    its fees.
    """
    table = exchange(venue).describe().get("fees")
    if not isinstance(table, Mapping):
        table = {}
    found: dict[str, FeeSchedule] = {}
    for part, kinds in {"trading": ("",), **_PARTS}.items():
        fees = table.get(part)
        if isinstance(fees, Mapping) and isinstance(fees.get("trading"), Mapping):
            fees = fees["trading"]
        schedule = _schedule(fees, tiered=venue in _DOLLAR_TIERS)
        if schedule is not None:
            found.update(dict.fromkeys(kinds, schedule))
    if not found:
        raise SourceError(f"ccxt {version()} knows no fees of {venue}: take them from your account")
    return found


def _schedule(fees: Any, *, tiered: bool) -> FeeSchedule | None:
    """A schedule of one of ccxt's tables; None when it holds no percentage fees."""
    if not isinstance(fees, Mapping) or fees.get("percentage") is False:
        return None
    maker, taker = _bps(fees.get("maker")), _bps(fees.get("taker"))
    if maker is None or taker is None:
        return None
    base = (FeeTier(0.0, maker, taker),)
    table = fees.get("tiers")
    if not isinstance(table, Mapping):
        return FeeSchedule(base, source=f"ccxt {version()}")
    tiers = _tiers(table) if tiered else None
    if tiers is not None and tiers[0] == base[0]:
        return FeeSchedule(tiers, source=f"ccxt {version()}")
    return FeeSchedule(base, source=f"ccxt {version()}, without its tiers")


def _tiers(table: Mapping[str, Any]) -> tuple[FeeTier, ...] | None:
    """Tiers of ccxt's {"maker": [[volume, rate], ...], "taker": ...}; None when they don't make a schedule."""
    try:
        makers, takers = dict(table["maker"]), dict(table["taker"])
        if list(makers) != list(takers):
            return None
        rows = [(float(volume), _bps(makers[volume]), _bps(takers[volume])) for volume in makers]
        tiers = tuple(FeeTier(v, maker, taker) for v, maker, taker in rows if maker is not None and taker is not None)
        FeeSchedule(tiers)
    except (KeyError, TypeError, ValueError):
        return None
    return tiers if len(tiers) == len(rows) else None


def _bps(rate: Any) -> float | None:
    """A rate such as 0.0005 in bps, freed of what binary fractions add."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate) or abs(rate) > 0.1:
        return None
    return round(rate * 10_000, 6)
