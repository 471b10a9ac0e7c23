"""Every message is a whole book; one from before the book is left out."""

from __future__ import annotations

from connectors.hyperliquid.book_rule import HyperliquidRule
from connectors.hyperliquid.messages import Book
from connectors.live.wire import Step


def message(time: int) -> Book:
    return Book("BTC", ([], []), time)


def test_each_message_replaces_the_book_and_an_older_one_does_not() -> None:
    rule = HyperliquidRule()
    assert not rule.synced
    for time in (10, 10, 12):
        verdict = rule.take(message(time))
        assert isinstance(verdict, tuple)
        assert (verdict[0].seq, verdict[0].snapshot) == (time, True)
    assert rule.take(message(11)) is Step.OLD
    assert rule.synced
    rule.reset()
    assert not rule.synced
    assert isinstance(rule.take(message(3)), tuple)


def test_a_venue_whose_clock_was_set_back_is_believed_after_a_while() -> None:
    rule = HyperliquidRule()
    rule.take(message(1_000))
    verdicts = [rule.take(message(i)) for i in range(30)]
    assert verdicts[0] is Step.OLD
    assert isinstance(verdicts[-1], tuple)
