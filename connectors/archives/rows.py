"""Decoded messages of one market to tape rows, thousands at a time.

Turning text into integers and filling the columns is done once a batch and vectorised: per
message it would cost more than everything else together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.instrument import Instrument, OffGridError
from engine.tape import ROW, Channel, Flag, Kind, Reason, Rows, Trust

#: Rows a piece of an archive holds, about: large enough that numpy's fixed costs vanish.
CHUNK_ROWS = 10_000

#: Stands for a price or size that was refused.
BAD = -1

# A double holds a size of so many lots with enough digits left to tell whether it is on the grid.
_MAX_LOTS = 1 << 50
#: Sizes up to which a plain loop is quicker.
_FEW = 64
# Prices of a market are few and come again; a hostile file could still bring millions.
_MAX_CACHED = 1 << 20

_LAST = int(Flag.LAST)
_LEVEL = int(Kind.LEVEL)
_BOOK = int(Channel.BOOK)


class PriceTicks(dict[str, int]):
    """Price text to ticks, remembered; BAD for what is off the grid, negative or no number."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__()
        self._ticks = instrument.ticks

    @property
    def of(self) -> Callable[[str], int]:
        """The look-up as a function, for `map`."""
        return self.__getitem__

    def __missing__(self, text: str) -> int:
        try:
            value = self._ticks(text)
        except OffGridError:
            value = BAD
        if len(self) >= _MAX_CACHED:
            self.clear()
        self[text] = value
        return value


def to_lots(sizes: NDArray[np.float64], instrument: Instrument) -> NDArray[np.int64]:
    """Sizes as parsed from text to lots; BAD where negative, not finite, absurd or off the grid.

    A double is within half a unit in the last place of the text it was read from, so a size of n
    lots lands within n * 2**-52 of n, and everything further away is off the grid.
    """
    lot = instrument.lot.as_integer_ratio()
    units = sizes * lot[1] / lot[0]
    with np.errstate(invalid="ignore"):
        nearest = np.rint(units)
        good = (np.abs(units - nearest) <= 1e-9 + nearest * 2.0**-50) & (units >= 0) & (units <= _MAX_LOTS)
    return np.where(good, nearest, BAD).astype(np.int64)


class SizeLots:
    """What `to_lots` does for the few sizes of a message, where numpy's calls cost more than they hold."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._units, self._steps = instrument.lot.as_integer_ratio()

    def of(self, sizes: Sequence[float]) -> NDArray[np.int64]:
        """Sizes in lots; BAD as there."""
        if len(sizes) > _FEW:
            return to_lots(np.array(sizes, np.float64), self._instrument)
        units, steps = self._units, self._steps
        out = []
        for size in sizes:
            lots = size * steps / units
            if 0 <= lots <= _MAX_LOTS:  # not so of NaN
                nearest = round(lots)
                out.append(nearest if abs(lots - nearest) <= 1e-9 + nearest * 2.0**-50 else BAD)
            else:
                out.append(BAD)
        return np.array(out, np.int64)


class RowBatch:
    """Rows in the order they are added, built at once.

    Levels are added as ranges of columns (`px`, `qty`, `side`) that `build` is given.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._plain_at: list[int] = []
        self._plain: list[tuple[int, int, int, int, int, int, int, int, int, int]] = []
        self._level_at: list[int] = []
        self._level_from: list[int] = []
        self._level_count: list[int] = []
        self._level_recv: list[int] = []
        self._level_ts: list[int] = []
        self._level_id: list[int] = []

    def __len__(self) -> int:
        return self._rows

    def _add(self, fields: tuple[int, int, int, int, int, int, int, int, int, int]) -> None:
        self._plain_at.append(self._rows)
        self._plain.append(fields)
        self._rows += 1

    def trade(self, recv: int, ts: int, trade_id: int, px: int, qty: int, side: int, flags: int) -> None:
        """One trade; px in ticks, qty in lots."""
        self._add((recv, ts, trade_id, px, qty, 0, int(Kind.TRADE), flags | _LAST, side, int(Channel.TRADES)))

    def hole(self, recv: int, ts: int, first_id: int, count: int) -> None:
        """`count` trades from `first_id` on are missing."""
        self._add((recv, ts, first_id, 0, count, 0, int(Kind.HOLE), _LAST, 0, int(Channel.TRADES)))

    def liquidation(self, recv: int, ts: int, px: int, qty: int, side: int) -> None:
        """A position closed by force; side is that of the closing order."""
        self._add((recv, ts, 0, px, qty, 0, int(Kind.LIQUIDATION), _LAST, side, int(Channel.LIQUIDATIONS)))

    def clock(self, recv: int, ts: int) -> None:
        """Nothing happened until `ts`."""
        self._add((recv, ts, 0, 0, 0, 0, int(Kind.CLOCK), _LAST, 0, 0))

    def status(self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE) -> None:
        """The trust of a channel changes."""
        self._add((recv, ts, 0, 0, 0, int(trust) | int(reason) << 8, int(Kind.STATUS), _LAST, 0, int(channel)))

    def snapshot(self, recv: int, ts: int, seq: int, start: int, count: int) -> None:
        """The book is replaced by levels `start` to `start + count` of the columns."""
        flags = 0 if count else _LAST
        self._add((recv, ts, seq, 0, 0, 0, int(Kind.SNAPSHOT), flags, 0, _BOOK))
        if count:
            self._levels(recv, ts, seq, start, count)

    def book(self, recv: int, ts: int, seq: int, start: int, count: int) -> None:
        """Levels `start` to `start + count` of the columns change; no levels leave a clock row."""
        if count:
            self._levels(recv, ts, seq, start, count)
        else:
            self._add((recv, ts, seq, 0, 0, 0, int(Kind.CLOCK), _LAST, 0, _BOOK))

    def _levels(self, recv: int, ts: int, seq: int, start: int, count: int) -> None:
        self._level_at.append(self._rows)
        self._level_from.append(start)
        self._level_count.append(count)
        self._level_recv.append(recv)
        self._level_ts.append(ts)
        self._level_id.append(seq)
        self._rows += count

    def build(self, px: NDArray[np.int64], qty: NDArray[np.int64], side: NDArray[np.int8]) -> Rows:
        """All rows added so far; px in ticks, qty in lots, side +1 bid, -1 ask."""
        rows = np.zeros(self._rows, ROW)
        if self._level_at:
            count = np.array(self._level_count)
            total = int(count.sum())
            before = np.cumsum(count) - count
            run = np.arange(total)
            source = np.repeat(np.array(self._level_from) - before, count) + run
            at = np.array(self._level_at)
            levels = np.zeros(total, ROW)
            levels["recv"] = np.repeat(np.array(self._level_recv, np.int64), count)
            levels["ts"] = np.repeat(np.array(self._level_ts, np.int64), count)
            levels["id"] = np.repeat(np.array(self._level_id, np.int64), count)
            levels["px"] = px[source]
            levels["qty"] = qty[source]
            levels["side"] = side[source]
            levels["kind"] = _LEVEL
            levels["channel"] = _BOOK
            levels["flags"][before + count - 1] = _LAST
            rows[np.repeat(at - before, count) + run] = levels
        if self._plain_at:
            rows[np.array(self._plain_at)] = np.array(self._plain, ROW)
        return rows
