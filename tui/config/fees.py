"""From the fees of the configuration to the schedules the engine reckons with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.fees import FeeSchedule, FeeTier

if TYPE_CHECKING:
    from engine.instrument import Instrument
    from tui.config.model import Config, Fees

KINDS = ("spot", "linear", "inverse")


def fee_schedule(fees: Fees) -> FeeSchedule:
    """The schedule that a table of the configuration means; ValueError says why it means none."""
    tiers = tuple(FeeTier(volume, maker, taker) for volume, maker, taker in fees.tiers)
    return FeeSchedule(tiers, fees.volume, "configuration", fees.date)


def fees_of(config: Config) -> Callable[[Instrument], FeeSchedule | None]:
    """What the user pays on a market: by `[fees."VENUE:KIND"]`, else `[fees.VENUE]`, else nothing is known."""
    schedules = {name: fee_schedule(fees) for name, fees in config.fees.items()}

    def of(instrument: Instrument) -> FeeSchedule | None:
        return schedules.get(f"{instrument.venue}:{instrument.kind}", schedules.get(instrument.venue))

    return of


def fees_name_problem(name: str) -> str | None:
    """What is wrong with NAME of [fees.NAME], or None."""
    venue, colon, kind = name.partition(":")
    if venue and (not colon or kind in KINDS):
        return None
    return f'"{name}" is neither a venue nor "VENUE:KIND" with KIND one of {", ".join(KINDS)}'
