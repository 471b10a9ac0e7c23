"""What own fills come to, market by market and venue by venue. METRICS 1.15, 1.16."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from engine.fees import FeeSchedule, FeeTier, NextTier, TradedVolume, traded_volume
from engine.fees import OwnFill as VolumeFill
from engine.instrument import Instrument
from engine.metrics.own_capital import OwnFill, OwnOrder, Utilisation, utilisation


@dataclass(frozen=True, slots=True)
class OwnTrade:
    """A fill and its market. `maker` None: the file doesn't say."""

    market: str
    t: int  # ns
    side: int  # +1 bought, -1 sold
    price: Decimal
    size: Decimal
    fee: Decimal = Decimal(0)  # quote units; negative: a rebate
    maker: bool | None = None


@dataclass(frozen=True, slots=True)
class MarketResult:
    """One market. Sizes in base units, money in quote units; None: nothing to divide by."""

    fills: int
    bought: float
    sold: float
    bought_price: float | None
    sold_price: float | None
    realised: float  # before fees, against the average price of what was open
    unmatched: int  # maker fills that fit none of the orders
    capital: Utilisation


@dataclass(frozen=True, slots=True)
class VenueResult:
    """Own volume of the days that count, and what it makes of the fees. `tier` None: fees aren't known."""

    volume: TradedVolume
    tier: FeeTier | None
    next: NextTier | None
    roles_known: bool  # else nobody can say what the next tier saves


def market_result(
    instrument: Instrument, trades: Iterable[OwnTrade], orders: Sequence[OwnOrder] | None
) -> MarketResult:
    """Spot and linear markets only (ValueError). What is open is valued at the last own price."""
    if instrument.kind == "inverse":
        raise ValueError(f"{instrument.market}: is inverse, and its contract is not in the file")
    ordered = sorted(trades, key=lambda trade: trade.t)
    fills, unmatched = _attributed(ordered, orders or ())
    times = [f.t for f in fills] + [t for o in orders or () for t in (o.placed, o.ended) if t is not None]
    capital = utilisation(instrument, min(times) - 1, max(times), fills, orders, fills[-1].price)
    (bought, bought_price), (sold, sold_price) = _total(fills, 1), _total(fills, -1)
    return MarketResult(len(fills), bought, sold, bought_price, sold_price, float(_realised(fills)), unmatched, capital)


def venue_result(trades: Iterable[OwnTrade], schedule: FeeSchedule | None, now: int) -> VenueResult:
    """Of spot and linear fills in one quote currency."""
    ordered = list(trades)
    volume = traded_volume([VolumeFill(t.t, float(t.price * t.size), t.maker is True) for t in ordered], now)
    known = all(t.maker is not None for t in ordered)
    if schedule is None:
        return VenueResult(volume, None, None, known)
    present = replace(schedule, volume=volume.total)
    return VenueResult(volume, present.tier, present.next_tier(volume.maker, volume.taker), known)


def _attributed(trades: Iterable[OwnTrade], orders: Sequence[OwnOrder]) -> tuple[list[OwnFill], int]:
    """Fills with the first placed order of their side and price that still rested with enough size."""
    left = {order.id: order.size for order in orders}
    by_place = defaultdict(list)
    for order in sorted(orders, key=lambda order: order.placed):
        by_place[order.side, order.price].append(order)
    found, unmatched = [], 0
    for t in trades:
        fit = None
        if t.maker is not False:
            for order in by_place[t.side, t.price]:
                in_time = order.placed <= t.t and (order.ended is None or t.t <= order.ended)
                if in_time and left[order.id] >= t.size:
                    fit = order.id
                    left[fit] -= t.size
                    break
        unmatched += bool(orders) and t.maker is True and fit is None
        found.append(OwnFill(t.t, t.side, t.price, t.size, fit, t.fee))
    return found, unmatched


def _total(fills: Iterable[OwnFill], side: int) -> tuple[float, float | None]:
    chosen = [(Fraction(f.price), Fraction(f.size)) for f in fills if f.side == side]
    size = sum((s for _, s in chosen), Fraction())
    return float(size), float(sum((p * s for p, s in chosen), Fraction()) / size) if size else None


def _realised(fills: Iterable[OwnFill]) -> Fraction:
    position = cost = result = Fraction()
    for f in fills:
        change, price = f.side * Fraction(f.size), Fraction(f.price)
        if position * change < 0:
            closed = min(abs(position), abs(change)) * (1 if position > 0 else -1)
            average = cost / position
            result += closed * (price - average)
            position, cost, change = position - closed, cost - closed * average, change + closed
        position, cost = position + change, cost + change * price
    return result
