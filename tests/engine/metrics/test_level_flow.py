"""Pulling, stacking and cancel share against the same rule told message by message."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.level_flow import LevelFlow
from engine.metrics.names import MetricError, parse_metric
from tests.engine.metrics.book_tapes import SECOND, START, book_seen, book_tape, mirrored
from tests.engine.metrics.cuts import Event, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import LINEAR, instants

LOT = Fraction(1, 1000)
WINDOWS = (SECOND // 3, 5 * SECOND, 60 * SECOND)


Move = tuple[int, int, int, int, int, int, Touch]


def make() -> LevelFlow:
    return LevelFlow(LINEAR.instrument)


def moves(events: Sequence[Event]) -> list[Move]:
    """(t, side, px, before, after, traded, touch before) of every level and message."""
    out, touch, waiting, epoch = [], None, [], None
    for e in events:
        if isinstance(e, Fill):
            waiting.append((e.t, -e.side, e.px, e.qty))
        elif isinstance(e, Touch):
            if e.epoch != epoch:
                waiting, epoch = [], e.epoch
            for side, px in sorted({change[:2] for change in e.changes}):
                own = [change for change in e.changes if change[:2] == (side, px)]
                traded = sum(q for t, s, p, q in waiting if (s, p) == (side, px) and t >= e.t - SECOND)
                waiting = [w for w in waiting if w[1:3] != (side, px)]
                known = touch if touch is not None and touch.epoch == e.epoch else Touch(0)
                out.append((e.t, side, px, own[0][2], own[-1][3], traded, known))
            touch = e if e.valid else touch
    return out


def expected(events: Sequence[Event], all_moves: Sequence[Move], field: str, t: int) -> float:
    name, *rest = field.split(":")
    window = int(rest[-1])
    if not book_seen(events, t, window):
        return math.nan
    recent = [move for move in all_moves if t - window < move[0] <= t]
    if name == "cancel_share":
        gone = cancelled = 0
        for _, side, px, before, after, traded, touch in recent:
            if px == (touch.bid if side > 0 else touch.ask) and after < before:
                gone += before - after
                cancelled += max(0, before - after - traded)
        return cancelled / gone if gone else math.nan
    side, bps, least = int(rest[0]), Fraction(rest[1]), Fraction(rest[2]) / LOT
    total = 0
    for _, of_side, px, before, after, traded, touch in recent:
        net = after - before + traded
        if of_side == side and touch.bid != NO_BID and touch.ask != NO_ASK and abs(net) >= least:
            mid = Fraction(touch.bid + touch.ask, 2)
            if side * (mid - px) * 10_000 <= mid * bps:
                total += max(0, net if name == "stacking" else -net)
    return float(total * LOT)


FIELDS = [
    f"{name}:{side}:{bps}:{least}:{window}"
    for name in ("pulling", "stacking")
    for side in (1, -1)
    for bps, least, window in (("1", "0", WINDOWS[1]), ("7/2", "1/100", WINDOWS[0]), ("30", "1/50", WINDOWS[2]))
] + [f"cancel_share:{window}" for window in WINDOWS]


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_rule_message_by_message(seed: int) -> None:
    rng = random.Random(seed)
    events = book_tape(rng)
    times = instants(rng, events, 3 * SECOND)
    values = fold(make, events, random_cuts(rng, len(events)), FIELDS, times)
    told = moves(events)
    for name in FIELDS:
        np.testing.assert_array_equal(values[name], [expected(events, told, name, t) for t in times.tolist()], name)
        assert np.nansum(values[name]) > 0, name


@pytest.mark.parametrize("seed", range(4))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(90 + seed)
    events = book_tape(rng, 400)
    times = instants(rng, events)
    whole = fold(make, events, [], FIELDS, times, restore=False)
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(3))):
        cut = fold(make, events, cuts, FIELDS, times)
        for name in FIELDS:
            assert cut[name].tobytes() == whole[name].tobytes(), name


def test_sides_are_mirrors_and_stacking_less_pulling_is_what_the_book_gained_and_traded() -> None:
    events = book_tape(random.Random(3), 500)
    times = np.arange(events[0].t, events[-1].t + SECOND, SECOND)
    one = [f"{name}:1:10:0:{5 * SECOND}" for name in ("pulling", "stacking")]
    other = [f"{name}:-1:10:0:{5 * SECOND}" for name in ("pulling", "stacking")]
    as_is, swapped = fold(make, events, [], one, times), fold(make, mirrored(events), [], other, times)
    for a, b in zip(one, other, strict=True):
        # About another price the same ticks are another number of bps: only the touch's own prices stand at 20000.
        assert np.nansum(as_is[a]) == pytest.approx(np.nansum(swapped[b]), rel=0.05)
    everything = [f"{name}:{side}:9999:0:{10**15}" for name in ("pulling", "stacking") for side in (1, -1)]
    end = np.array([events[-1].t + SECOND])
    values = fold(make, events, [], everything, end)
    gained = {1: 0, -1: 0}
    for _, side, _, before, after, traded, touch in moves(events):
        if touch.bid != NO_BID and touch.ask != NO_ASK:
            gained[side] += after - before + traded
    for side in (1, -1):
        pulled, stacked = (values[f"{name}:{side}:9999:0:{10**15}"][0] for name in ("pulling", "stacking"))
        assert stacked - pulled == pytest.approx(float(gained[side] * LOT), abs=1e-9)


def test_by_hand() -> None:
    def at(second: float, *changes: tuple[int, int, int, int], bid_qty: int = 10) -> Touch:
        return Touch(START + int(second * SECOND), 100, bid_qty, 101, 10, changes=changes)

    events: list[Event] = [
        at(0),
        Fill(START + SECOND, 4, -1),
        at(1.5, (1, 100, 10, 3), bid_qty=3),  # 7 less, 4 of them traded: 3 pulled
        at(2, (1, 100, 3, 9), (-1, 101, 10, 9), bid_qty=9),  # 6 stacked
        Fill(START + 3 * SECOND, 5, -1),
        at(4.1, (1, 100, 9, 4), bid_qty=4),  # the trade is too old to explain it: 5 pulled
    ]
    fields = [f"{name}:1:100:0:{9 * SECOND}" for name in ("pulling", "stacking")] + [f"cancel_share:{9 * SECOND}"]
    values = fold(make, events, [], fields, np.array([START - 1, START + 5 * SECOND]))
    assert [values[name][1] for name in fields] == [0.008, 0.006, (3 + 5 + 1) / (7 + 5 + 1)]
    assert all(math.isnan(values[name][0]) for name in fields)


def test_levels_nobody_names_are_forgotten() -> None:
    flow = make()
    flow.sample(FIELDS[0], np.empty(0, np.int64))
    for k in range(500):
        flow.update(batch_of([Fill(START + k * SECOND, 1, 1, 1_000 + k)], START + k * SECOND))
    assert len(flow.state()["waiting"]) < 70


def test_arguments() -> None:
    metric = parse_metric("pulling(bid)")
    assert metric.canonical == "pulling(bid,30s,10bps,0)"
    assert metric.spec.bind(*metric.args).field == f"pulling:1:10:0:{30 * SECOND}"
    assert parse_metric("stacking(sell,1m,2.5bps,0.050)").canonical == "stacking(sell,1m,2.5bps,0.05)"
    with pytest.raises(MetricError, match="or 0 for any"):
        parse_metric("pulling(bid,30s,10bps,-1)")
    with pytest.raises(ValueError, match="version"):
        make().restore({**make().state(), "version": 9})
