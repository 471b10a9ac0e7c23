"""Whatever comes, nothing but FrameError leaves the decoder, no memory grows, and every update is whole."""

from __future__ import annotations

import json
import random

from connectors.hyperliquid.book_rule import HyperliquidRule
from connectors.hyperliquid.dialect import HyperliquidDialect
from connectors.hyperliquid.messages import Book
from connectors.live.wire import BookMessage, Broken, FrameError, Step, TradeMessage
from engine.codes import Channel
from tests.connectors.mutations import FRAMES, memory, mutated


def raw(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def book(time: int) -> bytes:
    levels = [[{"px": f"{1000 - i}.5", "sz": "1.25", "n": 2} for i in range(5)], [{"px": "1001", "sz": "3", "n": 1}]]
    return raw({"channel": "l2Book", "data": {"coin": "BTC", "time": time, "levels": levels}})


def trades(n: int) -> bytes:
    one = {
        "coin": "BTC",
        "side": "B",
        "px": "1000.5",
        "sz": "0.1",
        "time": n,
        "hash": "0x0",
        "tid": n,
        "users": ["a", "b"],
    }
    return raw({"channel": "trades", "data": [one, {**one, "side": "A", "tid": n + 1}]})


ASKED = {"method": "subscribe", "subscription": {"type": "trades", "coin": "X"}}
OTHERS = [
    raw({"channel": "subscriptionResponse", "data": ASKED}),
    raw({"channel": "error", "data": 'Invalid subscription {"type":"trades","coin":"XX"}'}),
    raw({"channel": "pong"}),
]


def check_refusal(error: FrameError) -> None:
    """It names a channel or none, is short, and can be shown."""
    assert error.channel in (None, Channel.BOOK, Channel.TRADES)
    assert len(str(error)) < 1_000
    assert str(error).isprintable()


def test_mutated_frames() -> None:
    dialect, rng = HyperliquidDialect(""), random.Random(4)
    rule = HyperliquidRule()
    before = refused = applied = 0
    for i in range(FRAMES):
        if i == FRAMES // 4:
            before = memory()
        sound = book(1_700_000_000_000 + i) if i % 2 else trades(1_700_000_000_000 + i)
        for frame in (mutated(rng.choice(OTHERS) if i % 5 == 0 else sound, rng), sound):
            try:
                events = dialect.decode(frame)
            except FrameError as error:
                refused += 1
                check_refusal(error)
                continue
            for event in events:
                if isinstance(event, TradeMessage):
                    assert all(0 <= fill.trade_id < 1 << 63 and fill.side in (-1, 1) for fill in event.fills)
                elif isinstance(event, BookMessage) and event.native == "BTC":
                    assert isinstance(event.body, Book)
                    verdict = rule.take(event.body)
                    assert not isinstance(verdict, Broken)
                    if not isinstance(verdict, Step):
                        (update,) = verdict
                        assert update.snapshot
                        assert all(0 <= size <= 1e18 for _, size in (*update.bids, *update.asks))
                        applied += 1
    assert refused > FRAMES // 4
    assert applied > FRAMES // 8
    assert memory() - before < 32 << 20
