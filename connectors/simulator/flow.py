"""Taker orders: when they come, which way they go, how large they are.

Arrivals are self-exciting (a Hawkes process with a fast and a slow kernel and some excitation of the
other side), large intentions are cut into runs of orders on one side, sizes have a lognormal body and
a Pareto tail, and people like round numbers.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from connectors.simulator.phases import NS, Phase
from connectors.simulator.profiles import Profile

#: Kernels: decay per second and mean number of direct offspring.
_FAST, _FAST_OFFSPRING = 9.0, 0.38
_SLOW, _SLOW_OFFSPRING = 0.3, 0.22
#: Share of the offspring on the parent's side.
_SAME = 0.65
_SELF = 1 - _FAST_OFFSPRING - _SLOW_OFFSPRING


@dataclass(frozen=True, slots=True)
class Order:
    """A taker order: `when` as a share of the step, `sweep` > 0 takes so many prices instead of `lots`."""

    when: float
    side: int
    lots: int
    sweep: int = 0
    informed: bool = False


@dataclass(slots=True)
class _Run:
    """A large intention being worked in pieces."""

    side: int
    lots: int
    left: int
    due: int  # ns since the start


class OrderFlow:
    """Draws the orders of each step. Both excitations are in orders per second, by side (buy, sell)."""

    def __init__(self, profile: Profile, draw: random.Random) -> None:
        self._draw = draw
        self._rate = profile.order_rate
        self._median = profile.order_size / float(profile.lot)
        self._timid = max(1, round(3 * self._median))
        self._deepest = max(6, min(12, round(1.2 / profile.tick_bps)))
        self._dt = profile.step_ns / NS
        self._fast = [0.0, 0.0]
        self._slow = [0.0, 0.0]
        self._cool = math.exp(-_FAST * self._dt), math.exp(-_SLOW * self._dt)
        self._runs: list[_Run] = []

    def orders(self, now: int, phase: Phase, activity: float) -> list[Order]:
        """The orders of the step that begins `now` (ns since the start), by time."""
        draw, dt = self._draw, self._dt
        found: list[Order] = []
        own = self._rate * phase.activity * activity * _SELF * 0.5
        for i, side in ((0, 1), (1, -1)):
            rate = own * (1 + side * phase.lean) + self._fast[i] + self._slow[i]
            against = phase.informed > 0 and side != phase.direction
            if against:  # few stand in the way of a crowd
                rate *= 0.5
            for _ in range(self._poisson(rate * dt)):
                lots = self.size()
                if against:
                    lots = min(lots, self._timid)
                found.append(Order(draw.random(), side, lots))
        if phase.informed:
            for _ in range(self._poisson(self._rate * phase.informed * activity * dt)):
                found.extend(self._informed_orders(phase.direction))
        if draw.random() < 0.012 * self._rate * phase.activity * activity * dt:
            self._begin_run(now, phase)
        if self._runs:
            found.extend(self._due(now, phase))
        self._excite(found)
        found.sort(key=_by_time)
        return found

    def size(self) -> int:
        """Lots of an uninformed order."""
        draw = self._draw
        if draw.random() < 0.025:
            lots = self._median * min(800.0, 14 * draw.paretovariate(1.35))
        else:
            lots = self._median * math.exp(draw.gauss(0.0, 1.5))
        return _rounded(lots) if draw.random() < 0.3 else max(1, round(lots))

    def _informed_orders(self, direction: int) -> list[Order]:
        """Mostly one order; sometimes a sweep, or a clip: many small orders within a moment."""
        draw = self._draw
        kind = draw.random()
        if kind < 0.03:
            return [Order(draw.random(), direction, 0, draw.randint(3, self._deepest), True)]
        side = direction if draw.random() < 0.97 else -direction
        if kind < 0.065:
            lots = max(1, round(0.5 * self._median))
            return [Order(draw.random(), side, lots, 0, True) for _ in range(draw.randint(6, 18))]
        return [Order(draw.random(), side, max(1, round(2.2 * self._median * math.exp(draw.gauss(0.0, 0.9)))), 0, True)]

    def _begin_run(self, now: int, phase: Phase) -> None:
        draw = self._draw
        side = 1 if draw.random() < 0.5 * (1 + phase.lean) else -1
        left = min(60, int(4 * draw.paretovariate(1.3)))
        self._runs.append(_Run(side, _rounded(self._median * math.exp(draw.gauss(0.6, 0.9))), left, now))

    def _due(self, now: int, phase: Phase) -> list[Order]:
        """The pieces that fall into this step; runs wait in a quiet market, or against informed orders."""
        draw, end = self._draw, now + round(self._dt * NS)
        found = []
        for run in self._runs:
            if phase.activity < 0.2 or (phase.informed and run.side != phase.direction):
                run.due = max(run.due, end)
            while run.left and run.due < end:
                lots = run.lots if draw.random() < 0.6 else max(1, round(run.lots * draw.uniform(0.6, 1.4)))
                found.append(Order(max(0, run.due - now) / (self._dt * NS), run.side, lots))
                run.left -= 1
                run.due += round(draw.expovariate(1 / 0.7) * NS)
        self._runs = [run for run in self._runs if run.left]
        return found

    def _excite(self, found: list[Order]) -> None:
        fast, slow, cool = self._fast, self._slow, self._cool
        fast[0], fast[1], slow[0], slow[1] = fast[0] * cool[0], fast[1] * cool[0], slow[0] * cool[1], slow[1] * cool[1]
        for order in found:
            i = 0 if order.side > 0 else 1
            same, other = (0.35, 0.0) if order.informed else (_SAME, 1 - _SAME)
            fast[i] += _FAST * _FAST_OFFSPRING * same
            slow[i] += _SLOW * _SLOW_OFFSPRING * same
            fast[1 - i] += _FAST * _FAST_OFFSPRING * other
            slow[1 - i] += _SLOW * _SLOW_OFFSPRING * other

    def _poisson(self, mean: float) -> int:
        """Knuth's product of uniforms: exact, and quick for the small means of a step."""
        draw = self._draw.random
        limit, product, n = math.exp(-mean), draw(), 0
        while product > limit:
            product *= draw()
            n += 1
        return n


def _by_time(order: Order) -> float:
    return order.when


def _rounded(lots: float) -> int:
    """To one significant figure, or a five in the second."""
    if lots < 10:
        return max(1, round(lots))
    step = int(10 ** math.floor(math.log10(lots)))
    return max(1, round(lots / step * 2) * step // 2)
