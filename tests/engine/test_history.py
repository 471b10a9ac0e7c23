"""What bars of the past do to a market, and what they must not do."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.checkpoint import checkpoint_of, pack, resume, seal, unpack
from engine.history import MINUTE, Bars, average_day, session_of
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.bar_spread import buckets_of, volume_by_price
from engine.metrics.names import parse_metric, parse_metrics
from engine.metrics.profile import Profile
from engine.picture import market_view
from engine.view import ViewRequest
from tests.engine.bars import DAY, MIDNIGHT, PastTrade, bars_of, random_past
from tests.engine.tapes import INSTRUMENT, Recorder, push, random_messages

SECOND = 1_000_000_000
START = MIDNIGHT + 10 * 3600 * SECOND
WARM = "cvd,volume(session),share(session),trades(session),volume_quote(session),"
WARM += "vwap,vwap_band(1),vwap(start),vwap(1h),poc,vah,val,vpin(50,20),vpin_pct(50,20),vpin_null(50,20)"


def warm_market(trades: list[PastTrade], text: str = WARM, **more: Any) -> Market:
    market = Market(INSTRUMENT, metrics=parse_metrics(text), chart=True, **more)
    market.learn(bars_of(trades))
    return market


def value(market: Market, text: str) -> float | None:
    market.flush()
    return market.value(parse_metric(text))


def live(market: Market, t: int, px: str = "2680.00", size: str = "1", side: int = 1) -> None:
    market.trade(t, t, 1, px, size, side)


# ---- bars


def test_crooked_bars_are_refused() -> None:
    good = bars_of(random_past(1, START - 3600 * SECOND, START))
    assert len(good) > 40
    for wrong in (
        {"t": good.t + 1},
        {"t": good.t[::-1]},
        {"high": good.low - 1},
        {"low": good.high + 1},
        {"bought": good.volume + 1},
        {"bought": good.bought - good.volume - 1},
        {"quote": good.quote * np.nan},
        {"trades": good.trades[1:]},
    ):
        with pytest.raises(ValueError, match="bar"):
            replace(good, **wrong)


def test_whole_bars_within_a_span_and_of_the_last_day() -> None:
    bars = bars_of(random_past(2, MIDNIGHT - 3600 * SECOND, MIDNIGHT + 3600 * SECOND))
    inside = bars.within(MIDNIGHT, MIDNIGHT + 90 * SECOND)
    assert inside.t.tolist() == [MIDNIGHT]
    assert inside.ends.tolist() == [MIDNIGHT + MINUTE]
    today = session_of(bars)
    assert today.t[0] >= MIDNIGHT
    assert len(today) == int(np.sum(bars.t >= MIDNIGHT))
    assert len(session_of(bars.within(0, 1))) == 0


def test_the_average_day_is_an_exponential_mean() -> None:
    assert average_day([]) is None
    assert average_day([700]) == 700
    assert average_day([100] * 7 + [200] * 7) == pytest.approx(150, abs=1)  # half-life of 7 days
    assert average_day([0, 0]) is None


# ---- spreading


@given(st.integers(0, 10**6), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_spreading_over_prices_keeps_every_lot_inside_its_bar(seed: int, count: int) -> None:
    bars = bars_of(random_past(seed, START - count * MINUTE, START))
    prices, sold, bought = volume_by_price(bars)
    assert int(bought.sum()) == int(bars.bought.sum())
    assert int(sold.sum() + bought.sum()) == int(bars.volume.sum())
    if len(bars):
        assert prices[0] >= bars.low.min()
        assert prices[-1] <= bars.high.max()
    for i in range(len(bars)):
        one = bars.within(int(bars.t[i]), int(bars.ends[i]))
        _, s, b = volume_by_price(one)
        n = int(one.high[0] - one.low[0]) + 1
        for lots, total in ((s, one.volume[0] - one.bought[0]), (b, one.bought[0])):
            assert len(lots) <= n
            assert lots.max(initial=0) <= -(-int(total) // n)


def test_a_huge_range_is_spread_in_steps() -> None:
    one = np.array([1], np.int64)
    bars = Bars(
        MINUTE, one * START // MINUTE * MINUTE, one, one * 10**9, one, one, one * 10**7, one * 7, one * 1.0, one
    )
    prices, sold, bought = volume_by_price(bars)
    assert len(prices) <= 1 << 19
    assert (int(bought.sum()), int(sold.sum())) == (7, 10**7 - 7)


@given(st.integers(0, 10**6), st.integers(2, 30))
@settings(max_examples=40, deadline=None)
def test_buckets_of_bars_equal_pouring_lot_by_lot(seed: int, share: int) -> None:
    bars = bars_of(random_past(seed, START - 60 * MINUTE, START))
    size = int(bars.volume.sum()) // share + 1
    t, imbalance = buckets_of(bars, size)
    if size * len(bars) < 2 * int(bars.volume.sum()):
        assert len(t) == 0
        return
    poured, bought, marks = 0, 0.0, [0.0]
    times = []
    for end, v, b in zip(bars.ends.tolist(), bars.volume.tolist(), bars.bought.tolist(), strict=True):
        while poured + v >= size * len(marks):
            inside = size * len(marks) - poured
            marks.append(bought + round(inside / v * b))
            times.append(end)
        poured, bought = poured + v, bought + b
    assert t.tolist() == times
    assert imbalance.tolist() == [abs(2 * (b - a) - size) for a, b in pairwise(marks)]


def test_too_few_bars_a_bucket_give_none() -> None:
    bars = bars_of(random_past(3, START - 60 * MINUTE, START))
    assert len(buckets_of(bars, int(bars.volume.mean()))[0]) == 0
    assert len(buckets_of(bars, 3 * int(bars.volume.mean()))[0]) > 15


# ---- a market that learns


def test_session_vwap_is_that_of_all_trades_since_midnight() -> None:
    trades = random_past(4, MIDNIGHT - 7200 * SECOND, START)
    market = warm_market(trades)
    assert value(market, "vwap") is None  # from the first trade on
    live(market, START + SECOND, "2700.00", "2.5")
    today = [x for x in trades if x.t >= MIDNIGHT] + [PastTrade(START + SECOND, 270_000, 2500, 1)]
    expected = sum(x.px * x.qty for x in today) / sum(x.qty for x in today) / 100
    assert value(market, "vwap") == pytest.approx(expected, rel=1e-12)
    spread = np.sqrt(sum(x.qty * (x.px / 100 - expected) ** 2 for x in today) / sum(x.qty for x in today))
    band = value(market, "vwap_band(1)")
    assert band is not None
    assert band - expected == pytest.approx(spread, rel=0.05)
    assert value(market, "vwap(start)") == value(market, "vwap(1h)") == 2700.0
    assert (
        market.warmed(parse_metric("vwap"))
        == f"the session before the start from {len(session_of(bars_of(trades)))} minute bars"
    )
    assert market.warmed(parse_metric("vwap(1h)")) is None


def test_bars_that_tell_no_sides_warm_what_needs_none_and_nothing_else() -> None:
    trades = random_past(4, MIDNIGHT - 7200 * SECOND, START)
    told, plain = bars_of(trades), replace(bars_of(trades), sided=False)
    plain = replace(plain, bought=plain.bought * 0, trades=plain.trades * 0)
    one, other = (Market(INSTRUMENT, metrics=parse_metrics(WARM + ",volume_z"), chart=True) for _ in range(2))
    one.learn(told)
    other.learn(plain)
    assert plain.within(MIDNIGHT, START).sided is False
    for market in (one, other):
        live(market, START + SECOND, "2700.00", "2.5")
    assert value(other, "vwap") == value(one, "vwap")
    assert value(other, "vwap_band(1)") == value(one, "vwap_band(1)")
    for name in ("poc", "vah", "val"):
        mine, theirs = value(other, name), value(one, name)
        assert mine is not None
        assert theirs is not None
        assert mine == pytest.approx(theirs, abs=0.05)  # halves of a bar are spread in whole lots each
        assert other.warmed(parse_metric(name)) is not None
    vpin = parse_metric("vpin(50,20)")
    assert one.warmed(vpin) is not None
    assert (other.value(vpin), other.warmed(vpin)) == (None, None)
    assert other.warmed(parse_metric("volume_z")) is None


def test_the_next_session_stands_on_the_tape_alone() -> None:
    market = warm_market(random_past(5, MIDNIGHT, START))
    live(market, START + SECOND)
    assert market.warmed(parse_metric("vwap")) is not None
    assert market.warmed(parse_metric("poc")) is not None
    live(market, MIDNIGHT + DAY, "2690.00", "3")
    for name, expected in (("vwap", 2690.0), ("poc", 2690.0), ("vah", 2690.0), ("val", 2690.0)):
        assert value(market, name) == expected
        assert market.warmed(parse_metric(name)) is None


def test_an_inverse_contract_weighs_by_contracts() -> None:
    inverse = Instrument(
        "test", "A/USD:A", Decimal("0.01"), Decimal(1), kind="inverse", contract=Decimal(10), base="A", quote="USD"
    )
    market = Market(inverse, metrics=parse_metrics("vwap"))
    at, one = np.array([MIDNIGHT], np.int64), np.array([1], np.int64)
    base = (3 * 10 / 2000 + 1 * 10 / 2004) * one  # 3 contracts at 2000 and 1 at 2004
    market.learn(
        Bars(MINUTE, at, one * 200_000, one * 200_400, one * 200_000, one * 200_400, one * 4, one, base, one * 2)
    )
    market.trade(0, START, 1, "2002.00", "4", 1)
    assert value(market, "vwap") == pytest.approx((4 * 2001 + 4 * 2002) / 8, abs=0.01)


def test_the_profile_holds_bars_and_trades() -> None:
    trades = random_past(6, MIDNIGHT, START)
    market = warm_market(trades)
    for i in range(50):
        live(market, START + i * SECOND, "2680.00", "9")
    market.flush()
    learned = market.calculator(parse_metrics("poc")[0])
    assert isinstance(learned, Profile)
    prices, volumes = learned.levels()
    assert int(volumes.sum()) == sum(x.qty for x in trades) + 50 * 9000
    sold, _ = learned.at(prices)
    assert sum(sold) == sum(x.qty for x in trades if x.side < 0)
    assert value(market, "poc") == 2680.0
    # What the ladder shows was seen to trade at its price.
    assert market.profile is not None
    assert int(market.profile.levels()[1].sum()) == 50 * 9000


def test_what_comes_late_gives_the_same_as_what_came_first() -> None:
    trades = random_past(7, MIDNIGHT, START // MINUTE * MINUTE)
    early, late = warm_market(trades), Market(INSTRUMENT, metrics=parse_metrics(WARM), chart=True)
    rng = random.Random(7)
    for i in range(300):
        for market in (early, late):
            live(market, START + i * SECOND, f"{2680 + i % 7}.00", f"{1 + i % 3}", 1 if i % 5 else -1)
        if rng.random() < 0.2:
            late.flush()
        if i == 60:
            late.learn(bars_of(trades))
    for name in (metric.canonical for metric in parse_metrics(WARM)):
        if not name.startswith("vwap_band"):
            assert value(late, name) == value(early, name), name
    assert value(late, "vwap_band(1)") == pytest.approx(value(early, "vwap_band(1)"), rel=1e-9)
    assert value(late, "vpin(50,20)") is not None


def test_bars_that_reach_into_the_tape_are_left_out() -> None:
    trades = random_past(8, MIDNIGHT, START + 10 * MINUTE)
    before = [x for x in trades if x.t < START // MINUTE * MINUTE]
    a, b = Market(INSTRUMENT, metrics=parse_metrics("vwap")), Market(INSTRUMENT, metrics=parse_metrics("vwap"))
    for market, known in ((a, trades), (b, before)):
        live(market, START + SECOND)
        market.learn(bars_of(known))
    assert value(a, "vwap") == value(b, "vwap")


def test_vpin_of_bars_gives_way_to_that_of_the_tape() -> None:
    trades = random_past(9, MIDNIGHT, START)
    size = 3 * int(bars_of(trades).volume.mean())
    text = f"vpin({size / 1000},5)"
    names = [text, *(f"vpin_{kind}({size / 1000},5)" for kind in ("pct", "null"))]
    warm, cold = Recorder(",".join(names)), Recorder(",".join(names))
    market, alone = Market(INSTRUMENT, [warm]), Market(INSTRUMENT, [cold])
    market.learn(bars_of(trades))
    told = []
    for i in range(400):
        for each in (market, alone):
            live(each, START + i * SECOND, size=f"{size / 1000 / 10:.3f}", side=1 if (i // 7) % 2 else -1)
            each.flush()
        told.append(market.warmed(parse_metric(text)))
    market.finish()
    alone.finish()
    assert told[0] == "5 of 5 buckets from bars, which read low"
    assert told[25].startswith("3 of 5") if told[25] else False
    assert told[-1] is None
    first = next(i for i, line in enumerate(cold.read) if line[1] != "nan")
    assert warm.read[0][1] != "nan"
    assert warm.read[0][2:4] == ("nan", "nan")  # no percentile against bars, no coin-toss level without fills
    assert warm.read[first:] == cold.read[first:]


def test_percentiles_count_no_bars() -> None:
    trades = random_past(10, MIDNIGHT, START, every=MINUTE // 20)
    size = 3 * int(bars_of(trades).volume.mean()) / 1000
    text = f"vpin({size},2),vpin_pct({size},2)"
    warm, cold = Recorder(text), Recorder(text)
    market, alone = Market(INSTRUMENT, [warm]), Market(INSTRUMENT, [cold])
    market.learn(bars_of(trades))
    rng = random.Random(10)
    for i in range(1500):
        side = rng.choice((1, -1))
        for each in (market, alone):
            live(each, START + i * SECOND, size=f"{size / 4:.3f}", side=side)
    market.finish()
    alone.finish()
    assert [line[2] for line in warm.read] == [line[2] for line in cold.read]
    assert any(line[2] != "nan" for line in cold.read)


def test_sizes_that_the_tape_tells_later_are_waited_for() -> None:
    trades = random_past(11, MIDNIGHT, START)
    market = warm_market(trades, "vpin(adv/50,3)")
    live(market, START)
    assert value(market, "vpin(adv/50,3)") is None
    market.day_volume(0, START + 1, str(sum(x.qty for x in trades) // 400))
    state = checkpoint_of(market)
    live(market, START + SECOND)
    known = value(market, "vpin(adv/50,3)")
    assert known is not None
    again = Market(INSTRUMENT)
    resume(again, unpack(seal(*pack(state))))
    live(again, START + SECOND)
    assert value(again, "vpin(adv/50,3)") == known


def test_the_longer_bars_win_where_they_give_more() -> None:
    past = random_past(12, START - 3 * DAY, START, every=MINUTE)
    minutes, slots = bars_of([x for x in past if x.t > START - DAY]), bars_of(past, 5 * MINUTE)
    size = 12 * int(minutes.volume.mean()) / 1000
    market = Market(INSTRUMENT, metrics=parse_metrics(f"vpin({size},2)"))
    counts = []
    for bars in (minutes, slots, minutes):
        market.learn(bars)
        calculator = market.calculator(parse_metric(f"vpin({size},2)"))
        counts.append(len(calculator.history(10**6)[0]))  # type: ignore[union-attr]
    assert counts[0] > 50
    assert counts[1] > 2 * counts[0]
    assert counts[2] == counts[1]


def test_a_view_says_what_comes_from_bars() -> None:
    market = warm_market(random_past(13, MIDNIGHT, START), "vwap,last")
    live(market, START + SECOND)
    market.flush()
    view = market_view(market, ViewRequest(metrics=("vwap", "last", "mid")), ())
    assert list(view.warmed) == ["vwap"]
    assert "minute bars" in view.warmed["vwap"]


def test_what_was_learned_survives_a_restart_and_is_not_learned_twice() -> None:
    trades = random_past(14, MIDNIGHT, START)
    market = warm_market(trades)
    live(market, START + SECOND)
    market.flush()
    again = Market(INSTRUMENT, chart=True)
    resume(again, unpack(seal(*pack(checkpoint_of(market)))))
    again.learn(bars_of(trades))
    for each in (market, again):
        live(each, START + 9 * SECOND, "2700.00")
    for name in (metric.canonical for metric in parse_metrics(WARM)):
        assert value(again, name) == value(market, name), name
        assert again.warmed(parse_metric(name)) == market.warmed(parse_metric(name))


def test_no_other_metric_is_touched_by_bars() -> None:
    text = "cvd(start),delta(1h),volume(start),vwap(start),vwap(1h),vpin_fill(50),ti(1h),ofi(10s),ti_z(session)"
    cold, warm = Recorder(text), Recorder(text)
    a, b = Market(INSTRUMENT, [cold]), Market(INSTRUMENT, [warm])
    b.learn(bars_of(random_past(15, MIDNIGHT, START)))
    for message in random_messages(15, 300):
        push(a, message)
        push(b, message)
    a.finish()
    b.finish()
    assert warm.read == cold.read


def test_session_flow_is_that_of_all_trades_since_midnight() -> None:
    trades = random_past(21, MIDNIGHT - 7200 * SECOND, START)
    market = warm_market(trades)
    live(market, START + SECOND, "2700.00", "2.5", -1)
    today = [x for x in trades if x.t >= MIDNIGHT] + [PastTrade(START + SECOND, 270_000, 2500, -1)]
    bought, sold = (sum(x.qty for x in today if x.side == side) for side in (1, -1))
    assert value(market, "cvd") == (bought - sold) / 1000
    assert value(market, "volume(session)") == sum(x.qty for x in today) / 1000
    assert value(market, "share(session)") == bought / (bought + sold)
    assert value(market, "trades(session)") == len(today)
    assert value(market, "volume_quote(session)") == pytest.approx(sum(x.qty * x.px for x in today) / 1e5, rel=1e-9)
    told = market.warmed(parse_metric("cvd"))
    assert told is not None
    assert "minute bars" in told
    assert value(market, "cvd(start)") == -2.5
    assert market.warmed(parse_metric("cvd(start)")) is None
    assert market.warmed(parse_metric("ti_z(session)")) is None
    view = market_view(market, ViewRequest(series_step=60 * SECOND, series_columns=3), ())
    assert view.series.warmed
    assert view.series.cvd[-1] == value(market, "cvd")
    live(market, MIDNIGHT + DAY, "2690.00", "3")
    assert value(market, "cvd") == 3.0
    view = market_view(market, ViewRequest(series_step=60 * SECOND, series_columns=3), ())
    assert not view.series.warmed
    assert view.series.cvd[-1] == 3.0


def test_bars_without_sides_tell_volumes_only() -> None:
    plain = replace(bars_of(random_past(22, MIDNIGHT, START)), sided=False)
    plain = replace(plain, bought=plain.bought * 0, trades=plain.trades * 0)
    market = Market(INSTRUMENT, metrics=parse_metrics(WARM), chart=True)
    market.learn(plain)
    live(market, START + SECOND, "2700.00", "2.5")
    assert value(market, "volume(session)") == (int(plain.volume.sum()) + 2500) / 1000
    assert market.warmed(parse_metric("volume(session)")) is not None
    for name, alone in (("cvd", 2.5), ("share(session)", 1.0), ("trades(session)", 1.0)):
        assert value(market, name) == alone
        assert market.warmed(parse_metric(name)) is None
    assert not market_view(market, ViewRequest(), ()).series.warmed


def test_the_forecast_of_volatility_stands_on_bars_until_the_tape_has_its_own() -> None:
    rng = np.random.default_rng(5)
    count, step = 9 * 288, 5 * MINUTE
    level = np.exp(0.6 * np.sin(np.arange(count) / 40) + 0.3 * rng.standard_normal(count))
    moves = np.rint(40 * level * rng.standard_normal(count)).astype(np.int64)
    close = 2_000_000 + np.cumsum(moves) - moves.sum()
    opened = close - moves
    reach = np.rint(20 * level * (1 + rng.random((2, count)))).astype(np.int64)
    high, low = np.maximum(opened, close) + reach[0], np.minimum(opened, close) - reach[1]
    ones = np.ones(count, np.int64)
    start = START // step * step
    times = start - step * np.arange(count, 0, -1)
    bars = Bars(step, times, opened, high, low, close, ones * 10, ones * 5, np.zeros(count), ones)
    asked = "vol_forecast(7d),vol_skill(7d)"
    market = Market(INSTRUMENT, metrics=parse_metrics(asked), chart=True)
    market.learn(bars)
    live(market, START)
    found, metric = value(market, "vol_forecast(7d)"), parse_metric("vol_forecast(7d)")
    assert value(market, "vol_skill(7d)") is not None
    told = market.warmed(metric)
    assert told is not None
    assert told.endswith("bars of 5 minutes before the start, by their range")
    # The estimator of Garman and Klass of the last bars is of the size of the forecast.
    ranges = 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / opened) ** 2
    year = np.sqrt(ranges[-12:].mean() * 365.25 * 288)
    assert found is not None
    assert found == pytest.approx(year, rel=0.6)
    again = Market(INSTRUMENT, chart=True)
    resume(again, unpack(seal(*pack(checkpoint_of(market)))))
    assert value(again, "vol_forecast(7d)") == found
    assert again.warmed(metric) == told
    late = Market(INSTRUMENT, chart=True)  # its panel is looked at for the first time when the market has run
    late.learn(bars)
    live(late, START)
    assert value(late, "vol_forecast(7d)") == found
    assert late.warmed(metric) == told
    cold = Market(INSTRUMENT, metrics=parse_metrics(asked))
    live(cold, START)
    assert value(cold, "vol_forecast(7d)") is None
    assert cold.warmed(metric) is None
