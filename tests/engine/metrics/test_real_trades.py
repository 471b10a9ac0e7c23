"""Flow, VWAP and profile of real trades against sums over the file's own text."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from engine.instrument import Instrument
from engine.metrics.flow import FlowCalculator
from engine.metrics.profile import Profile
from engine.metrics.spec import Context
from engine.metrics.vwap import VwapCalculator
from tests.engine.metrics.cuts import Event, Fill, fold
from tests.real_data import data_file

CONTEXT = Context(Instrument("binance", "LTC/USDT", Decimal("0.01"), Decimal("0.001"), base="LTC", quote="USDT"))


def test_a_real_afternoon() -> None:
    with gzip.open(data_file("ltcusdt_trades/LTCUSDT_2025-06-21_15h_trades.csv.gz"), "rt", newline="") as file:
        trades = sorted(csv.DictReader(file), key=lambda row: int(row["tradeId"]))[:6_000]
    events: list[Event] = []
    net = volume = money = square = Decimal(0)
    at_price: Counter[Decimal] = Counter()
    clock = 0
    for row in trades:
        price, size = Decimal(row["price"]), Decimal(row["quantity"])
        side = {"buy": 1, "sell": -1}[row["side"].lower()]
        clock = max(clock, int(row["timestamp"]) * 1_000_000)
        lots, ticks = CONTEXT.instrument.lots(row["quantity"]), CONTEXT.instrument.ticks(row["price"])
        events.append(Fill(clock, lots, side, ticks))
        net += side * size
        volume += size
        money += price * size
        square += price * price * size
        at_price[price] += int(size * 1000)
    assert events[0].t // 86_400_000_000_000 == clock // 86_400_000_000_000
    end = np.array([clock], np.int64)
    cuts = list(range(0, len(events), 997))
    fields = ["cvd:session", "volume:start", "volume_quote:session", "trades:session"]
    flow = fold(lambda: FlowCalculator(CONTEXT), events, cuts, fields, end)
    assert [flow[f][0] for f in fields] == [float(net), float(volume), float(money), len(trades)]
    vwap = fold(lambda: VwapCalculator(CONTEXT), events, cuts, ["vwap:session", "band:session:1.0"], end)
    mean = money / volume
    assert vwap["vwap:session"][0] == pytest.approx(float(mean), rel=1e-15)
    sigma = (square / volume - mean * mean).sqrt()
    assert vwap["band:session:1.0"][0] == pytest.approx(float(mean + sigma), rel=1e-13)
    profile = fold(lambda: Profile(CONTEXT), events, cuts, ["poc:1"], end)
    assert at_price[Decimal(f"{profile['poc:1'][0]:.2f}")] == max(at_price.values())
