"""The emulators prove themselves: ccxt's own client, pointed at one, reads the same book and the same trades."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from engine.codes import Channel
from tests.emulator.exchange import Exchange, eventually
from tests.emulator.seeded import SeededMarket
from tests.emulator.venues import EXCHANGES

#: What ccxt tells of Coinbase is the maker's side.
_MAKERS_SIDE = {"coinbase"}
#: Depths to ask for, where the emulator has not the one that ccxt asks for by itself.
_DEPTHS = {"bybit": 200, "kraken": 100}
_LEVELS = 10


def pointed(urls: Any, root: str) -> Any:
    """Addresses of sockets with another root and the same path."""
    if isinstance(urls, dict):
        return {name: pointed(value, root) for name, value in urls.items()}
    return re.sub(r"^wss?://[^/]+", root, urls)


@asynccontextmanager
async def client(venue: str, exchange: Exchange[Any], market: SeededMarket) -> AsyncIterator[Any]:
    """ccxt's client of a venue, which knows the one market and asks nobody else."""
    pro = pytest.importorskip("ccxt.pro")
    theirs = getattr(pro, venue)({"newUpdates": True})
    theirs.urls["api"]["ws"] = pointed(theirs.urls["api"]["ws"], exchange.ws_url)
    for name, url in list(theirs.urls["api"].items()):
        if isinstance(url, str) and url.startswith("https"):
            theirs.urls["api"][name] = re.sub(r"^https://[^/]+", exchange.url, url)
    settle = market.symbol.partition(":")[2]
    kind = "swap" if settle else "spot"
    known = {"id": market.native, "symbol": market.symbol, "base": market.base, "quote": market.quote}
    known |= {"baseId": market.base, "quoteId": market.quote, "type": kind, "active": True, "contract": bool(settle)}
    known |= {"spot": not settle, "swap": bool(settle), "margin": False, "future": False, "option": False}
    known |= {"baseName": market.base}  # Hyperliquid's name
    known |= {"precision": {"price": float(market.tick), "amount": float(market.lot)}}
    if settle:
        inverse = settle == market.base
        known |= {"settle": settle, "settleId": settle, "linear": not inverse, "inverse": inverse, "contractSize": 1.0}
    theirs.set_markets([theirs.safe_market_structure(known)])
    try:
        yield theirs
    finally:
        await theirs.close()


# Not Binance: ccxt takes bare streams at numbered paths, and futures at the root that is silent since April 2026.
@pytest.mark.parametrize("name", [name for name in EXCHANGES if not name.startswith("binance")])
async def test_ccxt_reads_the_same_book_and_trades(name: str) -> None:
    kind, venue = EXCHANGES[name], name.partition(" ")[0]
    market, other = kind.pair()
    async with kind(market, other) as exchange, client(venue, exchange, market) as theirs:
        seen: list[tuple[Decimal, Decimal, int]] = []
        book: dict[str, list[tuple[Decimal, Decimal]]] = {}

        async def trades() -> None:
            while True:
                for t in await theirs.watch_trades(market.symbol):
                    side = (1 if t["side"] == "buy" else -1) * (-1 if venue in _MAKERS_SIDE else 1)
                    seen.append((Decimal(str(t["price"])), Decimal(str(t["amount"])), side))

        async def books() -> None:
            while True:
                told = await theirs.watch_order_book(market.symbol, _DEPTHS.get(venue))
                for side in ("bids", "asks"):
                    book[side] = [(Decimal(str(p)), Decimal(str(s))) for p, s, *_ in told[side][:_LEVELS]]

        tasks = [asyncio.create_task(trades()), asyncio.create_task(books())]

        def same() -> bool:
            for task in tasks:
                if task.done():
                    task.result()
            bids, asks = market.best(_LEVELS)
            truth = {"bids": bids, "asks": asks}
            # Five levels is what Hyperliquid sends to whoever asks for no more.
            return all(
                len(book.get(s, ())) >= 5 and book[s] == [(Decimal(p), Decimal(q)) for p, q in truth[s][: len(book[s])]]
                for s in truth
            )

        try:
            await eventually(
                lambda: same() or all(exchange.listened(market, c) for c in (Channel.BOOK, Channel.TRADES)),
                "subscribed",
            )
            for _ in range(40):
                await exchange.step(market)
                await asyncio.sleep(0.001)
            prints = [(Decimal(p.price), Decimal(p.size), p.side) for p in market.prints]
            await eventually(lambda: same() and seen[-30:] == prints[-30:], "the same")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
