"""A market's messages of a capture, put through Binance's sequence rules, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.archives.faults import Faults
from connectors.archives.opening import Notify
from connectors.archives.rows import BAD, PriceTicks, RowBatch, to_lots
from connectors.archives.times import DAY
from connectors.binance.depth_sync import DepthSync, Step
from connectors.binance.messages import AggTrade, Depth, MarketType, Snapshot, Trade
from engine.codes import EARLIEST, LATEST
from engine.instrument import Instrument, OffGridError
from engine.tape import Channel, Flag, Reason, Rows, Trust

#: Receive time in ns, line, message.
Received = tuple[int, int, Depth | Snapshot | Trade | AggTrade]

# So many trades in a row with old ids and new times: the venue numbers anew.
_RENUMBERED = 50


class CaptureFold:
    """Applies the sequence rules to batches of messages and writes what holds as rows."""

    def __init__(self, instrument: Instrument, market_type: MarketType, has_snapshot: bool, notice: Notify) -> None:
        self.faults: Faults
        self._instrument = instrument
        self._ticks = PriceTicks(instrument)
        self._sync = DepthSync(market_type)
        self._notice = notice
        self._has_snapshot = has_snapshot
        self._book = Trust.NONE
        self._trades_live = False
        self._trade_id: int | None = None
        self._trade_ts = 0
        self._backwards = 0
        self._clock = 0
        self._old_trades = 0
        self._lost_at = ""

    def fold(self, messages: Sequence[Received]) -> Rows:
        """The rows of a batch of (receive time, line, message)."""
        books = [m for _, _, m in messages if isinstance(m, Depth | Snapshot)]
        columns = _Columns(self._instrument, self._ticks)
        at = columns.add(books)
        out = RowBatch()
        book = 0
        for recv, line, m in messages:
            if not self._plausible(recv, m.ts):
                self.faults.add(line, "its exchange time is days away from its receive time")
                book += isinstance(m, Depth | Snapshot)
            elif isinstance(m, Depth):
                self._clock = max(self._clock, m.ts)
                self._depth(out, columns, recv, line, m, at + book)
                book += 1
            elif isinstance(m, Snapshot):
                self._snapshot(out, columns, recv, line, m, at + book)
                book += 1
            else:
                self._clock = max(self._clock, m.ts)
                self._trade(out, recv, line, m)
        return out.build(columns.px, columns.qty, columns.side)

    def end(self) -> None:
        """What is only known when everything was read."""
        source = self._instrument.market
        if self._lost_at and self._book is Trust.RESYNC:
            self._notice(source, f"the order book was lost at {self._lost_at} and no snapshot that fits came after it")
        elif self._book is Trust.WARMING and self._has_snapshot:
            self._notice(
                source, "the snapshot does not fit the book updates (they begin after it); there is no order book"
            )
        if self._old_trades:
            self._notice(source, f"{self._old_trades:,} trades with an id that was there already were dropped")

    def _plausible(self, recv: int, ts: int) -> bool:
        """A damaged time would carry the market's clock, which never runs back, away for good.

        Receive clocks may be wrong, so a time is also right when it continues the times before it.
        """
        if not ts or abs(ts - recv) < DAY:
            return True
        return EARLIEST <= ts <= LATEST and (not self._clock or abs(ts - self._clock) < DAY)

    # ---- the book

    def _depth(self, out: RowBatch, columns: _Columns, recv: int, line: int, d: Depth, index: int) -> None:
        ts = d.ts
        sync = self._sync
        if self._book is Trust.NONE:
            reason = Reason.AWAITING_SNAPSHOT if self._has_snapshot else Reason.NO_SNAPSHOT_IN_SOURCE
            self._say(out, recv, ts, Trust.WARMING, reason)
        if not columns.good[index]:
            self.faults.add(line, f"book update: {columns.why(index)}")
            if sync.last is None or d.last > sync.last:
                self._invalidate(out, recv, ts, Reason.OFF_GRID, line)
            out.clock(recv, ts)
            return
        step = sync.delta(d)
        if step is Step.APPLY:
            out.book(recv, ts, d.last, columns.start[index], columns.count[index])
            return
        if step is Step.GAP:
            self._lost(out, recv, ts, Reason.SEQUENCE_GAP, line, "a book update is missing before this line")
        out.clock(recv, ts)

    def _snapshot(self, out: RowBatch, columns: _Columns, recv: int, line: int, s: Snapshot, index: int) -> None:
        ts = s.ts or self._clock or recv  # spot sends no time
        if not columns.good[index]:
            self.faults.add(line, f"book snapshot: {columns.why(index)}")
            return
        follow = self._sync.snapshot(s)
        if follow is None:
            if not self._sync.synced:
                self.faults.add(line, "the book snapshot is older than the updates that are here; waiting for another")
            return
        out.snapshot(recv, ts, s.last_update, columns.start[index], columns.count[index])
        if follow:
            for i, d in enumerate(follow, columns.add(follow)):
                out.book(recv, d.ts, d.last, columns.start[i], columns.count[i])
        self._clock = max(self._clock, ts)
        self._say(out, recv, ts, Trust.LIVE, Reason.NONE)

    def _invalidate(self, out: RowBatch, recv: int, ts: int, reason: Reason, line: int) -> None:
        """The book cannot be trusted from here on, whatever comes, until a snapshot."""
        had = self._sync.synced
        self._sync.reset()
        if had:
            self._lost(out, recv, ts, reason, line, "")

    def _lost(self, out: RowBatch, recv: int, ts: int, reason: Reason, line: int, why: str) -> None:
        self._lost_at = self.faults.where(line)
        if why:
            self._notice(self._instrument.market, f"{self._lost_at}: {why}: the order book waits for the next snapshot")
        self._say(out, recv, ts, Trust.RESYNC, reason)

    def _say(self, out: RowBatch, recv: int, ts: int, trust: Trust, reason: Reason) -> None:
        if self._book is not trust:
            self._book = trust
            out.status(recv, ts, Channel.BOOK, trust, reason)

    # ---- trades

    def _trade(self, out: RowBatch, recv: int, line: int, m: Trade | AggTrade) -> None:
        if isinstance(m, Trade):
            trade_id, flags = m.trade_id, m.flags
        else:
            trade_id, flags = m.agg_id, 0
        ts, last = m.ts, self._trade_id
        if last is not None and trade_id <= last:
            self._old_trades += 1
            self._backwards = self._backwards + 1 if ts > self._trade_ts else 0
            if self._backwards < _RENUMBERED:
                return
            last = None
        self._backwards = 0
        px = self._ticks[m.price]
        try:
            qty = self._instrument.lots(m.size)
        except OffGridError as error:
            self.faults.add(line, f"trade {trade_id}: {error}")
            return
        if px == BAD or (not (px and qty) and not flags & Flag.NOT_FLOW):
            self.faults.add(line, f"trade {trade_id}: {_refusal(self._instrument, m.price, m.size)}")
            return
        if not self._trades_live:
            self._trades_live = True
            out.status(recv, ts, Channel.TRADES, Trust.LIVE)
        if last is not None and trade_id > last + 1:
            out.hole(recv, ts, last + 1, trade_id - last - 1)
        self._trade_id, self._trade_ts = trade_id, ts
        out.trade(recv, ts, trade_id, px, qty, m.side, flags)


class _Columns:
    """Levels of many book messages as columns, with the range each message has in them."""

    def __init__(self, instrument: Instrument, ticks: PriceTicks) -> None:
        self._instrument = instrument
        self._ticks = ticks
        self._messages: list[Depth | Snapshot] = []
        self.px: NDArray[np.int64] = np.zeros(0, np.int64)
        self.qty: NDArray[np.int64] = np.zeros(0, np.int64)
        self.side: NDArray[np.int8] = np.zeros(0, np.int8)
        self.start: list[int] = []
        self.count: list[int] = []
        self.good: list[bool] = []

    def add(self, messages: Sequence[Depth] | Sequence[Depth | Snapshot]) -> int:
        """Append the levels of messages; returns the index of the first of them."""
        first, base = len(self._messages), len(self.px)
        self._messages += messages
        sides = [side for m in messages for side in (m.bids, m.asks)]
        flat: list[Any] = list(chain.from_iterable(chain.from_iterable(sides)))
        n = len(flat) // 2
        px = np.fromiter(map(self._ticks.of, flat[0::2]), np.int64, n)
        qty = to_lots(np.array(flat[1::2], np.float64), self._instrument)
        lengths = np.array([len(side) for side in sides], np.int64)
        ends = np.cumsum(lengths)[1::2]
        starts = ends - lengths[::2] - lengths[1::2]
        bad = np.flatnonzero((px <= 0) | (qty < 0))
        good = np.ones(len(ends), bool)
        good[np.searchsorted(ends, bad, "right")] = False
        self.px = np.concatenate((self.px, px))
        self.qty = np.concatenate((self.qty, qty))
        self.side = np.concatenate((self.side, np.repeat(np.tile(np.array([1, -1], np.int8), len(ends)), lengths)))
        self.start += (starts + base).tolist()
        self.count += (ends - starts).tolist()
        self.good += good.tolist()
        return first

    def why(self, index: int) -> str:
        """What is wrong with the levels of a message that is not good."""
        message = self._messages[index]
        lo, n = self.start[index], self.count[index]
        bad = int(np.flatnonzero((self.px[lo : lo + n] <= 0) | (self.qty[lo : lo + n] < 0))[0])
        price, size = [*message.bids, *message.asks][bad]
        return _refusal(self._instrument, price, repr(size))


def _refusal(instrument: Instrument, price: str, size: str) -> str:
    """Why a price and size are refused, in the instrument's own words where it has some."""
    try:
        if instrument.ticks(price) <= 0:
            return f"{instrument.market}: price {price[:40]!r} is not above 0"
        if instrument.lots(size) <= 0:
            return f"{instrument.market}: size {size[:40]!r} is not above 0"
    except OffGridError as error:
        return str(error)
    return f"{instrument.market}: size {size[:40]!r} is absurd"
