"""The order book as a metric reads it, over two plain lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.tape import NO_ASK, NO_BID, Ints

Side = list[tuple[int, int]]


@dataclass
class ListBook:
    bids: Side  # (price, size), best first
    asks: Side
    trusted: bool = True
    known_low: int | None = None
    known_high: int | None = None

    @property
    def valid(self) -> bool:
        return self.trusted and self.best_bid < self.best_ask

    @property
    def best_bid(self) -> int:
        return self.bids[0][0] if self.bids else NO_BID

    @property
    def best_ask(self) -> int:
        return self.asks[0][0] if self.asks else NO_ASK

    @property
    def bid_qty(self) -> int:
        return self.bids[0][1] if self.bids else 0

    @property
    def ask_qty(self) -> int:
        return self.asks[0][1] if self.asks else 0

    def levels(self, side: int, count: int | None = None, until: int | None = None) -> tuple[Ints, Ints]:
        rows = self.bids if side > 0 else self.asks
        if until is not None:
            rows = [(p, q) for p, q in rows if side * (p - until) >= 0]
        rows = rows[:count]
        return np.array([p for p, _ in rows], np.int64), np.array([q for _, q in rows], np.int64)

    def mirrored(self, about: int) -> ListBook:
        """Prices reflected at `about`, sides swapped."""

        def flip(price: int | None) -> int | None:
            return None if price is None else 2 * about - price

        return ListBook(
            [(2 * about - p, q) for p, q in self.asks],
            [(2 * about - p, q) for p, q in self.bids],
            self.trusted,
            flip(self.known_high),
            flip(self.known_low),
        )
