"""ccxt's unified trades and books, checked before anything is made of them: they come from an exchange."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from connectors.ccxt_venue.instruments import DEPTH
from connectors.live.wire import Fill
from engine.codes import EARLIEST, LATEST
from engine.feed import Levels

_LARGEST = 1e18
_SIDES = {"buy": 1, "sell": -1}


def read_trades(trades: Iterable[Any]) -> tuple[list[Fill], int]:
    """The trades in the order of their time, and how many made no sense."""
    fills, odd = [], 0
    alike: Counter[tuple[Any, ...]] = Counter()
    for trade in trades:
        fill = read_trade(trade, alike)
        if fill is None:
            odd += 1
        else:
            fills.append(fill)
    fills.sort(key=lambda fill: fill.ts)
    return fills, odd


def read_trade(trade: Any, alike: Counter[tuple[Any, ...]]) -> Fill | None:
    """One trade; None when it makes no sense. ccxt's `side` is the taker's. `alike` counts the trades without an id in
    the same answer that are the same in everything else."""
    if not isinstance(trade, Mapping):
        return None
    price, size, ms = _number(trade.get("price")), _number(trade.get("amount")), _number(trade.get("timestamp"))
    if price is None or size is None or ms is None or price <= 0 or size <= 0:
        return None
    ts = round(ms) * 1_000_000
    if not EARLIEST <= ts <= LATEST:
        return None
    side = _SIDES.get(str(trade.get("side")), 0)
    what = (ts, price, size, side)
    alike[what] += 1
    return Fill(_trade_id(trade.get("id"), (*what, alike[what])), ts, repr(price), repr(size), side)


def _trade_id(text: Any, otherwise: tuple[Any, ...]) -> int:
    """63 bits that are the same whenever the trade is told: its number, else a hash of its id, or of all there is."""
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    what = text if isinstance(text, str) and text else repr(otherwise)
    return int.from_bytes(blake2b(what.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


def read_book(book: Any) -> tuple[Levels, Levels] | None:
    """The best levels of both sides, best first; None when anything of them makes no sense."""
    try:
        bids, asks = (_levels(book[side]) for side in ("bids", "asks"))
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return bids, asks


def _levels(side: Sequence[Any]) -> list[tuple[str, float]]:
    levels = []
    for row in side[:DEPTH]:
        price, size = _number(row[0]), _number(row[1])
        if price is None or size is None or price <= 0 or size < 0:
            raise ValueError("a level that is none")
        if size:
            levels.append((repr(price), size))
    return levels


def book_time(book: Any) -> int | None:
    """The exchange's time of a book, ns; None where it tells none."""
    ms = _number(book.get("timestamp")) if isinstance(book, Mapping) else None
    ts = None if ms is None else round(ms) * 1_000_000
    return ts if ts is not None and EARLIEST <= ts <= LATEST else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST else None
