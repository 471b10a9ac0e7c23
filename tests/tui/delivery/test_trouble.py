"""Feed trouble is told when it has lasted, and its end too; however the tape is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tui.delivery.notification import Notification
from tui.delivery.trouble import EVERY, TroubleWatch


class Reader:
    """Trust by second."""

    def __init__(self, states: list[str | None]) -> None:
        self.states = states

    def trust(self, times: Any) -> tuple[list[str | None], list[str | None]]:
        book = [self.states[t // EVERY] for t in times.tolist()]
        return book, [None] * len(book)


def told(states: list[str | None], cuts: list[int], after: int = 3) -> list[tuple[str, int, int]]:
    notes: list[Notification] = []
    watch = TroubleWatch("binance:ETH/USDT", after * EVERY, "live", notes.append)
    reader: Any = Reader(states)
    edges = sorted({0, len(states), *(cut % (len(states) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        watch.take(np.arange(start, end, dtype=np.int64) * EVERY, end * EVERY, reader)
    return [(note.kind, note.payload["since"] // EVERY, note.t // EVERY) for note in notes]


def test_trouble_and_its_end() -> None:
    states = ["LIVE"] * 3 + ["RESYNC"] * 5 + ["LIVE"] * 6
    assert told(states, []) == [("trouble", 3, 6), ("recovered", 3, 11)]


def test_a_short_one_is_not_told_and_a_flapping_one_once() -> None:
    assert told(["LIVE", "RESYNC", "RESYNC", "LIVE"] * 5, []) == []
    flapping: list[str | None] = ["STALE"] * 5 + ["LIVE", "STALE"] * 10
    assert told(flapping, []) == [("trouble", 0, 3)]


def test_a_channel_that_is_not_there_is_no_trouble() -> None:
    assert told([None] * 20, []) == []


@given(
    st.lists(st.sampled_from(["LIVE", "UNVERIFIABLE", "RESYNC", "STALE", "WARMING", None]), max_size=60),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_it_does_not_depend_on_the_cut(states: list[str | None], cuts: list[int]) -> None:
    assert told(states, cuts) == told(states, [])
