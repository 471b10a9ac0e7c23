"""One market of a recorded session: its venue's book rule and trade ids applied, what holds written as rows.

What the live session of a market does with the same messages, without a clock and without asking anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from connectors.archives.opening import Notify
from connectors.archives.recorded import AggregatedTrades
from connectors.archives.rows import BAD, PriceTicks, RowBatch, SizeLots
from connectors.archives.session_routes import Where
from connectors.archives.times import DAY
from connectors.live.trade_overlap import UniqueIds
from connectors.live.trade_sequence import ConsecutiveIds, Continuity, Hole, Item, Taken
from connectors.live.venue import Traits
from connectors.live.wire import BookMessage, BookRule, Broken, Fill, Liquidation, Step, TradeMessage, Update
from engine.codes import EARLIEST, LATEST
from engine.instrument import Instrument, OffGridError
from engine.tape import Channel, Flag, Reason, Rows, Trust


class SessionFold:
    """The state of one market while a session is read."""

    def __init__(
        self,
        instrument: Instrument,
        traits: Traits,
        rule: BookRule,
        *,
        carries: Collection[Channel],
        single_trades: bool,
        fault: Callable[[Where, str], None],
        place: Callable[[Where], str],
        notice: Notify,
    ) -> None:
        """`carries`: channels that the source has, sooner or later. `single_trades`: aggregated ones are left out.
        `fault(where, why)` tells what was refused, `place` names a line."""
        self._instrument, self._traits, self._rule = instrument, traits, rule
        self._carries, self._single_trades = tuple(carries), single_trades
        self._fault, self._place, self._notice = fault, place, notice
        self._ticks, self._lots = PriceTicks(instrument), SizeLots(instrument)
        self._batch, self._px, self._qty, self._side = self._fresh()
        self._levels = 0
        self._clock = 0
        self._said: dict[Channel, Trust] = dict.fromkeys(Channel, Trust.NONE)
        self._begun = False
        self._book_from: int | None = None  # the connection
        self._trades_from: int | None = None
        self._lost_at = ""
        self._sequence: Continuity = ConsecutiveIds() if traits.consecutive_ids else UniqueIds()
        self._put_at = 0  # time of the newest trade on the tape
        self._interrupted = False  # trades may be missing since then
        self._old_trades = 0

    def __len__(self) -> int:
        """Rows that wait."""
        return len(self._batch)

    def take(self) -> Rows:
        """The rows since the last call."""
        empty: NDArray[np.int64] = np.zeros(0, np.int64)
        px = np.concatenate(self._px) if self._px else empty
        qty = np.concatenate(self._qty) if self._qty else empty
        side = np.concatenate(self._side) if self._side else np.zeros(0, np.int8)
        rows = self._batch.build(px, qty, side)
        self._batch, self._px, self._qty, self._side = self._fresh()
        self._levels = 0
        return rows

    def end(self) -> None:
        """What is only known when everything was read."""
        market = self._instrument.market
        if self._said[Channel.BOOK] in (Trust.RESYNC, Trust.STALE) and self._lost_at:
            self._notice(market, f"the order book was lost at {self._lost_at} and no snapshot came after it")
        elif self._said[Channel.BOOK] is Trust.WARMING:
            self._notice(market, "no snapshot in the source fits the book updates, so there is no order book")
        if self._old_trades:
            self._notice(market, f"{self._old_trades:,} trades that were there already were dropped")

    # ---- connections

    def connected(self, recv: int, connection: int | None) -> None:
        """The connection has begun anew: so does the book; trades may be missing."""
        ts = self._clock or recv
        if connection == self._book_from:
            self._rule.reset()
            self._say(recv, ts, Channel.BOOK, Trust.STALE, Reason.DISCONNECTED)
        if connection == self._trades_from:
            self._interrupted = True
            self._sequence.interrupted()
            self._say(recv, ts, Channel.TRADES, Trust.STALE, Reason.DISCONNECTED)

    def lost(self, recv: int, where: Where, connection: int | None, reason: Reason) -> None:
        """The book cannot be trusted from here on until a snapshot."""
        if connection is not None and connection != self._book_from:
            return
        had = self._rule.synced
        self._rule.reset()
        if had:
            self._lose(recv, self._clock or recv, where, reason)

    # ---- the book

    def book(self, recv: int, where: Where, connection: int, message: BookMessage) -> None:
        """A book message of the stream."""
        ts = message.ts
        if not self._plausible(recv, ts, where):
            return
        if self._book_from not in (None, connection):
            self.connected(recv, self._book_from)  # it goes on in another recording
        self._book_from = connection
        verdict = self._rule.take(message.body)
        if isinstance(verdict, Step):
            if self._said[Channel.BOOK] is Trust.NONE:
                self._say(recv, ts, Channel.BOOK, Trust.WARMING, Reason.AWAITING_SNAPSHOT)
            self._batch.clock(recv, ts)
        elif isinstance(verdict, Broken):
            if self._said[Channel.BOOK] is not Trust.RESYNC:
                self._lose(recv, ts, where, verdict.reason)
            self._batch.clock(recv, ts)
        else:
            for update in verdict:
                if not self._apply(recv, where, update):
                    break

    def snapshot(self, recv: int, where: Where, update: Update) -> None:
        """A book that REST gave: the kept updates follow on top of it."""
        join = getattr(self._rule, "join", None)
        if join is None:
            return
        # What is refused must not count as joined, so it is looked at before the rule sees it.
        levels = self._columns(update)
        if levels is None:
            self._fault(where, f"book snapshot: {self._why(update)}")
            return
        follow = join(update)
        if follow is None:
            return
        ts = update.ts or self._clock or recv
        self._clock = max(self._clock, ts)
        self._put(recv, ts, update, levels)
        for later in follow:
            if not self._apply(recv, where, later):
                return

    def _apply(self, recv: int, where: Where, update: Update) -> bool:
        levels = self._columns(update)
        if levels is None:
            self._fault(where, f"book update: {self._why(update)}")
            self._rule.reset()
            self._lose(recv, update.ts, where, Reason.OFF_GRID)
            return False
        self._put(recv, update.ts, update, levels)
        return True

    def _put(self, recv: int, ts: int, update: Update, levels: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
        px, qty = levels
        if update.snapshot:
            self._batch.snapshot(recv, ts, update.seq, self._levels, len(px))
            self._say(recv, ts, Channel.BOOK, self._traits.book_trust, self._traits.book_reason)
        else:
            self._batch.book(recv, ts, update.seq, self._levels, len(px))
        self._px.append(px)
        self._qty.append(qty)
        side = np.ones(len(px), np.int8)
        side[len(update.bids) :] = -1
        self._side.append(side)
        self._levels += len(px)

    def _columns(self, update: Update) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Prices in ticks and sizes in lots, bids first; None when one of them makes no sense."""
        prices, sizes = zip(*update.bids, *update.asks, strict=True) if update.bids or update.asks else ((), ())
        px = np.fromiter(map(self._ticks.of, prices), np.int64, len(prices))
        qty = self._lots.of(sizes)
        return None if len(px) and (px.min() <= 0 or qty.min() < 0) else (px, qty)

    def _why(self, update: Update) -> str:
        for price, size in (*update.bids, *update.asks):
            if self._ticks[price] <= 0:
                return f"{self._instrument.market}: price {price[:40]!r} is no price on the grid"
            if self._lots.of((size,))[0] < 0:
                return f"{self._instrument.market}: size {size!r} is off the grid of lot size {self._instrument.lot}"
        return "it makes no sense"

    def _lose(self, recv: int, ts: int, where: Where, reason: Reason) -> None:
        self._lost_at = self._place(where)
        if reason is Reason.SEQUENCE_GAP:
            text = f"{self._lost_at}: a book update is missing before this line; the book waits for the next snapshot"
            self._notice(self._instrument.market, text)
        self._say(recv, ts, Channel.BOOK, Trust.RESYNC, reason)

    # ---- trades

    def trades(self, recv: int, where: Where, connection: int, message: TradeMessage) -> None:
        """Trades of the stream; history repeats what is on the tape, what an interruption cost, or what came before
        the recording."""
        if self._single_trades and isinstance(message, AggregatedTrades):
            return
        fills = [fill for fill in message.fills if self._plausible(recv, fill.ts, where, history=message.history)]
        if not fills:
            return
        if self._trades_from not in (None, connection):
            self.connected(recv, self._trades_from)
        self._trades_from = connection
        self._say(recv, fills[-1].ts, Channel.TRADES, Trust.LIVE)
        sequence = self._sequence
        if message.history:
            # Only an interruption makes history of what was missed; before that it lies outside the recording.
            flags = Flag.RECOVERED if self._interrupted and sequence.last is not None else Flag.REPLAYED
            self._emit(recv, where, sequence.replayed(recv, fills), int(flags))
            return
        for fill in fills:
            if sequence.expects(fill):
                self._write(recv, where, fill, 0)
            else:
                taken = sequence.take(recv, fill)
                self._old_trades += not taken.now and taken.gap is None
                self._emit(recv, where, taken, 0)
        self._interrupted = False

    def _emit(self, recv: int, where: Where, taken: Taken, flags: int) -> None:
        """What has been decided of trades. Nobody can be asked for missing ones, so a gap is a hole at once."""
        for item in taken.now:
            self._item(recv, where, item, flags)
        for item in self._sequence.abandon() if taken.gap is not None else ():
            self._item(recv, where, item, flags)

    def _item(self, recv: int, where: Where, item: Item, flags: int) -> None:
        if isinstance(item, Hole):
            self._batch.hole(recv, self._put_at or self._clock, item.first, item.count)
        else:
            self._write(recv, where, item[1], flags)

    def _write(self, recv: int, where: Where, fill: Fill, flags: int) -> None:
        flags |= fill.flags
        self._put_at = fill.ts
        px, why = self._ticks[fill.price], f"price {fill.price[:40]!r} is no price on the grid"
        try:
            qty = self._instrument.lots(fill.size)
        except OffGridError as error:
            px, qty, why = BAD, 0, str(error)
        if px != BAD and ((px and qty) or flags & Flag.NOT_FLOW):
            self._batch.trade(recv, fill.ts, fill.trade_id, px, qty, fill.side, flags)
            return
        self._fault(where, f"trade {fill.trade_id}: {why}")
        if not flags & Flag.NOT_FLOW:  # flow that cannot be stored is missing
            self._batch.hole(recv, fill.ts, fill.trade_id - fill.count + 1, fill.count)

    # ---- liquidations

    def liquidation(self, recv: int, where: Where, message: Liquidation) -> None:
        """An average price is put on the nearest tick."""
        if not self._plausible(recv, message.ts, where):
            return
        instrument, price = self._instrument, message.price
        try:
            if message.average and (value := Decimal(price)).is_finite() and value.adjusted() <= 20:
                price = str((value / instrument.tick).to_integral_value() * instrument.tick)
            px, qty = instrument.ticks(price), instrument.lots(message.size)
        except (InvalidOperation, OffGridError) as error:
            self._fault(where, f"a liquidation: {error}")
            return
        self._say(recv, message.ts, Channel.LIQUIDATIONS, Trust.LIVE)
        self._batch.liquidation(recv, message.ts, px, qty, message.side)

    # ----

    def _plausible(self, recv: int, ts: int, where: Where, history: bool = False) -> bool:
        """A damaged time would carry the market's clock, which never runs back, away for good.

        Receive clocks may be wrong, so a time is also right when it continues the times before it.
        """
        near = abs(ts - recv) < DAY or (self._clock and abs(ts - self._clock) < DAY)
        # History may be old: of a market that seldom trades the last trades lie days back.
        if (near or (history and ts < recv)) and EARLIEST <= ts <= LATEST:
            self._clock = max(self._clock, ts)
            return True
        self._fault(where, "its exchange time is days away from its receive time")
        return False

    def _say(self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE) -> None:
        if not self._begun:
            self._begun = True
            for other in self._carries:  # so that nobody takes what has not come yet for what will never come
                if other is not channel:
                    self._say(recv, ts, other, Trust.WARMING, Reason.NO_DATA_YET)
        if self._said[channel] is not trust:
            self._said[channel] = trust
            self._batch.status(recv, ts, channel, trust, reason)

    @staticmethod
    def _fresh() -> tuple[RowBatch, list[NDArray[np.int64]], list[NDArray[np.int64]], list[NDArray[np.int8]]]:
        return RowBatch(), [], [], []
