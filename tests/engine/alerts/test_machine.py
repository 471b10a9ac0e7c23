"""The promises of the state machine, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.alert_view import AlertEvent
from engine.alerts.instants import Instants
from engine.alerts.machine import RuleMachine
from engine.alerts.rule import STALE_AFTER, Rule, compile_rule
from tests.engine.alerts.reference import STALE

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def rule(when: str, **more: str) -> Rule:
    return compile_rule("a rule", when, **more)


def piece(machine: RuleMachine, times: list[int], values: list[float | None]) -> Instants:
    """The same values for every metric that the rule reads; all in one epoch."""
    column = np.array([np.nan if v is None else v for v in values], np.float64)
    columns = {metric.canonical: column for metric in machine.rule.metrics}
    none = np.zeros(len(times), np.int64)
    return Instants(np.array(times, np.int64), columns, columns, (none, none))


def run(machine: RuleMachine, points: list[tuple[int, float | None]], until: int | None = None) -> list[AlertEvent]:
    """All points at once; everything before `until` is known (default: just after the last point)."""
    times = [t for t, _ in points]
    now = piece(machine, times, [v for _, v in points])
    return machine.read(now, times[-1] + 1 if until is None else until, times[-1])


def test_it_fires_at_exactly_t0_plus_for_also_between_instants() -> None:
    machine = RuleMachine(rule("cvd > 5", hold="250ms"), "m")
    t0 = 7 * SECOND
    events = run(machine, [(t0 - 100_000_000, 1.0), (t0, 6.0), (t0 + 200_000_000, 7.0), (t0 + 300_000_000, 1.0)])
    assert [(e.kind, e.t, e.t0, e.value) for e in events] == [
        ("fired", t0 + 250_000_000, t0, 7.0),
        ("resolved", t0 + 300_000_000, t0, 1.0),
    ]


def test_false_at_the_very_end_of_for_does_not_fire() -> None:
    machine = RuleMachine(rule("cvd > 5", hold="300ms"), "m")
    assert run(machine, [(0, 6.0), (200_000_000, 6.0), (300_000_000, 5.0)]) == []
    assert machine.state == "inactive"
    machine = RuleMachine(rule("cvd > 5", hold="300ms"), "m")
    assert [e.t for e in run(machine, [(0, 6.0), (200_000_000, 6.0), (300_000_000, 5.1)])] == [300_000_000]


def test_swinging_inside_the_band_fires_once() -> None:
    machine = RuleMachine(rule("cvd >= 10", rearm="7"), "m")
    swing = [(i * SECOND, 10.0 + (-2.5 if i % 2 else 0.0)) for i in range(100)]
    assert [e.kind for e in run(machine, swing)] == ["fired"]
    again = run(machine, [(200 * SECOND, 7.0), (201 * SECOND, 6.9), (202 * SECOND, 10.0)])
    assert [(e.kind, e.t) for e in again] == [("resolved", 201 * SECOND), ("fired", 202 * SECOND)]
    bare = RuleMachine(rule("cvd >= 10"), "m")
    assert [e.kind for e in run(bare, swing)].count("fired") == 50


def test_the_cooldown_holds_back_the_message_and_nothing_else() -> None:
    points = [(i * SECOND, 10.0 if i % 2 else 0.0) for i in range(9)]
    told_all = run(RuleMachine(rule("cvd > 5"), "m"), points)
    quiet = RuleMachine(rule("cvd > 5", cooldown="4s"), "m")
    events = run(quiet, points)
    assert [(e.kind, e.t, e.t0, e.value) for e in events] == [(e.kind, e.t, e.t0, e.value) for e in told_all]
    assert [(e.t // SECOND, e.delivered) for e in events if e.kind == "fired"] == [
        (1, True),
        (3, False),
        (5, True),
        (7, False),
    ]
    # The end of an episode nobody was told of is no news either.
    assert [e.delivered for e in events if e.kind == "resolved"] == [True, False, True, False]
    assert (quiet.fires, quiet.suppressed) == (4, 2)


def test_the_unknown_begins_the_waiting_anew() -> None:
    machine = RuleMachine(rule("cvd > 5", hold="3s"), "m")
    events = run(machine, [(0, 6.0), (2 * SECOND, None), (3 * SECOND, 6.0), (5 * SECOND, 6.0), (6 * SECOND, 6.0)])
    assert [(e.t, e.t0) for e in events] == [(6 * SECOND, 3 * SECOND)]


def test_the_unknown_holds_what_fires_for_a_while_and_then_ends_it() -> None:
    assert STALE_AFTER == STALE
    machine = RuleMachine(rule("cvd > 5"), "m")
    assert [e.kind for e in run(machine, [(0, 6.0)])] == ["fired"]
    blink = [(SECOND, None), (SECOND + STALE_AFTER - 1, None), (SECOND + STALE_AFTER, 6.0)]
    held = run(machine, blink)  # known again at the very last instant
    assert [(e.kind, e.t, e.value, e.delivered) for e in held] == [("held", SECOND, None, False)]
    assert machine.state == "firing"
    events = run(machine, [(MINUTE, None), (MINUTE + SECOND, None), (2 * MINUTE, None)])
    # It was held for the first time a minute before, and that is told once an episode.
    assert [(e.kind, e.t, e.value, e.reason) for e in events] == [("resolved", MINUTE + STALE_AFTER, None, "no data")]
    assert machine.state == "inactive"
    assert [e.kind for e in run(machine, [(3 * MINUTE, 6.0)])] == ["fired"]


def test_it_is_warming_until_the_first_value() -> None:
    machine = RuleMachine(rule("cvd > 5"), "m")
    run(machine, [(0, None), (SECOND, None)])
    view = machine.view()
    assert (view.state, view.value, view.since) == ("warming", None, None)
    run(machine, [(2 * SECOND, None), (3 * SECOND, 1.0), (4 * SECOND, 2.0)])
    view = machine.view()
    assert (view.state, view.value, view.since) == ("inactive", 2.0, 3 * SECOND)


@pytest.mark.parametrize(
    ("when", "values", "first"),
    [
        ("cvd > 2", [1.0, 2.0, 3.0], 2),
        ("cvd >= 2", [1.0, 2.0, 3.0], 1),
        ("cvd < 2", [3.0, 2.0, 1.0], 2),
        ("cvd <= 2", [3.0, 2.0, 1.0], 1),
        ("abs(cvd) >= 2", [1.0, -2.0, 3.0], 1),
        ("abs(cvd) < 2", [3.0, -1.0, 1.0], 1),
        ("ratio > 2", [1.0, float("inf"), 3.0], 1),
    ],
)
def test_each_comparison(when: str, values: list[float], first: int) -> None:
    events = run(RuleMachine(rule(when), "m"), [(i * SECOND, v) for i, v in enumerate(values)])
    assert (events[0].kind, events[0].t, events[0].value) == ("fired", first * SECOND, values[first])


def test_an_event_says_everything() -> None:
    machine = RuleMachine(rule("abs(ti_z(30s)) >= 4", severity="high", message="look", rearm="2"), "sim:BTC/USDT")
    fired, resolved = run(machine, [(SECOND, -4.5), (2 * SECOND, 1.5)])
    assert (fired.rule, fired.market, fired.when) == ("a rule", "sim:BTC/USDT", "abs(ti_z(30s)) >= 4")
    assert (fired.value, fired.level, fired.severity, fired.message) == (-4.5, 4.0, "high", "look")
    assert (fired.detected, fired.t0) == (2 * SECOND, SECOND)
    assert (resolved.kind, resolved.value, resolved.t0) == ("resolved", 1.5, SECOND)
    view = machine.view()
    assert (view.fires, view.suppressed, view.toxicity, view.level) == (1, 0, False, 4.0)
