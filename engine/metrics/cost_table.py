"""What orders of many sizes cost on several markets, fees included: the rows of a panel. METRICS 1.9, 1.15."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.fees import FeeSchedule, break_even_fill, chase_cost, filled_maker_cost, rates, taker_cost
from engine.instrument import Instrument
from engine.metrics.cost import walk_book
from engine.metrics.spec import BookReader

_BASIS = 10_000
_SIDES: tuple[tuple[Literal["buy", "sell"], int], ...] = (("buy", -1), ("sell", 1))


@dataclass(frozen=True, slots=True)
class MarketBook:
    """One market to take from or rest on. `adverse_bps`: what the mid moves in the takers' direction after they
    trade (a markout); `drift_bps`: how far it runs away while a resting order waits. None: unknown. `worth`: units of
    this market's quote that one unit of the table's sizes is worth."""

    instrument: Instrument
    book: BookReader
    fees: FeeSchedule | None = None
    adverse_bps: float | None = None
    drift_bps: float | None = None
    worth: float = 1.0


@dataclass(frozen=True, slots=True)
class CostRow:
    """An order of one size and side on one market. bps against the mid, positive = cost; None: unknown."""

    market: str
    side: Literal["buy", "sell"]
    notional: float  # quote units of the table, the same for all its markets
    slip_bps: float | None  # of the part that fills
    fill_ratio: float  # of the known book; below 1 the all-in cost is unknown
    worst_px: int | None  # ticks
    levels: int
    taker_bps: float | None
    all_in_bps: float | None
    all_in: float | None  # quote units of the table
    filled_maker_bps: float | None  # resting at the touch, if it fills
    break_even_fill: float | None  # fill probability from which on resting is no dearer; None also: never
    rank: int | None  # 1: the cheapest market all-in for this side and size; equal costs share


def walk_table(markets: Sequence[MarketBook], notionals: Sequence[float]) -> list[CostRow]:
    """All sizes on both sides of all markets: by side (buys first), size as given, market as given.

    Every book is walked once a side. A market without a valid mid gives no rows.
    """
    rows: dict[tuple[str, int], list[CostRow]] = {}
    for market in markets:
        for side, of_book in _SIDES:
            for index, row in enumerate(_rows(market, side, of_book, notionals)):
                rows.setdefault((side, index), []).append(row)
    keys = [(side, index) for side, _ in _SIDES for index in range(len(notionals))]
    return [row for key in keys for row in _ranked(rows.get(key, []))]


def _rows(market: MarketBook, side: Literal["buy", "sell"], of_book: int, notionals: Sequence[float]) -> list[CostRow]:
    instrument, book = market.instrument, market.book
    walk = walk_book(book, instrument, of_book, [size * market.worth for size in notionals])
    if walk is None:
        return []
    maker_bps, taker_bps = rates(market.fees, instrument)
    filled: float | None = None
    if maker_bps is not None and market.adverse_bps is not None:
        half_spread = _BASIS * (book.best_ask - book.best_bid) / (book.best_ask + book.best_bid)
        filled = filled_maker_cost(half_spread, maker_bps, market.adverse_bps)
    rows = []
    for i, notional in enumerate(notionals):
        slip, ratio = float(walk.slip_bps[i]), float(walk.fill_ratio[i])
        all_in = taker_cost(slip, taker_bps) if ratio >= 1 and taker_bps is not None else None
        chance: float | None = None
        if filled is not None and all_in is not None and market.drift_bps is not None:
            chance = break_even_fill(filled, chase_cost(filled, all_in, market.drift_bps), all_in)
        rows.append(
            CostRow(
                market=instrument.market,
                side=side,
                notional=notional,
                slip_bps=None if math.isnan(slip) else slip,
                fill_ratio=ratio,
                worst_px=int(walk.worst_px[i]) if walk.levels[i] else None,
                levels=int(walk.levels[i]),
                taker_bps=taker_bps,
                all_in_bps=all_in,
                all_in=None if all_in is None else all_in * notional / _BASIS,
                filled_maker_bps=filled,
                break_even_fill=chance,
                rank=None,
            )
        )
    return rows


def _ranked(rows: list[CostRow]) -> list[CostRow]:
    """The rows of one side and size with their ranks."""
    costs = sorted(row.all_in_bps for row in rows if row.all_in_bps is not None)
    return [row if row.all_in_bps is None else replace(row, rank=costs.index(row.all_in_bps) + 1) for row in rows]
