"""Flow within price bands against a walk over the messages, one change at a time."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.band_flow import RECENTRE, BandFlow
from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.names import MetricError, parse_metric
from tests.engine.metrics.book_tapes import SECOND, book_tape, mirrored
from tests.engine.metrics.cuts import Event, Touch, every_event, fold, random_cuts
from tests.engine.metrics.tapes import LINEAR, instants

LOT = Fraction(1, 1000)
BPS = Fraction(5)
WINDOWS = (2 * SECOND, 100 * SECOND)
FIELDS = tuple(f"{side}:{w}" for side in (1, -1) for w in WINDOWS)
MINUTE = 60 * SECOND


def make() -> BandFlow:
    return BandFlow(LINEAR.instrument, BPS)


def has_mid(e: Touch) -> bool:
    return e.valid and e.bid != NO_BID and e.ask != NO_ASK


def centre(earlier: list[Touch], now: Touch) -> Fraction | None:
    """Where the band stands for the changes of a message."""
    minute = (now.t - 1) // MINUTE * MINUTE
    of_minute = [e for e in earlier if has_mid(e) and e.t <= minute]
    if of_minute and of_minute[-1].epoch == now.epoch:
        return Fraction(of_minute[-1].bid + of_minute[-1].ask, 2)
    since = [e for e in earlier if has_mid(e) and e.epoch == now.epoch]
    return Fraction(since[0].bid + since[0].ask, 2) if since else None


def gains(events: list[Event]) -> list[tuple[int, int, int]]:
    """(t, side, lots) of the changes inside their band."""
    touches = [e for e in events if isinstance(e, Touch)]
    out = []
    for k, now in enumerate(touches):
        mid = centre(touches[:k], now)
        for side, px, before, after in now.changes:
            if mid is not None and side * (mid - px) * 10_000 <= BPS * mid:
                out.append((now.t, side, after - before))
    return out


def had_mid(events: list[Event], t: int, window: int) -> bool:
    touches = [e for e in events if isinstance(e, Touch) and e.t <= t]
    ends = [e.t for e in touches[1:]] + [t]
    spans = [(max(e.t, t - window), end) for e, end in zip(touches, ends, strict=False) if has_mid(e)]
    return any(end // 1000 > start // 1000 for start, end in spans) or bool(touches and has_mid(touches[-1]))


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_walk(seed: int) -> None:
    rng = random.Random(seed)
    events = book_tape(rng, 250, 3 * SECOND)
    times, moves = instants(rng, events, 2 * SECOND), gains(events)
    values = fold(make, events, random_cuts(rng, len(events)), FIELDS, times)
    for field in FIELDS:
        side, window = (int(part) for part in field.split(":"))
        expected = [
            float(sum(lots for at, s, lots in moves if s == side and t - window < at <= t) * LOT)
            if had_mid(events, t, window)
            else math.nan
            for t in times.tolist()
        ]
        np.testing.assert_array_equal(values[field], expected, err_msg=field)
        assert (np.abs(values[field]) > 0).sum() > 10
    assert events[-1].t // RECENTRE > events[0].t // RECENTRE


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_restores_change_no_bit_and_a_mirrored_book_swaps_the_sides(seed: int) -> None:
    rng = random.Random(seed)
    events = book_tape(rng, 200, 3 * SECOND)
    times = instants(rng, events, 5 * SECOND)
    whole = fold(make, events, [], FIELDS, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events)), random_cuts(rng, len(events))):
        cut = fold(make, events, cuts, FIELDS, times)
        assert all(cut[name].tobytes() == whole[name].tobytes() for name in FIELDS)
    # Reflected at the middle price a distance in bps is another one: compare where only the centre decides.
    wide, swapped = (
        fold(lambda: BandFlow(LINEAR.instrument, Fraction(9_000)), tape, [], FIELDS, times)
        for tape in (events, mirrored(events))
    )
    for window in WINDOWS:
        np.testing.assert_array_equal(swapped[f"1:{window}"], wide[f"-1:{window}"])
        np.testing.assert_array_equal(swapped[f"-1:{window}"], wide[f"1:{window}"])


def test_moving_the_band_is_no_flow_and_it_moves_on_full_minutes_only() -> None:
    start = 1_700_000_040 * SECOND // MINUTE * MINUTE + SECOND
    inside, outside = 9_996, 9_994  # of a mid of 10,000: 4 and 6 bps

    def book(t: int, mid: int, *changes: tuple[int, int, int, int]) -> Touch:
        return Touch(t, mid - 1, 5, mid + 1, 5, changes=changes)

    events: list[Event] = [
        book(start, 10_000),
        book(start + SECOND, 10_000, (1, inside, 0, 7), (1, outside, 0, 9), (-1, 10_005, 3, 1)),
        book(start + 2 * SECOND, 9_998, (1, outside, 9, 10)),  # near the mid now, but the band stands
        book(start + MINUTE, 9_998, (1, outside, 10, 30)),  # the band has moved: 4 bps
        book(start + MINUTE + SECOND, 9_998),
    ]
    times = start + np.array([1, 2, 60, 61]) * SECOND
    found = fold(make, events, [], (f"1:{MINUTE * 2}", f"-1:{MINUTE * 2}"), times)
    assert (found[f"1:{MINUTE * 2}"] / float(LOT)).round(9).tolist() == [7, 7, 27, 27]
    assert (found[f"-1:{MINUTE * 2}"] / float(LOT)).round(9).tolist() == [-2, -2, -2, -2]


def test_flow_of_one_epoch_adds_up_to_what_rests_in_the_band() -> None:
    rng = random.Random(8)
    events = book_tape(rng, 400, SECOND // 50)
    touches = [e for e in events if isinstance(e, Touch)]
    one = [e for e in touches if e.epoch == touches[0].epoch]
    mid = centre(one[:1], one[-1])
    assert mid is not None
    assert one[-1].t // MINUTE == one[0].t // MINUTE
    rests: dict[tuple[int, int], tuple[int, int]] = {}  # lots before the first and after the last change
    for e in one:
        for side, px, before, after in e.changes:
            first, _ = rests.get((side, px), (before, 0))
            rests[side, px] = (first, after)
    end = np.array([one[-1].t])
    values = fold(make, one, [], (f"1:{MINUTE}", f"-1:{MINUTE}"), end)
    for side in (1, -1):
        near = [(px, pair) for (s, px), pair in rests.items() if s == side]
        net = sum(after - first for px, (first, after) in near if side * (mid - px) * 10_000 <= BPS * mid)
        assert values[f"{side}:{MINUTE}"][0] == float(net * LOT)


def test_arguments() -> None:
    assert parse_metric("band_flow(ask)").canonical == "band_flow(ask,10bps,10s)"
    bound = parse_metric("band_flow(sell,5bps,1s)").spec.bind("sell", 5.0, SECOND)
    assert (bound.field, bound.share, bound.changes) == (f"1:{SECOND}", ("band_flow", Fraction(5)), True)
    with pytest.raises(MetricError, match="lacks side"):
        parse_metric("band_flow")
