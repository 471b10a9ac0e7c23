"""When the next picture may leave: what the terminal has acknowledged, how long that took, what the link carries.

Every picture ends with the cursor in a row of its own choosing and the question where it is (DSR 6). The answer comes
when the terminal has worked through everything before it, whatever buffers lie between: a program sees the far end of
an SSH connection in no other way. At most two pictures are under way; the second leaves when the first should just have
arrived, so that none waits in a buffer and grows old there.

Times are seconds of a monotonic clock that the caller reads.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MOST_UNDER_WAY = 2
#: Rows the cursor is parked in, in turn. Column 1, since a report of row 1 and another column is also Shift+F3.
TOKENS = 8
#: No answer to the first question for so long: the terminal is one that does not answer, until it does.
SILENT_S = 1.0
#: No answer to a later one for so long (and longer each time): what was sent is taken for lost.
LOST_S = 8.0
_GIVE_UP = 3  # after so many losses in a row the terminal counts as silent
_BASE_S = 60.0  # the least round trip of late is that of the last one to two such spans
_NEW = 0.3  # weight of a new measurement


@dataclass(slots=True)
class _Sent:
    token: int
    at: float
    size: int
    clear: float  # when the link should have carried it


class Flow:
    """The flow control of one terminal."""

    def __init__(self) -> None:
        self.round_trip: float | None = None  # seconds, smoothed; None: not known
        self.acknowledged = 0  # pictures
        self.lost = 0
        self._begin()

    def _begin(self) -> None:
        self._answers: bool | None = None  # None: not known yet
        self._asked: float | None = None
        self._under_way: deque[_Sent] = deque()
        self._turn = 0
        self._answered_at = 0.0
        self._base = self._last_base = float("inf")
        self._base_since = 0.0
        self._seconds_per_byte = 0.0
        self._failures = 0

    def begin(self, now: float) -> int:
        """The terminal is new or back: forget what was known. Returns the token of a first question."""
        self._begin()
        self._asked = now
        self._turn = 1
        return 0

    @property
    def answers(self) -> bool | None:
        """Whether the terminal answers; None while that is not known."""
        return self._answers

    @property
    def under_way(self) -> int:
        """Pictures without an answer yet."""
        return len(self._under_way)

    @property
    def bytes_per_s(self) -> float | None:
        """What the link seems to carry; None while nothing had to wait for it."""
        return 1 / self._seconds_per_byte if self._seconds_per_byte > 0 else None

    def wait(self, now: float) -> float:
        """Seconds until the next picture may leave; 0: at once. An answer may make it sooner."""
        if not self._under_way or not self._asks(now):
            return 0.0
        lost_at = self._lost_at()
        if now >= lost_at:
            return 0.0
        if len(self._under_way) >= MOST_UNDER_WAY:
            if self._answers is None and self._asked is not None:
                return max(0.001, self._asked + SILENT_S - now)
            return lost_at - now
        return max(0.0, self._under_way[-1].clear - now)

    def _lost_at(self) -> float:
        first = self._under_way[0]
        return first.at + max(LOST_S, 4 * (first.clear - first.at)) * 2.0**self._failures

    def _asks(self, now: float) -> bool:
        if self._answers is None and self._asked is not None and now - self._asked >= SILENT_S:
            self._silent()
        return self._answers is not False

    def _silent(self) -> None:
        self._answers = False
        self._under_way.clear()

    def overdue(self, now: float) -> bool:
        """Whether an answer is missing for too long. What was sent is then given up: the picture must be sent whole."""
        if not self._under_way or not self._asks(now):
            return False
        if now < self._lost_at():
            return False
        self.lost += len(self._under_way)
        self._under_way.clear()
        self._failures += 1
        if self._failures >= _GIVE_UP:
            self._silent()
        return True

    def next_token(self, now: float) -> int | None:
        """The row (from 0) to ask from after the picture that is about to leave; None: do not ask."""
        if not self._asks(now):
            return None
        return self._turn % TOKENS

    def sent(self, token: int | None, size: int, now: float) -> None:
        """A picture of `size` bytes has left, with its question if it has a token."""
        if token is None:
            return
        self._turn += 1
        begins = max(now, self._under_way[-1].clear) if self._under_way else now
        self._under_way.append(_Sent(token, now, size, begins + size * self._seconds_per_byte))

    def answered(self, token: int, now: float) -> bool:
        """An answer has come; False when it is none to a question of ours."""
        if self._answers is not True and self._asked is not None and token == 0:
            # To the first question, also when it comes late: the terminal does answer.
            self._answers = True
            self._learn(now - self._asked, now)
            self._asked = None
            return True
        sent = next((sent for sent in self._under_way if sent.token == token), None)
        if sent is None:
            # To what was given up: so it does arrive, and another question may be asked.
            self._answers = self._answers or self._answers is False
            return False
        self._answers = True
        self._failures = 0
        while self._under_way and self._under_way[0].at <= sent.at:
            self._under_way.popleft()
            self.acknowledged += 1
        self._learn(now - sent.at, now)
        # How long the link was busy with it alone: the way itself and what went before do not count.
        busy = now - max(sent.at + self.base, self._answered_at)
        if sent.size >= 256 or busy < sent.size * self._seconds_per_byte:
            sample = max(0.0, busy) / sent.size
            self._seconds_per_byte += _NEW * (sample - self._seconds_per_byte)
        self._answered_at = now
        return True

    @property
    def base(self) -> float:
        """The least round trip of late, in seconds: the way without any waiting."""
        least = min(self._base, self._last_base)
        return least if least < float("inf") else 0.0

    def _learn(self, took: float, now: float) -> None:
        if now - self._base_since > _BASE_S:
            self._last_base, self._base, self._base_since = self._base, float("inf"), now
        self._base = min(self._base, took)
        self.round_trip = took if self.round_trip is None else self.round_trip + _NEW * (took - self.round_trip)
