"""Notifications to send in tests."""

from __future__ import annotations

from typing import Any

from engine.alert_view import AlertEvent
from tests.tui.views import alert, make_view
from tui.delivery.notification import Notification, of_alert

_EVENT: AlertEvent = alert(make_view(steps=5))


def event(
    rule: str = "toxic", market: str = "binance:ETH/USDT", t: int = 1_750_500_000_000_000_000, **more: Any
) -> AlertEvent:
    from dataclasses import replace

    fields = {"kind": "fired", "severity": "warning", "message": "flow is one-sided", "value": 0.995, "delivered": True}
    return replace(_EVENT, **(fields | {"rule": rule, "market": market, "t": t, "t0": t - 3_000_000_000} | more))


def note(n: int = 0, rule: str = "toxic", **more: Any) -> Notification:
    """The n-th of as many different episodes as one likes, a second apart."""
    made = of_alert(event(rule, t=1_750_500_000_000_000_000 + n * 1_000_000_000, **more))
    assert made is not None
    return made
