"""Stores under the windowed metrics: growing columns, values as of a time, exact sums over windows.

Everything summed is an integer and every sum is exact: int64 while it fits, Python's own integers
once it doesn't, so a sum over a window is the same number wherever the tape was cut.
Windows are half-open, (t - W, t]. METRICS 0.2, 0.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.tape import Ints

#: int64, or Python ints in an array of dtype object where int64 would overflow.
Exact = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A window that begins at a time the user named (included) and has no end."""

    t: int  # ns since the Unix epoch


#: A window: its length in ns, "session" (the UTC day of the last trade), "start" (of the tape), or since an anchor.
#: Calculators see no anchors: anchored.py gives them the trades since then.
Span = int | str
Spoken = Span | Anchor

DAY = 86_400_000_000_000
_NEVER = -(1 << 63)
_SAFE = 1 << 62
_FLOAT_EXACT = 1 << 53
_MIN_ROWS = 64


def exact_product(bound: int, *factors: Ints) -> Exact:
    """Elementwise product; `bound` is at least every |product|. Never overflows."""
    wide: Exact = factors[0] if bound < _SAFE else factors[0].astype(object)
    for factor in factors[1:]:
        wide = wide * (factor if bound < _SAFE else factor.astype(object))
    return wide


def to_floats(x: Exact) -> Floats:
    """Integers to the nearest doubles, whichever way they are held."""
    return x.astype(np.float64)


def quotients(x: Exact, numerator: int, denominator: int) -> Floats:
    """x * numerator / denominator, correctly rounded (so the same however x is held)."""
    if x.dtype != object and len(x) and denominator < _FLOAT_EXACT:
        top = max(abs(int(x.max())), abs(int(x.min()))) * numerator
        if top < _FLOAT_EXACT:
            return np.asarray(x * numerator / denominator, np.float64)
    return np.array([v * numerator / denominator for v in x.tolist()], np.float64)


def check_state(state: State, kind: str, version: int) -> None:
    """Raises ValueError unless `state` is of this kind and version."""
    found = (state.get("kind"), state.get("version"))
    if found != (kind, version):
        raise ValueError(f"state of {found[0]!r} version {found[1]!r} is not one of {kind!r} version {version}")


class Columns:
    """Parallel columns that grow at the end and are forgotten from the front, amortised O(1) a row."""

    def __init__(self, *dtypes: Any) -> None:
        self._arrays: list[NDArray[Any]] = [np.empty(_MIN_ROWS, dtype) for dtype in dtypes]
        self._head = 0
        self._tail = 0

    def __len__(self) -> int:
        return self._tail - self._head

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self._arrays)

    def __getitem__(self, column: int) -> NDArray[Any]:
        """The live rows of a column: a view, good until the next change."""
        return self._arrays[column][self._head : self._tail]

    def append(self, *columns: Any) -> None:
        """Rows at the end: one array (or a sequence) per column, all of one length."""
        n = len(columns[0])
        if self._tail + n > len(self._arrays[0]):
            self._make_room(n)
        start, self._tail = self._tail, self._tail + n
        for array, new in zip(self._arrays, columns, strict=True):
            array[start : self._tail] = new

    def drop(self, rows: int) -> None:
        """Forget that many rows from the front."""
        self._head += max(0, min(rows, len(self)))

    def retract(self, rows: int) -> None:
        """Take back that many rows from the end."""
        self._tail -= max(0, min(rows, len(self)))

    def replace(self, column: int, values: NDArray[Any]) -> None:
        """Other values, maybe of another dtype, for all live rows of a column."""
        array = np.empty(len(self._arrays[column]), values.dtype)
        array[self._head : self._tail] = values
        self._arrays[column] = array

    def state(self) -> list[Any]:
        """Copies of the columns; those of Python ints as lists."""
        return [self[i].tolist() if a.dtype == object else self[i].copy() for i, a in enumerate(self._arrays)]

    def restore(self, columns: Sequence[Any]) -> None:
        """Take over `state()`; raises ValueError when it does not fit."""
        if len(columns) != len(self._arrays) or len({len(c) for c in columns}) != 1:
            raise ValueError(f"{len(columns)} columns of unequal length or number, not {len(self._arrays)} equal ones")
        arrays: list[NDArray[Any]] = []
        for old, new in zip(self._arrays, columns, strict=True):
            wide = isinstance(new, list) and old.dtype != np.float64
            arrays.append(np.array(new, object if wide else old.dtype))
        n = len(columns[0])
        self._arrays = [np.empty(max(_MIN_ROWS, 2 * n), a.dtype) for a in arrays]
        self._head, self._tail = 0, n
        for array, new in zip(self._arrays, arrays, strict=True):
            array[:n] = new

    def _make_room(self, n: int) -> None:
        """Move the live rows to the front of arrays at least half empty afterwards, so that moves stay rare."""
        live = len(self)
        capacity = max(_MIN_ROWS, 2 * (live + n))
        for i, old in enumerate(self._arrays):
            array = np.empty(capacity, old.dtype)
            array[:live] = old[self._head : self._tail]
            self._arrays[i] = array
        self._head, self._tail = 0, live


