"""A seeded market whose every state is known: the truth that a connector's picture is compared with."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

START_MS = 1_750_000_000_000
#: Levels of each side that a state is told by.
COMPARED = 20

State = tuple[tuple[tuple[Decimal, float], ...], tuple[tuple[Decimal, float], ...]]


@dataclass(frozen=True)
class Change:
    """Levels that have changed, in the market's own text; a size of zero deletes."""

    ms: int
    bids: dict[str, str]
    asks: dict[str, str]


@dataclass(frozen=True)
class Print:
    """One trade; `side` is the taker's."""

    id: int
    ms: int
    price: str
    size: str
    side: int


@dataclass
class SeededMarket:
    """One market: `move` changes its book, `execute` makes a trade. Prices and sizes are text with the market's
    decimals, as on the wire. `states` are the books it has had, `prints` its trades."""

    symbol: str
    native: str
    base: str
    quote: str
    tick: str = "0.01"
    lot: str = "0.001"
    seed: int = 1
    now_ms: int = START_MS
    trade_id: int = 5_000
    day_volume: str = "12345.678"
    trading: bool = True
    bids: dict[str, str] = field(default_factory=dict)
    asks: dict[str, str] = field(default_factory=dict)
    prints: list[Print] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._mid = 10_000
        for i in range(1, 21):
            self.bids[self.price(self._mid - i)] = self.size(self._rng.randint(1, 500))
            self.asks[self.price(self._mid + i)] = self.size(self._rng.randint(1, 500))
        self.states.append(state_of(self.bids, self.asks))

    def price(self, ticks: int) -> str:
        """Price text."""
        return str(ticks * Decimal(self.tick))

    def size(self, lots: int) -> str:
        """Size text."""
        return str(lots * Decimal(self.lot))

    def move(self) -> Change:
        """The next change of the book: some sizes change, now and then the middle moves."""
        rng, bids, asks = self._rng, {}, {}
        self.now_ms += rng.randint(20, 180)
        move = rng.choice((-1, 0, 0, 0, 1))
        self._mid += move
        if move > 0:
            asks[self.price(self._mid)] = self.size(0)
            bids[self.price(self._mid - 1)] = self.size(rng.randint(1, 500))
        if move < 0:
            bids[self.price(self._mid)] = self.size(0)
            asks[self.price(self._mid + 1)] = self.size(rng.randint(1, 500))
        for _ in range(rng.randint(1, 6)):
            distance = rng.randint(1, 25)
            lots = rng.choice((0, rng.randint(1, 500))) if distance > 1 else rng.randint(1, 500)
            if rng.random() < 0.5:
                bids[self.price(self._mid - distance)] = self.size(lots)
            else:
                asks[self.price(self._mid + distance)] = self.size(lots)
        for side, changes in ((self.bids, bids), (self.asks, asks)):
            for price, size in changes.items():
                if Decimal(size):
                    side[price] = size
                else:
                    side.pop(price, None)
        self.states.append(state_of(self.bids, self.asks))
        return Change(self.now_ms, bids, asks)

    def execute(self) -> Print:
        """The next trade."""
        rng = self._rng
        self.now_ms += rng.randint(0, 40)
        self.trade_id += 1
        buys = rng.random() < 0.5
        price = self.price(self._mid + (1 if buys else -1))
        print_ = Print(self.trade_id, self.now_ms, price, self.size(rng.randint(1, 300)), 1 if buys else -1)
        self.prints.append(print_)
        return print_

    def best(self, depth: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The best levels of each side, best first."""
        bids = sorted(self.bids.items(), key=lambda x: -Decimal(x[0]))
        asks = sorted(self.asks.items(), key=lambda x: Decimal(x[0]))
        return bids[:depth], asks[:depth]


def state_of(bids: Mapping[str, str | float], asks: Mapping[str, str | float], depth: int = COMPARED) -> State:
    """A book as something to compare: its best levels, best first."""
    best_bids = sorted(((Decimal(p), float(s)) for p, s in bids.items()), reverse=True)[:depth]
    best_asks = sorted((Decimal(p), float(s)) for p, s in asks.items())[:depth]
    return tuple(best_bids), tuple(best_asks)
