"""The recorded session as a source, against a plain reading of the same lines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from connectors.okx.recorded import RECORDED
from engine.tape import Channel, Flag, Kind, Reason, Trust
from tests.connectors.archives.sessions import connect, dict_book, header, read_all, recv, write
from tests.real_data import data_file
from tests.sessions import frames

MARKETS = {
    "BTC-USDT": "okx:BTC/USDT",
    "UNI-USD-SWAP": "okx:UNI/USD:UNI",
    "BTC-USD-220527": "okx:BTC/USD:BTC-220527",
}


def test_books_and_trades_equal_a_plain_reading() -> None:
    got = read_all(data_file("sessions/okx.jsonl.zst"))
    assert {i.native: market for market, i in got.instruments.items()} == MARKETS
    books: dict[str, tuple[dict[str, Decimal], dict[str, Decimal]]] = {}
    trades: dict[str, list[Decimal]] = {}
    for frame in frames("okx"):
        m = msgspec.json.decode(frame)
        native = m["arg"]["instId"]
        if "data" not in m or m["arg"]["channel"] not in ("books", "trades"):
            continue
        if m["arg"]["channel"] == "trades":
            signed = [Decimal(t["sz"]) * (1 if t["side"] == "buy" else -1) for t in m["data"]]
            trades.setdefault(native, []).extend(signed)
            continue
        if m["action"] == "snapshot":
            books[native] = ({}, {})
        for side, name in zip(books[native], ("bids", "asks"), strict=True):
            for price, size, *_ in m["data"][0][name]:
                side[price] = Decimal(size)
    for native, market in MARKETS.items():
        instrument = got.instruments[market]
        for mine, theirs in zip(dict_book(got.rows[market]), books[native], strict=True):
            assert mine == {instrument.ticks(p): instrument.lots(str(s)) for p, s in theirs.items() if s}
        rows = got.kind(market, Kind.TRADE)
        assert [bool(flags & Flag.REPLAYED) for flags in rows["flags"]] == [True] + [False] * (len(rows) - 1)
        flow = trades[native][1:]  # the first was before the subscription
        assert got.signed(market) == pytest.approx(float(sum(flow)), abs=1e-12)
        said = got.statuses(market, Channel.BOOK)
        assert [x for x in said if x[0] is not Trust.WARMING] == [(Trust.LIVE, Reason.NONE)]
        assert (got.holes(market), instrument.inferred) == ([], False)
    assert got.notices == []
    assert got.instruments["okx:UNI/USD:UNI"].contract == 10
    assert got.instruments["okx:BTC/USDT"].book_depth == 400


def test_names_without_a_listing() -> None:
    spot, swap = RECORDED.identity("public", "BTC-USDT"), RECORDED.identity("public", "BTC-USDT-SWAP")
    assert (spot.symbol, spot.kind, spot.doubt, spot.book_depth) == ("BTC/USDT", "spot", "", 400)
    assert (swap.symbol, swap.kind) == ("BTC/USDT:USDT", "linear")
    assert "worth" in swap.doubt
    future = RECORDED.identity("public", "BTC-USD-260327")
    assert (future.symbol, future.kind) == ("BTC/USD:BTC-260327", "inverse")


def test_addresses_and_frames_that_are_its() -> None:
    for url in (
        "wss://ws.okx.com:8443/ws/v5/public",
        "ws://127.0.0.1:9/ws/v5/business",
        "https://www.okx.com/api/v5/public/instruments?instType=SPOT",
    ):
        assert RECORDED.section(url) == "public"
    for url in ("wss://stream.bybit.com/v5/public/spot", "https://api.binance.com/api/v3/depth", ""):
        assert RECORDED.section(url) is None
    assert RECORDED.sniff(b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update"') == "public"
    assert RECORDED.sniff(b'{"arg":{"channel":"books","instId":"BTCUSDT"},"action":"update"') is None
    assert RECORDED.listing("public", b'{"code":"0","data":[]}') == ()
    assert RECORDED.listing("public", b'{"data":[{"instType":"SPOT","tickSz":"0"}]}') == []


def test_fills_told_as_one_leave_no_hole(tmp_path: Path) -> None:
    def trade(at: float, number: int, count: int) -> str:
        arg = {"channel": "trades", "instId": "BTC-USDT"}
        one = {"instId": "BTC-USDT", "tradeId": str(number), "px": "10.0", "sz": "1.0", "side": "buy"}
        one |= {"ts": str(round((1_786_310_820 + at) * 1000)), "count": str(count)}
        return recv("OKX.1", at, {"arg": arg, "data": [one]})

    lines = [
        header("OKX"),
        connect("OKX.1", "wss://ws.okx.com:8443/ws/v5/public"),
        *(trade(at, number, count) for at, number, count in ((1, 10, 1), (2, 13, 3), (3, 14, 1), (4, 18, 2))),
    ]
    got = read_all(write(tmp_path / "s.jsonl.zst", lines))
    assert got.kind("okx:BTC/USDT", Kind.TRADE)["id"].tolist() == [10, 13, 14, 18]
    assert got.holes("okx:BTC/USDT") == [(15, 2)]
