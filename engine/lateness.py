"""How late the messages of a market come, for the status line: a sample a fold, against the fastest of some minutes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

#: Messages that the percentiles are of: at 20 folds a second about a quarter of a minute.
_SAMPLES = 256
#: The fastest message is that of one or two such stretches, ns.
_STRETCH = 300_000_000_000


@dataclass(frozen=True, slots=True)
class LatencyView:
    """Receive minus exchange time of recent messages, ms. `fastest` is the difference of both clocks and the fastest
    way; below 0 our clock is behind the venue's."""

    median: float
    p99: float
    fastest: float


class Lateness:
    """One market's. It is of this run only: a clock that is set anew shows within minutes."""

    def __init__(self) -> None:
        self._lags: deque[int] = deque(maxlen=_SAMPLES)
        self._began = 0
        self._fastest: int | None = None  # of the present stretch
        self._before: int | None = None  # of the one before

    def add(self, t: int, lag: int) -> None:
        """A message, `lag` ns after its time, at the clock `t`."""
        self._lags.append(lag)
        if t - self._began > _STRETCH:
            self._began, self._before, self._fastest = t, self._fastest, lag
        elif self._fastest is None or lag < self._fastest:
            self._fastest = lag

    def view(self) -> LatencyView | None:
        """Now; None before the first message."""
        if self._fastest is None:
            return None
        lags = sorted(self._lags)
        fastest = self._fastest if self._before is None else min(self._fastest, self._before)
        p99 = lags[-(-99 * len(lags) // 100) - 1]
        return LatencyView(lags[len(lags) // 2] / 1e6, p99 / 1e6, fastest / 1e6)
