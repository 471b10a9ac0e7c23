from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics.windows import DAY, Columns, Steps, Sums, exact_product, quotients

BIG = 1 << 61


def test_columns_keep_the_live_rows_through_growth_and_forgetting() -> None:
    rng = random.Random(0)
    columns, plain = Columns(np.int64, np.float64), []
    for i in range(500):
        new = [(i * 100 + k, rng.random()) for k in range(rng.choice((0, 1, 1, 30)))]
        columns.append([a for a, _ in new], [b for _, b in new])
        plain += new
        gone = rng.choice((0, 0, 1, 10, 40))
        columns.drop(gone)
        plain = plain[gone:]
        assert len(columns) == len(plain)
    assert columns[0].tolist() == [a for a, _ in plain]
    assert columns[1].tolist() == [b for _, b in plain]
    again = Columns(np.int64, np.float64)
    again.restore(columns.state())
    assert [again[i].tolist() for i in (0, 1)] == [columns[i].tolist() for i in (0, 1)]


def test_columns_give_memory_back() -> None:
    columns = Columns(np.int64)
    columns.append(np.arange(1_000_000))
    columns.drop(999_990)
    for _ in range(20):
        columns.append(np.arange(200_000))
        columns.drop(200_000)
    assert len(columns._arrays[0]) < 1_000_000


@pytest.mark.parametrize("columns", [[], [np.arange(3)], [np.arange(3), np.arange(4)]])
def test_columns_of_another_shape_are_refused(columns: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="columns"):
        Columns(np.int64, np.int64).restore(columns)


def test_steps_hold_the_last_value_at_or_before_a_time() -> None:
    steps = Steps(np.float64)
    assert np.isnan(steps.at(np.array([5]))).all()
    steps.append([10, 10, 20], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(steps.at(np.array([9, 10, 19, 20, 99])), [np.nan, 2, 2, 3, 3])
    steps.forget(9)
    assert len(steps) == 3
    steps.forget(15)
    assert len(steps) == 2
    np.testing.assert_array_equal(steps.at(np.array([15, 20])), [2, 3])


def _last(held: list[tuple[int, int]], t: int) -> int:
    return max(c for c, _ in held if c <= t)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.one_of(st.integers(-5, 5), st.integers(-BIG, BIG))), min_size=1),
    st.integers(1, 12),
    st.integers(1, 5),
)
def test_window_sums_are_exact_at_any_magnitude_and_cut(rows: list[tuple[int, int]], span: int, cut: int) -> None:
    clock = DAY - 20 + np.cumsum([dt for dt, _ in rows])
    values = [v for _, v in rows]
    sums = Sums(1)
    done = int(clock[0])
    for start in range(0, len(rows), cut):
        t = clock[start : start + cut]
        new = np.array(values[start : start + cut], np.int64)
        sums.append(t, [new], [len(new) * int(np.abs(new).max())])
        upto = int(t[-1])
        times = np.arange(done, upto + 1)
        held = [(int(c), v) for c, v in zip(clock[: start + cut], values, strict=False)]
        window = sums.window(times, span)
        assert window.sum(0).tolist() == [sum(v for c, v in held if x - span < c <= x) for x in times]
        assert window.count().tolist() == [sum(x - span < c <= x for c, _ in held) for x in times]
        total = sums.window(times, "start")
        assert total.sum(0).tolist() == [sum(v for c, v in held if c <= x) for x in times]
        assert total.count().tolist() == [sum(c <= x for c, _ in held) for x in times]
        session = sums.window(times, "session")
        of_day = [[v for c, v in held if c <= x and c // DAY == _last(held, x) // DAY] for x in times.tolist()]
        assert session.sum(0).tolist() == [sum(day) for day in of_day]
        assert session.count().tolist() == [len(day) for day in of_day]
        done = upto
        sums.forget(done - span)
        again = Sums(1)
        again.restore(sums.state())
        sums = again


def test_a_store_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="3 sums, not 2"):
        Sums(2).restore(Sums(3).state())
    with pytest.raises(ValueError, match="version"):
        Sums(2).restore({**Sums(2).state(), "version": 0})


@given(st.lists(st.integers(-(1 << 53), 1 << 53), min_size=1), st.integers(1, 10**6), st.integers(1, 10**9))
def test_quotients_are_correctly_rounded_however_held(values: list[int], numerator: int, denominator: int) -> None:
    wanted = [float(Fraction(v * numerator, denominator)) for v in values]
    assert quotients(np.array(values, np.int64), numerator, denominator).tolist() == wanted
    assert quotients(np.array(values, object), numerator, denominator).tolist() == wanted


def test_products_beyond_64_bits_are_exact() -> None:
    a = np.array([1 << 53, -3], np.int64)
    assert exact_product(1 << 106, a, a).tolist() == [1 << 106, 9]
    assert exact_product(9, np.array([-3], np.int64), np.array([3], np.int64)).dtype == np.int64
