"""A recorded session of 2022 with three markets: all of it read, every checksum right, the taker's side told."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from connectors.live.listing import Listing
from connectors.live.wire import BookMessage, BookRule, Broken, Reply, TradeMessage, Update
from connectors.okx.dialect import OkxDialect
from connectors.okx.instruments import read_listing
from connectors.okx.messages import Book
from engine.codes import Channel, Flag, Reason, Trust
from engine.instrument import Instrument
from engine.market import Market
from tests.sessions import frames, session

SECTIONS = {"SPOT": "spot", "SWAP": "swap", "FUTURES": "futures"}


@pytest.fixture(scope="module")
def listings() -> dict[str, Listing]:
    found = {}
    for line in session("okx"):
        kind = line.url.rpartition("instType=")[2]
        if line.kind == "http" and kind in SECTIONS:
            found[SECTIONS[kind]] = read_listing(SECTIONS[kind], line.data)
    return found


@pytest.fixture(scope="module")
def instruments(listings: dict[str, Listing]) -> dict[str, Instrument]:
    return {x.instrument.native: x.instrument for listing in listings.values() for x in listing}


def test_every_entry_of_the_listings_is_read(listings: dict[str, Listing]) -> None:
    assert {name: (len(x), x.skipped) for name, x in listings.items()} == {
        "spot": (513, 0),
        "swap": (166, 0),
        "futures": (104, 0),
    }
    inverse = listings["swap"].find("UNI/USD:UNI").instrument
    assert (inverse.kind, inverse.contract, inverse.unit, inverse.native) == ("inverse", 10, "USD", "UNI-USD-SWAP")
    assert listings["futures"].find("BTC/USD:BTC-220527").instrument.native == "BTC-USD-220527"
    linear = listings["swap"].find("BTC/USDT:USDT").instrument
    assert (linear.kind, str(linear.contract), linear.unit) == ("linear", "0.01", "BTC")


def test_every_frame_is_read_and_every_checksum_is_right(instruments: dict[str, Instrument]) -> None:
    dialect, rules, markets = OkxDialect(""), dict[str, BookRule](), dict[str, Market]()
    seen: Counter[str] = Counter()
    for frame in frames("okx"):
        plain = msgspec.json.decode(frame)
        channel, events = plain["arg"]["channel"], dialect.decode(frame)
        seen[channel if "data" in plain else plain["event"]] += 1
        assert len(events) == (0 if channel == "tickers" and "data" in plain else 1)
        for event in events:
            if not isinstance(event, BookMessage):
                assert isinstance(event, TradeMessage | Reply)
                continue
            assert isinstance(event.body, Book)
            assert event.body.checksum
            market = markets.get(event.native)
            if market is None:
                market = markets[event.native] = Market(instruments[event.native])
                market.status(0, event.ts, Channel.BOOK, Trust.LIVE)
                rules[event.native] = dialect.rule(instruments[event.native])
            verdict = rules[event.native].take(event.body)
            assert isinstance(verdict, tuple)
            (update,) = verdict
            assert isinstance(update, Update)
            (market.snapshot if update.snapshot else market.book)(0, update.ts, update.seq, update.bids, update.asks)
            assert not market.crossed
            assert max(market.order_book.size(1), market.order_book.size(-1)) <= 400
    full, sparse = markets["BTC-USDT"].order_book, markets["UNI-USD-SWAP"].order_book
    assert full.known_low == full.levels(1)[0][-1], "what leaves the 400 levels is deleted, so it ends at the last"
    assert full.known_high == full.levels(-1)[0][-1]
    assert (sparse.known_low, sparse.known_high) == (None, None)
    assert seen == {"subscribe": 18, "tickers": 7, "trades": 14, "books": 51}
    assert set(markets) == {"BTC-USD-220527", "UNI-USD-SWAP", "BTC-USDT"}


@pytest.mark.parametrize("level", [0, 7, 24])
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_one_wrong_digit_in_a_size_near_the_touch_breaks_that_market(
    instruments: dict[str, Instrument], side: str, level: int
) -> None:
    """The checksum is of the best 25 levels, so a digit of one of them is found in the very message."""
    dialect = OkxDialect("")
    rule = dialect.rule(instruments["BTC-USDT"])
    arg = {"channel": "books", "instId": "BTC-USDT"}
    plain = next(x for x in map(msgspec.json.decode, frames("okx")) if x["arg"] == arg and "data" in x)
    (event,) = dialect.decode(msgspec.json.encode(plain))
    assert isinstance(event, BookMessage)
    assert isinstance(rule.take(event.body), tuple)
    size = plain["data"][0][side][level][1]
    plain["data"][0][side][level][1] = size[:-1] + str((int(size[-1]) + 1) % 10)
    (event,) = dialect.decode(msgspec.json.encode(plain))
    assert isinstance(event, BookMessage)
    assert rule.take(event.body) == Broken(Reason.BAD_CHECKSUM)
    assert not rule.synced


def test_the_side_is_the_takers_and_what_came_on_subscribing_is_no_flow(instruments: dict[str, Instrument]) -> None:
    dialect, markets = OkxDialect(""), {native: Market(i) for native, i in instruments.items()}
    rules = {native: dialect.rule(i) for native, i in instruments.items()}
    ids: dict[str, list[int]] = {}
    checked = Counter[str]()
    for frame in frames("okx"):
        for event in dialect.decode(frame):
            if isinstance(event, BookMessage):
                market = markets[event.native]
                verdict = rules[event.native].take(event.body)
                assert isinstance(verdict, tuple)
                for u in verdict:
                    if u.snapshot:
                        market.status(0, u.ts, Channel.BOOK, Trust.LIVE)
                    (market.snapshot if u.snapshot else market.book)(0, u.ts, u.seq, u.bids, u.asks)
            elif isinstance(event, TradeMessage):
                market, book = markets[event.native], markets[event.native].order_book
                for fill in event.fills:
                    seen = ids.setdefault(event.native, [])
                    assert not seen or fill.trade_id == seen[-1] + 1
                    assert event.history == (not seen)
                    seen.append(fill.trade_id)
                    market.trade(
                        0,
                        fill.ts,
                        fill.trade_id,
                        fill.price,
                        fill.size,
                        fill.side,
                        int(Flag.REPLAYED if event.history else 0),
                    )
                    if not event.history:
                        best = book.best_ask if fill.side > 0 else book.best_bid
                        assert instruments[event.native].ticks(fill.price) == best
                        checked[event.native] += 1
    assert checked == {"BTC-USDT": 11}
    assert {native: len(seen) for native, seen in ids.items()} == {
        "BTC-USDT": 12,
        "BTC-USD-220527": 1,
        "UNI-USD-SWAP": 1,
    }
