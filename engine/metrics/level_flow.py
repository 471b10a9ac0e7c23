"""What leaves and joins the book other than by trades: pulling, stacking, cancel share. Estimates from L2.

An L2 feed tells sizes of levels, not orders: how much of a change was cancelled is inferred. The
unit is one book message. A level that a message names changes by `after - before`; taker volume that
hit the level since a message last named it, at most `PATIENCE` old, is added back. What is then missing
was pulled, what is then too much was stacked:

    u = after - before + traded,   pulled = max(0, -u),   stacked = max(0, u)

so stacked minus pulled is the change of the book plus what was traded off it. Feeds that tell of a
trade after the book has shown it make pulled and then stacked too large; feeds that batch the book
hide what came and went in between. A snapshot is no change, and ends all waiting for trades.

Near the touch means within X bps of the mid before the message, the boundary included. Only changes u
of at least a minimum size count. METRICS 1.16 (cancel share: of decreases of the best level).
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import NO_ASK, NO_BID, Batch, Bools, Changes, Floats, Quotes, Trades
from engine.metrics.calculator import State
from engine.metrics.depth import book_side, exact, limit_within, positive_bps
from engine.metrics.seen import BookSeen
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.windows import Sums, check_state, quotients, to_floats
from engine.tape import Ints

#: A trade explains a decrease of its level at most so much later, ns.
PATIENCE: Final = 1_000_000_000
#: Levels that wait for a message before those that waited too long are looked for.
_MANY: Final = 64
#: So many touches are reckoned with one by one: numpy's calls cost more.
_FEW: Final = 12
_BEST: Final = "best"
_PULLED, _STACKED = 0, 1
_GONE, _CANCELLED = 0, 1


class _Touches:
    """Valid quotes, the one carried over first. Shape (m,), int64."""

    def __init__(self, epoch: Ints, bid: Ints, ask: Ints, seq: Ints) -> None:
        self.epoch, self.seq = epoch, seq
        self.bid, self.ask = bid, ask  # NO_BID or NO_ASK when the side is empty
        self._limits: dict[tuple[int, Fraction], Ints] = {}

    def limits(self, side: int, bps: Fraction) -> Ints:
        """The furthest price within `bps` of each mid; beyond every price where there is no mid."""
        found = self._limits.get((side, bps))
        if found is None:
            found = self._limits[side, bps] = self._limits_of(side, bps)
        return found

    def _limits_of(self, side: int, bps: Fraction) -> Ints:
        if len(self.bid) <= _FEW:
            touches = zip(self.bid.tolist(), self.ask.tolist(), strict=True)
            some = [
                limit_within(b + a, side, bps) if b != NO_BID and a != NO_ASK else side * NO_ASK for b, a in touches
            ]
            return np.array(some, np.int64)
        two_sided = (self.bid != NO_BID) & (self.ask != NO_ASK)
        both = np.where(two_sided, self.bid + self.ask, 0)
        scale = 10_000 * bps.denominator
        factor = scale - side * bps.numerator
        if int(both.max()) * factor < 1 << 62:
            limits = -(-both * factor // (2 * scale)) if side > 0 else both * factor // (2 * scale)
        else:
            limits = np.array([limit_within(mid, side, bps) for mid in both.tolist()], np.int64)
        return np.where(two_sided, limits, side * NO_ASK)


class _Moves(NamedTuple):
    """Changes of levels, one per message, side and price. Shape (k,), int64."""

    t: Ints
    side: Ints
    px: Ints
    before: Ints
    after: Ints
    traded: Ints  # taker volume that explains the change, lots
    touch: Ints  # index of the touch before the message
    known: Bools  # whether that is of the same epoch


class _Stream:
    """Sums of the moves that count: (pulled, stacked) of one side, or (gone, cancelled) of the best levels."""

    def __init__(self, side: int | None, bps: Fraction, least: int) -> None:
        self.sums = Sums(2)
        self.bps = bps
        self._side = side
        self._least = max(1, least)  # lots

    def count(self, moves: _Moves, touches: _Touches) -> None:
        """Take the moves in, in their order."""
        if self._side is None:
            best = np.where(moves.side > 0, touches.bid[moves.touch], touches.ask[moves.touch])
            picked = (moves.px == best) & (moves.after < moves.before) & moves.known
            first = (moves.before - moves.after)[picked]
            second = np.maximum(first - moves.traded[picked], 0)
        else:
            net = moves.after - moves.before + moves.traded
            inside = self._side * (moves.px - touches.limits(self._side, self.bps)[moves.touch]) >= 0
            picked = inside & (moves.side == self._side) & (np.abs(net) >= self._least) & moves.known
            net = net[picked]
            first, second = np.maximum(-net, 0), np.maximum(net, 0)
        if len(first):
            bound = len(first) * max(int(first.max()), int(second.max()))
            self.sums.append(moves.t[picked], (first, second), (bound, bound))


class LevelFlow:
    """Pulled and stacked lots by side, distance and least size; decreases of the best levels, and those cancelled.

    Fields: `pulling:side:bps:least:W` and `stacking:...` (side 1 or -1, bps a fraction, least an amount, W in ns),
    `cancel_share:W`. `side` of a move is the book's: +1 bids, -1 asks.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._longest = 0  # ns, of the windows asked for
        self._seen = BookSeen()
        self._streams: dict[str, _Stream] = {}  # by side:bps:least, or `best`
        self._touch = (-1, NO_BID, NO_ASK)  # epoch, bid, ask of the last valid quote
        self._epoch = -1  # of the last change
        self._began = (-1, -1)  # epoch of the last quote, and the message that began it
        #: Volume waiting for its level to be named: (side, px) -> (clock, lots, message number) of each trade.
        self._waiting: dict[tuple[int, int], list[tuple[int, int, int]]] = {}

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        changes = batch.changes
        quotes = batch.quotes
        self._seen.update(quotes)
        if self._streams and (len(batch.trades) or (changes is not None and len(changes))):
            touches = self._touches(quotes)
            moves = self._moves(changes, batch.trades, quotes, touches)
            if moves is not None:
                for stream in self._streams.values():
                    stream.count(moves, touches)
            self._tire(batch.end - PATIENCE)
        self._remember(quotes)

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, rest = field.partition(":")
        key, _, text = rest.rpartition(":")
        window = int(text)
        self._longest = max(self._longest, window)
        sums = self._stream(key or _BEST).sums
        self._seen.keep(window)
        out = np.full(len(times), np.nan)
        known = self._seen.within(times, window)
        if not known.any():
            return out
        found = sums.window(times[known], window)
        if name == "cancel_share":
            with np.errstate(divide="ignore", invalid="ignore"):
                out[known] = to_floats(found.sum(_CANCELLED)) / to_floats(found.sum(_GONE))
        else:
            amount = Fraction(self._instrument.lot) * Fraction(self._instrument.contract)
            lots = found.sum(_PULLED if name == "pulling" else _STACKED)
            out[known] = quotients(lots, amount.numerator, amount.denominator)
        return out

    def advance(self, t: int) -> None:
        self._seen.advance(t)
        for stream in self._streams.values():
            stream.sums.forget(t - self._longest)

    def state(self) -> State:
        return {
            "kind": "level flow",
            "version": 1,
            "longest": self._longest,
            "seen": self._seen.state(),
            "streams": {key: stream.sums.state() for key, stream in self._streams.items()},
            "touch": list(self._touch),
            "epoch": self._epoch,
            "began": list(self._began),
            "waiting": [[side, px, [list(trade) for trade in due]] for (side, px), due in self._waiting.items()],
        }

    def restore(self, state: State) -> None:
        check_state(state, "level flow", 1)
        self._longest = max(self._longest, state["longest"])
        self._seen.restore(state["seen"])
        for key, held in state["streams"].items():
            self._stream(key).sums.restore(held)
        epoch, bid, ask = state["touch"]
        self._touch = (epoch, bid, ask)
        self._epoch = state["epoch"]
        self._began = (state["began"][0], state["began"][1])
        self._waiting = {(side, px): [(t, lots, seq) for t, lots, seq in due] for side, px, due in state["waiting"]}

    def _stream(self, key: str) -> _Stream:
        found = self._streams.get(key)
        if found is None:
            if key == _BEST:
                found = _Stream(None, Fraction(0), 0)
            else:
                side, bps, least = key.split(":")
                amount = Fraction(self._instrument.lot) * Fraction(self._instrument.contract)
                found = _Stream(int(side), Fraction(bps), ceil(Fraction(least) / amount))
            self._streams[key] = found
        return found

    # ---- the join

    def _touches(self, quotes: Quotes) -> _Touches:
        valid = quotes.valid
        first = np.array([[*self._touch, -1]], np.int64)
        rows = np.array([quotes.epoch[valid], quotes.bid[valid], quotes.ask[valid], quotes.seq[valid]], np.int64)
        return _Touches(*np.concatenate([first.T, rows], axis=1))

    def _moves(self, changes: Changes | None, trades: Trades, quotes: Quotes, touches: _Touches) -> _Moves | None:
        """The news as one move per level and message, trades joined; levels that no stream counts are left out."""
        columns = (trades.t, trades.side, trades.px, trades.qty, trades.seq)
        fills = list(zip(*(column.tolist() for column in columns), strict=True))
        if changes is None or not len(changes):
            self._wait(fills)
            return None
        prices = {px for _, px in self._waiting}.union(px for _, _, px, _, _ in fills)
        traded_px = np.array(sorted(prices), np.int64)
        seq, epoch, side, px, before, after, t = _per_message(changes, self._counting(changes, touches, traded_px))
        if not len(seq):
            self._wait(fills)
            return None
        touch = touches.seq.searchsorted(seq, "left") - 1
        traded = np.zeros(len(seq), np.int64)
        new_epoch = np.diff(epoch, prepend=self._epoch) != 0
        self._epoch = int(epoch[-1])
        done = 0
        for i in np.flatnonzero(_among(px, traded_px) | new_epoch).tolist():
            while done < len(fills) and fills[done][4] < seq[i]:
                done += 1
                self._wait(fills[done - 1 : done])
            if new_epoch[i]:
                self._start(self._beginning(int(epoch[i]), quotes))
            due = self._waiting.pop((int(side[i]), int(px[i])), None)
            if due is not None:
                traded[i] = sum(lots for at, lots, _ in due if at >= t[i] - PATIENCE)
        self._wait(fills[done:])
        return _Moves(t, side, px, before, after, traded, touch, touches.epoch[touch] == epoch)

    def _counting(self, changes: Changes, touches: _Touches, traded_px: Ints) -> Bools:
        """Which changes may count or answer a trade."""
        widest = max(stream.bps for stream in self._streams.values())
        low = np.minimum(touches.limits(1, widest), np.where(touches.bid != NO_BID, touches.bid, NO_ASK)).min()
        high = np.maximum(touches.limits(-1, widest), np.where(touches.ask != NO_ASK, touches.ask, NO_BID)).max()
        near = np.where(changes.side > 0, changes.px >= low, changes.px <= high)
        counting: Bools = near | _among(changes.px, traded_px)
        return counting

    def _wait(self, fills: list[tuple[int, ...]]) -> None:
        """Trades that no message has answered yet."""
        for t, side, px, qty, seq in fills:
            if side:
                self._waiting.setdefault((-side, px), []).append((t, qty, seq))

    def _beginning(self, epoch: int, quotes: Quotes) -> int:
        """The message that began an epoch."""
        first = int(quotes.epoch.searchsorted(epoch))
        if epoch == self._began[0] or first == len(quotes):
            return self._began[1]
        return int(quotes.seq[first])

    def _start(self, beginning: int) -> None:
        """A snapshot shows what was traded before it: only later trades still wait."""
        left = {level: [trade for trade in due if trade[2] > beginning] for level, due in self._waiting.items()}
        self._waiting = {level: due for level, due in left.items() if due}

    def _tire(self, oldest: int) -> None:
        """Forget trades that no message to come can be explained by."""
        if len(self._waiting) > _MANY:
            self._waiting = {level: due for level, due in self._waiting.items() if due[-1][0] >= oldest}

    def _remember(self, quotes: Quotes) -> None:
        if len(quotes):
            epoch = int(quotes.epoch[-1])
            self._began = (epoch, self._beginning(epoch, quotes))
        valid = np.flatnonzero(quotes.valid)
        if len(valid):
            i = valid[-1]
            self._touch = (int(quotes.epoch[i]), int(quotes.bid[i]), int(quotes.ask[i]))


