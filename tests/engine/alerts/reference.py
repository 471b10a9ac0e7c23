"""What a rule means, written down naively: every part of a condition is a function of all instants so far.

Instants are ascending multiples of a unit, with the values of named series (None = unknown). Each part is a function
of the position i that looks at whatever it likes of positions 0 ... i; nothing is carried along. The machine visits
every multiple of the unit, one by one. Nothing here is fast, and nothing is found by reasoning about intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

STALE = 10_000_000_000

Truth = bool | None
#: Truth (or number) at position i of a tape.
At = Callable[["Tape", int], Truth]
Number = Callable[["Tape", int], float | None]


@dataclass
class Tape:
    """Instants and series. `gaps`: positions before which the run was interrupted; `epochs`: by position."""

    times: list[int]
    series: dict[str, list[float | None]]
    epochs: list[int]
    gaps: set[int] = field(default_factory=set)

    def joined(self, i: int) -> bool:
        """Whether position i follows the one before it, in one run and one epoch."""
        return i > 0 and i not in self.gaps and self.epochs[i] == self.epochs[i - 1]

    def run_start(self, i: int) -> int:
        """The first position of the run that i is in."""
        return max((gap for gap in self.gaps if gap <= i), default=0)

    def end(self, i: int) -> int | None:
        """When the value at i is replaced; None: it is the last one of its run."""
        return None if i + 1 >= len(self.times) or i + 1 in self.gaps else self.times[i + 1]


@dataclass(frozen=True)
class Part:
    """A condition: whether it holds, whether it stays, and whether it does at the moment of an instant itself."""

    holds: At
    stays: At
    moment: At


# ---- numbers


def series(name: str, absolute: bool = False, factor: float = 1.0) -> Number:
    def at(tape: Tape, i: int) -> float | None:
        value = tape.series[name][i]
        return None if value is None else factor * (abs(value) if absolute else value)

    return at


def constant(value: float) -> Number:
    return lambda tape, i: value


def extent(of: Number, direction: str, relative: bool, window: int) -> Number:
    def at(tape: Tape, i: int) -> float | None:
        now = of(tape, i)
        if now is None:
            return None
        known = [v for j in range(i + 1) if tape.times[j] > tape.times[i] - window and (v := of(tape, j)) is not None]
        ways = []
        if direction in ("rises", "moves"):
            ways.append((now - min(known), min(known)))
        if direction in ("falls", "moves"):
            ways.append((max(known) - now, max(known)))
        if relative:
            shares = [way / abs(base) for way, base in ways if base != 0]
            return max(shares) if shares else None
        return max(way for way, _ in ways)

    return at


def onset(of: Part, tape: Tape, i: int) -> bool:
    """It was known to be false at the instant before, of the same run, and is true."""
    return i > 0 and i not in tape.gaps and of.holds(tape, i) is True and of.holds(tape, i - 1) is False


def count(of: Part, window: int, least: int) -> Number:
    def at(tape: Tape, i: int) -> float | None:
        seen = sum(onset(of, tape, j) for j in range(i + 1) if tape.times[j] > tape.times[i] - window)
        return None if seen < least and of.holds(tape, i) is None else float(seen)

    return at


def absence(of: Number) -> Number:
    def at(tape: Tape, i: int) -> float:
        if of(tape, i) is not None:
            return 0.0
        first = i
        while first > tape.run_start(i) and of(tape, first - 1) is None:
            first -= 1
        return (tape.times[i] - tape.times[first]) / 1e9

    return at


def silence(age: str) -> Number:
    def at(tape: Tape, i: int) -> float:
        listened = (tape.times[i] - tape.times[tape.run_start(i)]) / 1e9
        told = tape.series[age][i]
        return listened if told is None else min(listened, told)

    return at


# ---- comparisons


def compare(sign: str, a: float, b: float) -> bool:
    return {">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b}[sign]


def compared(of: Number, sign: str, level: Number) -> Part:
    def at(tape: Tape, i: int) -> Truth:
        value, limit = of(tape, i), level(tape, i)
        return None if value is None or limit is None else compare(sign, value, limit)

    return Part(at, at, at)


def crosses(of: Number, direction: str, level: Number) -> Part:
    def side(tape: Tape, i: int) -> int | None:
        value, limit = of(tape, i), level(tape, i)
        return None if value is None or limit is None else (value > limit) - (value < limit)

    return edge(side, direction)


def band(of: Number, kind: str, low: Number, high: Number) -> Part:
    def inside(tape: Tape, i: int) -> Truth:
        value, a, b = of(tape, i), low(tape, i), high(tape, i)
        return None if value is None or a is None or b is None else a <= value <= b

    def outside(tape: Tape, i: int) -> Truth:
        found = inside(tape, i)
        return None if found is None else not found

    if kind in ("inside", "outside"):
        at = inside if kind == "inside" else outside
        return Part(at, at, at)
    wanted = inside if kind == "enters" else outside
    return edge(lambda tape, i: None if (x := wanted(tape, i)) is None else 1 if x else -1, "up")


def edge(side: Callable[[Tape, int], int | None], direction: str) -> Part:
    def crossed(tape: Tape, i: int) -> bool:
        if not tape.joined(i):
            return False
        before, now = side(tape, i - 1), side(tape, i)
        if before is None or now is None:
            return False
        up, down = before <= 0 < now, before >= 0 > now
        return {"up": up, "down": down, "either": up or down}[direction]

    def beyond(tape: Tape, i: int) -> Truth:
        now = side(tape, i)
        return None if now is None else {"up": now > 0, "down": now < 0, "either": now != 0}[direction]

    def holds(tape: Tape, i: int) -> Truth:
        if beyond(tape, i) is not True:
            return beyond(tape, i)
        j = i
        while j >= tape.run_start(i) and beyond(tape, j) is True:
            if crossed(tape, j):
                return True
            j -= 1
        return False

    def moment(tape: Tape, i: int) -> Truth:
        return False if direction == "either" and crossed(tape, i) else beyond(tape, i)

    return Part(holds, beyond, moment)


# ---- joining


def _and(values: list[Truth]) -> Truth:
    return False if False in values else None if None in values else True


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def both(*parts: Part) -> Part:
    return Part(
        lambda tape, i: _and([part.holds(tape, i) for part in parts]),
        lambda tape, i: _and([part.stays(tape, i) for part in parts]),
        lambda tape, i: _and([part.moment(tape, i) for part in parts]),
    )


def negated(part: Part) -> Part:
    return Part(
        lambda tape, i: _not(part.holds(tape, i)),
        lambda tape, i: _not(part.stays(tape, i)),
        lambda tape, i: _not(part.moment(tape, i)),
    )


def some(*parts: Part) -> Part:
    return negated(both(*(negated(part) for part in parts)))


def then(first: Part, second: Part, within: int) -> Part:
    def begins(tape: Tape, i: int) -> bool:
        """The second becomes true at i, and the first was true at some time of [t - within, t)."""
        if not onset(second, tape, i):
            return False
        for j in range(tape.run_start(i), i):
            if first.holds(tape, j) is True and tape.times[j + 1] > tape.times[i] - within:
                return True
        return False

    def holds(tape: Tape, i: int) -> Truth:
        if second.holds(tape, i) is not True:
            return second.holds(tape, i)
        j = i
        while j >= tape.run_start(i) and second.holds(tape, j) is True:
            if begins(tape, j):
                return True
            j -= 1
        return False

    return Part(holds, second.stays, second.moment)


# ---- the machine


@dataclass(frozen=True)
class Meaning:
    """A rule in plain parts. Lengths of time in ns."""

    condition: Part
    value: Number  # of its first comparison
    above: bool | None = True  # whether the highest value is the peak, or the lowest; None: not looked at
    hold: int = 0
    rearm: At | None = None  # the re-arm test; None: the negation
    keep: int = 0
    cooldown: int = 0
    repeat: int = 0
    stale: int = STALE
    expires: int | None = None


#: kind (of a resolve: its reason), stamp, t0, value, delivered, peak
Told = tuple[str, int, int, float | None, bool, float | None]


def told(meaning: Meaning, tape: Tape, until: int, unit: int) -> list[Told]:
    """All events stamped before `until`, by visiting every multiple of `unit` from the first instant on."""
    out: list[Told] = []
    position = {t: i for i, t in enumerate(tape.times)}
    i, lost = -1, False  # lost: between the end of one run and the begin of the next
    truth_began: int | None = None  # unbroken since
    firing, held, t0 = False, False, 0
    unknown_began: int | None = None
    clear_began: int | None = None
    delivered = False
    last_delivery: int | None = None
    last_reminder = 0

    def tell(kind: str, t: int, delivery: bool) -> None:
        known = [
            v for j in range(i + 1) if t0 <= tape.times[j] <= t and (v := meaning.value(tape, j)) is not None
        ]  # fmt: skip
        peak = None
        if known and meaning.above is not None:
            peak = max(known) if meaning.above else min(known)
        out.append((kind, t, t0, None if lost else meaning.value(tape, i), delivery, peak))

    t = tape.times[0]
    while t < until:
        if t in position:
            i, lost = position[t], False
            if i in tape.gaps:
                truth_began = unknown_began = clear_began = None
                last_reminder = max(last_reminder, t - meaning.repeat)
        elif i + 1 in tape.gaps:
            lost = True  # the last instant of a run: it is over right after what was read
        if meaning.expires is not None and t >= meaning.expires:
            if firing:
                tell("expired", t, delivered)
            return out
        holds, moment = meaning.condition.holds(tape, i), meaning.condition.moment(tape, i)
        crossed_again = t in position and holds is True and moment is False
        for _ in range(2 if not lost else 0):  # an episode may end and another begin at one instant
            if not firing:
                if truth_began is not None and crossed_again:
                    truth_began = None
                if meaning.condition.holds(tape, i) is not True:
                    truth_began = None
                    break
                if truth_began is None:
                    truth_began = t
                if t - truth_began < meaning.hold:
                    break
                firing, held, t0 = True, False, truth_began
                truth_began = unknown_began = clear_began = None
                delivered = last_delivery is None or t - last_delivery >= meaning.cooldown
                if delivered:
                    last_delivery = last_reminder = t
                tell("fired", t, delivered)
                break
            if crossed_again:
                tell("back", t, delivered)
                firing = crossed_again = False
                continue
            back = True if meaning.rearm is None else meaning.rearm(tape, i)
            safe = _and([_not(meaning.condition.stays(tape, i)), back])
            if safe is None:
                clear_began = None
                if unknown_began is None:
                    unknown_began = t
                    if not held:
                        held = True
                        tell("held", t, False)
                if t - unknown_began >= meaning.stale:
                    tell("no data", t, delivered)
                    firing = False
                    continue
            elif not safe:
                unknown_began = clear_began = None
            else:
                unknown_began = None
                if clear_began is None:
                    clear_began = t
                if t - clear_began >= meaning.keep:
                    tell("back", t, delivered)
                    firing = False
                    continue
            reminds = meaning.repeat and delivered and unknown_began is None and clear_began is None
            if reminds and t - last_reminder >= meaning.repeat:
                last_reminder = t
                tell("repeated", t, True)
            break
        t += unit
    return out
