"""Fees of a venue as its user pays them, and what that makes of an order. METRICS 1.15.

All fees are in basis points of the notional; a negative one is a rebate. Volumes are in quote currency. A venue
applies the tier of the volume traded so far: an order that would lift its user into the next tier pays the present one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.instrument import Instrument

DAY: Final = 86_400_000_000_000
DAYS_COUNTED: Final = 30
#: Fees beyond this are a slip of the pen: 1000 bps are a tenth of the notional.
MOST_BPS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class FeeTier:
    """What is paid from a 30-day volume on."""

    volume: float
    maker_bps: float
    taker_bps: float


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """The tiers of a venue, lowest volume first and from 0 on, and the volume their user has traded.

    `source` says where the tiers come from, `as_of` how old they are. Raises ValueError for tiers that make no
    schedule, naming what is wrong.
    """

    tiers: tuple[FeeTier, ...]
    volume: float = 0.0  # own traded notional of the last 30 closed UTC days
    source: str = "configuration"
    as_of: date | None = None

    def __post_init__(self) -> None:
        if not self.tiers:
            raise ValueError("a fee schedule needs at least one tier")
        if self.tiers[0].volume != 0:
            raise ValueError(f"the first tier must start at a volume of 0, not {self.tiers[0].volume:g}")
        for before, tier in zip(self.tiers, self.tiers[1:], strict=False):
            if not tier.volume > before.volume:
                raise ValueError(f"tiers must rise in volume: {tier.volume:g} comes after {before.volume:g}")
        for tier in self.tiers:
            for name, fee in (("maker", tier.maker_bps), ("taker", tier.taker_bps)):
                if not -MOST_BPS <= fee <= MOST_BPS:
                    raise ValueError(f"a {name} fee must be from -{MOST_BPS:g} to {MOST_BPS:g} bps, not {fee:g}")
        if not (math.isfinite(self.volume) and self.volume >= 0 and math.isfinite(self.tiers[-1].volume)):
            raise ValueError(f"a volume must be a finite number of 0 or more, not {self.volume:g}")

    @property
    def tier(self) -> FeeTier:
        """The tier in force."""
        return self.tiers[self._index]

    @property
    def _index(self) -> int:
        return bisect_right([tier.volume for tier in self.tiers], self.volume) - 1

    def next_tier(self, monthly_maker: float = 0.0, monthly_taker: float = 0.0) -> NextTier | None:
        """How far the next tier is, and what it would save a month on such maker and taker volumes; None at the top."""
        index = self._index + 1
        if index == len(self.tiers):
            return None
        now, then = self.tier, self.tiers[index]
        saving = monthly_maker * (now.maker_bps - then.maker_bps) + monthly_taker * (now.taker_bps - then.taker_bps)
        missing = then.volume - self.volume
        return NextTier(then, missing, saving / 10_000, missing * now.taker_bps / 10_000)


@dataclass(frozen=True, slots=True)
class NextTier:
    """The way to the next tier, in quote currency."""

    tier: FeeTier
    missing: float  # volume still to trade
    saving: float  # a month; negative: it would cost more
    price: float  # taker fees of trading the missing volume for its own sake

    @property
    def months_to_pay_back(self) -> float | None:
        """Months of saving that the price takes; None when nothing is saved."""
        return max(self.price, 0.0) / self.saving if self.saving > 0 else None


@dataclass(frozen=True, slots=True)
class OwnFill:
    """One of the user's own fills."""

    t: int  # ns since the Unix epoch
    notional: float  # quote units, > 0
    maker: bool


@dataclass(frozen=True, slots=True)
class TradedVolume:
    """Own volume over the 30 days that count, in quote units."""

    maker: float
    taker: float

    @property
    def total(self) -> float:
        return self.maker + self.taker


def traded_volume(fills: Iterable[OwnFill], now: int, *, today_counts: bool = False) -> TradedVolume:
    """Own volume of the last 30 closed UTC days before `now` (ns), and of today where the venue counts it."""
    today = now // DAY
    last = today if today_counts else today - 1
    counted = [f for f in fills if today - DAYS_COUNTED <= f.t // DAY <= last and f.t <= now]
    maker = math.fsum(f.notional for f in counted if f.maker)
    return TradedVolume(maker, math.fsum(f.notional for f in counted if not f.maker))


# ---- an order, taken or made


def taker_cost(slip_bps: float, taker_bps: float) -> float:
    """All-in cost of a market order: what it walks the book, and the fee."""
    return slip_bps + taker_bps


def filled_maker_cost(half_spread_bps: float, maker_bps: float, adverse_bps: float) -> float:
    """Cost of a resting order at the touch that fills: it earns the half-spread, pays the fee (negative: a rebate) and
    what the mid then moves against it (the markout of those who take it)."""
    return -half_spread_bps + maker_bps + adverse_bps


def chase_cost(filled_bps: float, taker_bps: float, drift_bps: float) -> float:
    """How much more than a filled resting order it costs to take after all, the mid having run away by `drift_bps`."""
    return taker_bps + drift_bps - filled_bps


def break_even_fill(filled_bps: float, chase_bps: float, taker_bps: float) -> float | None:
    """The fill probability from which on resting is no dearer than taking at once (all-in `taker_bps`).

    0: it is cheaper even if it never fills. None: it is dearer even if it always fills.
    """
    if filled_bps > taker_bps:
        return None
    if chase_bps <= taker_bps - filled_bps:
        return 0.0
    return 1 - (taker_bps - filled_bps) / chase_bps


def rates(schedule: FeeSchedule | None, instrument: Instrument) -> tuple[float | None, float | None]:
    """(maker, taker) in bps: of the schedule's present tier, else as the instrument was listed; None where unknown."""
    if schedule is not None:
        return schedule.tier.maker_bps, schedule.tier.taker_bps
    return instrument.maker_bps, instrument.taker_bps
