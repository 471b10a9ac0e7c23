"""The signal against a slow loop that computes every feature, every forecast and every label from the raw rows."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest

from engine.metrics.features import FEATURES, LEVELS, FeatureVector
from engine.metrics.ftrl import probability
from engine.metrics.kyle import Kyle
from engine.metrics.microprice import HOUR, MicroPrice
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.next_move import GRID, STALE
from engine.metrics.prequential import MIN_SCORED
from engine.metrics.registry import bind
from engine.metrics.return_model import BLOCK, BLOCKS, MIN_ROWS, RIDGE
from engine.metrics.signal import RATES, SignalCalculator
from engine.metrics.vpin import Vpin, bucket_size
from engine.tape import NO_ASK, NO_BID
from tests.engine.metrics.cuts import DayVolume, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import LINEAR, SECOND
from tests.engine.metrics.test_next_move import SlowLogistic

#: Four minutes before a full hour.
START = 480_000 * HOUR - 240 * SECOND
Row = Fill | Touch | DayVolume
#: What says how much the others may mean, whichever side is up.
EVEN = ("intercept", "spread", "rv_ratio", "vpin", "trade_age")
UP = f"up:{60 * GRID}"
FIELDS = [UP, *(f"{kind}:{60 * GRID}" for kind in ("skill", "brier", "auc")), f"up:{GRID}", f"skill:{GRID}"]
FIELDS += [f"{kind}:{h * GRID}" for kind in ("return", "return_skill") for h in (1, 5, 30)]


def make() -> SignalCalculator:
    return SignalCalculator(LINEAR)


def tape(rng: random.Random, count: int) -> list[Row]:
    """Queues that lean for a while, trades and moves that follow them; holes, losses, one-sided rows."""
    t, mid, epoch, lean = START, 600_000, 0, 0.0
    out: list[Row] = [DayVolume(START, 4_000_000)]
    for _ in range(count):
        t += rng.choice((0, 1, rng.randrange(SECOND), SECOND - t % SECOND, rng.randrange(SECOND)))
        t += rng.choice((0,) * 200 + (20 * SECOND, 100 * SECOND))
        epoch += rng.random() < 0.004
        lean = rng.uniform(-0.95, 0.95) if rng.random() < 0.1 else lean
        up = rng.random() < probability(4 * lean)
        if rng.random() < 0.4:
            out.append(Fill(t, rng.randrange(1, 900), rng.choice((0, 1 if up else -1, 1 if up else -1)), mid // 2))
            continue
        if rng.random() < 0.4:
            mid += rng.choice((2, 2, 4)) * (1 if up else -1)
        bid_qty = min(999, max(1, round(500 * (1 + lean))))
        sums = {LEVELS: (bid_qty + rng.randrange(2_000), 1_000 - bid_qty + rng.randrange(2_000))}
        spread = rng.choice((1, 1, 1, 2))
        touch = Touch(t, mid // 2, bid_qty, mid // 2 + spread, 1_000 - bid_qty, rng.random() > 0.02, epoch, sums)
        if rng.random() < 0.02:
            touch = replace(touch, bid=NO_BID, bid_qty=0, sums={LEVELS: (0, sums[LEVELS][1])})
        out.append(touch)
    return out


def usable(touch: Touch) -> bool:
    return bool(touch.valid and touch.bid_qty and touch.ask_qty)


def squash(x: float) -> float:
    return x / (1 + abs(x))


# ---- slow and plain


@dataclass(eq=False)
class Slow:
    events: Sequence[Row]
    until: int
    forecasts: dict[str, dict[int, float]] = field(default_factory=dict)
    scored: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.books = [e for e in self.events if isinstance(e, Touch)]
        self.fills = [e for e in self.events if isinstance(e, Fill)]
        self.book_clock, self.fill_clock = [b.t for b in self.books], [f.t for f in self.fills]
        self.micro = MicroPrice(LINEAR)
        self.micro.update(batch_of(self.events, 0))
        self.kyle, self.vpin = Kyle(LINEAR.instrument, 10 * GRID, 180), Vpin(bucket_size("adv/5000", 50)(LINEAR), 50)
        for calculator in (self.kyle, self.vpin):
            calculator.update(batch_of(self.events, 0))
        self.flow = [0] * len(self.books)
        last: Touch | None = None
        for i, now in enumerate(self.books):
            if now.valid:
                if last is not None and last.epoch == now.epoch:
                    e = now.bid_qty * (now.bid >= last.bid) - last.bid_qty * (now.bid <= last.bid)
                    self.flow[i] = e - now.ask_qty * (now.ask <= last.ask) + last.ask_qty * (now.ask >= last.ask)
                last = now

    def run(self) -> Slow:
        first = -(-self.books[0].t // GRID) * GRID
        seconds = [s for s in range(first, self.until + 1, GRID) if self.at(s) is not None]
        for h in (1, 60):
            self.moves(seconds, h * GRID)
        for h in (1, 5, 30):
            self.returns(seconds, h * GRID)
        return self

    def at(self, t: int) -> Touch | None:
        i = bisect_right(self.book_clock, t) - 1
        book = self.books[i] if i >= 0 else None
        return book if book is not None and usable(book) and t - book.t <= STALE else None

    def window(self, t: int, w: int) -> list[Fill]:
        return self.fills[bisect_right(self.fill_clock, t - w) : bisect_right(self.fill_clock, t)]

    def ti(self, t: int, w: int) -> float:
        fills = [f for f in self.window(t, w) if f.side]
        total = sum(f.qty for f in fills)
        return sum(f.side * f.qty for f in fills) / total if total else 0.0

    def ofi(self, t: int, w: int) -> float:
        raw = sum(self.flow[bisect_right(self.book_clock, t - w) : bisect_right(self.book_clock, t)])
        area = time = 0
        for k in range(max(0, bisect_right(self.book_clock, t - 10 * w) - 1), bisect_right(self.book_clock, t)):
            book = self.books[k]
            end = min(self.book_clock[k + 1] if k + 1 < len(self.books) else t, t) // 1_000
            span = end - max(book.t, t - 10 * w) // 1_000
            if book.valid and span > 0:
                area += (book.bid_qty + book.ask_qty) * span
                time += span
        return squash(2 * raw * time / area) if area else 0.0

    def calm(self, t: int) -> float:
        """Time-weighted imbalance of the levels, by the microsecond."""
        area, time, first = 0.0, 0, bisect_right(self.book_clock, t - 10 * GRID) - 1
        for k in range(max(0, first), bisect_right(self.book_clock, t)):
            book = self.books[k]
            bids, asks = book.sums[LEVELS]
            end = min(self.book_clock[k + 1] if k + 1 < len(self.books) else t, t) // 1_000
            span = end - max(book.t, t - 10 * GRID) // 1_000
            if book.valid and bids + asks and span > 0:
                area += (bids - asks) / (bids + asks) * span
                time += span
        return area / time if time else 0.0

    def pressure(self, t: int) -> float:
        """Kyle's lambda times the signed volume of 10 s over the half-spread."""
        book, slope = self.at(t), float(self.kyle.sample("lambda", np.array([t]))[0])
        assert book is not None
        volume = LINEAR.instrument.amount(sum(f.side * f.qty for f in self.window(t, 10 * GRID)))
        half_spread = (book.ask - book.bid) * float(LINEAR.instrument.tick) / 2
        return squash(slope * volume / half_spread) if slope == slope else 0.0

    def variance_ratio(self, t: int) -> float:
        squares = []
        for back in range(3_600):
            now, was = self.at(t - back * GRID), self.at(t - (back + 1) * GRID)
            if now is not None and was is not None and now.epoch == was.epoch:
                was_mid = was.bid + was.ask
                r = math.log1p((now.bid + now.ask - was_mid) / was_mid)
                squares.append((back, r * r))
            if t - (back + 1) * GRID < START:
                break
        short = [v for back, v in squares if back < 60]
        if not sum(short):
            return 0.0
        return squash(math.log((sum(short) / len(short)) / (sum(v for _, v in squares) / len(squares))))

    @cache  # noqa: B019 - lives as long as the test
    def features(self, t: int) -> tuple[float, ...]:
        book = self.at(t)
        assert book is not None
        bids, asks = book.sums[LEVELS]
        fills = self.window(t, 60 * GRID)
        square = sum(f.qty**2 for f in fills if f.side)
        last = bisect_right(self.fill_clock, t) - 1
        return (
            1.0,
            (book.bid_qty - book.ask_qty) / (book.bid_qty + book.ask_qty),
            (bids - asks) / (bids + asks),
            self.calm(t),
            squash(float(self.micro.offsets(np.array([t]))[0])),
            1 - 1 / (book.ask - book.bid),
            self.ofi(t, GRID),
            self.ofi(t, 10 * GRID),
            self.ti(t, GRID),
            self.ti(t, 10 * GRID),
            self.pressure(t),
            squash(sum(f.side * f.qty for f in fills) / math.sqrt(square)) if square else 0.0,
            self.variance_ratio(t),
            2 * pct - 1 if (pct := float(self.vpin.sample("pct", np.array([t]))[0])) == pct else 0.0,
            squash((t - self.fill_clock[last]) / GRID) if last >= 0 else 1.0,
        )

    def label(self, t: int, h: int) -> tuple[int, bool] | None:
        """(clock, up) of the first move after t within h, in the same epoch."""
        book = self.at(t)
        assert book is not None
        for later in self.books[bisect_right(self.book_clock, t) :]:
            if later.epoch != book.epoch or later.t > t + h:
                return None
            if usable(later) and later.bid + later.ask != book.bid + book.ask:
                return later.t, later.bid + later.ask > book.bid + book.ask
        return None

    def moves(self, seconds: list[int], h: int) -> None:
        learner = SlowLogistic(len(FEATURES), RATES)
        made: dict[int, float] = {}
        scored: list[tuple[int, float, float]] = []
        waiting: list[tuple[int, int, bool]] = []  # resolved at, made at, up
        for t in seconds:
            for at, then, up in sorted(w for w in waiting if w[0] <= t):
                learner.learn(self.features(then), up)
                scored.append((at, made[then], up))
            waiting = [w for w in waiting if w[0] > t]
            made[t] = probability(learner.logit(self.features(t)))
            label = self.label(t, h)
            if label is not None:
                waiting.append((label[0], t, label[1]))
        scored += [(at, made[then], up) for at, then, up in sorted(waiting)]
        self.forecasts[f"up:{h}"], self.scored[f"up:{h}"] = made, scored

    def returns(self, seconds: list[int], h: int) -> None:
        known = set(seconds)
        rows: list[tuple[int, tuple[float, ...], float]] = []  # block, features, return in bps
        weights, block = np.zeros(len(FEATURES)), seconds[0] // BLOCK
        made: dict[int, float] = {}
        scored: list[tuple[int, float, float]] = []
        for t in seconds:
            if t // BLOCK > block:
                used = sorted({b for b, _, _ in rows})[-BLOCKS:]
                part = [(x, y) for b, x, y in rows if b in used]
                if len(part) >= MIN_ROWS:
                    x, y = np.array([p[0] for p in part]), np.array([p[1] for p in part])
                    weights = np.linalg.solve(x.T @ x + RIDGE * len(part) * np.eye(x.shape[1]), x.T @ y)
                block = t // BLOCK
            now, was = self.at(t), self.at(t - h) if t - h in known else None
            assert now is not None
            if was is not None and was.epoch == now.epoch:
                change = 10_000 * ((now.bid + now.ask) / (was.bid + was.ask) - 1)
                scored.append((t, made[t - h], change))
                rows.append((block, self.features(t - h), change))
            made[t] = float(weights @ np.array(self.features(t)))
        self.forecasts[f"return:{h}"], self.scored[f"return:{h}"] = made, scored

    def value(self, name: str, t: int) -> float:
        kind, _, h = name.partition(":")
        base = f"{'return' if kind.startswith('return') else 'up'}:{h}"
        rows = [(p, y) for at, p, y in self.scored[base] if at <= t]
        if len(rows) < MIN_SCORED:
            return math.nan
        if base.startswith("return"):
            skill = 1 - sum((p - y) ** 2 for p, y in rows) / sum(y * y for _, y in rows)
        else:
            skill = 1 - sum(-math.log(p if up else 1 - p) for p, up in rows) / len(rows) / math.log(2)
        if kind == "brier":
            return sum((p - up) ** 2 for p, up in rows) / len(rows)
        if kind == "auc":
            ups, downs = ([int(p * 1_000) for p, y in rows if bool(y) is side] for side in (True, False))
            gaps = np.array(ups)[:, None] - np.array(downs)
            return float(np.mean((gaps > 0) + 0.5 * (gaps == 0)))
        if name == base:
            return self.forecasts[base].get(t // GRID * GRID, math.nan) if skill > 1e-9 else math.nan
        return skill


# ---- tests


@pytest.fixture(scope="module")
def events() -> list[Row]:
    return tape(random.Random(5), 1_900)


@pytest.fixture(scope="module")
def times(events: list[Row]) -> np.ndarray:
    return np.arange(START, events[-1].t + 3 * SECOND, 7 * SECOND // 2)


@pytest.fixture(scope="module")
def whole(events: list[Row], times: np.ndarray) -> dict[str, np.ndarray]:
    return fold(make, list(events), [], FIELDS, times, taps=[LEVELS], restore=False)


def test_features_equal_the_raw_rows(events: list[Row]) -> None:
    slow = Slow(events, events[-1].t)
    vector = FeatureVector(LINEAR)
    vector.take(batch_of(events, 0, [LEVELS]))
    instants = [s for s in range(-(-START // GRID) * GRID, events[-1].t, GRID) if slow.at(s) is not None]
    for row in vector.rows(np.array(instants)):
        np.testing.assert_allclose(row.x, slow.features(row.t), rtol=1e-10, atol=1e-12, err_msg=str(row.t))
        assert max(map(abs, row.x)) <= 1


def test_everything_equals_the_slow_loop(events: list[Row], times: np.ndarray, whole: dict[str, np.ndarray]) -> None:
    slow = Slow(events, int(times[-1])).run()
    for name in FIELDS:
        wanted = np.array([slow.value(name, int(t)) for t in times])
        if name.startswith("auc"):  # a score within rounding of an edge may fall into the next bin
            np.testing.assert_allclose(whole[name], wanted, atol=2e-4)
        else:
            np.testing.assert_allclose(whole[name], wanted, rtol=1e-9, atol=1e-9, err_msg=name)
    assert np.isfinite(whole[UP]).sum() > 50
    assert np.isfinite(whole[f"return:{GRID}"]).sum() > 20
    assert np.isnan(whole[UP][np.isfinite(whole[FIELDS[1]])]).any(), "a hole gives no forecast"


def test_cuts_and_restores_change_no_bit(events: list[Row], times: np.ndarray, whole: dict[str, np.ndarray]) -> None:
    rng = random.Random(6)
    every_third = list(range(0, len(events), 3))
    for cuts in (every_third, *(random_cuts(rng, len(events)) for _ in range(2))):
        again = fold(make, list(events), cuts, FIELDS, times, taps=[LEVELS])
        assert all(again[name].tobytes() == whole[name].tobytes() for name in FIELDS)
    head = events[:300]
    early = times[times < head[-1].t]
    one = fold(make, list(head), every_event(300), FIELDS, early, taps=[LEVELS])
    assert all(one[name].tobytes() == whole[name][: len(early)].tobytes() for name in FIELDS)


def test_rows_to_come_change_nothing(events: list[Row], times: np.ndarray, whole: dict[str, np.ndarray]) -> None:
    cut = events[1_500].t
    other: list[Row] = []
    for e in events:
        if e.t <= cut:
            other.append(e)
        elif isinstance(e, Fill):
            other.append(replace(e, side=-e.side, qty=e.qty * 7))
        elif isinstance(e, Touch):
            other.append(replace(e, bid=e.bid - 9, bid_qty=e.ask_qty, epoch=e.epoch + 1))
    early = times[times <= cut]
    found = fold(make, list(other), [], FIELDS, early, taps=[LEVELS], restore=False)
    assert all(found[name].tobytes() == whole[name][: len(early)].tobytes() for name in FIELDS)
    assert np.isfinite(found[UP]).sum() > 20


def test_a_mirrored_market_has_mirrored_features(events: list[Row]) -> None:
    swapped: list[Row] = []
    for e in events:
        if isinstance(e, Fill):
            swapped.append(replace(e, side=-e.side))
        elif isinstance(e, DayVolume):
            swapped.append(e)
        else:
            bid, ask = (600_000 - e.ask if e.ask_qty else NO_BID), (600_000 - e.bid if e.bid_qty else NO_ASK)
            sums = {LEVELS: (e.sums[LEVELS][1], e.sums[LEVELS][0])}
            swapped.append(replace(e, bid=bid, ask=ask, bid_qty=e.ask_qty, ask_qty=e.bid_qty, sums=sums))
    slow = Slow(events, events[-1].t)
    instants = np.array([s for s in range(-(-START // GRID) * GRID, events[-1].t, GRID) if slow.at(s) is not None])
    rows = []
    for one in (events, swapped):
        vector = FeatureVector(LINEAR)
        vector.take(batch_of(one, 0, [LEVELS]))
        rows.append(np.array([row.x for row in vector.rows(instants)]))
    sign = np.array([1 if name in EVEN else -1 for name in FEATURES])
    loose = np.where(np.array(FEATURES) == "rv_ratio", 5e-3, 1e-9)  # log-returns are mirrored only nearly
    assert (np.abs(rows[0] - sign * rows[1]) <= loose).all()


def test_a_forecast_that_only_time_calls_for_is_there_and_changes_nothing(events: list[Row]) -> None:
    signal = make()
    for name in FIELDS:
        signal.sample(name, np.empty(0, np.int64))
    part = [e for e in events if e.t <= events[1_400].t]
    signal.update(batch_of(part, 0, [LEVELS]))
    before = repr(signal.state())
    later = np.array([part[-1].t + 2 * SECOND])
    value = signal.sample(UP, later)[0]
    assert 0 < value < 1
    assert repr(signal.state()) == before
    signal.update(replace(batch_of([], part[-1].t, [LEVELS]), end=int(later[0]) + 1))
    assert signal.sample(UP, later)[0] == value


def test_reports_say_what_a_panel_needs(events: list[Row]) -> None:
    signal = make()
    assert signal.move_report(60 * GRID, START) is None
    for name in FIELDS:
        signal.sample(name, np.empty(0, np.int64))
    signal.update(batch_of(events, 0, [LEVELS]))
    report = signal.move_report(60 * GRID, events[-1].t)
    assert report is not None
    assert tuple(report.weights) == FEATURES
    assert report.weights["imbalance_1"] > 0
    counts = report.forecasts
    assert counts.made == counts.resolved + counts.censored + counts.dropped + counts.pending
    assert sum(b.count for b in report.calibration) == report.scored == counts.resolved
    returns = signal.return_report(GRID, events[-1].t)
    assert returns is not None
    assert tuple(returns.weights) == FEATURES
    assert returns.scored > MIN_SCORED


def test_names_and_arguments() -> None:
    for text, wanted in (
        ("signal", UP),
        ("skill(30s)", f"skill:{30 * GRID}"),
        ("signal_auc", f"auc:{60 * GRID}"),
        ("brier", f"brier:{60 * GRID}"),
        ("signal_return(30s)", f"return:{30 * GRID}"),
        ("return_skill", f"return_skill:{5 * GRID}"),
    ):
        bound = bind(parse_metric(text), LINEAR)
        assert (bound.share, bound.field, bound.taps) == ("signal", wanted, (LEVELS,))
    for text, message in (("signal(1h)", "600s"), ("signal(10ms)", "1s"), ("signal_return(2s)", "1s, 5s or 30s")):
        with pytest.raises(MetricError, match=message):
            parse_metric(text)
    with pytest.raises(ValueError, match="version"):
        make().restore({**make().state(), "version": 9})
