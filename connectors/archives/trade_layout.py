"""Which columns a trade file has: told by its header, or by the shape of Binance's headerless dumps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.archives.columns import fields_of

_NAMES = {
    "id": ("id", "tradeid", "aggtradeid", "tid", "a"),
    "price": ("price", "p"),
    "size": ("qty", "quantity", "amount", "size", "volume", "q"),
    "time": ("timestamp", "time", "transacttime", "timestampms", "ts", "t"),
    "recv": ("localtimestamp",),
    "taker": ("side", "takerside"),
    "maker": ("isbuyermaker", "buyermaker", "wasthebuyerthemaker", "m"),
    "exchange": ("exchange",),
    "symbol": ("symbol",),
}
_BOOL = re.compile(r"(?i)true|false")
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Layout:
    """Where the columns are. Indexes are -1 for columns that are not there."""

    fields: int
    id: int
    time: int
    price: int
    size: int
    side: int
    maker: bool  # the side column says whether the buyer was the maker, not what the taker did
    header: bool
    recv: int = -1
    exchange: int = -1
    symbol: int = -1
    futures: bool | None = None  # a dump of futures, of spot, or not known
    base_volume: bool = False  # has the column of COIN-M dumps


def layout_of(head: bytes) -> Layout | None:
    """The layout of a trade file from its start; None when it is none."""
    lines = [line for line in head[:20_000].replace(b"\xef\xbb\xbf", b"").splitlines() if line.strip()]
    if not lines:
        return None
    try:
        first = fields_of(lines[0])
    except (ValueError, UnicodeDecodeError):
        return None
    return _from_header(first) or next(filter(None, map(_headerless, lines[:5])), None)


def _from_header(names: Sequence[str]) -> Layout | None:
    flat = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    at = {key: next((flat.index(name) for name in known if name in flat), -1) for key, known in _NAMES.items()}
    side = at["taker"] if at["taker"] >= 0 else at["maker"]
    if min(at["price"], at["size"], at["time"], side) < 0 or "issnapshot" in flat:
        return None
    futures = (
        True
        if "baseqty" in flat
        else None
        if at["exchange"] >= 0 or "isbuyermaker" not in flat
        else "isbestmatch" not in flat
    )
    return Layout(
        len(names), at["id"], at["time"], at["price"], at["size"], side, at["taker"] < 0, True,
        at["recv"], at["exchange"], at["symbol"], futures, "baseqty" in flat,
    )  # fmt: skip


def _headerless(line: bytes) -> Layout | None:
    """Binance's dumps: id,price,qty,quote,time,maker[,best], or aggregated id,price,qty,first,last,time,maker…"""
    try:
        row = fields_of(line)
    except (ValueError, UnicodeDecodeError):
        return None
    if len(row) not in (6, 7, 8) or not all(map(_NUMBER.fullmatch, row[:5])):
        return None
    if len(row) < 8 and all(map(_BOOL.fullmatch, row[5:])):
        by_contract = len(row) == 6 and _is_base_volume(row)
        return Layout(len(row), 0, 4, 1, 2, 5, True, False, futures=len(row) == 6, base_volume=by_contract)
    if len(row) > 6 and row[5].isdigit() and all(map(_BOOL.fullmatch, row[6:])):
        return Layout(len(row), 0, 5, 1, 2, 6, True, False, futures=len(row) == 7)
    return None


def _is_base_volume(row: Sequence[str]) -> bool:
    """COIN-M: the fourth column is contracts * 10 (or 100) USD / price, not price * size."""
    price, size, volume = (Decimal(row[i]) for i in (1, 2, 3))
    return size > 0 and volume > 0 and any(abs(volume * price / size - face) < 1 for face in (10, 100))
