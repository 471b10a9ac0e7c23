"""The fold: one market's tape in, its book, calculators and samples out.

Pure: the same rows give the same state bit for bit, however they are cut into calls, and whether
they come as rows or as messages. No clock but the tape's, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.codes import EARLIEST, LATEST, READINGS
from engine.feed import Levels
from engine.fees import FeeSchedule
from engine.fold import Fold
from engine.instrument import MAX_UNITS, Instrument, OffGridError
from engine.metrics.batch import Reading
from engine.metrics.names import Metric
from engine.news import TradeColumns
from engine.reading import MOST_DECIMALS, to_decimal, to_float
from engine.sampling import Sampler
from engine.tape import Channel, Flag, Ints, Kind, Reason, Rows, Trust

#: Price texts of trades whose ticks are remembered.
REMEMBERED = 20_000
#: Trades that are late by their nature.
_LATE = Flag.RECOVERED | Flag.REPLAYED


class Market(Fold):
    """One market: `engine.feed.Sink` for its source, samples and views for everyone else.

    `samplers` read values on grids of event time; `metrics` are computed for views from the first row on;
    `chart` keeps what a screen draws (session profile, chart columns, prints). More metrics may be added while
    it runs (`ensure`): they know only what comes later.
    """

    def __init__(
        self,
        instrument: Instrument,
        samplers: Iterable[Sampler] = (),
        *,
        metrics: Iterable[Metric] = (),
        chart: bool = False,
        day_lots: int | None = None,
        fees: FeeSchedule | None = None,
    ) -> None:
        super().__init__(instrument, samplers, metrics, chart, day_lots, fees)
        self._ticks: dict[str, int] = {}

    # ---- messages (the live carrier)

    def book(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """See Sink.book."""
        if ts > self.t:
            if ts > self._barrier:
                self._advance(ts)
            else:
                self.t = ts
        self.recv = recv
        self._lag = recv - ts
        self.messages += 1
        book = self.order_book
        if not book.loaded:
            return
        if self._lags is not None and (bids or asks):
            self._lags.append((self.t, recv - ts))
        try:
            if self._changes is not None:
                ticks = self.instrument.ticks
                self._change(
                    [(side, ticks(px), size) for side, levels in ((1, bids), (-1, asks)) for px, size in levels]
                )
            touch = book.update(bids, asks)
        except OffGridError:
            self._lose(Trust.RESYNC, Reason.OFF_GRID)
            raise
        if self._watched or self.crossed or touch[0] >= touch[2]:
            self._quote(touch)
        else:
            self._quotes.append((self.t, self._epoch, True, touch, self.messages))

    def snapshot(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """See Sink.snapshot."""
        self._heard(recv, ts)
        self._epoch += 1
        self.breaks.broke(self.t, Channel.BOOK)
        try:
            self.order_book.replace(bids, asks)
        except OffGridError:
            self._lose(Trust.RESYNC, Reason.OFF_GRID)
            raise
        self._quote(self.order_book.touch())

    def trade(self, recv: int, ts: int, trade_id: int, px: str, size: str, side: int, flags: int = 0) -> None:
        """See Sink.trade."""
        try:
            ticks = self._ticks[px]
        except KeyError:
            ticks = self._remember(px)
        try:
            exact = float(size) * self._inverse_lot
            lots = round(exact)
            if not -1e-6 < exact - lots < 1e-6 or not 0 <= lots <= MAX_UNITS:
                lots = self.instrument.lots(size)
        except (ValueError, OverflowError):
            lots = self.instrument.lots(size)  # says what is wrong with it
        if ts > self.t:
            if ts > self._barrier:
                self._advance(ts)
            else:
                self.t = ts
        self.recv = recv
        self._lag = recv - ts
        self.messages += 1
        self._trades.append((self.t, ts, ticks, lots, side, flags, trade_id, self.messages))
        if self._lags is not None and not flags & _LATE:
            self._lags.append((self.t, recv - ts))

    def _remember(self, px: str) -> int:
        if len(self._ticks) > REMEMBERED:
            self._ticks.clear()
        self._ticks[px] = ticks = self.instrument.ticks(px)
        return ticks

    def hole(self, recv: int, ts: int, first_id: int, count: int) -> None:
        """See Sink.hole."""
        self._heard(recv, ts)
        self.breaks.broke(self.t, Channel.TRADES)
        if self._trades:
            self._join(self._trades[0][6])
        self.missing += max(1, count)
        self._holes.append((self.t, count))
        if self._stopped is not None:
            self._missed_since, self._stopped = self._stopped, None
        elif self.series is not None:
            self.series.hole(self.t)

    def status(
        self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
    ) -> None:
        """See Sink.status."""
        self._heard(recv, ts)
        if channel is Channel.BOOK and trust not in (Trust.LIVE, Trust.UNVERIFIABLE):
            self._lose(trust, reason, percent)
        else:
            self.trust.say(self.t, channel, trust, reason, percent)
            if channel is Channel.LIQUIDATIONS:
                self._hearing.append((self.t, trust in (Trust.LIVE, Trust.UNVERIFIABLE)))
            if channel is Channel.BOOK and self.order_book.loaded:
                self._quote(self.order_book.touch())

    def clock(self, recv: int, ts: int) -> None:
        """See Sink.clock."""
        self._heard(recv, ts)

    def day_volume(self, recv: int, ts: int, size: str) -> None:
        """See Sink.day_volume. Raises OffGridError for what is not a number."""
        lots = self.instrument.lots(size)
        self._heard(recv, ts)
        self._day_volumes.append((self.t, lots))

    def liquidation(self, recv: int, ts: int, px: str, size: str, side: int) -> None:
        """See Sink.liquidation. Raises OffGridError."""
        ticks, lots = self.instrument.ticks(px), self.instrument.lots(size)
        self._heard(recv, ts)
        self._liquidated(ts, ticks, lots, side)

    def reading(self, recv: int, ts: int, kind: Kind, value: str, due: int = 0) -> None:
        """See Sink.reading."""
        mantissa, decimals = to_decimal(kind, value)
        self._heard(recv, ts)
        self._readings.append(Reading(self.t, kind, to_float(mantissa, decimals), due))

    # ---- rows (the recorded carrier)

    def apply(self, rows: Rows) -> None:
        """Rows in arrival order, cut at message boundaries. Raises ValueError when they are not."""
        if not len(rows):
            return
        if not rows["flags"][-1] & Flag.LAST:
            raise ValueError(f"{self.instrument.market}: rows are cut inside a message")
        self._fold(final=False)
        if self._stopped is not None:
            first = np.flatnonzero((rows["kind"] == Kind.TRADE) & (rows["flags"] & Flag.LAST != 0))[:1]
            if len(first) and int(first[0]) + 1 < len(rows):  # a hole may come before the first trade, or after it
                self.apply(rows[: int(first[0]) + 1])
                self.apply(rows[int(first[0]) + 1 :])
                return
        ts = rows["ts"]
        sane = (ts >= EARLIEST) & (ts <= LATEST)
        if not sane.all():
            rows = rows[sane]
            self.refused += int((~sane).sum())
            if not len(rows):
                return
            ts = rows["ts"]
        clock = np.maximum.accumulate(np.maximum(ts, self.t))
        kind, flags = rows["kind"], rows["flags"]
        ends = np.flatnonzero(flags & Flag.LAST)
        if not self._begun and clock[-1] > self.t:
            self._begin(int(clock[clock > self.t][0]))
        before = self.messages
        number = before + 1 + np.concatenate(([0], np.cumsum(flags[:-1] & Flag.LAST != 0)))  # of each row's message
        trade = kind == Kind.TRADE
        trades = None
        if trade.any():
            trades = TradeColumns(
                *(
                    np.ascontiguousarray(column[trade], np.int64)
                    for column in (clock, ts, rows["px"], rows["qty"], rows["side"], flags, rows["id"], number)
                )
            )
        if self._lags is not None:
            timely = trade & (flags & _LATE == 0)
            self._lags += zip(clock[timely].tolist(), (rows["recv"] - ts)[timely].tolist(), strict=True)
        self.breaks.heard_all(clock, self.t)
        self._applying = True
        try:
            if not trade.all():
                self._book_rows(rows, clock, ends, number)
            self._advance(int(clock[-1]))
        finally:
            self._applying = False
        self.recv = int(rows["recv"][-1])
        self.messages = before + len(ends)
        data = np.flatnonzero((kind == Kind.TRADE) | (kind == Kind.LEVEL))
        if len(data):
            self._lag = int(rows["recv"][data[-1]] - ts[data[-1]])
        self._fold(final=False, trades=trades)

    def _book_rows(self, rows: Rows, clock: Ints, ends: Ints, number: Ints) -> None:
        """Everything but trades, message by message."""
        starts = np.concatenate(([0], ends[:-1] + 1))
        first = rows["kind"][starts]
        wanted = (first != Kind.TRADE) & (first != Kind.CLOCK)
        levels = rows["kind"] == Kind.LEVEL
        position = np.concatenate(([0], np.cumsum(levels))).tolist()  # of a row among the LEVEL rows
        level_rows = rows[levels]
        sides, prices = level_rows["side"].tolist(), level_rows["px"].tolist()
        lot = self.instrument.lot.as_integer_ratio()
        sizes = (level_rows["qty"] * lot[0] / lot[1]).tolist()
        book = self.order_book
        picked = ends[wanted]
        lags = rows["recv"][picked] - rows["ts"][picked]
        columns = (starts[wanted], picked, first[wanted], clock[picked], number[picked], lags)
        for start, end, what, t, seq, lag in zip(*(column.tolist() for column in columns), strict=True):
            self.messages = seq
            if t > self.t:
                self._advance(t)
            if what in (Kind.LEVEL, Kind.SNAPSHOT):
                i, j = position[start], position[end + 1]
                if what == Kind.LEVEL:
                    if book.loaded:
                        if self._lags is not None:
                            self._lags.append((self.t, lag))
                        if self._changes is not None:
                            self._change(list(zip(sides[i:j], prices[i:j], sizes[i:j], strict=True)))
                        self._quote(book.update_ticks(sides[i:j], prices[i:j], sizes[i:j]))
                else:
                    self._epoch += 1
                    self.breaks.broke(self.t, Channel.BOOK)
                    bids = [k for k in range(i, j) if sides[k] > 0]
                    asks = [k for k in range(i, j) if sides[k] < 0]
                    book.replace_ticks(
                        *([column[k] for k in side] for side in (bids, asks) for column in (prices, sizes))
                    )
                    self._quote(book.touch())
            else:
                for k in range(start, end + 1):
                    self._other_row(rows[k])

    def _other_row(self, r: np.void) -> None:
        kind, recv, ts = int(r["kind"]), int(r["recv"]), int(r["ts"])
        self.messages -= 1  # `_heard` counts it again
        if kind == Kind.STATUS:
            aux = int(r["aux"])
            self.status(recv, ts, Channel(int(r["channel"])), Trust(aux & 0xFF), Reason(aux >> 8), int(r["qty"]))
        elif kind == Kind.HOLE:
            self.hole(recv, ts, int(r["id"]), int(r["qty"]))
        elif kind == Kind.DAY_VOLUME:
            self._heard(recv, ts)
            self._day_volumes.append((self.t, int(r["qty"])))
        elif kind == Kind.LIQUIDATION:
            self._heard(recv, ts)
            self._liquidated(ts, int(r["px"]), int(r["qty"]), int(r["side"]))
        elif kind in READINGS:
            self._heard(recv, ts)
            value = to_float(int(r["px"]), min(max(0, int(r["aux"])), MOST_DECIMALS))
            self._readings.append(Reading(self.t, Kind(kind), value, int(r["id"])))
        else:
            self.messages += 1
