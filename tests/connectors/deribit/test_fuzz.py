"""Whatever comes, nothing but FrameError leaves the decoder, and no change is let through that does not follow."""

from __future__ import annotations

import random

from connectors.deribit.book_rule import DeribitBook
from connectors.deribit.dialect import DeribitDialect
from connectors.deribit.messages import Book
from connectors.live.wire import BookMessage, Broken, FrameError, Step
from tests.connectors.deribit.wire import NAME, VenueBook, notification, trade, trade_frame
from tests.connectors.mutations import FRAMES, memory, mutated

OTHERS = [
    b'{"jsonrpc":"2.0","id":4,"result":["book.A.100ms"],"usIn":1,"usOut":2,"usDiff":1,"testnet":true}',
    b'{"jsonrpc":"2.0","id":7,"error":{"code":10028,"message":"too_many_requests","data":null}}',
    b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}',
    notification("instrument.state.option.any", {"timestamp": 1, "state": "closed", "instrument_name": NAME}),
    trade_frame(trade(7), trade(8, "sell", block_trade_id="BLOCK-1")),
]


def test_mutated_frames() -> None:
    venue, dialect, rule, rng = VenueBook(), DeribitDialect(""), DeribitBook(), random.Random(2)
    refused = shown = before = 0
    last: int | None = None

    def take(raw: bytes) -> None:
        nonlocal refused, shown, last
        try:
            events = dialect.decode(raw)
        except FrameError:
            refused += 1
            return
        for event in events:
            if not isinstance(event, BookMessage) or event.native != NAME:
                continue
            verdict = rule.take(event.body)
            assert isinstance(event.body, Book)
            if isinstance(verdict, Step | Broken):
                continue
            (update,) = verdict
            assert update.snapshot or event.body.previous == last
            assert all(0 <= size <= 1e18 for _, size in [*update.bids, *update.asks])
            last, shown = update.seq, shown + 1

    for i in range(FRAMES):
        if i == FRAMES // 4:
            before = memory()
        if not rule.synced:
            take(venue.snapshot())
        update = venue.update()
        take(mutated(rng.choice(OTHERS) if i % 3 == 0 else update, rng))
        take(update)
        assert not rule.synced or last == venue.change, "it goes on, or says that it does not"
    assert refused > FRAMES // 4
    assert shown > FRAMES // 4
    assert memory() - before < 32 << 20
