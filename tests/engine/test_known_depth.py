"""How far a book is known, when its stream holds all of it, the best levels, or what its snapshot reached."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.book import TickBook
from engine.instrument import Instrument
from engine.metrics.depth import beyond_horizon
from engine.sparse_book import SparseBook
from tests.engine.tapes import INSTRUMENT

SPARSE = replace(INSTRUMENT, fixed_tick=False)


def book(instrument: Instrument, depth: int | None) -> TickBook | SparseBook:
    kind = TickBook if instrument.fixed_tick else SparseBook
    made = kind(replace(instrument, book_depth=depth))
    bids = [(f"{10 - i / 100:.2f}", 1.0) for i in range(1, 6)]
    asks = [(f"{10 + i / 100:.2f}", 1.0) for i in range(1, 6)]
    made.replace(bids, asks)
    return made


@pytest.mark.parametrize("instrument", [INSTRUMENT, SPARSE], ids=["dense", "sparse"])
def test_the_horizon(instrument: Instrument) -> None:
    reached = book(instrument, None)
    assert (reached.known_low, reached.known_high) == (995, 1005)
    # A new low of the market: the best levels move with it, the snapshot's reach does not.
    window = book(instrument, 5)
    assert (window.known_low, window.known_high) == (995, 1005)
    for each in (reached, window):
        each.update([("9.99", 0.0), ("9.94", 2.0)], [("10.00", 3.0), ("10.05", 0.0)])
    assert (reached.known_low, reached.known_high) == (995, 1005)
    assert (window.known_low, window.known_high) == (994, 1004)
    assert beyond_horizon(window, -1, 1005)
    assert not beyond_horizon(window, -1, 1004)
    # Fewer levels than the stream could hold: these are all there are.
    window.update([], [("10.04", 0.0)])
    assert window.known_high is None
    assert not beyond_horizon(window, -1, 5_000)
    unknown = book(instrument, -1)
    unknown.update([("9.95", 0.0)], [("10.09", 1.0)])
    assert (unknown.known_low, unknown.known_high) == (996, 1009)
    whole = book(instrument, 0)
    assert (whole.known_low, whole.known_high) == (None, None)
    whole.clear()
    window.clear()
    assert (window.known_low, window.known_high) == (None, None)
