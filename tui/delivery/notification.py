"""What is told: an alert, trouble with a feed, or a test, with its text for people and its payload for programs.

Both texts are plain: whatever a venue or a rule of the user put into them has gone through `tui.untrusted`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent

Kind = Literal["fired", "repeated", "resolved", "trouble", "recovered", "suppressed", "test"]
Origin = Literal["live", "recording", "simulator"]
_ALERTS: Mapping[str, Kind] = {"fired": "fired", "repeated": "repeated", "resolved": "resolved"}
SEVERITIES = ("info", "warning", "high")
#: Of the JSON object; a field may be added under the same number, not taken away or given another meaning.
SCHEMA = 1
_TITLE, _TEXT = 80, 300
_AROUND = 60_000_000_000  # ns before and after an alert that are worth a look


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to tell. `key` is the same whenever the same thing is told again, by whichever process."""

    key: str
    kind: Kind
    severity: str  # one of SEVERITIES
    rule: str
    market: str
    t: int  # event time, ns since the Unix epoch
    title: str
    text: str
    payload: dict[str, Any]  # JSON values only

    def body(self) -> bytes:
        """The payload as JSON in ASCII: also on a terminal it is nothing but text."""
        return json.dumps(self.payload, allow_nan=False, separators=(",", ":")).encode("ascii")


def of_alert(event: AlertEvent, origin: Origin = "live") -> Notification | None:
    """What the engine wants announced of an episode; None for the rest. The payload has every field of the event."""
    if not event.delivered or event.kind not in _ALERTS:
        return None
    kind = _ALERTS[event.kind]
    detail = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
    detail |= {"episode": event.episode, "window": [event.t - _AROUND, event.t + _AROUND]}
    if kind == "resolved":
        text = f"over: {event.reason}" if event.reason else "over"
    else:
        value = "" if event.value is None else f" (now {event.value:.6g})"
        text = f"{event.message or event.when}{value}"
    again = "still " if kind == "repeated" else ""
    return _notification(
        event.key, kind, event.severity, event.rule, event.market, event.t,
        f"{event.market}: {again}{event.rule}", text, origin, detail,
    )  # fmt: skip


def of_trouble(market: str, channel: str, state: str, reason: str, since: int, t: int, origin: Origin) -> Notification:
    """A channel of a market can't be relied on since `since` (ns)."""
    detail = {"channel": channel, "state": state, "reason": reason, "since": since}
    why = f"{state}: {reason}" if reason else state
    return _notification(
        f"feed|{market}|{channel}|{since}", "trouble", "high", "feed", market, t,
        f"{market}: feed trouble", f"{channel} {why}", origin, detail,
    )  # fmt: skip


def of_recovery(market: str, channel: str, since: int, t: int, origin: Origin) -> Notification:
    """It can be relied on again; `since` is when the trouble began."""
    detail = {"channel": channel, "state": "LIVE", "reason": "", "since": since}
    return _notification(
        f"feed|{market}|{channel}|{since}|recovered", "recovered", "high", "feed", market, t,
        f"{market}: feed works again", f"{channel} LIVE after {(t - since) / 1e9:.0f} s", origin, detail,
    )  # fmt: skip


def of_failure(source: str, text: str, t: int, origin: Origin) -> Notification:
    """A whole source has stopped, or can't be used."""
    return _notification(
        f"source|{source}|{t}", "trouble", "high", "feed", source, t, f"{source}: feed trouble", text, origin, {}
    )


def of_suppression(counts: dict[str, int], severity: str, since: int, t: int, origin: Origin) -> Notification:
    """The one line that stands for what a burst limit held back; `counts` by rule."""
    total = sum(counts.values())
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{rule} ({n})" for rule, n in most[:5]) + (", …" if len(most) > 5 else "")
    detail = {"suppressed": total, "rules": counts, "since": since}
    return _notification(
        f"suppressed|{since}|{t}|{total}", "suppressed", severity, "", "", t,
        f"{total} more suppressed", f"{total} more alerts held back by the burst limit: {named}", origin, detail,
    )  # fmt: skip


def of_test(sink: str, t: int) -> Notification:
    """What `flowtape notify test` sends."""
    return _notification(
        f"test|{sink}|{t}", "test", "info", "test", "", t, "test", f"a test of {sink}; nothing has happened", "live", {}
    )


def _notification(
    key: str,
    kind: Kind,
    severity: str,
    rule: str,
    market: str,
    t: int,
    title: str,
    text: str,
    origin: Origin,
    detail: dict[str, Any],
) -> Notification:
    if origin != "live":
        title = f"{'SIMULATED' if origin == 'simulator' else 'REPLAY'} {title}"
    title, text = escape_text(f"flowtape {title}", _TITLE), escape_text(text, _TEXT)
    key = key.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair can be stored nowhere
    payload = {
        **detail,
        "schema": SCHEMA,
        "key": key,
        "event": kind,
        "severity": severity,
        "rule": rule,
        "market": market,
        "t": t,
        "time": datetime.fromtimestamp(t / 1e9, UTC).isoformat(timespec="milliseconds"),
        "title": title,
        "text": text,
        "origin": origin,
    }
    return Notification(key, kind, severity, rule, market, t, title, text, payload)


def _plain(value: Any) -> Any:
    """As JSON can say it: not a number is null, a structure is a list or an object."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(name): _plain(item) for name, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
