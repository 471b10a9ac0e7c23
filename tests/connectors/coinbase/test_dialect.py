"""What is sent, what answers it, and the one count of frames that proves every book of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.coinbase.book_rule import CoinbaseBookRule
from connectors.coinbase.dialect import CoinbaseDialect
from connectors.coinbase.messages import Book
from connectors.live.wire import BookMessage, Event, FrameError, Reply, Step, Tainted, TradeMessage, Update
from engine.codes import Channel, Reason
from engine.instrument import Instrument

GAP = Tainted(Reason.SEQUENCE_GAP)
INSTRUMENT = Instrument("coinbase", "BTC/USD", Decimal("0.01"), Decimal("0.00000001"), base="BTC", quote="USD")


def book(number: int, native: str = "BTC-USD", kind: str = "update") -> bytes:
    level = {"side": "bid", "event_time": "2026-08-09T21:05:48.4Z", "price_level": "1", "new_quantity": str(number)}
    event = {"type": kind, "product_id": native, "updates": [level]}
    return msgspec.json.encode({"channel": "l2_data", "sequence_num": number, "events": [event]})


def trade(number: int, native: str = "BTC-USD") -> bytes:
    one = {"product_id": native, "trade_id": "7", "price": "1", "size": "1", "time": "2026-08-09T21:05:48Z"}
    event = {"type": "update", "trades": [one | {"side": "BUY"}]}
    return msgspec.json.encode({"channel": "market_trades", "sequence_num": number, "events": [event]})


def beat(number: int) -> bytes:
    return msgspec.json.encode({"channel": "heartbeats", "sequence_num": number, "events": [{"heartbeat_counter": 1}]})


def subscriptions(number: int, **channels: list[str]) -> bytes:
    event = {"subscriptions": channels}
    return msgspec.json.encode({"channel": "subscriptions", "sequence_num": number, "events": [event]})


def kinds(events: Sequence[Event]) -> list[str]:
    return [type(x).__name__ for x in events]


def test_the_count_runs_across_channels_and_products() -> None:
    d = CoinbaseDialect()
    d.connected()
    assert kinds(d.decode(book(0))) == ["BookMessage"]
    assert kinds(d.decode(trade(1, "ETH-USD"))) == ["TradeMessage"]
    assert kinds(d.decode(beat(2))) == []
    assert kinds(d.decode(book(3, "SOL-USD"))) == ["BookMessage"]


@pytest.mark.parametrize("skipped", [book(1, "ETH-USD"), trade(1, "ETH-USD"), beat(1)])
def test_a_skipped_frame_taints_all_books_before_the_next_one_counts(skipped: bytes) -> None:
    d = CoinbaseDialect()
    d.decode(book(0))
    events = d.decode(book(2))
    assert (events[0], kinds(events)) == (GAP, ["Tainted", "BookMessage"])
    assert kinds(d.decode(beat(3))) == []
    assert d.decode(beat(9)) == [GAP]


def test_a_late_frame_gives_its_trades_and_not_its_book() -> None:
    d = CoinbaseDialect()
    d.decode(beat(0))
    d.decode(beat(2))
    assert kinds(d.decode(book(1))) == []
    assert kinds(d.decode(trade(1))) == ["TradeMessage"]
    assert kinds(d.decode(book(3))) == ["BookMessage"]


def test_a_frame_twice_changes_nothing() -> None:
    d = CoinbaseDialect()
    d.decode(book(0))
    assert d.decode(book(0)) == []
    assert kinds(d.decode(book(1))) == ["BookMessage"]


def test_a_count_that_begins_anew_is_followed_and_taints() -> None:
    d = CoinbaseDialect()
    d.decode(beat(1_000_000))
    seen = [d.decode(beat(n)) for n in range(40)]
    assert seen.count([GAP]) == 1
    assert d.decode(beat(41)) == [GAP]
    assert kinds(d.decode(book(42))) == ["BookMessage"]


def test_a_number_misread_costs_the_books_once() -> None:
    d = CoinbaseDialect()
    d.decode(beat(5))
    assert d.decode(beat(96)) == [GAP]  # it was 6
    assert d.decode(beat(7)) == [GAP]
    assert kinds(d.decode(book(8))) == ["BookMessage"]
    d.decode(beat(90))
    d.decode(beat(91))
    assert kinds(d.decode(book(10))) == []  # now it is an old one


def test_a_new_connection_counts_anew() -> None:
    d = CoinbaseDialect()
    d.decode(beat(500))
    d.connected()
    assert kinds(d.decode(book(0))) == ["BookMessage"]


def test_an_unreadable_frame_is_a_skipped_one_for_it_may_have_been_of_several_markets() -> None:
    d = CoinbaseDialect()
    d.decode(beat(0))
    with pytest.raises(FrameError) as e:
        d.decode(book(1).replace(b'"new_quantity":"1"', b'"new_quantity":"?"'))
    assert (e.value.native, e.value.channel) == ("BTC-USD", Channel.BOOK)
    assert kinds(d.decode(book(2, "ETH-USD"))) == ["Tainted", "BookMessage"]
    assert kinds(d.decode(book(3, "ETH-USD"))) == ["BookMessage"]


def test_heartbeats_are_asked_for_first_and_requests_name_products() -> None:
    d = CoinbaseDialect()
    assert [x.frame for x in d.opening()] == ['{"type":"subscribe","channel":"heartbeats"}']
    markets = [("BTC-USD", Channel.BOOK), ("BTC-USD", Channel.TRADES), ("ETH-USD", Channel.BOOK)]
    requests = d.subscribe(markets)
    assert [msgspec.json.decode(x.frame) for x in requests] == [
        {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channel": "level2"},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "market_trades"},
    ]
    assert requests[0].topics == ("subscribe level2 BTC-USD", "subscribe level2 ETH-USD")
    many = d.subscribe([(f"A{n}-USD", Channel.BOOK) for n in range(120)])
    assert [len(x.topics) for x in many] == [50, 50, 20]


def test_the_list_of_subscriptions_answers_what_is_new_in_it_and_what_is_gone() -> None:
    d = CoinbaseDialect()
    d.subscribe([("BTC-USD", Channel.BOOK), ("ETH-USD", Channel.BOOK)])
    assert d.decode(subscriptions(0, level2=["BTC-USD"])) == [Reply(["subscribe level2 BTC-USD"])]
    assert d.decode(subscriptions(1, level2=["BTC-USD"])) == []
    assert d.decode(subscriptions(2, level2=["BTC-USD", "ETH-USD"])) == [Reply(["subscribe level2 ETH-USD"])]
    (request,) = d.unsubscribe([("BTC-USD", Channel.BOOK)])
    assert request.topics == ("unsubscribe level2 BTC-USD",)
    assert d.decode(subscriptions(3, level2=["BTC-USD", "ETH-USD"])) == []
    assert d.decode(subscriptions(4, level2=["ETH-USD"])) == [Reply(["unsubscribe level2 BTC-USD"])]


def test_an_error_refuses_what_it_names_or_all_that_is_open() -> None:
    d = CoinbaseDialect()
    d.subscribe([("BTC-USD", Channel.BOOK), ("XXX-USD", Channel.BOOK)])
    (named,) = d.decode(b'{"type":"error","message":"no product XXX-USD"}')
    assert named == Reply(["subscribe level2 XXX-USD"], error="no product XXX-USD")
    (all_,) = d.decode(b'{"type":"error","message":"rate limit exceeded"}')
    assert isinstance(all_, Reply)
    assert set(all_.topics) == {"subscribe level2 BTC-USD", "subscribe level2 XXX-USD"}


def test_the_rule_waits_for_the_snapshot_and_then_takes_every_update() -> None:
    rule = CoinbaseDialect().rule(INSTRUMENT)
    delta, snapshot = Book(False, 1, 5, [("1", 2.0)], []), Book(True, 1, 6, [("1", 3.0)], [])
    assert rule.take(delta) is Step.WAIT
    assert not rule.synced
    assert rule.take(snapshot) == (Update(1, 6, [("1", 3.0)], [], True),)
    assert rule.take(Book(False, 1, 7, [], [])) is Step.OLD
    assert rule.take(delta) == (Update(1, 5, [("1", 2.0)], []),)
    rule.reset()
    assert rule.take(delta) is Step.WAIT


@given(st.lists(st.sampled_from(["drop", "twice", "late", "garbage", "other", "trade", "book", "snapshot"])))
def test_whatever_is_lost_repeated_or_late_an_untainted_book_is_one_that_was(faults: list[str]) -> None:
    d, rule = CoinbaseDialect(), CoinbaseBookRule()
    truth: dict[str, float] = {}
    states: dict[int, dict[str, float]] = {}
    held: dict[str, float] = {}
    waiting: list[bytes] = []
    last = 0
    for number, fault in enumerate(["snapshot", *faults]):
        if fault in ("other", "trade"):
            frame = trade(number) if fault == "trade" else book(number, "ETH-USD")
        else:
            price, size = str(number % 5), str(number % 3)
            changes = {price: float(size)}
            truth = {p: s for p, s in (truth | changes).items() if s}
            shown = truth if fault == "snapshot" else changes
            levels = [
                {"side": "bid", "event_time": "2026-08-09T21:05:48Z", "price_level": p, "new_quantity": str(s)}
                for p, s in shown.items()
            ]
            event = {"type": "snapshot" if fault == "snapshot" else "update", "product_id": "BTC-USD"}
            envelope = {"channel": "l2_data", "timestamp": "2026-08-09T21:05:48Z", "sequence_num": number}
            frame = msgspec.json.encode(envelope | {"events": [event | {"updates": levels}]})
        states[number] = dict(truth)
        arrives = {"drop": [], "twice": [frame, frame], "late": [], "garbage": [frame[:-9]]}.get(fault, [frame])
        arrives, waiting = arrives + waiting, [frame] if fault == "late" else []
        for got in arrives:
            try:
                events = d.decode(got)
            except FrameError:
                rule.reset()
                continue
            for x in events:
                if isinstance(x, Tainted):
                    rule.reset()
                elif isinstance(x, BookMessage) and x.native == "BTC-USD":
                    verdict = rule.take(x.body)
                    for update in verdict if isinstance(verdict, tuple) else ():
                        held = dict(update.bids) if update.snapshot else held | dict(update.bids)
                        held, last = {p: s for p, s in held.items() if s}, update.seq
                else:
                    assert isinstance(x, BookMessage | TradeMessage)
        if rule.synced:
            assert held == states[last]
