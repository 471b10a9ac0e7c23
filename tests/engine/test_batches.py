"""What the fold hands to calculators that want more than the touch: ladders, level changes, message numbers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from engine.market import Market
from engine.metrics.batch import Batch, Floats
from engine.metrics.names import Metric
from engine.metrics.spec import Bound, MetricSpec
from engine.tape import NO_ASK, NO_BID, Ints
from tests.engine.tapes import INSTRUMENT, message_cuts, push, random_messages, to_rows

DEPTH = 3


class Capture:
    """A calculator that keeps every batch."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def update(self, batch: Batch) -> None:
        self.batches.append(batch)

    def sample(self, field: str, times: Ints) -> Floats:
        return np.full(len(times), np.nan)

    def advance(self, t: int) -> None:
        assert t >= 0

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        assert state == {}

    def whole(self) -> dict[str, Any]:
        """All batches as one."""
        parts: dict[str, list[Any]] = {}
        for batch in self.batches:
            columns = {f"trade {n}": getattr(batch.trades, n) for n in ("t", "px", "qty", "side", "seq")}
            columns |= {
                f"quote {n}": getattr(batch.quotes, n) for n in ("t", "bid", "ask_qty", "valid", "epoch", "seq")
            }
            ladder, changes = batch.ladders[DEPTH], batch.changes
            columns |= {f"ladder {n}": getattr(ladder, n) for n in ("bid_px", "bid_qty", "ask_px", "ask_qty")}
            columns |= {
                f"change {n}": getattr(changes, n) for n in ("t", "seq", "epoch", "side", "px", "before", "after")
            }
            for name, column in columns.items():
                parts.setdefault(name, []).extend(column.tolist())
        return parts


def market() -> tuple[Market, Capture]:
    capture = Capture()
    bound = Bound(share="capture", make=lambda _: capture, field="x", ladders=(DEPTH,), changes=True)
    spec = MetricSpec("capture", (), "", "", "", lambda: bound, "")
    made = Market(INSTRUMENT, metrics=[Metric("capture", "capture", (), "capture", spec)])
    return made, capture


@pytest.mark.parametrize("seed", range(3))
def test_the_same_by_rows_by_messages_and_however_cut(seed: int) -> None:
    messages, rng = random_messages(seed, 300), random.Random(seed)
    rows = to_rows(messages)
    whole, capture = market()
    whole.apply(rows)
    expected = capture.whole()
    assert len(expected["change px"]) > 100
    for longest in (1, 5, 60):
        cut, other = market()
        for piece in message_cuts(rows, lambda longest=longest: rng.randrange(0, longest + 1)):
            cut.apply(piece)
        assert other.whole() == expected
    live, other = market()
    for message in messages:
        push(live, message)
        if rng.random() < 0.1:
            live.flush()
    live.flush()
    assert other.whole() == expected
    assert expected["quote seq"] == sorted(expected["quote seq"])
    assert len(set(expected["trade seq"])) == len(expected["trade seq"])
    assert not set(expected["trade seq"]) & set(expected["quote seq"])


def test_ladders_and_changes_say_what_a_dictionary_says() -> None:
    made, capture = market()
    books: dict[int, dict[int, int]] = {1: {}, -1: {}}
    loaded, changes, ladders = False, [], []
    for message in random_messages(7, 300):
        name, args = message
        push(made, message)
        lost = name == "status" and args[2] == 1 and args[3] not in (2, 7)
        if lost:
            books, loaded = {1: {}, -1: {}}, False
        elif name == "snapshot":
            books, loaded = {1: {}, -1: {}}, True
        if name in ("book", "snapshot") and loaded:
            for side, levels in ((1, args[3]), (-1, args[4])):
                for text, size in levels:
                    px, lots = INSTRUMENT.ticks(text), round(size * 1000)
                    if name == "book":
                        changes.append((side, px, books[side].get(px, 0), lots))
                    books[side][px] = lots
            held = {side: {px: lots for px, lots in levels.items() if lots} for side, levels in books.items()}
            ladders.append((sorted(held[1].items(), reverse=True)[:DEPTH], sorted(held[-1].items())[:DEPTH]))
        elif lost or (name == "status" and args[2] == 1 and loaded):
            ladders.append(ladders[-1] if not lost else ([], []))
    made.flush()
    seen = capture.whole()
    assert list(zip(*(seen[f"change {n}"] for n in ("side", "px", "before", "after")), strict=True)) == changes

    def levels(px: list[int], qty: list[int], missing: int) -> list[tuple[int, int]]:
        return [(p, q) for p, q in zip(px, qty, strict=True) if p != missing]

    found = [
        (levels(bp, bq, NO_BID), levels(ap, aq, NO_ASK))
        for bp, bq, ap, aq in zip(
            *(seen[f"ladder {n}"] for n in ("bid_px", "bid_qty", "ask_px", "ask_qty")), strict=True
        )
    ]
    assert found == ladders
