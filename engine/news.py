"""What has happened in a market since the last fold, collected row by row or message by message."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain

import numpy as np

from engine.book import Touch
from engine.metrics.batch import NO_QUOTES, Band, Bools, Changes, Ladder, Quotes, Trades
from engine.metrics.depth import limit_within
from engine.metrics.spec import BookReader
from engine.tape import NO_ASK, NO_BID, NOT_COUNTED, Ints

#: Sums below it fit into int64.
_WIDE = 1 << 62
#: clock, exchange time, ticks, lots, side, flags, id, message number.
TradeRow = tuple[int, int, int, int, int, int, int, int]
#: clock, epoch, valid, touch, message number.
QuoteRow = tuple[int, int, bool, Touch, int]
#: clock, message number, epoch, side, ticks, lots before, lots after.
ChangeRow = tuple[int, int, int, int, int, int, int]


class TradeColumns:
    """Trades as int64 columns: clock, exchange time, ticks, lots, side, flags, id, message number."""

    __slots__ = ("flags", "id", "px", "qty", "seq", "side", "t", "ts")

    def __init__(self, t: Ints, ts: Ints, px: Ints, qty: Ints, side: Ints, flags: Ints, ids: Ints, seq: Ints) -> None:
        self.t, self.ts, self.px, self.qty, self.side, self.flags, self.id = t, ts, px, qty, side, flags, ids
        self.seq = seq

    def where(self, wanted: Bools) -> TradeColumns | None:
        """Only those; None when there are none."""
        columns = (self.t, self.ts, self.px, self.qty, self.side, self.flags, self.id, self.seq)
        return TradeColumns(*(column[wanted] for column in columns)) if wanted.any() else None

    def flow(self) -> Trades:
        """Only what counts as order flow."""
        counted = ((self.flags & int(NOT_COUNTED)) == 0) & (self.qty > 0)
        if counted.all():
            return Trades(self.t, self.px, self.qty, self.side, self.seq)
        return Trades(*(column[counted] for column in (self.t, self.px, self.qty, self.side, self.seq)))


def trade_columns(rows: list[TradeRow]) -> TradeColumns:
    """Collected trades as columns."""
    flat = np.fromiter(chain.from_iterable(rows), np.int64, 8 * len(rows)).reshape(-1, 8)
    return TradeColumns(*(np.ascontiguousarray(flat[:, i]) for i in range(8)))


def together(a: TradeColumns | None, b: TradeColumns | None) -> TradeColumns | None:
    """Both in the order of their messages."""
    if a is None or b is None:
        return b if a is None else a
    order = np.argsort(np.concatenate((a.seq, b.seq)), kind="stable")
    return TradeColumns(
        *(
            np.concatenate((getattr(a, name), getattr(b, name)))[order]
            for name in ("t", "ts", "px", "qty", "side", "flags", "id", "seq")
        )
    )


def quote_columns(rows: list[QuoteRow], inverse_lot: float) -> Quotes:
    """Collected touches as columns; wire sizes become lots."""
    if not rows:
        return NO_QUOTES
    t, epoch, valid, touches, seq = zip(*rows, strict=True)
    bid, bid_wire, ask, ask_wire = zip(*touches, strict=True)

    def lots(wire: tuple[float, ...]) -> Ints:
        return np.rint(np.array(wire) * inverse_lot).astype(np.int64)

    return Quotes(
        np.array(t, np.int64),
        np.array(bid, np.int64),
        lots(bid_wire),
        np.array(ask, np.int64),
        lots(ask_wire),
        np.array(valid, np.bool_),
        np.array(epoch, np.int64),
        np.array(seq, np.int64),
    )


class TapNews:
    """Lots on the first levels after every book message, for the level counts some metric wants."""

    def __init__(self, taps: Iterable[int]) -> None:
        self.columns = {tap: (array("q"), array("q")) for tap in taps}

    def take(self) -> dict[int, tuple[Ints, Ints]]:
        """Everything collected, by level count: (bids, asks); forgets it."""
        sums = {tap: (np.array(bids, np.int64), np.array(asks, np.int64)) for tap, (bids, asks) in self.columns.items()}
        self.columns = {tap: (array("q"), array("q")) for tap in self.columns}
        return sums


class LadderNews:
    """The best levels after every book message, for the level counts some metric wants."""

    def __init__(self, counts: Iterable[int]) -> None:
        self._rows: dict[int, list[tuple[Ints, Ints, Ints, Ints]]] = {count: [] for count in counts}

    def add(self, book: BookReader) -> None:
        """The book as it is after a message."""
        for count, rows in self._rows.items():
            bid_px, bid_qty = book.levels(1, count)
            ask_px, ask_qty = book.levels(-1, count)
            rows.append(
                (
                    _padded(bid_px, count, NO_BID),
                    _padded(bid_qty, count, 0),
                    _padded(ask_px, count, NO_ASK),
                    _padded(ask_qty, count, 0),
                )
            )

    def take(self) -> dict[int, Ladder]:
        """Everything collected, by level count; forgets it."""
        out = {}
        for count, rows in self._rows.items():
            empty = [np.empty((0, count), np.int64)] * 4
            out[count] = Ladder(*([np.array(column) for column in zip(*rows, strict=True)] if rows else empty))
            rows.clear()
        return out


class BandNews:
    """What rests within distances of the mid after every book message, for the distances (bps) some metric wants."""

    def __init__(self, distances: Iterable[Fraction]) -> None:
        self._distances = sorted(distances, reverse=True)
        self._rows: dict[Fraction, list[tuple[int, int, int, int]]] = {bps: [] for bps in self._distances}

    def add(self, book: BookReader, valid: bool) -> None:
        """The book as it is after a message; `valid`: loaded and not crossed."""
        bid, ask = book.best_bid, book.best_ask
        if not valid or bid == NO_BID or ask == NO_ASK:
            for rows in self._rows.values():
                rows.append((0, 0, 0, 0))
            return
        both = bid + ask
        widest = self._distances[0]
        bid_px, bid_qty = book.levels(1, until=limit_within(both, 1, widest))
        ask_px, ask_qty = book.levels(-1, until=limit_within(both, -1, widest))
        for bps in self._distances:
            if bps is not widest:
                inside = int((-bid_px).searchsorted(-limit_within(both, 1, bps), "right"))
                bid_px, bid_qty = bid_px[:inside], bid_qty[:inside]
                inside = int(ask_px.searchsorted(limit_within(both, -1, bps), "right"))
                ask_px, ask_qty = ask_px[:inside], ask_qty[:inside]
            bids, asks = int(bid_qty.sum()), int(ask_qty.sum())
            self._rows[bps].append((bids, asks, _money(bid_px, bid_qty, bids), _money(ask_px, ask_qty, asks)))

    def take(self) -> dict[Fraction, Band]:
        """Everything collected, by distance; forgets it."""
        out = {}
        for bps, rows in self._rows.items():
            columns = list(zip(*rows, strict=True)) if rows else [()] * 4
            wide = [object if max(column, default=0) >= _WIDE else np.int64 for column in columns]
            out[bps] = Band(*(np.array(column, kind) for column, kind in zip(columns, wide, strict=True)))
            rows.clear()
        return out


def _money(px: Ints, qty: Ints, lots: int) -> int:
    """Sum of price x size, exactly."""
    if not lots:
        return 0
    if max(int(px[0]), int(px[-1])) * lots < _WIDE:
        return int(px @ qty)
    return sum(p * q for p, q in zip(px.tolist(), qty.tolist(), strict=True))


def _padded(values: Ints, count: int, missing: int) -> Ints:
    if len(values) == count:
        return values
    out = np.full(count, missing, np.int64)
    out[: len(values)] = values
    return out


def change_columns(rows: list[ChangeRow]) -> Changes:
    """Collected level changes as columns."""
    flat = np.fromiter(chain.from_iterable(rows), np.int64, 7 * len(rows)).reshape(-1, 7)
    return Changes(*(np.ascontiguousarray(flat[:, i]) for i in range(7)))
