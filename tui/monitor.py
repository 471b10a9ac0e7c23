"""What the screen needs of a running engine. The engine's runtime satisfies this; so does a fake in the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.alert_view import AlertEvent, EvidenceView, RulePreview
    from engine.detail_view import Explanation
    from engine.view import EngineView, MarketView, ViewRequest


@dataclass(frozen=True, slots=True)
class AlertFields:
    """One alert rule as a user writes it: the texts of an `[[alerts]]` table, None where a key is left out."""

    name: str
    when: str  # a condition
    on: str | None = None  # a market or a pattern; None: every market
    for_: str | None = None  # how long the condition must hold, `3s`; the key is `for`
    rearm: str | None = None  # the level it must come back to before it can fire again, or a condition
    cooldown: str | None = None  # least time between two deliveries
    severity: str | None = None
    keep_firing_for: str | None = None  # how long it must have come back
    repeat: str | None = None  # reminders
    stale_after: str | None = None
    expires: str | None = None
    message: str | None = None

    def table(self) -> dict[str, str | None]:
        """By the keys of the configuration."""
        return {"for" if key == "for_" else key: getattr(self, key) for key in self.__slots__}


class Playback(Protocol):
    """Controls of a replay. Where it stands is in `EngineView.playing`."""

    def pause(self) -> None:
        """Stop feeding the tape."""

    def resume(self) -> None:
        """Go on feeding it."""

    def set_speed(self, speed: float) -> None:
        """Seconds of tape a second; 0: as fast as it goes."""

    def seek(self, t_ns: int) -> None:
        """Go to this time of the tape (ns since the Unix epoch), clamped to its ends."""


class Monitor(Protocol):
    """The engine as a front end sees it. Every call returns at once and none raises unless it says so."""

    playback: Playback | None  # None: live

    def markets(self) -> Sequence[str]:
        """The markets as `venue:SYMBOL`, in the order of the markets strip."""

    def view(self, market: str, request: ViewRequest) -> MarketView | None:
        """The newest picture of a market; None before its instrument is known."""

    def overview(self) -> EngineView:
        """What is common to all markets."""

    def acknowledge(self) -> None:
        """The user has seen all alerts that fired so far."""

    def watch_rules(self, presets: Sequence[str], own: Sequence[AlertFields]) -> None:
        """Watch these presets and rules from now on; raises ValueError with a text for the user, which begins with the
        key that is wrong. Rules that stay keep their state."""

    def presets(self) -> Sequence[tuple[str, str, Sequence[tuple[str, str]]]]:
        """Every preset as (name, one line, its rules as (name, condition))."""

    def preview(self, market: str, measured: str, rule: AlertFields | None) -> RulePreview:
        """How what is measured was spread of late, and what a rule would have done; `measured` is a metric as typed, or
        a sum or multiple of some."""

    def level_at(self, market: str, measured: str, share: float) -> float | None:
        """The level below which what is measured was for this share of the last hour; None when unknown."""

    def evidence(self, episode: str) -> EvidenceView | None:
        """What is kept of an episode of an alert (`AlertEvent.episode`); None when nothing is (any more)."""

    def snooze(self, rule: str, market: str, seconds: float) -> None:
        """Announce a rule on a market no more for so long (s); 0: again at once."""

    def mute(self, muted: bool) -> None:
        """Announce no alert at all, or all again."""

    def check_rule(self, when: str) -> str | None:
        """None when the condition can be watched, else what is wrong with it, with the nearest valid name."""

    def metric_value(self, market: str, metric: str) -> float | None:
        """The present value of a metric as typed; None when unknown."""

    def explain(self, market: str, metric: str) -> Explanation | None:
        """Where the present value of a metric as typed comes from; None for no such market or metric."""

    def metric_names(self) -> Sequence[tuple[str, str, str]]:
        """Every metric as (an example of how to type it, unit, meaning)."""

    def listen(self, callback: Callable[[AlertEvent], None]) -> None:
        """Call `callback`, on the engine's event loop, for each alert that fires or resolves."""
