"""VPIN against a slow, obviously correct reference; cuts, symmetry, conservation, bucket sizes, real trades."""

from __future__ import annotations

import csv
import gzip
import io
import math
import random
import statistics
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.instrument import Instrument
from engine.metrics.batch import Batch
from engine.metrics.buckets import DailyVolumeSize, FixedSize
from engine.metrics.names import parse_metric
from engine.metrics.spec import Context
from engine.metrics.vpin import PRESETS, SPECS, Vpin, bucket_lots
from engine.metrics.vpin_history import LOOKBACK
from engine.metrics.windows import DAY
from tests.engine.metrics.cuts import DayVolume, Event, Fill, batch_of, every_event, fold, random_cuts
from tests.real_data import data_dir, data_file

SECOND = 1_000_000_000
FIELDS = ("vpin", "pct", "null", "fill", "age")


class Bucket:
    """One closed bucket of the reference."""

    def __init__(self, t: int, size: int, pieces: list[tuple[int, int]]) -> None:
        self.t = t
        self.size = size
        self.imbalance = abs(sum(lots * side for lots, side in pieces))
        self.null = math.sqrt(2 / math.pi) * math.sqrt(sum(Fraction(lots, size) ** 2 for lots, _ in pieces))


class Reference:
    """Every fill poured piece by piece; the size of a bucket is asked for when its first lot comes."""

    def __init__(self, n: int, size: int) -> None:
        self.n = n
        self.size = size
        self.closed: list[Bucket] = []
        self.pieces: list[tuple[int, int]] = []
        self.open_size = 0
        self.filled: list[tuple[int, Fraction]] = []

    def fill(self, fill: Fill) -> None:
        left = fill.qty
        while left:
            if not self.pieces:
                self.open_size = self.size
            room = self.open_size - sum(lots for lots, _ in self.pieces)
            piece = min(room, left)
            self.pieces.append((piece, fill.side))
            left -= piece
            if piece == room:
                self.closed.append(Bucket(fill.t, self.open_size, self.pieces))
                self.pieces = []
        self.filled.append((fill.t, Fraction(sum(lots for lots, _ in self.pieces), self.open_size)))

    def values(self) -> list[Fraction | None]:
        """VPIN at each closing."""
        out: list[Fraction | None] = []
        for k in range(1, len(self.closed) + 1):
            window = self.closed[max(0, k - self.n) : k]
            full = len(window) == self.n
            out.append(Fraction(sum(b.imbalance for b in window), sum(b.size for b in window)) if full else None)
        return out

    def sample(self, times: Sequence[int]) -> dict[str, list[float]]:
        values, out = self.values(), {name: [math.nan] * len(times) for name in FIELDS}
        for row, t in enumerate(times):
            full = [f for at, f in self.filled if at <= t]
            if full:
                out["fill"][row] = float(full[-1])
            k = sum(b.t <= t for b in self.closed) - 1
            if k < 0:
                continue
            out["age"][row] = (t - self.closed[k].t) / 1e9
            if values[k] is None:
                continue
            out["vpin"][row] = float(values[k])
            out["null"][row] = sum(b.null for b in self.closed[k - self.n + 1 : k + 1]) / self.n
            since = self.closed[k].t - LOOKBACK
            before = [v for v, b in zip(values[:k], self.closed[:k], strict=True) if v is not None and b.t > since]
            if len(before) >= 250:
                below, ties = (sum(v < values[k] for v in before), sum(v == values[k] for v in before))
                out["pct"][row] = (below + ties / 2) / len(before)
        return out


def fills(rng: random.Random, count: int, whale: int = 500, gap: int = SECOND) -> list[Fill]:
    """Equal timestamps, unknown sides, now and then a whale."""
    t, out = 1_700_000_000 * SECOND, []
    for _ in range(count):
        t += rng.choice([0, 0, rng.randint(0, gap)])
        qty = rng.randint(1, whale) if rng.random() < 0.03 else rng.randint(1, 9)
        out.append(Fill(t, qty, rng.choice([1, 1, -1, -1, 0])))
    return out


def grid(events: Sequence[Event], step: int) -> np.ndarray:
    first, last = events[0].t // step, events[-1].t // step + 3
    return np.arange(first, last, dtype=np.int64) * step


def fixed(size: int, n: int) -> Vpin:
    return Vpin(FixedSize(size), n)


