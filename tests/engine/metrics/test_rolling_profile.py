"""Profiles of windows and their nodes, against plain dicts of volumes."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from engine.metrics.names import MetricError, parse_metric
from engine.metrics.rolling_profile import RollingProfile
from engine.metrics.value_area import binned, point_of_control, value_area
from engine.metrics.volume_nodes import nearest, nodes
from tests.engine.metrics.cuts import Fill, batch_of, every_event, fold, random_cuts
from tests.engine.metrics.tapes import BEFORE_MIDNIGHT, DAY, LINEAR, SECOND, in_span, instants, random_tape

NAMES = ("poc", "vah", "val", "hvn", "lvn")


def plain_nodes(volumes: dict[int, int]) -> tuple[list[int], list[int]]:
    """Every row from below the lowest to above the highest, one by one."""
    rows = list(range(min(volumes) - 3, max(volumes) + 4))
    sums = [sum(volumes.get(row + d, 0) for d in (-1, 0, 1)) for row in rows]
    runs: list[list[int]] = []  # first row, last row, sum
    for row, total in zip(rows, sums, strict=True):
        if runs and runs[-1][2] == total:
            runs[-1][1] = row
        else:
            runs.append([row, row, total])
    high, low = [], []
    for before, run, after in zip(runs, runs[1:], runs[2:], strict=False):
        if run[2] > before[2] and run[2] > after[2]:
            high.append((run[0] + run[1]) // 2)
        if run[2] < before[2] and run[2] < after[2]:
            low.append((run[0] + run[1]) // 2)
    return high, low


@pytest.mark.parametrize("seed", range(200))
def test_nodes_are_those_of_a_walk_over_every_row(seed: int) -> None:
    rng = random.Random(seed)
    volumes = {rng.randrange(rng.choice((6, 20, 60))): rng.randrange(1, 5) for _ in range(rng.randrange(1, 25))}
    rows = np.array(sorted(volumes))
    for dtype in (np.int64, object):
        high, low = nodes(rows, np.array([volumes[r] for r in rows.tolist()], dtype))
        assert (high.tolist(), low.tolist()) == plain_nodes(volumes)
    assert len(low) == len(high) - 1


def test_two_humps_and_the_valley_between() -> None:
    rows = np.array([10, 11, 12, 20, 21, 22])
    high, low = nodes(rows, np.array([1, 5, 1, 2, 9, 2]))
    assert (high.tolist(), low.tolist()) == ([11, 21], [16])
    assert nearest(high, 16) == 11
    assert nearest(high, 17) == 21
    assert nearest(np.empty(0, np.int64), 3) is None


def reference(name: str, fills: list[Fill], width: int) -> float:
    by_price: Counter[int] = Counter()
    for f in fills:
        by_price[f.px] += f.qty
    rows, volumes = binned(np.array(sorted(by_price)), np.array([by_price[p] for p in sorted(by_price)]), width)
    if name in ("hvn", "lvn"):
        found = plain_nodes(dict(zip(rows.tolist(), volumes.tolist(), strict=True)))[name == "lvn"]
        near = min(found, key=lambda row: (abs(row - fills[-1].px // width), row), default=None)
        return math.nan if near is None else near * width / 100
    poc = point_of_control(rows, volumes)
    low, high = value_area(rows, volumes, poc)
    ticks = {"poc": rows[poc] * width, "val": rows[low] * width, "vah": rows[high] * width + width - 1}[name]
    return float(ticks) / 100


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("span", [2 * SECOND, 15 * SECOND, "session", "start"])
def test_profiles_are_those_of_their_trades_in_every_cut(seed: int, span: int | str) -> None:
    rng = random.Random(seed)
    events = random_tape(rng, 150, BEFORE_MIDNIGHT - 60 * SECOND)
    times = instants(rng, events)
    fields = [f"{name}:{width}" for name in NAMES for width in (1, 7)]
    whole = fold(lambda: RollingProfile(LINEAR, span), events, [], fields, times, restore=False)
    for cuts in (every_event(len(events)), random_cuts(rng, len(events))):
        again = fold(lambda: RollingProfile(LINEAR, span), events, cuts, fields, times)
        for field in fields:
            assert again[field].tobytes() == whole[field].tobytes()
    known = 0
    for i, t in enumerate(times.tolist()):
        fills = in_span(events, t, span)
        for name in NAMES:
            for width in (1, 7):
                wanted = reference(name, fills, width) if fills else math.nan
                assert whole[f"{name}:{width}"][i] == pytest.approx(wanted, rel=1e-12, nan_ok=True)
                known += not math.isnan(wanted)
    assert known > 100


def test_what_left_the_window_is_forgotten() -> None:
    profile = RollingProfile(LINEAR, 2 * SECOND)
    for i in range(50):
        fills = [Fill(i * SECOND + j, 1, 1, 100 + i) for j in range(100)]
        profile.update(batch_of(fills, i * SECOND))
        profile.advance(fills[-1].t)
    assert len(profile.state()["rows"][0]) <= 300
    assert profile.sample("poc:1", np.array([49 * SECOND + 99]))[0] == pytest.approx(1.48, abs=0.011)


def test_names_take_a_window() -> None:
    assert parse_metric("poc").canonical == "poc(1,session)"
    assert parse_metric("hvn(5,4h)").args == (5, 4 * 3_600 * SECOND)
    with pytest.raises(MetricError, match="at most 7 days"):
        parse_metric("poc(1,8d)")


def test_a_session_is_held_as_its_profile_and_can_be_read_on_both_sides_of_midnight() -> None:
    midnight = BEFORE_MIDNIGHT // DAY * DAY + DAY
    before = [Fill(midnight - (500 - i) * SECOND, 1 + i % 3, 1, 100 + i % 5) for i in range(500)]
    after = [Fill(midnight + i * SECOND, 2, -1, 200 + i % 3) for i in range(50)]
    profile = RollingProfile(LINEAR, "session")
    profile.update(batch_of(before, before[0].t))
    profile.advance(before[400].t)
    assert len(profile.state()["rows"][0]) == 100, "what is in the ledger is not held twice"
    profile.update(batch_of(after, before[-1].t))
    for t, fills in ((after[9].t, after[:10]), (before[450].t, before[:451]), (after[20].t, after[:21])):
        for name in ("poc", "vah", "val", "hvn"):
            wanted = reference(name, fills, 1)
            assert profile.sample(f"{name}:1", np.array([t]))[0] == pytest.approx(wanted, rel=1e-12, nan_ok=True)
    again = RollingProfile(LINEAR, "session")
    again.restore(profile.state())
    for each in (profile, again):
        assert each.sample("poc:1", np.array([before[450].t]))[0] == reference("poc", before[:451], 1)
        each.advance(after[30].t)
        assert each.sample("poc:1", np.array([after[40].t]))[0] == reference("poc", after[:41], 1)
        assert len(each.state()["rows"][0]) == 20
