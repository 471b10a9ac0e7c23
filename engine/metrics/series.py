"""Chart columns: price, session CVD and taker volumes on an absolute grid of seconds, for hours back.

A CVD candle opens where the CVD stood before the first trade of its second (at 0 when that trade
opens a new UTC day), and its high and low include the open. METRICS 1.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.history import MINUTE, Bars, session_of
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.spec import Context
from engine.metrics.windows import DAY, Columns, check_state
from engine.tape import Ints
from engine.view import SeriesView

SLOT = 1_000_000_000
#: How far back columns are kept, ns.
KEPT = 4 * 3600 * SLOT

_SLOT, _LAST, _HIGH, _LOW, _CVD, _CVD_HIGH, _CVD_LOW, _BUY, _SELL = range(9)


class Series:
    """Seconds in which something traded: one row each, of prices in ticks and volumes in lots (int64).

    It has no sampled fields; front ends read `columns`.
    """

    def __init__(self, context: Context) -> None:
        self._instrument = context.instrument
        self._rows = Columns(*[np.int64] * 9)
        self._holes: list[tuple[int, int]] = []  # (first, last) slot, ascending
        self._cvd = 0  # lots, of the session of the latest trade
        self._day = -1
        self._learned = -1  # UTC day whose CVD begins with what bars tell

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        trades = batch.trades
        if not len(trades):
            return
        cvd, before = self._cumulate(trades.t, trades.qty * trades.side)
        slots = trades.t // SLOT
        starts = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))
        ends = np.append(starts[1:], len(slots)) - 1
        opens = before[starts]
        new = [
            slots[starts],
            trades.px[ends],
            np.maximum.reduceat(trades.px, starts),
            np.minimum.reduceat(trades.px, starts),
            cvd[ends],
            np.maximum(np.maximum.reduceat(cvd, starts), opens),
            np.minimum(np.minimum.reduceat(cvd, starts), opens),
            np.add.reduceat(trades.qty * (trades.side > 0), starts),
            np.add.reduceat(trades.qty * (trades.side < 0), starts),
        ]
        if len(self._rows) and int(self._rows[_SLOT][-1]) == int(slots[0]):
            self._merge(new)
            new = [column[1:] for column in new]
        self._rows.append(*new)

    def sample(self, field: str, times: Ints) -> Floats:
        raise ValueError(f"chart columns have no field {field!r}")

    def advance(self, t: int) -> None:
        oldest = (t - KEPT) // SLOT
        # the last row before stays: it says where price and CVD stood
        self._rows.drop(int(self._rows[_SLOT].searchsorted(oldest, "left")) - 1)
        while self._holes and self._holes[0][1] < oldest:
            del self._holes[0]

    def state(self) -> State:
        return {
            "kind": "series",
            "version": 3,
            "learned": self._learned,
            "rows": self._rows.state(),
            "holes": list(self._holes),
            "cvd": self._cvd,
            "day": self._day,
        }

    def restore(self, state: State) -> None:
        check_state(state, "series", 3)
        self._learned = state["learned"]
        self._rows.restore(state["rows"])
        self._holes = [(first, last) for first, last in state["holes"]]
        self._cvd, self._day = state["cvd"], state["day"]

    # ---- Learner

    def learn_bars(self, bars: Bars) -> None:
        """The session's CVD goes on from where minute bars say it stood when the market began."""
        if bars.step != MINUTE or self._learned >= 0 or not bars.sided:
            return
        bars = session_of(bars)
        day, delta = int(bars.t[0]) // DAY, 2 * sum(bars.bought.tolist()) - sum(bars.volume.tolist())
        if self._day not in (-1, day) and not len(self._rows):
            return
        inside = self._rows[_SLOT] * SLOT // DAY == day
        for column in (_CVD, _CVD_HIGH, _CVD_LOW):
            self._rows[column][inside] += delta
        if self._day in (-1, day):
            self._day, self._cvd = day, self._cvd + delta
        self._learned = day

    def warmed(self, field: str) -> str | None:
        """See Learner: until the session that began before the market is over."""
        del field
        return "the session before the start from minute bars" if 0 <= self._learned == self._day else None

    # ---- what a chart reads

    def holes(self) -> list[tuple[int, int]]:
        """Stretches [from, to) ns in which trades are known to be missing, in whole slots, ascending."""
        return [(first * SLOT, (last + 1) * SLOT) for first, last in self._holes]

    def hole(self, t: int, until: int | None = None) -> None:
        """Trades are known to be missing at clock `t`, or from there to `until`."""
        first, last = t // SLOT, max(t, until or t) // SLOT
        if self._holes and self._holes[-1][1] >= first:
            first = max(first, self._holes[-1][1] + 1)
        if first <= last:
            self._holes.append((first, last))

    def columns(self, step: int, count: int, t: int) -> SeriesView:
        """`count` columns of `step` ns (a multiple of 1 s), the last one holding the instant `t`.

        A column without trades keeps the price and CVD it began with; None before the first trade kept.
        """
        if step < SLOT or step % SLOT or count < 1:
            raise ValueError(f"{count} chart columns of {step} ns: the step must be whole seconds, the count above 0")
        width = step // SLOT
        first = t // step - count + 1
        slots = self._rows[_SLOT]
        begin, end = (int(i) for i in slots.searchsorted([first * width, (first + count) * width], "left"))
        columns = slots[begin:end] // width - first
        starts = np.flatnonzero(np.diff(columns, prepend=-1)) if end > begin else np.empty(0, np.int64)
        traded = columns[starts]
        ends = np.append(starts[1:], end - begin)[: len(starts)] - 1

        def kept(column: int) -> NDArray[np.int64]:
            return self._rows[column][begin:end]

        def carried(column: int) -> Ints:
            """Value at the end of each column; only right where `known`."""
            before = int(self._rows[column][begin - 1]) if begin else 0
            values = np.concatenate(([before], kept(column)[ends]))
            source = np.zeros(count, np.int64)
            source[traded] = np.arange(1, len(traded) + 1)
            return np.asarray(values[np.maximum.accumulate(source)], np.int64)

        def extreme(column: int, end_values: Ints, ufunc: np.ufunc) -> Ints:
            values = end_values.copy()
            if len(starts):
                values[traded] = ufunc.reduceat(kept(column), starts)
            return values

        def summed(column: int) -> tuple[float, ...]:
            values = np.zeros(count, np.int64)
            if len(starts):
                values[traded] = np.add.reduceat(kept(column), starts)
            return tuple(self._instrument.amounts(values).tolist())

        unknown = 0 if begin else (int(traded[0]) if len(traded) else count)
        price, cvd = carried(_LAST), carried(_CVD)
        hole = np.zeros(count, np.bool_)
        for begins, ends_at in self._holes:
            hole[max(begins // width - first, 0) : max(ends_at // width - first + 1, 0)] = True

        def shown(values: Floats) -> tuple[float | None, ...]:
            return (None,) * unknown + tuple(values[unknown:].tolist())

        instrument = self._instrument
        return SeriesView(
            step=step,
            start=first * step,
            price=shown(instrument.prices(price)),
            high=shown(instrument.prices(extreme(_HIGH, price, np.maximum))),
            low=shown(instrument.prices(extreme(_LOW, price, np.minimum))),
            cvd=shown(instrument.amounts(cvd)),
            cvd_high=shown(instrument.amounts(extreme(_CVD_HIGH, cvd, np.maximum))),
            cvd_low=shown(instrument.amounts(extreme(_CVD_LOW, cvd, np.minimum))),
            buy=summed(_BUY),
            sell=summed(_SELL),
            hole=tuple(hole.tolist()),
            warmed=self.warmed("cvd") is not None,
        )

    # ---- its parts

    def _cumulate(self, t: Ints, delta: Ints) -> tuple[Ints, Ints]:
        """Session CVD after and before each trade; carries it on."""
        running = self._cvd + np.cumsum(delta)
        days = t // DAY
        opening = np.diff(days, prepend=self._day) != 0
        base = np.zeros(len(t), np.int64)
        for i in np.flatnonzero(opening).tolist():
            base[i:] = running[i] - delta[i]
        cvd = running - base
        self._cvd, self._day = int(cvd[-1]), int(days[-1])
        return cvd, cvd - delta

    def _merge(self, new: list[NDArray[np.int64]]) -> None:
        """Into the last row, the trades that came later in its second."""
        for column in (_LAST, _CVD):
            self._rows[column][-1] = new[column][0]
        for column in (_HIGH, _CVD_HIGH):
            self._rows[column][-1] = max(self._rows[column][-1], new[column][0])
        for column in (_LOW, _CVD_LOW):
            self._rows[column][-1] = min(self._rows[column][-1], new[column][0])
        for column in (_BUY, _SELL):
            self._rows[column][-1] += new[column][0]
