"""Markouts and spreads against every trade followed by hand."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from engine.metrics.markout import EffectiveSpread, Markouts
from engine.metrics.response import by_side, by_size, mean_response, responses, size_deciles, whole
from tests.engine.metrics.cuts import Event, Fill, Touch, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.prevailing_mid import mid_after, mid_at, with_epochs
from tests.engine.metrics.tapes import SECOND, instants, random_tape

H, W = 3 * SECOND, 40 * SECOND
FIELDS = [f"{name}:{W}" for name in ("all", "buy", "sell", "realised", "n")]


def tape(seed: int) -> list[Event]:
    return with_epochs(random_tape(random.Random(seed)), 15)


def followed(events: list[Event], horizon: int) -> list[tuple[int, int, Fraction, Fraction | None, int]]:
    """(time, side, effective spread in bps, markout or None, size) of each trade of known side that met a mid."""
    out = []
    for i, e in enumerate(events):
        met = mid_after(events[:i]) if isinstance(e, Fill) else None
        if isinstance(e, Fill) and met and e.side:
            later = mid_at(events, e.t + horizon)
            move = None
            if later and later[1] == met[1]:
                move = e.side * Fraction(later[0] - met[0], met[0]) * 10_000
            out.append((e.t, e.side, 2 * e.side * Fraction(2 * e.px - met[0], met[0]) * 10_000, move, e.qty))
    return out


def mean(values: list[Fraction]) -> float:
    return float(sum(values) / len(values)) if values else math.nan


@pytest.mark.parametrize("seed", range(4))
def test_every_trade_is_followed(seed: int) -> None:
    events = tape(seed)
    times = instants(random.Random(seed), events, 2 * SECOND)
    got = fold(lambda: Markouts(H), events, [], FIELDS, times)
    spreads = fold(EffectiveSpread, events, [], [str(W)], times)[str(W)]
    rows = followed(events, H)
    for i, t in enumerate(times.tolist()):
        due = [(s, e, m) for at, s, e, m, _ in rows if m is not None and t - W < at + H <= t]
        expected = {
            "all": mean([m for _, _, m in due]),
            "buy": mean([m for s, _, m in due if s > 0]),
            "sell": mean([m for s, _, m in due if s < 0]),
            "realised": mean([e - 2 * m for _, e, m in due]),
            "n": float(len(due)),
        }
        for field in FIELDS:
            want = expected[field.partition(":")[0]]
            assert got[field][i] == pytest.approx(want, abs=2e-9, nan_ok=True), (field, t)
        assert spreads[i] == pytest.approx(
            mean([e for at, _, e, _, _ in rows if t - W < at <= t]), abs=2e-9, nan_ok=True
        )
    assert max(got[FIELDS[-1]]) > 5


@pytest.mark.parametrize("seed", range(3))
def test_the_cut_moves_nothing(seed: int) -> None:
    rng, events = random.Random(seed), tape(seed)
    times = instants(rng, events)
    for make, fields in ((lambda: Markouts(H), FIELDS), (EffectiveSpread, [str(W)])):
        plain = fold(make, events, [], fields, times)
        for cuts in (every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(6))):
            cut = fold(make, events, cuts, fields, times)
            for field in fields:
                assert cut[field].tobytes() == plain[field].tobytes()


def test_sides_swapped_and_prices_mirrored_swap_buys_and_sells() -> None:
    events, axis = tape(5), 600_000
    both = [e for e in events if isinstance(e, Fill) or (isinstance(e, Touch) and e.bid_qty and e.ask_qty)]
    other = [
        Fill(e.t, e.qty, -e.side, axis - e.px)
        if isinstance(e, Fill)
        else Touch(e.t, axis - e.ask, e.ask_qty, axis - e.bid, e.bid_qty, e.valid, e.epoch)
        for e in both
        if isinstance(e, Fill | Touch)
    ]
    times = instants(random.Random(5), both)
    a, b = (fold(lambda: Markouts(H), list(x), [], FIELDS, times) for x in (both, other))
    # The mid is mirrored at a price near it: relative moves agree to its relative change.
    np.testing.assert_allclose(a[f"buy:{W}"], b[f"sell:{W}"], rtol=1e-2, atol=1e-9)
    assert a[f"n:{W}"].tobytes() == b[f"n:{W}"].tobytes()


def test_a_trade_meets_the_book_before_it_and_not_the_one_it_made() -> None:
    t = 10**18
    events: list[Event] = [
        Touch(t, 9_999, 1, 10_001, 1),
        Fill(t, 1, 1, 10_001),
        Touch(t, 10_001, 1, 10_003, 1),  # same instant, later in order
        Touch(t + H, 10_009, 1, 10_011, 1),
        Touch(t + H + 1, 1, 1, 3, 1),
    ]
    times = np.array([t, t + H - 1, t + H, t + H + 1])
    got = fold(lambda: Markouts(H), events, [2, 3], FIELDS, times)
    assert got[f"all:{W}"].tolist()[2:] == [10.0, 10.0]
    assert np.isnan(got[f"all:{W}"][:2]).all()
    assert got[f"realised:{W}"][2] == pytest.approx(2 - 2 * 10, abs=1e-9)
    assert fold(EffectiveSpread, events, [], [str(W)], times)[str(W)][0] == pytest.approx(2, abs=1e-9)


def test_a_new_epoch_between_leaves_the_trade_out() -> None:
    t = 10**18
    book = Touch(t, 99, 1, 101, 1)
    events: list[Event] = [book, Fill(t + 1, 1, 1), Touch(t + 2, 99, 1, 103, 1, epoch=1), Fill(t + 9 * SECOND, 1, 1)]
    got = fold(lambda: Markouts(H), events, [], FIELDS, np.array([t + 8 * SECOND]))
    assert got[f"n:{W}"][0] == 0
    assert np.isnan(got[f"all:{W}"][0])


def test_response_functions_agree_with_the_trades_followed() -> None:
    events = tape(11)
    cuts = [0, 30, 31, len(events)]
    batches = [batch_of(events[a:b], 0, (), a) for a, b in pairwise(cuts)]
    horizons = np.array([0, SECOND, H, 10_000 * SECOND])
    found = responses(*whole(batches), horizons, events[-1].t)
    rows = followed(events, H)
    expected = [math.nan if m is None or t + H > events[-1].t else float(m) for t, _, _, m, _ in rows]
    np.testing.assert_allclose(found.markouts[:, 2], expected, rtol=1e-12, atol=1e-12)
    assert np.isnan(found.markouts[:, 3]).all()
    buys, sells = by_side(found)
    known = [(s, e) for (_, s, *_), e in zip(rows, expected, strict=True) if not math.isnan(e)]
    assert buys.mean[2] == pytest.approx(np.mean([e for s, e in known if s > 0]))
    assert sells.error[2] == pytest.approx(
        np.std([e for s, e in known if s < 0], ddof=1) / math.sqrt(sum(s < 0 for s, _ in known))
    )
    groups = by_size(found, 4)
    assert sum(int(g.n[2]) for g in groups) == len(known)
    assert np.isnan(buys.mean[3])
    assert np.isnan(mean_response(found.markouts[:1]).error).all()


def test_size_deciles() -> None:
    assert size_deciles(np.arange(20, 0, -1)).tolist() == [k // 2 for k in range(19, -1, -1)]
    assert size_deciles(np.array([5, 5, 5, 9])).tolist() == [0, 0, 0, 7]
    assert size_deciles(np.empty(0, np.int64)).tolist() == []


def test_states_of_other_horizons_are_refused() -> None:
    with pytest.raises(ValueError, match="markouts after"):
        Markouts(1).restore(Markouts(2).state())
