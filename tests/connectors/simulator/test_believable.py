"""What makes the simulated market worth looking at, with fixed seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from connectors.simulator import DEFAULT_SYMBOLS, SimulatedMarket
from connectors.simulator.phases import Phase
from engine.tape import Ints, Kind, Rows

SECOND = 1_000_000_000
SPAN = 1200


@dataclass(frozen=True)
class Run:
    """A run, with what the generator knows of it. Per step: end (ns), best bid and ask (ticks), phase."""

    market: SimulatedMarket
    trades: Rows
    ends: Ints
    bid: Ints
    ask: Ints
    bid_size: Ints  # lots at the touch
    ask_size: Ints
    bid_depth: Ints  # lots within 20 ticks
    ask_depth: Ints
    phases: list[Phase]

    def during(self, phase: Phase) -> tuple[slice, Rows]:
        """Steps and trades of a phase."""
        steps = slice(*np.searchsorted(self.ends, [phase.start, phase.end], side="right"))
        inside = slice(*np.searchsorted(self.trades["ts"], [phase.start, phase.end]))
        return steps, self.trades[inside]

    def named(self, name: str) -> list[Phase]:
        """All whole phases of a name."""
        return [p for p in self.phases[:-1] if p.name == name]


@cache
def run(symbol: str, seed: int = 1, seconds: int = SPAN) -> Run:
    """Rebuild touch and near depth from the rows alone."""
    market = SimulatedMarket(symbol, seed, 0)
    size = 1 << 18
    book = np.zeros((2, size), np.int64)
    trades, quotes, phases = [], [], [market.phase]
    rows = market.opening()
    touch = [0, 0]
    while market.now_ns < seconds * SECOND:
        levels = rows[rows["kind"] == Kind.LEVEL]
        if len(levels):
            for side, row in ((1, 0), (-1, 1)):
                mine = levels[levels["side"] == side]
                book[row, mine["px"]] = mine["qty"]
            if touch == [0, 0]:
                touch = [int(np.flatnonzero(book[0])[-1]), int(np.flatnonzero(book[1])[0])]
            near = 400
            low = touch[0] - near
            touch = [
                low + int(np.flatnonzero(book[0, low : touch[0] + near])[-1]),
                touch[1] - near + int(np.flatnonzero(book[1, touch[1] - near : touch[1] + near])[0]),
            ]
        bid, ask = touch
        depth = int(book[0, bid - 19 : bid + 1].sum()), int(book[1, ask : ask + 20].sum())
        quotes.append((market.now_ns, bid, ask, book[0, bid], book[1, ask], *depth))
        rows = market.step()
        trades.append(rows[rows["kind"] == Kind.TRADE])
        if market.phase is not phases[-1]:
            phases.append(market.phase)
    ends, bids, asks, *sizes = np.array(quotes, np.int64).T
    bid_size, ask_size, bid_depth, ask_depth = sizes
    return Run(market, np.concatenate(trades), ends, bids, asks, bid_size, ask_size, bid_depth, ask_depth, phases)


def imbalance(trades: Rows) -> float:
    """(buys - sells) / volume."""
    return float((trades["qty"] * trades["side"].astype(np.int64)).sum() / trades["qty"].sum())


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_arrivals_cluster(symbol: str) -> None:
    """Index of dispersion of counts (variance over mean; 1 for a Poisson process)."""
    ts = run(symbol).trades["ts"]
    for width, least in ((SECOND // 10, 2.0), (SECOND, 5.0)):
        counts = np.bincount(ts // width)
        assert counts.var() / counts.mean() > least


def test_rates() -> None:
    rate = {symbol: len(run(symbol).trades) / SPAN for symbol in DEFAULT_SYMBOLS}
    assert 10 < rate["BTC/USDT"] < 20
    assert rate["ETH/USDT"] < rate["BTC/USDT"]
    assert 4 < rate["SOL/USDT"] < rate["BTC/USDT"]
    assert np.bincount(run("BTC/USDT").trades["ts"] // SECOND).max() > 100


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_sizes_have_a_heavy_tail_and_round_numbers(symbol: str) -> None:
    qty = run(symbol).trades["qty"]
    assert np.percentile(qty, 99.9) / np.median(qty) > 50
    body = qty[qty >= 100]
    assert (body % 100 == 0).mean() > 0.05  # 1 in 100 by chance


def test_tail_reaches_far() -> None:
    qty = run("BTC/USDT", 5, 2400).trades["qty"]
    assert np.percentile(qty, 99.9) / np.median(qty) > 50


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_sweeps_take_several_levels_at_one_instant(symbol: str) -> None:
    trades = run(symbol).trades
    instants, first, fills = np.unique(trades["ts"], return_index=True, return_counts=True)
    assert (fills >= 5).sum() > 20
    big = int(np.argmax(fills))
    sweep = trades[first[big] : first[big] + fills[big]]
    assert len(np.unique(sweep["side"])) == 1
    assert len(np.unique(sweep["px"])) >= 5
    assert (np.diff(sweep["id"]) == 1).all()
    assert instants[big] == sweep["ts"][-1]


def test_orders_come_in_runs_of_one_side() -> None:
    """Signs of successive orders are correlated, also well apart (split orders)."""
    trades = run("BTC/USDT").trades
    _, first = np.unique(trades["ts"], return_index=True)
    sign = trades["side"][first].astype(float)
    sign -= sign.mean()
    for lag, least in ((1, 0.15), (20, 0.05)):
        assert np.mean(sign[lag:] * sign[:-lag]) / sign.var() > least


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_first_burst_comes_soon(symbol: str) -> None:
    for seed in range(10):
        market = SimulatedMarket(symbol, seed, 0)
        while market.phase.name != "burst":
            market.step()
        assert market.now_ns < 45 * SECOND


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
@pytest.mark.parametrize("seed", [1, 2])
def test_bursts_are_one_sided_and_move_the_price(symbol: str, seed: int) -> None:
    made = run(symbol, seed)
    bursts = made.named("burst")
    assert len(bursts) >= 4
    middle = made.bid + made.ask
    for burst in bursts:
        assert 10 <= (burst.end - burst.start) / SECOND <= 60
        steps, trades = made.during(burst)
        assert imbalance(trades) * burst.direction > 0.6
        assert (middle[steps][-1] - middle[steps][0]) * burst.direction > 0


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_the_book_speaks_before_and_during_bursts(symbol: str) -> None:
    """The side in the way thins out, the spread widens from one tick to several."""
    made = run(symbol)
    skew = (made.bid_depth - made.ask_depth) / (made.bid_depth + made.ask_depth)
    spread = made.ask - made.bid

    def mean(name: str, of: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return float(np.mean(np.concatenate([of[made.during(p)[0]] * p.direction for p in made.named(name)])))

    assert mean("pull", skew) > 0.1
    assert mean("burst", skew) > 0.3
    calm = np.concatenate([spread[made.during(p)[0]] for p in made.named("calm")])
    burst = np.concatenate([spread[made.during(p)[0]] for p in made.named("burst")])
    assert np.median(calm) == 1
    assert burst.mean() > 2.5 * calm.mean()


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_touch_imbalance_predicts_a_little(symbol: str) -> None:
    made = run(symbol)
    ahead = SECOND // made.market.profile.step_ns
    queue = (made.bid_size - made.ask_size) / (made.bid_size + made.ask_size)
    middle = made.bid + made.ask
    move = middle[ahead:] - middle[:-ahead]
    right = np.sign(queue[:-ahead]) == np.sign(move)
    assert 0.54 < right[move != 0].mean() < 0.8


def test_phases_alternate() -> None:
    names = [phase.name for phase in run("BTC/USDT", 5, 2400).phases]
    assert {"calm", "trend", "range", "quiet", "pull", "burst", "aftermath"} <= set(names)
    assert all(names[i - 1 : i + 2] == ["pull", "burst", "aftermath"] for i, n in enumerate(names[:-1]) if n == "burst")


def test_trends_trend_and_ranges_revert() -> None:
    """Direction of the move in trends; ranges end near where they began, for their length."""
    runs = [run(symbol) for symbol in DEFAULT_SYMBOLS] + [run("BTC/USDT", 5, 2400)]
    along, drift = [], {"trend": [], "range": []}  # type: ignore[var-annotated]
    for made in runs:
        middle = (made.bid + made.ask) / 2 * made.market.profile.tick_bps
        for name in drift:
            for phase in made.named(name):
                steps, _ = made.during(phase)
                moved = middle[steps][-1] - middle[steps][0]
                drift[name].append(abs(moved) / ((phase.end - phase.start) / SECOND) ** 0.5)
                if name == "trend":
                    along.append(moved * phase.direction > 0)
    assert np.mean(along) > 0.75
    assert np.mean(drift["range"]) < 0.5 * np.mean(drift["trend"])


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_quiet_spells_exist(symbol: str) -> None:
    gaps = np.diff(run(symbol).trades["ts"])
    assert gaps.max() > 3 * SECOND
    assert np.median(gaps) < SECOND / 4
