"""Every edge of the sequence rule, the checksum, and that no order of faults yields a wrong book."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.live.wire import Broken, Step, Update
from connectors.okx.book_rule import OkxBookRule
from connectors.okx.messages import ABSENT, Book
from engine.codes import Reason

ONE = [("10", 1.0)]


def message(seq: int, previous: int, *, snapshot: bool = False, bids: list[tuple[str, float]] | None = None) -> Book:
    return Book(snapshot, 5, seq, previous, 0, ONE if bids is None else bids, [])


def begun(seq: int = 100) -> OkxBookRule:
    rule = OkxBookRule()
    assert rule.take(message(seq, -1, snapshot=True)) == (Update(5, seq, ONE, [], snapshot=True),)
    assert rule.synced
    return rule


def test_a_delta_before_the_snapshot_means_nothing() -> None:
    rule = OkxBookRule()
    assert rule.take(message(11, 10)) is Step.WAIT
    assert not rule.synced


def test_messages_follow_the_one_they_name() -> None:
    rule = begun()
    assert rule.take(message(107, 100)) == (Update(5, 107, ONE, []),)
    assert rule.take(message(108, 107)) == (Update(5, 108, ONE, []),)
    assert rule.take(message(110, 109)) == Broken(Reason.SEQUENCE_GAP)
    assert not rule.synced
    assert rule.take(message(111, 110)) is Step.WAIT


def test_a_keep_alive_changes_nothing_and_the_next_message_follows_it() -> None:
    rule = begun()
    assert rule.take(message(100, 100, bids=[])) is Step.OLD
    assert rule.take(message(100, 100, bids=[])) is Step.OLD
    assert rule.take(message(101, 100)) == (Update(5, 101, ONE, []),)


def test_after_a_reset_of_the_numbers_the_book_goes_on() -> None:
    rule = begun()
    assert rule.take(message(3, 100)) == (Update(5, 3, ONE, []),)
    assert rule.take(message(5, 3)) == (Update(5, 5, ONE, []),)
    assert rule.take(message(101, 100)) == Broken(Reason.SEQUENCE_GAP)


def test_the_same_message_twice_is_old_and_an_older_one_a_gap() -> None:
    rule = begun()
    rule.take(message(101, 100))
    rule.take(message(103, 101))
    assert rule.take(message(103, 101)) is Step.OLD
    assert rule.take(message(104, 103)) == (Update(5, 104, ONE, []),)
    assert rule.take(message(103, 101)) == Broken(Reason.SEQUENCE_GAP)


def test_a_snapshot_in_between_replaces_and_continues_from_itself() -> None:
    rule = begun()
    assert rule.take(message(50, -1, snapshot=True)) == (Update(5, 50, ONE, [], snapshot=True),)
    assert rule.take(message(101, 100)) == Broken(Reason.SEQUENCE_GAP)
    rule = begun()
    rule.reset()
    assert not rule.synced
    assert rule.take(message(101, 100)) is Step.WAIT


def test_without_number_and_checksum_nothing_is_proven() -> None:
    assert OkxBookRule().take(message(ABSENT, ABSENT, snapshot=True)) == Broken(Reason.NO_SEQUENCE)
    rule = begun()
    assert rule.take(message(ABSENT, ABSENT)) == Broken(Reason.SEQUENCE_GAP)


# ---- the checksum of the years in which there was one

Digits = list[tuple[str, str]]


def checked(seq: int, previous: int, bids: Digits, asks: Digits, text: str, *, snapshot: bool = False) -> Book:
    crc = zlib.crc32(text.encode())
    signed = crc - (1 << 32) if crc >> 31 else crc

    def numbers(levels: Digits) -> list[tuple[str, float]]:
        return [(px, float(size)) for px, size in levels]

    return Book(snapshot, 5, seq, previous, signed, numbers(bids), numbers(asks), (bids, asks))


def test_the_checksum_takes_bid_and_ask_in_turn_in_the_venues_digits() -> None:
    rule = OkxBookRule()
    first = checked(
        ABSENT,
        ABSENT,
        [("3366.8", "9"), ("3366.1", "7")],
        [("3368", "8"), ("3366.9", "10"), ("3372", "8")],
        "3366.8:9:3366.9:10:3366.1:7:3368:8:3372:8",
        snapshot=True,
    )
    assert isinstance(rule.take(first), tuple)
    gone = checked(ABSENT, ABSENT, [("3366.8", "0")], [("3368", "8.50")], "3366.1:7:3366.9:10:3368:8.50:3372:8")
    assert isinstance(rule.take(gone), tuple)
    wrong = checked(ABSENT, ABSENT, [], [("3368", "8.51")], "3366.1:7:3366.9:10:3368:8.50:3372:8")
    assert rule.take(wrong) == Broken(Reason.BAD_CHECKSUM)
    assert not rule.synced


def test_only_the_best_25_levels_are_in_the_checksum() -> None:
    bids = [(f"{100 - i}", "1") for i in range(40)]
    text = ":".join(f"{100 - i}:1" for i in range(25))
    assert isinstance(OkxBookRule().take(checked(1, -1, bids, [], text, snapshot=True)), tuple)


def test_a_snapshot_with_a_wrong_checksum_is_none() -> None:
    rule = OkxBookRule()
    assert rule.take(checked(1, -1, [("1", "1")], [], "1:2", snapshot=True)) == Broken(Reason.BAD_CHECKSUM)
    assert not rule.synced


def test_where_checksums_end_the_numbers_go_on_alone() -> None:
    rule = OkxBookRule()
    rule.take(checked(1, -1, [("1", "1")], [], "1:1", snapshot=True))
    assert isinstance(rule.take(message(2, 1)), tuple)
    assert isinstance(rule.take(message(3, 2)), tuple)
    rule = OkxBookRule()
    rule.take(checked(ABSENT, ABSENT, [("1", "1")], [], "1:1", snapshot=True))
    assert isinstance(rule.take(message(ABSENT, ABSENT)), Broken)


@pytest.mark.parametrize("size", ["0", "0.0", "0.00000000"])
def test_every_way_to_write_zero_deletes(size: str) -> None:
    rule = OkxBookRule()
    rule.take(checked(1, -1, [("1", "1"), ("2", "2")], [], "2:2:1:1", snapshot=True))
    assert isinstance(rule.take(checked(2, 1, [("2", size)], [], "1:1")), tuple)


FAULTS = ["drop", "twice", "late", "again", "pass", "pass", "quiet", "snapshot", "restart"]


@given(st.lists(st.sampled_from(FAULTS), max_size=60))
def test_whatever_is_lost_repeated_or_late_a_synced_book_is_one_that_was(faults: list[str]) -> None:
    """Each verdict leaves the book as it was at the message it names, never a mixture."""
    rule, seq = OkxBookRule(), 1
    truth, held = {"10": 1.0}, {"10": 1.0}
    states = {1: dict(truth)}  # the true book by seqId
    last = 1
    rule.take(message(1, -1, snapshot=True))
    sent: list[Book] = []
    waiting: list[Book] = []
    for i, fault in enumerate(faults):
        previous, changes = seq, [] if fault == "quiet" else [(str(i % 7), float(i % 3))]
        seq += 0 if fault == "quiet" else 1000 if fault == "restart" else 1 + i % 4
        truth.update(changes)
        truth = {p: s for p, s in truth.items() if s}
        states[seq] = dict(truth)
        m = message(seq, previous, bids=changes)
        if fault == "snapshot":
            m = message(seq, -1, snapshot=True, bids=list(truth.items()))
        arrives = {"drop": [], "twice": [m, m], "late": [], "again": [*sent[-3:-2], m]}.get(fault, [m])
        arrives += waiting
        waiting = [m] if fault == "late" else []
        sent.append(m)
        for got in arrives:
            verdict = rule.take(got)
            for update in verdict if isinstance(verdict, tuple) else ():
                held = dict(update.bids) if update.snapshot else held | dict(update.bids)
                held, last = {p: s for p, s in held.items() if s}, update.seq
        if rule.synced:
            assert held == states[last]
