"""What is sent, what answers it, and which trades are from before the subscription."""

from __future__ import annotations

import msgspec

from connectors.live.wire import Reply, TradeMessage
from connectors.okx.dialect import OkxDialect
from engine.codes import Channel

BOTH = [("BTC-USDT", Channel.BOOK), ("BTC-USDT", Channel.TRADES)]


def trade(number: int, native: str = "BTC-USDT") -> bytes:
    one = {"instId": native, "tradeId": str(number), "px": "1", "sz": "1", "side": "buy", "ts": "1652459226050"}
    return msgspec.json.encode({"arg": {"channel": "trades", "instId": native}, "data": [one]})


def ack(event: str, channel: str, native: str) -> bytes:
    return msgspec.json.encode({"id": "1", "event": event, "arg": {"channel": channel, "instId": native}})


def history(dialect: OkxDialect, frame: bytes) -> bool:
    (event,) = dialect.decode(frame)
    assert isinstance(event, TradeMessage)
    return event.history


def test_one_request_holds_many_topics_and_each_is_answered_by_itself() -> None:
    d = OkxDialect("wss://x")
    assert d.url == "wss://x"
    (listing,) = d.opening()
    assert msgspec.json.decode(listing.frame)["args"] == [{"channel": "instruments", "instType": "SPOT"}]
    assert d.ping is not None
    assert d.ping[0] < 30
    assert d.ping[1] == "ping"
    (request,) = d.subscribe(BOTH)
    assert msgspec.json.decode(request.frame) == {
        "id": "2",
        "op": "subscribe",
        "args": [{"channel": "books", "instId": "BTC-USDT"}, {"channel": "trades", "instId": "BTC-USDT"}],
    }
    assert request.topics == ("subscribe books BTC-USDT", "subscribe trades BTC-USDT")
    assert d.decode(ack("subscribe", "books", "BTC-USDT")) == [Reply(("subscribe books BTC-USDT",))]
    (request,) = d.unsubscribe(BOTH[:1])
    assert d.decode(ack("unsubscribe", "books", "BTC-USDT")) == [Reply(request.topics)]
    many = d.subscribe([(f"A{n}-B", Channel.BOOK) for n in range(250)])
    assert [len(x.topics) for x in many] == [100, 100, 50]
    assert max(len(x.frame) for x in many) < 64 << 10


def test_liquidations_are_had_of_all_markets_of_a_type_at_once() -> None:
    d = OkxDialect("", "SWAP")
    (request,) = d.subscribe([("BTC-USDT-SWAP", Channel.LIQUIDATIONS), ("ETH-USDT-SWAP", Channel.LIQUIDATIONS)])
    assert msgspec.json.decode(request.frame)["args"] == [{"channel": "liquidation-orders", "instType": "SWAP"}]
    answer = b'{"id":"1","event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"},"connId":"a"}'
    assert d.decode(answer) == [Reply(request.topics)]


def test_an_error_refuses_what_it_names_or_its_whole_request() -> None:
    d = OkxDialect("")
    d.subscribe(BOTH)
    named = (
        b'{"id":"1","event":"error","code":"60018","msg":"Wrong URL or channel:books,instId:BTC-USDT doesn\'t exist."}'
    )
    (reply,) = d.decode(named)
    assert isinstance(reply, Reply)
    assert reply.topics == ("subscribe books BTC-USDT",)
    assert "doesn't exist" in (reply.error or "")
    (reply,) = d.decode(b'{"id":"1","event":"error","code":"60012","msg":"Invalid request"}')
    assert isinstance(reply, Reply)
    assert reply.topics == ("subscribe books BTC-USDT", "subscribe trades BTC-USDT")
    (reply,) = d.decode(b'{"event":"error","code":"60012","msg":"Invalid request"}')
    assert isinstance(reply, Reply)
    assert (reply.topics, reply.error) == ((), "Invalid request (code 60012)")


def test_the_first_trade_of_each_subscription_is_from_before_it() -> None:
    d = OkxDialect("")
    d.connected()
    d.subscribe(BOTH)
    assert history(d, trade(7))
    assert not history(d, trade(8))
    assert history(d, trade(5, "ETH-USDT"))
    d.unsubscribe([("BTC-USDT", Channel.TRADES)])
    d.subscribe([("BTC-USDT", Channel.TRADES)])
    assert history(d, trade(9))
    assert not history(d, trade(6, "ETH-USDT"))
    d.subscribe([("ETH-USDT", Channel.BOOK)])
    assert not history(d, trade(7, "ETH-USDT"))
    d.connected()
    assert history(d, trade(10))


def test_names_that_a_server_makes_up_are_forgotten() -> None:
    d = OkxDialect("")
    for n in range(10_050):
        d.decode(trade(1, f"X{n}"))
    assert len(d._traded) <= 10_000
