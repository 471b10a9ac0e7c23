"""A burst limit holds back and says so once; over any stretch of time no more goes out than it allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.delivery.notes import note
from tui.delivery.burst import Burst


def test_a_storm_is_one_line() -> None:
    burst = Burst(3)
    sent = [burst.admit(note(n, f"rule {n % 2}"), 0.0) for n in range(10)]
    assert sent == [True] * 3 + [False] * 7
    assert burst.suppressed == 7
    assert burst.summary(0.0, 0, "live") is None
    assert burst.wait == 20.0
    summary = burst.summary(20.0, 123, "live")
    assert summary is not None
    assert summary.kind == "suppressed"
    assert summary.title == "flowtape 7 more suppressed"
    assert summary.text == "7 more alerts held back by the burst limit: rule 1 (4), rule 0 (3)"
    assert summary.payload["rules"] == {"rule 1": 4, "rule 0": 3}
    assert summary.severity == "warning"
    assert burst.summary(99.0, 124, "live") is None
    assert burst.wait is None


def test_the_worst_severity_is_told_and_the_last_line_does_not_wait() -> None:
    burst = Burst(1)
    assert burst.admit(note(0), 0.0)
    assert not burst.admit(note(1, severity="high"), 0.0)
    assert not burst.admit(note(2, severity="info"), 0.0)
    summary = burst.summary(0.0, 5, "live", last=True)
    assert summary is not None
    assert summary.severity == "high"
    assert burst.admit(note(3), 60.0)


def test_nothing_overtakes_the_summary() -> None:
    burst = Burst(60)
    assert all(burst.admit(note(n), 0.0) for n in range(60))
    assert not burst.admit(note(60), 0.0)
    assert not burst.admit(note(61), 10.0)  # there is room again, but the line comes first
    assert burst.summary(10.0, 0, "live") is not None
    assert burst.admit(note(62), 10.0)


@given(st.integers(1, 50), st.lists(st.floats(-5, 30, allow_nan=False), max_size=300))
def test_never_more_than_allowed_and_nothing_unaccounted(per_minute: int, steps: list[float]) -> None:
    burst, now, sent, told, lines = Burst(per_minute), 0.0, 0, 0, 0
    high = 0.0
    for n, step in enumerate(steps):
        now += step
        high = max(high, now)
        summary = burst.summary(now, n, "live")
        if summary is not None:
            told += summary.payload["suppressed"]
            lines += 1
        sent += burst.admit(note(n), now)
        assert sent + lines <= per_minute + high * per_minute / 60 + 1e-6
    last = burst.summary(now, 0, "live", last=True)
    told += last.payload["suppressed"] if last is not None else 0
    assert sent + told == len(steps)
    assert told == burst.suppressed
