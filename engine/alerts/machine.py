"""The state machine of one rule on one market, in event time only.

    warming -> inactive -> pending(t0) -> firing <-> clearing -> inactive          (expired: for good)

What is measured is a right-continuous step function read at ascending instants; it keeps its value until the next one.
A rule fires at exactly t0 + for when its condition held at every instant of [t0, t0 + for], whenever that is found
out, so what fires does not depend on how the tape was cut. Semantics after METRICS.md section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.alert_view import AlertEvent, LeafReading
from engine.alerts.condition import Condition, Plain
from engine.alerts.evaluation import (
    LeafNode,
    build,
    compare,
    holds_single,
    restore_tree,
    tree_state,
)
from engine.alerts.past import Past
from engine.alerts.piece import LeafPiece, Piece, extremity, joined, known_or_none, plain_comparisons, reading
from engine.alerts.quantity import Magnitude, Quantity, evaluate
from engine.alerts.rule import Rule
from engine.metrics.windows import check_state
from engine.view import RuleView

if TYPE_CHECKING:
    from engine.alerts.instants import Instants, Truth
    from engine.metrics.calculator import State

#: Says why a fire of a rule at a time is not to be delivered; empty: it is.
Gate = Callable[[Rule, str, int], str]
#: In place of a truth: there was none.
_NONE: Final = 2
_IDLE: Final = frozenset({"warming", "inactive"})
_ACTIVE: Final = frozenset({"firing", "clearing"})


def always(rule: Rule, market: str, t: int) -> str:
    """The gate that lets everything through."""
    del rule, market, t
    return ""


class RuleMachine:
    """`read` takes what was read at the next instants and returns what became of the rule."""

    def __init__(self, rule: Rule, market: str, gate: Gate = always, lot: float = 1.0) -> None:
        self.rule = rule
        self.market = market
        self._gate = gate
        self._lot = lot
        self._node = build(rule.condition)
        self._leaves = [node for node in self._node.walk() if isinstance(node, LeafNode)]
        rearm = rule.rearm
        self._rearm = build(rearm) if rearm is not None and isinstance(rearm, Condition) else None
        self._rearm_level: Quantity | None = None if rearm is None or isinstance(rearm, Condition) else rearm
        self._quick = plain_comparisons(rule) if self._rearm is None else ()
        self.state = "warming"
        self.since: int | None = None
        self.fires = 0
        self.suppressed = 0
        self.snoozed_until = 0  # clock; nothing is announced before
        self._t0 = 0
        self._notified_at: int | None = None  # the last delivery of a fire
        self._reminded_at = 0
        self._suppressed = ""  # why this episode's fire was not delivered; empty: it was
        self._acknowledged = False
        self._clearing = 0  # the re-arm test has been true since
        self._unknown: int | None = None  # nobody knows since
        self._held = False  # this episode's hold has been told
        self._peak: float | None = None
        self._peak_score = -np.inf  # how extreme that is
        self._peak_to = -(1 << 62)  # instants up to here are in the peak
        self._last: list[tuple[float, float, float, int]] = [(np.nan, np.nan, np.nan, 0) for _ in self._leaves]
        self._codes = (_NONE, _NONE)  # truth and re-arm test at the last instant
        self._interrupted = False  # nothing has been read since
        self._past = Past()

    # ---- reading

    def read(self, now: Instants, until: int, detected: int) -> list[AlertEvent]:
        """Every instant before `until` has been read now, so what is due before it is told; `detected` is the clock
        now. What it tells is stamped before `until` and not before the last one, so the order of events does not
        depend on the cut either."""
        events: list[AlertEvent] = []
        if len(now) == 1 and self._quick and self.state in _IDLE and not self._interrupted and self._glance(now):
            return events
        piece = Piece(self, now.times, detected, events)
        if len(now) and self.state != "expired":
            self._read(now, piece)
            self._settle(until, piece)
            self._remember(piece)
        else:
            self._settle(until, piece)
        return events

    def _glance(self, now: Instants) -> bool:
        """One instant of a rule that is idle and made of plain comparisons: True when nothing begins, which is nearly
        always. What the long way would remember is remembered."""
        last, holds = [], 1
        for name, absolute, comparison, level in self._quick:
            value = float(now.values[name][0])
            measured = abs(value) if absolute else value
            truth = 0 if value != value else 1 if holds_single(measured, comparison, level) else -1
            holds = min(holds, truth)
            last.append((value, level, np.nan, truth))
        if holds == 1:
            return False
        t = int(now.times[0])
        if self.state == "warming" and holds:
            self._enter("inactive", t)
        self._codes, self._last = (holds, _NONE), last
        first = last[0][0]
        self._past.add_one(t, abs(first) if self._quick[0][1] else first)
        return True

    def _read(self, now: Instants, piece: Piece) -> None:
        if self._interrupted:
            # What would have been said meanwhile is not said now, all at once.
            self._reminded_at = max(self._reminded_at, int(now.times[0]) - self.rule.repeat)
            self._interrupted = False
        holds, stays, moment = self._node.read(now)
        self._past.add(now.times, self._leaves[0].measured)
        back = None if self._rearm is None else self._rearm.read(now)[0]
        if self.state in _IDLE and not (holds[0] == 1 if len(holds) == 1 else (holds == 1).any()):
            # As it is nearly always: nothing begins.
            if self.state == "warming":
                for i in np.flatnonzero(holds)[:1].tolist():
                    self._settle(int(now.times[i]), piece)
                    self._step(int(now.times[i]), int(holds[i]), False, 0, piece)
            self._codes = int(holds[-1]), _NONE
            return
        release = self._release(now, stays, back)
        self._walk(piece, holds, moment, release)
        self._codes = int(holds[-1]), int(release[-1])

    def _release(self, now: Instants, stays: Truth, back: Truth | None) -> Truth:
        """Whether an episode may end: the re-arm test, never while the condition itself stays true."""
        safe = -stays
        if back is not None:
            return np.minimum(back, safe)
        if self._rearm_level is None:
            return safe
        leaf = self._leaves[0]
        levels = evaluate(self._rearm_level, now.values, len(now), self._lot)
        below = compare(leaf.measured, "<" if leaf.leaf.above else ">", levels)
        known = ~(np.isnan(leaf.measured) | np.isnan(levels))
        return np.minimum(np.where(known, np.where(below, 1, -1), 0).astype(np.int8), safe)

    def _walk(self, piece: Piece, holds: Truth, moment: Truth, release: Truth) -> None:
        """Only instants at which something can change are visited."""
        if len(holds) == 1:
            h, r, anew = int(holds[0]), int(release[0]), bool(holds[0] == 1 and moment[0] == -1)
            if (h, r) != self._codes or anew:
                self._visit(int(piece.times[0]), h, anew, r, piece)
            return
        moved = (holds != np.concatenate((np.array([self._codes[0]], np.int8), holds[:-1]))) | (
            release != np.concatenate((np.array([self._codes[1]], np.int8), release[:-1]))
        )
        crossed = (holds == 1) & (moment == -1)  # the other way
        moved |= crossed
        for i in np.flatnonzero(moved).tolist():
            self._visit(int(piece.times[i]), int(holds[i]), bool(crossed[i]), int(release[i]), piece)

    def _visit(self, t: int, holds: int, anew: bool, release: int, piece: Piece) -> None:
        self._settle(t, piece)
        self._step(t, holds, anew, release, piece)

    def joined(self) -> list[LeafPiece]:
        """Every comparison at the last instant of the piece before and those of the piece read now."""
        return [joined(node, last) for node, last in zip(self._leaves, self._last, strict=True)]

    def _remember(self, piece: Piece) -> None:
        """What the next piece begins with."""
        end = int(piece.times[-1])
        self._take_peak(end, piece)
        self._last = [
            (
                float(node.shown[-1]),
                float(node.levels[-1]),
                np.nan if node.uppers is None else float(node.uppers[-1]),
                int(node.truth[-1]),
            )
            for node in self._leaves
        ]
        self._past.forget(end)

    # ---- what becomes of it

    def _step(self, t: int, holds: int, anew: bool, release: int, piece: Piece) -> None:
        """The truth at one instant; what was due before it is settled."""
        if self.state == "expired" or self._expire(t, piece):
            return
        if self.state == "warming" and holds != 0:
            self._enter("inactive", t)
        if self.state == "pending" and (holds != 1 or anew):
            self._enter("inactive", t)
        elif self.state in _ACTIVE and anew:
            self._resolve(t, piece, "back")
        elif self.state in _ACTIVE:
            self._go_on(t, release, piece)
        self._settle(t + 1, piece)
        if self.state in _IDLE and holds == 1:
            self._t0, self._peak, self._peak_score, self._peak_to = t, None, -np.inf, t - 1
            self._enter("pending", t)
            self._settle(t + 1, piece)

    def _go_on(self, t: int, release: int, piece: Piece) -> None:
        """Of an episode that fires: it goes on, clears, or nobody knows."""
        if release == 0:
            if self.state == "clearing":
                self._enter("firing", t)
            if self._unknown is None:
                self._unknown = t
                if not self._held:
                    self._held = True
                    self._tell("held", t, piece, reason="no data")
            return
        self._unknown = None
        if release < 0:
            if self.state == "clearing":
                self._enter("firing", t)
            # A reminder that fell due while nobody knew comes now.
            self._reminded_at = max(self._reminded_at, t - self.rule.repeat)
        elif self.state == "firing":
            self._clearing = t
            self._enter("clearing", t)

    def _settle(self, until: int, piece: Piece) -> None:
        """What became due before `until`: everything stood since the last instant as it was there."""
        while True:
            due, act = self._due()
            if due >= until:
                return
            if not self._expire(due, piece):
                act(due, piece)

    def _due(self) -> tuple[int, Callable[[int, Piece], None]]:
        """The next thing that happens by itself, and when."""
        due, act = 1 << 62, self._fire
        if self.state == "pending":
            due, act = self._t0 + self.rule.hold, self._fire
        elif self.state == "clearing":
            due, act = self._clearing + self.rule.keep, self._back
        elif self.state == "firing":
            if self._unknown is not None:
                due, act = self._unknown + self.rule.stale_after, self._give_up
            elif self.rule.repeat and not (self._suppressed or self._acknowledged or self._interrupted):
                again = self._reminded_at + self.rule.repeat
                if again < due:
                    due, act = again, self._remind
        if self.rule.expires is not None and self.state != "expired":
            due = min(due, self.rule.expires)
        return due, act

    def _expire(self, t: int, piece: Piece) -> bool:
        """End it for good when its time is over."""
        if self.rule.expires is None or t < self.rule.expires:
            return False
        if self.state in _ACTIVE:
            self._resolve(self.rule.expires, piece, "expired")
        self._enter("expired", self.rule.expires)
        return True

    def _fire(self, t: int, piece: Piece) -> None:
        self._enter("firing", t)
        self._unknown, self._held, self._acknowledged = None, False, False
        self.fires += 1
        last = self._notified_at
        if last is not None and t - last < self.rule.cooldown:
            self._suppressed = "cooldown"
        else:
            self._suppressed = self._hindrance(t)
        if self._suppressed:
            self.suppressed += 1
        else:
            self._notified_at = self._reminded_at = t
        self._tell("fired", t, piece)

    def _hindrance(self, t: int) -> str:
        return "snoozed" if t < self.snoozed_until else self._gate(self.rule, self.market, t)

    def _remind(self, t: int, piece: Piece) -> None:
        self._reminded_at = t
        self._tell("repeated", t, piece)

    def _back(self, t: int, piece: Piece) -> None:
        self._resolve(t, piece, "back")

    def _give_up(self, t: int, piece: Piece) -> None:
        self._resolve(t, piece, "no data")

    def _resolve(self, t: int, piece: Piece, reason: str) -> None:
        self._tell("resolved", t, piece, reason)
        self._enter("inactive", t)
        self._unknown = None

    def _enter(self, state: str, t: int) -> None:
        self.state = state
        self.since = t

    # ---- telling

    def _tell(self, kind: str, t: int, piece: Piece, reason: str = "") -> None:
        rule = self.rule
        self._take_peak(t, piece)
        readings = self._readings(t, piece)
        suppressed = self._suppressed
        if not suppressed and kind != "fired":
            suppressed = self._hindrance(t)
        value = readings[0].value
        piece.events.append(
            AlertEvent(
                kind=kind,
                rule=rule.name,
                market=self.market,
                when=rule.when,
                t=t,
                detected=piece.detected,
                t0=self._t0,
                value=value,
                level=readings[0].level,
                severity=rule.severity,
                delivered=not suppressed and kind != "held",
                message=rule.message if kind in ("fired", "repeated") else "",
                suppressed=suppressed,
                reason=reason,
                version=rule.version,
                readings=readings,
                percentile=self._percentile(t, value),
                peak=self._peak,
            )
        )

    def _readings(self, t: int, piece: Piece) -> tuple[LeafReading, ...]:
        """Every comparison as it stood at `t`."""
        if not piece.leaves:
            rows = zip(self._leaves, self._last, strict=True)
            return tuple(reading(node.leaf, *last) for node, last in rows)
        i = int(piece.times.searchsorted(t, "right"))
        return tuple(
            reading(
                leaf.node.leaf,
                float(leaf.shown[i]),
                float(leaf.levels[i]),
                np.nan if leaf.uppers is None else float(leaf.uppers[i]),
                int(leaf.truth[i]),
            )
            for leaf in piece.leaves
        )

    def _take_peak(self, t: int, piece: Piece) -> None:
        """Let the peak of a running episode cover the instants up to `t`."""
        if self.state not in ("pending", "firing", "clearing") or not len(piece.times) or t <= self._peak_to:
            return
        begin, end = piece.times.searchsorted((self._peak_to, t), "right")
        self._peak_to = t
        if begin == end:
            return
        leaf = piece.leaves[0]
        values = leaf.shown[1 + begin : 1 + end]
        measured = leaf.node.measured[begin:end]
        scores = np.where(np.isnan(values), -np.inf, extremity(leaf, measured, begin, end))
        best = int(np.argmax(scores))
        if scores[best] > self._peak_score:
            self._peak, self._peak_score = float(values[best]), float(scores[best])

    def _percentile(self, t: int, value: float | None) -> float | None:
        """Of a value among those of the hour before, ties half."""
        if value is None:
            return None
        if isinstance(self.rule.first.measure, Plain) and isinstance(self.rule.first.measure.quantity, Magnitude):
            value = abs(value)
        return self._past.rank(t, value)

    # ---- from outside

    def acknowledge(self) -> None:
        """The user knows of the episode that runs: no reminders of it."""
        self._acknowledged = self.state in _ACTIVE

    def interrupt(self) -> None:
        """The tape stops here and goes on later, nobody knows what was between: what waits begins anew, what fires
        goes on firing until something is known again, and no edge reaches across."""
        self._node.interrupt()
        if self._rearm is not None:
            self._rearm.interrupt()
        if self.state == "pending":
            self.state = "inactive"
        elif self.state == "clearing":
            self.state = "firing"
        self._unknown = None
        self._interrupted = True
        self._codes = (_NONE, _NONE)
        self._last = [(np.nan, np.nan, np.nan, 0) for _ in self._leaves]

    def fresh(self) -> RuleMachine:
        """One for the same rule and market that has read nothing."""
        return RuleMachine(self.rule, self.market, self._gate, self._lot)

    def carried(self) -> State:
        """Everything carried, so that `restore` of a fresh machine of the same trigger goes on bit-identically."""
        return {
            "kind": "alert rule",
            "version": 1,
            "state": self.state,
            "since": self.since,
            "fires": self.fires,
            "suppressed": self.suppressed,
            "snoozed": self.snoozed_until,
            "t0": self._t0,
            "notified": self._notified_at,
            "reminded": self._reminded_at,
            "why": self._suppressed,
            "acknowledged": self._acknowledged,
            "clearing": self._clearing,
            "unknown": self._unknown,
            "held": self._held,
            "peak": self._peak,
            "peak_score": self._peak_score,
            "peak_to": self._peak_to,
            "last": [list(last) for last in self._last],
            "codes": list(self._codes),
            "interrupted": self._interrupted,
            "past": self._past.state(),
            "tree": tree_state(self._node),
            "rearm": None if self._rearm is None else tree_state(self._rearm),
        }

    def restore(self, state: State) -> None:
        """Take over `carried()`. Raises ValueError and the like when it does not fit; then this one is spoilt."""
        check_state(state, "alert rule", 1)
        restore_tree(self._node, state["tree"])
        if self._rearm is not None:
            restore_tree(self._rearm, state["rearm"])
        self._past.restore(state["past"])
        self.state, self.since = state["state"], state["since"]
        self.snoozed_until = state["snoozed"]
        self.fires, self.suppressed, self._t0 = state["fires"], state["suppressed"], state["t0"]
        self._notified_at, self._reminded_at = state["notified"], state["reminded"]
        self._suppressed, self._acknowledged = state["why"], state["acknowledged"]
        self._clearing, self._unknown, self._held = state["clearing"], state["unknown"], state["held"]
        self._peak, self._peak_score, self._peak_to = state["peak"], state["peak_score"], state["peak_to"]
        last: list[Any] = [tuple(each) for each in state["last"]]
        if len(last) != len(self._leaves):
            raise ValueError(f"state of {len(last)} comparisons, not of {len(self._leaves)}")
        self._last = last
        self._codes, self._interrupted = (state["codes"][0], state["codes"][1]), state["interrupted"]

    def view(self) -> RuleView:
        """For the screen."""
        rule, (value, level, upper, _) = self.rule, self._last[0]
        active = self.state in _ACTIVE
        return RuleView(
            rule=rule.name,
            when=rule.when,
            state=self.state,
            value=known_or_none(value),
            level=known_or_none(level),
            since=self.since,
            fires=self.fires,
            suppressed=self.suppressed,
            toxicity=rule.toxicity,
            severity=rule.severity,
            upper=known_or_none(upper),
            t0=self._t0 if active or self.state == "pending" else None,
            peak=self._peak if active else None,
            held=active and self._unknown is not None,
            acknowledged=active and self._acknowledged,
            snoozed_until=self.snoozed_until or None,
            version=rule.version,
        )
