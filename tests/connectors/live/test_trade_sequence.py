"""Trades reach the tape once, in the order of their ids, and what is missing is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.live.trade_sequence import ConsecutiveIds, Hole, Item
from connectors.live.wire import Fill


def trade(number: int, time: int | None = None) -> Fill:
    return Fill(number, number if time is None else time, "1", "1", 1)


def shown(items: list[Item]) -> list[object]:
    return [x if isinstance(x, Hole) else x[1].trade_id for x in items]


def opened(limit: int = 100) -> ConsecutiveIds:
    """10 is on the tape, 11 to 14 are missing, 15 and 16 wait."""
    seq = ConsecutiveIds(limit)
    assert seq.expects(trade(10))
    taken = seq.take(0, trade(15))
    assert taken.gap == Hole(11, 4)
    assert taken.now == []
    assert seq.take(0, trade(16)).now == []
    return seq


def test_consecutive_trades_pass_and_repeated_ones_do_not() -> None:
    seq = ConsecutiveIds()
    assert shown(seq.take(0, trade(10)).now) == [10]
    assert shown(seq.take(0, trade(11)).now) == [11]
    assert seq.take(0, trade(11)).now == []
    assert seq.take(0, trade(3)).now == []
    assert seq.gap is None


def test_a_filled_gap_releases_what_waited() -> None:
    seq = opened()
    assert shown(seq.recovered(0, [trade(n) for n in (11, 12)], flow_only=False)) == [11, 12]
    assert not seq.filled
    assert shown(seq.recovered(0, [trade(n) for n in range(9, 20)], flow_only=False)) == [13, 14]
    assert seq.filled
    assert shown(seq.release()) == [15, 16]
    assert seq.expects(trade(17))


def test_what_is_not_recovered_is_a_hole() -> None:
    seq = opened()
    assert shown(seq.recovered(0, [trade(13)], flow_only=False)) == [Hole(11, 2), 13]
    assert shown(seq.release()) == [Hole(14, 1), 15, 16]


def test_ids_left_out_inside_a_page_of_flow_are_no_hole() -> None:
    seq = opened()
    assert shown(seq.recovered(0, [trade(10), trade(12), trade(15)], flow_only=True)) == [12]
    assert seq.filled
    assert shown(seq.release()) == [15, 16]


def test_a_page_of_flow_that_begins_inside_the_gap_proves_nothing_about_its_start() -> None:
    seq = opened()
    assert shown(seq.recovered(0, [trade(13), trade(16)], flow_only=True)) == [Hole(11, 2), 13]
    assert shown(seq.release()) == [15, 16]


def test_a_gap_of_nothing_but_left_out_ids() -> None:
    seq = opened()
    assert seq.recovered(0, [trade(10), trade(15)], flow_only=True) == []
    assert shown(seq.release()) == [15, 16]


def test_a_second_gap_among_the_waiting_trades_is_opened_in_its_turn() -> None:
    seq = opened()
    seq.take(0, trade(20))
    assert shown(seq.release()) == [Hole(11, 4), 15, 16]
    assert seq.gap == Hole(17, 3)
    assert shown(seq.recovered(0, [trade(17), trade(18), trade(19)], flow_only=False)) == [17, 18, 19]
    assert shown(seq.release()) == [20]
    assert seq.gap is None


def test_too_many_waiting_trades_give_the_gap_up() -> None:
    seq = opened(limit=3)
    seq.take(0, trade(18))
    assert shown(seq.take(0, trade(19)).now) == [Hole(11, 4), 15, 16, Hole(17, 1), 18, 19]
    assert seq.gap is None
    assert seq.release() == []


def test_repeats_of_waiting_trades_are_dropped() -> None:
    seq = opened()
    assert seq.take(0, trade(16)).now == []
    assert shown(seq.release()) == [Hole(11, 4), 15, 16]


def test_a_venue_that_numbers_anew_is_followed_after_a_while_with_an_unknown_hole() -> None:
    seq = ConsecutiveIds()
    seq.take(0, trade(1_000_000, time=10))
    out = [x for n in range(1, 60) for x in shown(seq.take(0, trade(n, time=100 + n)).now)]
    assert out == [Hole(-1, -1), *range(50, 60)]


def several(last: int, count: int) -> Fill:
    return Fill(last, last, "1", "1", 1, count=count)


def test_fills_told_as_one_follow_by_all_their_ids() -> None:
    seq = ConsecutiveIds()
    assert seq.expects(several(12, 3))
    assert seq.expects(several(15, 3))
    assert seq.take(0, several(15, 3)).now == []
    assert seq.take(0, several(20, 2)).gap == Hole(16, 3)
    assert shown(seq.recovered(0, [trade(n) for n in range(10, 25)], flow_only=False)) == [16, 17, 18]
    assert shown(seq.release()) == [20]
    assert seq.expects(trade(21))


def test_fills_told_as_one_of_which_some_are_on_the_tape_are_asked_for_one_by_one() -> None:
    seq = ConsecutiveIds()
    seq.resume(10)
    assert seq.take(0, several(12, 4)).gap == Hole(11, 2)
    assert seq.take(0, trade(13)).now == []
    assert shown(seq.recovered(0, [trade(11), trade(12)], flow_only=False)) == [11, 12]
    assert shown(seq.release()) == [13]


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=20),
    lost=st.sets(st.integers(1, 19)),
    by_rest=st.sets(st.integers(1, 80)),
    resumed=st.integers(0, 8),
)
def test_fills_told_as_one_are_on_the_tape_once_or_in_a_hole(
    counts: list[int], lost: set[int], by_rest: set[int], resumed: int
) -> None:
    seq = ConsecutiveIds()
    if resumed:
        seq.resume(resumed)
    out: list[Item] = []
    last = 0
    for i, count in enumerate(counts):
        last += count
        if i not in lost:
            out += seq.take(0, several(last, count)).now
        while seq.gap is not None:
            out += seq.recovered(0, [trade(n) for n in sorted(by_rest)], flow_only=False)
            out += seq.release()
    covered: list[int] = []
    for x in out:
        covered += (
            range(x.first, x.first + x.count)
            if isinstance(x, Hole)
            else range(x[1].trade_id - x[1].count + 1, x[1].trade_id + 1)
        )
    assert covered == list(range(resumed + 1, resumed + 1 + len(covered)))
    newest = max((sum(counts[: i + 1]) for i in range(len(counts)) if i not in lost), default=0)
    assert resumed + len(covered) == max(newest, resumed)


@given(
    got=st.sets(st.integers(1, 60)),
    by_rest=st.sets(st.integers(1, 60)),
    repeats=st.lists(st.integers(1, 60), max_size=20),
    limit=st.integers(1, 30),
)
def test_every_id_is_on_the_tape_once_in_order_or_in_a_hole(
    got: set[int], by_rest: set[int], repeats: list[int], limit: int
) -> None:
    seq = ConsecutiveIds(limit)
    out: list[object] = []
    arrivals = sorted([*got, *repeats], key=lambda n: (n, n in repeats))
    for n in arrivals:
        taken = seq.take(0, trade(n))
        out += shown(taken.now)
    while seq.gap is not None:
        out += shown(seq.recovered(0, [trade(n) for n in sorted(by_rest)], flow_only=False))
        out += shown(seq.release())
    covered: list[int] = []
    for x in out:
        covered += range(x.first, x.first + x.count) if isinstance(x, Hole) else [x]  # type: ignore[list-item]
    first, last = min(arrivals, default=1), max(arrivals, default=0)
    assert covered == list(range(first, last + 1))
    assert got <= {x for x in out if isinstance(x, int)}
