from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from engine.metrics.batch import NO_ASK, NO_BID
from engine.metrics.vwap import VwapCalculator
from tests.engine.metrics.cuts import Event, Fill, Touch, every_event, fold, random_cuts
from tests.engine.metrics.tapes import DAY, LINEAR, SECOND, in_span, instants, random_tape

SPANS = (SECOND, 7 * SECOND, "session", "start")
FIELDS = [f"{name}:{span}" for name in ("vwap", "dev") for span in SPANS] + [
    f"band:{span}:{k}" for span in SPANS for k in ("2.0", "-1.0")
]


def moments(events: list[Event], t: int, span: int | str) -> tuple[Fraction, float] | None:
    """Mean and standard deviation in ticks, by rationals."""
    fills = in_span(events, t, span)
    if not fills:
        return None
    volume = sum(f.qty for f in fills)
    mean = Fraction(sum(f.px * f.qty for f in fills), volume)
    variance = sum(f.qty * (f.px - mean) ** 2 for f in fills) / volume
    return mean, math.sqrt(variance)


def half_ticks(events: list[Event], t: int) -> int | None:
    """bid + ask of the book as it stood at t."""
    touches = [e for e in events if isinstance(e, Touch) and e.t <= t]
    if not touches or not touches[-1].valid or touches[-1].bid == NO_BID or touches[-1].ask == NO_ASK:
        return None
    return touches[-1].bid + touches[-1].ask


def expected(field: str, events: list[Event], t: int) -> float:
    name, span, *k = field.split(":")
    found = moments(events, t, span if span in ("session", "start") else int(span))
    if found is None:
        return math.nan
    mean, sigma = found
    if name == "dev":
        mid = half_ticks(events, t)
        return float(Fraction(mid, 2) - mean) / sigma if sigma and mid is not None else math.nan
    return (float(mean) + (float(k[0]) * sigma if k else 0.0)) * 0.01


@pytest.mark.parametrize(("seed", "centre"), [(0, 300_000), (1, 300_000), (2, 6_000_000), (3, 1_000)])
def test_equals_rational_arithmetic_at_every_instant(seed: int, centre: int) -> None:
    rng = random.Random(seed)
    events = random_tape(rng, centre=centre)
    times = instants(rng, events)
    values = fold(lambda: VwapCalculator(LINEAR), events, [], FIELDS, times)
    for field in FIELDS:
        wanted = [expected(field, events, int(t)) for t in times]
        tolerance = {"rtol": 1e-12, "atol": 1e-12} if field.startswith("dev") else {"rtol": 1e-15, "atol": 0.0}
        np.testing.assert_allclose(values[field], wanted, **tolerance, err_msg=field)


def test_any_cut_gives_the_same_bits() -> None:
    rng = random.Random(5)
    events = random_tape(rng, 90)
    times = instants(rng, events)
    whole = fold(lambda: VwapCalculator(LINEAR), events, [], FIELDS, times)
    for cuts in [every_event(len(events)), *(random_cuts(rng, len(events)) for _ in range(6))]:
        cut = fold(lambda: VwapCalculator(LINEAR), events, cuts, FIELDS, times)
        for field in FIELDS:
            assert cut[field].tobytes() == whole[field].tobytes(), field


def test_golden() -> None:
    t = 20_000 * DAY
    events: list[Event] = [Fill(t, 1, 1, 100), Fill(t, 3, -1, 104), Touch(t, 104, 1, 108, 1)]
    fields = ["vwap:session", "band:session:1.0", "band:session:-2.0", "dev:session"]
    values = fold(lambda: VwapCalculator(LINEAR), events, [], fields, np.array([t]))
    sigma = math.sqrt((1 * 9 + 3 * 1) / 4)
    assert values["vwap:session"][0] == 1.03
    assert values["band:session:1.0"][0] == pytest.approx((103 + sigma) * 0.01, rel=1e-15)
    assert values["band:session:-2.0"][0] == pytest.approx((103 - 2 * sigma) * 0.01, rel=1e-15)
    assert values["dev:session"][0] == pytest.approx(3 / sigma, rel=1e-15)


def test_one_price_has_no_deviation_however_large_it_is() -> None:
    t = 20_000 * DAY
    price = 123_456_789_012
    events: list[Event] = [Fill(t, 10**9, 1, price - 10**8)]  # the anchor is elsewhere
    events += [Fill(t + DAY + i, 10**9 + i, 1, price) for i in range(50)]
    events.append(Touch(t + DAY + 50, price, 1, price + 2, 1))
    fields = ["vwap:session", "band:session:3.0", "dev:session", f"vwap:{SECOND}"]
    values = fold(lambda: VwapCalculator(LINEAR), events, [7, 20], fields, np.array([t + DAY + 60]))
    assert values["vwap:session"][0] == values["band:session:3.0"][0] == values[f"vwap:{SECOND}"][0] == price / 100
    assert math.isnan(values["dev:session"][0])


def test_small_variance_at_a_large_price_keeps_its_digits() -> None:
    """Prefix sums of p and p^2 in doubles give a negative variance in a third of such windows."""
    rng = random.Random(1)
    t = 20_000 * DAY
    events: list[Event] = [
        Fill(t + i * SECOND, rng.randrange(1, 10**9), 1, 6_000_000 + rng.choice((0, 0, 1)) + 5_000 * (i < 3))
        for i in range(300)
    ]
    times = np.array([t + i * SECOND for i in range(100, 300)], np.int64)
    fields = [f"band:{20 * SECOND}:1.0", f"vwap:{20 * SECOND}"]
    values = fold(lambda: VwapCalculator(LINEAR), events, [], fields, times)
    for i, x in enumerate(times.tolist()):
        found = moments(events, x, 20 * SECOND)
        assert found is not None
        sigma = (values[fields[0]][i] - values[fields[1]][i]) / 0.01
        assert sigma == pytest.approx(found[1], abs=1e-6)


def test_absurd_prices_and_sizes_do_not_overflow() -> None:
    huge = (1 << 53) - 1
    t = 20_000 * DAY
    events: list[Event] = [
        Fill(t + i * SECOND, huge if i % 10 == 3 else 7 + i, 1, huge - i if i % 10 in (3, 4) else 500 + i)
        for i in range(40)
    ]
    times = np.array([t + i * SECOND for i in range(41)], np.int64)
    fields = [f"{name}:{span}" for name in ("vwap",) for span in (3 * SECOND, "session")]
    fields += [f"band:{3 * SECOND}:1.0"]
    whole = fold(lambda: VwapCalculator(LINEAR), events, [], fields, times)
    for field in fields:
        wanted = [expected(field, events, int(x)) for x in times]
        np.testing.assert_allclose(whole[field], wanted, rtol=1e-14, err_msg=field)
    cut = fold(lambda: VwapCalculator(LINEAR), events, every_event(40), fields, times)
    assert all(cut[field].tobytes() == whole[field].tobytes() for field in fields)


def test_foreign_state_is_refused() -> None:
    with pytest.raises(ValueError, match="not one of"):
        VwapCalculator(LINEAR).restore({"kind": "flow", "version": 1})
