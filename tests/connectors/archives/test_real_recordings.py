"""Real recordings against independent sums and against the exchange's own best bid and offer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from connectors.archives import open_archive
from connectors.binance.messages import BookTicker
from engine.instrument import Instrument
from engine.tape import Flag, Kind, Rows, Trust
from tests.connectors.archives.recordings import read
from tests.real_data import data_dir, data_file

RECORDINGS = {
    "usdm_pair": ["usdm_ethusdt_20240718.gz", "usdm_ethusdt_20240719.gz"],
    "usdm": ["usdm_ethusdt_20240808.gz"],
    "spot_pair": ["spot_ethusdt_20240808.gz", "spot_ethusdt_20240809.gz"],
    "coin_pair": ["cm_ethusd_perp_20240808.gz", "cm_ethusd_perp_20240809.gz"],
}
MARKETS = {
    "usdm_pair": ("binance:ETH/USDT:USDT", 1, 13_655),
    "usdm": ("binance:ETH/USDT:USDT", 1, 14_076),
    "spot_pair": ("binance:ETH/USDT", 1, 14_515),
    "coin_pair": ("binance:ETH/USD:ETH", 10, 3_595),
}


def files(name: str) -> list[Path]:
    return [data_file(f"binance_raw/{name}") for name in RECORDINGS[name]]


def lines(paths: list[Path]) -> Iterator[dict[str, object]]:
    for path in paths:
        with gzip.open(path, "rt") as file:
            for text in file:
                yield json.loads(text.partition(" ")[2])


@pytest.mark.parametrize("name", RECORDINGS)
def test_trades_equal_an_independent_sum(name: str) -> None:
    paths = files(name)
    count, volume, signed, first, last = 0, Decimal(0), Decimal(0), None, 0
    for frame in lines(paths):
        if str(frame.get("stream", "")).endswith("@trade"):
            data: dict[str, object] = frame["data"]  # type: ignore[assignment]
            size = Decimal(str(data["q"]))
            count, volume = count + 1, volume + size
            signed += -size if data["m"] else size
            first, last = first or data["t"], data["t"]  # type: ignore[assignment]
    got = read(*paths)
    trades = got.of(Kind.TRADE)
    market, contract, known = MARKETS[name]
    lot = got.instrument.lot
    assert len(trades) == count == known
    assert int(trades["qty"].sum()) * lot == volume
    assert int((trades["qty"] * trades["side"]).sum()) * lot == signed
    assert (int(trades["id"][0]), int(trades["id"][-1])) == (first, last)
    assert got.holes == []
    assert not (trades["flags"] & Flag.NOT_FLOW).any()
    assert (got.instrument.market, got.instrument.contract, str(got.instrument.tick)) == (market, contract, "0.01")
    assert np.median(trades["recv"] - trades["ts"]) < -1_000_000_000, "the receive clock runs behind: kept as it is"
    assert [s[1] for s in got.statuses if s[0] == 1] == [Trust.WARMING, Trust.LIVE], "no gap, also over midnight"
    assert not [n for n in got.notices if "skipped" in n]


@dataclass
class _Oracle:
    """A book of plain dicts and the best bid and offer after every message, by update number."""

    instrument: Instrument | None = None
    sides: dict[int, dict[int, int]] = field(default_factory=lambda: {1: {}, -1: {}})
    updates: list[int] = field(default_factory=list)
    tops: list[tuple[int, int, int, int]] = field(default_factory=list)

    def fold(self, rows: Rows) -> None:
        for kind, number, side, px, qty, flags in zip(
            *(rows[name].tolist() for name in ("kind", "id", "side", "px", "qty", "flags")), strict=True
        ):
            if kind == Kind.SNAPSHOT:
                self.sides = {1: {}, -1: {}}
            elif kind == Kind.LEVEL:
                if qty:
                    self.sides[side][px] = qty
                else:
                    self.sides[side].pop(px, None)
                if flags & Flag.LAST:
                    bid, ask = max(self.sides[1]), min(self.sides[-1])
                    self.updates.append(number)
                    self.tops.append((bid, self.sides[1][bid], ask, self.sides[-1][ask]))


def agreement(name: str) -> tuple[int, int, int, int]:
    """(messages compared, equal, bookTickers that share a message's update number, of them equal).

    Every change of the best bid or offer is a bookTicker of its own, so after a message the book's
    top is the newest bookTicker up to the message's update number.
    """
    tickers: list[BookTicker] = []
    oracle = _Oracle()
    for chunk in open_archive(files(name), on_ticker=lambda _recv, t: tickers.append(t)).chunks(lambda *_: None):
        oracle.instrument = chunk.instrument
        oracle.fold(chunk.rows)
    instrument = oracle.instrument
    assert instrument is not None
    tickers.sort(key=lambda t: t.update)
    numbers = np.array([t.update for t in tickers])
    lot = float(instrument.lot)
    tops = [
        (instrument.ticks(t.bid), round(t.bid_size / lot), instrument.ticks(t.ask), round(t.ask_size / lot))
        for t in tickers
    ]
    compared = equal = shared = shared_equal = 0
    for update, top in zip(oracle.updates, oracle.tops, strict=True):
        at = int(np.searchsorted(numbers, update, "right")) - 1
        if at < 0:
            continue
        compared += 1
        equal += tops[at] == top
        if numbers[at] == update:
            shared += 1
            shared_equal += tops[at] == top
    return compared, equal, shared, shared_equal


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_book_equals_the_exchanges_own_best_bid_and_offer(name: str) -> None:
    compared, equal, shared, shared_equal = agreement(name)
    print(f"{name}: {equal} of {compared} messages equal; at the same update number {shared_equal} of {shared}")
    assert compared > 5000
    assert equal >= 0.9999 * compared
    assert shared_equal == shared > 500


def test_the_second_file_of_a_pair_alone_shows_trades_and_no_book() -> None:
    got = read(data_file("binance_raw/spot_ethusdt_20240809.gz"))
    assert len(got.of(Kind.TRADE)) == 8_409
    assert len(got.of(Kind.LEVEL)) == 0
    assert any("no book snapshot" in n for n in got.notices)


def test_trades_of_a_day_and_their_holes() -> None:
    data_file("ltcusdt_trades")
    paths = sorted((data_dir() / "ltcusdt_trades").glob("*.csv.gz"))
    want: list[tuple[int, str, str, str]] = []
    for path in paths:
        with gzip.open(path, "rt") as file:
            for text in list(file)[1:]:
                _, price, size, side, trade_id = text.strip().split(",")
                want.append((int(trade_id), price, size, side))
    want.sort()
    got = read(*reversed(paths))
    trades = got.of(Kind.TRADE)
    ids = [t[0] for t in want]
    assert trades["id"].tolist() == ids
    assert int(trades["qty"].sum()) * got.instrument.lot == sum(Decimal(t[2]) for t in want)
    assert int(trades["px"].sum()) * got.instrument.tick == sum(Decimal(t[1]) for t in want)
    assert trades["side"].tolist() == [1 if t[3] == "buy" else -1 for t in want]
    assert got.holes == [(a + 1, b - a - 1) for a, b in pairwise(ids) if b - a > 1]
    large = got.of(Kind.HOLE)
    (at,) = np.flatnonzero(large["qty"] == 117)
    seconds = int(large["ts"][at]) // 1_000_000_000 % 86_400
    assert (seconds // 3600, seconds // 60 % 60, seconds % 60) == (18, 19, 14)
    assert got.instrument.market == "binance:LTC/USDT"
