"""The state machine against its plain meaning, and each of its promises by itself."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine.alerts.machine import STALE_AFTER, RuleMachine
from engine.alerts.rule import Rule, compile_rule
from engine.view import AlertEvent
from tests.engine.alerts.reference import STALE, Meaning, Told, told

UNIT = 500_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
CASES = 2_400


def rule(when: str, **more: str) -> Rule:
    return compile_rule("a rule", when, **more)


def run(machine: RuleMachine, points: list[tuple[int, float | None]], until: int | None = None) -> list[AlertEvent]:
    """All points at once; everything before `until` is known (default: just after the last point)."""
    times = np.array([t for t, _ in points], np.int64)
    values = np.array([np.nan if v is None else v for _, v in points])
    return machine.read(times, values, int(times[-1]) + 1 if until is None else until, int(times[-1]))


def short(events: list[AlertEvent]) -> list[Told]:
    """Without what is the same in all of them, with the reason of a resolve as its kind."""
    return [
        (e.reason.replace("back", "resolved") if e.kind == "resolved" else e.kind, e.t, e.value, e.delivered)
        for e in events
    ]


def random_case(rng: random.Random) -> tuple[Meaning, Rule, list[int], list[float | None]]:
    comparison = rng.choice((">", ">=", "<", "<="))
    absolute = rng.random() < 0.3
    level = rng.randrange(1, 4) if absolute else rng.randrange(-2, 3)
    rearm = None
    if rng.random() < 0.6:
        away = rng.randrange(0, 3)
        rearm = float(level - away if comparison.startswith(">") else level + away)
    hold, cooldown = (rng.choice((0, 0, 1, 2, 3, 7)) * UNIT, rng.choice((0, 0, 4, 30, 200)) * UNIT)
    meaning = Meaning(comparison, float(level), absolute, hold, rearm, cooldown)
    text = f"abs(cvd) {comparison} {level}" if absolute else f"cvd {comparison} {level}"
    compiled = compile_rule(
        "a",
        text,
        hold=f"{hold // 1_000_000}ms",
        rearm=None if rearm is None else str(rearm),
        cooldown=f"{cooldown // 1_000_000}ms",
    )
    t, value, instants = 0, float(rng.randrange(-4, 5)), []
    values: list[float | None] = []
    calm, gaps = rng.random(), rng.random() * 0.3
    for _ in range(rng.randrange(1, 60)):
        instants.append(t)
        t += UNIT * rng.choice((1, 1, 1, 2, 3, rng.choice((1, 25))))
        if rng.random() > calm:
            value = float(rng.randrange(-4, 5))
        values.append(None if rng.random() < gaps else value)
    return meaning, compiled, instants, values


@pytest.mark.parametrize("seed", range(8))
def test_it_means_what_the_reference_means_however_it_is_cut(seed: int) -> None:
    """In 2,400 random cases of rule and series; also: nothing told depends on what comes later."""
    rng = random.Random(seed)
    fired = resolved = stale = suppressed = 0
    for _ in range(CASES // 8):
        meaning, compiled, instants, values = random_case(rng)
        until = instants[-1] + rng.choice((1, 3, 30)) * UNIT
        expected = told(meaning, instants, values, until, UNIT)
        whole = RuleMachine(compiled, "test:A/B")
        points = list(zip(instants, values, strict=True))
        assert short(run(whole, points, until)) == expected, (meaning, points)

        cut, pieces, start = RuleMachine(compiled, "test:A/B"), [], 0
        while start < len(points):
            stop = min(len(points), start + rng.choice((0, 1, 1, 2, 5, 20)))
            reached = points[stop][0] if stop < len(points) else until
            if stop > start:
                pieces += short(run(cut, points[start:stop], rng.randrange(points[stop - 1][0] + 1, reached + 1)))
            pieces += short(cut.read(np.empty(0, np.int64), np.empty(0), reached, 0))
            # Prefix consistency: what is told by now is what the whole series tells of the time by now.
            assert pieces == [event for event in expected if event[1] < reached]
            start = stop
        assert pieces == expected
        assert (cut.state, cut.fires, cut.suppressed) == (whole.state, whole.fires, whole.suppressed)
        kinds = [event[0] for event in expected]
        fired += kinds.count("fired")
        resolved += kinds.count("resolved")
        stale += kinds.count("no data")
        suppressed += sum(kind == "fired" and not delivered for kind, _, _, delivered in expected)
    # The cases are no empty ones.
    assert min(fired, resolved) > 300
    assert min(stale, suppressed) > 10


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
    assert run(machine, blink) == []  # known again at the very last instant
    assert machine.state == "firing"
    events = run(machine, [(MINUTE, None), (MINUTE + SECOND, None), (2 * MINUTE, None)])
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
