"""Several files and several markets as one archive."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from connectors.archives import open_archive
from connectors.archives.identity import from_native, from_tardis, from_user
from connectors.archives.merge import interleaved, stretches
from connectors.archives.rows import BAD, to_lots
from engine.feed import SourceError
from engine.instrument import Instrument
from engine.tape import ROW, Flag, Kind, Rows
from tests.connectors.archives.recordings import SYNCED, capture, depth, read, trade


def other(text: str) -> str:
    return text.replace("ethusdt", "bnbusdt").replace("ETHUSDT", "BNBUSDT")


def test_a_pair_over_midnight_is_one_tape(tmp_path: Path) -> None:
    first = capture(tmp_path / "z.gz", [*SYNCED, trade(4, 10, "100.00", "1")])
    second = capture(tmp_path / "a.gz", [depth(5, 107, 108, 106, [("99.00", "5")], []), trade(6, 11, "100.00", "1")])
    got = read(first, second, lot="0.001")
    assert got.book()[1] == {10000: 2000, 9999: 3000, 9900: 5000}
    assert [t[0] for t in got.trades()] == [10, 11]
    assert got.holes == []
    wrong = read(second, first, lot="0.001")
    assert any("time order" in n for n in wrong.notices)


def test_markets_take_turns_in_the_order_of_time(tmp_path: Path) -> None:
    a = capture(tmp_path / "a.gz", [trade(n * 10, n, "100.00", "1") for n in range(500)])
    b = capture(tmp_path / "b.gz", [other(trade(n * 10 + 5, n, "5.0", "1")) for n in range(500)])
    archive = open_archive([a, b])
    archive.turn_ns = 100_000_000
    assert archive.markets == ("binance:ETH/USDT:USDT", "binance:BNB/USDT:USDT")
    shown: dict[str, int] = {}
    counts = dict.fromkeys(archive.markets, 0)
    for chunk in archive.chunks(lambda *_: None):
        market = chunk.instrument.market
        shown[market] = int(chunk.rows["recv"][-1])
        counts[market] += int((chunk.rows["kind"] == Kind.TRADE).sum())
        assert max(shown.values()) - int(chunk.rows["recv"][0]) <= 200_000_000
    assert set(counts.values()) == {500}


def rows(*recv: int) -> Rows:
    made = np.zeros(len(recv), ROW)
    made["recv"], made["flags"] = recv, int(Flag.LAST)
    return made


def test_interleaving_keeps_each_stream_in_its_own_order() -> None:
    a, b = rows(1, 5, 4, 9), rows(2, 4, 6)
    a["id"], b["id"] = [1, 2, 3, 4], [11, 12, 13]
    merged = np.concatenate(list(interleaved([iter([a[:2], a[2:]]), iter([b])])))
    assert merged["id"].tolist() == [1, 11, 12, 2, 3, 13, 4]


def test_stretches_lose_nothing() -> None:
    rng = np.random.default_rng(3)
    streams = [np.sort(rng.integers(0, 10_000, n)) for n in (3000, 700, 0, 1)]
    pieces = [[rows(*s[i : i + 97].tolist()) for i in range(0, len(s), 97)] for s in streams]
    got: list[list[int]] = [[] for _ in streams]
    last = 0
    for parts in stretches([iter(p) for p in pieces], span_ns=50):
        assert parts
        low = min(int(r["recv"][0]) for _, r in parts)
        high = max(int(r["recv"][-1]) for _, r in parts)
        assert last <= low
        assert high - low <= 50
        last = high
        for i, r in parts:
            got[i] += r["recv"].tolist()
    assert got == [s.tolist() for s in streams]


def refusal(*paths: Path, **settings: object) -> str:
    with pytest.raises(SourceError) as caught:
        open_archive(list(paths), **settings)  # type: ignore[arg-type]
    return str(caught.value)


def test_what_does_not_go_together(tmp_path: Path) -> None:
    eth = capture(tmp_path / "eth.gz", SYNCED)
    bnb = capture(tmp_path / "bnb.gz", [other(x) for x in SYNCED])
    coin = capture(
        tmp_path / "coin.gz",
        [trade(0, 1, "1", "1").replace("ETHUSDT", "ETHUSD_PERP").replace("ethusdt", "ethusd_perp")],
    )
    csv = tmp_path / "ETHUSDT-trades.csv"
    csv.write_text("id,price,qty,quote_qty,time,is_buyer_maker\n1,2,3,6,1723161256000,true\n")
    assert "several markets" in refusal(eth, bnb, market="x:ETH/USDT")
    assert "given twice" in refusal(eth, eth)
    assert "not both" in refusal(eth, csv)
    assert "binance:ETH/USD:ETH" in refusal(coin, market="binance:ETH/USDT")
    assert "not a market name" in refusal(eth, market="ETHUSDT")
    assert "tick must be a positive number" in refusal(eth, tick=Decimal(0))
    assert "no file given" in refusal()


def test_the_market_that_the_user_names(tmp_path: Path) -> None:
    got = read(capture(tmp_path / "c.gz", SYNCED), market="mine:ETH/USD", tick="0.01", lot="0.001")
    assert (got.instrument.market, got.instrument.inferred) == ("mine:ETH/USD", False)
    assert got.book()[1] == {10000: 2000, 9999: 3000}, "the rule of the sequence is that of the file"


def test_names_of_markets() -> None:
    assert from_native("binance", "ETHFDUSD", "spot").symbol == "ETH/FDUSD"
    assert from_native("binance", "1000PEPEUSDT", "linear").symbol == "1000PEPE/USDT:USDT"
    assert from_native("binance", "BTCUSDT_240927", "linear").symbol == "BTC/USDT:USDT-240927"
    assert from_native("binance", "币安人生USDT", "spot").market
    assert from_tardis("coinbase", "BTC-USD").market == "coinbase:BTC/USD"
    assert from_tardis("deribit", "BTC-PERPETUAL").doubt
    assert from_user("binance:BTC/USD:BTC", None).contract == 100
    assert from_user("okx:BTC/USDT:USDT", Decimal("0.01")).contract == Decimal("0.01")
    with pytest.raises(ValueError, match="is not an exchange"):
        from_tardis("binance", "\x1b[31mX")


def test_sizes_to_lots_are_exact_or_refused() -> None:
    instrument = Instrument("x", "A/B", Decimal("0.01"), Decimal("0.001"))
    rng = np.random.default_rng(1)
    lots = np.concatenate((rng.integers(0, 1 << 49, 20_000), np.arange(20_000)))
    text = [f"{n // 1000}.{n % 1000:03d}" for n in lots.tolist()]
    assert np.array_equal(to_lots(np.array(text, np.float64), instrument), lots)
    bad = np.array([0.0015, -0.001, np.nan, np.inf, -np.inf, 1e300, 123456.7891])
    assert to_lots(bad, instrument).tolist() == [BAD] * len(bad)
