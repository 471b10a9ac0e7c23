"""The trades around an alert: what it was about can be looked at later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.alert_view import EvidenceTrade
from engine.metrics.windows import Columns, check_state

if TYPE_CHECKING:
    from engine.metrics.batch import Batch, Floats
    from engine.metrics.calculator import State
    from engine.tape import Ints

#: So long (ns) before and after an alert, and at most so many trades on each side, those nearest to it.
AROUND: Final = 60_000_000_000
MOST: Final = 500
_T: Final = 0


@dataclass
class _Open:
    """An alert whose minute after has not passed."""

    key: str
    t: int
    before: list[Ints]  # clock, price, size, side
    missed: int  # trades of the minute before that are too many
    after: list[list[Ints]]
    count: int = 0
    over: int = 0  # trades of the minute after that are too many
    closed: bool = False


class TradeLog:
    """A calculator (engine.metrics.calculator.Calculator) that computes nothing: it keeps the trades of the last
    minute, and of those around each alert that `open` named. A restart begins it anew."""

    def __init__(self, kept: int = 200) -> None:
        self._rows = Columns(*[np.int64] * 4)
        self._minute = Columns(np.int64)  # the clock of every trade of a minute: how many there were is told exactly
        self._kept = kept
        self._alerts: dict[str, _Open] = {}

    def open(self, key: str, t: int) -> None:
        """An alert is stamped with the clock `t`: keep what is around it."""
        clock = self._rows[_T]
        begin, end = clock.searchsorted((t - AROUND, t), "right")
        first = max(int(begin), int(end) - MOST)
        since, until = self._minute[0].searchsorted((t - AROUND, t), "right")
        missed = int(until) - int(since) - (int(end) - first)
        alert = _Open(key, t, [self._rows[i][first:end].copy() for i in range(4)], missed, [])
        self._add(alert, [self._rows[i][end:] for i in range(4)])
        self._alerts[key] = alert
        while len(self._alerts) > self._kept:
            del self._alerts[next(iter(self._alerts))]

    def _add(self, alert: _Open, columns: list[Ints]) -> None:
        end = int(columns[_T].searchsorted(alert.t + AROUND, "right"))
        taken = min(end, MOST - alert.count)
        if taken:
            alert.after.append([column[:taken].copy() for column in columns])
        alert.count += taken
        alert.over += end - taken
        alert.closed = end < len(columns[_T])

    def around(self, key: str) -> tuple[tuple[EvidenceTrade, ...], int, int, bool] | None:
        """(trades around an alert, how many of the minute before and after it are not kept, whether the minute after
        has passed); None when it is not known (any more)."""
        alert = self._alerts.get(key)
        if alert is None:
            return None
        pieces = [alert.before, *alert.after]
        columns = [np.concatenate([piece[i] for piece in pieces]).tolist() for i in range(4)]
        trades = tuple(EvidenceTrade(*row) for row in zip(*columns, strict=True))
        return trades, alert.missed, alert.over, alert.closed

    # ---- Calculator

    def update(self, batch: Batch) -> None:
        """See Calculator."""
        trades = batch.trades
        for alert in self._alerts.values():
            if not alert.closed:
                if len(trades):
                    self._add(alert, [trades.t, trades.px, trades.qty, trades.side])
                alert.closed |= batch.end > alert.t + AROUND
        if len(trades):
            self._rows.append(trades.t, trades.px, trades.qty, trades.side)
            self._minute.append(trades.t)

    def sample(self, field: str, times: Ints) -> Floats:
        """It has no values."""
        raise ValueError(f"the trades around alerts have no value {field!r}")

    def advance(self, t: int) -> None:
        """See Calculator."""
        clock = self._rows[_T]
        old, past = int(clock.searchsorted(t - AROUND, "right")), int(clock.searchsorted(t, "left"))
        # Of a busy minute only the newest can be asked for.
        self._rows.drop(max(old, past - MOST - 1))
        self._minute.drop(int(self._minute[0].searchsorted(t - AROUND, "right")))

    def state(self) -> State:
        """See Calculator."""
        return {"kind": "alert evidence", "version": 1}

    def restore(self, state: State) -> None:
        """See Calculator."""
        check_state(state, "alert evidence", 1)