def test_golden_fills_give_the_worked_values() -> None:
    vpin = fixed(10, 2)
    vpin.update(batch_of([Fill(1, 6, 1), Fill(2, 7, -1), Fill(3, 12, 1), Fill(4, 25, 1)], 0))
    t, values = vpin.history(10)
    # The 4th fill closes three buckets at once.
    assert t.tolist() == [3, 4, 4, 4]
    assert values.tolist() == [0.3, 0.7, 1.0, 1.0]
    assert vpin.closings(0, 3).tolist() == [2, 3]
    assert vpin.closings(2, 9).tolist() == [3, 4]
    sampled = vpin.sample("vpin", np.array([1, 2, 3, 4, 99]))
    np.testing.assert_array_equal(sampled, [np.nan, np.nan, 0.3, 1.0, 1.0])
    np.testing.assert_array_equal(vpin.sample("fill", np.array([0, 1, 2, 3, 4, 5])), [np.nan, 0.6, 0.3, 0.5, 0, 0])


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_reference(seed: int) -> None:
    rng = random.Random(seed)
    size, n = rng.choice([(7, 3), (40, 5), (1, 4), (25, 1)])
    events = fills(rng, 900)
    times = grid(events, 5 * SECOND)
    reference = Reference(n, size)
    for event in events:
        reference.fill(event)
    vpin = fixed(size, n)
    vpin.update(batch_of(events, 0))
    assert vpin.history(10**6)[1].tolist() == [float(v) for v in reference.values() if v is not None]
    expected = reference.sample(times.tolist())
    assert np.isfinite(expected["pct"]).any() or size == 40
    for name in ("vpin", "pct", "fill", "age"):
        np.testing.assert_array_equal(vpin.sample(name, times), expected[name], err_msg=name)
    np.testing.assert_allclose(vpin.sample("null", times), expected["null"], rtol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_cuts_and_restores_change_no_bit(seed: int) -> None:
    rng = random.Random(100 + seed)
    events: list[Event] = list(fills(rng, 400))
    times = grid(events, 3 * SECOND)
    size, n = rng.choice([(7, 3), (30, 4), (1, 2)])
    whole = fold(lambda: fixed(size, n), events, [], FIELDS, times, restore=False)
    assert all(np.isfinite(whole[name]).any() for name in ("vpin", "null", "fill", "age"))
    for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(5))):
        cut = fold(lambda: fixed(size, n), events, cuts, FIELDS, times)
        for name in FIELDS:
            assert cut[name].tobytes() == whole[name].tobytes(), name


def test_swapped_sides_leave_it_unchanged() -> None:
    events = fills(random.Random(5), 500)
    times = grid(events, SECOND)
    mirrored = [Fill(f.t, f.qty, -f.side, 200 - f.px) for f in events]
    one, other = (fold(lambda: fixed(20, 5), e, [], FIELDS, times) for e in (events, mirrored))
    for name in FIELDS:
        assert one[name].tobytes() == other[name].tobytes()


def test_scaled_lots_leave_it_unchanged() -> None:
    events = fills(random.Random(6), 500)
    times = grid(events, SECOND)
    scaled = [Fill(f.t, f.qty * 1000, f.side) for f in events]
    one = fold(lambda: fixed(20, 5), events, [], FIELDS, times)
    other = fold(lambda: fixed(20_000, 5), scaled, [], FIELDS, times)
    for name in FIELDS:
        np.testing.assert_allclose(one[name], other[name], rtol=0 if name != "null" else 1e-13)


def test_no_lot_is_lost_or_made() -> None:
    rng = random.Random(9)
    events = fills(rng, 2_000)
    vpin = fixed(13, 1)
    for k in range(0, 2_000, 17):
        vpin.update(batch_of(events[k : k + 17], 0))
    poured = sum(f.qty for f in events)
    closed = len(vpin.history(10**9)[0])
    fraction = vpin.sample("fill", np.array([events[-1].t]))[0]
    assert closed == poured // 13
    assert fraction == (poured % 13) / 13


def test_a_one_sided_whale_drives_it_to_one_and_unknown_sides_to_zero() -> None:
    vpin = fixed(10, 50)
    vpin.update(batch_of([Fill(1, 5, 1), Fill(2, 10**12, -1)], 0))
    at = np.array([2])
    assert vpin.sample("vpin", at)[0] == 1.0
    assert vpin.sample("fill", at)[0] == 0.5
    assert vpin.sample("null", at)[0] == pytest.approx(math.sqrt(2 / math.pi), rel=1e-12)
    vpin.update(batch_of([Fill(3, 10**12, 0)], 2))
    assert vpin.sample("vpin", np.array([3]))[0] == 0.0


def test_sizes_at_the_edge_of_int64_stay_exact() -> None:
    huge = 1 << 53
    events = [Fill(k, huge, 1 if k % 2 else -1) for k in range(1, 2_000)]
    vpin = Vpin(FixedSize(1 << 45), 4)
    vpin.update(batch_of(events, 0))
    assert vpin.sample("vpin", np.array([5_000]))[0] == 1.0
    assert vpin.sample("fill", np.array([5_000]))[0] == 0.0


