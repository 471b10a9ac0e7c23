"""News of one kind that come again and again: a line, then at most one a minute that says how many there were."""

from __future__ import annotations

from collections.abc import Hashable

#: Between two lines of one kind, ns of the clock that is given.
PAUSE = 60_000_000_000
_MOST_KINDS = 1000


class Counted:
    """`tell` with any clock in ns; one that goes back counts as a new minute."""

    def __init__(self) -> None:
        self._since: dict[Hashable, tuple[int, int]] = {}  # when the last line was, and how many came since

    def tell(self, kind: Hashable, now: int) -> int | None:
        """How many there were since the last line, this one included; None: not now."""
        at, count = self._since.get(kind, (None, 0))
        if at is not None and 0 <= now - at < PAUSE:
            self._since[kind] = at, count + 1
            return None
        self._since.pop(kind, None)
        while len(self._since) >= _MOST_KINDS:
            self._since.pop(next(iter(self._since)))
        self._since[kind] = now, 0
        return count + 1
