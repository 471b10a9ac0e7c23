"""Where a number comes from, and what a picture says of numbers that are not known or began late."""

from __future__ import annotations

import pytest

from engine.detail_view import Explanation
from engine.explanation import explain
from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.cost import walk_book
from engine.metrics.names import parse_metric
from engine.picture import market_view
from engine.tape import Channel, Trust
from engine.view import ViewRequest
from tests.engine.tapes import INSTRUMENT, START

SECOND = 1_000_000_000


def told(market: Market, text: str) -> Explanation:
    """The explanation, which must exist."""
    found = explain(market, text)
    assert found is not None
    return found


def trading(seconds: int, instrument: Instrument = INSTRUMENT, *metrics: str) -> Market:
    """A market with a book and one trade a second."""
    market = Market(instrument, metrics=[parse_metric(text) for text in metrics], chart=True)
    for channel in (Channel.BOOK, Channel.TRADES):
        market.status(START, START, channel, Trust.LIVE)
    bids = [(f"{10 - i / 100:.2f}", 5.0) for i in range(1, 20)]
    asks = [(f"{10 + i / 100:.2f}", 5.0) for i in range(1, 20)]
    market.snapshot(START, START, 1, bids, asks)
    trade(market, 0, seconds)
    return market


def trade(market: Market, first: int, last: int) -> None:
    """One trade a second."""
    for i in range(first, last):
        market.trade(START, START + i * SECOND, i + 1, "10.00", "1.000", 1)
    market.flush()


def test_a_window_is_covered_as_far_as_the_tape_reaches() -> None:
    assert told(trading(31), "delta(60s)").covered == 0.0, "it was asked for only now"
    market = trading(31, INSTRUMENT, "delta(10s)", "delta(60s)")
    whole = told(market, "delta(10s)")
    assert (whole.start, whole.window, whole.value) == (START + 20 * SECOND, "10s", 10.0)
    assert (whole.covered, whole.unit) == (1.0, "base")
    assert told(market, "delta(60s)").warmup == "from the first trade on; covers W only after W"
    assert told(market, "delta(60s)").covered == pytest.approx(0.5)
    assert told(market, "delta(60s)").since == START


def test_holes_are_told_and_taken_off() -> None:
    market = trading(31, INSTRUMENT, "delta(20s)", "imbalance_tw(5,20s)")
    market.hole(START, START + 31 * SECOND, 32, 5)
    trade(market, 40, 41)
    found = told(market, "delta(20s)")
    assert found.holes == ((START + 31 * SECOND, START + 32 * SECOND),)
    assert found.covered == pytest.approx(0.95)
    assert told(market, "imbalance_tw(5,20s)").holes == (), "holes of the trades are none of the book"


def test_inputs_are_the_channels_it_stands_on() -> None:
    market = trading(5)
    assert [name for name, _ in told(market, "delta(10s)").inputs] == ["trades"]
    assert [name for name, _ in told(market, "imbalance(5)").inputs] == ["book"]
    now = told(market, "imbalance(5)")
    assert (now.window, now.start, now.covered, now.holes) == ("", None, None, ())
    assert now.inputs[0][1].state == "LIVE"
    assert [name for name, _ in told(market, "pct(spread_bps,1h)").inputs] == ["book"]


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("kyle(10s,180)", "180 bars of 10s"),
        ("cvd", "session (UTC day)"),
        ("cvd(start)", "since the start"),
        ("pct(ti(30s),1d)", "1d"),
        ("vwap(5m)", "5m"),
    ],
)
def test_windows_are_written_as_people_do(text: str, window: str) -> None:
    assert told(trading(5), text).window == window


def test_nothing_is_said_of_what_is_no_metric() -> None:
    assert explain(trading(1), "nonsense(3)") is None
    empty = explain(Market(INSTRUMENT), "delta(10s)")
    assert empty is not None
    assert (empty.value, empty.since, empty.covered) == (None, None, None)


def test_a_metric_that_was_asked_for_under_way_says_so_until_its_window_is_full() -> None:
    market = trading(10, INSTRUMENT, "delta(5s)")
    request = ViewRequest(metrics=("delta(5s)", "delta(20s)", "kyle_r2", "imbalance(5)"))
    first = market_view(market, request, ())
    assert dict(first.since) == {"delta(20s)": START + 9 * SECOND, "kyle_r2": START + 9 * SECOND}
    assert dict(first.warmup) == {"kyle_r2": parse_metric("kyle_r2").spec.warmup}
    trade(market, 10, 31)
    assert dict(market_view(market, request, ()).since) == {"kyle_r2": START + 9 * SECOND}


def test_what_was_asked_for_under_way_is_still_known_after_a_resume() -> None:
    market = trading(10)
    market.ensure(parse_metric("delta(1h)"))
    again = Market(INSTRUMENT, metrics=[parse_metric("speed(1h)"), parse_metric("kyle_r2")], chart=True)
    again.resume(market.state())
    assert again.began == START
    since = {text: again.counted_since(parse_metric(text)) for text in ("delta(1h)", "kyle_r2", "spread_bps")}
    assert since == {"delta(1h)": START + 9 * SECOND, "kyle_r2": START + 9 * SECOND, "spread_bps": START}


def test_the_table_of_costs_walks_the_book_and_adds_fees() -> None:
    instrument = Instrument("t", "A/B", INSTRUMENT.tick, INSTRUMENT.lot, base="A", quote="B", taker_bps=4.5)
    market = trading(3, instrument)
    view = market_view(market, ViewRequest(notionals=(20.0, 100.0, 1e6)), ())
    assert [(row.side, row.notional) for row in view.costs] == [
        (side, size) for side in ("buy", "sell") for size in (20.0, 100.0, 1e6)
    ]
    walk = walk_book(market.order_book, instrument, -1, [20.0, 100.0, 1e6])
    assert walk is not None
    for row, slip in zip(view.costs[:2], walk.slip_bps.tolist()[:2], strict=True):
        assert row.slip_bps == slip
        assert row.all_in_bps == pytest.approx(slip + 4.5)
    assert view.costs[2].all_in_bps is None, "the known book does not fill it"
    assert view.costs[2].fill_ratio < 1
    assert market_view(market, ViewRequest(), ()).costs == ()
