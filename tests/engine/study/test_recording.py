"""The study of a recording: the same numbers as the live metrics, and known answers on small tapes."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.batch import Quotes, Trades
from engine.metrics.names import parse_metrics
from engine.study.impact import PAUSE, SETTLED, fit_power_law, square_root_table, taker_runs
from engine.study.price import grid_returns, risk_table, trade_returns, window_for
from engine.study.recording import RecordingStudy
from engine.study.regressions import bar_flows, regression_table
from engine.study.table import Table, minute
from engine.study.toxicity import agreement_table, alert_cells, alerts, vpin_table
from engine.tape import Ints, Kind
from tests.engine.tapes import INSTRUMENT, random_messages, to_rows

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
UNIT = Instrument("test", "A/B", Decimal(1), Decimal(1), base="A", quote="B")


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def quotes_of(t: Ints, bid: Ints, seq: Ints, epoch: Ints | None = None) -> Quotes:
    """A book with the ask two ticks above the bid and 10 lots on both sides."""
    ten = np.full(len(t), 10, np.int64)
    return Quotes(
        t, bid, ten, bid + 2, ten, np.ones(len(t), np.bool_), np.zeros_like(t) if epoch is None else epoch, seq
    )


def by(table: Table, *names: str) -> list[object]:
    """The rest of the row that begins with these cells."""
    (row,) = [row for row in table.rows if row[: len(names)] == names]
    return list(row[len(names) :])


def test_the_regressions_are_those_of_the_live_metrics() -> None:
    rows = to_rows(random_messages(3, 4_000))
    metrics = parse_metrics("ofi_beta(1s,10000),ofi_r2(1s,10000),ofi_t(1s,10000),ti_beta(1s,10000),ti_r2(1s,10000)")
    study, market = RecordingStudy(INSTRUMENT), Market(INSTRUMENT, metrics=metrics)
    study.apply(rows)
    market.apply(rows)
    market.finish()
    tables = {table.key: table for table in study.tables()}
    live = [market.value(metric) for metric in metrics]
    found = tables["regressions"]
    assert by(found, "1 s", "OFI, best level", "same bar")[:3] == live[:3]
    assert by(found, "1 s", "trade imbalance", "same bar")[:2] == live[3:]
    assert len(found.rows) == 8
    assert set(tables) == {
        "recording",
        "regressions",
        "markouts_by_side",
        "markouts_by_size",
        "square_root",
        "variance",
        "var_backtest",
        "forecasts",
        "vpin",
        "agreement",
    }


@pytest.mark.parametrize("messages", [1, 5, 40])
def test_a_recording_too_short_for_anything_has_tables_all_the_same(messages: int) -> None:
    study = RecordingStudy(INSTRUMENT)
    study.apply(to_rows(random_messages(3, messages)))
    for table in study.tables():
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_flow_that_moves_the_price_in_proportion_is_found_exactly() -> None:
    n = 200
    signs = np.random.default_rng(1).choice([-2, -1, 1, 2], n).astype(np.int64)
    t = START + SECOND * np.arange(n, dtype=np.int64)
    bid = 1_000 + 3 * np.cumsum(signs)
    trades = Trades(t + 1, bid, abs(signs), np.sign(signs), 2 * np.arange(n, dtype=np.int64) + 1)
    quotes = quotes_of(t + 2, bid, 2 * np.arange(n, dtype=np.int64) + 2)
    end = int(t[-1]) + SECOND
    table = regression_table(UNIT, trades, quotes, end + 1)
    beta, r2, t_value, bars = by(table, "1 s", "trade imbalance", "same bar")
    assert (beta, r2, t_value) == (3.0, 1.0, None)  # three ticks a lot, without a residual
    assert bars == n - 1
    (next_beta, next_r2, _, _) = by(table, "1 s", "trade imbalance", "next bar")
    assert isinstance(next_r2, float)
    assert next_r2 < 0.1  # independent signs: what was bought says nothing of the next second
    assert next_beta != beta


def test_bars_across_an_epoch_are_left_out() -> None:
    t = START + SECOND * np.arange(1, 61, dtype=np.int64)
    quotes = quotes_of(t, np.full(60, 100, np.int64), np.arange(60), (np.arange(60) >= 30).astype(np.int64))
    trades = Trades(t, np.full(60, 100, np.int64), np.ones(60, np.int64), np.ones(60, np.int64), np.arange(60))
    ends, _, _, change = bar_flows(trades, quotes, int(t[-1]) + 1, SECOND)
    assert int(t[30]) not in ends.tolist()
    assert len(ends) == 58
    assert not change.any()


def test_a_power_law_is_found_and_what_has_no_log_is_left_out() -> None:
    size = np.array([1.0, 4.0, 9.0, 16.0, 100.0, 2.0])
    fit = fit_power_law(size, np.array([2.0, 4.0, 6.0, 8.0, 20.0, -1.0]))  # 2 sqrt(size)
    assert fit is not None
    assert fit.groups == 5
    assert fit.delta == pytest.approx(0.5)
    assert fit.error == pytest.approx(0, abs=1e-7)
    assert math.exp(fit.intercept) == pytest.approx(2)
    assert fit_power_law(size[:4], size[:4]) is None
    assert fit_power_law(np.full(9, 3.0), np.arange(1.0, 10.0)) is None


def test_the_error_of_delta_is_that_of_the_textbook() -> None:
    x, y = np.array([0.0, 1, 2, 3, 4, 5]), np.array([0.1, 0.4, 1.2, 1.4, 2.1, 2.4])
    fit = fit_power_law(np.exp(x), np.exp(y))
    slope, intercept = np.polyfit(x, y, 1)
    rest = y - slope * x - intercept
    assert fit is not None
    assert fit.delta == pytest.approx(slope)
    assert fit.error == pytest.approx(math.sqrt(rest @ rest / 4 / ((x - x.mean()) @ (x - x.mean()))))


def test_runs_end_with_the_other_side_or_a_pause() -> None:
    t = START + ints(0, 10, 20, 20 + 3 * PAUSE, 20 + 3 * PAUSE + 5)
    trades = Trades(t, ints(101, 101, 99, 99, 99), ints(1, 2, 4, 8, 16), ints(1, 1, -1, -1, -1), ints(2, 3, 5, 7, 8))
    book_t = START + ints(-5, 15, 25, 20 + 3 * PAUSE + SETTLED)
    quotes = quotes_of(book_t, ints(99, 104, 94, 89), ints(1, 4, 6, 9))
    end = START + 4 * PAUSE
    lots, impact = taker_runs(trades, quotes, end)
    assert lots.tolist() == [3, 4, 24]
    # mids 100, 105, 95 were met; 0.2 s later 95, 95 and 90 were in force
    assert impact.tolist() == pytest.approx([-500, 1e4 * 10 / 105, 1e4 * 5 / 95])
    assert taker_runs(trades, quotes, int(t[-1]) + SETTLED - 1)[0].tolist() == [3, 4]  # the last is not due yet


def test_returns_are_taken_between_neighbours_only() -> None:
    t, price = SECOND * ints(10, 11, 13, 14), ints(100, 110, 200, 100)
    assert grid_returns(t, price, SECOND).tolist() == pytest.approx([math.log(1.1), math.log(0.5)])
    trades = Trades(START + ints(0, SECOND // 2, 2 * SECOND), ints(5, 10, 20), *(ints(1, 1, 1),) * 3)
    assert trade_returns(trades, START + 3 * SECOND, SECOND).tolist() == pytest.approx([math.log(2), math.log(2), 0])


def test_a_value_at_risk_is_tested_where_returns_suffice() -> None:
    assert [window_for(n) for n in (59, 60, 200, 500, 1_000)] == [None, 30, 100, 250, 500]
    quiet = np.tile([0.01, -0.01], 100)
    quiet[150] = -0.5
    table = risk_table({"1 s": quiet, "10 s": quiet[:20]}, "x")
    assert by(table, "1 s", "historical", "95%")[:4] == [100, 100, pytest.approx(5.0), 1]
    assert by(table, "1 s", "filtered", "99%") == [100, *[None] * 5]
    assert {row[0] for row in table.rows} == {"1 s"}


def test_alerts_wait_for_the_re_arm() -> None:
    nan = math.nan
    values = [nan, 0.99, 1.0, 0.95, 0.99, 0.89, nan, 0.98, 0.995]
    assert alerts(values) == [1, 8]
    known, above, count, length, expected = alert_cells(values)
    assert (known, above, count, length) == (7, 4, 2, 2.0)
    assert expected == pytest.approx(0.01 * 7 / 2)
    assert alert_cells([]) == (0, 0, 0, None, 0.0)


def test_one_sided_flow_is_wholly_toxic_and_coin_tosses_are_not() -> None:
    n = 5_000
    t = START + SECOND * np.arange(n, dtype=np.int64)
    px, one = np.full(n, 7, np.int64), np.ones(n, np.int64)
    sided = vpin_table(UNIT, Trades(t, px, one, one, t), None, START, int(t[-1]))
    name, size, values, mean, null, most = sided.rows[0][:6]
    assert (name, size, values, mean, most) == ("recording/500", 10.0, 451, 1.0, 1.0)
    assert null == pytest.approx(math.sqrt(2 / math.pi / 10))
    tossed = np.random.default_rng(2).choice([-1, 1], n).astype(np.int64)
    mean = vpin_table(UNIT, Trades(t, px, one, tossed, t), 500, START, int(t[-1])).rows[0][3]
    assert isinstance(mean, float)
    assert 0.2 < mean < 0.3


def test_rules_agree_where_they_are_right() -> None:
    n = 40
    t, up = START + np.arange(n, dtype=np.int64), np.arange(n) % 2
    bid = np.full(n, 100, np.int64)
    trades = Trades(t, bid + 2 * up, np.ones(n, np.int64), 2 * up - 1, 2 * np.arange(n) + 2)
    table = agreement_table(trades, quotes_of(t, bid, 2 * np.arange(n) + 1), START - 1, int(t[-1]))
    assert by(table, "lee-ready") == [n, 0, 1.0]
    assert by(table, "tick") == [n, 0, 1 - 1 / n]  # it cannot tell the first


def test_a_recording_without_a_book_gives_what_trades_give() -> None:
    rows = to_rows(random_messages(5, 800))
    trades = rows[rows["kind"] == Kind.TRADE]
    study = RecordingStudy(INSTRUMENT, day_lots=1_000_000)
    study.apply(trades)
    tables = {table.key: table for table in study.tables()}
    assert set(tables) == {"recording", "var_backtest", "vpin", "agreement"}
    assert [row[0] for row in tables["vpin"].rows] == ["day/50", "day/500", "day/5000"]
    assert [row[0] for row in tables["agreement"].rows] == ["tick"]


def test_a_table_is_plain_for_json_and_keeps_its_shape() -> None:
    table = Table("k", "t", ("a", "b"), ((1, math.nan), ("x", None)), "r")
    assert table.plain() == {"title": "t", "columns": ["a", "b"], "rows": [[1, None], ["x", None]], "reading": "r"}
    assert minute(START) == "2023-11-14 22:13"
    with pytest.raises(ValueError, match="columns"):
        Table("k", "t", ("a",), ((1, 2),), "r")


def test_impact_by_groups_finds_the_root_of_runs_that_follow_it() -> None:
    n = 400
    lots = np.repeat(np.array([1, 4, 9, 16, 25, 36, 49, 64], np.int64), n // 8)
    t = START + 5 * SECOND * np.arange(n, dtype=np.int64)
    one, seq = np.ones(n, np.int64), 2 * np.arange(n, dtype=np.int64)
    moved = np.concatenate(([0], np.cumsum(np.sqrt(lots).astype(np.int64)))) + 10_000_000
    book_t = np.concatenate(([START - 1], t + 1))
    quotes = quotes_of(book_t, moved, np.concatenate(([-1], seq + 1)))
    table = square_root_table(UNIT, Trades(t, moved[:-1], lots, one, seq), quotes, int(t[-1]) + SECOND)
    for row in table.rows:
        assert row[:3] == (n, 8, 8)
        assert row[3] == pytest.approx(0.5, abs=1e-3)
        assert isinstance(row[4], float)
        assert row[4] < 1e-3
