"""CSV files of trades: Binance's public dumps (trades, aggTrades), Tardis `trades`, and plain ones.

The columns are told by the header, or by the shape of Binance's headerless dumps. Trades come out
in the order of their ids whatever the order of lines and files; repeated ids are dropped and
missing ones become HOLE rows, where the venue counts its trades one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectors.archives import columns as cut
from connectors.archives.digits import Digits
from connectors.archives.faults import Faults, excerpt
from connectors.archives.opening import Notify, blocks_of_lines
from connectors.archives.rows import CHUNK_ROWS
from connectors.archives.times import DAY, epoch_of, nanoseconds, out_of_place
from connectors.archives.trade_layout import Layout
from engine.instrument import Instrument
from engine.tape import ROW, Channel, Flag, Kind, Rows, Trust, status_row

Ints = NDArray[np.int64]

_SIDES = {"buy": 1, "b": 1, "sell": -1, "s": -1, "unknown": 0, "": 0}
_BUYER_IS_MAKER = {"true": -1, "t": -1, "1": -1, "false": 1, "f": 1, "0": 1}
_LETTER_SIDES = {b"b": 1, b"s": -1, b"u": 0}
_LETTER_MAKERS = {b"t": -1, b"1": -1, b"f": 1, b"0": 1}


@dataclass
class _Survey:
    """What a first look over one file found."""

    price: Digits = field(default_factory=Digits)
    size: Digits = field(default_factory=Digits)
    lowest: int | None = None  # trade id
    first_time: int = 0
    ascending: bool = True


@dataclass(frozen=True)
class _Trades:
    """Columns of trades: ids (-1 where there is none), times in ns, ticks, lots, taker's side."""

    id: Ints
    ts: Ints
    recv: Ints
    px: Ints
    qty: Ints
    side: Ints

    def __len__(self) -> int:
        return len(self.id)

    def take(self, index: Ints | slice) -> _Trades:
        return _Trades(
            self.id[index], self.ts[index], self.recv[index], self.px[index], self.qty[index], self.side[index]
        )


_COLUMNS = ("id", "ts", "recv", "px", "qty", "side")


