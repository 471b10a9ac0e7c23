"""A recorded session. It is of the protocol before this one, with the same books and the same checksum: its messages
are put into today's words, digit by digit, and every checksum of the venue's has to come out."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from connectors.kraken.dialect import KrakenDialect
from connectors.kraken.instruments import read_listing
from connectors.live.listing import Listing
from connectors.live.wire import BookMessage, BookRule, Broken, Step, TradeMessage
from engine.feed import SourceError
from engine.tape import Channel, Flag, Kind, Reason, Trust
from tests.connectors.archives.sessions import BEGIN, connect, dict_book, header, read_all, recv, write
from tests.connectors.kraken.wire import TIME, VenueBook, frame, trade_frame
from tests.real_data import data_file
from tests.sessions import session

_NAMES = {"XBT": "BTC", "XDG": "DOGE"}


class _Pairs(msgspec.Struct):
    result: dict[str, msgspec.Raw]


def recorded_listing() -> Listing:
    """The listing in the session."""
    body = next(line.data for line in session("kraken") if line.kind == "http")
    return read_listing(msgspec.json.decode(body, type=_Pairs).result)


def native(pair: str) -> str:
    """XBT/USD is BTC/USD today."""
    return "/".join(_NAMES.get(name, name) for name in pair.split("/"))


def to_v2(raw: bytes) -> bytes | None:
    """A message of v1 in the words of v2; None for what is neither book nor trade."""
    message = msgspec.json.decode(raw)
    if not isinstance(message, list):
        return None
    channel, symbol = message[-2], native(message[-1])
    if channel == "trade":
        sides = {"b": "buy", "s": "sell"}
        trades = [(i, sides[t[3]], t[0], t[1]) for i, t in enumerate(message[1], 1)]
        return trade_frame("update", *trades, symbol=symbol)
    if not channel.startswith("book"):
        return None
    parts = message[1:-2]
    if "as" in parts[0]:  # the snapshot had no checksum then
        bids, asks = parts[0]["bs"], parts[0]["as"]
        best = [level[0] + " " + level[1] for side in (asks, bids) for level in side[:10]]
        check = crc32("".join(digits.lstrip("0") for digits in " ".join(best).replace(".", "").split()).encode())
        kind = "snapshot"
    else:
        bids = [level for part in parts for level in part.get("b", ())]
        asks = [level for part in parts for level in part.get("a", ())]
        check = int(next(part["c"] for part in parts if "c" in part))
        kind = "update"
    return frame(kind, [level[:2] for level in bids], [level[:2] for level in asks], check, symbol)


def test_every_recorded_checksum_comes_out() -> None:
    listing = recorded_listing()
    assert not listing.skipped
    instruments = {x.instrument.native: x.instrument for x in listing}
    dialect = KrakenDialect("ws://127.0.0.1")
    rules: dict[str, BookRule] = {}
    books: dict[str, tuple[dict[str, float], dict[str, float]]] = {}
    counts: Counter[str] = Counter()
    for line in session("kraken"):
        if line.kind != "recv" or (raw := to_v2(line.data)) is None:
            continue
        for event in dialect.decode(raw):
            if isinstance(event, TradeMessage):
                counts["trades"] += len(event.fills)
                continue
            assert isinstance(event, BookMessage)
            rule = rules.setdefault(event.native, dialect.rule(instruments[event.native]))
            verdict = rule.take(event.body)
            assert not isinstance(verdict, Broken | Step), (event.native, verdict)
            bids, asks = books.setdefault(event.native, ({}, {}))
            for update in verdict:
                counts["snapshots" if update.snapshot else "updates"] += 1
                for side, changes in ((bids, update.bids), (asks, update.asks)):
                    for price, size in changes:
                        instruments[event.native].ticks(price)
                        side[price] = size
            assert max(Decimal(p) for p, s in bids.items() if s) < min(Decimal(p) for p, s in asks.items() if s)
    assert len(rules) == 10
    assert counts["updates"] == 564
    assert counts["trades"] > 0


def test_what_the_recorded_markets_are_called() -> None:
    listing = recorded_listing()
    btc = listing.find("BTC/USD").instrument
    assert (btc.native, btc.tick, btc.lot, btc.base, btc.quote) == (
        "BTC/USD",
        Decimal("0.1"),
        Decimal("0.00000001"),
        "BTC",
        "USD",
    )
    assert (btc.maker_bps, btc.taker_bps) == (16.0, 26.0)
    assert listing.find("DOGE/BTC").instrument.native == "DOGE/BTC"


def v2_session(path: Path, depth: int = 10) -> VenueBook:
    """A session of today's protocol, of a market subscribed to with so many levels."""
    venue = VenueBook(depth, seed=3)
    result = {"channel": "book", "symbol": "BTC/USD", "depth": depth, "snapshot": True}
    ack = {"method": "subscribe", "req_id": 1, "result": result, "success": True}
    frames = [json.dumps(ack).encode(), venue.snapshot(), trade_frame("snapshot", (6, "buy", "29999.9", "0.1"))]
    for i in range(60):
        frames += [venue.update(), trade_frame("update", (7 + i, "sell", "29999.9", "0.25000000"))]
    lines = [header("KRAKEN"), connect("ws.1", "wss://ws.kraken.com/v2")]
    now = f"{datetime.fromtimestamp(BEGIN, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    lines += [recv("ws.1", i / 100, raw.decode().replace(TIME, now)) for i, raw in enumerate(frames)]
    write(path, lines)
    return venue


def test_a_session_of_v2_is_read_with_the_depth_it_was_recorded_with(tmp_path: Path) -> None:
    venue = v2_session(tmp_path / "kraken.jsonl.zst")
    got = read_all(tmp_path / "kraken.jsonl.zst")
    market = "kraken:BTC/USD"
    assert list(got.rows) == [market]
    assert got.statuses(market, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]
    grid = got.instruments[market]
    for side, theirs in zip(dict_book(got.rows[market]), venue.seen, strict=True):
        assert side == {grid.ticks(str(p)): grid.lots(str(s)) for p, s in theirs.items()}
    trades = got.kind(market, Kind.TRADE)
    assert len(trades) == 61
    assert [bool(f & Flag.REPLAYED) for f in trades["flags"]] == [True] + [False] * 60
    assert got.signed(market) == -15.0


def test_a_session_of_the_protocol_before_is_refused_and_says_why() -> None:
    with pytest.raises(SourceError, match=r"first protocol of kraken \(v1\).*record wss://ws.kraken.com/v2"):
        read_all(data_file("sessions/kraken.jsonl.zst"))
