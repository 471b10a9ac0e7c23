"""A Kraken market's book as the venue keeps and sends it, and the frames of its stream."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from zlib import crc32

SYMBOL = "BTC/USD"
TIME = "2023-10-06T17:35:55.440295Z"
Levels = dict[Decimal, Decimal]


def checksum(bids: Levels, asks: Levels, price_decimals: int, size_decimals: int) -> int:
    """As the documentation words it, slowly and from numbers: no text of the wire has a part in it."""

    def digits(value: Decimal, decimals: int) -> str:
        return str(int(value.scaleb(decimals)))

    text = ""
    for levels, best_first in ((asks, sorted(asks)), (bids, sorted(bids, reverse=True))):
        for price in best_first[:10]:
            text += digits(price, price_decimals) + digits(levels[price], size_decimals)
    return crc32(text.encode()) & 0xFFFFFFFF


def frame(
    kind: str, bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]], check: int, symbol: str = SYMBOL
) -> bytes:
    """A message of the book channel; numbers with exactly these digits."""

    def side(levels: Iterable[tuple[str, str]]) -> str:
        return "[" + ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in levels) + "]"

    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":{side(bids)},"asks":{side(asks)},'
        f'"checksum":{check},"timestamp":"{TIME}"}}]}}'
    ).encode()


def trade_frame(kind: str, *trades: tuple[int, str, str, str], symbol: str = SYMBOL) -> bytes:
    """A message of the trade channel from (id, side, price, size)."""
    items = ",".join(
        f'{{"symbol":"{symbol}","side":"{side}","price":{price},"qty":{size},"ord_type":"market","trade_id":{number},'
        f'"timestamp":"{TIME}"}}'
        for number, side, price, size in trades
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{items}]}}'.encode()


class VenueBook:
    """The whole book at the venue, of which a subscriber sees `depth` levels a side."""

    def __init__(self, depth: int, seed: int = 1, price_decimals: int = 1, size_decimals: int = 8) -> None:
        self.depth, self.decimals = depth, (price_decimals, size_decimals)
        self._rng = random.Random(seed)
        self._mid = 300_000
        self.bids: Levels = {}
        self.asks: Levels = {}
        for i in range(1, depth + 15):
            self.bids[self.price(self._mid - i)] = self.size()
            self.asks[self.price(self._mid + i)] = self.size()
        self.seen = self.visible()

    def price(self, ticks: int) -> Decimal:
        return Decimal(ticks).scaleb(-self.decimals[0])

    def size(self) -> Decimal:
        return Decimal(self._rng.choice((1, 99, 100_000_000, self._rng.randint(1, 10**10)))).scaleb(-self.decimals[1])

    def visible(self) -> tuple[Levels, Levels]:
        """The levels in scope."""
        bids = sorted(self.bids, reverse=True)[: self.depth]
        asks = sorted(self.asks)[: self.depth]
        return {p: self.bids[p] for p in bids}, {p: self.asks[p] for p in asks}

    def snapshot(self) -> bytes:
        """The first message."""
        self.seen = bids, asks = self.visible()
        return self._frame("snapshot", list(bids.items()), list(asks.items()))

    def update(self) -> bytes:
        """The next message: changes in scope, and deletions of what was deleted in it (not of what fell out)."""
        rng = self._rng
        self._mid += rng.choice((-3, -1, 0, 0, 0, 1, 3))
        for _ in range(rng.randint(1, 5)):
            distance = rng.randint(1, self.depth + 10)
            for levels, px in ((self.bids, self._mid - distance), (self.asks, self._mid + distance)):
                if rng.random() < 0.6:
                    levels[self.price(px)] = self.size()
                elif len(levels) > self.depth // 2:
                    levels.pop(self.price(px), None)
        middle = self.price(self._mid)
        self.bids = {p: s for p, s in self.bids.items() if p < middle}
        self.asks = {p: s for p, s in self.asks.items() if p > middle}
        before, self.seen = self.seen, self.visible()
        changes = []
        for whole, old, new in zip((self.bids, self.asks), before, self.seen, strict=True):
            gone = [(p, Decimal(0)) for p in old if p not in whole]
            changes.append(gone + [(p, s) for p, s in new.items() if old.get(p) != s])
        return self._frame("update", *changes)

    def check(self) -> int:
        return checksum(*self.seen, *self.decimals)

    def _frame(self, kind: str, bids: list[tuple[Decimal, Decimal]], asks: list[tuple[Decimal, Decimal]]) -> bytes:
        price_decimals, size_decimals = self.decimals

        def written(levels: list[tuple[Decimal, Decimal]]) -> list[tuple[str, str]]:
            return [(f"{p:.{price_decimals}f}", f"{s:.{size_decimals}f}") for p, s in levels]

        return frame(kind, written(bids), written(asks), self.check())
