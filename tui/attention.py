"""When an alert may raise a toast: never a storm of them, however many rules fire."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent

_TOAST_PAUSE = 2.0  # seconds between any two toasts; what fell between is counted in the next


class Attention:
    """Decides, by a clock given with every call (seconds, monotonic), what to do about an alert."""

    def __init__(self) -> None:
        self._toast = float("-inf")
        self._held_back = 0

    def toast(self, event: AlertEvent, now: float) -> str | None:
        """The text of a toast for this alert, or None: too soon after the last one, resolved, or in its cooldown."""
        if event.kind != "fired" or not event.delivered:
            return None
        if now - self._toast < _TOAST_PAUSE:
            self._held_back += 1
            return None
        more = f" (and {self._held_back} more)" if self._held_back else ""
        self._toast, self._held_back = now, 0
        return f"{event.market}  {event.message or event.when}{more}"
