"""The chain of changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.deribit.book_rule import DeribitBook
from connectors.deribit.messages import decode
from connectors.live.wire import Broken, Step, Update, Verdict
from engine.codes import Reason
from tests.connectors.deribit.wire import VenueBook, book_frame


def take(rule: DeribitBook, raw: bytes) -> Verdict:
    (message,) = decode(raw)
    return rule.take(message)


def test_a_change_follows_the_message_it_names() -> None:
    rule = DeribitBook()
    assert take(rule, book_frame(5, 4)) is Step.WAIT
    assert isinstance(take(rule, book_frame(9, None)), Sequence)
    assert isinstance(take(rule, book_frame(11, 9)), Sequence)
    assert isinstance(take(rule, book_frame(400, 11)), Sequence)
    assert rule.synced


@pytest.mark.parametrize(("change", "previous"), [(12, 10), (12, 8), (400, 399), (12, 11)])
def test_a_change_that_follows_another_message_breaks_the_book(change: int, previous: int) -> None:
    rule = DeribitBook()
    take(rule, book_frame(9, None))
    assert take(rule, book_frame(change, previous)) == Broken(Reason.SEQUENCE_GAP)
    assert not rule.synced
    assert take(rule, book_frame(change + 1, change)) is Step.WAIT
    take(rule, book_frame(change + 5, None))
    assert rule.synced


def test_a_repeated_change_is_old() -> None:
    rule = DeribitBook()
    take(rule, book_frame(9, None))
    take(rule, book_frame(11, 9))
    assert take(rule, book_frame(11, 9)) is Step.OLD
    assert isinstance(take(rule, book_frame(12, 11)), Sequence)


def test_a_number_garbled_upwards_does_not_make_all_that_follows_look_old() -> None:
    rule = DeribitBook()
    take(rule, book_frame(9, None))
    assert isinstance(take(rule, book_frame(9_000_011, 9)), Sequence)
    assert take(rule, book_frame(12, 11)) == Broken(Reason.SEQUENCE_GAP)
    take(rule, book_frame(9_000_013, None))
    assert take(rule, book_frame(14, 13)) == Broken(Reason.SEQUENCE_GAP)


def test_a_snapshot_replaces_even_with_an_older_number_and_reset_forgets() -> None:
    rule = DeribitBook()
    take(rule, book_frame(9, None))
    verdict = take(rule, book_frame(3, None))
    assert isinstance(verdict, tuple)
    assert verdict[0].snapshot
    assert isinstance(take(rule, book_frame(4, 3)), Sequence)
    rule.reset()
    assert not rule.synced
    assert take(rule, book_frame(5, 4)) is Step.WAIT


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    faults=st.lists(st.sampled_from(["", "", "", "", "drop", "twice", "swap", "snapshot"]), max_size=80),
)
def test_whenever_there_is_a_book_it_is_the_true_one(seed: int, faults: list[str]) -> None:
    venue, rule = VenueBook(seed), DeribitBook()
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    truth: dict[int, tuple[dict[float, float], dict[float, float]]] = {}
    held: bytes | None = None

    def hand_on(raw: bytes) -> None:
        verdict = take(rule, raw)
        if not isinstance(verdict, Step | Broken):
            for u in verdict:
                apply(u)
        if rule.synced:
            assert (bids, asks) == truth[at[0]]

    at = [0]

    def apply(u: Update) -> None:
        at[0] = u.seq
        if u.snapshot:
            bids.clear()
            asks.clear()
        for side, changes in ((bids, u.bids), (asks, u.asks)):
            for price, size in changes:
                if size:
                    side[float(price)] = size
                else:
                    side.pop(float(price), None)

    truth[venue.change] = dict(venue.bids), dict(venue.asks)
    hand_on(venue.snapshot())
    for fault in faults:
        raw = venue.snapshot() if fault == "snapshot" else venue.update()
        truth[venue.change] = dict(venue.bids), dict(venue.asks)
        if fault == "drop":
            continue
        if fault == "swap" and held is None:
            held = raw
            continue
        hand_on(raw)
        if fault == "twice":
            hand_on(raw)
        if held is not None:
            hand_on(held)
            held = None
