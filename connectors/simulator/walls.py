"""Liquidity walls: big resting orders near the touch that hold the price, get eaten, or are pulled."""

from __future__ import annotations

import random
from dataclasses import dataclass

from connectors.simulator.book import ASK, BID, RestingBook


@dataclass(slots=True)
class Wall:
    """One wall. `shy`: it is pulled when the price comes within `flees_at` ticks."""

    side: int
    at: int  # index
    lots: int
    expires: int  # ns since the start
    shy: bool
    flees_at: int


class Walls:
    """The walls standing in one book."""

    def __init__(self, book: RestingBook, draw: random.Random) -> None:
        self._book, self._draw = book, draw
        self.standing: list[Wall] = []

    def appear(self, now: int) -> None:
        """A new wall at a round price some way from the touch, unless there are enough of them."""
        draw, book = self._draw, self._book
        if len(self.standing) >= 3:
            return
        side = draw.choice((BID, ASK))
        step = 1 if side == ASK else -1
        away = draw.randint(4, max(8, book.levels // 10))
        at = book.best[side] + step * away
        at += step * (-(book.low + at) * step % 5)  # out to the next multiple of five ticks
        lots = round(book.unit * draw.uniform(7, 20))
        ends = now + round(draw.uniform(15, 90) * 1e9)
        wall = Wall(side, at, lots, ends, draw.random() < 0.6, draw.randint(1, 4))
        if all(abs(w.at - at) > 3 for w in self.standing):
            self.standing.append(wall)
            book.sides[side][at] = lots

    def note_eaten(self) -> None:
        """Takers were here: what is left of each wall."""
        for wall in self.standing:
            wall.lots = self._book.sides[wall.side][wall.at]
        self.standing = [wall for wall in self.standing if wall.lots]

    def bounds(self) -> tuple[int, int]:
        """Lowest best bid and highest best ask that the walls allow, as indices."""
        low, high = 0, self._book.size
        for wall in self.standing:
            if wall.side == ASK:
                high = min(high, wall.at)
            else:
                low = max(low, wall.at)
        return low, high

    def withdraw(self, now: int, in_the_way: int) -> None:
        """Pull the walls that expired, that flee, or (often) that stand in the way of informed orders.

        `in_the_way` is +1 while informed buyers come, -1 for sellers, else 0.
        """
        kept = []
        for wall in self.standing:
            distance = abs(wall.at - self._book.best[wall.side])
            hunted = in_the_way == (1 if wall.side == ASK else -1) and self._draw.random() < 0.01
            flees = wall.shy and distance <= wall.flees_at
            if now >= wall.expires or flees or hunted or distance > self._book.levels // 2:
                self._pull(wall)
            else:
                kept.append(wall)
        self.standing = kept

    def pull_all(self) -> None:
        """No wall is left."""
        for wall in self.standing:
            self._pull(wall)
        self.standing = []

    def restore(self) -> None:
        """Undo what the refresh did to the walls."""
        for wall in self.standing:
            self._book.sides[wall.side][wall.at] = wall.lots

    def _pull(self, wall: Wall) -> None:
        usual = self._book.unit * 0.3 * self._draw.uniform(0.4, 1.6)
        self._book.sides[wall.side][wall.at] = max(1, min(wall.lots, round(usual)))