class Steps:
    """Step functions of time: the value as of t is that of the last row with clock <= t."""

    def __init__(self, *dtypes: Any) -> None:
        self._columns = Columns(np.int64, *dtypes)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def clock(self) -> Ints:
        """Clocks of the retained rows, ns (a view)."""
        return self._columns[0]

    def values(self, column: int = 0) -> NDArray[Any]:
        """A value column over the retained rows (a view)."""
        return self._columns[column + 1]

    def append(self, t: Any, *columns: Any) -> None:
        """Rows with ascending clocks."""
        self._columns.append(t, *columns)

    def position(self, times: Ints) -> Ints:
        """Row in force at each time; -1 before the first."""
        return self.clock.searchsorted(times, "right") - 1

    def at(self, times: Ints, column: int = 0) -> Floats:
        """A column as of each time, float64, NaN before the first row."""
        out = np.full(len(times), np.nan)
        position = self.position(times)
        known = position >= 0
        out[known] = self.values(column)[position[known]]
        return out

    def forget(self, t: int) -> None:
        """Drop the rows that are no longer in force at `t`."""
        self._columns.drop(int(self.clock.searchsorted(t, "right")) - 1)

    def state(self) -> State:
        return {"kind": "steps", "version": 1, "columns": self._columns.state()}

    def restore(self, state: State) -> None:
        check_state(state, "steps", 1)
        self._columns.restore(state["columns"])


class Sums:
    """Exact sums of integer columns over any window that ends within the retained time.

    Prefix sums are held; the oldest retained row only says where the sums stood. A window that
    reaches further back than what is retained sums what is retained.
    """

    def __init__(self, columns: int) -> None:
        self._rows = Columns(np.int64, *[np.int64] * columns)
        self._rows.append([_NEVER], *[[0]] * columns)
        self._newest = [0] * columns  # the held prefix sums after the last row
        self._wide = False  # some column is held as Python ints
        self._offsets = [0] * columns  # what has been taken off the held prefix sums to keep them small
        self._dropped = 0  # rows forgotten, the row that only holds the sums not counted
        self._marks: list[tuple[int, ...]] = []  # session starts: clock of its first row, rows before, sums before
        self.first: int | None = None  # clock of the first row ever

    def __len__(self) -> int:
        return len(self._rows) - 1

    @property
    def clock(self) -> Ints:
        """Clocks of the retained rows (a view)."""
        return self._rows[0][1:]

    def append(self, t: Ints, terms: Sequence[Exact], bounds: Sequence[int]) -> None:
        """Rows with ascending clocks; `bounds[i]` is at least the sum of |terms[i]|."""
        if not len(t):
            return
        before = len(self._rows)
        held = self._newest
        if not self._wide and max(map(abs, held)) + max(bounds) < _SAFE:  # nearly always: all columns in one step
            running: Ints = np.array(terms, np.int64)
            running[:, 0] += held
            np.cumsum(running, axis=1, out=running)
            self._rows.append(t, *running)
            self._newest = running[:, -1].tolist()
        else:
            prefixes = [self._prefix(i, x, bound) for i, (x, bound) in enumerate(zip(terms, bounds, strict=True))]
            self._rows.append(t, *prefixes)
            self._newest = [int(prefix[-1]) for prefix in prefixes]
        if self.first is None:
            self.first = int(t[0])
        last_day = self._marks[-1][0] // DAY if self._marks else None
        if int(t[-1]) // DAY != last_day:
            self._mark(t, before, last_day)

    def known(self, times: Ints) -> NDArray[np.bool_]:
        """Whether any row had come by each time."""
        if self.first is None:
            return np.zeros(len(times), np.bool_)
        return times >= self.first

    def window(self, times: Ints, span: Span) -> Window:
        """The window of a span that ends at each time."""
        clock = self._rows[0]
        end = np.maximum(clock.searchsorted(times, "right") - 1, 0)
        if isinstance(span, int):
            return Window(self, end, np.maximum(clock.searchsorted(times - span, "right") - 1, 0), None)
        if span == "start" or not self._marks:
            return Window(self, end, None, None)
        starts = np.array([mark[0] for mark in self._marks], np.int64)
        return Window(self, end, None, np.maximum(starts.searchsorted(times, "right") - 1, 0))

    def forget(self, t: int) -> None:
        """No window will begin before `t`, and no session be asked for that had ended by then."""
        rows = int(self._rows[0].searchsorted(t, "right")) - 1
        if rows > 0:
            self._rows.drop(rows)
            self._dropped += rows
        while len(self._marks) > 1 and self._marks[1][0] <= t:
            del self._marks[0]

    def state(self) -> State:
        return {
            "kind": "sums",
            "version": 1,
            "rows": self._rows.state(),
            "offsets": list(self._offsets),
            "dropped": self._dropped,
            "marks": [list(mark) for mark in self._marks],
            "first": self.first,
        }

    def restore(self, state: State) -> None:
        check_state(state, "sums", 1)
        if len(state["offsets"]) != len(self._offsets) or not len(state["rows"][0]):
            raise ValueError(f"state of {len(state['offsets'])} sums, not {len(self._offsets)}")
        self._rows.restore(state["rows"])
        self._newest = [int(self._rows[i + 1][-1]) for i in range(len(self._offsets))]
        self._wide = any(self._rows[i + 1].dtype == object for i in range(len(self._offsets)))
        self._offsets = list(state["offsets"])
        self._dropped = state["dropped"]
        self._marks = [tuple(mark) for mark in state["marks"]]
        self.first = state["first"]

    # ---- how the sums are held

    def _prefix(self, i: int, terms: Exact, bound: int) -> Exact:
        """Prefix sums of the new rows of column i, going on from the held ones."""
        held = self._rows[i + 1]
        if held.dtype != object:
            if abs(int(held[-1])) + bound >= _SAFE:
                self._lower(i)
                bound = sum(abs(v) for v in terms.tolist())
                held = self._rows[i + 1]
            if abs(int(held[-1])) + bound < _SAFE:
                running: Exact = np.cumsum(terms.astype(np.int64, copy=False)) + held[-1]
                return running
            self._rows.replace(i + 1, held.astype(object))
            self._wide = True
            held = self._rows[i + 1]
        wide: Exact = np.cumsum(terms.astype(object)) + held[-1]
        return wide

    def _lower(self, i: int) -> None:
        """Count from the oldest retained row instead of from further back."""
        held = self._rows[i + 1]
        base = int(held[0])
        self._offsets[i] += base
        self._rows.replace(i + 1, held - base)

    def _mark(self, t: Ints, before: int, last_day: int | None) -> None:
        days = t // DAY
        starts = (np.flatnonzero(np.diff(days)) + 1).tolist()
        if int(days[0]) != last_day:
            starts.insert(0, 0)
        for start in starts:
            row = before + start - 1
            sums = [int(self._rows[i + 1][row]) + offset for i, offset in enumerate(self._offsets)]
            self._marks.append((int(t[start]), self._dropped + row, *sums))

    def _held(self, column: int) -> Exact:
        return self._rows[column + 1]

    def _base(self, column: int) -> Exact:
        """Per session: what the held prefix sums stood at when it began."""
        bases = [mark[column + 2] - self._offsets[column] for mark in self._marks]
        wide = any(abs(base) >= _SAFE for base in bases)
        return np.array(bases, object if wide else np.int64)


