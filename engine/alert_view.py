"""What is told of alerts: their news, the evidence that is kept of them, what a rule being written would have done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.instrument import Instrument


@dataclass(frozen=True, slots=True)
class LeafReading:
    """One comparison of a rule as it was evaluated."""

    what: str  # the compared measure as the rule has it: `spread_bps`, `count(cvd > 5, 1m)`
    comparison: str  # > >= < <=, crosses up, crosses down, crosses, inside, outside, enters, exits
    value: float | None
    level: float | None  # as evaluated; the lower end of a range
    upper: float | None = None  # the other end of a range
    unit: str = ""
    truth: bool | None = None  # None: unknown


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How the market stood when an alert was stamped; None where it is unknown."""

    book: str = ""  # trust of the channels, names of `engine.tape.Trust`; empty: there is no such channel
    trades: str = ""
    mid: float | None = None
    spread_bps: float | None = None
    cvd: float | None = None  # of the session, in the instrument's unit
    vpin: float | None = None  # the slowest of the three usual ones that is known


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What became of one episode of one rule on one market.

    `kind` is "fired" (an episode begins), "repeated" (it goes on, and the rule asked to be reminded), "held" (its
    inputs can't be relied on for now; never delivered, at most once an episode) or "resolved" (it is over).
    All times are the market's own clock, ns.
    """

    kind: str
    rule: str
    market: str
    when: str
    t: int  # event time it is stamped with; of a fire: exactly t0 + for
    detected: int  # clock when it was found out
    t0: int  # first instant the condition held
    value: float | None  # of the rule's first comparison
    level: float | None  # as evaluated
    severity: str
    delivered: bool  # False: to be listed, not to be announced; `suppressed` says why
    message: str  # of a fire: the user's text with its placeholders filled in
    suppressed: str = ""  # why it is not delivered: cooldown, snoozed, muted, quiet hours, acknowledged, resumed
    reason: str = ""  # of a resolve or a hold: "back", "no data", "expired", "book RESYNC", …
    version: str = ""  # of the rule: another one when anything about it changes
    readings: tuple[LeafReading, ...] = ()
    percentile: float | None = None  # of the value among those of the hour before, 0 to 1
    peak: float | None = None  # the most extreme value of the episode so far
    surroundings: Surroundings = Surroundings()

    @property
    def episode(self) -> str:
        """Names the episode: rule, market and t0."""
        return f"{self.rule}|{self.market}|{self.t0}"

    @property
    def key(self) -> str:
        """Names this one piece of news, for receivers that must not take it twice."""
        return f"{self.episode}|{self.kind}" + (f"|{self.t}" if self.kind == "repeated" else "")


@dataclass(frozen=True, slots=True)
class EvidenceTrade:
    """A trade near an alert."""

    t: int  # the market's clock, ns
    px: int  # ticks
    qty: int  # lots
    side: int  # of the taker


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """What is kept of one episode."""

    fired: AlertEvent
    news: tuple[AlertEvent, ...]  # all that was told of it, oldest first
    instrument: Instrument | None  # None: its market is gone
    trades: tuple[EvidenceTrade, ...]  # of the minute before and the minute after, oldest first
    before: int  # trades of the minute before that were too many to keep
    after: int
    complete: bool  # the minute after has passed


@dataclass(frozen=True, slots=True)
class Spread:
    """How a number was spread of late, as far as it is remembered."""

    unit: str
    span: int  # ns: so much of it is known
    quantiles: tuple[tuple[float, float], ...] = ()  # (share of the time, value that it was below)
    low: float = 0.0  # ends of the bins
    high: float = 0.0
    bins: tuple[int, ...] = ()  # looks in each of as many equal parts of [low, high]; what lies beyond is in the last


@dataclass(frozen=True, slots=True)
class RulePreview:
    """What a rule that is being written would have done over the last hour, looked at every 2 s."""

    value: float | None  # of what is measured, now
    spread: Spread | None = None
    observed: int = 0  # ns
    episodes: int | None = None  # None: nothing was observed
    suppressed: int = 0
    longest: int = 0  # ns
    per_day: float | None = None
    problem: str = ""  # why there is no rule yet: key and what is wrong with it
