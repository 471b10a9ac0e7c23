from __future__ import annotations

import random

import numpy as np
import pytest

from engine.metrics.series import KEPT, Series
from tests.engine.metrics.cuts import Event, Fill, batch_of, every_event, random_cuts
from tests.engine.metrics.tapes import BEFORE_MIDNIGHT, DAY, LINEAR, SECOND, random_tape


def folded(events: list[Event], cuts: list[int]) -> Series:
    series, begin, clock = Series(LINEAR), 0, 0
    for end in [*cuts, len(events)]:
        batch = batch_of(events[begin:end], clock)
        series.update(batch)
        begin, clock = end, batch.end
        series.advance(clock)
        fresh = Series(LINEAR)
        fresh.restore(series.state())
        series = fresh
    return series


def slow_columns(events: list[Event], step: int, count: int, t: int) -> list[dict[str, float | None]]:
    """Columns by walking over the fills, one by one."""
    fills = [e for e in events if isinstance(e, Fill)]
    first = t // step - count + 1
    price: float | None = None
    cvd, day = 0, -1
    columns = []
    i = 0
    while i < len(fills) and fills[i].t < first * step:
        f = fills[i]
        cvd = (0 if f.t // DAY != day else cvd) + f.side * f.qty
        price, day, i = f.px / 100, f.t // DAY, i + 1
    for k in range(first, first + count):
        prices, cvds, buy, sell = [], [], 0, 0
        while i < len(fills) and fills[i].t < (k + 1) * step:
            f = fills[i]
            before = 0 if f.t // DAY != day else cvd
            if not cvds or f.t // SECOND != fills[i - 1].t // SECOND:
                cvds.append(before)
            cvd, day, i = before + f.side * f.qty, f.t // DAY, i + 1
            cvds.append(cvd)
            prices.append(f.px / 100)
            buy += f.qty * (f.side > 0)
            sell += f.qty * (f.side < 0)
        price = prices[-1] if prices else price
        known = price is not None
        columns.append(
            {
                "price": price,
                "high": max(prices, default=price),
                "low": min(prices, default=price),
                "cvd": cvd / 1000 if known else None,
                "cvd_high": max(cvds, default=cvd) / 1000 if known else None,
                "cvd_low": min(cvds, default=cvd) / 1000 if known else None,
                "buy": buy / 1000,
                "sell": sell / 1000,
            }
        )
    return columns


@pytest.mark.parametrize("seed", range(4))
def test_columns_equal_a_walk_over_the_fills_however_cut(seed: int) -> None:
    rng = random.Random(seed)
    events = random_tape(rng, 150)
    last = events[-1].t
    for cuts in ([], every_event(len(events)), random_cuts(rng, len(events))):
        series = folded(events, cuts)
        for step, count, t in [(1, 400, last), (1, 30, last), (5, 90, last + 7), (60, 12, last), (7, 1, last - 60)]:
            view = series.columns(step * SECOND, count, t if t >= last else last)
            wanted = slow_columns(events, step * SECOND, count, max(t, last))
            for name in wanted[0]:
                assert list(getattr(view, name)) == [c[name] for c in wanted], (name, step)
            assert view.start == (max(t, last) // (step * SECOND) - count + 1) * step * SECOND
            assert view.step == step * SECOND


def test_nothing_is_known_before_the_first_trade() -> None:
    view = Series(LINEAR).columns(SECOND, 3, 100 * SECOND)
    assert view.price == view.cvd == view.high == view.cvd_low == (None, None, None)
    assert view.buy == view.sell == (0.0, 0.0, 0.0)
    assert view.hole == (False, False, False)
    assert Series(LINEAR).columns(SECOND, 2, 0).price == (None, None)


def test_a_cvd_candle_opens_where_the_cvd_stood_and_at_zero_on_a_new_day() -> None:
    midnight = BEFORE_MIDNIGHT + 20 * SECOND
    events: list[Event] = [
        Fill(midnight - 2 * SECOND, 5, 1),
        Fill(midnight - SECOND, 2, 1),
        Fill(midnight, 3, -1),
        Fill(midnight + 1, 9, 1),
    ]
    view = folded(events, [1, 3]).columns(SECOND, 3, midnight)
    assert view.cvd == (0.005, 0.007, 0.006)
    assert view.cvd_low == (0.0, 0.005, -0.003)
    assert view.cvd_high == (0.005, 0.007, 0.006)


def test_holes_mark_their_columns() -> None:
    t = 20_000 * DAY
    series = folded([Fill(t, 1, 1), Fill(t + 9 * SECOND, 1, 1)], [])
    for at in (t - 100 * SECOND, t + 2 * SECOND, t + 2 * SECOND + 5, t + 7 * SECOND):
        series.hole(at)
    again = Series(LINEAR)
    again.restore(series.state())
    for one in (series, again):
        assert one.columns(SECOND, 10, t + 9 * SECOND).hole == tuple(i in (2, 7) for i in range(10))
        assert one.columns(5 * SECOND, 2, t + 9 * SECOND).hole == (True, True)


def test_hours_are_kept_and_no_more() -> None:
    t = 20_000 * DAY
    series = Series(LINEAR)
    for i in range(0, 3 * 3600 * 2, 10):
        series.update(batch_of([Fill(t + i * SECOND, 1, 1, 100 + i)], 0))
        series.hole(t + i * SECOND)
        series.advance(t + i * SECOND)
    assert len(series.state()["holes"]) <= KEPT // (10 * SECOND) + 1
    assert len(series.state()["rows"][0]) <= KEPT // (10 * SECOND) + 2
    view = series.columns(60 * SECOND, 240, t + 6 * 3600 * SECOND - SECOND)
    assert view.cvd[0] is not None
    assert view.cvd[-1] == 2.16
    assert len(set(view.cvd)) == 240


@pytest.mark.parametrize(("step", "count"), [(0, 5), (SECOND // 2, 5), (SECOND + 1, 5), (SECOND, 0)])
def test_steps_are_whole_seconds(step: int, count: int) -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        Series(LINEAR).columns(step, count, 20_000 * DAY)


def test_it_has_no_sampled_fields() -> None:
    with pytest.raises(ValueError, match="no field 'cvd'"):
        Series(LINEAR).sample("cvd", np.array([1]))


def test_a_quiet_market_keeps_its_last_price_and_cvd() -> None:
    t = 20_000 * DAY
    series = folded([Fill(t, 7, 1, 250)], [])
    series.advance(t + 2 * KEPT)
    view = series.columns(60 * SECOND, 3, t + 2 * KEPT)
    assert view.price == view.low == (2.5, 2.5, 2.5)
    assert view.cvd == (0.007, 0.007, 0.007)
    assert view.buy == (0.0, 0.0, 0.0)
