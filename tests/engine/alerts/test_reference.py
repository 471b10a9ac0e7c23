"""The state machine against its plain meaning, in random cases of rule and series."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from engine.alerts.machine import RuleMachine
from tests.engine.alerts.cases import CASES, UNIT, random_rule, random_tape, read, restarted, short
from tests.engine.alerts.reference import Tape, Told, told

SHARDS = 8


def pieces(rng: random.Random, tape: Tape) -> list[tuple[int, int]]:
    """Random cuts, also at every gap."""
    out, start = [], 0
    while start < len(tape.times):
        stop = min(len(tape.times), start + rng.choice((1, 1, 2, 5, 20)))
        stop = min([stop, *(gap for gap in tape.gaps if gap > start)])
        out.append((start, stop))
        start = stop
    return out


@pytest.mark.parametrize("seed", range(SHARDS))
def test_it_means_what_the_reference_means_however_it_is_cut(seed: int) -> None:
    """With unknowns, breaks, interruptions and restarts; also: nothing that is told depends on what comes later."""
    rng = random.Random(seed)
    kinds: Counter[str] = Counter()
    for case in range(max(1, CASES // SHARDS)):
        rule, meaning = random_rule(rng)
        tape = random_tape(rng)
        until = tape.times[-1] + rng.choice((1, 3, 30)) * UNIT
        expected = told(meaning, tape, until, UNIT)
        about = (seed, case, rule, tape)

        # As few pieces as the interruptions leave.
        whole, events = RuleMachine(rule, "test:A/B"), []
        ends = sorted({*tape.gaps, len(tape.times)})
        start = 0
        for stop in ends:
            last = stop == len(tape.times)
            events += read(whole, tape, start, stop, until if last else tape.times[stop - 1] + 1)
            if not last:
                whole.interrupt()
            start = stop
        assert short(events, meaning.above) == expected, about

        cut = RuleMachine(rule, "test:A/B")
        found: list[Told] = []
        for start, stop in pieces(rng, tape):
            last = stop == len(tape.times)
            reached = until if last else tape.times[stop - 1] + 1 if stop in tape.gaps else tape.times[stop]
            between = rng.randrange(tape.times[stop - 1] + 1, reached + 1)
            found += short(read(cut, tape, start, stop, between), meaning.above)
            if rng.random() < 0.2:
                cut = restarted(cut)
            found += short(read(cut, tape, 0, 0, reached), meaning.above)
            # Prefix consistency: what is told by now is what the whole series tells of the time by now.
            assert found == [event for event in expected if event[1] < reached], about
            if stop in tape.gaps:
                cut = restarted(cut)
                cut.interrupt()
        assert found == expected, about
        assert (cut.state, cut.fires, cut.suppressed) == (whole.state, whole.fires, whole.suppressed), about
        kinds.update(event[0] for event in expected)
        kinds["suppressed"] += sum(event[0] == "fired" and not event[4] for event in expected)
    # The cases are no empty ones.
    assert min(kinds[kind] for kind in ("fired", "back", "held", "no data", "repeated")) > 0
    assert kinds["suppressed"] + kinds["expired"] > 0


def test_the_reference_is_right_by_hand() -> None:
    """x: 0 3 3 1 unknown 3 3 at instants one unit apart; x > 2 for one unit, no data after four."""
    from tests.engine.alerts.reference import Meaning, compared, constant, series

    tape = Tape([i * UNIT for i in range(7)], {"x": [0.0, 3.0, 3.0, 1.0, None, 3.0, 3.0]}, [0] * 7)
    meaning = Meaning(compared(series("x"), ">", constant(2.0)), series("x"), hold=UNIT)
    assert told(meaning, tape, 9 * UNIT, UNIT) == [
        ("fired", 2 * UNIT, UNIT, 3.0, True, 3.0),
        ("back", 3 * UNIT, UNIT, 1.0, True, 3.0),
        ("fired", 6 * UNIT, 5 * UNIT, 3.0, True, 3.0),
    ]
