"""Every edge of the sequence rules, and that no order of faults yields a wrong book."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.binance.depth_sync import DepthSync, Step
from connectors.binance.messages import Depth, MarketType, Snapshot

SPOT, USDM = MarketType.SPOT, MarketType.USDM


def delta(first: int, last: int, previous: int = -1, bids: list[tuple[str, float]] | None = None) -> Depth:
    return Depth(symbol="X", event_time=1, first=first, last=last, bids=bids or [], asks=[], previous=previous)


def snapshot(last: int, bids: list[tuple[str, float]] | None = None) -> Snapshot:
    return Snapshot(last_update=last, bids=bids or [], asks=[])


# ---- spot: drop u <= lastUpdateId, first U <= lastUpdateId+1 <= u, then U == previous u + 1


@pytest.mark.parametrize(
    ("last_update", "applied"),
    [
        (9, [(10, 12), (13, 15)]),  # lastUpdateId+1 == U of the first
        (11, [(10, 12), (13, 15)]),  # inside the first
        (12, [(13, 15)]),  # equal to a kept u: that one is in the snapshot
        (14, [(13, 15)]),
        (15, []),
        (20, []),
    ],
)
def test_spot_joins_the_snapshot_with_the_kept_deltas(last_update: int, applied: list[tuple[int, int]]) -> None:
    sync = DepthSync(SPOT)
    assert [sync.delta(delta(10, 12)), sync.delta(delta(13, 15))] == [Step.BUFFERED] * 2
    follow = sync.snapshot(snapshot(last_update))
    assert follow is not None
    assert [(d.first, d.last) for d in follow] == applied
    assert sync.last == max(15, last_update)
    assert sync.buffered == 0


def test_spot_snapshot_older_than_the_whole_buffer_asks_for_another_and_keeps_the_deltas() -> None:
    sync = DepthSync(SPOT)
    sync.delta(delta(10, 12))
    assert sync.snapshot(snapshot(8)) is None
    assert not sync.synced
    assert sync.buffered == 1
    assert sync.snapshot(snapshot(10)) == [delta(10, 12)]


@pytest.mark.parametrize(
    ("first", "last", "step"),
    [
        (18, 20, Step.OLD),  # u == lastUpdateId
        (20, 21, Step.APPLY),  # U <= lastUpdateId+1
        (21, 21, Step.APPLY),  # U == lastUpdateId+1 == u
        (22, 25, Step.GAP),
    ],
)
def test_spot_first_delta_after_the_snapshot(first: int, last: int, step: Step) -> None:
    sync = DepthSync(SPOT)
    assert sync.snapshot(snapshot(20)) == []
    assert sync.delta(delta(first, last)) is step


@pytest.mark.parametrize(
    ("first", "last", "step"),
    [(23, 24, Step.APPLY), (22, 24, Step.GAP), (24, 25, Step.GAP), (21, 22, Step.OLD), (15, 17, Step.OLD)],
)
def test_spot_later_deltas_are_consecutive(first: int, last: int, step: Step) -> None:
    sync = DepthSync(SPOT)
    sync.snapshot(snapshot(20))
    assert sync.delta(delta(21, 22)) is Step.APPLY
    assert sync.delta(delta(first, last)) is step


# ---- futures: drop u < lastUpdateId, first U <= lastUpdateId <= u, then pu == previous u


@pytest.mark.parametrize(
    ("last_update", "applied"),
    [
        (10, [(10, 12), (15, 18)]),  # == U of the first
        (12, [(10, 12), (15, 18)]),  # == u of the first: not below lastUpdateId, so it is applied again
        (13, [(15, 18)]),  # between two deltas: the one before is inside the snapshot
        (14, [(15, 18)]),
        (15, [(15, 18)]),
        (18, [(15, 18)]),
        (19, []),
        (7, [(10, 12), (15, 18)]),  # the delta before the first ended there: nothing is missing
        (9, [(10, 12), (15, 18)]),
    ],
)
def test_futures_join_the_snapshot_with_the_kept_deltas(last_update: int, applied: list[tuple[int, int]]) -> None:
    sync = DepthSync(USDM)
    assert [sync.delta(delta(10, 12, 7)), sync.delta(delta(15, 18, 12))] == [Step.BUFFERED] * 2
    follow = sync.snapshot(snapshot(last_update))
    assert follow is not None
    assert [(d.first, d.last) for d in follow] == applied


def test_futures_snapshot_older_than_the_whole_buffer() -> None:
    sync = DepthSync(USDM)
    sync.delta(delta(10, 12, 7))
    assert sync.snapshot(snapshot(6)) is None
    assert sync.buffered == 1


def test_futures_without_pu_only_join_by_their_range() -> None:
    sync = DepthSync(USDM)
    sync.delta(delta(10, 12))
    assert sync.snapshot(snapshot(9)) is None
    assert sync.snapshot(snapshot(11)) == [delta(10, 12)]


@pytest.mark.parametrize(
    ("first", "last", "previous", "step"),
    [
        (15, 19, 12, Step.OLD),
        (15, 20, 12, Step.APPLY),  # u == lastUpdateId
        (20, 25, 18, Step.APPLY),
        (23, 25, 20, Step.APPLY),  # pu == lastUpdateId
        (23, 25, 21, Step.GAP),
        (23, 25, -1, Step.GAP),
    ],
)
def test_futures_first_delta_after_the_snapshot(first: int, last: int, previous: int, step: Step) -> None:
    sync = DepthSync(USDM)
    assert sync.snapshot(snapshot(20)) == []
    assert sync.delta(delta(first, last, previous)) is step


@pytest.mark.parametrize(
    ("previous", "last", "step"), [(25, 30, Step.APPLY), (24, 30, Step.GAP), (26, 30, Step.GAP), (20, 25, Step.OLD)]
)
def test_futures_later_deltas_name_the_one_before(previous: int, last: int, step: Step) -> None:
    sync = DepthSync(USDM)
    sync.snapshot(snapshot(20))
    assert sync.delta(delta(21, 25, 20)) is Step.APPLY
    assert sync.delta(delta(27, last, previous)) is step


# ---- both


def test_after_a_gap_the_delta_behind_it_starts_the_new_buffer() -> None:
    sync = DepthSync(SPOT)
    sync.snapshot(snapshot(20))
    assert sync.delta(delta(30, 31)) is Step.GAP
    assert not sync.synced
    assert sync.delta(delta(32, 33)) is Step.BUFFERED
    assert sync.snapshot(snapshot(28)) is None
    assert sync.snapshot(snapshot(30)) == [delta(30, 31), delta(32, 33)]


def test_a_hole_between_kept_deltas_forgets_what_was_before_it() -> None:
    sync = DepthSync(SPOT)
    sync.delta(delta(10, 12))
    sync.delta(delta(20, 21))
    assert sync.buffered == 1
    assert sync.snapshot(snapshot(11)) is None
    assert sync.snapshot(snapshot(19)) == [delta(20, 21)]


def test_repeated_and_overtaken_deltas_in_the_buffer_are_dropped() -> None:
    sync = DepthSync(SPOT)
    sync.delta(delta(10, 12))
    assert sync.delta(delta(10, 12)) is Step.OLD
    assert sync.delta(delta(8, 9)) is Step.OLD
    assert sync.snapshot(snapshot(9)) == [delta(10, 12)]


def test_a_snapshot_older_than_the_book_is_of_no_use_and_a_newer_one_replaces_it() -> None:
    sync = DepthSync(SPOT)
    sync.snapshot(snapshot(20))
    sync.delta(delta(21, 25))
    assert sync.snapshot(snapshot(24)) is None
    assert sync.last == 25
    assert sync.snapshot(snapshot(30)) == []
    assert sync.delta(delta(26, 29)) is Step.OLD
    assert sync.delta(delta(30, 31)) is Step.APPLY


def test_the_buffer_is_bounded_and_keeps_the_newest() -> None:
    sync = DepthSync(SPOT, limit=3)
    for i in range(10):
        sync.delta(delta(i, i))
    assert sync.buffered == 3
    assert sync.snapshot(snapshot(5)) is None
    assert sync.snapshot(snapshot(6)) == [delta(7, 7), delta(8, 8), delta(9, 9)]


@pytest.mark.parametrize("market", [SPOT, USDM])
def test_a_number_garbled_upwards_does_not_make_all_that_follows_look_old(market: MarketType) -> None:
    sync = DepthSync(market)
    sync.snapshot(snapshot(20))
    assert sync.delta(delta(21, 25, 20)) is Step.APPLY
    assert sync.delta(delta(26, 9_000_028, 25)) is Step.APPLY  # 28 it was
    assert sync.delta(delta(21, 25, 20)) is Step.OLD  # what comes late still does
    assert sync.delta(delta(29, 31, 28)) is Step.GAP


def test_reset_forgets_the_book_and_the_buffer() -> None:
    sync = DepthSync(USDM)
    sync.snapshot(snapshot(20))
    sync.reset()
    assert not sync.synced
    assert sync.delta(delta(21, 25, 20)) is Step.BUFFERED


@given(
    market=st.sampled_from([SPOT, USDM]),
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=25),
    faults=st.lists(st.sampled_from(["", "", "", "drop", "twice", "swap", "snapshot", "stale"]), max_size=60),
)
def test_whenever_there_is_a_book_it_is_the_true_one(market: MarketType, sizes: list[int], faults: list[str]) -> None:
    """Update i sets one of five levels to i; the stream is dropped, doubled, swapped, with snapshots anywhere."""

    def truth(last: int) -> dict[str, float]:
        return {str(i % 5): float(i) for i in range(1, last + 1)}

    deltas, at, previous = [], 1, 0
    for n in sizes:
        last = at + n - 1
        deltas.append(delta(at, last, previous, [(str(i % 5), float(i)) for i in range(at, last + 1)]))
        at, previous = last + 1, last
    book: dict[str, float] = {}
    sync = DepthSync(market, limit=6)
    pending, seen = list(deltas), 0

    def join(last: int) -> None:
        follow = sync.snapshot(snapshot(last))
        if follow is not None:
            book.clear()
            book.update(truth(last))
            for d in follow:
                book.update(d.bids)

    for fault in [*faults, *[""] * len(deltas)]:
        if not pending:
            break
        if fault == "snapshot":
            join(seen)
            continue
        if fault == "stale":
            join(max(0, seen - 5))
            continue
        if fault == "swap" and len(pending) > 1:
            pending[0], pending[1] = pending[1], pending[0]
        d = pending.pop(0)
        seen = max(seen, d.last)
        for _ in range({"drop": 0, "twice": 2}.get(fault, 1)):
            if sync.delta(d) is Step.APPLY:
                book.update(d.bids)
        if sync.synced:
            assert sync.last is not None
            assert book == truth(sync.last)