class Window:
    """Windows over `Sums`, one per time asked for."""

    def __init__(self, sums: Sums, end: Ints, begin: Ints | None, session: Ints | None) -> None:
        self._sums = sums
        self._end = end
        self._begin = begin
        self._session = session

    def sum(self, column: int) -> Exact:
        """Exact sums of a column, shape (number of times,)."""
        sums = self._sums
        held = sums._held(column)
        total: Exact = held[self._end]
        if self._begin is not None:
            return _minus(total, held[self._begin])
        if self._session is not None:
            return _minus(total, sums._base(column)[self._session])
        return _minus(total, np.full(1, -sums._offsets[column], object)) if sums._offsets[column] else total

    def session_start(self) -> Ints:
        """Clock of the first row of each window's session."""
        marks = np.array([mark[0] for mark in self._sums._marks], np.int64)
        return marks if self._session is None else marks[self._session]

    def count(self) -> Ints:
        """Number of rows in each window."""
        sums = self._sums
        if self._begin is not None:
            return self._end - self._begin
        if self._session is not None:
            rows = np.array([mark[1] for mark in sums._marks], np.int64)
            return self._end + sums._dropped - rows[self._session]
        return self._end + sums._dropped


def _minus(a: Exact, b: Exact) -> Exact:
    """a - b; held prefix sums are below 2^62 when they are int64, so their difference fits."""
    wide = object in (a.dtype, b.dtype)
    difference: Exact = a.astype(object) - b.astype(object) if wide else a - b
    return difference


def plus_where(sums: Exact, more: int, where: NDArray[np.bool_]) -> Exact:
    """sums + more, where it applies; exact."""
    if sums.dtype == object or abs(more) >= _SAFE // 2 or bool(np.any(np.abs(sums) >= _SAFE // 2)):
        wide: Exact = sums.astype(object) + np.where(where, np.array(more, object), 0)
        return wide
    return sums + np.where(where, more, 0)
