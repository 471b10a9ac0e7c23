"""Markets of Binance: the truth, and how the venue words it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.emulator.seeded import START_MS, Change, Print, SeededMarket

__all__ = ["START_MS", "EmulatedMarket", "Event", "coinm", "spot", "usdm"]

Event = dict[str, Any]


@dataclass
class EmulatedMarket(SeededMarket):
    """One market of Binance (`kind`: spot, usdm, coinm) in the venue's own words.

    `delta` and `trade` make the next event; `snapshot` gives the book after the last delta, or after
    an earlier one.
    """

    kind: str = "spot"
    margin: str = ""
    listed_tick: str = ""  # what exchangeInfo says when it is not `tick`
    contract_size: int = 1
    status: str = "TRADING"
    update_id: int = 1_000
    figures: dict[str, Any] | None = None  # of premiumIndex
    open_interest: str = "98765.432"
    klines: dict[str, list[list[Any]]] = field(default_factory=dict)  # by interval, as REST gives them
    trades: list[Event] = field(default_factory=list)
    history: dict[int, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)
    newest: Event = field(default_factory=dict)  # the depth update of the last move

    def __post_init__(self) -> None:
        super().__post_init__()
        self._remember()

    def move(self) -> Change:
        """See SeededMarket; `newest` is its event."""
        change = super().move()
        previous = self.update_id
        skip = 0 if self.kind == "spot" else self._rng.randint(0, 40)  # futures number more than one market's updates
        first = previous + 1 + skip
        self.update_id = first + len(change.bids) + len(change.asks) - 1
        self._remember()
        event: Event = {"e": "depthUpdate", "E": self.now_ms, "s": self.native, "U": first, "u": self.update_id}
        if self.kind != "spot":
            event |= {"T": self.now_ms - 3, "pu": previous}
        self.newest = event | {"b": [list(x) for x in change.bids.items()], "a": [list(x) for x in change.asks.items()]}
        return change

    def delta(self) -> Event:
        """The next depth update."""
        self.move()
        return self.newest

    def execute(self, kind: str = "MARKET") -> Print:
        """See SeededMarket; the event is the last of `trades`."""
        p = super().execute()
        event: Event = {
            "e": "trade",
            "E": p.ms,
            "T": p.ms,
            "s": self.native,
            "t": p.id,
            "p": p.price,
            "q": p.size,
            "m": p.side < 0,
        }
        self.trades.append(event | ({"M": True} if self.kind == "spot" else {"X": kind}))
        return p

    def trade(self, kind: str = "MARKET") -> Event:
        """The next trade."""
        self.execute(kind)
        return self.trades[-1]

    def snapshot(self, at: int | None = None) -> Event:
        """The REST depth answer after update `at` (None: the last)."""
        at = self.update_id if at is None else at
        bids, asks = self.history[at]
        book: Event = {"lastUpdateId": at}
        if self.kind != "spot":
            book |= {"E": self.now_ms, "T": self.now_ms}
        return book | {"bids": [list(x) for x in bids.items()], "asks": [list(x) for x in asks.items()]}

    def listing(self) -> Event:
        """The market's entry in exchangeInfo."""
        tick = self.listed_tick or self.tick
        entry: Event = {
            "symbol": self.native,
            "baseAsset": self.base,
            "quoteAsset": self.quote,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": self.lot, "maxQty": "9000", "stepSize": self.lot},
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            ],
        }
        if self.kind == "spot":
            return entry | {"status": self.status}
        entry |= {"contractType": "PERPETUAL", "deliveryDate": 4_133_404_800_000, "marginAsset": self.margin}
        if self.kind == "coinm":
            return entry | {"contractStatus": self.status, "contractSize": self.contract_size}
        return entry | {"status": self.status}

    def past_trades(self, first_id: int | None, limit: int) -> list[Event]:
        """The REST answer with trades: from an id on, or (None) the newest; futures leave out what is not flow."""
        known = [t for t in self.trades if t.get("X", "MARKET") in ("MARKET", "RPI")]
        chosen = known[-limit:] if first_id is None else [t for t in known if t["t"] >= first_id][:limit]
        return [
            {"id": t["t"], "price": t["p"], "qty": t["q"], "quoteQty": "0", "time": t["T"], "isBuyerMaker": t["m"]}
            for t in chosen
        ]

    def make_past(self, interval: str, step_ms: int, count: int) -> list[list[Any]]:
        """`count` bars up to the one that is open now, with taker volume; they become the answer of /klines."""
        rng, out = random.Random(f"{self.seed} {interval}"), []
        newest = self.now_ms // step_ms * step_ms
        for i in range(count):
            opened = newest - (count - 1 - i) * step_ms
            low = self._mid + rng.randrange(-300, 300)
            high = low + rng.randrange(0, 40)
            first, last = rng.randint(low, high), rng.randint(low, high)
            lots = rng.randrange(1_000, 90_000)
            bought = rng.randint(0, lots)
            paid = Decimal(rng.randint(low, high)) * Decimal(self.tick) * lots * Decimal(self.lot)
            prices = [self.price(p) for p in (first, high, low, last)]
            out.append(
                [opened, *prices, self.size(lots), opened + step_ms - 1, str(paid), 100, self.size(bought), "0", "0"]
            )
        self.klines[interval] = out
        return out

    def past_klines(self, interval: str, start: int, end: int, limit: int) -> list[list[Any]]:
        """The REST answer with bars."""
        return [k for k in self.klines.get(interval, []) if start <= k[0] <= end][:limit]

    def _remember(self) -> None:
        self.history[self.update_id] = (dict(self.bids), dict(self.asks))


def spot(native: str = "ETHUSDT", base: str = "ETH", quote: str = "USDT", **more: Any) -> EmulatedMarket:
    """A spot market."""
    return EmulatedMarket(f"{base}/{quote}", native, base, quote, kind="spot", **more)


def usdm(native: str = "ETHUSDT", base: str = "ETH", quote: str = "USDT", **more: Any) -> EmulatedMarket:
    """A linear perpetual."""
    return EmulatedMarket(f"{base}/{quote}:{quote}", native, base, quote, kind="usdm", margin=quote, **more)


def coinm(native: str = "ETHUSD_PERP", base: str = "ETH", quote: str = "USD", **more: Any) -> EmulatedMarket:
    """An inverse perpetual of 10 USD a contract."""
    inverse = {"kind": "coinm", "margin": base, "lot": "1", "contract_size": 10, "day_volume": "777"}
    return EmulatedMarket(f"{base}/{quote}:{base}", native, base, quote, **inverse, **more)
