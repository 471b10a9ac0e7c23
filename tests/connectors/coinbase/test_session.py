"""A recorded session of 2026 with two markets: all of it read, no number skipped, the maker's side turned over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from connectors.coinbase.dialect import CoinbaseDialect
from connectors.coinbase.instruments import CoinbaseListing, read_listing
from connectors.live.wire import BookMessage, Reply, TradeMessage
from engine.codes import Channel, Flag, Trust
from engine.feed import SourceError
from engine.market import Market
from engine.metrics.names import parse_metric, parse_metrics
from tests.sessions import frames, session

#: What the recorder subscribed to, in the dialect's words.
TOPICS = [(native, channel) for channel in (Channel.TRADES, Channel.BOOK) for native in ("BTC-USD", "ETH-USD")]


@pytest.fixture(scope="module")
def listing() -> CoinbaseListing:
    return next(read_listing(line.data) for line in session("coinbase") if line.kind == "http")


def told(listing: CoinbaseListing) -> Iterator[tuple[bytes, Market, BookMessage | TradeMessage]]:
    """Each message of the session with its market, books being kept."""
    dialect = CoinbaseDialect()
    dialect.connected()
    dialect.subscribe(TOPICS)
    instruments = {x.instrument.native: x.instrument for x in listing}
    markets = {native: Market(instruments[native], metrics=parse_metrics("cvd")) for native in ("BTC-USD", "ETH-USD")}
    rules = {native: dialect.rule(instruments[native]) for native in markets}
    answered: set[str] = set()
    for frame in frames("coinbase"):
        for event in dialect.decode(frame):
            if isinstance(event, Reply):
                assert event.error is None
                answered.update(event.topics)
                continue
            assert isinstance(event, BookMessage | TradeMessage)  # not one Tainted
            market = markets[event.native]
            yield frame, market, event
            if isinstance(event, BookMessage):
                verdict = rules[event.native].take(event.body)
                assert isinstance(verdict, tuple)
                for u in verdict:
                    if u.snapshot:
                        market.status(0, u.ts, Channel.BOOK, Trust.LIVE)
                    (market.snapshot if u.snapshot else market.book)(0, u.ts, u.seq, u.bids, u.asks)
                    assert not market.crossed
            else:
                for f in event.fills:
                    flags = int(Flag.REPLAYED if event.history else 0)
                    market.trade(0, f.ts, f.trade_id, f.price, f.size, f.side, flags)
    names = ("market_trades", "level2")
    assert answered == {f"subscribe {name} {native}" for name in names for native in markets}


def test_every_entry_of_the_listing_is_read(listing: CoinbaseListing) -> None:
    products = next(msgspec.json.decode(line.data) for line in session("coinbase") if line.kind == "http")["products"]
    aliases = [p for p in products if p["alias"]]
    assert (len(listing), listing.skipped, len(listing) + len(aliases)) == (520, 0, 920)
    assert sum(x.trading for x in listing) == sum(p["status"] == "online" for p in products if not p["alias"])
    with pytest.raises(SourceError, match="one book for BTC/USDC and BTC/USD: watch coinbase:BTC/USD"):
        listing.find("BTC/USDC")


def test_every_frame_is_read_and_in_sequence(listing: CoinbaseListing) -> None:
    seen = Counter[tuple[str, bool]]()
    levels = Counter[str]()
    for frame, _, event in told(listing):
        plain = msgspec.json.decode(frame)
        assert len(plain["events"]) == 1
        snapshot = plain["events"][0]["type"] == "snapshot"
        seen[plain["channel"], snapshot] += 1
        if isinstance(event, BookMessage) and snapshot:
            levels[event.native] = len(plain["events"][0]["updates"])
    assert seen == {
        ("market_trades", True): 2,
        ("market_trades", False): 11,
        ("l2_data", True): 2,
        ("l2_data", False): 160,
    }
    assert levels["BTC-USD"] == 46_000


def test_takers_hit_the_book_on_the_side_that_is_told_and_history_is_no_flow(listing: CoinbaseListing) -> None:
    ids: dict[str, int] = {}
    checked, history, wrong = 0, 0, 0
    for frame, market, event in told(listing):
        if not isinstance(event, TradeMessage):
            continue
        plain = {x["trade_id"]: x["side"] for x in msgspec.json.decode(frame)["events"][0]["trades"]}
        for fill in event.fills:
            assert fill.trade_id == ids.get(event.native, fill.trade_id - 1) + 1
            ids[event.native] = fill.trade_id
            assert plain[str(fill.trade_id)] == ("BUY" if fill.side < 0 else "SELL")
            history += event.history
            book = market.order_book
            if event.history or not book.valid:
                continue
            checked += 1
            px = market.instrument.ticks(fill.price)
            assert px == (book.best_ask if fill.side > 0 else book.best_bid)
            wrong += px == (book.best_bid if fill.side > 0 else book.best_ask)
    assert (checked, history, wrong) == (11, 200, 0)


def test_flow_begins_after_the_history(listing: CoinbaseListing) -> None:
    flow: dict[str, float] = {}
    markets: dict[str, Market] = {}
    for _, market, event in told(listing):
        markets[event.native] = market
        if isinstance(event, TradeMessage) and not event.history:
            signed = sum(fill.side * float(fill.size) for fill in event.fills)
            flow[event.native] = flow.get(event.native, 0.0) + signed
    for native, market in markets.items():
        market.flush()
        assert market.value(parse_metric("cvd")) == pytest.approx(flow[native], abs=1e-12)
        assert market.missing == 0
        assert (market.order_book.known_low, market.order_book.known_high) == (None, None)
