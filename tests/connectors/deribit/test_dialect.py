"""What is sent, and what is answered."""

from __future__ import annotations

import json

from connectors.deribit.dialect import DeribitDialect
from connectors.live.wire import Ended, Reply, Respond, TradeMessage
from engine.codes import Channel, Flag
from tests.connectors.deribit.wire import NAME, notification, trade, trade_frame

BOOK, TRADES = Channel.BOOK, Channel.TRADES


def test_the_heartbeat_is_set_first_and_test_requests_are_answered_with_numbers_of_their_own() -> None:
    dialect = DeribitDialect("")
    opening = [json.loads(r.frame) for r in dialect.opening()]
    assert opening[0]["method"] == "public/set_heartbeat"
    assert opening[0]["params"]["interval"] >= 10, "the least that the venue takes"
    ask = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    (first,), (second,) = dialect.decode(ask), dialect.decode(ask)
    assert isinstance(first, Respond)
    assert isinstance(second, Respond)
    assert json.loads(first.frame)["method"] == "public/test"
    assert len({json.loads(f)["id"] for f in (first.frame, second.frame)} | {o["id"] for o in opening}) == 4


def test_a_channel_that_the_answer_leaves_out_was_refused() -> None:
    dialect = DeribitDialect("")
    (request,) = dialect.subscribe([(NAME, BOOK), (NAME, TRADES), ("NOPE", BOOK)])
    asked = json.loads(request.frame)
    assert asked["params"]["channels"] == [f"book.{NAME}.100ms", f"trades.{NAME}.100ms", "book.NOPE.100ms"]
    accepted = asked["params"]["channels"][:2]
    body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": accepted}).encode()
    assert dialect.decode(body) == [Reply(accepted, asked["id"], "no such channel: book.NOPE.100ms")]
    assert dialect.decode(body) == [Reply(accepted, asked["id"], None)]
    error = {"jsonrpc": "2.0", "id": 99, "error": {"code": 11_050, "message": "bad_request"}}
    assert dialect.decode(json.dumps(error).encode()) == [Reply((), 99, "'bad_request' (code 11050)")]


def test_many_channels_go_in_several_frames() -> None:
    requests = DeribitDialect("").subscribe([(f"BTC-{i}", BOOK) for i in range(250)])
    assert [len(json.loads(r.frame)["params"]["channels"]) for r in requests] == [100, 100, 50]
    assert len({r.request for r in requests}) == 3


def test_trades_bear_their_number_in_the_instrument_in_order() -> None:
    (event,) = DeribitDialect("").decode(trade_frame(trade(8), trade(7, block_trade_id="BLOCK-7")))
    assert isinstance(event, TradeMessage)
    assert [(f.trade_id, f.flags) for f in event.fills] == [(7, Flag.NOT_FLOW), (8, 0)]
    assert not event.history


def test_the_end_of_an_instrument() -> None:
    dialect = DeribitDialect("")

    def state(name: str) -> bytes:
        return notification(
            "instrument.state.option.any", {"timestamp": 1, "state": name, "instrument_name": "BTC-24SEP21-8000-P"}
        )

    assert dialect.decode(state("closed")) == [Ended("BTC-24SEP21-8000-P")]
    assert dialect.decode(state("created")) == []
