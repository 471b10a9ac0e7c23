"""The last K closed bars as rows a regression or a mean runs over, those that only time has closed included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.metrics.bars import BarCutter, Bars
from engine.metrics.batch import Floats
from engine.metrics.calculator import State
from engine.metrics.windows import Columns, Exact, check_state
from engine.tape import Ints

Table = tuple[NDArray[Any], ...]  # the end of each bar, then the columns kept of it


class BarStore:
    """Cuts bars and keeps of each what `rows` makes of it: (which bars count, one column per dtype).

    The columns have one row per bar that counts. A window at t holds the last `count` bars that ended by t,
    (t - count bars, t]; those left out by `rows` are missing from it, not replaced by older ones.
    """

    def __init__(
        self,
        bar: int,
        count: int,
        levels: int,
        flows: int,
        dtypes: Sequence[Any],
        rows: Callable[[Bars], tuple[NDArray[np.bool_], tuple[NDArray[Any], ...]]],
    ) -> None:
        self.span = bar * count
        self._cutter = BarCutter(bar, levels, flows, count)
        self._rows = rows
        self._kept = Columns(np.int64, *dtypes)

    @property
    def open_end(self) -> int | None:
        """The end of the open bar, ns; None before the first row."""
        return self._cutter.open_end

    def update(self, level_t: Ints, levels: Ints, flow_t: Ints, flows: Sequence[Exact], until: int) -> None:
        """As `BarCutter.cut`."""
        bars = self._cutter.cut(level_t, levels, flow_t, flows, until)
        if bars is not None:
            self._kept.append(*self._table(bars))

    def values(self, times: Ints, value: Callable[[Table], float]) -> Floats:
        """`value` of the window at each time; it is called once per distinct window."""
        if not len(times):
            return np.empty(0)
        table = tuple(self._kept[i] for i in range(self._kept.width))
        pending = self._cutter.pending(int(times[-1]))
        if pending is not None:
            table = tuple(np.concatenate(pair) for pair in zip(table, self._table(pending), strict=True))
        begin = table[0].searchsorted(times - self.span, "right")
        end = table[0].searchsorted(times, "right")
        if len(times) == 1:
            return np.array([value(tuple(column[begin[0] : end[0]] for column in table))])
        windows, back = np.unique(np.stack((begin, end)), axis=1, return_inverse=True)
        found = [value(tuple(column[lo:hi] for column in table)) for lo, hi in windows.T.tolist()]
        return np.array(found, np.float64)[back.reshape(-1)]

    def forget(self, t: int) -> None:
        """No window will end before `t`."""
        self._kept.drop(int(self._kept[0].searchsorted(t - self.span, "right")))

    def _table(self, bars: Bars) -> Table:
        counts, columns = self._rows(bars)
        return (bars.end[counts], *columns)

    def state(self) -> State:
        return {"kind": "bar store", "version": 1, "cutter": self._cutter.state(), "kept": self._kept.state()}

    def restore(self, state: State) -> None:
        check_state(state, "bar store", 1)
        self._cutter.restore(state["cutter"])
        self._kept.restore(state["kept"])
