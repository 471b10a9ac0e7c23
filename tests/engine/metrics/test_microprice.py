"""The micro-price against the paper's own sums written out in plain Python, and its table against slow counting."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.microprice import (
    DECILES,
    HALF_LIFE,
    HOUR,
    MIN_VISITS,
    SPREADS,
    STATES,
    MicroPrice,
    adjustments,
    states,
)
from engine.metrics.names import parse_metric
from engine.metrics.prices import weighted_mid
from engine.metrics.registry import bind
from engine.tape import NO_ASK, NO_BID
from tests.engine.metrics.cuts import Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import LINEAR, SECOND

State = tuple[int, int]  # decile, spread
#: Twenty-five minutes before a full hour.
START = 480_000 * HOUR - 1_500 * SECOND


def make() -> MicroPrice:
    return MicroPrice(LINEAR)


def touches(rng: random.Random, count: int, start: int = START, step: int = SECOND, width: int = 3) -> list[Touch]:
    """A mid that reverts, with queues that lean the way it will move; crossed and one-sided rows, new epochs."""
    t, mid, epoch = start, 600_000, 0
    out: list[Touch] = []
    lean = 0.5
    for _ in range(count):
        t += rng.choice((0, 1, rng.randrange(step), rng.randrange(2 * step)))
        epoch += rng.random() < 0.003
        lean = min(0.98, max(0.02, lean + rng.uniform(-0.4, 0.4)))
        if rng.random() < 0.2:
            mid += rng.choice((1, 2, 1, 1, 1, 2, 1, 1, 30)) * (1 if rng.random() < lean else -1)
            lean = 0.5
        total = rng.choice((2, 10, 20, 400))
        bid_qty = min(total - 1, max(1, round(total * lean)))
        spread = rng.randrange(1, width + 1)
        bid = (mid - spread) // 2
        touch = Touch(t, bid, bid_qty, bid + spread, total - bid_qty, rng.random() > 0.02, epoch)
        if rng.random() < 0.02:
            touch = replace(touch, ask=NO_ASK, ask_qty=0)
        out.append(touch)
    return out


# ---- slow and plain


def state_shares(touch: Touch) -> list[tuple[int, int, float]]:
    """(decile, spread, weight)."""
    spread = min(touch.ask - touch.bid, SPREADS + 1)
    big, total = max(touch.bid_qty, touch.ask_qty), touch.bid_qty + touch.ask_qty
    decile = min(9, 10 * big // total)
    if touch.bid_qty == touch.ask_qty:
        return [(5, spread, 0.5), (4, spread, 0.5)]
    return [(decile if touch.bid_qty > touch.ask_qty else 9 - decile, spread, 1.0)]


class Table:
    """Aged counts by dictionary; G* by the sum of B^i G1."""

    def __init__(self) -> None:
        self.stay: defaultdict[tuple[State, State], float] = defaultdict(float)  # (state, state): no move
        self.move: defaultdict[tuple[State, State, int], float] = defaultdict(float)  # (state, state, half-ticks)

    def add(self, was: Touch, now: Touch) -> None:
        k = max(-200, min(200, now.bid + now.ask - was.bid - was.ask))
        for d, s, share in state_shares(was):
            for e, u, other in state_shares(now):
                for x, y, sign in (((d, s), (e, u), 1), ((9 - d, s), (9 - e, u), -1)):
                    if k:
                        self.move[x, y, sign * k] += share * other
                    else:
                        self.stay[x, y] += share * other

    def age(self) -> None:
        self.stay = defaultdict(float, {key: n * 2 ** (-1 / HALF_LIFE) for key, n in self.stay.items()})
        self.move = defaultdict(float, {key: n * 2 ** (-1 / HALF_LIFE) for key, n in self.move.items()})

    def solve(self, terms: int = 4_000) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
        """(G* in ticks, visits) of the visited states."""
        visits: defaultdict[tuple[int, int], float] = defaultdict(float)
        for (x, _), n in self.stay.items():
            visits[x] += n
        for (x, _, _), n in self.move.items():
            visits[x] += n
        # a state that is only ever entered leads nowhere: its G is 0
        keys = sorted(x for x in visits if visits[x])
        place = {x: i for i, x in enumerate(keys)}
        q, r2 = (np.zeros((len(keys), len(keys))) for _ in range(2))
        r1k = np.zeros(len(keys))
        for (x, y), n in self.stay.items():
            if y in place:
                q[place[x], place[y]] += n / visits[x]
        for (x, y, k), n in self.move.items():
            r1k[place[x]] += n / visits[x] * k / 2
            if y in place:
                r2[place[x], place[y]] += n / visits[x]
        inverse = np.linalg.inv(np.eye(len(keys)) - q)
        term, b = inverse @ r1k, inverse @ r2
        total = np.zeros(len(keys))
        for _ in range(terms):
            total += term
            term = b @ term
        return dict(zip(keys, total.tolist(), strict=True)), visits


def tables(events: list[Touch]) -> dict[int, Table]:
    """The counts in force from each full hour on."""
    out: dict[int, Table] = {}
    counts = Table()
    last: Touch | None = None
    hour: int | None = None
    for touch in events:
        if hour is not None and touch.t // HOUR > hour:
            frozen = Table()
            frozen.stay.update(counts.stay)
            frozen.move.update(counts.move)
            out[(hour + 1) * HOUR] = frozen
            counts.age()
        hour = touch.t // HOUR
        if touch.valid and touch.bid_qty and touch.ask_qty:
            same = (
                last and last.epoch == touch.epoch and (last.bid, last.bid_qty, last.ask, last.ask_qty) != shape(touch)
            )
            if last is not None and same:
                counts.add(last, touch)
            last = touch
    return out


def shape(touch: Touch) -> tuple[int, int, int, int]:
    return touch.bid, touch.bid_qty, touch.ask, touch.ask_qty


def reference(events: list[Touch], times: list[int]) -> list[float]:
    clocks = [e.t for e in events]
    solved = {start: table.solve() for start, table in tables(events).items()}
    out = []
    for t in times:
        now = events[: bisect_right(clocks, t)]
        touch = now[-1] if now else None
        if touch is None or not (touch.valid and touch.bid_qty and touch.ask_qty):
            out.append(math.nan)
            continue
        weighted = weighted_mid(LINEAR.instrument, *shape(touch))
        begun = [start for start in solved if start <= t]
        if not begun or touch.ask - touch.bid > SPREADS:
            out.append(weighted)
            continue
        drift, visits = solved[max(begun)]
        shares = state_shares(touch)
        if any(visits.get((d, s), 0) < MIN_VISITS for d, s, _ in shares):
            out.append(weighted)
            continue
        g = sum(share * drift[d, s] for d, s, share in shares)
        out.append((touch.bid + touch.ask) / 200 + g / 100)
    return out


# ---- tests


@pytest.mark.parametrize("seed", range(3))
def test_solving_equals_summing_the_series(seed: int) -> None:
    rng = random.Random(seed)
    counts, moves = np.zeros((STATES, STATES)), np.zeros(STATES)
    table = Table()
    for _ in range(6_000):
        d, e = rng.randrange(DECILES), rng.randrange(DECILES)
        s, u = (rng.randrange(1, SPREADS + 2) for _ in range(2))
        k = rng.choice((0, 0, 0, -2, -1, 1, 2)) if d == 5 else rng.choice((0, 0, 0, 0, 1 if d > 5 else -1))
        counts[(s - 1) * DECILES + d, (u - 1) * DECILES + e] += 1
        moves[(s - 1) * DECILES + d] += k
        for x, y, sign in (((d, s), (e, u), 1), ((9 - d, s), (9 - e, u), -1)):
            if k:
                table.move[x, y, sign * k] += 1
            else:
                table.stay[x, y] += 1
    found = adjustments(counts, moves).reshape(-1, DECILES)
    series, _ = table.solve()
    deviation = [abs(found[s - 1, d] - series[d, s]) for d in range(DECILES) for s in range(1, SPREADS + 1)]
    assert max(deviation) <= 1e-12
    assert max(series.values()) > 0.1
    assert np.isnan(found[SPREADS]).all()


@pytest.mark.parametrize(
    ("bid_qty", "ask_qty", "imbalance", "weighted"),
    [(20, 471, 0.040733, 14.330407), (25, 148, 0.144509, 14.331445), (31, 95, 0.246032, 14.332460)],
)
def test_before_the_first_fit_it_is_the_published_weighted_mid(
    bid_qty: int, ask_qty: int, imbalance: float, weighted: float
) -> None:
    micro = make()
    micro.update(batch_of([Touch(START, 1433, bid_qty, 1434, ask_qty)], 0))
    assert bid_qty / (bid_qty + ask_qty) == pytest.approx(imbalance, abs=5e-7)
    assert micro.sample("micro", np.array([START]))[0] == pytest.approx(weighted, abs=5e-7)
    assert micro.offsets(np.array([START]))[0] == pytest.approx(2 * imbalance - 1, abs=2e-6)
    assert micro.table(START) is None


@pytest.mark.parametrize("seed", range(3))
def test_equals_slow_counting_and_the_papers_sums(seed: int) -> None:
    events = touches(random.Random(seed), 6_000, step=3 * SECOND)
    times = np.arange(START, events[-1].t + 5 * SECOND, 9 * SECOND)
    wanted = np.array(reference(events, times.tolist()))
    found = fold(make, list(events), [], ["micro"], times)["micro"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * 3_000)
    weighted = np.array([weighted_mid(LINEAR.instrument, *shape(e)) for e in events if e.valid and e.ask_qty])
    fitted = ~np.isin(found, weighted) & ~np.isnan(found)
    assert fitted.sum() > 200
    assert np.isnan(found).any()
    assert not fitted[times < START + 1_500 * SECOND].any()


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(10 + seed)
    events = touches(rng, 700, step=12 * SECOND, width=1)
    times = np.arange(START, events[-1].t + HOUR, 11 * SECOND)
    whole = fold(make, list(events), [], ["micro"], times, restore=False)["micro"]
    assert len(np.unique(whole[~np.isnan(whole)])) > 50
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(3))):
        assert fold(make, list(events), cuts, ["micro"], times)["micro"].tobytes() == whole.tobytes()


def test_an_hour_that_only_time_has_ended_is_fitted_too() -> None:
    events = touches(random.Random(4), 1_500, step=SECOND, width=1)
    micro = make()
    micro.update(batch_of(events, 0))
    assert micro.sample("micro", np.array([START + 1_499 * SECOND])).size
    before = micro.state()
    table = micro.table(START + 1_500 * SECOND)
    assert table is not None
    assert np.isfinite(table[0]).sum() >= 6
    np.testing.assert_array_equal(table, -table[:, ::-1])
    assert len(micro.state()["tables"]) == len(before["tables"]) == 0
    late = Touch(START + 1_700 * SECOND, 300_000, 5, 300_001, 5)
    micro.update(batch_of([late], START))
    np.testing.assert_array_equal(micro.table(late.t), table)


def test_rows_to_come_change_nothing() -> None:
    events = touches(random.Random(5), 1_500, step=2 * SECOND, width=2)
    cut = events[1_000].t
    times = np.arange(START, cut, 3 * SECOND)
    other = [e if e.t <= cut else replace(e, bid_qty=e.ask_qty, ask_qty=e.bid_qty, valid=True) for e in events]
    one, two = (fold(make, list(tape), [], ["micro"], times)["micro"] for tape in (events, other))
    assert other != events
    assert one.tobytes() == two.tobytes()


def test_mirrored_books_mirror_the_micro_price() -> None:
    events = touches(random.Random(6), 1_500, step=2 * SECOND, width=2)
    about = 600_000
    swapped: list[Touch] = []
    for e in events:
        bid, ask = (about - e.ask if e.ask_qty else NO_BID), (about - e.bid if e.bid_qty else NO_ASK)
        swapped.append(replace(e, bid=bid, ask=ask, bid_qty=e.ask_qty, ask_qty=e.bid_qty))
    times = np.arange(START, events[-1].t, 3 * SECOND)
    one, two = (fold(make, list(tape), [], ["micro"], times)["micro"] for tape in (events, swapped))
    np.testing.assert_allclose(one + two, np.where(np.isnan(one), np.nan, about / 100), rtol=1e-14)


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.integers(1, 50))
def test_mirror_images_stand_in_mirrored_states(bid_qty: int, ask_qty: int, spread: int) -> None:
    def of(b: int, a: int) -> list[int]:
        low, high = states(np.array([100]), np.array([b]), np.array([100 + spread]), np.array([a]))
        return [int(low[0]), int(high[0])]

    there, back = of(bid_qty, ask_qty), of(ask_qty, bid_qty)
    assert [x // DECILES for x in there] == [min(spread, SPREADS + 1) - 1] * 2
    assert sorted(9 - x % DECILES for x in back) == sorted(x % DECILES for x in there)
    assert (there[0] == there[1]) == (bid_qty != ask_qty)


def test_a_chain_that_never_turns_falls_back() -> None:
    counts, moves = np.zeros((STATES, STATES)), np.zeros(STATES)
    counts[8, 8], moves[8] = 1_000, 1_000
    assert np.isnan(adjustments(counts, moves)).all()
    assert np.isnan(adjustments(np.zeros((STATES, STATES)), np.zeros(STATES))).all()


def test_it_is_the_metric_named_micro_and_refuses_other_states() -> None:
    bound = bind(parse_metric("micro"), LINEAR)
    assert bound.make is not None
    assert isinstance(bound.make(LINEAR), MicroPrice)
    with pytest.raises(ValueError, match="version"):
        make().restore({**make().state(), "version": 9})
    with pytest.raises(ValueError, match="shape"):
        make().restore({**make().state(), "moves": np.zeros(3)})
