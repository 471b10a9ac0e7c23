"""Forecasts of the next move against plain loops: learning, scoring, freezing, labels, and no leakage."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from engine.metrics.batch import NO_QUOTES
from engine.metrics.ftrl import FtrlLogistic, Rates, probability
from engine.metrics.names import parse_metric
from engine.metrics.next_move import GRID, MIN_LABELS, QUEUE_HORIZON, QUEUE_RATES, STALE, MidMoves, QueueUp
from engine.metrics.prequential import MIN_SCORED, Scores
from engine.metrics.registry import bind
from engine.tape import NO_ASK, NO_BID
from tests.engine.metrics.cuts import Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import DAY, LINEAR, SECOND

START = 20_000 * DAY - 300 * SECOND


def make() -> QueueUp:
    return QueueUp(LINEAR)


def touches(rng: random.Random, count: int, slope: float = 3.0) -> list[Touch]:
    """A mid whose next move follows the queues; crossed and one-sided rows, epochs, silences, equal times."""
    t, mid, epoch, out = START, 600_000, 0, []
    lean = 0.0
    for _ in range(count):
        t += rng.choice((0, 1, rng.randrange(SECOND), SECOND - t % SECOND, rng.randrange(SECOND // 2)))
        t += rng.choice((0,) * 120 + (30 * SECOND, 200 * SECOND))
        epoch += rng.random() < 0.01
        if rng.random() < 0.25:
            mid += 2 if rng.random() < probability(slope * lean) else -2
        elif rng.random() < 0.5:
            lean = rng.uniform(-0.95, 0.95)
        bid_qty = min(999, max(1, round(500 * (1 + lean))))
        touch = Touch(t, mid // 2, bid_qty, mid // 2 + 1, 1_000 - bid_qty, rng.random() > 0.03, epoch)
        if rng.random() < 0.03:
            touch = replace(touch, bid=NO_BID, bid_qty=0)
        out.append(touch)
    return out


def usable(touch: Touch) -> bool:
    return bool(touch.valid and touch.bid_qty and touch.ask_qty)


# ---- slow and plain


class SlowLogistic:
    """FTRL-Proximal, Algorithm 1 of the paper, coordinate by coordinate."""

    def __init__(self, size: int, rates: Rates) -> None:
        self.r, self.z, self.n = rates, [0.0] * size, [0.0] * size

    def w(self) -> list[float]:
        out = []
        for z, n in zip(self.z, self.n, strict=True):
            if abs(z) <= self.r.l1:
                out.append(0.0)
            else:
                sign = 1 if z > 0 else -1
                out.append(-1 / ((self.r.beta + n**0.5) / self.r.alpha + self.r.l2) * (z - sign * self.r.l1))
        return out

    def logit(self, x: Sequence[float]) -> float:
        return sum(w * v for w, v in zip(self.w(), x, strict=True))

    def learn(self, x: Sequence[float], up: bool) -> None:
        w, p = self.w(), 1 / (1 + math.exp(-self.logit(x)))
        for i, v in enumerate(x):
            g = (p - up) * v
            sigma = (math.sqrt(self.n[i] + g * g) - math.sqrt(self.n[i])) / self.r.alpha
            self.z[i] += g - sigma * w[i]
            self.n[i] += g * g


@dataclass
class Slow:
    """Everything the queue model does, one event and one second at a time."""

    events: Sequence[Touch]
    until: int
    learner: SlowLogistic = field(default_factory=lambda: SlowLogistic(2, QUEUE_RATES))
    versions: list[tuple[int, list[float]]] = field(default_factory=list)
    scored: list[tuple[int, float, bool]] = field(default_factory=list)  # clock, P(up), up
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("made", "censored", "dropped", "left"), 0))

    def run(self) -> Slow:
        pending: list[tuple[int, tuple[float, float], float]] = []
        mid: tuple[int, int] | None = None
        labels = 0
        last: Touch | None = None
        second = -(-self.events[0].t // GRID) * GRID
        moments: list[tuple[int, int, Touch | None]] = [(e.t, 0, e) for e in self.events]
        moments += [(s, 1, None) for s in range(second, self.until + 1, GRID)]
        for t, _, event in sorted(moments, key=lambda m: m[:2]):
            kept = [p for p in pending if t - p[0] <= QUEUE_HORIZON]
            if event is not None:
                if last is not None and event.epoch != last.epoch:
                    self.counts["censored"] += len(pending) - len(kept)
                    self.counts["dropped"] += len(kept)
                    pending, mid = [], None
                last = event
                if usable(event):
                    now = event.bid + event.ask
                    if mid is not None and now != mid[1]:
                        self.counts["censored"] += len(pending) - len(kept)
                        for _, x, p in kept:
                            self.scored.append((t, p, now > mid[1]))
                            self.learner.learn(x, now > mid[1])
                            labels += 1
                        pending = []
                        if kept and labels >= MIN_LABELS:
                            self.versions.append((t, self.learner.w()))
                    mid = (event.epoch, now)
            elif last is not None and usable(last) and t - last.t <= STALE:
                self.counts["censored"] += len(pending) - len(kept)
                x = (1.0, (last.bid_qty - last.ask_qty) / (last.bid_qty + last.ask_qty))
                pending = [*kept, (t, x, probability(self.learner.logit(x)))]
                self.counts["made"] += 1
        self.counts["left"] = len(pending)
        return self

    def up(self, t: int) -> float:
        book = [e for e in self.events if e.t <= t]
        versions = [w for at, w in self.versions if at <= t]
        if not book or not versions or not usable(book[-1]):
            return math.nan
        b, a = book[-1].bid_qty, book[-1].ask_qty
        return 1 / (1 + math.exp(-(versions[-1][0] + versions[-1][1] * (b - a) / (b + a))))

    def skill(self, t: int) -> float:
        losses = [-math.log(p if up else 1 - p) for at, p, up in self.scored if t - DAY < at <= t]
        return 1 - sum(losses) / len(losses) / math.log(2) if len(losses) >= MIN_SCORED else math.nan


# ---- learning


def test_learning_equals_the_published_algorithm() -> None:
    rng = random.Random(1)
    for rates in (Rates(0.1), Rates(0.7, 0.5, 0.0, 0.3)):
        fast, slow = FtrlLogistic(4, rates), SlowLogistic(4, rates)
        for _ in range(500):
            x = [1.0, rng.gauss(0, 1), rng.gauss(0, 0.01), rng.choice((0.0, 1.0))]
            up = rng.random() < probability(1.5 * x[1] - 0.5)
            assert fast.logit(x) == pytest.approx(slow.logit(x), rel=1e-9, abs=1e-12)
            fast.learn(x, up)
            slow.learn(x, up)
        np.testing.assert_allclose(fast.weights, slow.w(), rtol=1e-9)
        assert fast.weights[1] > 0.5
        assert (fast.weights[2] == 0) is (rates.l1 > 0)


def test_known_coefficients_are_found() -> None:
    rng = random.Random(2)
    learner = FtrlLogistic(2, QUEUE_RATES)
    for _ in range(20_000):
        x = (1.0, rng.uniform(-1, 1))
        learner.learn(x, rng.random() < probability(-0.4 + 2.5 * x[1]))
    assert learner.weights == pytest.approx((-0.4, 2.5), abs=0.15)


def test_a_state_goes_on_bit_for_bit() -> None:
    rng = random.Random(3)
    one, rates = FtrlLogistic(3, Rates(0.1)), Rates(0.1)
    for _ in range(100):
        x = [rng.gauss(0, 1) for _ in range(3)]
        one.learn(x, x[0] > 0)
        other = FtrlLogistic(3, rates)
        other.restore(one.state())
        assert other.weights == one.weights
        one = other
    with pytest.raises(ValueError, match="weights"):
        FtrlLogistic(2, rates).restore(one.state())


# ---- scoring


def test_scores_equal_plain_sums_over_the_last_day() -> None:
    rng = random.Random(4)
    scores, rows = Scores(), []
    t = START
    for k in range(3_000):
        t += rng.choice((0, rng.randrange(250 * SECOND)))
        logit = rng.choice((rng.gauss(0, 1), 0.0, 25.0, -25.0) if k % 50 == 0 else (rng.gauss(0, 1),))
        up = rng.random() < probability(logit)
        scores.add(t, logit, up)
        rows.append((t, logit, up))
        if k % 400 == 399:
            saved = Scores()
            saved.restore(scores.state())
            scores = saved
        if k % 90:
            continue
        scores.forget(t - SECOND)
        at = np.array([t - SECOND, t])
        found = [f(at).tolist() for f in (scores.skill, scores.brier, scores.auc)]
        for i, when in enumerate(at.tolist()):
            part = [(probability(z), u, z) for s, z, u in rows if when - DAY < s <= when]
            assert scores.count(at)[i] == len(part)
            if len(part) < MIN_SCORED:
                assert all(math.isnan(f[i]) for f in found)
                continue
            loss = sum(math.log1p(math.exp(-z if u else z)) for _, u, z in part) / len(part)
            assert found[0][i] == pytest.approx(1 - loss / math.log(2), abs=1e-10)
            assert found[1][i] == pytest.approx(sum((p - u) ** 2 for p, u, _ in part) / len(part), abs=1e-10)
            bins = np.array([min(999, int(p * 1_000)) for p, _, _ in part])
            went_up = np.array([u for _, u, _ in part])
            gaps = bins[went_up][:, None] - bins[~went_up]
            assert found[2][i] == (2 * (gaps > 0).sum() + (gaps == 0).sum()) / (2 * gaps.size)
    assert t - START > 1.5 * DAY
    table = scores.calibration(t)
    assert sum(row.count for row in table) == int(scores.count(np.array([t]))[0])
    for row in table:
        inside = [(probability(z), u) for s, z, u in rows if t - DAY < s <= t and row.low <= probability(z) < row.high]
        assert row.count == len(inside)
        if inside:
            assert row.happened == sum(u for _, u in inside) / len(inside)
            assert row.forecast == pytest.approx(sum(p for p, _ in inside) / len(inside), abs=5.1e-4)
    with pytest.raises(ValueError, match="divide"):
        scores.calibration(t, 7)


def test_a_coin_has_no_skill_and_certainty_all_of_it() -> None:
    coin, sure = Scores(), Scores()
    for k in range(MIN_SCORED):
        coin.add(k, 0.0, k % 2 == 0)
        sure.add(k, 30.0 if k % 2 == 0 else -30.0, k % 2 == 0)
    at = np.array([MIN_SCORED])
    assert (coin.skill(at)[0], coin.brier(at)[0], coin.auc(at)[0]) == (pytest.approx(0, abs=1e-10), 0.25, 0.5)
    assert (sure.skill(at)[0], sure.auc(at)[0]) == (pytest.approx(1, abs=1e-10), 1.0)


# ---- the walk


def test_steps_of_a_small_tape() -> None:
    second = START + 10 * SECOND
    rows = [
        Touch(second - 5, 10, 1, 12, 1),
        Touch(second, 11, 1, 12, 1),  # at the very instant: comes before it
        Touch(second + 1, 11, 2, 12, 1),
        Touch(second + 2, 13, 1, 12, 1, valid=False),
        Touch(second + 3, 10, 1, 12, 1),
        Touch(second + 4, 11, 1, 12, 1),  # not the first after the instant
        Touch(second + GRID + 7, 10, 1, 12, 1, epoch=1),
        Touch(second + 2 * GRID + 1, 9, 1, 12, 1, epoch=1),
    ]
    batch = batch_of(rows, 0)
    moves = MidMoves()
    assert moves.take(batch.quotes, batch.end) == [
        (second, 1),
        (second, None),
        (second + 3, -1),
        (second + GRID, None),
        (second + GRID + 7, 0),
        (second + 2 * GRID, None),
        (second + 2 * GRID + 1, -1),
    ]
    later = moves.take(NO_QUOTES, second + 1_000 * GRID)
    assert len(later) == STALE // GRID
    assert later[0] == (second + 3 * GRID, None)


# ---- P(up) from the queues


@pytest.mark.parametrize("seed", range(3))
def test_queue_up_equals_the_slow_loop(seed: int) -> None:
    events = touches(random.Random(seed), 1_600)
    times = np.arange(START, events[-1].t + 3 * SECOND, 777 * SECOND // 100)
    end = events[-1].t + 3 * SECOND
    slow = Slow(events, end).run()
    found = fold(make, list(events), [], ["up", "skill"], times)
    np.testing.assert_allclose(found["up"], [slow.up(int(t)) for t in times], rtol=1e-9)
    np.testing.assert_allclose(found["skill"], [slow.skill(int(t)) for t in times], rtol=1e-7, atol=1e-10)
    assert np.isfinite(found["up"]).sum() > 50
    assert np.isfinite(found["skill"]).sum() > 10
    queue = make()
    queue.update(replace(batch_of(events, 0), end=end + 1))
    report = queue.report(end)
    counts = report.forecasts
    assert (counts.made, counts.censored, counts.dropped, counts.pending) == tuple(slow.counts.values())
    assert counts.made == counts.resolved + counts.censored + counts.dropped + counts.pending
    assert counts.resolved == report.scored == len(slow.scored) == sum(b.count for b in report.calibration)
    assert min(counts.censored, counts.dropped) > 0


@pytest.mark.parametrize("seed", range(2))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(20 + seed)
    events = touches(rng, 900)
    times = np.arange(START, events[-1].t + 3 * SECOND, 3 * SECOND // 2)
    whole = fold(make, list(events), [], ["up", "skill"], times, restore=False)
    assert np.isfinite(whole["up"]).sum() > 50
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(3))):
        again = fold(make, list(events), cuts, ["up", "skill"], times)
        assert all(again[name].tobytes() == whole[name].tobytes() for name in whole)


def test_rows_to_come_change_nothing() -> None:
    events = touches(random.Random(7), 1_200)
    cut = events[900].t
    other = [e if e.t <= cut else replace(e, bid=e.bid - 7, bid_qty=e.ask_qty or 1) for e in events]
    times = np.arange(START, cut + 1, SECOND)
    one, two = (fold(make, list(tape), [], ["up", "skill"], times) for tape in (events, other))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
    assert np.isfinite(one["up"]).sum() > 20


def test_mirrored_books_forecast_the_mirrored_move() -> None:
    events = touches(random.Random(8), 1_200)
    about = 600_000
    swapped = [
        replace(
            e,
            bid=about - e.ask if e.ask_qty else NO_BID,
            bid_qty=e.ask_qty,
            ask=about - e.bid if e.bid_qty else NO_ASK,
            ask_qty=e.bid_qty,
        )
        for e in events
    ]
    times = np.arange(START, events[-1].t, 5 * SECOND)
    one, two = (fold(make, list(tape), [], ["up", "skill"], times) for tape in (events, swapped))
    np.testing.assert_allclose(one["up"], 1 - two["up"], rtol=1e-9)
    np.testing.assert_allclose(one["skill"], two["skill"], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("slope", "low", "high"), [(0.0, -0.1, 0.01), (5.0, 0.02, 0.9)])
def test_skill_is_what_the_queues_say(slope: float, low: float, high: float) -> None:
    events = touches(random.Random(9), 4_000, slope)
    queue = make()
    queue.update(batch_of(events, 0))
    assert low < queue.sample("skill", np.array([events[-1].t]))[0] < high


def test_names_and_states() -> None:
    for name, wanted in (("queue_up", "up"), ("queue_skill", "skill")):
        bound = bind(parse_metric(name), LINEAR)
        assert (bound.share, bound.field) == ("queue_up", wanted)
    with pytest.raises(ValueError, match="version"):
        make().restore({**make().state(), "version": 9})
