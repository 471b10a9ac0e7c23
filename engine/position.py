"""What a position stands to lose: profit, liquidation, distance to it, and the cost of getting out.

Pure functions of a position that its user enters. METRICS 1.12. Amounts are floats in the market's units:
spot and linear markets count size in base and money in quote; inverse ones count size in quote units (contracts x
value) and money in base. `maintenance` is the venue's maintenance margin rate of the position's size bracket, from
the user: venues change it. Liquidation is that of isolated margin, without fees and funding; with cross margin the
whole wallet is `margin`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from engine.instrument import Instrument
from engine.metrics.cost import walk_book
from engine.metrics.seconds import YEAR_S
from engine.metrics.spec import BookReader


@dataclass(frozen=True, slots=True)
class Position:
    """`size` > 0 is long, < 0 short; `margin` is what backs it, in the currency it is settled in.

    Raises ValueError when a number can't be, naming it.
    """

    size: float
    entry: float  # average entry price
    margin: float
    maintenance: float = 0.005  # share of the notional
    inverse: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.size) and self.size):
            raise ValueError(f"the size must be a number other than 0 (below 0 for a short one), not {self.size}")
        for name in ("entry", "margin"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"the {name} must be a positive number, not {value}")
        if not 0 <= self.maintenance < 1:
            raise ValueError(f"the maintenance margin must be a share from 0 to below 1, not {self.maintenance}")

    @property
    def side(self) -> int:
        """+1 long, -1 short."""
        return 1 if self.size > 0 else -1


def with_leverage(
    size: float, entry: float, leverage: float, maintenance: float = 0.005, inverse: bool = False
) -> Position:
    """A position backed by its notional at entry / `leverage`. Raises ValueError unless leverage is above 0."""
    if not (math.isfinite(leverage) and leverage > 0):
        raise ValueError(f"the leverage must be a positive number, not {leverage}")
    if not (math.isfinite(entry) and entry > 0):
        raise ValueError(f"the entry must be a positive number, not {entry}")
    value = abs(size) / entry if inverse else abs(size) * entry
    return Position(size, entry, value / leverage, maintenance, inverse)


def notional(position: Position, price: float) -> float:
    """Value at `price` in the currency it is settled in (linear: quote; inverse: base)."""
    return abs(position.size) / price if position.inverse else abs(position.size) * price


def profit(position: Position, price: float) -> float:
    """Unrealised profit at `price`: size (P - E), inverse size (1/E - 1/P)."""
    if position.inverse:
        return position.size * (1 / position.entry - 1 / price)
    return position.size * (price - position.entry)


def liquidation_price(position: Position) -> float | None:
    """Where margin + profit = maintenance x notional; None when no price above 0 is (1x long, or less; a short
    inverse position that its margin covers)."""
    side, size = position.side, abs(position.size)
    if position.inverse:
        held = side * size / position.entry + position.margin
        numerator = size * (side + position.maintenance)
        price = numerator / held if held else math.inf
    else:
        price = (side * size * position.entry - position.margin) / (size * (side - position.maintenance))
    return price if 0 < price < math.inf else None


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the liquidation price is; positive while it has not been reached."""

    price: float
    bps: float  # of the present price
    sigma: float | None  # standard deviations of the log price over the horizon; None without a volatility


def liquidation_distance(
    position: Position, price: float, volatility: float | None = None, horizon_s: float = 86_400.0
) -> Distance | None:
    """From `price`, with an annual `volatility` (0.5 is 50 %) over a horizon in seconds; None when it can't be
    liquidated."""
    at = liquidation_price(position)
    if at is None:
        return None
    side = position.side
    sigma = None
    if volatility is not None and volatility > 0:
        sigma = side * math.log(price / at) / (volatility * math.sqrt(horizon_s / YEAR_S))
    return Distance(at, side * (price - at) / price * 1e4, sigma)


@dataclass(frozen=True, slots=True)
class RiskWithExit:
    """Value at risk of a position, and what closing it at market would cost on top. Settlement currency."""

    var: float
    exit_cost: float | None  # None: the known book can't take it
    total: float | None


def cost_adjusted_var(
    position: Position, book: BookReader, instrument: Instrument, var_bps: float, taker_bps: float = 0.0
) -> RiskWithExit | None:
    """VaR of a price move of `var_bps` against the position, plus the slippage of a market order that closes it
    and the taker fee; None without a valid mid."""
    if not book.valid:
        return None
    mid = instrument.price(book.best_bid + book.best_ask) / 2
    value = abs(position.size) if position.inverse else abs(position.size) * mid  # quote units
    walk = walk_book(book, instrument, position.side, [Fraction(value)])
    if walk is None:
        return None
    held = notional(position, mid)
    var = held * var_bps / 1e4
    if not walk.fill_ratio[0] >= 1 - 1e-12:
        return RiskWithExit(var, None, None)
    exit_cost = held * (float(walk.slip_bps[0]) + taker_bps) / 1e4
    return RiskWithExit(var, exit_cost, var + exit_cost)


@dataclass(frozen=True, slots=True)
class Adequacy:
    """A position after a shock of the price. Settlement currency."""

    price: float
    profit: float
    equity: float  # margin + profit
    required: float  # maintenance x notional
    ratio: float  # equity / required; below 1 it is liquidated (infinite without a requirement)
    holds: bool


def after_shock(position: Position, price: float, shock: float) -> Adequacy:
    """When the price moves by `shock` (-0.1 is a fall of 10 %). Raises ValueError for -1 or less."""
    if not (math.isfinite(shock) and shock > -1):
        raise ValueError(f"a shock must be a finite share above -1, not {shock}")
    moved = price * (1 + shock)
    gain = profit(position, moved)
    equity, required = position.margin + gain, position.maintenance * notional(position, moved)
    ratio = equity / required if required else math.copysign(math.inf, equity)
    return Adequacy(moved, gain, equity, required, ratio, equity > required)
