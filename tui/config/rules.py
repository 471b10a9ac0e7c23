"""Alert rules and quiet hours as the configuration has them, for the engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tui.config.model import Alert, Config, QuietHours

if TYPE_CHECKING:
    from engine.alerts.machine import Gate
    from engine.alerts.rule import Rule

_SEVERITY = {"info": 0, "warning": 1, "high": 2}


def rule_of_alert(alert: Alert) -> Rule:
    """An `[[alerts]]` table as a rule. Raises engine.alerts.condition.ConditionError, naming the key."""
    from engine.alerts.rule import compile_rule

    return compile_rule(
        alert.name,
        alert.when,
        alert.on,
        alert.hold,
        alert.rearm,
        alert.cooldown,
        alert.severity,
        alert.message,
        keep_firing_for=alert.keep_firing_for,
        repeat=alert.repeat,
        stale_after=alert.stale_after,
        expires=alert.expires,
    )


def configured_rules(config: Config) -> tuple[Rule, ...]:
    """The presets that are on, then the user's own rules that are on."""
    from engine.alerts.presets import preset_rules

    own = (rule_of_alert(alert) for alert in config.alerts if alert.enabled)
    return (*preset_rules(config.presets), *own)


def zone_problem(name: str) -> str | None:
    """What is wrong with a time zone; None: nothing."""
    if name == "local":
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'"{name[:40]}" is no time zone such as "Europe/Berlin"; "local" is that of this machine'
    return None


def quiet_gate(config: Config) -> Gate:
    """What holds alerts back in the quiet hours, by event time: the same in a replay as it was live."""
    quiet = config.quiet_hours
    is_quiet = _quiet(quiet)

    def gate(rule: Rule, market: str, t: int) -> str:
        del market
        if is_quiet is None or _SEVERITY[rule.severity] >= _SEVERITY[quiet.below]:
            return ""
        return "quiet hours" if is_quiet(t) else ""

    return gate


def _quiet(hours: QuietHours) -> Callable[[int], bool] | None:
    begin, end = _minutes(hours.from_), _minutes(hours.to)
    if begin == end:
        return None
    zone: tzinfo | None = None if hours.zone == "local" else ZoneInfo(hours.zone)

    @lru_cache(maxsize=64)
    def at(minute: int) -> bool:
        moment = datetime.fromtimestamp(60 * minute, UTC).astimezone(zone)
        of_day = 60 * moment.hour + moment.minute
        return begin <= of_day < end if begin < end else of_day >= begin or of_day < end

    return lambda t: at(t // 60_000_000_000)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return 60 * int(hours) + int(minutes)
