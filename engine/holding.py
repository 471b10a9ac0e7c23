"""A position of the user as a panel shows it: profit, liquidation, value at risk, what closing it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.detail_view import PositionView, ShockView
from engine.fees import rates
from engine.metrics.names import parse_metric
from engine.position import Position, after_shock, cost_adjusted_var, liquidation_distance, liquidation_price, profit

if TYPE_CHECKING:
    from engine.market import Market

#: Volatilities a year, the first one known is taken.
VOLATILITIES = ("vol_forecast(7d)", "ewma_vol(5m)", "rv(5m)")
#: Value at risk by the side of the position.
VAR = {1: "var(5m,0.99,historical,1d,long)", -1: "var(5m,0.99,historical,1d,short)"}
#: Moves against the position.
SHOCKS = (0.02, 0.05, 0.1, 0.2)


def holding(market: Market, position: Position) -> PositionView:
    """The position at the present mid; what needs a price is unknown without a valid book."""
    price = market.value(parse_metric("mid"))
    named = ((text, market.value(parse_metric(text))) for text in VOLATILITIES)
    volatility, sigma = next(((text, value) for text, value in named if value is not None), ("", None))
    var = VAR[position.side]
    var_bps = market.value(parse_metric(var))
    distance = None if price is None else liquidation_distance(position, price, sigma)
    _, taker_bps = rates(market.context.fees, market.instrument)
    exits = cost_adjusted_var(position, market.order_book, market.instrument, var_bps or 0.0, taker_bps or 0.0)
    exit_cost = exits.exit_cost if exits is not None and taker_bps is not None else None
    known = exits is not None and var_bps is not None
    loss = exits.var if exits is not None and known else None
    return PositionView(
        position=position,
        currency=market.instrument.base if position.inverse else market.instrument.quote,
        price=price,
        profit=None if price is None else profit(position, price),
        liquidation=liquidation_price(position),
        distance_bps=None if distance is None else distance.bps,
        distance_sigma=None if distance is None else distance.sigma,
        volatility=volatility,
        var_bps=var_bps,
        var=var,
        loss=loss,
        exit_cost=exit_cost,
        total=None if loss is None or exit_cost is None else loss + exit_cost,
        shocks=() if price is None else tuple(_shock(position, price, size) for size in SHOCKS),
    )


def _shock(position: Position, price: float, size: float) -> ShockView:
    moved = after_shock(position, price, -position.side * size)
    return ShockView(-position.side * size, moved.equity, moved.ratio, moved.holds)
