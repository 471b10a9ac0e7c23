"""A market that goes on from a checkpoint is the market that never stopped."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from engine.checkpoint import Checkpoint, CheckpointError, check, checkpoint_of, pack, resume, seal, unpack
from engine.market import Market
from engine.metrics.names import parse_metric, parse_metrics
from engine.picture import market_view
from engine.tape import Channel, Flag, Trust
from engine.view import ViewRequest
from tests.engine.tapes import INSTRUMENT, START, Message, Recorder, message_cuts, push, random_messages, to_rows
from tests.engine.test_market import EVERYTHING

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


def through_bytes(market: Market) -> Checkpoint:
    return unpack(seal(*pack(checkpoint_of(market))))


def two_runs(seed: int) -> tuple[list[Message], list[Message]]:
    """A tape and the one that follows it after a restart: its book begins with a snapshot."""
    whole = random_messages(seed, 700)
    rng = random.Random(seed)
    cut = rng.randrange(200, 500)
    end = max(m[1][1] for m in whole[:cut])
    snapshot = next(m for m in reversed(whole[:cut]) if m[0] == "snapshot")[1]
    again: list[Message] = [
        ("status", (end, end + SECOND // 3, Channel.TRADES, Trust.LIVE)),
        ("status", (end, end + SECOND // 3, Channel.BOOK, Trust.LIVE)),
        ("snapshot", (end, end + SECOND // 2, 1, *snapshot[3:])),
    ]
    rest = whole[cut:]
    # A hole before the first trade would reach back to the checkpoint: tests of their own.
    trade = next(i for i, m in enumerate(rest) if m[0] == "trade" and not m[1][6] & Flag.REPLAYED)
    return whole[:cut], again + [m for i, m in enumerate(rest) if m[0] != "hole" or i > trade]


def picture(market: Market) -> Any:
    view = market_view(market, ViewRequest(series_columns=300, tape_rows=500), ())
    rows = None if not view.ladder.ok else [(r.px, r.sold, r.bought) for r in view.ladder.rows]
    return (view.t, view.series, view.tape, view.ladder.poc, rows, view.holes, view.skipped)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("carrier", ["messages", "rows"])
def test_every_metric_goes_on_to_the_bit(seed: int, carrier: str) -> None:
    first, second = two_runs(seed)
    whole, again = Recorder(EVERYTHING), Recorder(EVERYTHING)
    uninterrupted, before = (
        Market(INSTRUMENT, [whole], chart=True),
        Market(INSTRUMENT, [Recorder(EVERYTHING)], chart=True),
    )
    for market in (uninterrupted, before):
        for message in first:
            push(market, message)
    uninterrupted.flush()
    for channel in (Channel.BOOK, Channel.TRADES, Channel.LIQUIDATIONS):
        uninterrupted.status(uninterrupted.recv, uninterrupted.t, channel, Trust.NONE)
    after = Market(INSTRUMENT, [again], chart=True)
    stopped = through_bytes(before)
    resume(after, stopped)
    assert after.last_trade_id == uninterrupted.last_trade_id
    rng = random.Random(seed)
    for market in (uninterrupted, after):
        if carrier == "rows":
            for piece in message_cuts(to_rows(second), lambda: rng.randrange(0, 90)):
                market.apply(piece)
        else:
            for message in second:
                push(market, message)
                if rng.random() < 0.05:
                    market.flush()
        market.finish()
    compared = [line for line in whole.read if line[0] >= again.read[0][0]]
    assert len(compared) > 20
    assert again.read == compared
    assert picture(after) == picture(uninterrupted)
    assert after.messages == uninterrupted.messages - 2  # of the statuses above a resume counts one


def test_a_second_restart_before_any_row_changes_nothing() -> None:
    market = Market(INSTRUMENT, metrics=parse_metrics("cvd,vwap"))
    for message in random_messages(3, 50):
        push(market, message)
    once, twice = Market(INSTRUMENT), Market(INSTRUMENT)
    resume(once, through_bytes(market))
    resume(twice, through_bytes(once))
    assert twice.last_trade_id == market.last_trade_id
    assert twice.t == market.t
    twice.trade(0, market.t + SECOND, 10**9, "2680.00", "1", 1)
    twice.flush()
    assert twice.missing == market.missing + 1
    assert twice.value(parse_metric("cvd")) == pytest.approx((market.value(parse_metric("cvd")) or 0) + 1)


def traded(count: int = 5, **more: Any) -> Market:
    market = Market(INSTRUMENT, metrics=parse_metrics("cvd,delta(60s)"), **more)
    for i in range(count):
        market.trade(0, START + i * SECOND, 100 + i, "10.00", "1", 1)
    return market


def resumed(market: Market) -> Market:
    fresh = Market(INSTRUMENT, chart=True)
    resume(fresh, through_bytes(market))
    return fresh


def holes(market: Market, seconds: int = 40) -> list[int]:
    """Seconds since START whose column has a hole."""
    assert market.series is not None
    view = market.series.columns(SECOND, seconds, START // SECOND * SECOND + (seconds - 1) * SECOND)
    return [i for i, hole in enumerate(view.hole) if hole]


def test_the_next_trade_by_id_leaves_no_hole() -> None:
    market = resumed(traded(chart=True))
    market.trade(0, START + 9 * SECOND, 105, "10.00", "1", 1)
    market.flush()
    assert (market.missing, holes(market)) == (0, [])


def test_another_id_is_a_hole_of_unknown_size_from_the_checkpoint_to_the_trade() -> None:
    market = resumed(traded(chart=True))
    market.clock(0, START + 7 * SECOND)
    market.flush()
    market.trade(0, START + 9 * SECOND, 7, "10.00", "1", 1)
    market.trade(0, START + 10 * SECOND, 8, "10.00", "1", 1)
    market.flush()
    assert (market.missing, holes(market)) == (1, [4, 5, 6, 7, 8, 9])


@pytest.mark.parametrize("flushed", [True, False])
def test_a_hole_that_the_source_tells_has_its_size(flushed: bool) -> None:
    market = resumed(traded(chart=True))
    market.hole(0, START + 7 * SECOND, 105, 40)
    if flushed:
        market.flush()
    market.trade(0, START + 9 * SECOND, 145, "10.00", "1", 1)
    market.flush()
    assert (market.missing, holes(market)) == (40, [4, 5, 6, 7, 8, 9])


def test_recovered_trades_before_a_later_hole() -> None:
    market = resumed(traded(chart=True))
    market.trade(0, START + 6 * SECOND, 105, "10.00", "1", 1)
    market.hole(0, START + 7 * SECOND, 106, 2)
    market.trade(0, START + 9 * SECOND, 108, "10.00", "1", 1)
    market.flush()
    assert (market.missing, holes(market)) == (2, [7])


def test_metrics_of_the_earlier_run_are_computed_again() -> None:
    market = resumed(traded())
    assert market.value(parse_metric("cvd")) == 5.0
    assert market.value(parse_metric("delta(60s)")) == 5.0


def test_the_book_is_not_restored() -> None:
    market = traded()
    market.status(0, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(0, START, 1, [("10.00", 1.0)], [("10.02", 3.0)])
    market.value(parse_metric("mid"))
    after = resumed(market)
    assert after.value(parse_metric("mid")) is None
    assert after.trust.view(Channel.BOOK).state == "NONE"


def test_what_the_earlier_run_was_told_of_a_channel_is_not_known_now() -> None:
    """This run may not listen to it at all: then nothing was liquidated must not be said, nor that trust is LIVE."""
    names = parse_metrics("trust(book),trust(trades),liquidations(1h)")
    market = Market(INSTRUMENT, metrics=names)
    for channel in (Channel.BOOK, Channel.TRADES, Channel.LIQUIDATIONS):
        market.status(0, START, channel, Trust.LIVE)
    market.liquidation(0, START + SECOND, "10.00", "1", 1)
    market.flush()
    assert [market.value(name) for name in names] == [1.0, 1.0, 1.0]
    after = resumed(market)
    for seconds in (2, 7200):
        after.clock(0, START + seconds * SECOND)
        after.flush()
        assert [after.value(name) for name in names] == [None, None, None]
    after.status(0, START + 7300 * SECOND, Channel.LIQUIDATIONS, Trust.LIVE)
    after.status(0, START + 7300 * SECOND, Channel.TRADES, Trust.LIVE)
    after.flush()
    assert [after.value(name) for name in names] == [None, 1.0, 0.0]


def test_a_market_that_has_begun_cannot_resume() -> None:
    with pytest.raises(CheckpointError, match="not begun"):
        resume(traded(), checkpoint_of(traded()))


# ---- what is never trusted


def test_any_flipped_byte_and_any_cut_is_noticed() -> None:
    data = seal(*pack(checkpoint_of(traded())))
    rng = random.Random(1)
    for at in [0, 5, 30, len(data) - 1, *(rng.randrange(len(data)) for _ in range(200))]:
        bad = bytearray(data)
        bad[at] ^= 1 << rng.randrange(8)
        with pytest.raises(CheckpointError):
            unpack(bytes(bad))
        with pytest.raises(CheckpointError):
            unpack(data[:at])
    with pytest.raises(CheckpointError):
        unpack(data + b"x")


def test_another_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.checkpoint.FORMAT", 2)
    data = seal(*pack(checkpoint_of(traded())))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format 2"):
        unpack(data)


def test_a_calculator_of_another_version_is_refused() -> None:
    checkpoint = checkpoint_of(traded())
    checkpoint.state["calculators"]["'flow'"]["version"] = 99
    with pytest.raises(CheckpointError, match="another version"):
        resume(Market(INSTRUMENT), checkpoint)


@pytest.mark.parametrize("state", [{}, {"kind": "market", "version": 1}, {"kind": "market", "version": 9}])
def test_a_state_of_another_shape_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        resume(Market(INSTRUMENT), replace(checkpoint_of(traded()), state=state))


def test_a_metric_that_is_no_longer_known_is_left_out() -> None:
    checkpoint = checkpoint_of(traded())
    checkpoint.state["metrics"].append("gone(5)")
    market = Market(INSTRUMENT)
    resume(market, checkpoint)
    assert market.value(parse_metric("cvd")) == 5.0


def test_only_the_session_and_the_instrument_it_was_taken_in() -> None:
    checkpoint = through_bytes(traded())
    assert check(checkpoint, Market(INSTRUMENT), START + 60 * SECOND)
    assert not check(checkpoint, Market(INSTRUMENT), START + DAY)
    assert check(checkpoint, Market(replace(INSTRUMENT, maker_bps=1.0)), START + 60 * SECOND)
    with pytest.raises(CheckpointError, match="another instrument"):
        check(checkpoint, Market(replace(INSTRUMENT, tick=Decimal("0.1"))), START + 60 * SECOND)
    with pytest.raises(CheckpointError, match="ahead"):
        check(checkpoint, Market(INSTRUMENT), START - 90 * SECOND)


def test_the_head_tells_what_it_is_without_the_body() -> None:
    checkpoint = through_bytes(traded())
    assert checkpoint.calculators["'flow'"].startswith("flow ")
    assert (checkpoint.market, checkpoint.last_trade_id, checkpoint.clock) == ("test:A/B", 104, START + 4 * SECOND)
    assert np.array_equal(checkpoint.state["prints"], np.empty((0, 6)))


def test_the_past_of_a_metric_goes_on_at_its_next_instant() -> None:
    text = "min(cvd,1m),max(mid,1m),max(volume(3s),1m)"
    first, second = two_runs(2)
    whole, again = Recorder(text), Recorder(text)
    uninterrupted, before = Market(INSTRUMENT, [whole]), Market(INSTRUMENT, [Recorder(text)])
    for market in (uninterrupted, before):
        for message in first:
            push(market, message)
    for channel in (Channel.BOOK, Channel.TRADES, Channel.LIQUIDATIONS):
        uninterrupted.status(uninterrupted.recv, uninterrupted.t, channel, Trust.NONE)
    after = Market(INSTRUMENT, [again], metrics=parse_metrics("max(speed(5s),1m)"))
    resume(after, through_bytes(before))
    for market in (uninterrupted, after):
        for message in second:
            push(market, message)
        market.finish()
    assert len(again.read) > 20
    assert again.read == [line for line in whole.read if line[0] >= again.read[0][0]]
