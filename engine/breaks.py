"""Where a tape does not hang together: breaks of a channel, and stretches in which nothing at all was heard.

No difference is to be taken across a break of the channel it stands on: the book was replaced or lost, trades are
missing. In a silence nobody knows what the market did.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.metrics.batch import Bools
from engine.tape import Channel, Ints

#: After so long (ns) without any row, not even one that says that time has passed, nothing is known.
SILENCE: Final = 60_000_000_000
_CHANNELS: Final = (Channel.BOOK, Channel.TRADES)


class BreakLog:
    """Breaks and silences that no grid instant has passed yet."""

    def __init__(self) -> None:
        self._breaks: dict[Channel, list[int]] = {channel: [] for channel in _CHANNELS}
        self._passed = dict.fromkeys(_CHANNELS, 0)  # breaks before those in the list
        self._silences: list[tuple[int, int]] = []

    def broke(self, t: int, channel: Channel) -> None:
        """What comes of a channel from the clock `t` on does not follow what came before."""
        self._breaks[channel].append(t)

    def heard(self, t: int, after: int) -> None:
        """A row came at the clock `t`, the one before at `after`."""
        if after and t - after > SILENCE:
            self._silences.append((after + SILENCE, t))

    def heard_all(self, clock: Ints, after: int) -> None:
        """The same of rows with ascending clocks."""
        before = np.concatenate(([after], clock[:-1]))
        for i in np.flatnonzero(clock - before > SILENCE).tolist():
            self.heard(int(clock[i]), int(before[i]))

    def epochs(self, times: Ints) -> tuple[Ints, Ints]:
        """Breaks of (book, trades) by ascending instants, counted from some start."""
        book, trades = (
            self._passed[channel] + np.asarray(self._breaks[channel], np.int64).searchsorted(times, "right")
            for channel in _CHANNELS
        )
        return book, trades

    def silent(self, times: Ints) -> Bools | None:
        """Where instants lie in a silence; None: nowhere."""
        if not self._silences:
            return None
        out = np.zeros(len(times), np.bool_)
        for begin, end in self._silences:
            out |= (begin <= times) & (times < end)
        return out

    def advance(self, t: int) -> None:
        """No instant before `t` will be asked for any more."""
        for channel, breaks in self._breaks.items():
            gone = int(np.searchsorted(breaks, t, "right")) if breaks else 0
            if gone:
                self._passed[channel] += gone
                del breaks[:gone]
        if self._silences and self._silences[0][1] <= t:
            self._silences = [each for each in self._silences if each[1] > t]
