"""What a large order would move the price by, from the day's volume and volatility: rough laws, not book walks.

Square root: I(Q) = Y sigma_D (Q / V_D)^delta, with delta = 1/2 and Y = 0.9 (Donier & Bonart, Market Microstructure
and Liquidity 1(2), 2015, on bitcoin; Sato & Kanazawa, arXiv 2411.13965, find delta = 0.489 in Tokyo). It is the peak
impact of an order worked in pieces; its average shortfall is about two thirds of it.

Almgren, Thum, Hauptmann & Li, "Direct estimation of equity market impact", Risk 18(7):58-62, 2005: the expected
shortfall of an order worked evenly over T days, half its permanent impact plus its temporary one,

    J = gamma sigma (X / V) (Theta / V)^(1/4) / 2 + eta sigma (X / (V T))^(3/5)

with gamma = 0.314 and eta = 0.142, Theta being the units in existence. Fitted to US equities: elsewhere a shape
rather than a level. The constants of the two laws belong to different quantities and are never mixed.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.instrument import Instrument
from engine.metrics.bar_store import BarStore, Table
from engine.metrics.bars import Bars
from engine.metrics.batch import Batch, Bools, Floats
from engine.metrics.calculator import State
from engine.metrics.prevailing import PrevailingMid
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import DAY, Steps, check_state
from engine.tape import Ints

Y: Final = 0.9
DELTA: Final = 0.5
#: Shares of the day's volume between which the square-root law has been seen to hold.
VALID_SHARES: Final = (1e-4, 1e-1)

GAMMA: Final = 0.314
ETA: Final = 0.142
BETA: Final = 0.6

_BAR: Final = 60_000_000_000
_BARS_A_DAY: Final = DAY // _BAR
_FEWEST_RETURNS: Final = 30


def sqrt_impact(share: float, sigma: float, y: float = Y, delta: float = DELTA) -> float:
    """Peak impact, in the unit of `sigma` (the day's volatility), of an order of `share` = Q / V_D of its volume."""
    return y * sigma * math.pow(share, delta)


def within_validity(share: float) -> bool:
    """Whether an order of `share` of the day's volume lies where the square-root law was seen; else extrapolated."""
    return VALID_SHARES[0] <= share <= VALID_SHARES[1]


def almgren_shortfall(share: float, days: float, sigma: float, supply_days: float) -> float:
    """Expected shortfall, in the unit of `sigma`, of working `share` = X / V of a day's volume over `days`.

    `supply_days` = Theta / V: units in existence over a day's volume.
    """
    permanent = GAMMA * sigma * share * math.pow(supply_days, 0.25)
    return permanent / 2 + ETA * sigma * math.pow(share / days, BETA)


class DayState:
    """The day's volatility and volume, and what they say of an order.

    Fields: `sigma` (bps), `volume` (base units), `sqrt:Q` (bps), `share:Q`, `almgren:Q:T:S` (bps); Q a size in
    base units (inverse contracts: quote) or a part of the day such as adv/50, T in ns, S in units of Q.

    sigma_D: root of the mean squared one-minute log return of the mid over the last 24 hours, times 1440: of the
    minutes that had a mid of one epoch at both ends, at least 30. V_D: volume of the last 1440 closed minutes once
    the tape is that long; before, the venue's own 24 h volume, or what the user gave.
    """

    def __init__(self, instrument: Instrument, day_lots: int | None) -> None:
        self._amount = Fraction(instrument.lot) * Fraction(instrument.contract)
        self._given = day_lots
        self._mid = PrevailingMid()
        self._returns = BarStore(_BAR, _BARS_A_DAY, 2, 0, (np.float64,), _squares)
        self._volumes = BarStore(_BAR, _BARS_A_DAY, 0, 1, (object,), _volumes)
        self._told = Steps(np.int64)  # the venue's 24 h volume, lots
        self._first: int | None = None  # clock of the first trade

    def update(self, batch: Batch) -> None:
        mids, trades = self._mid.extend(batch.quotes), batch.trades
        none = np.empty(0, np.int64)
        self._returns.update(mids.t[1:], mids.fresh, none, (), batch.end)
        self._volumes.update(none, np.empty((0, 0), np.int64), trades.t, (trades.qty,), batch.end)
        if self._first is None and len(trades):
            self._first = int(trades.t[0])
        if batch.day_volumes:
            self._told.append(*zip(*batch.day_volumes, strict=True))

    def sample(self, field: str, times: Ints) -> Floats:
        law, *arguments = field.split(":")
        sigma = self._returns.values(times, _daily_bps)
        if law == "sigma":
            return sigma
        volume = self._volume(times) * float(self._amount)
        if law == "volume":
            return volume
        order, share = arguments[0], np.full(len(times), np.nan)
        if order.startswith("adv/"):
            share[volume > 0] = 1 / float(order[4:])
        else:
            np.divide(float(order), volume, out=share, where=volume > 0)
        if law == "share":
            return share
        if law == "seen":
            seen = [float(within_validity(s)) if s == s else math.nan for s in share.tolist()]
            return np.array(seen, np.float64)
        if law == "sqrt":
            found = (sqrt_impact(s, v) for s, v in zip(share.tolist(), sigma.tolist(), strict=True))
        else:
            days, supply = float(arguments[1]) / DAY, float(arguments[2])
            found = (
                almgren_shortfall(s, days, v, supply / day) if day > 0 else math.nan
                for s, v, day in zip(share.tolist(), sigma.tolist(), volume.tolist(), strict=True)
            )
        return np.array(list(found), np.float64)

    def _volume(self, times: Ints) -> Floats:
        """V_D in lots, NaN while unknown."""
        out = self._told.at(times)
        if self._given is not None:
            out[np.isnan(out)] = self._given
        if self._first is not None:
            full = times // _BAR * _BAR - DAY >= self._first
            if full.any():
                out[full] = self._volumes.values(times[full], lambda table: float(sum(table[1].tolist())))
        return out

    def advance(self, t: int) -> None:
        self._returns.forget(t)
        self._volumes.forget(t)
        self._told.forget(t)

    def state(self) -> State:
        return {
            "kind": "day",
            "version": 1,
            "mid": self._mid.state(),
            "returns": self._returns.state(),
            "volumes": self._volumes.state(),
            "told": self._told.state(),
            "first": self._first,
        }

    def restore(self, state: State) -> None:
        check_state(state, "day", 1)
        self._mid.restore(state["mid"])
        self._returns.restore(state["returns"])
        self._volumes.restore(state["volumes"])
        self._told.restore(state["told"])
        self._first = state["first"]


def _squares(bars: Bars) -> tuple[Bools, tuple[NDArray[Any], ...]]:
    """Squared log returns of the minutes with a mid of one epoch at both ends."""
    (begun, old), (ended, new) = bars.before, bars.after
    counts: Bools = (begun > 0) & (ended > 0) & (old == new)
    ratios = (ended[counts] / begun[counts]).tolist()
    return counts, (np.array([math.log(r) ** 2 for r in ratios], np.float64),)


def _volumes(bars: Bars) -> tuple[Bools, tuple[NDArray[Any], ...]]:
    counts: Bools = np.ones(len(bars), np.bool_)
    return counts, (bars.flows[0],)


def _daily_bps(table: Table) -> float:
    squares = table[1]
    if len(squares) < _FEWEST_RETURNS:
        return math.nan
    return 10_000 * math.sqrt(math.fsum(squares.tolist()) / len(squares) * _BARS_A_DAY)


# ---- their descriptions


def _bound(field: str, book: bool) -> Bound:
    def make(context: Context) -> DayState:
        return DayState(context.instrument, context.day_lots)

    return Bound("day", make, field, needs_book=book, needs_trades=True)


_ORDER = Param("Q", "size", "adv/1000", "size of the order, or a part of the day's volume")
_WARMUP = "sigma from 30 minutes with a mid on; V_D from 24 hours of tape, or at once where the venue tells its volume"


def _bind_almgren(order: float | str, duration: int, supply: float | str) -> Bound:
    if isinstance(supply, str):
        raise ValueError("the supply is a number of units, not a part of the day's volume")
    return _bound(f"almgren:{order}:{duration}:{supply}", True)


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="impact_sqrt",
        params=(_ORDER,),
        unit="bps",
        meaning="square-root law, 0.9 sigma_D sqrt(Q / V_D): peak impact of working an order of Q; extrapolated where "
        "impact_seen is 0",
        warmup=_WARMUP,
        bind=lambda order: _bound(f"sqrt:{order}", True),
        group="cost",
    ),
    MetricSpec(
        name="impact_share",
        params=(_ORDER,),
        unit="ratio",
        meaning="an order of Q as a share of the last 24 hours' volume",
        warmup="from 24 hours of tape on, or at once where the venue tells its volume",
        bind=lambda order: _bound(f"share:{order}", False),
        group="cost",
    ),
    MetricSpec(
        name="impact_seen",
        params=(_ORDER,),
        unit="flag",
        meaning="1 where the square-root law was seen for orders of such a share of a day's volume (0.0001..0.1), 0 "
        "where impact_sqrt is extrapolated",
        warmup="from 24 hours of tape on, or at once where the venue tells its volume",
        bind=lambda order: _bound(f"seen:{order}", False),
        group="cost",
    ),
    MetricSpec(
        name="impact_almgren",
        params=(
            _ORDER,
            Param("T", "window", "1h", "time the order is worked over, evenly"),
            Param("S", "size", "100M", "units in existence"),
        ),
        unit="bps",
        meaning="expected shortfall of working Q evenly over T by the model of Almgren et al. 2005, fitted to US "
        "equities; give the coin's supply as S",
        warmup=_WARMUP,
        bind=_bind_almgren,
        group="cost",
    ),
    MetricSpec(
        name="day_sigma",
        params=(),
        unit="bps",
        meaning="volatility of a day, from the one-minute returns of the mid of the last 24 hours",
        warmup="from 30 minutes with a mid at both ends on",
        bind=lambda: _bound("sigma", True),
        group="cost",
    ),
)