def test_the_null_level_is_that_of_equal_fills() -> None:
    vpin = fixed(200, 3)
    vpin.update(batch_of([Fill(k, 1, 1) for k in range(600)], 0))
    assert vpin.sample("null", np.array([600]))[0] == pytest.approx(math.sqrt(2 / (math.pi * 200)), rel=1e-12)


def test_the_percentile_forgets_values_older_than_its_lookback() -> None:
    rng = random.Random(3)
    early = fills(rng, 600)
    late = [Fill(f.t + LOOKBACK + DAY, f.qty, f.side) for f in fills(rng, 600)]
    vpin = fixed(5, 2)
    vpin.update(batch_of(early, 0))
    reference = Reference(2, 5)
    for event in [*early, *late]:
        reference.fill(event)
    times = np.array([f.t for f in late[::5]])
    vpin.advance(early[-1].t)
    vpin.update(batch_of(late, early[-1].t))
    expected = reference.sample(times.tolist())["pct"]
    assert any(math.isnan(v) for v in expected)
    assert math.isfinite(expected[-1])
    np.testing.assert_array_equal(vpin.sample("pct", times), expected)
    vpin.advance(late[-1].t)
    assert len(vpin.history(10**9)[0]) == sum(b.t > late[-1].t - LOOKBACK for b in reference.closed)


# ---- buckets as a part of the average day


def adv(divisor: int, day_lots: int | None = None, n: int = 2) -> Vpin:
    return Vpin(DailyVolumeSize(Fraction(divisor), day_lots), n)


def bucket_sizes(vpin: Vpin, events: Sequence[Event]) -> list[int]:
    """Sizes of all buckets that close, one event a batch."""
    sizes, before = [], 0
    for event in events:
        vpin.update(batch_of([event], event.t))
        vpin.advance(event.t)
        closed = vpin.state()["closed"]
        ring = vpin.state()["ring"][1]
        sizes += ring[len(ring) - (closed - before) :].tolist() if closed > before else []
        before = closed
    return sizes


