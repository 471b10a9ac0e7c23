"""Real recorded sessions against a plain reading of the same lines, and against the best bid and offer in them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import zstandard

from engine.tape import Channel, Flag, Kind, Reason, Rows, Trust
from tests.connectors.archives.sessions import Got, dict_book, read_all
from tests.real_data import data_file


def messages(name: str) -> Iterator[tuple[float, dict[str, Any]]]:
    """(receive time, message) of every line that was received."""
    with data_file(f"sessions/{name}").open("rb") as file:
        for line in zstandard.ZstdDecompressor().stream_reader(file).read().splitlines():
            entry = json.loads(line)
            if entry["t"] == "recv":
                yield entry["ts"], json.loads(entry["data"])


def agreement(rows: Rows) -> tuple[int, int]:
    """Trades whose side agrees, and disagrees, with the book on the tape before them: buyers pay the ask."""
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    agree = disagree = 0
    for r in rows:
        if r["kind"] == Kind.SNAPSHOT:
            sides = {1: {}, -1: {}}
        elif r["kind"] == Kind.LEVEL:
            if r["qty"]:
                sides[int(r["side"])][int(r["px"])] = 1
            else:
                sides[int(r["side"])].pop(int(r["px"]), None)
        elif r["kind"] == Kind.TRADE and not r["flags"] & Flag.REPLAYED and sides[1] and sides[-1]:
            twice_mid = max(sides[1]) + min(sides[-1])
            right = (2 * int(r["px"]) - twice_mid) * int(r["side"])
            agree, disagree = agree + (right > 0), disagree + (right < 0)
    return agree, disagree


def crossed(got: Got, market: str) -> int:
    """Book messages after which the best bid is not below the best ask."""
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    found = 0
    for r in got.rows[market]:
        if r["kind"] == Kind.SNAPSHOT:
            sides = {1: {}, -1: {}}
        elif r["kind"] == Kind.LEVEL:
            if r["qty"]:
                sides[int(r["side"])][int(r["px"])] = 1
            else:
                sides[int(r["side"])].pop(int(r["px"]), None)
            if r["flags"] & Flag.LAST and sides[1] and sides[-1]:
                found += max(sides[1]) >= min(sides[-1])
    return found


def test_bybit_books_and_trades_equal_a_plain_reading() -> None:
    got = read_all(data_file("sessions/bybit.jsonl.zst"))
    books: dict[str, tuple[dict[str, Decimal], dict[str, Decimal]]] = {}
    signed: dict[str, Decimal] = {}
    counts: dict[str, int] = {}
    for _, m in messages("bybit.jsonl.zst"):
        topic = m.get("topic", "")
        if topic.startswith("orderbook."):
            symbol = m["data"]["s"]
            if m["type"] == "snapshot":
                books[symbol] = ({}, {})
            for side, levels in zip(books[symbol], (m["data"]["b"], m["data"]["a"]), strict=True):
                for price, size in levels:
                    side[price] = Decimal(size)
        elif topic.startswith("publicTrade."):
            for t in m["data"]:
                sign = 1 if t["S"] == "Buy" else -1
                signed[t["s"]] = signed.get(t["s"], Decimal(0)) + sign * Decimal(t["v"])
                counts[t["s"]] = counts.get(t["s"], 0) + 1
    names = {"BTCUSDT": "BTC", "ETHUSDT": "ETH", "SOLUSDT": "SOL", "DOGEUSDT": "DOGE"}
    assert {native: f"bybit:{base}/USDT:USDT" for native, base in names.items()} == {
        i.native: market for market, i in got.instruments.items()
    }
    for native, base in names.items():
        market = f"bybit:{base}/USDT:USDT"
        instrument = got.instruments[market]
        for mine, theirs in zip(dict_book(got.rows[market]), books[native], strict=True):
            assert mine == {instrument.ticks(p): instrument.lots(str(s)) for p, s in theirs.items() if s}
        assert len(got.kind(market, Kind.TRADE)) == counts[native]
        assert got.signed(market) == pytest.approx(float(signed[native]), abs=1e-9)
        assert got.statuses(market, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)], "no gap"
        assert (got.holes(market), crossed(got, market), instrument.inferred) == ([], 0, False)
    total = [agreement(got.rows[market]) for market in got.rows]
    assert sum(a for a, _ in total) >= 20 * max(1, sum(d for _, d in total)), "`S` is the taker's side"
    assert got.notices == []


def test_hyperliquid_history_is_no_flow_and_sides_agree_with_the_book() -> None:
    path = data_file("sessions/hyperliquid_btcusd_20250126.gz")
    got = read_all(path)
    market = "hyperliquid:BTC/USDC:USDC"
    assert list(got.rows) == [market]
    trades, books, last = [], 0, {}
    with gzip.open(path) as lines:
        for line in lines:
            m = json.loads(line.partition(b" ")[2])
            if m["channel"] == "trades":
                trades.append(m["data"])
            else:
                books, last = books + 1, m["data"]
    mine = got.kind(market, Kind.TRADE)
    replayed = mine[mine["flags"] & Flag.REPLAYED != 0]
    assert len(replayed) == len(trades[0]) == 30
    assert len(mine) == sum(map(len, trades))
    flow = sum(Decimal(t["sz"]) * (1 if t["side"] == "B" else -1) for part in trades[1:] for t in part)
    assert got.signed(market) == pytest.approx(float(flow), abs=1e-9)
    instrument = got.instruments[market]
    for side, levels in zip(dict_book(got.rows[market]), last["levels"], strict=True):
        assert side == {instrument.ticks(x["px"]): instrument.lots(x["sz"]) for x in levels}
    assert len(got.kind(market, Kind.SNAPSHOT)) == books
    assert got.statuses(market, Channel.BOOK) == [(Trust.UNVERIFIABLE, Reason.NO_SEQUENCE)]
    assert crossed(got, market) == 0
    agree, disagree = agreement(got.rows[market])
    assert agree >= 10 * max(1, disagree), "`side` is the taker's"
    assert any("come from the digits" in notice for notice in got.notices)


@pytest.mark.parametrize(
    ("name", "markets"),
    [
        ("binance", {"NKN/USDT": "NKNUSDT", "BLZ/ETH": "BLZETH", "LRC/BTC": "LRCBTC", "RUNE/EUR": "RUNEEUR"}),
        (
            "binance_futures",
            {f"{base}/USDT:USDT": f"{base}USDT" for base in ("SUSHI", "AKRO", "KEEP", "CTK")},
        ),
    ],
)
def test_binance_books_equal_the_best_bid_and_offer_that_it_sends(name: str, markets: dict[str, str]) -> None:
    got = read_all(data_file(f"sessions/{name}.jsonl.zst"))
    assert {market.partition(":")[2]: i.native for market, i in got.instruments.items()} == markets
    tickers: dict[str, dict[int, tuple[str, str]]] = {}
    signed: dict[str, Decimal] = {}
    for _, m in messages(f"{name}.jsonl.zst"):
        kind, d = m["stream"].partition("@")[2], m["data"]
        if kind == "bookTicker":
            tickers.setdefault(d["s"], {})[d["u"]] = d["b"], d["a"]
        elif kind == "aggTrade":
            signed[d["s"]] = signed.get(d["s"], Decimal(0)) + Decimal(d["q"]) * (-1 if d["m"] else 1)
    compared = 0
    for market, instrument in got.instruments.items():
        sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        for r in got.rows[market]:
            if r["kind"] == Kind.SNAPSHOT:
                sides = {1: {}, -1: {}}
            elif r["kind"] == Kind.LEVEL:
                side = sides[int(r["side"])]
                side[int(r["px"])] = int(r["qty"])
                if not r["qty"]:
                    del side[int(r["px"])]
                quoted = tickers.get(instrument.native, {}).get(int(r["id"]))
                if r["flags"] & Flag.LAST and quoted is not None and all(sides.values()):
                    mine = max(sides[1]), min(sides[-1])
                    assert mine == (instrument.ticks(quoted[0]), instrument.ticks(quoted[1]))
                    compared += 1
        assert got.statuses(market, Channel.BOOK)[-1] == (Trust.LIVE, Reason.NONE)
        assert (got.holes(market), instrument.inferred) == ([], False)
        if instrument.native in signed:
            assert got.signed(market) == pytest.approx(float(signed[instrument.native]), rel=1e-12)
    assert compared >= 10
