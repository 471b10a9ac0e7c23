"""The user's own fills and resting orders from CSV files with a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from connectors.archives.faults import Faults
from connectors.archives.opening import Notify
from connectors.archives.times import epoch_of
from engine.feed import SourceError
from engine.metrics.own_capital import OwnOrder
from engine.own_result import OwnTrade

_NAMES = {
    "time": ("time", "timestamp", "datetime", "date", "ts"),
    "placed": ("placed", "created", "start"),
    "ended": ("ended", "end", "closed"),
    "market": ("market",),
    "side": ("side",),
    "price": ("price",),
    "size": ("size", "qty", "quantity", "amount"),
    "fee": ("fee", "commission"),
    "currency": ("feecurrency", "feecoin", "feeasset", "commissionasset"),
    "maker": ("maker", "ismaker", "role", "liquidity", "takerormaker"),
}
_SIDES = {"buy": 1, "b": 1, "bid": 1, "sell": -1, "s": -1, "ask": -1}
_ROLES = {"true": True, "1": True, "maker": True, "m": True, "false": False, "0": False, "taker": False, "t": False}
_MARKET = re.compile(r"[a-z][a-z0-9_]*:[^\s/:]+/[^\s/:]+(:[^\s/:]+)?")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?")
_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class PostedOrder:
    """A resting order and its market."""

    market: str
    order: OwnOrder


def read_fills(paths: Sequence[Path], market: str | None, notice: Notify) -> list[OwnTrade]:
    """All usable fills; `market` is meant where a file has no such column. Raises SourceError when there is none."""
    found = []
    for path in paths:
        faults, without_fee = Faults(path, notice), 0
        for line, row in _rows(path, ("time", "side", "price", "size"), market, faults):
            try:
                fee = _number(row["fee"], "fee") if row.get("fee") else Decimal(0)
                quote = _market(row, market).split("/")[1].partition(":")[0]
                if fee and row.get("currency", quote).upper() not in ("", quote.upper()):
                    raise ValueError(f"its fee is in {row['currency'][:20]!r}; give it in {quote}")
                role = row.get("maker", "").lower()
                if role and role not in _ROLES:
                    raise ValueError(f"maker {role[:30]!r} is neither true, false, maker nor taker")
                without_fee += not row.get("fee")
                found.append(
                    OwnTrade(
                        _market(row, market), _time(row["time"]), _side(row), _positive(row, "price"),
                        _positive(row, "size"), fee, _ROLES.get(role),
                    )
                )  # fmt: skip
            except ValueError as error:
                faults.add(line, str(error))
        faults.close()
        if without_fee:
            notice(path.name, f"{path}: {without_fee:,} fills say no fee: results are before what they paid")
    if not found:
        raise SourceError(f"{', '.join(map(str, paths))}: no usable fill; expected columns time, side, price, size")
    return found


def read_orders(path: Path, market: str | None, notice: Notify) -> list[PostedOrder]:
    """All usable orders, named by their line. Raises SourceError when there is none."""
    faults, found = Faults(path, notice), []
    for line, row in _rows(path, ("placed", "side", "price", "size"), market, faults):
        try:
            placed = _time(row["placed"])
            ended = _time(row["ended"]) if row.get("ended") else None
            if ended is not None and ended < placed:
                raise ValueError("the order ends before it was placed")
            order = OwnOrder(str(line), _side(row), _positive(row, "price"), _positive(row, "size"), placed, ended)
            found.append(PostedOrder(_market(row, market), order))
        except ValueError as error:
            faults.add(line, str(error))
    faults.close()
    if not found:
        raise SourceError(f"{path}: no usable order; expected columns placed, ended, side, price, size")
    return found


def _rows(
    path: Path, needed: tuple[str, ...], market: str | None, faults: Faults
) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceError(f"{path}: is larger than 256 MiB; split it")
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as text: {error}") from None
    reader = csv.reader(text.splitlines())
    header = [re.sub(r"[^a-z]", "", name.lower()) for name in next(reader, [])]
    at = {key: next((header.index(n) for n in names if n in header), -1) for key, names in _NAMES.items()}
    missing = [key for key in needed if at[key] < 0]
    if missing:
        raise SourceError(f"{path}: its first line names no column {' or '.join(missing)}")
    if at["market"] < 0 and market is None:
        raise SourceError(f"{path}: has no column market; say which with --market venue:SYMBOL")
    try:
        for row in reader:
            if len(row) == len(header):
                yield reader.line_num, {key: row[i].strip() for key, i in at.items() if i >= 0}
            elif row:
                faults.add(reader.line_num, f"{len(row)} fields where the header has {len(header)}")
    except csv.Error as error:
        raise SourceError(f"{path}:{reader.line_num}: {error}") from None


def _market(row: dict[str, str], default: str | None) -> str:
    text = row.get("market") or default or ""
    if not _MARKET.fullmatch(text):
        raise ValueError(f"market {text[:40]!r} is not venue:SYMBOL, such as binance:ETH/USDT")
    return text


def _side(row: dict[str, str]) -> int:
    side = _SIDES.get(row["side"].lower())
    if side is None:
        raise ValueError(f"side {row['side'][:30]!r} is neither buy nor sell")
    return side


def _number(text: str, name: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} {text[:30]!r} is not a number") from None
    if not value.is_finite() or (value and not -30 <= value.adjusted() <= 20):
        raise ValueError(f"{name} {text[:30]!r} is absurd")
    return value


def _positive(row: dict[str, str], name: str) -> Decimal:
    value = _number(row[name], name)
    if value <= 0:
        raise ValueError(f"{name} {row[name][:30]!r} must be above 0")
    return value


def _time(text: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        return epoch_of(text)
    moment = datetime.fromisoformat(match[1] + (match[3] or "Z"))
    seconds = int(moment.astimezone(UTC).timestamp())
    return epoch_of(str(seconds * 10**9 + int((match[2] or "").ljust(9, "0"))))
