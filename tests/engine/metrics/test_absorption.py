"""Absorption and replenishment against the rule told event by event."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.absorption import Absorption
from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.names import parse_metric
from tests.engine.metrics.book_tapes import SECOND, START, book_seen, book_tape, mirrored
from tests.engine.metrics.cuts import Event, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import LINEAR, instants

NAMES = ("absorption", "replenishment", "confidence", "evidence", "failed")
WINDOWS = (SECOND // 3, 5 * SECOND, 60 * SECOND)
FIELDS = [f"{name}:{side}:{window}" for name in NAMES for side in (1, -1) for window in WINDOWS]


def make() -> Absorption:
    return Absorption(LINEAR.instrument)


@dataclass
class Told:
    """(t, lots) of what was absorbed and what came back, t of evidence."""

    absorbed: list[tuple[int, int]] = field(default_factory=list)
    back: list[tuple[int, int]] = field(default_factory=list)
    evidence: list[int] = field(default_factory=list)
    failed: list[tuple[int, int, int]] = field(default_factory=list)  # stands that gave way: (t, absorbed, back)


def tell(events: Sequence[Event], side: int) -> Told:
    told = Told()
    best: tuple[int, int, int] | None = None  # price, size, epoch
    shown: list[tuple[int, int]] = []  # of the run: time, size
    taken = displayed = back = absorbed = 0
    grew = False
    for e in events:
        if isinstance(e, Fill):
            if best is not None and e.side == -side and e.px == best[0]:
                if not taken:
                    late = [i for i, (t, _) in enumerate(shown) if t <= e.t - SECOND]
                    displayed = max(q for _, q in shown[late[-1] if late else 0 :])
                taken += e.qty
                more = max(0, taken - displayed) - absorbed
                absorbed, grew = absorbed + more, grew or more > 0
                told.absorbed.append((e.t, more))
        elif isinstance(e, Touch):
            px, qty = (e.bid, e.bid_qty) if side > 0 else (e.ask, e.ask_qty)
            ok = e.valid and px not in (NO_BID, NO_ASK)
            stays = ok and best is not None and (px, e.epoch) == (best[0], best[2])
            was = back
            if stays and taken:
                back = min(max(qty - displayed + taken, 0), taken)
            elif best is not None and taken and e.valid and e.epoch == best[2] and side * (px - best[0]) < 0:
                back = max(0, taken - displayed)
                told.failed.append((e.t, absorbed, back))
            told.back.append((e.t, back - was))
            if grew and stays:
                told.evidence.append(e.t)
            grew = False
            if not stays:
                shown, taken, displayed, back, absorbed = [], 0, 0, 0, 0
            best = (px, qty, e.epoch) if ok else None
            shown.append((e.t, qty))
    return told


def expected(events: Sequence[Event], told: Told, name: str, window: int, t: int) -> float:
    if not book_seen(events, t, window):
        return math.nan

    def inside(at: int) -> bool:
        return t - window < at <= t

    evidence, failed = sum(map(inside, told.evidence)), sum(inside(at) for at, *_ in told.failed)
    if name in ("absorption", "replenishment"):
        rows = told.absorbed if name == "absorption" else told.back
        return float(max(0, sum(lots for at, lots in rows if inside(at))) * Fraction(1, 1000))
    confidence = evidence / (evidence + failed + 4)
    return {"evidence": float(evidence), "failed": float(failed), "confidence": confidence}[name]


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_rule_event_by_event(seed: int) -> None:
    rng = random.Random(seed)
    events = book_tape(rng, 300, SECOND // rng.choice((1, 3, 9)))
    times = instants(rng, events, 2 * SECOND)
    values = fold(make, events, random_cuts(rng, len(events)), FIELDS, times)
    for side in (1, -1):
        told = tell(events, side)
        for name in NAMES:
            for window in WINDOWS:
                wanted = [expected(events, told, name, window, t) for t in times.tolist()]
                np.testing.assert_array_equal(values[f"{name}:{side}:{window}"], wanted, f"{name} {side} {window}")
            assert np.nansum(wanted) > 0
        assert told.failed
        assert all(absorbed == back for _, absorbed, back in told.failed)  # what gave way kept only what was absorbed


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


def test_sides_are_mirrors() -> None:
    events = book_tape(random.Random(8), 400)
    times = np.arange(events[0].t, events[-1].t, SECOND)
    one, other = (fold(make, e, [], FIELDS, times) for e in (events, mirrored(events)))
    for name in NAMES:
        for window in WINDOWS:
            for side in (1, -1):
                np.testing.assert_array_equal(one[f"{name}:{side}:{window}"], other[f"{name}:{-side}:{window}"])


def test_an_iceberg() -> None:
    """10 displayed; 50 taken in five hits, 10 always shown again; then the price gives way with 4 unfilled."""
    events: list[Event] = [Touch(START, 100, 10, 101, 9)]
    for k in range(1, 6):
        events += [
            Fill(START + k * SECOND, 10, -1, 100),
            Touch(START + k * SECOND + 1, 100, 10, 101, 9),
        ]
    events += [Fill(START + 6 * SECOND, 6, -1, 100), Touch(START + 6 * SECOND + 1, 99, 30, 101, 9)]
    times = np.array([START + 5 * SECOND + 1, START + 9 * SECOND])
    fields = [f"{name}:1:{60 * SECOND}" for name in NAMES]
    values = fold(make, events, [], fields, times)
    absorption, back, confidence, evidence, failed = (values[name].tolist() for name in fields)
    assert absorption == [0.04, 0.046]
    assert back == [0.05, 0.046]
    assert evidence == [4, 4]  # the first 10 had been displayed, and the last were taken as the price gave way
    assert failed == [0, 1]
    assert confidence == [4 / 8, 4 / 9]


def test_ordinary_trading_is_no_absorption() -> None:
    events: list[Event] = [Touch(START, 100, 50, 101, 9)]
    for k in range(1, 6):
        events += [Fill(START + k * SECOND, 10, -1, 100), Touch(START + k * SECOND, 100, 50 - 10 * k, 101, 9)]
    events[-1] = Touch(START + 5 * SECOND, 99, 7, 101, 9)
    # Shown before it is told: the display of the second before still counts.
    events += [Touch(START + 6 * SECOND, 99, 3, 101, 9), Fill(START + 6 * SECOND, 4, -1, 99)]
    fields = [f"{name}:1:{60 * SECOND}" for name in NAMES]
    values = fold(make, events, [], fields, np.array([START + 9 * SECOND]))
    assert [values[name][0] for name in fields] == [0, 0, 0, 0, 1]


def test_arguments_and_memory() -> None:
    metric = parse_metric("absorption_confidence(buy)")
    assert metric.spec.bind(*metric.args).field == f"confidence:-1:{60 * SECOND}"
    assert "inferred from L2" in metric.spec.meaning
    absorption = make()
    absorption.sample(f"evidence:1:{2 * SECOND}", np.empty(0, np.int64))
    for k in range(500):
        now = START + k * SECOND // 4
        absorption.update(batch_of([Touch(now, 100, 5, 101, 5), Fill(now, 9, 1, 101)], now))
        absorption.advance(now)
    state = absorption.state()
    assert len(state["asks"]["sums"]["rows"][0]) < 20
    assert len(state["bids"]["shown"]) < 300
    with pytest.raises(ValueError, match="version"):
        make().restore({**state, "version": 2})
