"""One simulated market: a pure generator of tape rows, one step of event time after the other.

The rows depend on the symbol, the seed and the start alone. Takers, the fair value and the quotes
follow each other in every step: orders eat the book, informed ones move the fair value, and market
makers quote around it, later and thinner when they are afraid.
"""

from __future__ import annotations

import math
import random

import numpy as np

from connectors.simulator.book import ASK, BID, RestingBook
from connectors.simulator.fair import FairValue
from connectors.simulator.flow import Order, OrderFlow
from connectors.simulator.past import past_bars
from connectors.simulator.phases import NS, Phase, PhaseSchedule
from connectors.simulator.profiles import Profile, profile_of
from connectors.simulator.walls import Walls
from engine.history import Bars
from engine.tape import ROW, Channel, Flag, Ints, Kind, Rows, Trust, clock_row, row, status_row

#: Receive latency never exceeds this, ns.
MAX_LATENCY_NS = 30_000_000
_MIN_LATENCY_NS = 2_000_000

#: The fair value must leave the quotes by so many ticks before they move.
_STICKY = 0.6
_STICKY_BPS = 0.12
#: An order eats at most this far into the book: bps, but at least and at most so many prices.
_REACH_BPS, _REACH_LEAST, _REACH_MOST = 3.0, 12, 40
#: Missing quotes are put back with this rate per second, less when liquidity is withdrawn.
_REFILLS = 12.0
#: Share of the price range the fair value never enters, at both ends.
_INSIDE = 0.1
#: Levels refreshed per side and step of ordinary activity; size at the touch relative to the hump;
#: seconds between two walls.
_REFRESHED, _TOUCH, _WALL_EVERY = 4.5, 0.32, 22.0
#: Activity over the day, relative to the start, which is the busiest hour: exp(_DAY * (cos - 1)).
_DAY = 1.2
#: Mean over a day of that curve: exp(-_DAY) * I0(_DAY).
_DAY_MEAN = 0.4198
#: Mean volume per second of the busiest hour, in order_rate x order_size, on the day before the start. It was
#: half as lively a day (about 13 is measured over hours of several markets).
_VOLUME = 6.5

#: A trade as a row: the fields of `ROW` in order.
_Trade = tuple[int, int, int, int, int, int, int, int, int, int]
_TRADE, _LAST, _TRADES = int(Kind.TRADE), int(Flag.LAST), int(Channel.TRADES)


def bars_before(profile: Profile, seed: int, start: int, step: int, count: int) -> Bars:
    """The last `count` whole bars of `step` ns before a market began at `start`; as busy as its opening says."""
    return past_bars(profile, seed, start, step, count, _VOLUME * profile.order_rate * profile.order_size, _DAY)


