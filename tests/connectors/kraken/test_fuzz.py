"""Whatever comes, nothing but FrameError leaves the decoder, and no book that its checksum does not prove is shown."""

from __future__ import annotations

import random
from decimal import Decimal

from connectors.kraken.dialect import KrakenDialect
from connectors.kraken.messages import Book
from connectors.live.wire import BookMessage, Broken, FrameError, Step, Update
from engine.instrument import Instrument
from tests.connectors.kraken.wire import VenueBook, checksum, trade_frame
from tests.connectors.mutations import FRAMES, memory, mutated

INSTRUMENT = Instrument("kraken", "BTC/USD", Decimal("0.1"), Decimal("0.00000001"))
ACK = (
    b'{"method":"subscribe","req_id":1,"result":{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"},'
    b'"success":true,"time_in":"2023-10-06T17:35:55.440000Z","time_out":"2023-10-06T17:35:55.440295Z"}'
)
STATUS = b'{"channel":"status","type":"update","data":[{"api_version":"v2","system":"online","version":"2.0.0"}]}'


OTHERS = [
    ACK,
    STATUS,
    b'{"channel":"heartbeat"}',
    trade_frame("update", (7, "buy", "1.50", "0.2")),
    trade_frame("snapshot"),
]


class Shown:
    """The book as those see it who get what the rule lets through."""

    def __init__(self, dialect: KrakenDialect) -> None:
        self.dialect, self.rule = dialect, dialect.rule(INSTRUMENT)
        self.bids: dict[Decimal, float] = {}
        self.asks: dict[Decimal, float] = {}
        self.refused = self.messages = 0

    def take(self, raw: bytes) -> None:
        try:
            events = self.dialect.decode(raw)
        except FrameError:
            self.refused += 1
            return
        for event in events:
            if isinstance(event, BookMessage) and event.native == "BTC/USD":
                assert isinstance(event.body, Book)
                verdict = self.rule.take(event.body)
                if not isinstance(verdict, Step | Broken):
                    for update in verdict:
                        self._apply(update)
                    self._check(event.body)

    def _apply(self, u: Update) -> None:
        if u.snapshot:
            self.bids, self.asks = {}, {}
        for side, changes in ((self.bids, u.bids), (self.asks, u.asks)):
            for price, size in changes:
                if size:
                    side[Decimal(price)] = size
                else:
                    side.pop(Decimal(price), None)

    def _check(self, message: Book) -> None:
        self.messages += 1
        assert len(self.bids) <= 12
        assert len(self.asks) <= 12
        if self.messages % 20 == 0:
            bids, asks = ({p: Decimal(repr(s)) for p, s in side.items()} for side in (self.bids, self.asks))
            assert checksum(bids, asks, 1, 8) == message.checksum


def test_mutated_frames() -> None:
    venue, shown, rng, before = VenueBook(12), Shown(KrakenDialect("", depth=12)), random.Random(1), 0
    for i in range(FRAMES):
        if i == FRAMES // 4:
            before = memory()
        if not shown.rule.synced:
            shown.take(venue.snapshot())
            assert shown.rule.synced
        update = venue.update()
        shown.take(mutated(rng.choice(OTHERS) if i % 3 == 0 else update, rng))
        shown.take(update)
    assert shown.refused > FRAMES // 4
    assert shown.messages > FRAMES // 4
    assert memory() - before < 32 << 20
