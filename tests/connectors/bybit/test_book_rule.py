"""The counter of a topic's messages."""

from __future__ import annotations

import random

from connectors.bybit.book_rule import BybitRule
from connectors.bybit.messages import Book, Levels
from connectors.live.wire import Broken, Step, Verdict
from engine.codes import Reason


def message(u: int, kind: str = "delta", depth: int = 200) -> Book:
    levels = Levels("BTCUSDT", [("100.1", float(u))], [], u)
    return Book(f"orderbook.{depth}.BTCUSDT", "snapshot" if kind == "snapshot" else "delta", 5, levels)


def applied(verdict: Verdict) -> list[tuple[int, bool]]:
    assert not isinstance(verdict, Step | Broken)
    return [(u.seq, u.snapshot) for u in verdict]


def test_deltas_follow_a_snapshot_one_by_one() -> None:
    rule = BybitRule()
    assert rule.take(message(7)) is Step.WAIT
    assert not rule.synced
    assert applied(rule.take(message(10, "snapshot"))) == [(10, True)]
    assert rule.synced
    assert applied(rule.take(message(11))) == [(11, False)]
    assert applied(rule.take(message(12))) == [(12, False)]


def test_a_missing_message_breaks_the_book_until_a_snapshot() -> None:
    rule = BybitRule()
    rule.take(message(10, "snapshot"))
    assert rule.take(message(12)) == Broken(Reason.SEQUENCE_GAP)
    assert not rule.synced
    assert rule.take(message(13)) is Step.WAIT
    assert applied(rule.take(message(20, "snapshot"))) == [(20, True)]


def test_a_repeated_or_late_message_is_old() -> None:
    rule = BybitRule()
    rule.take(message(10, "snapshot"))
    rule.take(message(11))
    assert rule.take(message(11)) is Step.OLD
    assert rule.take(message(10)) is Step.OLD
    assert applied(rule.take(message(12))) == [(12, False)]


def test_any_later_snapshot_replaces_also_the_first_of_a_restarted_service() -> None:
    rule = BybitRule()
    rule.take(message(10, "snapshot"))
    assert applied(rule.take(message(500, "snapshot"))) == [(500, True)]
    assert applied(rule.take(message(1, "snapshot"))) == [(1, True)]
    assert applied(rule.take(message(2))) == [(2, False)]


def test_a_delta_that_begins_anew_is_none() -> None:
    rule = BybitRule()
    rule.take(message(10, "snapshot"))
    assert rule.take(message(1)) == Broken(Reason.SEQUENCE_GAP)


def test_of_several_depths_the_deepest_is_followed() -> None:
    rule = BybitRule()
    assert applied(rule.take(message(5, "snapshot", 1))) == [(5, True)]
    assert applied(rule.take(message(900, "snapshot", 50))) == [(900, True)]
    assert rule.take(message(6, "snapshot", 1)) is Step.OLD
    assert rule.take(message(901, "delta", 1)) is Step.OLD
    assert applied(rule.take(message(901, "delta", 50))) == [(901, False)]
    rule.reset()
    assert applied(rule.take(message(7, "snapshot", 1))) == [(7, True)]


def test_in_any_disorder_only_unbroken_runs_reach_the_book() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        sent = [message(100, "snapshot"), *(message(u) for u in range(101, 130))]
        if rng.random() < 0.5:
            sent.insert(rng.randrange(5, 25), message(rng.choice((1, 115, 400)), "snapshot"))
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(sent))
            if rng.random() < 0.4:
                del sent[at]
            elif rng.random() < 0.5:
                sent.insert(at, sent[at])
            else:
                sent.insert(rng.randrange(len(sent)), sent.pop(at))
        rule, last = BybitRule(), None
        for m in sent:
            verdict = rule.take(m)
            if isinstance(verdict, Broken):
                last = None
            elif not isinstance(verdict, Step):
                ((seq, snapshot),) = applied(verdict)
                assert snapshot or (last is not None and seq == last + 1)
                last = seq
            assert rule.synced == (last is not None)
