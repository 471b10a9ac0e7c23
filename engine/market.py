"""The fold: one market's tape in, its book, calculators and samples out.

Pure: the same rows give the same state bit for bit, however they are cut into calls, and whether
they come as rows or as messages. No clock but the tape's, no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from engine.book import Touch
from engine.codes import EARLIEST, LATEST
from engine.computation import Computation
from engine.feed import Levels
from engine.fees import FeeSchedule
from engine.instrument import Instrument, OffGridError
from engine.metrics.batch import NO_TRADES, Batch, Changes, Trades
from engine.metrics.calculator import State
from engine.metrics.names import Metric, MetricError, parse_metric
from engine.metrics.profile import Profile
from engine.metrics.series import Series
from engine.metrics.windows import check_state
from engine.news import (
    QuoteRow,
    TradeColumns,
    TradeRow,
    change_columns,
    quote_columns,
    trade_columns,
)
from engine.sampling import Sampler
from engine.tape import Channel, Flag, Ints, Kind, Reason, Rows, Trust

#: Prints kept for the screen.
TAPE_LENGTH = 4000
#: Price texts of trades whose ticks are remembered.
REMEMBERED = 20_000


class Market(Computation):
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
        super().__init__(instrument, day_lots, fees)
        self.recv = 0
        self.messages = 0
        self.missing = 0  # trades known to be missing
        self.refused = 0
        self.latency: deque[int] = deque(maxlen=256)
        self.prints: deque[tuple[int, int, int, int, int, int]] = deque(maxlen=TAPE_LENGTH if chart else 0)
        self.profile: Profile | None = None
        self.series: Series | None = None
        self._epoch = 0
        self._last_trade_id: int | None = None  # folded
        self._stopped: int | None = None  # clock of the checkpoint, until it is known whether trades are missing since
        self._missed_since: int | None = None  # a hole from there to the next trade has been told
        self.crossed = False  # the book is crossed or locked after the last message (Sink)
        self._quotes: list[QuoteRow] = []
        self._trades: list[TradeRow] = []
        self._day_volumes: list[tuple[int, int]] = []
        self._inverse_lot = float(1 / instrument.lot)
        self._ticks: dict[str, int] = {}
        self._lag = 0  # of the newest message
        if chart:
            self.profile, self.series = Profile(self.context), Series(self.context)
            self.calculators["chart profile"], self.calculators["chart series"] = self.profile, self.series
        for metric in metrics:
            self.ensure(metric)
        for sampler in samplers:
            self.sample_for(sampler)

    # ---- checkpoints

    @property
    def last_trade_id(self) -> int | None:
        """See Sink.last_trade_id."""
        return self._trades[-1][6] if self._trades else self._last_trade_id

    def state(self) -> State:
        """Everything the numbers stand on but the book and the trust in it, with what came folded in."""
        self._fold(final=False)
        return {
            "kind": "market",
            "version": 1,
            "t": self.t,
            "began": self.began,
            "asked_at": dict(self._asked_at),
            "recv": self.recv,
            "messages": self.messages,
            "epoch": self._epoch,
            "missing": self.missing,
            "refused": self.refused,
            "last_trade_id": self._last_trade_id,
            "stopped": self._stopped,
            "last": [self.trust.last_book, self.trust.last_trades],
            "prints": np.array(self.prints, np.int64).reshape(-1, 6),
            "metrics": list(self._bound),
            "grids": {share: grid.next for share, grid in self._learning_grids()},
            "calculators": {repr(share): calculator.state() for share, calculator in self.calculators.items()},
        }

    def resume(self, state: State) -> None:
        """Go on from the `state()` of an earlier run, as if its tape went on with the loss of the book.

        All metrics of that run are computed again, whether asked for or not. When the next trade does not follow
        the last one by its id, a hole is marked in between. Grids begin with the next row. Raises ValueError (or
        what a calculator raises) when the market has begun or the state does not fit: then it is spoilt.
        """
        check_state(state, "market", 1)
        if self._begun or self.messages:
            raise ValueError("only a market that has not begun can resume")
        for text in state["metrics"]:
            with suppress(MetricError, ValueError):  # a name this program no longer knows
                self.ensure(parse_metric(text))
        states = state["calculators"]
        for share, calculator in self.calculators.items():
            if (known := states.get(repr(share))) is not None:
                calculator.restore(known)
        # What learns from the values of others goes on at its next instant, as through a silence.
        for name, grid in self._learning_grids():
            if (instant := state["grids"].get(name)) is not None:
                grid.next = grid.next_probe = instant
        self.t = self._folded = self.horizon = state["t"]
        self.began, self._asked_at = state["began"], dict(state["asked_at"])
        for text, bound in self._bound.items():
            if bound.make is not None and repr(bound.share) not in states:
                self._asked_at[text] = self.t
        self.recv, self.messages, self._epoch = state["recv"], state["messages"], state["epoch"]
        self.missing, self.refused = state["missing"], state["refused"]
        self._last_trade_id = state["last_trade_id"]
        self._stopped = self.t if state["stopped"] is None else state["stopped"]
        self.trust.last_book, self.trust.last_trades = state["last"]
        if self.prints.maxlen:
            self.prints.extend(tuple(print_) for print_ in state["prints"].tolist())
        self.status(self.recv, self.t, Channel.BOOK, Trust.NONE)

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
            if not -1e-6 < exact - lots < 1e-6 or lots < 0:
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

    def _remember(self, px: str) -> int:
        if len(self._ticks) > REMEMBERED:
            self._ticks.clear()
        self._ticks[px] = ticks = self.instrument.ticks(px)
        return ticks

    def hole(self, recv: int, ts: int, first_id: int, count: int) -> None:
        """See Sink.hole."""
        self._heard(recv, ts)
        if self._trades:
            self._join(self._trades[0][6])
        self.missing += max(1, count)
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

    def _heard(self, recv: int, ts: int) -> None:
        if ts > self.t:
            self._advance(ts)
        self.recv = recv
        self.messages += 1

    def _advance(self, ts: int) -> None:
        if ts > LATEST or ts < EARLIEST:
            self.refused += 1
            return
        if not self._begun:
            self._begin(ts)
        if ts > self._next_probe:
            self._catch(ts)
        self.t = ts

    def _quote(self, touch: Touch) -> None:
        """The book has changed: record the touch."""
        crossed = touch[0] >= touch[2]
        if crossed is not self.crossed:
            self.crossed = crossed
            self.trust.cross(self.t, crossed)
        valid = self.order_book.loaded and not crossed
        self._quotes.append((self.t, self._epoch, valid, touch, self.messages))
        if self._watched:
            for tap, (bids, asks) in self._sums.columns.items():
                b, a = self.order_book.top_sums(tap)
                bids.append(b)
                asks.append(a)
            self._ladders.add(self.order_book)
            if self._bands is not None:
                self._bands.add(self.order_book, valid)

    def _change(self, levels: list[tuple[int, int, float]]) -> None:
        """A delta is about to be applied: (side, ticks, new wire size) of what it names."""
        assert self._changes is not None
        book = self.order_book
        now: dict[tuple[int, int], int] = {}
        for side, px, size in levels:
            before = now.get((side, px))
            if before is None:
                before = book.lots_at(side, px)
            now[side, px] = after = round(size * self._inverse_lot)
            self._changes.append((self.t, self.messages, self._epoch, side, px, before, after))

    def _lose(self, trust: Trust, reason: Reason, percent: int = 0) -> None:
        """The book is no longer to be relied on."""
        self._epoch += 1
        self.order_book.clear()
        self.trust.say(self.t, Channel.BOOK, trust, reason, percent)
        self._quote(self.order_book.touch())

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
        if not trade.all():
            self._book_rows(rows, clock, ends, number)
        self._advance(int(clock[-1]))
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
        columns = (starts[wanted], picked, first[wanted], clock[picked], number[picked])
        for start, end, what, t, seq in zip(*(column.tolist() for column in columns), strict=True):
            self.messages = seq
            if t > self.t:
                self._advance(t)
            if what in (Kind.LEVEL, Kind.SNAPSHOT):
                i, j = position[start], position[end + 1]
                if what == Kind.LEVEL:
                    if book.loaded:
                        if self._changes is not None:
                            self._change(list(zip(sides[i:j], prices[i:j], sizes[i:j], strict=True)))
                        self._quote(book.update_ticks(sides[i:j], prices[i:j], sizes[i:j]))
                else:
                    self._epoch += 1
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
        else:
            self.messages += 1

    # ---- the fold

    def flush(self) -> None:
        """Fold the messages that came since the last time: calculators, then samples."""
        self._fold(final=False)

    def finish(self) -> None:
        """The tape has ended: the instant of its last row is complete too."""
        self._fold(final=True)

    def _fold(self, final: bool, trades: TradeColumns | None = None) -> None:
        self.order_book.recentre()
        if trades is None and self._trades:
            trades = trade_columns(self._trades)
            self._trades.clear()
        quotes, sums = quote_columns(self._quotes, self._inverse_lot), self._sums.take()
        self._quotes.clear()
        if len(quotes):
            self.trust.last_book = int(quotes.t[-1])
        if trades is None and not len(quotes) and not self._day_volumes and self.t == self._folded and not final:
            return
        if trades is not None or len(quotes):
            self.latency.append(self._lag)
        flow: Trades = NO_TRADES
        if trades is not None:
            self._note_trades(trades)
            self.trust.last_trades = int(trades.t[-1])
            flow = trades.flow()
            if self.prints.maxlen:
                n = self.prints.maxlen
                columns = (trades.ts, trades.px, trades.qty, trades.side, trades.flags, trades.id)
                self.prints.extend(zip(*(column[-n:].tolist() for column in columns), strict=True))
        if self.calculators:
            batch = Batch(
                flow,
                quotes,
                sums,
                tuple(self._day_volumes),
                self._folded,
                self.t,
                self._ladders.take(),
                self._changed(),
                {} if self._bands is None else self._bands.take(),
            )
            for calculator in self.calculators.values():
                calculator.update(batch)
        self._day_volumes.clear()
        self._folded = self.t
        self._deliver(final)

    def _note_trades(self, trades: TradeColumns) -> None:
        """Which trade is the newest, and whether the first after a resume follows the last before it."""
        if self._stopped is not None:
            known = self._last_trade_id
            new = np.flatnonzero((trades.flags & Flag.REPLAYED == 0) | (known is not None and trades.id > known))
            if len(new):
                self._join(int(trades.id[new[0]]))
        if self._missed_since is not None and self.series is not None:
            self.series.hole(self._missed_since, int(trades.t[0]))
        self._missed_since = None
        self._last_trade_id = int(trades.id[-1])

    def _join(self, trade_id: int) -> None:
        """The first trade since the resume: without the one before it, an unknown number is missing."""
        if self._stopped is None:
            return
        if self._last_trade_id is None or trade_id != self._last_trade_id + 1:
            self.missing += 1
            self._missed_since = self._stopped
        self._stopped = None

    def _changed(self) -> Changes | None:
        if self._changes is None:
            return None
        changes = change_columns(self._changes)
        self._changes.clear()
        return changes
