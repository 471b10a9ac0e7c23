"""Volume profile of any window, its value area and its nodes. METRICS 1.13.

Trades that leave the window are taken out of the profile again: sums are ints, so that is exact.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.anchored import since
from engine.metrics.batch import Batch, Floats
from engine.metrics.calculator import State
from engine.metrics.profile import Ledger
from engine.metrics.spec import Bound, Context, MetricSpec, Param
from engine.metrics.value_area import binned, point_of_control, value_area
from engine.metrics.volume_nodes import nearest, nodes
from engine.metrics.windows import DAY, Anchor, Columns, Exact, Span, Spoken, check_state
from engine.tape import Ints

LONGEST: Final = 7 * DAY


class RollingProfile:
    """Profile of the trades of (t - span, t], of the session, or of the tape. Fields: `name:b`, rows of b ticks.

    Names: `poc`, `vah`, `val`, and `hvn`, `lvn`: the high and low volume node nearest to the last price. Prices of
    rows are their lowest ticks, `vah` is the highest tick of its row.
    """

    def __init__(self, context: Context, span: Span) -> None:
        self._instrument = context.instrument
        self._span = span
        self._rows = Columns(*[np.int64] * 3)  # clock, ticks, lots
        self._dropped = 0
        self._ledger = Ledger()
        self._held = (0, 0)  # rows in the ledger: first, one past the last; counted from the first row ever
        #: Of a session whose first rows are gone: its UTC day, its first row counted from the first row ever.
        self._session = (-1, 0)
        self._before: tuple[Ledger, tuple[int, int]] | None = None  # its ledger and rows, once the next one was read
        self._known: dict[str, tuple[int, int, float]] = {}  # by field: rows, value

    def update(self, batch: Batch) -> None:
        if len(batch.trades):
            self._rows.append(batch.trades.t, batch.trades.px, batch.trades.qty)

    def sample(self, field: str, times: Ints) -> Floats:
        name, _, width = field.partition(":")
        end = self._rows[0].searchsorted(times, "right")
        out = np.full(len(times), np.nan)
        for i, (first, last) in enumerate(zip(self._begin(times, end).tolist(), end.tolist(), strict=True)):
            rows = (first, last + self._dropped)
            if rows[0] == rows[1]:
                continue
            known = self._known.get(field)
            if known is None or known[:2] != rows:
                self._move(*rows)
                ticks = self._read(name, int(width), int(self._rows[1][last - 1]))
                value = np.nan if ticks is None else self._instrument.price(ticks)
                self._known[field] = known = (*rows, value)
            out[i] = known[2]
        return out

    def _begin(self, times: Ints, end: Ints) -> Ints:
        """First row of the window that ends with each `end`, counted from the first row ever."""
        clock = self._rows[0]
        if isinstance(self._span, int):
            return clock.searchsorted(times - self._span, "right") + self._dropped
        if self._span == "start" or not len(clock):
            return np.zeros(len(times), np.int64)
        days = clock[np.maximum(end - 1, 0)] // DAY
        day, first = self._session
        return np.where(days == day, first, clock.searchsorted(days * DAY, "left") + self._dropped)

    def _move(self, first: int, last: int) -> None:
        """Let the ledger hold the rows first ... last - 1."""
        if self._before is not None and first < self._held[0]:  # back to the session before
            self._ledger, self._held = self._before
            self._before = None
        was_first, was_last = self._held
        self._held = (first, last)
        if first >= was_last or last <= was_first:
            if was_first < self._dropped and was_last > was_first:  # rows that are gone are in it
                self._before = self._ledger, (was_first, was_last)
            self._ledger = Ledger()
            self._add(first, last, 1)
            return
        self._add(first, was_first, 1)
        self._add(was_last, last, 1)
        self._add(was_first, first, -1)
        self._add(last, was_last, -1)

    def _add(self, first: int, last: int, sign: int) -> None:
        if first < last:
            _, px, qty = (self._rows[i][first - self._dropped : last - self._dropped] for i in range(3))
            self._ledger.add(px, qty, np.zeros(len(px), np.int64), sign)

    def _read(self, name: str, width: int, last: int) -> int | None:
        """Ticks, of the ledger as it stands, which must not be empty."""
        rows, volumes = binned(*self._ledger.levels(), width)
        if name in ("hvn", "lvn"):
            row = nearest(nodes(rows, volumes)[name == "lvn"], last // width)
            return None if row is None else row * width
        poc = point_of_control(rows, volumes)
        if name == "poc":
            return int(rows[poc]) * width
        low, high = value_area(rows, volumes, poc)
        return int(rows[low]) * width if name == "val" else int(rows[high]) * width + width - 1

    def advance(self, t: int) -> None:
        at = np.array([t])
        end = self._rows[0].searchsorted(at, "right")
        first, last = int(self._begin(at, end)[0]) - self._dropped, int(end[0])
        if self._span == "start":  # nothing leaves: what is in the ledger need not be kept but for the last price
            self._move(0, max(self._held[1], last + self._dropped))
            gone = last - 1
        elif self._span == "session":  # nothing leaves before all of it does
            if last:
                begins, ends = first + self._dropped, last + self._dropped
                self._session = (int(self._rows[0][last - 1]) // DAY, begins)
                if self._held[0] != begins or self._held[1] < ends:
                    self._move(begins, ends)
                if self._before is not None and self._before[1][0] < begins:
                    self._before = None
            gone = last - 1
        else:
            held = (max(self._held[0], first + self._dropped), max(self._held[1], first + self._dropped))
            if held != self._held:
                self._move(*held)
            gone = first
        if gone > 0:
            self._rows.drop(gone)
            self._dropped += gone

    def levels(self) -> tuple[Ints, Exact]:
        """Prices that traded since the start, ascending (ticks), and their volumes (lots). For the span "start"."""
        self._move(0, self._dropped + len(self._rows))
        return self._ledger.levels()

    def state(self) -> State:
        if self._before is not None:  # what was read ahead of the next session is read again from its rows
            self._ledger, self._held = self._before
            self._before = None
            self._known.clear()
        return {
            "kind": "rolling profile",
            "version": 2,
            "session": list(self._session),
            "span": self._span,
            "rows": self._rows.state(),
            "dropped": self._dropped,
            "ledger": self._ledger.state(),
            "held": list(self._held),
        }

    def restore(self, state: State) -> None:
        check_state(state, "rolling profile", 2)
        self._session, self._before = (state["session"][0], state["session"][1]), None
        if state["span"] != self._span:
            raise ValueError(f"state of a profile over {state['span']}, not {self._span}")
        self._rows.restore(state["rows"])
        self._dropped = state["dropped"]
        self._ledger = Ledger()
        self._ledger.restore(state["ledger"])
        self._held = (state["held"][0], state["held"][1])
        self._known.clear()


def rolling(name: str, width: int, span: Spoken) -> Bound:
    """A field of the profile of a span; ValueError for a window that is too long."""
    if isinstance(span, Anchor):
        return since(rolling(name, width, "start"), span, seeded=name in ("poc", "vah", "val"))
    if isinstance(span, int) and span > LONGEST:
        raise ValueError(f"the window of a profile must be at most {LONGEST // DAY} days")
    return Bound(
        share=("rolling profile", span),
        make=lambda context: RollingProfile(context, span),
        field=f"{name}:{width}",
        needs_trades=True,
    )


_WIDTH = Param("b", "count", "10", "ticks a row of the profile holds: wide enough that rows are not mere noise")
_W = Param("W", "anchored", "session", "window, or session (the UTC day), or start, or a UTC time")
_WARMUP = "from the first trade on, covering what the tape holds of W; null while it has no such node"

SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "hvn",
        (_WIDTH, _W),
        "price",
        "high volume node nearest to the last price: a local maximum of the volume by price, smoothed over 3 rows",
        _WARMUP,
        lambda width, span: rolling("hvn", width, span),
        "profile",
    ),
    MetricSpec(
        "lvn",
        (_WIDTH, _W),
        "price",
        "low volume node nearest to the last price: a local minimum between high volume nodes",
        _WARMUP,
        lambda width, span: rolling("lvn", width, span),
        "profile",
    ),
)
