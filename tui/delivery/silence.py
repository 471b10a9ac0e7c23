"""Markets from which nothing comes at all, by the wall clock: then their own clocks stand still, and with them every
rule that would notice."""

from __future__ import annotations

from collections.abc import Mapping

from tui.delivery.notification import Notification, of_recovery, of_trouble

#: Feeds tell of quiet markets by clock rows: after so many seconds without any row, something is broken.
SILENT_S = 30.0
_CHANNEL = "feed"


class Silence:
    """`look` at the markets now and then; times in ns, of the wall clock."""

    def __init__(self, began: int, after: float = SILENT_S) -> None:
        self._began = began
        self._after = int(after * 1e9)
        self._told: dict[str, int] = {}  # market -> silent since

    def look(self, now: int, received: Mapping[str, int | None]) -> list[Notification]:
        """What to tell, given when each market's newest row was received (None: it is not open yet)."""
        notes = []
        for market, recv in received.items():
            since = recv or self._began
            if market in self._told:
                if recv is not None and recv > self._told[market]:
                    notes.append(of_recovery(market, _CHANNEL, self._told.pop(market), now, "live"))
            elif now - since >= self._after:
                self._told[market] = since
                what = "nothing has come" if recv else "it has not opened"
                reason = f"{what} for {(now - since) / 1e9:.0f} s"
                notes.append(of_trouble(market, _CHANNEL, "SILENT", reason, since, now, "live"))
        return notes