class TradeReader:
    """Trade files of one market as rows."""

    def __init__(self, paths: Sequence[Path], layouts: Sequence[Layout], counted: bool) -> None:
        """`counted`: the venue numbers its trades one by one, so ids order them and tell what is missing."""
        self.paths = tuple(paths)
        self._layouts = dict(zip(paths, layouts, strict=True))
        self._counted = counted and all(layout.id >= 0 for layout in layouts)
        self._surveys: dict[Path, _Survey] = {}

    # ---- the first look

    def _surveyed(self) -> dict[Path, _Survey]:
        if not self._surveys:
            self._surveys = {path: self._look(path) for path in self.paths}
        return self._surveys

    def _look(self, path: Path) -> _Survey:
        survey, layout, last = _Survey(), self._layouts[path], -1
        for line, block in blocks_of_lines(path, lambda _source, _text: None):
            table = cut.table(_text(block, line), line, layout.fields)
            id_column = layout.id if self._counted else -1
            ids, good = cut.survey_numbers(table, (layout.price, layout.size), (survey.price, survey.size), id_column)
            if len(ids):
                lowest = int(ids.min())
                survey.lowest = lowest if survey.lowest is None else min(survey.lowest, lowest)
                survey.ascending = survey.ascending and int(ids[0]) >= last and bool((ids[1:] >= ids[:-1]).all())
                last = max(last, int(ids.max()))
            if not survey.first_time and good.any():
                row = int(np.argmax(good))
                with suppress(ValueError):  # a damaged time; the next block has others
                    survey.first_time = epoch_of(table.field(row, layout.time))
        return survey

    def _most(self, which: str) -> tuple[int, int]:
        digits: list[Digits] = [getattr(s, which) for s in self._surveyed().values()]
        decimals = max(d.decimals for d in digits)
        return decimals, sum(d.finer(decimals) for d in digits)

    @property
    def price_decimals(self) -> tuple[int, int]:
        """Decimals of the prices, and how many prices have more."""
        return self._most("price")

    @property
    def size_decimals(self) -> tuple[int, int]:
        """Decimals of the sizes, and how many sizes have more."""
        return self._most("size")

    # ---- the rows

    def rows(self, instrument: Instrument, notice: Notify) -> Iterator[Rows]:
        """Pieces of about CHUNK_ROWS rows."""
        last: int | None = None
        last_seen = (0, 0)  # receive and exchange time of that trade
        repeated = 0
        begun = False
        for trades in _timely(self._in_order(instrument, notice), instrument.market, notice):
            if self._counted:
                before = np.concatenate(([trades.id[0] - 1 if last is None else last], trades.id[:-1]))
                fresh = trades.id > before
                repeated += len(trades) - int(fresh.sum())
                if not fresh.all():
                    trades, before = trades.take(np.flatnonzero(fresh)), before[fresh]
                if not len(trades):
                    continue
                last = int(trades.id[-1])
                gaps = trades.id - before - 1
            else:
                gaps = np.zeros(len(trades), np.int64)
            rows = _rows(trades, gaps, last_seen)
            last_seen = (int(trades.recv[-1]), int(trades.ts[-1]))
            if not begun:
                begun = True
                recv, ts = int(rows["recv"][0]), int(rows["ts"][0])
                rows = np.concatenate((status_row(recv, ts, Channel.TRADES, Trust.LIVE), rows))
            for start in range(0, len(rows), CHUNK_ROWS):
                yield rows[start : start + CHUNK_ROWS]
        if repeated:
            notice(instrument.market, f"{repeated:,} trades with an id that was there already were dropped")

    def _in_order(self, instrument: Instrument, notice: Notify) -> Iterator[_Trades]:
        surveys = self._surveyed()
        if not self._counted:
            for path in sorted(self.paths, key=lambda p: surveys[p].first_time):
                yield from self._trades(path, instrument, notice)
            return
        waiting = sorted((p for p in self.paths if surveys[p].lowest is not None), key=lambda p: surveys[p].lowest or 0)
        for path in self.paths:
            if surveys[path].lowest is None:  # nothing readable in it: read it all the same, to say what is wrong
                for _ in self._trades(path, instrument, notice):
                    continue
        active: list[tuple[_Trades, Iterator[_Trades]]] = []
        while active or waiting:
            while waiting and (
                not active or (surveys[waiting[0]].lowest or 0) <= min(int(t.id[-1]) for t, _ in active)
            ):
                _refill(active, self._ascending(waiting.pop(0), instrument, notice))
            if not active:
                return
            # Up to here every file has shown all it has.
            limit = min(int(trades.id[-1]) for trades, _ in active)
            parts, rest = [], active
            active = []
            for trades, source in rest:
                n = int(np.searchsorted(trades.id, limit, "right"))
                parts.append(trades.take(slice(0, n)))
                if n < len(trades):
                    active.append((trades.take(slice(n, None)), source))
                else:
                    _refill(active, source)
            yield parts[0] if len(parts) == 1 else _merged(parts)

    def _ascending(self, path: Path, instrument: Instrument, notice: Notify) -> Iterator[_Trades]:
        """One file by ascending id: as it stands, or sorted in memory where it does not stand so."""
        trades = self._trades(path, instrument, notice)
        if self._surveys[path].ascending:
            yield from trades
            return
        parts = list(trades)
        if parts:
            merged = _merged(parts)
            for start in range(0, len(merged), CHUNK_ROWS):
                yield merged.take(slice(start, start + CHUNK_ROWS))

    def _trades(self, path: Path, instrument: Instrument, notice: Notify) -> Iterator[_Trades]:
        """One file in the order of its lines."""
        parser = _Parser(self._layouts[path], instrument, self._counted)
        faults = Faults(path, notice)
        for line, block in blocks_of_lines(path, notice):
            trades = parser.parse(_text(block, line), line, faults)
            if len(trades):
                yield trades
        faults.close()


def _refill(active: list[tuple[_Trades, Iterator[_Trades]]], source: Iterator[_Trades]) -> None:
    trades = next(source, None)
    if trades is not None:
        active.append((trades, source))


def _timely(source: Iterator[_Trades], market: str, notice: Notify) -> Iterator[_Trades]:
    """The trades without those whose time is out of place; two are held back to see the times around them."""
    window: _Trades | None = None  # four trades at most: two that were handed out, two that wait
    handed = refused = 0
    for trades in source:
        whole = trades if window is None else _concatenated((window, trades))
        bad = out_of_place(whole.ts)
        bad[:handed] = False
        upto = max(handed, len(whole) - 2)
        refused += int(bad[handed:upto].sum())
        fit = np.flatnonzero(~bad[:upto])
        if len(fit) > handed:
            yield whole.take(fit[handed:])
        seen = fit[-2:]
        window = _concatenated((whole.take(seen), whole.take(slice(upto, None))))
        handed = len(seen)
    if window is not None and len(window) > handed:
        yield window.take(slice(handed, None))
    if refused:
        notice(market, f"{refused:,} trades were dropped: their times are more than a day away from those around them")


def _concatenated(parts: Sequence[_Trades]) -> _Trades:
    return _Trades(*(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))


def _merged(parts: Sequence[_Trades]) -> _Trades:
    whole = _concatenated(parts)
    return whole.take(np.argsort(whole.id, kind="stable"))


