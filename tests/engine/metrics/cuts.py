"""Folding a list of events through a calculator, cut into batches anywhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from engine.metrics.batch import NO_ASK, NO_BID, Band, Batch, Changes, Floats, Ladder, Quotes, Trades
from engine.metrics.calculator import Calculator


@dataclass(frozen=True)
class Fill:
    t: int
    qty: int
    side: int
    px: int = 100


@dataclass(frozen=True)
class Touch:
    """The book after a message. Empty side: NO_BID or NO_ASK with size 0."""

    t: int
    bid: int = NO_BID
    bid_qty: int = 0
    ask: int = NO_ASK
    ask_qty: int = 0
    valid: bool = True
    epoch: int = 0
    sums: dict[int, tuple[int, int]] = field(default_factory=dict)
    changes: tuple[tuple[int, int, int, int], ...] = ()  # (side, px, before, after) of the levels it names
    bands: dict[Fraction, tuple[int, int, int, int]] = field(default_factory=dict)  # lots and money within bps
    ladders: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class DayVolume:
    t: int
    lots: int


Event = Fill | Touch | DayVolume


def batch_of(events: Sequence[Event], start: int, taps: Sequence[int] = (), first: int = 0) -> Batch:
    """`first` is the number of events before these: message numbers go on from there."""
    fills = [e for e in events if isinstance(e, Fill)]
    touches = [e for e in events if isinstance(e, Touch)]

    def numbers(kind: type) -> np.ndarray:
        return ints([first + i + 1 for i, e in enumerate(events) if isinstance(e, kind)])

    def ints(values: Sequence[int]) -> np.ndarray:
        return np.array(values, np.int64)

    return Batch(
        trades=Trades(*(ints([getattr(e, n) for e in fills]) for n in ("t", "px", "qty", "side")), numbers(Fill)),
        quotes=Quotes(
            ints([e.t for e in touches]),
            ints([e.bid for e in touches]),
            ints([e.bid_qty for e in touches]),
            ints([e.ask for e in touches]),
            ints([e.ask_qty for e in touches]),
            np.array([e.valid for e in touches], np.bool_),
            ints([e.epoch for e in touches]),
            numbers(Touch),
        ),
        sums={k: (ints([e.sums[k][0] for e in touches]), ints([e.sums[k][1] for e in touches])) for k in taps},
        changes=_changes(events, first),
        bands={bps: Band(*(ints([e.bands[bps][i] for e in touches]) for i in range(4))) for bps in touches[0].bands}
        if touches
        else {},
        ladders={m: _ladder(touches, m) for m in touches[0].ladders} if touches else {},
        day_volumes=tuple((e.t, e.lots) for e in events if isinstance(e, DayVolume)),
        start=start,
        end=events[-1].t if events else start,
    )


def _ladder(touches: Sequence[Touch], m: int) -> Ladder:
    """Of the (price, size) of up to m levels of both sides, best first."""
    columns = []
    for side, none in ((0, NO_BID), (1, NO_ASK)):
        padded = [[*e.ladders[m][side], *[(none, 0)] * (m - len(e.ladders[m][side]))] for e in touches]
        columns += [np.array([[level[i] for level in row] for row in padded], np.int64) for i in (0, 1)]
    return Ladder(*columns)


def _changes(events: Sequence[Event], first: int) -> Changes:
    rows = [
        (e.t, first + i + 1, e.epoch, *change)
        for i, e in enumerate(events)
        if isinstance(e, Touch)
        for change in e.changes
    ]
    return Changes(*(np.array(column, np.int64) for column in (zip(*rows, strict=True) if rows else [()] * 7)))


def fold(
    make: Callable[[], Calculator],
    events: Sequence[Event],
    cuts: Sequence[int],
    fields: Sequence[str],
    times: np.ndarray,
    taps: Sequence[int] = (),
    restore: bool = True,
) -> dict[str, Floats]:
    """Values of the fields at ascending times, folded in batches that end at `cuts` (indices into events).

    An instant is sampled as soon as the clock has passed it, the others at the end; with `restore` a fresh
    calculator takes over the state after every batch.
    """

    def fresh() -> Calculator:
        made = make()
        for name in fields:
            assert len(made.sample(name, np.empty(0, np.int64))) == 0
        return made

    calculator, clock, done = fresh(), 0, 0
    values: dict[str, list[Floats]] = {name: [np.empty(0)] for name in fields}
    begin = 0
    for end in [*cuts, len(events)]:
        batch = batch_of(events[begin:end], clock, taps, begin)
        calculator.update(batch)
        clock, begin = batch.end, end
        due = int(np.searchsorted(times, clock, "left")) if end < len(events) else len(times)
        for name in fields:
            values[name].append(calculator.sample(name, times[done:due]))
        done = due
        # as the market does: nothing before the next instant will be asked for
        calculator.advance(min(clock, int(times[due])) if due < len(times) else clock)
        if restore:
            state = calculator.state()
            calculator = fresh()
            calculator.restore(state)
    return {name: np.concatenate(parts) for name, parts in values.items()}


def random_cuts(rng: random.Random, count: int) -> list[int]:
    """Ascending cut points with many batches of 0 and of 1 event."""
    cuts = sorted(rng.choices(range(count + 1), k=rng.randint(0, max(1, count // 3))))
    return sorted(cuts + rng.choices(cuts, k=len(cuts) // 3)) if cuts else cuts


def every_event(count: int) -> list[int]:
    """Batches of one event, with an empty one before each."""
    return [i for i in range(count) for _ in (0, 1)]
