"""No damaged frame raises anything but FrameError, and none of them leaves anything behind in memory.

The long run: FLOWTAPE_FUZZ_FRAMES=1000000.
"""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest

from connectors.coinbase.dialect import CoinbaseDialect
from connectors.live.wire import BookMessage, BookRule, Broken, Dialect, FrameError, Step, Tainted, TradeMessage, Update
from connectors.okx.dialect import OkxDialect
from engine.codes import Channel
from engine.instrument import Instrument
from tests.connectors.mutations import FRAMES, mutated
from tests.sessions import frames

_INSTRUMENT = Instrument("x", "BTC/USD", Decimal("0.01"), Decimal("0.00000001"), base="BTC", quote="USD")


@dataclass(frozen=True)
class Case:
    """A venue's decoder, real frames, a small snapshot, and frames of today's protocol that the recording has not."""

    dialect: Dialect
    session: str
    snapshot: bytes
    more: Sequence[bytes]


CASES = {
    "okx": Case(
        OkxDialect(""),
        "okx",
        b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["30261","4","0","1"]],'
        b'"bids":[["30260","1","0","1"]],"ts":"1652459225463","checksum":0,"seqId":11,"prevSeqId":-1}]}',
        (
            b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["30261","4","0","1"]],'
            b'"bids":[],"ts":"1652459225464","checksum":0,"seqId":12,"prevSeqId":11}]}',
            b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"33","px":"30243",'
            b'"sz":"0.001","side":"buy","ts":"1652459226050","count":"3","source":"0","seqId":5}]}',
            b'{"id":"1","event":"error","code":"60018","msg":"channel:books,instId:X-Y doesn\'t exist","connId":"a"}',
            b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkPx":"0.007831","side":"buy",'
            b'"sz":"13","ts":"1692266434010"}],"instId":"IOST-USDT-SWAP","instType":"SWAP"}]}',
            b'{"arg":{"channel":"instruments","instType":"SPOT"},"data":[{"instId":"A-B","state":"suspend"}]}',
            b'{"event":"notice","code":"64008","msg":"closing","connId":"a4d3ae55"}',
        ),
    ),
    "coinbase": Case(
        CoinbaseDialect(),
        "coinbase",
        b'{"channel":"l2_data","timestamp":"2026-08-09T21:05:48.48Z","sequence_num":12,"events":[{"type":"snapshot",'
        b'"product_id":"BTC-USD","updates":[{"side":"bid","event_time":"2026-08-09T21:05:48.17Z","price_level":"65083",'
        b'"new_quantity":"0.2"}]}]}',
        (b'{"type":"error","message":"a","reason":"BTC-USD is no product"}',),
    ),
}


class Eater:
    """Takes frames as a connection does, down to the verdict of the market's rule."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.rule: BookRule = dialect.rule(_INSTRUMENT)
        self.refused = self.read = self.applied = 0

    def eat(self, frame: bytes) -> None:
        try:
            events = self.dialect.decode(frame)
        except FrameError as error:
            self._refused(error)
            return
        self.read += 1
        for event in events:
            if isinstance(event, Tainted):
                self.rule.reset()
            elif isinstance(event, BookMessage):
                verdict = self.rule.take(event.body)
                if not isinstance(verdict, Step | Broken):
                    for update in verdict:
                        self._sane(update)
            elif isinstance(event, TradeMessage):
                ids = [fill.trade_id for fill in event.fills]
                assert ids == sorted(ids)
                assert all(0 <= i < 1 << 63 for i in ids)
                assert all(-(1 << 63) < fill.ts < 1 << 63 for fill in event.fills)

    def _refused(self, error: FrameError) -> None:
        self.refused += 1
        assert len(str(error)) < 700
        assert str(error).isprintable()
        assert isinstance(error.native, str)
        assert error.channel is None or isinstance(error.channel, Channel)

    def _sane(self, update: Update) -> None:
        self.applied += 1
        assert -(1 << 63) < update.ts < 1 << 63
        assert 0 <= update.seq < 1 << 63
        for levels in (update.bids, update.asks):
            assert all(0.0 <= size <= 1e18 for _, size in levels)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.timeout(0)
def test_damaged_frames(name: str) -> None:
    case = CASES[name]
    corpus = [*frames(case.session), case.snapshot, *case.more]
    case.dialect.connected()
    eater = Eater(case.dialect)
    for frame in corpus:
        eater.eat(frame)
    assert eater.refused == 0
    short, rng = [frame for frame in corpus if len(frame) < 4_000], random.Random(1)
    warm, blocks = max(FRAMES // 4, 500), 0
    for count in range(FRAMES + warm):
        if count == warm:
            gc.collect()
            blocks = sys.getallocatedblocks()
        if count % 4 == 0:
            case.dialect.connected()
            eater.eat(case.snapshot)
        # Long frames seldom: a mutation costs their whole length.
        eater.eat(mutated(rng.choice(short if count % 400 else corpus), rng))
    eater.rule.reset()
    gc.collect()
    grown = sys.getallocatedblocks() - blocks
    print(f"{name}: {count + 1} frames, {eater.refused} refused, {eater.applied} updates applied, {grown} blocks more")
    assert min(eater.refused, eater.read) > FRAMES // 10
    assert eater.applied > FRAMES // 10
    assert grown < 5_000
