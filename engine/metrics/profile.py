"""Volume profile of the session: what traded at each price, split by the taker's side. METRICS 1.13.

The session is the UTC day of the latest trade; its first trade empties the profile. All sums are
exact integers (lots).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from engine.history import MINUTE, Bars, session_of
from engine.metrics.bar_spread import volume_by_price
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.value_area import binned, point_of_control, value_area
from engine.metrics.windows import DAY, Columns, Exact, Spoken, check_state
from engine.tape import Ints

#: Ticks the dense part can cover; prices beyond go to a dict.
SPAN = 1 << 20
_FIRST_LENGTH = 1 << 10
_SPILL_LIMIT = 4096
_SAFE = 1 << 62
_TOTAL, _SOLD, _BOUGHT = range(3)
_Read = TypeVar("_Read")


class Ledger:
    """Volume by price: all, sold, bought. Dense around the first price, a dict for far ones.

    When the dict grows large (the first price was a freak) the dense part moves to the median traded price.
    """

    def __init__(self) -> None:
        self._origin: int | None = None  # ticks: the dense part stays in origin ... origin + SPAN - 1
        self._base = 0  # ticks of the first cell
        self._cells: Exact = np.zeros((3, 0), np.int64)
        self._spill: dict[int, list[int]] = {}
        self._spill_limit = _SPILL_LIMIT
        self.volume = 0  # lots, all trades

    def add(self, px: Ints, qty: Ints, side: Ints, sign: int = 1) -> None:
        """Book trades (sign -1: take them back)."""
        if not len(px):
            return
        if self._origin is None:
            self._origin = int(px[0]) - SPAN // 2
        self.volume += sign * (int(qty.sum()) if int(qty.max()) * len(qty) < _SAFE else sum(qty.tolist()))
        if self.volume >= _SAFE and self._cells.dtype != object:
            self._cells = self._cells.astype(object)
        near = (px >= self._origin) & (px < self._origin + SPAN)
        if not near.all():
            self._add_far(px[~near], qty[~near], side[~near], sign)
            px, qty, side = px[near], qty[near], side[near]
        if len(px):
            self._cover(int(px.min()), int(px.max()))
            cell = px - self._base
            signed: Exact = sign * (qty if self._cells.dtype != object else qty.astype(object))
            np.add.at(self._cells[_TOTAL], cell, signed)
            np.add.at(self._cells[_SOLD], cell, signed * (side < 0))
            np.add.at(self._cells[_BOUGHT], cell, signed * (side > 0))
        if len(self._spill) > self._spill_limit:
            self._move()

    def levels(self) -> tuple[Ints, Exact]:
        """Traded prices ascending (ticks) and their volumes (lots)."""
        cells = np.flatnonzero(self._cells[_TOTAL])
        prices: Ints = cells + self._base
        volumes: Exact = self._cells[_TOTAL][cells]
        far = sorted((p, v[_TOTAL]) for p, v in self._spill.items() if v[_TOTAL])
        if far:
            wide = volumes.dtype == object or max(v for _, v in far) >= _SAFE
            prices = np.concatenate((prices, np.array([p for p, _ in far], np.int64)))
            far_volumes = np.array([v for _, v in far], object if wide else np.int64)
            volumes = np.concatenate((volumes.astype(object) if wide else volumes, far_volumes))
            order = np.argsort(prices, kind="stable")
            prices, volumes = prices[order], volumes[order]
        return prices, volumes

    def between(self, column: int, low: Ints, high: Ints) -> list[int]:
        """Volume (column: 0 all, 1 sold, 2 bought) at prices low ... high (inclusive), elementwise."""
        cells = self._cells[column]
        first = np.clip(low - self._base, 0, len(cells))
        last = np.clip(high - self._base + 1, 0, len(cells))
        if len(low) and np.array_equal(low, high):
            inside = last > first
            sums = [0] * len(low)
            for i, value in zip(np.flatnonzero(inside).tolist(), cells[first[inside]].tolist(), strict=True):
                sums[i] = value
        else:
            start, stop = (int(first.min()), int(last.max())) if len(low) else (0, 0)
            running = np.concatenate((np.zeros(1, cells.dtype), np.cumsum(cells[start:stop])))
            sums = (running[np.maximum(last, first) - start] - running[first - start]).tolist()
        if self._spill:
            for i, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
                sums[i] += sum(v[column] for p, v in self._spill.items() if a <= p <= b)
        return sums

    def state(self) -> State:
        used = np.flatnonzero(self._cells[_TOTAL])
        near = [self._cells[i][used].tolist() for i in range(3)]
        return {
            "kind": "ledger",
            "version": 1,
            "origin": self._origin,
            "prices": (used + self._base).tolist(),
            "near": near,
            "spill": {str(p): list(v) for p, v in self._spill.items()},
            "spill_limit": self._spill_limit,
            "volume": self.volume,
        }

    def restore(self, state: State) -> None:
        check_state(state, "ledger", 1)
        self._origin, self.volume, self._spill_limit = state["origin"], state["volume"], state["spill_limit"]
        self._base, self._cells = 0, np.zeros((3, 0), object if self.volume >= _SAFE else np.int64)
        self._spill = {int(p): list(v) for p, v in state["spill"].items()}
        prices = np.array(state["prices"], np.int64)
        if len(prices):
            self._cover(int(prices.min()), int(prices.max()))
            for i in range(3):
                self._cells[i][prices - self._base] = state["near"][i]

    def _add_far(self, px: Ints, qty: Ints, side: Ints, sign: int) -> None:
        for p, q, s in zip(px.tolist(), qty.tolist(), side.tolist(), strict=True):
            entry = self._spill.setdefault(p, [0, 0, 0])
            entry[_TOTAL] += sign * q
            entry[_SOLD] += sign * q * (s < 0)
            entry[_BOUGHT] += sign * q * (s > 0)
            if not entry[_TOTAL]:
                del self._spill[p]

    def _cover(self, low: int, high: int) -> None:
        """Make room for the prices low ... high, at least doubling when it has to grow."""
        assert self._origin is not None
        length = self._cells.shape[1]
        if length and low >= self._base and high < self._base + length:
            return
        if length:
            low, high = min(low, self._base), max(high, self._base + length - 1)
        wanted = max(high - low + 1, 2 * length, _FIRST_LENGTH)
        spare = (wanted - (high - low + 1)) // 2
        start = max(self._origin, low - spare)
        stop = min(self._origin + SPAN, start + wanted)
        cells: Exact = np.zeros((3, stop - start), self._cells.dtype)
        cells[:, self._base - start : self._base - start + length] = self._cells if length else 0
        self._base, self._cells = start, cells

    def _move(self) -> None:
        """Centre the dense part on the median traded price."""
        used = np.flatnonzero(self._cells[_TOTAL])
        entries = dict(self._spill)
        for price, *values in zip((used + self._base).tolist(), *self._cells[:, used].tolist(), strict=True):
            entries[price] = values
        prices = sorted(entries)
        self._origin = prices[len(prices) // 2] - SPAN // 2
        near = [p for p in prices if self._origin <= p < self._origin + SPAN]
        self._base, self._cells = 0, np.zeros((3, 0), self._cells.dtype)
        self._cover(near[0], near[-1])
        for price in near:
            self._cells[:, price - self._base] = entries.pop(price)
        self._spill = entries
        self._spill_limit = max(_SPILL_LIMIT, 2 * len(entries))


class Profile:
    """Session profile. Fields: `poc:b`, `vah:b`, `val:b` with rows of b ticks, as prices.

    `poc` is the lowest tick of its row; the value area reaches from the lowest tick of its lowest row
    (`val`) to the highest tick of its highest row (`vah`).
    """

    def __init__(self, context: Context) -> None:
        self._instrument = context.instrument
        self._ledger = Ledger()
        self._day = -1  # UTC day of the ledger
        self._pending = Columns(np.int64, np.int64, np.int64, np.int64)  # trades not yet in it: t, px, qty, side
        self._bars: tuple[int, int] | None = None  # UTC day, number of bars in its ledger
        self._booked = 0  # trades ever put into the ledger: with the pending ones read, it names a state
        self._known: dict[tuple[int, int], tuple[int, int, int]] = {}  # (width, trades) -> poc, vah, val

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        self._pending.append(trades.t, trades.px, trades.qty, trades.side)

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, width = field.partition(":")
        which = ("poc", "vah", "val").index(name)
        counts, where = np.unique(self._pending[0].searchsorted(times, "right"), return_inverse=True)
        ticks = np.array([area[which] for area in self._areas(int(width), counts.tolist())], np.float64)
        known = ~np.isnan(ticks)
        ticks[known] = self._instrument.prices(ticks[known].astype(np.int64))
        return ticks[where]

    def advance(self, t: int) -> None:
        count = int(self._pending[0].searchsorted(t, "right"))
        if count:
            self._book(0, count)
            self._pending.drop(count)
            self._booked += count
            self._known = {key: area for key, area in self._known.items() if key[1] >= self._booked}

    def state(self) -> State:
        return {
            "kind": "profile",
            "version": 2,
            "bars": self._bars,
            "ledger": self._ledger.state(),
            "day": self._day,
            "pending": self._pending.state(),
            "booked": self._booked,
        }

    def restore(self, state: State) -> None:
        check_state(state, "profile", 2)
        self._bars = state["bars"]
        self._ledger.restore(state["ledger"])
        self._day, self._booked = state["day"], state["booked"]
        self._pending.restore(state["pending"])
        self._known.clear()

    # ---- Learner

    def learn_bars(self, bars: Bars) -> None:
        """Minute bars of the session before the market began: each spread evenly over its prices. Where they don't
        tell sides, their volume is of none."""
        if bars.step != MINUTE:
            return
        bars = session_of(bars)
        day = int(bars.t[0]) // DAY
        if self._bars is not None or self._day not in (-1, day):
            return
        prices, sold, bought = volume_by_price(bars)
        middle = len(prices) // 2
        for lots, side in ((sold, -1), (bought, 1)) if bars.sided else ((sold, 0),):
            order = np.roll(np.arange(len(prices)), -middle)  # a ledger is dense around the first price it sees
            order = order[lots[order] > 0]
            self._ledger.add(prices[order], lots[order], np.full(len(order), side))
        self._day, self._bars = day, (day, len(bars))
        self._known.clear()

    def warmed(self, field: str) -> str | None:
        """See Learner: until the session that began before the market is over."""
        newest = int(self._pending[0][-1]) // DAY if len(self._pending) else self._day
        if self._bars is None or self._bars[0] != newest:
            return None
        return f"the session before the start from {self._bars[1]} minute bars"

    # ---- as it is now, for the ladder

    def poc(self) -> int | None:
        """Ticks of the session's point of control; None before the first trade."""
        pending = len(self._pending)
        return int(self._areas(1, [pending])[0][0]) if self._booked + pending else None

    def at(self, ticks: Ints, group: int = 1) -> tuple[list[int], list[int]]:
        """(sold, bought) lots of the session at ladder rows of `group` ticks that begin at `ticks`.

        Like the ladder's own sizes, sells are rounded down into their row and buys up: a row holds the
        sells at row ... row + group - 1 and the buys at row - group + 1 ... row.
        """
        reach = group - 1

        def read() -> tuple[list[int], list[int]]:
            sold = self._ledger.between(_SOLD, ticks, ticks + reach)
            return sold, self._ledger.between(_BOUGHT, ticks - reach, ticks)

        return self._visit([len(self._pending)], read)[0]

    def levels(self) -> tuple[Ints, Exact]:
        """Traded prices of the session ascending (ticks) and their volumes (lots); empty before the first trade."""
        return self._visit([len(self._pending)], lambda: self._ledger.levels())[0]

    # ---- its parts

    def _areas(self, width: int, counts: list[int]) -> list[tuple[int, int, int] | tuple[float, float, float]]:
        """(poc, vah, val) in ticks after so many of the pending trades (ascending); NaN before the first trade."""
        booked = self._booked
        new = [n for n in counts if booked + n and (width, booked + n) not in self._known]
        for n, area in zip(new, self._visit(new, lambda: self._area(width)), strict=True):
            self._known[width, booked + n] = area
        return [self._known.get((width, booked + n), (np.nan, np.nan, np.nan)) for n in counts]

    def _area(self, width: int) -> tuple[int, int, int]:
        """(poc, vah, val) in ticks of the ledger as it stands, which must not be empty."""
        rows, volumes = binned(*self._ledger.levels(), width)
        poc = point_of_control(rows, volumes)
        low, high = value_area(rows, volumes, poc)
        return int(rows[poc]) * width, int(rows[high]) * width + width - 1, int(rows[low]) * width

    def _visit(self, counts: list[int], read: Callable[[], _Read]) -> list[_Read]:
        """What `read` gives with so many of the pending trades booked (ascending); then they are taken back."""
        ledger, day = self._ledger, self._day
        results, done = [], 0
        for count in counts:
            self._book(done, count)
            done = count
            results.append(read())
        self._ledger, self._day = ledger, day
        mine = slice(0, min(done, int(self._pending[0].searchsorted((day + 1) * DAY, "left"))))
        ledger.add(self._pending[1][mine], self._pending[2][mine], self._pending[3][mine], -1)
        return results

    def _book(self, start: int, stop: int) -> None:
        """Put pending trades into the ledger; each day's first trade opens a new one."""
        while start < stop:
            t, px, qty, side = (self._pending[i][start:stop] for i in range(4))
            day = int(t[0]) // DAY
            if day != self._day:
                self._ledger, self._day = Ledger(), day
            n = int(t.searchsorted((day + 1) * DAY, "left"))
            self._ledger.add(px[:n], qty[:n], side[:n])
            start += n


_WARMUP = "from the first trade on, covering what the tape holds of W; null while nothing traded in it"
_WIDTH = Param("b", "count", "1", "ticks a row of the profile holds")
_SPAN = Param(
    "W", "anchored", "session", "session (the UTC day of the latest trade), or a window, or start, or a UTC time"
)


def _spec(name: str, meaning: str) -> MetricSpec:
    def bind(width: int, span: Spoken) -> Bound:
        if span == "session":
            return Bound(share="profile", make=Profile, field=f"{name}:{width}", needs_trades=True)
        from engine.metrics.rolling_profile import rolling  # which needs the ledger of this module

        return rolling(name, width, span)

    return MetricSpec(name, (_WIDTH, _SPAN), "price", meaning, _WARMUP, bind, "profile")


SPECS = (
    _spec("poc", "point of control: the price where most volume of W traded"),
    _spec("vah", "value area high: top of the prices around the point of control that hold 70 % of the volume"),
    _spec("val", "value area low: bottom of those prices"),
)
