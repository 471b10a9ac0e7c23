"""What a market has taken in and not yet computed with, the folding of it, and how a market is kept and resumed.

The half of a market between its carriers (`engine.market`) and its calculators (`engine.computation`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from engine.book import Touch
from engine.codes import EARLIEST, LATEST
from engine.computation import FOOTPRINT, Computation
from engine.fees import FeeSchedule
from engine.instrument import Instrument
from engine.lateness import Lateness
from engine.metrics.batch import NO_TRADES, Batch, Changes, Quotes, Reading, Trades
from engine.metrics.calculator import State
from engine.metrics.footprint import Footprint
from engine.metrics.names import Metric, MetricError, parse_metric
from engine.metrics.profile import Profile
from engine.metrics.series import Series
from engine.metrics.windows import check_state
from engine.news import QuoteRow, TradeColumns, TradeRow, change_columns, quote_columns, together, trade_columns
from engine.sampling import Sampler
from engine.tape import Channel, Flag, Ints, Reason, Trust

#: Prints kept for the screen.
TAPE_LENGTH = 4000


class Fold(Computation):
    """News of the tape since the last fold, and what a market carries besides its calculators."""

    def __init__(
        self,
        instrument: Instrument,
        samplers: Iterable[Sampler],
        metrics: Iterable[Metric],
        chart: bool,
        day_lots: int | None,
        fees: FeeSchedule | None,
    ) -> None:
        super().__init__(instrument, day_lots, fees)
        self.recv = 0
        self.messages = 0
        self.missing = 0  # trades known to be missing
        self.refused = 0
        self.lateness = Lateness()
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
        self._liquidations: list[TradeRow] = []
        self._hearing: list[tuple[int, bool]] = []
        self._readings: list[Reading] = []
        self._holes: list[tuple[int, int]] = []
        self._inverse_lot = float(1 / instrument.lot)
        self._lag = 0  # of the newest message
        self._applying = False  # rows: their silences are found for all of them at once
        if chart:
            self.profile, self.series = Profile(self.context), Series(self.context)
            self.calculators["chart profile"], self.calculators["chart series"] = self.profile, self.series
            self.calculators[FOOTPRINT] = Footprint()
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
        """Go on from the `state()` of an earlier run, as if its tape went on with nothing said of any channel.

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
        # Nor is anything known of the other channels before this run's source has spoken.
        self.trust.unsaid(self.t)
        self._hearing.append((self.t, False))

    # ---- news

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
        elif not self._applying:
            self.breaks.heard(ts, self.t)
        if ts > self._next_probe:
            self._catch(ts)
        self.t = ts

    def _liquidated(self, ts: int, ticks: int, lots: int, side: int) -> None:
        self._liquidations.append((self.t, ts, ticks, lots, side, int(Flag.LIQUIDATED), -1, self.messages))

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
        self.breaks.broke(self.t, Channel.BOOK)
        self.order_book.clear()
        self.trust.say(self.t, Channel.BOOK, trust, reason, percent)
        self._quote(self.order_book.touch())

    @abstractmethod
    def status(
        self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
    ) -> None:
        """See Sink.status."""

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
            self._note_book(quotes)
        lists = (self._day_volumes, self._liquidations, self._hearing, self._readings, self._holes)
        others = any(lists) or self.trust.changed
        if trades is None and not len(quotes) and not others and self.t == self._folded and not final:
            return
        if trades is not None or len(quotes):
            self.lateness.add(self.t, self._lag)
        flow: Trades = NO_TRADES
        if trades is not None:
            self._note_trades(trades)
            self.trust.last_trades = int(trades.t[-1])
            flow = trades.flow()
        liquidations, trust = self._take_liquidations(trades), self.trust.news()
        batch = None
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
                None if liquidations is None else liquidations.flow(),
                tuple(self._hearing),
                tuple(self._readings),
                tuple(self._holes),
                trust,
                self._lagged(),
            )
        # Before it is told: what one calculator fails on must not be told to the others again.
        for news in (self._day_volumes, self._hearing, self._readings, self._holes):
            news.clear()
        if batch is not None:
            for calculator in self.calculators.values():
                calculator.update(batch)
        self._folded = self.t
        self._deliver(final)

    def _lagged(self) -> tuple[Ints, Ints] | None:
        """How late messages were, in the order of the clock; forgets it."""
        if self._lags is None:
            return None
        flat = np.array(self._lags, np.int64).reshape(-1, 2)
        self._lags.clear()
        flat = flat[np.argsort(flat[:, 0], kind="stable")]
        return flat[:, 0], flat[:, 1]

    def _take_liquidations(self, trades: TradeColumns | None) -> TradeColumns | None:
        """What was liquidated since the last fold, told as such or as a trade; and all of it is printed."""
        told = trade_columns(self._liquidations) if self._liquidations else None
        self._liquidations.clear()
        if self.prints.maxlen and (printed := together(trades, told)) is not None:
            n = self.prints.maxlen
            columns = (printed.ts, printed.px, printed.qty, printed.side, printed.flags, printed.id)
            self.prints.extend(zip(*(column[-n:].tolist() for column in columns), strict=True))
        forced = None if trades is None else trades.where(trades.flags & int(Flag.LIQUIDATED) != 0)
        return together(forced, told)

    def _note_book(self, quotes: Quotes) -> None:
        """When the book was good last. That it was lost, or is being fetched, is no message of the market."""
        good = quotes.t[quotes.valid]
        if len(good):
            self.trust.last_book = int(good[-1])

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
            self._holes.insert(0, (self._stopped, -1))
        self._stopped = None

    def _changed(self) -> Changes | None:
        if self._changes is None:
            return None
        changes = change_columns(self._changes)
        self._changes.clear()
        return changes
