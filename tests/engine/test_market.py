"""The fold: the same tape gives the same values bit for bit, by rows or messages and however it is cut."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest

from engine.instrument import Instrument, OffGridError
from engine.market import Market
from engine.metrics.names import parse_metric, parse_metrics
from engine.metrics.registry import SPECS
from engine.picture import market_view
from engine.tape import Channel, Flag, Kind, Reason, Trust, clock_row, row, status_row
from engine.view import ViewRequest
from tests.engine.tapes import (
    INSTRUMENT,
    START,
    Recorder,
    fold_rows,
    message_cuts,
    push,
    random_messages,
    to_rows,
)
from tui.session import example

EVERYTHING = ",".join(
    {
        *(example(name) for name in SPECS),
        "vpin(20,5)",
        "vpin_pct(5,2)",
        "vpin(adv/50,3)",
        "imbalance(5)",
        "imbalance_tw(3,2s)",
    }
)
SECOND = 1_000_000_000


@pytest.mark.parametrize("seed", range(4))
def test_values_do_not_depend_on_the_cut_or_the_carrier(seed: int) -> None:
    messages = random_messages(seed)
    rows, rng = to_rows(messages), random.Random(seed)
    whole = Recorder(EVERYTHING)
    market = fold_rows([rows], whole)
    assert len(whole.read) > 50
    for cut in (lambda: 1, lambda: rng.randrange(0, 4), lambda: rng.randrange(0, 200)):
        again = Recorder(EVERYTHING)
        other = fold_rows(message_cuts(rows, cut), again)
        assert again.read == whole.read
        assert (other.t, other.messages, other.missing) == (market.t, market.messages, market.missing)
    for share in (0.0, 0.05, 1.0):
        live = Recorder(EVERYTHING)
        sink = Market(INSTRUMENT, [live])
        for message in messages:
            push(sink, message)
            if rng.random() < share:
                sink.flush()
        sink.finish()
        assert live.read == whole.read
        assert sink.missing == market.missing


def test_a_metric_added_later_does_not_change_the_others() -> None:
    rows = to_rows(random_messages(9))
    alone, beside = Recorder("cvd,ti(5s),vpin(20,5)"), Recorder("cvd,ti(5s),vpin(20,5)")
    fold_rows([rows], alone)
    market = Market(INSTRUMENT, [beside])
    for i, piece in enumerate(message_cuts(rows, lambda: 40)):
        if i == 3:
            market.value(parse_metric("imbalance_tw(4,10s)"))
            market.value(parse_metric("ti(1h)"))
        market.apply(piece)
    market.finish()
    assert beside.read == alone.read


def test_grid_instants_are_those_between_first_and_last_event() -> None:
    recorder = Recorder("last")
    market = Market(INSTRUMENT, [recorder])
    market.trade(0, START + 1, 1, "10.00", "1", 1)
    market.trade(0, START + 2 * SECOND, 2, "11.00", "1", 1)
    market.flush()
    # A trade at the very time of an instant may still follow: the instant is not complete yet.
    assert [t for t, *_ in recorder.read] == [START + SECOND]
    market.trade(0, START + 2 * SECOND, 3, "12.00", "1", 1)
    market.finish()
    assert [(t, float.fromhex(v)) for t, v, *_ in recorder.read] == [(START + SECOND, 10.0), (START + 2 * SECOND, 12.0)]


def test_a_book_value_belongs_to_the_instant_and_not_to_the_fold() -> None:
    recorder = Recorder("bid_size,imbalance(1)")
    market = Market(INSTRUMENT, [recorder])
    market.status(0, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START, 1, [("10.00", 1.0)], [("10.01", 3.0)])
    market.book(0, START + SECOND, 2, [("10.00", 2.0)], [])
    market.book(0, START + SECOND + 1, 3, [("10.00", 5.0)], [])
    market.book(0, START + 3 * SECOND, 4, [("10.00", 0.0)], [])
    market.finish()
    values = [(t - START, float.fromhex(size)) for t, size, *_ in recorder.read]
    assert values[:3] == [(0, 1.0), (SECOND, 2.0), (2 * SECOND, 5.0)]
    assert np.isnan(values[3][1])


def test_a_lost_book_is_gone_at_once_and_comes_back_with_a_snapshot() -> None:
    recorder = Recorder("mid")
    market = Market(INSTRUMENT, [recorder])
    market.status(0, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START, 1, [("10.00", 1.0)], [("10.02", 3.0)])
    market.status(0, START + 1, Channel.BOOK, Trust.RESYNC, Reason.SEQUENCE_GAP)
    assert market.value(parse_metric("mid")) is None
    market.book(0, START + 2, 2, [("10.00", 2.0)], [])  # a delta without its snapshot changes nothing
    assert market.value(parse_metric("mid")) is None
    assert market.trust.view(Channel.BOOK).state == "RESYNC"
    market.status(0, START + SECOND, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START + SECOND, 9, [("11.00", 1.0)], [("11.02", 3.0)])
    assert market.value(parse_metric("mid")) == 11.01


def test_a_crossed_book_is_not_a_book() -> None:
    market = Market(INSTRUMENT)
    market.status(0, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START, 1, [("10.00", 1.0)], [("10.02", 3.0)])
    assert not market.crossed
    market.book(0, START + 1, 2, [("10.02", 2.0)], [])
    assert market.crossed
    assert market.trust.view(Channel.BOOK).state == "CROSSED"
    assert market.value(parse_metric("mid")) is None
    market.book(0, START + 2, 3, [("10.02", 0.0)], [])
    assert market.trust.view(Channel.BOOK).state == "LIVE"


@pytest.mark.parametrize("size", ["1e16", "1e300", "12345678901234567890"])
def test_an_absurd_size_is_refused_and_stops_nothing(size: str) -> None:
    market = Market(INSTRUMENT)
    market.ensure(parse_metric("cvd(start)"))
    with pytest.raises(OffGridError, match="absurd"):
        market.trade(0, START, 1, "10.00", size, 1)
    market.trade(0, START, 2, "10.00", "1", 1)
    market.flush()
    assert market.value(parse_metric("cvd(start)")) == 1.0


def test_what_one_calculator_fails_on_is_told_to_the_others_once(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(INSTRUMENT, metrics=parse_metrics("gaps(1h),cvd"))
    market.trade(0, START, 1, "10.00", "1", 1)
    market.flush()
    calculator = market.calculator(parse_metric("cvd"))
    assert calculator is not None

    def fail(batch: object) -> None:
        raise ArithmeticError(batch)

    market.hole(0, START, 2, 3)
    with monkeypatch.context() as patched:
        patched.setattr(calculator, "update", fail)
        with pytest.raises(ArithmeticError):
            market.flush()
    market.clock(0, START + 1)
    market.flush()
    assert market.value(parse_metric("gaps(1h)")) == 3.0


def test_an_off_grid_price_costs_the_book_its_trust() -> None:
    market = Market(INSTRUMENT, metrics=parse_metrics("last"))
    market.status(0, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START, 1, [("10.00", 1.0)], [("10.02", 3.0)])
    with pytest.raises(OffGridError, match="test:A/B"):
        market.book(0, START + 1, 2, [("10.00", 9.0), ("10.005", 2.0)], [])
    assert not market.order_book.valid
    assert market.trust.view(Channel.BOOK).reason
    with pytest.raises(OffGridError, match="test:A/B"):
        market.trade(0, START + 1, 1, "10.005", "1", 1)
    with pytest.raises(OffGridError, match="test:A/B"):
        market.trade(0, START + 1, 1, "10.00", "-1", 1)
    market.flush()
    assert market.value(parse_metric("last")) is None


def test_what_is_not_flow_is_shown_but_not_counted() -> None:
    market = Market(INSTRUMENT, chart=True, metrics=parse_metrics("last,cvd,vwap,volume(1m)"))
    market.trade(0, START, 1, "10.00", "1", 1)
    market.trade(0, START, 2, "99.00", "50", -1, int(Flag.NOT_FLOW))
    market.trade(0, START, 3, "98.00", "50", -1, int(Flag.REPLAYED))
    market.flush()
    assert market.value(parse_metric("last")) == 10.0
    assert market.value(parse_metric("cvd")) == 1.0
    assert market.value(parse_metric("vwap")) == 10.0
    view = market_view(market, ViewRequest(metrics=("volume(1m)",)), ())
    assert [t.id for t in view.tape] == [3, 2, 1]
    assert view.metrics == {"volume(1m)": 1.0}


def test_absurd_times_do_not_stop_the_clock() -> None:
    market = Market(INSTRUMENT)
    market.trade(0, START, 1, "10.00", "1", 1)
    market.trade(0, 1 << 62, 2, "10.00", "1", 1)
    market.apply(np.concatenate((clock_row(0, 5), clock_row(0, START + 7))))
    assert market.t == START + 7
    assert market.refused == 2


def test_rows_cut_inside_a_message_are_refused() -> None:
    rows = row(Kind.LEVEL, 0, START, px=1000, qty=1, side=1, flags=0)
    with pytest.raises(ValueError, match="inside a message"):
        Market(INSTRUMENT).apply(rows)


def test_a_market_without_fixed_tick_folds_the_same() -> None:
    rows = to_rows(random_messages(3))
    fixed, sparse = Recorder("mid,imbalance(5),ofi(5s)"), Recorder("mid,imbalance(5),ofi(5s)")
    fold_rows([rows], fixed)
    loose = Instrument("test", "A/B", Decimal("0.01"), Decimal("0.001"), base="A", quote="B", fixed_tick=False)
    market = Market(loose, [sparse])
    market.apply(rows)
    market.finish()
    assert sparse.read == fixed.read


def test_the_ladder_groups_bids_down_and_asks_up() -> None:
    market = Market(INSTRUMENT, chart=True)
    market.apply(status_row(0, START, Channel.BOOK, Trust.LIVE))
    market.snapshot(0, START, 1, [("10.09", 1.0), ("10.01", 2.0), ("9.95", 4.0)], [("10.11", 8.0), ("10.20", 16.0)])
    market.trade(0, START, 1, "10.11", "0.5", 1)
    market.trade(0, START, 2, "10.09", "0.25", -1)
    market.flush()
    view = market_view(market, ViewRequest(ladder_rows=5, ladder_top=1030, group=10), ())
    rows = [(r.px, r.bid, r.ask) for r in view.ladder.rows]
    assert rows == [(1030, 0, 0), (1020, 0, 24_000), (1010, 0, 0), (1000, 3_000, 0), (990, 4_000, 0)]
    assert sum(r.bought for r in view.ladder.rows) == 500
    assert sum(r.sold for r in view.ladder.rows) == 250
    assert (view.ladder.best_bid, view.ladder.best_ask) == (1009, 1011)
    centred = market_view(market, ViewRequest(ladder_rows=9, group=1), ()).ladder
    assert {1009, 1010, 1011} <= {r.px for r in centred.rows}
    finest = [(r.px, r.bid, r.ask) for r in centred.rows if r.bid or r.ask]
    assert finest == [(1011, 0, 8_000), (1009, 1_000, 0)]