def _rows(trades: _Trades, gaps: Ints, last_seen: tuple[int, int]) -> Rows:
    """Trades as rows, each gap as a HOLE row at the time of the last trade before it: from there on some are missing.

    `last_seen`: receive and exchange time of the trade before the first of these.
    """
    holes = gaps > 0
    at = np.arange(len(trades)) + np.cumsum(holes)
    rows = np.zeros(len(trades) + int(holes.sum()), ROW)
    rows["flags"] = int(Flag.LAST)
    rows["channel"] = int(Channel.TRADES)
    rows["kind"][at] = int(Kind.TRADE)
    for name in ("recv", "ts", "id", "px", "qty", "side"):
        rows[name][at] = getattr(trades, name)
    if holes.any():
        before = at[holes] - 1
        rows["kind"][before] = int(Kind.HOLE)
        rows["recv"][before] = np.concatenate((last_seen[:1], trades.recv[:-1]))[holes]
        rows["ts"][before] = np.concatenate((last_seen[1:], trades.ts[:-1]))[holes]
        rows["id"][before] = trades.id[holes] - gaps[holes]
        rows["qty"][before] = gaps[holes]
    return rows


def _text(block: bytes, line: int) -> bytes:
    return block[3:] if line == 1 and block.startswith(b"\xef\xbb\xbf") else block


class _Parser:
    """Lines of one layout to columns of trades."""

    def __init__(self, layout: Layout, instrument: Instrument, ids: bool) -> None:
        self._layout = layout
        self._instrument = instrument
        self._ids = ids
        self._tick = cut.Step.of(instrument.tick)
        self._lot = cut.Step.of(instrument.lot)
        self._sides = _LETTER_MAKERS if layout.maker else _LETTER_SIDES
        self._words = _BUYER_IS_MAKER if layout.maker else _SIDES

    def parse(self, block: bytes, first_line: int, faults: Faults) -> _Trades:
        """The trades of a block of whole lines; the others are told to `faults`."""
        layout = self._layout
        table = cut.table(block, first_line, layout.fields)
        data, start, end = table.data, table.start, table.end
        px, good = self._tick.units(data, start[:, layout.price], end[:, layout.price])
        qty, fine = self._lot.units(data, start[:, layout.size], end[:, layout.size])
        good &= fine & (px > 0) & (qty > 0)
        ts, fine = cut.integers(data, start[:, layout.time], end[:, layout.time])
        ts, good = nanoseconds(ts), good & fine
        recv = ts
        if layout.recv >= 0:
            recv, fine = cut.integers(data, start[:, layout.recv], end[:, layout.recv])
            recv, good = nanoseconds(recv), good & fine
            good &= np.abs(ts - recv) < DAY
        ids = np.full(len(table), -1, np.int64)
        if self._ids:
            ids, fine = cut.integers(data, start[:, layout.id], end[:, layout.id])
            good &= fine
        letter, length = cut.first_letters(data, start[:, layout.side], end[:, layout.side])
        side, known = np.zeros(len(table), np.int64), np.zeros(len(table), bool)
        for byte, value in self._sides.items():
            here = (letter == byte[0]) & np.isin(length, [len(w) for w in self._words if w[:1] == byte.decode()])
            side[here], known = value, known | here
        good &= known & (ts > 0) & (recv > 0)
        odd = table.odd + [(int(table.line[i]), table.text(i)) for i in np.flatnonzero(~good).tolist()]
        keep = np.flatnonzero(good)
        read = [ids[keep], ts[keep], recv[keep], px[keep], qty[keep], side[keep]]
        more = self._one_by_one(sorted(odd), faults)
        return _Trades(*cut.insert_rows(read, table.line[keep], more))

    def _one_by_one(self, odd: list[tuple[int, bytes]], faults: Faults) -> list[tuple[int, tuple[int, ...]]]:
        """Lines that are not in the plain form: read them with care, or say what is wrong."""
        more = []
        for line, text in odd:
            if line == 1 and self._layout.header:
                continue
            try:
                more.append((line, self._careful(text)))
            except ValueError as error:
                faults.add(line, f"{error} in {excerpt(text)}")
        return more

    def _careful(self, text: bytes) -> tuple[int, ...]:
        layout = self._layout
        row = cut.fields_of(text)
        if len(row) != layout.fields:
            raise ValueError(f"{len(row)} columns instead of {layout.fields}")
        px, qty = self._instrument.ticks(row[layout.price]), self._instrument.lots(row[layout.size])
        if not px or not qty:
            raise ValueError("price or size is not above 0")
        ts = epoch_of(row[layout.time])
        recv = epoch_of(row[layout.recv]) if layout.recv >= 0 else ts
        if abs(ts - recv) >= DAY:
            raise ValueError("timestamp and local_timestamp are days apart")
        side = self._words.get(row[layout.side].lower())
        if side is None:
            raise ValueError(f"side {row[layout.side][:20]!r} is not known")
        trade_id = -1
        if self._ids:
            if not row[layout.id].isascii() or not row[layout.id].isdigit() or len(row[layout.id]) > 18:
                raise ValueError(f"trade id {row[layout.id][:20]!r} is not a number")
            trade_id = int(row[layout.id])
        return trade_id, ts, recv, px, qty, side