def test_without_a_day_or_a_seed_it_is_unknown_and_the_first_full_day_starts_it() -> None:
    base = 20_000 * DAY
    partial = [Fill(base + DAY // 2 + k, 10, 1) for k in range(30)]
    full = [Fill(base + DAY + k, 10, 1) for k in range(50)]
    after = [Fill(base + 2 * DAY + k, 10, 1) for k in range(2)]
    vpin = adv(50)
    vpin.update(batch_of([*partial, *full], 0))
    assert np.isnan(vpin.sample("fill", np.array([full[-1].t]))[0])
    vpin.update(batch_of(after[:1], full[-1].t))
    # The day before the full one was seen in part only: ADV 500, V = max(500 / 50, 50 x 10).
    assert vpin.sample("fill", np.array([after[0].t]))[0] == 10 / 500
    assert np.isnan(vpin.sample("vpin", np.array([after[0].t]))[0])


def test_the_size_changes_at_midnight_from_the_next_bucket_on_by_a_mean_of_half_life_seven_days() -> None:
    base = 20_000 * DAY
    days = [[Fill(base + d * DAY + k, 1, 1) for k in range(count)] for d, count in enumerate((450, 1_600, 700))]
    vpin = adv(10, day_lots=1_000, n=5_000)
    sizes = bucket_sizes(vpin, [f for day in days for f in day])
    weight = 2 ** (-1 / 7)
    second = round((weight * 1_000 + (1 - weight) * 1_600) / 10)
    # 450 + 1600 fill 20 buckets of 100; the 21st, open over the second midnight, keeps its size.
    assert second != 100
    assert sizes == [100] * 21 + [second] * ((450 + 1_600 + 700 - 2_100) // second)


def test_a_seed_counts_for_the_trades_after_it_and_only_the_first_one() -> None:
    base = 20_000 * DAY
    events: list[Event] = [
        Fill(base, 4, 1),
        DayVolume(base + 1, 1_000),
        Fill(base + 1, 4, 1),
        Fill(base + 2, 25, 1),
        DayVolume(base + 3, 9_000),
        Fill(base + 4, 20, -1),
    ]
    vpin = adv(50)
    assert bucket_sizes(vpin, events) == [20, 20]
    assert vpin.sample("fill", np.array([base + 4]))[0] == 5 / 20


def test_the_smallest_bucket_is_fifty_median_fills() -> None:
    rng = random.Random(1)
    base = 20_000 * DAY
    sizes = [rng.randint(1, 20) for _ in range(1_500)]
    events = [Fill(base + k, q, 1) for k, q in enumerate(sizes)]
    found = bucket_sizes(adv(5_000, day_lots=50_000, n=5_000), events)
    floor = 50 * statistics.median(sizes[:1_000])
    assert set(found) == {10, round(floor)}
    assert found.count(10) == -(-sum(sizes[:1_000]) // 10)


@pytest.mark.parametrize("seed", range(4))
def test_cuts_change_no_bit_while_the_size_moves(seed: int) -> None:
    rng = random.Random(200 + seed)
    events: list[Event] = list(fills(rng, 1_300, whale=3_000, gap=DAY // 60))
    if seed % 2:
        at = rng.randrange(5, 600)
        events.insert(at, DayVolume(events[at - 1].t, 4_000))
    times = grid(events, DAY // 20)
    whole = fold(lambda: adv(20), events, [], FIELDS, times, restore=False)
    assert np.isfinite(whole["vpin"]).any()
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        cut = fold(lambda: adv(20), events, cuts, FIELDS, times)
        for name in FIELDS:
            assert cut[name].tobytes() == whole[name].tobytes(), name


# ---- the metric's arguments


def instrument(**changes: object) -> Instrument:
    values = {"venue": "x", "symbol": "A/B", "tick": Decimal("0.01"), "lot": Decimal("0.001")} | changes
    return Instrument(**values)  # type: ignore[arg-type]


def test_sizes_become_the_nearest_lots() -> None:
    assert bucket_lots(instrument(), 1000.0) == 1_000_000
    assert bucket_lots(instrument(), 0.1) == 100
    assert bucket_lots(instrument(), 0.00001) == 1
    coin = instrument(kind="inverse", lot=Decimal(1), contract=Decimal(10))
    assert bucket_lots(coin, 10_000.0) == 1_000


def test_metrics_of_one_size_and_count_share_a_calculator() -> None:
    metrics = [parse_metric(text) for text in ("vpin(10)", "vpin_null(10,50)", "vpin_age(10)")]
    bounds = [metric.spec.bind(*metric.args) for metric in metrics]
    assert len({b.share for b in bounds}) == 1
    assert [b.field for b in bounds] == ["vpin", "null", "age"]
    made = bounds[0].make(Context(instrument()))
    assert np.isnan(made.sample("vpin", np.array([1])))[0]
    for _, size, n in PRESETS:
        assert parse_metric(f"vpin({size},{n})").args == (size, n)
    assert {s.name for s in SPECS} == {"vpin", "vpin_pct", "vpin_null", "vpin_fill", "vpin_age"}


def test_impossible_arguments_and_foreign_states_are_refused() -> None:
    bind = SPECS[0].bind
    for size, n in ((0.0, 50), (math.nan, 50), (-1.0, 50), (10.0, 0), (10.0, 20_000), ("adv/0", 50)):
        with pytest.raises((ValueError, ZeroDivisionError)):
            bind(size, n)
    with pytest.raises(ValueError, match="lots"):
        bind(1e15, 50).make(Context(instrument(lot=Decimal("1e-8"))))
    with pytest.raises(ValueError, match="over 3 buckets"):
        fixed(10, 4).restore(fixed(10, 3).state())
    with pytest.raises(ValueError, match="10 lots"):
        fixed(11, 3).restore(fixed(10, 3).state())
    with pytest.raises(ValueError, match="version"):
        fixed(10, 3).restore({**fixed(10, 3).state(), "version": 0})


# ---- real trades


def litecoin_fills() -> list[Fill]:
    data_file("ltcusdt_trades")
    rows = []
    for path in sorted((data_dir() / "ltcusdt_trades").glob("*.csv.gz")):
        with gzip.open(path, "rb") as raw:
            rows += list(csv.DictReader(io.TextIOWrapper(raw, "utf-8")))
    rows.sort(key=lambda r: int(r["tradeId"]))
    out, clock = [], 0
    for r in rows:
        clock = max(clock, int(r["timestamp"]) * 1_000_000)
        lots = Fraction(r["quantity"]) * 1_000
        assert lots.denominator == 1
        out.append(Fill(clock, int(lots), 1 if r["side"] == "buy" else -1))
    return out


def test_real_trades_give_exactly_the_reference() -> None:
    trades = litecoin_fills()
    for size in (1_000_000, 500_000):
        reference = Reference(50, size)
        for trade in trades:
            reference.fill(trade)
        expected = [float(v) for v in reference.values() if v is not None]
        assert len(expected) > 100
        vpin = fixed(size, 50)
        for k in range(0, len(trades), 10_000):
            vpin.update(batch_of(trades[k : k + 10_000], 0))
        t, values = vpin.history(10**9)
        assert values.tolist() == expected
        assert t.tolist() == [b.t for b in reference.closed[49:]]


def test_an_empty_batch_is_no_news() -> None:
    vpin = fixed(10, 2)
    vpin.update(batch_of([], 0))
    empty: Batch = batch_of([], 5)
    vpin.update(empty)
    assert np.isnan(vpin.sample("fill", np.array([5]))[0])
