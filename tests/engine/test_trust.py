"""Trust of a channel at any instant of the tape: what was said last by then, and what the book itself shows."""

from __future__ import annotations

import random

import numpy as np

from engine.market import Market
from engine.metrics.names import parse_metric
from engine.tape import Channel, Reason, Trust
from engine.trust import TrustLog
from tests.engine.tapes import INSTRUMENT, START

_SAYABLE = [trust for trust in Trust if trust is not Trust.CROSSED]


def naive(history: list[tuple[int, str, object]], t: int) -> tuple[str | None, str | None]:
    """(book, trades) at `t` by going through everything that was said."""
    said = {Channel.BOOK: Trust.NONE, Channel.TRADES: Trust.NONE}
    crossed = False
    for at, what, value in history:
        if at > t:
            break
        if what == "cross":
            crossed = bool(value)
        else:
            said[Channel[what]] = value  # type: ignore[assignment]
    book = said[Channel.BOOK]
    if crossed and book in (Trust.LIVE, Trust.UNVERIFIABLE):
        book = Trust.CROSSED
    trades = said[Channel.TRADES]
    return book.name if book else None, trades.name if trades else None


def test_samples_are_what_was_said_by_then_wherever_the_past_is_forgotten() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        log, history, t, asked = TrustLog(), [], 0, 0
        for _ in range(60):
            t += rng.choice((0, 0, 1, 5))
            if rng.random() < 0.3:
                crossed = rng.random() < 0.5
                log.cross(t, crossed)
                history.append((t, "cross", crossed))
            else:
                channel, trust = rng.choice((Channel.BOOK, Channel.TRADES)), rng.choice(_SAYABLE)
                log.say(t, channel, trust, Reason.NONE, 0)
                history.append((t, channel.name, trust))
            if rng.random() < 0.2 and t > asked:
                times = np.arange(asked, t, dtype=np.int64)  # what is complete: the time itself is not yet
                book, trades = log.sample(times)
                assert list(zip(book, trades, strict=True)) == [naive(history, i) for i in times.tolist()]
                asked = t
                log.advance(asked)


def test_the_view_tells_state_reason_and_since_when() -> None:
    log = TrustLog()
    assert (log.view(Channel.BOOK).state, log.view(Channel.BOOK).last) == ("NONE", None)
    assert not log.usable(Channel.BOOK)
    log.say(5, Channel.BOOK, Trust.WARMING, Reason.AWAITING_SNAPSHOT, 0)
    log.say(7, Channel.BOOK, Trust.WARMING, Reason.AWAITING_SNAPSHOT, 40)
    view = log.view(Channel.BOOK)
    assert (view.state, view.percent, view.since, view.reason) == ("WARMING", 40, 5, "waiting for the book snapshot")
    log.say(9, Channel.BOOK, Trust.LIVE, Reason.NONE, 0)
    assert log.usable(Channel.BOOK)
    log.cross(11, True)
    view = log.view(Channel.BOOK)
    assert (view.state, view.since, view.reason) == ("CROSSED", 11, "best bid is not below best ask")
    log.say(12, Channel.BOOK, Trust.RESYNC, Reason.SEQUENCE_GAP, 0)
    view = log.view(Channel.BOOK)
    assert (view.state, view.since, view.reason) == ("RESYNC", 12, "a book update is missing")
    log.last_book = 12
    assert log.view(Channel.BOOK).last == 12
    assert log.view(Channel.TRADES).state == "NONE"


def test_a_crossed_book_says_nothing_of_the_trades() -> None:
    log = TrustLog()
    for channel in (Channel.BOOK, Channel.TRADES):
        log.say(1, channel, Trust.UNVERIFIABLE, Reason.NO_SEQUENCE, 0)
    log.cross(2, True)
    log.cross(4, False)
    assert log.sample(np.array([0, 1, 2, 3, 4])) == (
        [None, "UNVERIFIABLE", "CROSSED", "CROSSED", "UNVERIFIABLE"],
        [None, *["UNVERIFIABLE"] * 4],
    )


def test_the_age_of_a_book_goes_on_while_it_is_lost_and_asked_for_again() -> None:
    market = Market(INSTRUMENT)
    market.status(START, START, Channel.BOOK, Trust.LIVE)
    market.snapshot(START, START, 1, [("9.99", 1.0)], [("10.01", 1.0)])
    age, second = parse_metric("age(book)"), 1_000_000_000
    assert market.value(age) is None
    market.flush()
    for i in range(1, 100):
        market.status(START, START + i * second, Channel.BOOK, Trust.WARMING, Reason.CONNECTING)
        market.status(START, START + i * second, Channel.BOOK, Trust.STALE, Reason.DISCONNECTED)
        market.flush()
        assert market.value(age) == i
        assert market.trust.view(Channel.BOOK).last == START


def test_losses_are_counted_once_each() -> None:
    log = TrustLog()
    for trust in (Trust.WARMING, Trust.LIVE, Trust.RESYNC, Trust.STALE, Trust.LIVE, Trust.UNVERIFIABLE, Trust.SILENT):
        log.say(0, Channel.BOOK, trust, Reason.NONE, 0)
    assert (log.view(Channel.BOOK).losses, log.view(Channel.TRADES).losses) == (2, 0)
