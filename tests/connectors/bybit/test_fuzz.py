"""Whatever comes, nothing but FrameError leaves the decoder, no memory grows, and only unbroken runs make a book."""

from __future__ import annotations

import json
import random

from connectors.bybit.dialect import BybitDialect
from connectors.bybit.messages import Book
from connectors.live.wire import BookMessage, Broken, FrameError, Step, TradeMessage
from engine.codes import Channel
from engine.instrument import Instrument
from tests.connectors.archives.sessions import book, trade, uuid
from tests.connectors.mutations import FRAMES, memory, mutated


def raw(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


LIQUIDATED = {"T": 1_700_000_000_000, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "100.05"}
OTHERS = [
    raw(trade(1, "Buy", "100.20", "0.25", uuid(1))),
    raw(trade(2, "Sell", "99.0", "0.5", "2290000000000000001", block=True)),
    raw({"success": True, "ret_msg": "", "conn_id": "x", "req_id": "1", "op": "subscribe"}),
    raw({"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": 1, "data": [LIQUIDATED]}),
    raw({"topic": "tickers.BTCUSDT", "type": "delta", "data": {"symbol": "BTCUSDT"}, "cs": 1, "ts": 2}),
]


def check_refusal(error: FrameError) -> None:
    """It names a channel or none, is short, and can be shown."""
    assert error.channel in (None, *Channel)
    assert len(str(error)) < 1_000
    assert str(error).isprintable()


def test_mutated_frames(instrument: Instrument) -> None:
    dialect, rng = BybitDialect("", "linear"), random.Random(3)
    rule = dialect.rule(instrument)
    u, last, before, refused, applied = 10, None, 0, 0, 0
    for i in range(FRAMES):
        if i == FRAMES // 4:
            before = memory()
        u += 1
        kind = "delta" if rule.synced else "snapshot"
        size = str(rng.randint(0, 9))
        update = raw(
            book(i % 90_000, u, kind, [[f"{rng.randint(900, 999)}.{rng.randint(0, 9)}", size]], [["1000.1", "2"]])
        )
        for frame in (mutated(rng.choice(OTHERS) if i % 3 == 0 else update, rng), update):
            try:
                events = dialect.decode(frame)
            except FrameError as error:
                refused += 1
                check_refusal(error)
                continue
            for event in events:
                if isinstance(event, TradeMessage):
                    assert all(0 <= fill.trade_id < 1 << 63 and fill.side in (-1, 1) for fill in event.fills)
                elif isinstance(event, BookMessage) and event.native == "BTCUSDT":
                    assert isinstance(event.body, Book)
                    verdict = rule.take(event.body)
                    if isinstance(verdict, Broken):
                        last = None
                    elif not isinstance(verdict, Step):
                        for x in verdict:
                            assert x.snapshot or (last is not None and x.seq == last + 1)
                            assert all(0 <= size <= 1e18 for _, size in (*x.bids, *x.asks))
                            last, applied = x.seq, applied + 1
    assert refused > FRAMES // 4
    assert applied > FRAMES // 4
    assert memory() - before < 32 << 20
