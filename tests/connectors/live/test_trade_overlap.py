"""Trades whose ids say nothing of their order: each once, and a hole wherever one may be missing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.live.trade_overlap import UniqueIds
from connectors.live.trade_sequence import Hole, Item
from connectors.live.wire import Fill
from engine.codes import Flag

UNKNOWN = Hole(-1, -1)


def trade(number: int) -> Fill:
    """The `number`th trade of a market, under an id that does not show it."""
    return Fill(number * 7_919 % 100_003, number, "1", "1", 1)


def shown(items: list[Item]) -> list[object]:
    return [x if isinstance(x, Hole) else x[1].ts for x in items]


def page(*numbers: int) -> list[Fill]:
    return [trade(n) for n in numbers]


def opened() -> UniqueIds:
    """1 and 2 are on the tape, the stream was interrupted, 6 and 7 wait."""
    ids = UniqueIds()
    assert ids.expects(trade(1))
    assert ids.expects(trade(2))
    ids.interrupted()
    assert ids.take(0, trade(6)).gap == UNKNOWN
    assert ids.take(0, trade(7)).now == []
    return ids


def test_repeated_trades_are_dropped() -> None:
    ids = UniqueIds()
    assert [shown(ids.take(0, trade(n)).now) for n in (1, 2, 1, 2, 3)] == [[1], [2], [], [], [3]]


def test_an_overlap_proves_that_nothing_is_missing() -> None:
    ids = opened()
    assert shown(ids.recovered(0, page(2, 3, 4, 5, 6, 7, 8), flow_only=False)) == [3, 4, 5]
    assert ids.filled
    assert shown(ids.release()) == [6, 7]
    assert shown(ids.take(0, trade(8)).now) == [8]


def test_one_page_settles_all_interruptions_that_lie_inside_it() -> None:
    ids = opened()
    ids.interrupted()
    ids.take(0, trade(10))
    ids.interrupted()
    ids.take(0, trade(11))
    ids.interrupted()
    ids.take(0, trade(15))
    assert shown(ids.recovered(0, page(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), flow_only=False)) == [3, 4, 5]
    assert ids.filled
    first = ids.release()
    assert shown(first) == [6, 7, 8, 9, 10, 11]
    assert [x[1].flags for x in first if not isinstance(x, Hole)] == [0, 0, Flag.RECOVERED, Flag.RECOVERED, 0, 0]
    assert (ids.gap, ids.filled) == (UNKNOWN, False)
    assert shown(ids.recovered(0, page(9, 10, 11, 12, 13, 14, 15, 16), flow_only=False)) == [12, 13, 14]
    assert shown(ids.release()) == [15]
    assert ids.gap is None


def test_interruptions_before_a_page_stay_holes_without_further_requests() -> None:
    ids = opened()
    for n in (10, 14, 20):
        ids.interrupted()
        ids.take(0, trade(n))
    assert shown(ids.recovered(0, page(13, 14, 15, 16, 17, 18, 19, 20, 21), flow_only=False)) == [UNKNOWN]
    assert shown(ids.release()) == [6, 7, UNKNOWN, 10, UNKNOWN, 13, 14, 15, 16, 17, 18, 19, 20]
    assert ids.gap is None
    assert shown(ids.take(0, trade(21)).now) == [21]


def test_without_an_overlap_there_is_a_hole_of_unknown_size() -> None:
    ids = opened()
    assert shown(ids.recovered(0, page(4, 5, 6), flow_only=False)) == [UNKNOWN, 4, 5]
    assert ids.filled
    assert shown(ids.release()) == [6, 7]


def test_a_page_that_ends_before_the_waiting_trades_is_not_enough() -> None:
    ids = opened()
    assert shown(ids.recovered(0, page(1, 2, 3), flow_only=False)) == [3]
    assert not ids.filled
    assert shown(ids.recovered(0, page(2, 3, 4, 5, 6), flow_only=False)) == [4, 5]
    assert ids.filled


def test_what_never_comes_is_a_hole() -> None:
    assert shown(opened().release()) == [UNKNOWN, 6, 7]


def test_a_second_interruption_while_trades_wait_is_the_next_gap() -> None:
    ids = opened()
    ids.interrupted()
    ids.take(0, trade(9))
    assert shown(ids.recovered(0, page(2, 3, 4, 5, 6, 7), flow_only=False)) == [3, 4, 5]
    assert shown(ids.release()) == [6, 7]
    assert ids.gap == UNKNOWN
    assert shown(ids.recovered(0, page(5, 6, 7, 8, 9), flow_only=False)) == [8]
    assert shown(ids.release()) == [9]
    assert ids.gap is None
    assert ids.expects(trade(10))


def test_an_interruption_behind_the_last_waiting_trade_is_remembered() -> None:
    ids = opened()
    ids.interrupted()
    assert shown(ids.release()) == [UNKNOWN, 6, 7]
    assert ids.gap is None
    assert ids.take(0, trade(9)).gap == UNKNOWN


def test_history_that_the_venue_replays_closes_the_gap_by_itself() -> None:
    ids = UniqueIds()
    assert shown(ids.replayed(0, page(1, 2, 3)).now) == [1, 2, 3]
    ids.interrupted()
    assert shown(ids.replayed(0, page(2, 3, 4, 5)).now) == [4, 5]
    assert ids.expects(trade(6))
    ids.interrupted()
    assert ids.replayed(0, page(9, 10)).gap == UNKNOWN
    assert shown(ids.recovered(0, page(6, 7, 8, 9, 10), flow_only=False)) == [7, 8]
    assert shown(ids.release()) == [9, 10]


def test_after_an_earlier_run_the_overlap_is_with_its_last_trade() -> None:
    ids = UniqueIds()
    ids.resume(trade(2).trade_id)
    assert ids.take(0, trade(5)).gap == UNKNOWN
    assert shown(ids.recovered(0, page(1, 2, 3, 4, 5), flow_only=False)) == [3, 4]


def test_too_many_waiting_trades_give_the_gap_up() -> None:
    ids = UniqueIds(limit=2)
    ids.expects(trade(1))
    ids.interrupted()
    out = [x for n in (4, 5, 6) for x in shown(ids.take(0, trade(n)).now)]
    assert out == [UNKNOWN, 4, 5, 6]


def test_what_is_remembered_is_bounded() -> None:
    ids = UniqueIds(remembered=10)
    for n in range(1, 100):
        ids.expects(trade(n))
    assert len(ids._known) == 10


@settings(max_examples=300)
@given(seed=st.integers(0, 1 << 32), reach=st.integers(1, 30))
def test_every_trade_is_on_the_tape_once_in_order_or_behind_a_hole(seed: int, reach: int) -> None:
    """The venue makes trades 1…80; some reach the stream, some only REST, whose page holds the newest `reach`."""
    chance = random.Random(seed)
    ids, out = UniqueIds(), []
    cut, sent = False, [0]
    for n in range(1, 81):
        if chance.random() < 0.06:
            cut = True
        elif cut and chance.random() < 0.3:
            cut = False
            ids.interrupted()
        if not cut:
            out += shown(ids.take(0, trade(n)).now)
            sent.append(n)
            if chance.random() < 0.1 and (again := chance.choice(sent[-5:])):
                out += shown(ids.take(0, trade(again)).now)
        if ids.gap is not None and chance.random() < 0.5:
            out += shown(ids.recovered(0, page(*range(max(1, n - reach + 1), n + 1)), flow_only=False))
            if ids.filled or chance.random() < 0.1:
                out += shown(ids.release())
    out += shown(ids.abandon())
    trades = [x for x in out if not isinstance(x, Hole)]
    assert trades == sorted(set(trades)), "once and in order"
    before: object = None
    for x in out:
        if isinstance(before, int) and isinstance(x, int):
            assert x == before + 1, "a trade is missing without a hole"
        before = x


@pytest.mark.parametrize("lost", [True, False])
def test_trades_that_happened_at_the_same_instant_are_told_apart(lost: bool) -> None:
    ids = UniqueIds()
    same = [Fill(i, 5, "1", "1", 1) for i in (11, 12, 13)]
    ids.expects(same[0])
    ids.interrupted()
    ids.take(0, same[2])
    given_page = same if lost else [same[0], same[2]]
    assert [x[1].trade_id for x in ids.recovered(0, given_page, flow_only=False) if not isinstance(x, Hole)] == (
        [12] if lost else []
    )
    assert ids.filled
