"""Frames of Deribit's stream, and a market's book as the venue keeps it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec

NAME = "BTC-PERPETUAL"
MS = 1_699_999_999_000
Level = tuple[str, float, float]


def notification(channel: str, data: Any) -> bytes:
    """A notification of a channel."""
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    )


def book_frame(
    change: int,
    previous: int | None,
    bids: Sequence[Level] = (),
    asks: Sequence[Level] = (),
    *,
    name: str = NAME,
    ms: int = MS,
) -> bytes:
    """A message of the book channel; without `previous` a snapshot."""
    data: dict[str, Any] = {
        "type": "snapshot" if previous is None else "change",
        "timestamp": ms,
        "instrument_name": name,
        "change_id": change,
        "bids": bids,
        "asks": asks,
    }
    if previous is not None:
        data["prev_change_id"] = previous
    return notification(f"book.{name}.100ms", data)


def trade(seq: int, side: str = "buy", price: float = 42_500.0, amount: float = 10.0, **more: Any) -> dict[str, Any]:
    """One trade."""
    return {
        "trade_seq": seq,
        "trade_id": str(400_000 + seq),
        "timestamp": MS + seq,
        "tick_direction": 0,
        "price": price,
        "mark_price": 42_500.1,
        "instrument_name": NAME,
        "index_price": 42_499.9,
        "direction": side,
        "amount": amount,
        "contracts": amount / 10,
        **more,
    }


def trade_frame(*trades: dict[str, Any], name: str = NAME) -> bytes:
    """A message of the trades channel."""
    return notification(f"trades.{name}.100ms", trades)


class VenueBook:
    """A book that moves, and its messages."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self.change = 1_000
        self._mid = 85_000  # of half dollars
        self.bids = {self.price(-i): self._size() for i in range(1, 25)}
        self.asks = {self.price(i): self._size() for i in range(1, 25)}

    def price(self, distance: int) -> float:
        return (self._mid + distance) / 2

    def _size(self) -> float:
        return float(self._rng.randint(1, 900) * 10)

    def snapshot(self) -> bytes:
        """The whole book."""
        return book_frame(
            self.change,
            None,
            [("new", p, s) for p, s in sorted(self.bids.items(), reverse=True)],
            [("new", p, s) for p, s in sorted(self.asks.items())],
        )

    def update(self) -> bytes:
        """The next change."""
        rng, changes = self._rng, ([], [])  # type: tuple[random.Random, tuple[list[Level], list[Level]]]
        self._mid += rng.choice((-1, 0, 0, 1))
        for side, levels in ((0, self.bids), (1, self.asks)):
            crossing = [p for p in levels if (p >= self._mid / 2 if side == 0 else p <= self._mid / 2)]
            for price in crossing:
                del levels[price]
                changes[side].append(("delete", price, 0.0))
            for _ in range(rng.randint(0, 3)):
                distance = rng.randint(1, 30)
                price = self.price(-distance if side == 0 else distance)
                if price in levels and rng.random() < 0.4:
                    del levels[price]
                    changes[side].append(("delete", price, 0.0))
                else:
                    action = "change" if price in levels else "new"
                    levels[price] = self._size()
                    changes[side].append((action, price, levels[price]))
        previous, self.change = self.change, self.change + rng.randint(1, 900)
        return book_frame(self.change, previous, *changes)
