"""The fair value market makers quote around: a random walk that orders push and that comes home."""

from __future__ import annotations

import math
import random

from connectors.simulator.phases import Phase
from connectors.simulator.profiles import Profile

#: Own volatility (bps per root second), half-life of the return of the log price to its level (s).
_SIGMA_BPS, _HALF_LIFE = 0.22, 6 * 3600.0
#: Impact of an uninformed order (bps per root of median orders): lasting, and passing with _FADE (s).
_LASTING, _PASSING, _FADE = 0.008, 0.03, 5.0
_MOST_PASSING_BPS = 3.0
#: An order larger than so many median orders has no more impact than that.
_LARGEST = 150.0


class FairValue:
    """In ticks, within `lowest` and `highest`. What quotes follow is `value`: the lasting and the passing part."""

    def __init__(self, profile: Profile, draw: random.Random, lowest: float, highest: float) -> None:
        self._draw = draw
        self._home = profile.price / float(profile.tick)
        self._bps = 1.0 / profile.tick_bps  # ticks per basis point
        self._lowest, self._highest = lowest, highest
        self._passing = 0.0
        self._lasting = self._began = self._home

    @property
    def value(self) -> float:
        """Ticks."""
        return self._lasting + self._passing

    def begin_phase(self) -> None:
        """A range is around where it begins."""
        self._began = self._lasting

    def push(self, bps: float) -> None:
        """Information arrived."""
        self._lasting = min(max(self._lasting + bps * self._bps, self._lowest), self._highest)

    def hit(self, side: int, medians: float) -> None:
        """An order of so many median orders was filled."""
        root = math.sqrt(min(medians, _LARGEST)) * side * self._bps
        self._lasting += _LASTING * root
        self._passing += _PASSING * root

    def hold(self, lowest: float, highest: float) -> None:
        """The value cannot leave what a wall defends."""
        self._lasting += max(0.0, lowest - self.value) - max(0.0, self.value - highest)

    def move(self, dt: float, phase: Phase) -> None:
        """Its own motion over `dt` seconds."""
        bps = self._bps
        home = math.log(self._lasting / self._home) * self._lasting * math.log(2) / _HALF_LIFE
        drift = phase.drift_bps * bps - phase.pull_back * (self._lasting - self._began) - home
        noise = _SIGMA_BPS * phase.noise * bps * math.sqrt(dt) * self._draw.gauss(0.0, 1.0)
        self._lasting = min(max(self._lasting + drift * dt + noise, self._lowest), self._highest)
        widest = _MOST_PASSING_BPS * bps
        self._passing = min(max(self._passing * math.exp(-dt / _FADE), -widest), widest)
