"""An exchange with ccxt's unified methods, whose market is known and whose failures are scripted."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.emulator.seeded import Print, SeededMarket


class NetworkError(Exception):
    """Named as ccxt's, which is told by its name."""


class BaseError(Exception):
    """Likewise."""


class BadSymbol(BaseError):  # noqa: N818
    """Likewise."""


class CcxtLike:
    """`step` moves a market and wakes who watches it; `break_all` fails every watch that waits, once."""

    id = "faraway"
    precisionMode = 4  # noqa: N815

    def __init__(self, *markets: SeededMarket) -> None:
        self.known = {m.symbol: m for m in markets}
        self.has: dict[str, Any] = dict.fromkeys(
            ("watchOrderBook", "watchTrades", "fetchTrades", "fetchTime", "fetchOHLCV", "unWatchOrderBook"), True
        )
        self.urls = {"api": {"public": "https://faraway.example/v1", "ws": {"spot": "wss://faraway.example/feed?x=1"}}}
        self.closed = 0
        self.watches: dict[tuple[str, str], int] = {}
        self.unwatched: list[str] = []
        self.past: int | None = None  # REST gives the newest so many trades; None: all
        self.replays = 0  # trades of the past that a subscription begins with
        self.fail: dict[str, list[Exception]] = {}  # of the next calls, by method
        self._told: dict[str, int] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._broken: list[asyncio.Future[None]] = []
        self.odd: list[Any] = []  # put before the next trades
        self.book_instead: list[Any] = []  # given for the next books

    # ---- what tests do

    def step(self, market: SeededMarket, deltas: int = 1, trades: int = 1) -> None:
        for _ in range(trades):
            market.execute()
        for _ in range(deltas):
            market.move()
        for what in ("book", "trades"):
            self._event(market.symbol, what).set()

    def break_all(self) -> None:
        for waiting in self._broken:
            if not waiting.done():
                waiting.set_exception(NetworkError("connection closed by remote server"))
        self._broken.clear()

    # ---- ccxt's methods

    async def load_markets(self, reload: bool = False) -> dict[str, Any]:
        self._scripted("load_markets")
        return {
            m.symbol: {
                "symbol": m.symbol, "id": m.native, "base": m.base, "quote": m.quote, "spot": True, "contract": False,
                "active": True, "precision": {"price": float(m.tick), "amount": float(m.lot)}, "taker": 0.001,
                "maker": None, "contractSize": None,
            }
            for m in self.known.values()
        } | {"BROKEN/X": {"symbol": "BROKEN/X"}, "OPT/X:X-1": {"option": True}}  # fmt: skip

    async def fetch_time(self) -> int:
        return max(m.now_ms for m in self.known.values())

    async def fetch_ticker(self, symbol: str) -> dict[str, Any]:
        return {"baseVolume": float(self.known[symbol].day_volume)}

    async def fetch_ohlcv(self, symbol: str, frame: str, since: int, count: int) -> list[Any]:
        self._scripted("fetch_ohlcv")
        return []

    async def fetch_trades(self, symbol: str, since: int | None = None) -> list[Any]:
        self._scripted("fetch_trades")
        prints = self.known[symbol].prints
        return [self.trade(p) for p in (prints if self.past is None else prints[-self.past :])]

    async def watch_order_book(self, symbol: str, limit: int | None = None) -> Any:
        await self._next(symbol, "book")
        if self.book_instead:
            return self.book_instead.pop(0)
        market = self.known[symbol]
        bids, asks = market.best(100)
        sides = {"bids": [[float(p), float(s)] for p, s in bids], "asks": [[float(p), float(s)] for p, s in asks]}
        return {**sides, "timestamp": market.now_ms, "nonce": None}

    async def watch_trades(self, symbol: str) -> list[Any]:
        await self._next(symbol, "trades")
        prints = self.known[symbol].prints
        first = self._told.get(symbol)
        fresh = prints[-max(1, self.replays) :] if first is None else prints[first:]
        self._told[symbol] = len(prints)
        odd, self.odd = self.odd, []
        return odd + [self.trade(p) for p in fresh]

    async def un_watch_order_book(self, symbol: str) -> None:
        self.unwatched.append(symbol)

    async def close(self) -> None:
        self.closed += 1
        self.break_all()

    # ---- inside

    def trade(self, p: Print) -> dict[str, Any]:
        side = "buy" if p.side > 0 else "sell"
        return {"id": f"x-{p.id}", "timestamp": p.ms, "price": float(p.price), "amount": float(p.size), "side": side}

    def lose(self, symbol: str) -> None:
        """The stream forgets what it has told: a new subscription begins."""
        self._told.pop(symbol, None)

    def _scripted(self, method: str) -> None:
        if self.fail.get(method):
            raise self.fail[method].pop(0)

    def _event(self, symbol: str, what: str) -> asyncio.Event:
        return self._changed.setdefault(f"{symbol} {what}", asyncio.Event())

    async def _next(self, symbol: str, what: str) -> None:
        self.watches[symbol, what] = self.watches.get((symbol, what), 0) + 1
        self._scripted(f"watch {what}")
        event = self._event(symbol, what)
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._broken.append(broken)
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait([waiting, broken], return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                broken.result()
            event.clear()
        finally:
            waiting.cancel()
            broken.cancel()
