"""OHLCV bars from JSON files: a list of objects with `timestamp`, prices and volume, as BitMEX tells its buckets.

`timestamp` is the end of the bar, ISO 8601 in UTC. Numbers are read from their text, so nothing is rounded.
Bars without trades may be left out, or have null prices: those are left out too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from connectors.archives.opening import Notify, check_readable, head, pieces
from engine.feed import SourceError
from engine.study.bars import OhlcvBars

EXPECTED: Final = 'JSON, a list of bars such as [{"timestamp": "2020-03-12T00:01:00Z", "open": 1, "high": 1, …}]'
#: A file that unpacks to more than this is not read: bars are small.
MOST_BYTES: Final = 256 << 20
_DIGITS: Final = 12  # decimals at most
_MOST_UNITS: Final = 1 << 53
_PRICES: Final = ("open", "high", "low", "close")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Row(msgspec.Struct):
    timestamp: str
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal | None
    symbol: str = ""
    trades: int | None = None


@dataclass(frozen=True, slots=True)
class _Bar:
    end: int
    prices: tuple[Decimal, ...]
    volume: Decimal


def looks_like_bars(path: Path) -> bool:
    """Whether a file begins as a list of bars. Raises SourceError when it cannot be read at all."""
    begins = head(path, 4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    first = begins.partition(b"}")[0]
    return begins.startswith(b"[") and all(f'"{name}"'.encode() in first for name in ("timestamp", "open", "close"))


def read_bars(paths: Sequence[Path], notice: Notify) -> OhlcvBars:
    """All files as the bars of one market, in order of time whatever the order given.

    Raises SourceError naming the file and the number of the bar for anything that is no such list, for bars of
    several markets or lengths, and for times that come twice.
    """
    found: dict[int, tuple[_Bar, Path]] = {}
    symbols: dict[str, Path] = {}
    for path in paths:
        for number, row in enumerate(_rows(path, notice), 1):
            symbols.setdefault(row.symbol, path)
            bar = _bar(row, f"{path}: bar {number}")
            if bar is None:
                continue
            if bar.end in found:
                other = found[bar.end][1]
                where = "earlier in it" if other == path else f"in {other}"
                raise SourceError(f"{path}: bar {number}: {row.timestamp[:40]!r} is also {where}; give each bar once")
            found[bar.end] = (bar, path)
    if len(symbols) > 1:
        names = ", ".join(sorted(repr(name[:40]) for name in symbols))
        raise SourceError(f"{next(iter(symbols.values()))}: the bars are of several markets ({names}); give one")
    if len(found) < 2:
        raise SourceError(f"{paths[0]}: holds {len(found)} bars with prices; a study needs two and more")
    return _assembled([found[end][0] for end in sorted(found)], next(iter(symbols)), paths[0])


def _rows(path: Path, notice: Notify) -> list[_Row]:
    check_readable(path)
    content = bytearray()
    for piece in pieces(path, notice):
        content += piece
        if len(content) > MOST_BYTES:
            raise SourceError(f"{path}: unpacks to more than {MOST_BYTES >> 20} MB; split it by day")
    try:
        rows: list[_Row] = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=list[_Row])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is not readable as bars ({error}); expected {EXPECTED}") from None
    if not rows:
        raise SourceError(f"{path}: is an empty list; expected {EXPECTED}")
    return rows


def _bar(row: _Row, where: str) -> _Bar | None:
    """None for a bar without prices."""
    values: list[Any] = [getattr(row, name) for name in (*_PRICES, "volume")]
    for name, value in zip((*_PRICES, "volume"), values, strict=True):
        if value is not None and (not value.is_finite() or value < 0 or value.adjusted() > 18):
            raise SourceError(f"{where}: {name} is {str(value)[:40]}, which is no number of 0 or more")
    if any(value is None for value in values[:4]):
        if values[4]:
            raise SourceError(f"{where}: has volume and no price; the file is damaged, fetch it again")
        return None
    return _Bar(_time(row.timestamp, where), tuple(values[:4]), values[4] or Decimal(0))


def _time(text: str, where: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SourceError(f"{where}: timestamp {text[:40]!r} is no time such as 2020-03-12T00:01:00.000Z") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if not 2009 <= at.year < 2100:
        raise SourceError(f"{where}: timestamp {text[:40]!r} lies outside 2009 to 2099")
    span = at - _EPOCH
    return (span.days * 86_400 + span.seconds) * 10**9 + span.microseconds * 1_000


def _assembled(bars: Sequence[_Bar], symbol: str, path: Path) -> OhlcvBars:
    end = np.array([bar.end for bar in bars], np.int64)
    seen = Counter(np.diff(end).tolist())
    step = max(seen, key=lambda distance: (seen[distance], -distance))  # the usual one; of two, the shorter
    tick = _grid([price for bar in bars for price in bar.prices], path)
    lot = _grid([bar.volume for bar in bars], path)
    open_, high, low, close = (_units([bar.prices[i] for bar in bars], tick, path) for i in range(4))
    volume = _units([bar.volume for bar in bars], lot, path)
    try:
        return OhlcvBars(symbol or path.name, step, tick, lot, end, open_, high, low, close, volume)
    except ValueError as error:
        raise SourceError(f"{path}: {error}; the bars must be of one length and whole") from None


def _grid(values: Sequence[Decimal], path: Path) -> Decimal:
    """The power of ten that all values are multiples of, at most 1."""
    digits = max(max(0, -int(value.normalize().as_tuple().exponent)) for value in set(values))
    if digits > _DIGITS:
        raise SourceError(f"{path}: a number has {digits} decimals; at most {_DIGITS} are read")
    return Decimal(1).scaleb(-digits)


def _units(values: Sequence[Decimal], step: Decimal, path: Path) -> Any:
    units = [int(value / step) for value in values]
    if max(units) > _MOST_UNITS:
        raise SourceError(f"{path}: {max(values)} in steps of {step} is beyond what is counted exactly")
    return np.array(units, np.int64)