class SimulatedMarket:
    """`opening()` once, then `step()` for ever. Raises ValueError for a symbol that is no `BASE/QUOTE`."""

    def __init__(self, symbol: str, seed: int = 1, start_ns: int = 0) -> None:
        self.profile = profile_of(symbol)
        self.instrument = self.profile.instrument
        self.start_ns = start_ns
        self.now_ns = start_ns  # everything before it is generated
        name = f"flowtape {self.profile.symbol} {seed}"
        self._draw = draw = random.Random(name)
        rng = np.random.Generator(np.random.PCG64(draw.getrandbits(128)))
        self._schedule = PhaseSchedule(random.Random(name + " phases"))
        self.phase: Phase = self._schedule.next()
        self._flow = OrderFlow(self.profile, draw)
        self._book = RestingBook(self.profile, draw, rng)
        self._walls = Walls(self._book, draw)
        self._bps = 1.0 / self.profile.tick_bps  # ticks per basis point
        self._reach = min(_REACH_MOST, max(_REACH_LEAST, round(_REACH_BPS * self._bps)))
        span = self._book.size
        self._fair = FairValue(
            self.profile, draw, self._book.low + _INSIDE * span, self._book.low + (1 - _INSIDE) * span
        )
        self._quotes = (self._book.best[BID], self._book.best[ASK])
        self._spread = 1
        self._liquidity = [1.0, 1.0]
        self._trade_id = draw.randrange(10_000_000, 99_000_000)
        self._sequence = draw.randrange(10_000_000, 99_000_000)
        self._recv = start_ns
        self._told_ns = start_ns  # exchange time of the newest row
        self._mood = 0.0  # slow part of the latency, log

    # ---- rows

    def opening(self) -> Rows:
        """What a subscription begins with: the venue's day volume, the book snapshot, both channels live."""
        ts, recv = self.start_ns, self._received(self.start_ns)
        p = self.profile
        volume = _VOLUME * p.order_rate * p.order_size * _DAY_MEAN * 86_400
        day = row(Kind.DAY_VOLUME, recv, ts, qty=max(1, round(volume / float(p.lot))))
        levels = self._rows(ts, [], self._book.snapshot())
        head = row(Kind.SNAPSHOT, recv, ts, id=self._sequence, channel=Channel.BOOK, flags=0)
        live = [status_row(recv, ts, channel, Trust.LIVE) for channel in (Channel.BOOK, Channel.TRADES)]
        levels["recv"] = recv
        return np.concatenate([day, head, levels, *live])

    def step(self) -> Rows:
        """The rows of the next step, possibly none: trades by time, then at most one book message.

        Exchange times lie in [now_ns, now_ns + step) of before the call.
        """
        begin, dt = self.now_ns, self.profile.step_ns
        since = begin - self.start_ns
        while since >= self.phase.end:
            self.phase = self._schedule.next()
            self._fair.begin_phase()
        activity = math.exp(_DAY * (math.cos(2 * math.pi * since / (86_400 * NS)) - 1))
        self._mood += 0.06 * self._draw.gauss(0.0, 1.0) - 0.02 * self._mood
        told = begin + round(dt * self._draw.uniform(0.8, 0.999))
        orders = self._flow.orders(since, self.phase, activity)
        trades = self._execute(orders, begin, told - begin, activity) if orders else []
        self._fair.move(dt / NS, self.phase)
        self._quote(since, activity)
        self.now_ns = begin + dt
        rows = self._rows(told, trades, self._book.changes())
        if not len(rows):
            if told - self._told_ns < NS:
                return rows
            rows = clock_row(self._received(told), told)
        self._told_ns = int(rows["ts"][-1])
        return rows

    def clock(self) -> Rows:
        """A row that says that time has come to `now_ns`, for the end of a run."""
        return clock_row(self._received(self.now_ns), self.now_ns)

    def _rows(self, ts: int, trades: list[_Trade], changes: tuple[Ints, Ints, Ints]) -> Rows:
        """Trades, then the changed levels as one message at `ts`."""
        side, at, lots = changes
        n = len(trades)
        rows = np.zeros(n + len(at), ROW)
        if n:
            rows[:n] = trades
        if len(at):
            levels = rows[n:]
            self._sequence += 1
            levels["recv"] = self._received(ts)
            levels["ts"] = ts
            levels["id"] = self._sequence
            levels["px"] = at + self._book.low
            levels["qty"] = lots
            levels["kind"] = Kind.LEVEL
            levels["side"] = 1 - 2 * side
            levels["channel"] = Channel.BOOK
            rows["flags"][-1] = Flag.LAST
        return rows

    def _received(self, ts: int) -> int:
        """Receive time: a base, a slow mood, a jitter; messages of a connection do not overtake each other."""
        latency = 4e6 * math.exp(self._mood + self._draw.gauss(0.0, 0.35))
        self._recv = max(self._recv, ts + min(MAX_LATENCY_NS, _MIN_LATENCY_NS + round(latency)))
        return self._recv

    # ---- one step

    def _execute(self, orders: list[Order], begin: int, span: int, activity: float) -> list[_Trade]:
        """Let the orders eat the book and move the fair value; `when` 0..1 becomes begin..begin + span."""
        book, draw, phase = self._book, self._draw, self.phase
        median = self.profile.order_size / float(self.profile.lot)
        seconds = (phase.end - phase.start) / NS
        expected = max(1.0, self.profile.order_rate * phase.informed * activity * seconds)
        trades: list[_Trade] = []
        for order in orders:
            side = ASK if order.side > 0 else BID
            lots = order.lots
            if order.sweep:
                lots = min(book.sum_of(side, order.sweep), round(1.5 * order.sweep * book.unit))
            ts = begin + int(order.when * span)
            recv = self._received(ts)
            taken = 0
            for at, part in book.take(side, max(1, lots), self._reach):
                taken += part
                # A large fill often meets two resting orders.
                first = part if part < 6 * median or draw.random() < 0.65 else round(part * draw.uniform(0.1, 0.9))
                for piece in (first, part - first):
                    if piece:
                        px = at + book.low
                        trades.append((recv, ts, self._trade_id, px, piece, 0, _TRADE, _LAST, order.side, _TRADES))
                        self._trade_id += 1
            if order.informed:
                self._fair.push(order.side * abs(phase.move_bps) / expected)
            self._fair.hit(order.side, taken / median)
        if self._walls.standing:
            self._walls.note_eaten()
        return trades

    def _quote(self, since: int, activity: float) -> None:
        """Market makers answer: withdraw, improve, resize, and put up or pull walls."""
        book, draw, phase, walls = self._book, self._draw, self.phase, self._walls
        dt = self.profile.step_ns / NS
        informed = phase.direction if phase.informed else 0
        if walls.standing:
            walls.withdraw(since, informed)
        if draw.random() < dt / _WALL_EVERY:
            walls.appear(since)
        if draw.random() < 2.5 * dt:
            extra = phase.spread * max(self._bps, 7.0) + 0.15
            self._spread = 1 + int(extra * draw.uniform(0.4, 1.6) + 0.95 * draw.random())
        lead = self._requote()
        busy = min(1.6, phase.activity * (0.4 + 0.6 * activity)) * (1.7 if informed else 1.0)
        for side, sign in ((BID, 1), (ASK, -1)):
            in_the_way = phase.direction == -sign or not phase.direction
            aim = phase.liquidity if in_the_way else 1.0
            self._liquidity[side] += (aim - self._liquidity[side]) * min(1.0, dt / 1.2)
            factor = self._liquidity[side]
            if book.best[side] != self._quotes[side] and draw.random() < dt * _REFILLS * min(1.0, 0.3 + 0.7 * factor):
                book.improve(side, self._quotes[side], 0.5, factor)
            n = int(_REFRESHED * busy * min(1.0, 2.5 * busy) + draw.random())
            if n:
                book.refresh(side, n, factor)
            if draw.random() < 0.5 * busy:
                noise = draw.lognormvariate(0.0, 0.5)
                book.lean_touch(side, _TOUCH * book.unit * factor * noise * math.exp(1.1 * sign * lead))
        if walls.standing:
            walls.restore()
        book.follow()

    def _requote(self) -> float:
        """Decide where the quotes should be; returns how far the fair value leads them, in [-1, 1]."""
        spread = self._spread
        bid, ask = self._quotes
        fair = self._fair.value - self._book.low
        slack = spread / 2 + max(_STICKY, _STICKY_BPS * self._bps)
        if ask - bid != spread or abs(fair - (bid + ask) / 2) > slack:
            bid = math.floor(fair - (spread - 1) / 2)
            ask = bid + spread
        low, high = self._walls.bounds()
        self._fair.hold(self._book.low + low - 1, self._book.low + high + 1)
        if ask > high:
            bid, ask = high - spread, high
        if bid < low:
            bid, ask = low, low + spread
        if ask > high:  # two walls stand closer than the spread
            self._walls.pull_all()
        self._quotes = (bid, ask)
        self._book.withdraw_beyond(bid, ask)
        return min(1.0, max(-1.0, (fair - (bid + ask) / 2) / slack))
