"""Random markets told message by message: a book that is traded, pulled from, refilled, lost and found again."""

from __future__ import annotations

import random
from collections.abc import Iterable
from fractions import Fraction

from engine.metrics.batch import NO_ASK, NO_BID
from tests.engine.metrics.cuts import Event, Fill, Touch

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
#: Distances whose depth every message carries.
DISTANCES = (Fraction(10), Fraction(25))


class Book:
    """Two dictionaries."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.epoch = 0
        self.loaded = False

    def fill(self, rng: random.Random, mid: int, levels: int = 30) -> None:
        """A snapshot."""
        self.epoch += 1
        self.loaded = True
        for side in (1, -1):
            self.sides[side] = {mid - side * d: rng.randint(1, 60) for d in range(1, levels)}

    def lose(self) -> None:
        """Out of sync."""
        self.epoch += 1
        self.loaded = False
        self.sides = {1: {}, -1: {}}

    def best(self, side: int) -> int | None:
        """Best price of a side."""
        prices = self.sides[side]
        return (max(prices) if side > 0 else min(prices)) if prices else None

    def change(self, levels: Iterable[tuple[int, int, int]]) -> tuple[tuple[int, int, int, int], ...]:
        """Apply (side, px, size): what `Touch.changes` carries."""
        out = []
        for side, px, size in levels:
            out.append((side, px, self.sides[side].get(px, 0), size))
            if size:
                self.sides[side][px] = size
            else:
                self.sides[side].pop(px, None)
        return tuple(out)

    def touch(self, t: int, changes: tuple[tuple[int, int, int, int], ...] = ()) -> Touch:
        """The state after a message."""
        bid, ask = self.best(1), self.best(-1)
        crossed = bid is not None and ask is not None and bid >= ask
        valid = self.loaded and not crossed
        bands = {}
        for bps in DISTANCES:
            row = [0, 0, 0, 0]
            if valid and bid is not None and ask is not None:
                for i, side in enumerate((1, -1)):
                    near = [
                        (p, q)
                        for p, q in self.sides[side].items()
                        if abs(2 * p - bid - ask) * 10_000 <= (bid + ask) * bps
                    ]
                    row[i], row[2 + i] = sum(q for _, q in near), sum(p * q for p, q in near)
            bands[bps] = (row[0], row[1], row[2], row[3])
        return Touch(
            t,
            NO_BID if bid is None else bid,
            0 if bid is None else self.sides[1][bid],
            NO_ASK if ask is None else ask,
            0 if ask is None else self.sides[-1][ask],
            valid,
            self.epoch,
            changes=changes,
            bands=bands,
        )


def book_tape(rng: random.Random, count: int = 250, pause: int = SECOND // 2, mid: int = 20_000) -> list[Event]:
    """Trades that the book shows later, at once, earlier or never (refills), cancels, deltas naming a level twice,
    snapshots, losses, crossed and one-sided books, many messages at one time and quiet spells up to 20 `pause`."""
    book, t, events = Book(), START + rng.randrange(SECOND), []
    owed: list[tuple[int, int, int]] = []  # trades the book has not shown: (side hit, px, lots)
    book.fill(rng, mid)
    events.append(book.touch(t))
    for _ in range(count):
        t += rng.choice((0, 0, 0, 1, 999, rng.randrange(pause), rng.randrange(pause)))
        if rng.random() < 0.02:
            t += rng.randrange(20 * pause)
        roll = rng.random()
        best = book.best(side := rng.choice((1, -1)))
        if roll < 0.4 and best is not None:
            resting = book.sides[side][best]
            lots = rng.choice((1, resting, rng.randint(1, resting), resting + rng.randint(1, 20)))
            px = best if rng.random() < 0.9 else best - side
            events.append(Fill(t, lots, -side if rng.random() < 0.9 else 0, px))
            owed.append((side, px, lots))
        elif roll < 0.93 and book.loaded:
            named: list[tuple[int, int, int]] = []
            for of_side, px, lots in owed:
                if rng.random() < 0.7:  # otherwise refilled, or shown with a later message
                    named.append((of_side, px, max(0, book.sides[of_side].get(px, 0) - lots)))
            owed = [] if rng.random() < 0.8 else owed
            for _ in range(rng.randrange(4)):
                of_side = rng.choice((1, -1))
                around = book.best(of_side) or mid
                px = around - of_side * rng.choice((0, 0, 1, 2, 7, 30, -1 if rng.random() < 0.3 else 0))
                named.append((of_side, px, rng.choice((0, 0, rng.randint(1, 90), rng.randint(1, 9)))))
            if rng.random() < 0.1 and named:
                named.append((*rng.choice(named)[:2], rng.randint(0, 50)))
            for of_side in (1, -1):  # usually the other side gives way
                highest = max((s * px for s, px, size in named if s == -of_side and size), default=None)
                if highest is not None and rng.random() < 0.95:
                    edge = -of_side * highest
                    named += [(of_side, px, 0) for px in book.sides[of_side] if of_side * (px - edge) >= 0]
            events.append(book.touch(t, book.change(named)))
        elif roll < 0.95:
            book.lose()
            events.append(book.touch(t))
        elif roll < 0.97 or not book.loaded:
            mid += rng.randint(-5, 5)
            book.fill(rng, mid)
            owed = []
            events.append(book.touch(t))
        elif roll < 0.98:
            gone = rng.choice((1, -1))
            events.append(book.touch(t, book.change([(gone, px, 0) for px in list(book.sides[gone])])))
    return events


def valid_us(events: Iterable[Event], t: int, window: int) -> int:
    """Time (whole microseconds) for which the book was valid in (t - window, t]."""
    touches = [e for e in events if isinstance(e, Touch) and e.t <= t]
    ends = [e.t for e in touches[1:]] + [t] if touches else []
    spans = [(max(e.t, t - window), end) for e, end in zip(touches, ends, strict=True) if e.valid]
    return sum(end // 1000 - start // 1000 for start, end in spans if end > start)


def book_seen(events: Iterable[Event], t: int, window: int) -> bool:
    """Whether the book was valid for some time of the window, or is."""
    touches = [e for e in events if isinstance(e, Touch) and e.t <= t]
    return valid_us(touches, t, window) > 0 or bool(touches and touches[-1].valid)


def mirrored(events: Iterable[Event], about: int = 40_000) -> list[Event]:
    """The same market with the sides swapped: prices p become `about` - p."""
    out: list[Event] = []
    for e in events:
        if isinstance(e, Fill):
            out.append(Fill(e.t, e.qty, -e.side, about - e.px))
        elif isinstance(e, Touch):
            out.append(
                Touch(
                    e.t,
                    about - e.ask if e.ask_qty else NO_BID,
                    e.ask_qty,
                    about - e.bid if e.bid_qty else NO_ASK,
                    e.bid_qty,
                    e.valid,
                    e.epoch,
                    changes=tuple((-side, about - px, before, after) for side, px, before, after in e.changes),
                    bands={
                        bps: (ask, bid, about * ask - ask_money, about * bid - bid_money)
                        for bps, (bid, ask, bid_money, ask_money) in e.bands.items()
                    },
                )
            )
    return out
