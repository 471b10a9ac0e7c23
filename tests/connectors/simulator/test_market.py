"""The rows of a simulated market: repeatable, and consistent with themselves."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from connectors.simulator import DEFAULT_SYMBOLS, SimulatedMarket
from connectors.simulator.market import MAX_LATENCY_NS
from engine.tape import Channel, Flag, Kind, Reason, Rows, Trust

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def tape(symbol: str, seconds: int, seed: int = 1, start: int = START) -> Rows:
    """Opening and steps of the first seconds."""
    market = SimulatedMarket(symbol, seed, start)
    rows = [market.opening()]
    while market.now_ns < start + seconds * SECOND:
        rows.append(market.step())
    return np.concatenate(rows)


def test_same_seed_gives_the_same_bytes() -> None:
    assert tape("BTC/USDT", 60).tobytes() == tape("sim:btc/usdt", 60).tobytes()


def test_seeds_and_symbols_differ() -> None:
    tapes = {tape(symbol, 5, seed).tobytes() for symbol in ("BTC/USDT", "ETH/USDT") for seed in (1, 2)}
    assert len(tapes) == 4


def test_the_start_only_shifts_times() -> None:
    one, other = tape("SOL/USDT", 60), tape("SOL/USDT", 60, start=START + 12_345_678_901)
    for field in ("recv", "ts"):
        other[field] -= 12_345_678_901
    assert one.tobytes() == other.tobytes()


def test_markets_do_not_disturb_each_other() -> None:
    alone = tape("ETH/USDT", 10)
    market, noise = SimulatedMarket("ETH/USDT", 1, START), SimulatedMarket("BTC/USDT", 1, START)
    rows = [market.opening()]
    while market.now_ns < START + 10 * SECOND:
        noise.step()
        rows.append(market.step())
    assert np.concatenate(rows).tobytes() == alone.tobytes()


@pytest.mark.parametrize("symbol", [*DEFAULT_SYMBOLS, "WIF/USDT", "ETH/BTC"])
@pytest.mark.parametrize("seed", [1, 2])
def test_book_and_trades_agree(symbol: str, seed: int) -> None:
    """A dict book rebuilt from the messages is never crossed, and every trade was for sale in it."""
    rows = tape(symbol, 60, seed)
    book: dict[int, dict[int, int]] = {1: {}, -1: {}}
    taken: dict[tuple[int, int], int] = defaultdict(int)
    trades = messages = 0
    furthest: dict[int, int] = {}
    for _, ts, _, px, qty, _, kind, flags, side, _ in rows.tolist():
        if kind == Kind.SNAPSHOT:
            book = {1: {}, -1: {}}
        elif kind == Kind.LEVEL:
            assert qty >= 0
            assert px > 0
            if qty:
                book[side][px] = qty
            else:
                del book[side][px]  # only what is there is deleted
            if flags & Flag.LAST:
                messages += 1
                taken.clear()
                furthest.clear()
                assert max(book[1]) < min(book[-1]), ts
                assert min(len(book[1]), len(book[-1])) > 150
        elif kind == Kind.TRADE:
            trades += 1
            assert qty > 0
            assert side in (1, -1)
            assert flags == Flag.LAST
            # Everything better must be gone: sold since the last message.
            for better in (p for p in book[-side] if (px - p) * side > 0):
                assert taken[-side, better] == book[-side][better], "traded through"
            taken[-side, px] += qty
            assert taken[-side, px] <= book[-side][px], "more traded than was there"
            assert (px - furthest.get(side, px)) * side >= 0
            furthest[side] = px
    assert trades > 50
    assert messages > 300


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_order_of_times_and_ids(symbol: str) -> None:
    rows = tape(symbol, 200)
    assert (np.diff(rows["ts"]) >= 0).all()
    assert (np.diff(rows["recv"]) >= 0).all()
    latency = rows["recv"] - rows["ts"]
    assert latency.min() >= 2_000_000
    assert latency.max() <= MAX_LATENCY_NS
    assert len(np.unique(latency)) > 1000
    trades = rows[rows["kind"] == Kind.TRADE]
    assert (np.diff(trades["id"]) == 1).all()
    levels = rows[(rows["kind"] == Kind.LEVEL)]
    ends = (levels["flags"] & Flag.LAST) > 0
    sequence = levels["id"][ends]
    assert (np.diff(sequence) == 1).all()
    # A message has one sequence number, one time, and its last row alone says so.
    starts = np.r_[0, np.flatnonzero(ends)[:-1] + 1]
    assert (levels["id"][starts] == sequence).all()
    assert (levels["ts"][starts] == levels["ts"][ends]).all()


def test_steps_keep_to_their_time() -> None:
    market = SimulatedMarket("BTC/USDT", 3, START)
    market.opening()
    for _ in range(500):
        begin = market.now_ns
        rows = market.step()
        assert market.now_ns == begin + market.profile.step_ns
        assert ((rows["ts"] >= begin) & (rows["ts"] < market.now_ns)).all()


def test_opening_tells_volume_book_and_trust() -> None:
    market = SimulatedMarket("BTC/USDT", 1, START)
    rows = market.opening()
    kinds = rows["kind"].tolist()
    assert kinds[:2] == [Kind.DAY_VOLUME, Kind.SNAPSHOT]
    assert kinds[-2:] == [Kind.STATUS, Kind.STATUS]
    assert set(kinds[2:-2]) == {Kind.LEVEL}
    assert set(rows["channel"][-2:].tolist()) == {Channel.BOOK, Channel.TRADES}
    assert set(rows["aux"][-2:].tolist()) == {Trust.LIVE | Reason.NONE << 8}
    levels = rows[2:-2]
    bids, asks = levels[levels["side"] == 1], levels[levels["side"] == -1]
    assert min(len(bids), len(asks)) > 400
    assert set(levels["id"].tolist()) == {rows["id"][1]}
    assert (levels["flags"][:-1] == 0).all()
    assert levels["flags"][-1] == Flag.LAST
    # The depth that is known reaches further than the price can go.
    middle = asks["px"].min()
    assert bids["px"].min() < 0.8 * middle
    assert asks["px"].max() > 1.25 * middle
    # Small at the touch, a hump behind it, thinner again far out: sums over 20 levels.
    sizes = asks["qty"][np.argsort(asks["px"])]
    assert sizes[:20].sum() < sizes[30:50].sum()
    assert sizes[280:300].sum() < sizes[30:50].sum()


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_day_volume_fits_what_is_traded(symbol: str) -> None:
    """It is of the right order, and 50 buckets of adv/5000 fill in minutes."""
    market = SimulatedMarket(symbol, 1, START)
    day = int(market.opening()["qty"][0])
    filled, bucket = 0, day // 5000
    while filled < 50 * bucket:
        rows = market.step()
        filled += int(rows["qty"][rows["kind"] == Kind.TRADE].sum())
    minutes = (market.now_ns - START) / SECOND / 60
    assert 2 < minutes < 8


def test_quiet_seconds_have_clock_rows() -> None:
    rows = tape("ETH/USDT", 700)
    clocks = rows[rows["kind"] == Kind.CLOCK]
    assert len(clocks) >= 2
    assert np.diff(rows["ts"]).max() < 1.2 * SECOND
