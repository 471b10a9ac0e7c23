"""Random rules, each as text and as what it plainly means, and random tapes to read them on."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import numpy as np

from engine.alert_view import AlertEvent
from engine.alerts.condition import ConditionError, Plain, edges
from engine.alerts.instants import Instants
from engine.alerts.language import parse_condition
from engine.alerts.machine import RuleMachine
from engine.alerts.quantity import Magnitude, Reading
from engine.alerts.rule import Rule, compile_rule
from engine.state_codec import decode, encode
from tests.engine.alerts import reference as plain
from tests.engine.alerts.reference import Meaning, Part, Tape, Told

UNIT = 500_000_000
#: Random cases of a run of the suite; set the variable for more.
CASES = int(os.environ.get("FLOWTAPE_ALERT_CASES", "400"))
#: As typed, and as the machine is given their values. All stand on trades.
METRICS = {"cvd": "cvd(session)", "delta(5s)": "delta(5s)", "volume(7s)": "volume(7s)"}
AGES = {"trades": "age(trades)", "book": "age(book)"}


def span(units: int) -> str:
    return f"{units * UNIT // 1_000_000}ms"


def number(rng: random.Random) -> tuple[str, plain.Number, bool]:
    """A measured quantity: its text, its meaning, whether it is never negative."""
    name = rng.choice(list(METRICS))
    absolute = rng.random() < 0.2
    return (f"abs({name})" if absolute else name), plain.series(METRICS[name], absolute), absolute


def level(rng: random.Random, positive: bool) -> tuple[str, plain.Number, float | None]:
    """Its text, its meaning, its value where it is a number."""
    if rng.random() < 0.25 and not positive:
        name, factor = rng.choice(list(METRICS)), rng.choice((1.0, 0.5, -2.0))
        return f"{factor} * {name}", plain.series(METRICS[name], factor=factor), None
    value = float(rng.randrange(1, 4) if positive else rng.randrange(-2, 3))
    return f"{value:g}", plain.constant(value), value


Leaf = tuple[str, Part, plain.Number, bool | None, float | None]  # text, meaning, measured, above, level


def leaf(rng: random.Random, depth: int) -> Leaf:
    kind = rng.choice(("compare", "compare", "crosses", "crosses", "band", "moves", "count", "absent", "silent"))
    text, measured, absolute = number(rng)
    if kind == "crosses":
        limit, meaning, value = level(rng, absolute)
        direction = rng.choice(("up", "down", "either"))
        word = {"either": rng.choice(("", "either "))}.get(direction, direction + " ")
        above = {"up": True, "down": False}.get(direction)
        return f"{text} crosses {word}{limit}", plain.crosses(measured, direction, meaning), measured, above, value
    if kind == "band":
        word, low, width = (
            rng.choice(("inside", "outside", "enters", "exits")),
            rng.randrange(-2, 2),
            rng.randrange(1, 3),
        )
        meaning_of = plain.band(measured, word, plain.constant(low), plain.constant(low + width))
        return f"{text} {word} [{low}, {low + width}]", meaning_of, measured, None, None
    if kind == "moves":
        word, window, relative = rng.choice(("rises", "falls", "moves")), rng.randrange(1, 12), rng.random() < 0.4
        amount = rng.choice((1, 2, 3)) if not relative else rng.choice((50, 100, 200))
        measured = plain.extent(measured, word, relative, window * UNIT)
        written = f"{amount}%" if relative else str(amount)
        value = amount / 100 if relative else float(amount)
        part = plain.compared(measured, ">=", plain.constant(value))
        return f"{text} {word} by {written} within {span(window)}", part, measured, True, value
    if kind == "count" and depth:
        inner, part, *_ = condition(rng, depth - 1)
        window, sign, least = rng.randrange(1, 20), rng.choice((">=", ">")), rng.randrange(1, 4)
        measured = plain.count(part, window * UNIT, least + (sign == ">"))
        counted = plain.compared(measured, sign, plain.constant(least))
        return f"count({inner}, {span(window)}) {sign} {least}", counted, measured, True, float(least)
    if kind == "absent":
        length = rng.randrange(1, 8)
        measured = plain.absence(measured)
        part = plain.compared(measured, ">=", plain.constant(length * UNIT / 1e9))
        return f"{text} absent for {span(length)}", part, measured, True, length * UNIT / 1e9
    if kind == "silent":
        channel, length = rng.choice(list(AGES)), rng.randrange(1, 8)
        measured = plain.silence(AGES[channel])
        part = plain.compared(measured, ">=", plain.constant(length * UNIT / 1e9))
        return f"{channel} absent for {span(length)}", part, measured, True, length * UNIT / 1e9
    sign = rng.choice((">", ">=", "<", "<="))
    limit, meaning, value = level(rng, absolute)
    return f"{text} {sign} {limit}", plain.compared(measured, sign, meaning), measured, sign[0] == ">", value


def condition(rng: random.Random, depth: int = 2) -> Leaf:
    """Of a joined one, measured, above and level are those of its first comparison."""
    roll = rng.random()
    if depth == 0 or roll < 0.45:
        return leaf(rng, depth)
    text, part, *rest = condition(rng, depth - 1)
    if roll < 0.55:
        return (f"not ({text})", plain.negated(part), *rest)  # type: ignore[return-value]
    more, second, *_ = condition(rng, depth - 1)
    if roll < 0.7:
        return (f"({text}) and ({more})", plain.both(part, second), *rest)  # type: ignore[return-value]
    if roll < 0.85:
        return (f"({text}) or ({more})", plain.some(part, second), *rest)  # type: ignore[return-value]
    within = rng.randrange(1, 10)
    return (f"({text}) then ({more}) within {span(within)}", plain.then(part, second, within * UNIT), *rest)  # type: ignore[return-value]


def sayable(text: str) -> bool:
    """Whether no edge is negated in it."""
    try:
        parse_condition(text)
    except ConditionError as error:
        if "not can't be said" not in str(error):
            raise
        return False
    return True


def random_rule(rng: random.Random) -> tuple[Rule, Meaning]:
    text, part, measured, above, value = condition(rng)
    while not sayable(text):
        text, part, measured, above, value = condition(rng)
    hold, keep = rng.choice((0, 0, 1, 2, 3, 7)), rng.choice((0, 0, 0, 1, 4))
    keep = 0 if "crosses either" in edges(parse_condition(text)) else keep
    cooldown, repeat = rng.choice((0, 0, 4, 30)), rng.choice((0, 0, 0, 2, 9))
    stale = rng.choice((2, 20))
    expires = rng.choice((None, None, None, rng.randrange(10, 100)))
    rearm, test = None, None
    roll = rng.random()
    simple = "(" not in text.replace("delta(5s)", "").replace("volume(7s)", "").replace("abs(cvd)", "")
    if roll < 0.35 and above is not None and value is not None and simple:
        away = rng.choice((0.0, 0.5, 1.0))
        target = value - away if above else value + away
        if target > 0 or (not text.startswith(("abs", "count")) and "by" not in text and "absent" not in text):
            rearm = f"{target:g}"
            if "absent" in text:
                rearm += "s"
            back = plain.compared(measured, "<" if above else ">", plain.constant(target))
            test = back.holds
    elif roll < 0.5:
        rearm, back, *_ = condition(rng, 1)
        test = back.holds
    rule = None
    try:
        rule = compile_rule(
            "a rule",
            text,
            hold=span(hold),
            rearm=rearm,
            cooldown=span(cooldown),
            keep_firing_for=span(keep),
            repeat=span(repeat) if repeat else None,
            stale_after=span(stale),
        )
    except ValueError as error:
        if not str(error).startswith("rearm:"):
            raise
        # It happened to lie on the wrong side.
        test = None
        rule = compile_rule(
            "a rule", text, hold=span(hold), cooldown=span(cooldown), keep_firing_for=span(keep),
            repeat=span(repeat) if repeat else None, stale_after=span(stale),
        )  # fmt: skip
    if expires is not None:
        from dataclasses import replace

        rule = replace(rule, expires=expires * UNIT)
    first = rule.first.above
    if isinstance(rule.first.measure, Plain) and isinstance(rule.first.measure.quantity, Magnitude):
        assert isinstance(rule.first.measure.quantity.of, Reading)
        measured = plain.series(rule.first.measure.quantity.of.metric.canonical)  # told with its sign
        first = None
    return rule, Meaning(
        part, measured, first, hold * UNIT, test, keep * UNIT, cooldown * UNIT, repeat * UNIT, stale * UNIT,
        None if expires is None else expires * UNIT,
    )  # fmt: skip


def random_tape(rng: random.Random, instants: int = 60) -> Tape:
    times: list[int] = []
    series: dict[str, list[float | None]] = {name: [] for name in (*METRICS.values(), *AGES.values())}
    epochs, gaps = [], set()
    now = {name: float(rng.randrange(-4, 5)) for name in METRICS.values()}
    calm, unknown, breaks = rng.random(), rng.random() * 0.3, rng.random() * 0.05
    outage, t, epoch = 0, 0, 0
    for i in range(rng.randrange(1, instants)):
        times.append(t)
        if i and rng.random() < 0.03:
            gaps.add(i)
        t += UNIT * rng.choice((1, 1, 1, 2, 3, rng.choice((1, 25))))
        epoch += rng.random() < breaks
        epochs.append(epoch)
        outage = outage - 1 if outage else rng.choice((0, 0, 0, 4)) * (rng.random() < 0.1)
        for name in METRICS.values():
            if rng.random() > calm:
                now[name] = float(rng.randrange(-4, 5))
            series[name].append(None if outage or rng.random() < unknown else now[name])
        for name in AGES.values():
            series[name].append(None if rng.random() < 0.1 else rng.randrange(0, 10) * UNIT / 1e9)
    return Tape(times, series, epochs, gaps)


def instants(tape: Tape, start: int, stop: int) -> Instants:
    """Positions start ... stop - 1 as the machine reads them."""
    columns = {
        name: np.array([np.nan if v is None else v for v in values[start:stop]], np.float64)
        for name, values in tape.series.items()
    }
    epochs = np.array(tape.epochs[start:stop], np.int64)
    return Instants(np.array(tape.times[start:stop], np.int64), columns, columns, (epochs * 0, epochs))


def read(machine: RuleMachine, tape: Tape, start: int, stop: int, until: int) -> list[AlertEvent]:
    return machine.read(instants(tape, start, stop), until, until)


def short(events: Sequence[AlertEvent], above: bool | None) -> list[Told]:
    """With the reason of a resolve as its kind."""
    return [
        (
            e.reason if e.kind == "resolved" else e.kind,
            e.t,
            e.t0,
            e.value,
            e.delivered,
            None if above is None else e.peak,
        )
        for e in events
    ]


def restarted(machine: RuleMachine) -> RuleMachine:
    """Another machine that goes on in its state, through the bytes of a checkpoint."""
    after = machine.fresh()
    after.restore(decode(encode(machine.carried())))
    return after