def _among(px: Ints, prices: Ints) -> Bools:
    """Which of `px` are among ascending `prices`."""
    if not len(prices):
        return np.zeros(len(px), np.bool_)
    found: Bools = prices[np.minimum(prices.searchsorted(px), len(prices) - 1)] == px
    return found


def _per_message(changes: Changes, picked: Bools) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    """(seq, epoch, side, px, before, after, t) of the picked changes, in order of the messages: what a message says
    about a level twice is one change."""
    rows = np.flatnonzero(picked)
    seq, side, px = changes.seq[rows], changes.side[rows], changes.px[rows]
    order = np.lexsort((px, side, seq))  # stable: what was named first stays first
    rows, seq, side, px = rows[order], seq[order], side[order], px[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (seq[1:] != seq[:-1]) | (side[1:] != side[:-1]) | (px[1:] != px[:-1])
    first, last = rows[new], rows[np.append(new[1:], True)] if len(rows) else rows
    return (
        seq[new],
        changes.epoch[first],
        side[new],
        px[new],
        changes.before[first],
        changes.after[last],
        changes.t[first],
    )


def _bind_flow(name: str, side: str, window: int, bps: float, least: float) -> Bound:
    return Bound(
        share="level flow",
        make=_make,
        field=f"{name}:{book_side(side)}:{positive_bps(bps)}:{exact(least)}:{window}",
        changes=True,
        needs_book=True,
        needs_trades=True,
    )


def _bind_cancel_share(window: int) -> Bound:
    return Bound(
        share="level flow",
        make=_make,
        field=f"cancel_share:{window}",
        changes=True,
        needs_book=True,
        needs_trades=True,
    )


def _make(context: Context) -> LevelFlow:
    return LevelFlow(context.instrument)


_W = Param("W", "window", "30s", "look back over (t - W, t]")
_FLOW_PARAMS = (
    Param("side", "side", None, "bid or ask; an order's side is understood too: buy takes asks, sell takes bids"),
    _W,
    Param("X", "bps", "10bps", "distance from the mid"),
    Param("least", "least_size", "0", "smallest change of a level that counts"),
)
_WARMUP = "from the first valid book on; covers W only after W"

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="pulling",
        params=_FLOW_PARAMS,
        unit="base",
        meaning="size that left a side within X of the mid without trading, in changes of at least `least`; "
        "estimated from L2: trades are set against changes of their level within 1 s",
        warmup=_WARMUP,
        bind=lambda side, window, bps, least: _bind_flow("pulling", side, window, bps, least),
        group="book",
    ),
    MetricSpec(
        name="stacking",
        params=_FLOW_PARAMS,
        unit="base",
        meaning="size that joined a side within X of the mid, what traded meanwhile made up for, in changes of at "
        "least `least`; estimated from L2",
        warmup=_WARMUP,
        bind=lambda side, window, bps, least: _bind_flow("stacking", side, window, bps, least),
        group="book",
    ),
    MetricSpec(
        name="cancel_share",
        params=(_W,),
        unit="ratio",
        meaning="share of the decreases of the best bid and ask that no trade explains, 0 to 1; estimated from L2",
        warmup=f"{_WARMUP}; null while nothing left the best levels in the window",
        bind=_bind_cancel_share,
        group="book",
    ),
)
