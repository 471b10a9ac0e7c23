"""When pictures leave: on links that are simulated exactly, with a clock of their own."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tui.driver.flow import LOST_S, MOST_UNDER_WAY, SILENT_S, TOKENS, Flow

STEP = 0.001


@dataclass
class Link:
    """Carries so many bytes a second, one after the other, and takes half of `round_trip` each way."""

    rate: float
    round_trip: float
    free_at: float = 0.0
    answers: list[tuple[float, int]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    most: int = 0

    def send(self, now: float, size: int, token: int | None, taken: float) -> None:
        """A picture of `size` bytes whose data were taken at `taken`."""
        self.free_at = max(now, self.free_at) + size / self.rate
        arrives = self.free_at + self.round_trip / 2
        self.ages.append(arrives - taken)
        if token is not None:
            heapq.heappush(self.answers, (arrives + self.round_trip / 2, token))


def play(link: Link, seconds: float, size: int, first: int = 6_000, hz: float = 10.0) -> Flow:
    """A program that draws `hz` times a second, its newest picture leaving whenever it may."""
    flow = Flow()
    heapq.heappush(link.answers, (link.round_trip, flow.begin(0.0)))
    waiting: float | None = None
    drawn = -1
    for n in range(round(seconds / STEP)):
        now = n * STEP
        while link.answers and link.answers[0][0] <= now:
            flow.answered(heapq.heappop(link.answers)[1], now)
        if int(now * hz) > drawn:
            drawn = int(now * hz)
            waiting = now
        if waiting is not None and flow.wait(now) <= 0:
            token = flow.next_token(now)
            sent = first if not link.ages else size
            link.send(now, sent, token, waiting)
            flow.sent(token, sent, now)
            waiting = None
        link.most = max(link.most, flow.under_way)
    return flow


def test_a_fast_link_takes_every_picture() -> None:
    link = Link(1e9, 0.001)
    flow = play(link, 20, 700)
    assert len(link.ages) >= 199
    assert max(link.ages) <= 0.005
    assert flow.round_trip == pytest.approx(0.001, abs=0.002)


@pytest.mark.parametrize(("rate", "size", "most"), [(25_000, 900, 0.160), (10_000, 900, 0.320), (4_000, 900, 0.650)])
def test_a_picture_does_not_grow_old_in_the_link(rate: float, size: int, most: float) -> None:
    link = Link(rate, 0.15)
    flow = play(link, 60, size)
    assert link.most <= MOST_UNDER_WAY
    settled = sorted(link.ages[len(link.ages) // 4 :])
    # Half the way, the bytes themselves, and at most a tenth of a second until the next is drawn.
    assert settled[len(settled) * 95 // 100] <= most
    possible = min(10.0, rate / size)
    assert len(link.ages) / 60 >= 0.75 * possible
    assert flow.lost == 0
    if possible < 10:
        assert flow.bytes_per_s == pytest.approx(rate, rel=0.25)


def test_a_long_way_is_used_by_two_pictures_at_most() -> None:
    link = Link(1e6, 1.0)
    play(link, 30, 700)
    assert link.most == MOST_UNDER_WAY
    assert len(link.ages) / 30 == pytest.approx(2.0, abs=0.3)


def test_a_terminal_that_never_answers() -> None:
    flow = Flow()
    flow.begin(0.0)
    for now in (0.1, 0.2):
        assert flow.wait(now) == 0
        flow.sent(flow.next_token(now), 500, now)
    assert 0 < flow.wait(0.3) <= SILENT_S
    assert flow.wait(SILENT_S + 0.01) == 0
    assert flow.answers is False
    assert flow.next_token(SILENT_S + 0.01) is None
    assert flow.answered(0, 1.5)  # it was only far away
    assert flow.answers is True
    assert flow.next_token(1.5) is not None


def test_what_is_lost_is_given_up_and_the_wait_grows() -> None:
    flow = Flow()
    flow.begin(0.0)
    assert flow.answered(0, 0.05)
    now, waits = 1.0, []
    for _ in range(3):
        flow.sent(flow.next_token(now), 100, now)
        flow.sent(flow.next_token(now), 100, now)
        wait = flow.wait(now)
        assert not flow.overdue(now + wait - 0.01)
        now += wait
        assert flow.overdue(now)
        waits.append(wait)
    assert waits == pytest.approx([LOST_S, 2 * LOST_S, 4 * LOST_S])
    assert flow.lost == 6
    assert flow.answers is False
    assert not flow.answered(3, now)
    assert flow.answers is True, "an old answer still shows that it answers"


def test_answers_to_nothing_of_ours() -> None:
    flow = Flow()
    flow.begin(0.0)
    flow.answered(0, 0.1)
    assert not flow.answered(5, 0.2)
    flow.sent(flow.next_token(0.2), 100, 0.2)
    assert flow.under_way == 1
    assert flow.answered(1, 0.3)
    assert flow.under_way == 0


def test_tokens_tell_pictures_apart() -> None:
    flow = Flow()
    flow.begin(0.0)
    flow.answered(0, 0.0)
    seen = []
    for n in range(2 * TOKENS):
        token = flow.next_token(float(n))
        assert token is not None
        seen.append(token)
        flow.sent(token, 10, float(n))
        assert flow.answered(token, n + 0.1)
    assert sorted(set(seen)) == list(range(TOKENS))
    assert all(a != b for a, b in pairwise(seen))
