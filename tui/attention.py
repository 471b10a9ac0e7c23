"""When an alert may make a sound or raise a toast: never a storm of either, however many rules fire."""

from __future__ import annotations

from engine.view import AlertEvent

_RULE_PAUSE = 5.0  # seconds between two bells of one rule and market
_BELL_PAUSE = 1.0  # seconds between any two bells
_TOAST_PAUSE = 2.0  # seconds between any two toasts; what fell between is counted in the next


class Attention:
    """Decides, by a clock given with every call (seconds, monotonic), what to do about an alert."""

    def __init__(self) -> None:
        self.muted = False
        self._rules: dict[tuple[str, str], float] = {}
        self._bell = self._toast = float("-inf")
        self._held_back = 0

    def ring(self, event: AlertEvent, now: float) -> bool:
        """Whether to sound the bell for this alert."""
        if self.muted or event.kind != "fired" or not event.delivered or now - self._bell < _BELL_PAUSE:
            return False
        key = (event.rule, event.market)
        if now - self._rules.get(key, float("-inf")) < _RULE_PAUSE:
            return False
        self._rules = {rule: at for rule, at in self._rules.items() if now - at < _RULE_PAUSE}
        self._rules[key] = self._bell = now
        return True

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
