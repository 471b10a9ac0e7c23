"""A recorded session of options: every message parsed, every chain whole, no book crossed."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from connectors.deribit.dialect import DeribitDialect
from connectors.deribit.instruments import read_listing
from connectors.deribit.recorded import RECORDED
from connectors.live.listing import Listing
from connectors.live.wire import BookMessage, BookRule, Broken, Reply, Step
from engine.tape import Channel, Reason, Trust
from tests.connectors.archives.sessions import dict_book, read_all
from tests.real_data import data_file
from tests.sessions import session


class _Answer(msgspec.Struct):
    result: list[msgspec.Raw]


def recorded_listings() -> list[Listing]:
    """The listings in the session."""
    lines = (line for line in session("deribit") if line.kind == "http" and "get_instruments" in line.url)
    return [read_listing(msgspec.json.decode(line.data, type=_Answer).result) for line in lines]


def test_every_chain_is_whole_and_every_level_on_its_grid() -> None:
    instruments = {x.instrument.native: x.instrument for listing in recorded_listings() for x in listing}
    dialect = DeribitDialect("ws://127.0.0.1")
    rules: dict[str, BookRule] = {}
    books: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
    counts: Counter[str] = Counter()
    for line in session("deribit"):
        if line.kind != "recv":
            continue
        for event in dialect.decode(line.data):
            counts[type(event).__name__] += 1
            if isinstance(event, Reply):
                assert event.error is None
                continue
            assert isinstance(event, BookMessage)
            instrument = instruments[event.native]
            verdict = rules.setdefault(event.native, dialect.rule(instrument)).take(event.body)
            assert not isinstance(verdict, Broken | Step)
            bids, asks = books.setdefault(event.native, ({}, {}))
            for update in verdict:
                counts["snapshots" if update.snapshot else "changes"] += 1
                for side, changes in ((bids, update.bids), (asks, update.asks)):
                    for price, size in changes:
                        side[instrument.ticks(price)] = instrument.lots(repr(size))
            assert max((p for p, s in bids.items() if s), default=-1) < min(
                (p for p, s in asks.items() if s), default=1 << 60
            )
    assert counts == {"Reply": 1, "BookMessage": 18, "snapshots": 10, "changes": 8}


def test_units_and_names_of_the_recorded_markets() -> None:
    btc, eth, sol, usdc = recorded_listings()
    assert [listing.skipped for listing in (btc, eth, sol, usdc)] == [0] * 4
    found = {
        symbol: (i.native, i.kind, str(i.tick), str(i.lot), i.unit, i.quote)
        for listing, symbol in (
            (btc, "BTC/USD:BTC"),
            (btc, "BTC/USD:BTC-220325"),
            (btc, "BTC/USD:BTC-210924-40000-P"),
            (eth, "ETH/USD:ETH"),
            (sol, "SOL/USD:SOL-220610-28-P"),
            (usdc, "UNI/USDC:USDC"),
        )
        for i in [listing.find(symbol).instrument]
    }
    assert found == {
        "BTC/USD:BTC": ("BTC-PERPETUAL", "inverse", "0.5", "1E+1", "USD", "USD"),
        "BTC/USD:BTC-220325": ("BTC-25MAR22", "inverse", "0.5", "1E+1", "USD", "USD"),
        "BTC/USD:BTC-210924-40000-P": ("BTC-24SEP21-40000-P", "linear", "0.0005", "0.1", "BTC", "BTC"),
        "ETH/USD:ETH": ("ETH-PERPETUAL", "inverse", "0.05", "1", "USD", "USD"),
        "SOL/USD:SOL-220610-28-P": ("SOL-10JUN22-28-P", "linear", "0.001", "1", "SOL", "SOL"),
        "UNI/USDC:USDC": ("UNI_USDC-PERPETUAL", "linear", "0.001", "1", "UNI", "USDC"),
    }
    fees = btc.find("BTC/USD:BTC").instrument
    assert (fees.maker_bps, fees.taker_bps) == (0.0, 5.0)
    assert btc.find("BTC/USD:BTC-210924-40000-P").instrument.taker_bps is None


def test_the_session_plays_as_all_its_markets() -> None:
    got = read_all(data_file("sessions/deribit.jsonl.zst"))
    assert len(got.rows) == 10
    assert all(not i.inferred and i.venue == "deribit" for i in got.instruments.values())
    market = "deribit:BTC/USD:BTC-210924-8000-P"
    assert got.instruments[market].native == "BTC-24SEP21-8000-P"
    assert got.statuses(market, Channel.BOOK) == [(Trust.LIVE, Reason.NONE)]
    bids, asks = dict_book(got.rows[market])
    assert bids == {1: 1531}
    assert min(asks) > 1


@pytest.mark.parametrize(
    ("native", "symbol", "kind", "quote"),
    [
        ("BTC-PERPETUAL", "BTC/USD:BTC", "inverse", "USD"),
        ("XRP_USDC-PERPETUAL", "XRP/USDC:USDC", "linear", "USDC"),
        ("BTC-25MAR22", "BTC/USD:BTC-220325", "inverse", "USD"),
        ("ETH-3DEC26", "ETH/USD:ETH-261203", "inverse", "USD"),
        ("BTC-24SEP21-8000-P", "BTC/USD:BTC-210924-8000-P", "linear", "BTC"),
        ("XRP_USDC-25DEC26-0d55-C", "XRP/USDC:USDC-261225-0.55-C", "linear", "USDC"),
        ("BTC_USDC", "BTC/USDC", "spot", "USDC"),
    ],
)
def test_markets_without_a_listing_are_known_by_their_names(native: str, symbol: str, kind: str, quote: str) -> None:
    found = RECORDED.identity("all", native)
    assert (found.symbol, found.kind, found.quote, found.doubt) == (symbol, kind, quote, "")


def test_a_name_of_another_form_is_told() -> None:
    assert RECORDED.identity("all", "BTC-CS-19MAY26-70000_75000").doubt
