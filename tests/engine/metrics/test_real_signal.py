"""Real books: what the queues say about the next move, against the plain count of how often they were right."""

from __future__ import annotations

import numpy as np

from engine.market import Market
from engine.metrics.microprice import MicroPrice
from engine.metrics.names import parse_metric, parse_metrics
from engine.metrics.next_move import QueueUp
from engine.metrics.signal import SignalCalculator
from engine.tape import Flag
from tests.connectors.archives.recordings import read
from tests.real_data import data_file

MINUTE = 60_000_000_000
NAMES = "micro,wmid,mid,queue_up,queue_skill,signal,skill,signal_auc,brier,signal_return(1s),return_skill(1s)"


def test_six_minutes_of_a_futures_market() -> None:
    got = read(data_file("binance_raw/usdm_ethusdt_20240808.gz"))
    ends = np.flatnonzero(got.rows["flags"] & Flag.LAST) + 1
    markets = []
    for size in (len(ends), 211):
        market = Market(got.instrument, metrics=parse_metrics(NAMES))
        for first in range(0, len(ends), size):
            begin = ends[first - 1] if first else 0
            market.apply(got.rows[begin : ends[min(first + size, len(ends)) - 1]])
        market.finish()
        markets.append(market)
    whole, cut = ({name: market.value(parse_metric(name)) for name in NAMES.split(",")} for market in markets)
    assert cut == whole

    queue = markets[0].calculators["queue_up"]
    assert isinstance(queue, QueueUp)
    report = queue.report(markets[0].t)
    assert report.weights["imbalance_1"] > 0.5  # a heavy bid speaks for up
    assert report.scored > 300
    assert report.skill == whole["queue_skill"]
    right = sum(b.count * (b.happened or 0) for b in report.calibration if b.low >= 0.5)
    right += sum(b.count * (1 - (b.happened or 0)) for b in report.calibration if b.high <= 0.5)
    assert right / report.scored > 0.55

    signal = markets[0].calculators["signal"]
    assert isinstance(signal, SignalCalculator)
    moves = signal.move_report(MINUTE, markets[0].t)
    assert moves is not None
    assert moves.skill is not None
    assert (whole["signal"] is None) == (moves.skill <= 0)
    assert moves.brier is not None
    assert moves.brier < 0.25

    micro = markets[0].calculators["micro"]
    assert isinstance(micro, MicroPrice)
    table = micro.table((markets[0].t // (60 * MINUTE) + 1) * 60 * MINUTE)  # once the hour is over
    assert table is not None
    assert (np.diff(table[0]) > 0).all()  # the more rests on the bid, the higher
