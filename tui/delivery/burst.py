"""A burst limit: so many a minute, and one line for all that were held back."""

from __future__ import annotations

from tui.delivery.notification import SEVERITIES, Notification, Origin, of_suppression


class Burst:
    """A bucket of `per_minute` tokens that refills evenly. Times are seconds of any clock, given with every call;
    one that goes backwards counts as standing still."""

    def __init__(self, per_minute: int) -> None:
        self._size = self._tokens = float(per_minute)
        self._now: float | None = None
        self._counts: dict[str, int] = {}
        self._severity = "info"
        self._since = 0  # event time of the first that was held back, ns
        self.suppressed = 0  # in all

    def _refill(self, now: float) -> None:
        if self._now is None or now > self._now:
            elapsed = 0.0 if self._now is None else now - self._now
            self._tokens = min(self._size, self._tokens + elapsed * self._size / 60)
            self._now = now

    def admit(self, note: Notification, now: float) -> bool:
        """Whether it may be sent; else it counts for the summary. Nothing overtakes a summary that is due."""
        self._refill(now)
        if self._tokens >= 1 and not self._counts:
            self._tokens -= 1
            return True
        self.suppressed += 1
        if not self._counts:
            self._since = note.t
        name = note.rule or note.kind
        self._counts[name] = self._counts.get(name, 0) + 1
        self._severity = max(self._severity, note.severity, key=SEVERITIES.index)
        return False

    def summary(self, now: float, t: int, origin: Origin, *, last: bool = False) -> Notification | None:
        """The line for what was held back, when there is room for it again (or at the `last`); None: not yet, or
        nothing was. `t` is the event time it is stamped with, ns."""
        self._refill(now)
        if not self._counts or (self._tokens < 1 and not last):
            return None
        self._tokens = max(0.0, self._tokens - 1)
        counts, self._counts = self._counts, {}
        severity, self._severity = self._severity, "info"
        return of_suppression(counts, severity, self._since, t, origin)

    @property
    def wait(self) -> float | None:
        """Seconds until a summary is due; None: none is waiting."""
        if not self._counts:
            return None
        return max(0.0, (1 - self._tokens) * 60 / self._size)
