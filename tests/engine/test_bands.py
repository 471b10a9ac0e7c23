"""What rests within distances of the mid, as calculators get it, against the book's own levels."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.instrument import Instrument
from engine.market import Market
from engine.metrics.depth import depth_at
from engine.metrics.names import parse_metric
from engine.news import BandNews
from engine.tape import NO_ASK, NO_BID
from tests.engine.metrics.list_book import ListBook
from tests.engine.tapes import INSTRUMENT, Recorder, fold_rows, push, random_messages, to_rows

DISTANCES = (Fraction(1, 2), Fraction(2), Fraction(10))
LOOSE = Instrument("test", "A/B", Decimal("0.01"), Decimal("0.001"), base="A", quote="B", fixed_tick=False)


@pytest.mark.parametrize("instrument", [INSTRUMENT, LOOSE], ids=["dense", "sparse"])
def test_bands_are_what_the_levels_say(instrument: Instrument) -> None:
    market, news = Market(instrument), BandNews(DISTANCES)
    wanted: dict[Fraction, list[tuple[int, int, int, int]]] = {bps: [] for bps in DISTANCES}
    for message in random_messages(2, 300):
        push(market, message)
        book = market.order_book
        valid = book.loaded and not book.crossed
        news.add(book, valid)
        for bps in DISTANCES:
            row = [0, 0, 0, 0]
            if valid and book.best_bid != NO_BID and book.best_ask != NO_ASK:
                mid = Fraction(book.best_bid + book.best_ask, 2)
                for i, side in enumerate((1, -1)):
                    levels = zip(*(column.tolist() for column in book.levels(side)), strict=True)
                    near = [(p, q) for p, q in levels if abs(p - mid) * 10_000 <= mid * bps]
                    row[i], row[2 + i] = sum(q for _, q in near), sum(p * q for p, q in near)
                    depth = depth_at(book, side, bps)
                    assert depth is not None
                    assert depth.lots == row[i]
            wanted[bps].append((row[0], row[1], row[2], row[3]))
    bands = news.take()
    for bps in DISTANCES:
        band = bands[bps]
        columns = (band.bid, band.ask, band.bid_money, band.ask_money)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == wanted[bps]
        assert len({*wanted[bps]}) > 50
    assert all(len(band.bid) == 0 for band in news.take().values())


def test_money_beyond_a_machine_word_stays_exact() -> None:
    price = 1 << 50
    book = ListBook([(price, 1 << 20), (price - 1, 3)], [(price + 1, 5)])
    news = BandNews((Fraction(1),))
    news.add(book, True)
    band = news.take()[Fraction(1)]
    assert band.bid_money.tolist() == [(price << 20) + 3 * (price - 1)]
    assert band.bid_money.dtype == object
    assert band.ask_money.tolist() == [5 * (price + 1)]
    assert band.ask_money.dtype == np.int64


def test_a_distance_asked_for_later_changes_no_other() -> None:
    rows = to_rows(random_messages(4))
    alone, beside = Recorder("resting(5bps,3s),depletion(5bps)"), Recorder("resting(5bps,3s),depletion(5bps)")
    fold_rows([rows], alone)
    market = Market(INSTRUMENT, [beside])
    ends = (np.flatnonzero(rows["flags"] & 1) + 1).tolist()
    market.apply(rows[: ends[200]])
    assert market.value(parse_metric("resting(50bps,3s)")) is None
    market.value(parse_metric("turnover(2bps,3s)"))
    market.apply(rows[ends[200] :])
    market.finish()
    assert beside.read == alone.read
    wide, narrow = (market.value(parse_metric(text)) for text in ("resting(50bps,3s)", "resting(5bps,3s)"))
    assert wide is not None
    assert narrow is not None
    assert wide >= narrow
