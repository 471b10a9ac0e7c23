"""The moods of a simulated market: which phase it is in, and what that does to orders and quotes.

A cycle is: some ordinary phases (calm, trend, range, quiet), then the liquidity on one side is
withdrawn (`pull`), informed orders arrive on it (`burst`), and part of the move is given back
(`aftermath`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time with one character. Times are ns since the start of the simulation."""

    name: str
    start: int
    end: int
    direction: int = 0  # +1: buyers lead, -1: sellers lead
    activity: float = 1.0  # multiplies the rate of uninformed orders
    lean: float = 0.0  # expected (buys - sells) / orders of the uninformed flow
    drift_bps: float = 0.0  # of the fair value, per second
    noise: float = 1.0  # multiplies the fair value's own volatility
    pull_back: float = 0.0  # speed of return to where the phase began, per second
    informed: float = 0.0  # informed orders, as a multiple of the ordinary order rate
    move_bps: float = 0.0  # what the informed orders of the phase move the fair value by, in total
    liquidity: float = 1.0  # of the side in the way of `direction` (both sides when 0)
    spread: float = 0.0  # extra spread in bps


class PhaseSchedule:
    """An endless sequence of phases, drawn from its own generator."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._ordinary = 0  # ordinary phases left before the next informed episode
        first = draw.uniform(12, 28)
        self._queue = [Phase("calm", 0, round(first * NS), activity=0.9)]

    def next(self) -> Phase:
        """The phase that follows the one returned before; phases meet without a gap."""
        phase = self._queue.pop(0)
        if not self._queue:
            self._plan(phase.end)
        return phase

    def _plan(self, start: int) -> None:
        if self._ordinary > 0:
            self._ordinary -= 1
            self._queue.append(self._ordinary_phase(start))
            return
        self._ordinary = min(6, 1 + int(self._draw.expovariate(1 / 1.8)))
        self._queue.extend(self._episode(start))

    def _ordinary_phase(self, start: int) -> Phase:
        draw = self._draw
        name = draw.choices(("calm", "trend", "range", "quiet"), (4, 3, 3, 2))[0]
        if name == "quiet":
            end = start + round(draw.uniform(8, 25) * NS)
            return Phase(name, start, end, activity=0.05, noise=0.25, liquidity=1.15)
        end = start + round(draw.uniform(20, 100) * NS)
        if name == "trend":
            side = draw.choice((-1, 1))
            drift = side * draw.uniform(0.04, 0.14)
            return Phase(name, start, end, side, draw.uniform(0.9, 1.5), side * 0.28, drift, 1.1, liquidity=0.85)
        if name == "range":
            return Phase(name, start, end, activity=draw.uniform(0.7, 1.1), noise=1.2, pull_back=0.12)
        return Phase(name, start, end, activity=draw.uniform(0.45, 0.9), noise=0.7)

    def _episode(self, start: int) -> list[Phase]:
        draw = self._draw
        side = draw.choice((-1, 1))
        pulled = start + round(draw.uniform(4, 9) * NS)
        burst = pulled + round(min(60.0, 10 + draw.expovariate(1 / 12)) * NS)
        after = burst + round(draw.uniform(6, 18) * NS)
        move = side * min(35.0, draw.uniform(5, 11) + draw.expovariate(1 / 4))
        back = -0.35 * draw.random() * move / ((after - burst) / NS)
        return [
            Phase(
                "pull",
                start,
                pulled,
                side,
                activity=0.9,
                lean=side * 0.1,
                noise=0.6,
                informed=0.4,
                move_bps=side * 0.4,
                liquidity=0.32,
                spread=0.08,
            ),
            Phase(
                "burst",
                pulled,
                burst,
                side,
                activity=0.8,
                lean=side * 0.45,
                informed=3.0,
                move_bps=move,
                liquidity=0.22,
                spread=0.3,
            ),
            Phase(
                "aftermath",
                burst,
                after,
                -side,
                activity=1.3,
                lean=-side * 0.15,
                drift_bps=back,
                noise=1.3,
                liquidity=0.7,
                spread=0.06,
            ),
        ]
