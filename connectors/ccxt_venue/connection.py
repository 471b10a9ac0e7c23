"""Markets watched through one exchange of ccxt, each by itself, for as long as the feed runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from connectors.backoff import Backoff
from connectors.ccxt_venue.book_rule import WholeBook
from connectors.ccxt_venue.messages import book_time, read_book, read_trades
from connectors.ccxt_venue.rest import kinds
from connectors.live.session import MarketSession
from connectors.live.venue import Environment
from connectors.live.wire import BookMessage, FrameError, TradeMessage
from engine.codes import Channel

#: Trades of the first answer that are so much older than the subscription are what the venue replays, ns.
_HISTORY_NS = 1_000_000_000
#: A book that came so lately (s) needs no new subscription: the next one is whole anyway.
_FRESH = 2.0
_UNWATCH = {
    Channel.BOOK: ("unWatchOrderBook", "un_watch_order_book"),
    Channel.TRADES: ("unWatchTrades", "un_watch_trades"),
}


class CcxtConnection:
    """Serves the sessions of some markets. `run` never returns; cancel it."""

    def __init__(self, exchange: Any, sessions: Sequence[MarketSession], run: Environment) -> None:
        self._exchange, self._sessions, self._run = exchange, sessions, run
        self._notice, self._clock = run.notice, run.clock
        self._watching: dict[tuple[str, Channel], asyncio.Task[None]] = {}
        self._books: dict[str, float] = {}  # when one came, by symbol
        self._asked: dict[str, float] = {}  # when a new one was asked for
        self._leaving: set[asyncio.Future[None]] = set()
        self._told = ""

    async def run(self) -> None:
        """Watch, and watch again, with growing pauses that only data ends."""
        async with asyncio.TaskGroup() as tasks:
            for session in self._sessions:
                session.resubscribe = self._again
                tasks.create_task(self._serve(session))

    async def _serve(self, session: MarketSession) -> None:
        timing = self._run.timing
        backoff = Backoff(timing.backoff_base, timing.backoff_cap, self._run.rng)
        while True:
            session.connecting()
            tasks = {
                channel: asyncio.create_task(self._watch(session, channel, backoff)) for channel in session.channels
            }
            self._watching.update({(session.instrument.native, channel): task for channel, task in tasks.items()})
            session.subscribed()
            try:
                await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
                errors = [task.exception() for task in tasks.values() if task.done() and not task.cancelled()]
            finally:
                for task in tasks.values():
                    task.cancel()
                await asyncio.gather(*tasks.values(), return_exceptions=True)
            session.disconnected()
            self._tell(session, next((error for error in errors if error is not None), None))
            await asyncio.sleep(max(0.01, backoff.next()))

    def _tell(self, session: MarketSession, error: BaseException | None) -> None:
        if error is None:
            return
        said = " ".join(str(error).split())[:200] or type(error).__name__
        if "BaseError" not in kinds(error):
            said = f"{type(error).__name__}: {said}"
        if said != self._told:
            self._told = said
            self._notice(f"{session.instrument.symbol}: {said}; trying again until it works")

    # ---- watching

    async def _watch(self, session: MarketSession, channel: Channel, backoff: Backoff) -> None:
        if channel is Channel.BOOK:
            await self._watch_book(session, backoff)
        else:
            await self._watch_trades(session, backoff)

    async def _watch_book(self, session: MarketSession, backoff: Backoff) -> None:
        symbol, loop = session.instrument.native, asyncio.get_running_loop()
        while True:
            book = await self._exchange.watch_order_book(symbol)
            recv = self._clock()
            levels = read_book(book)
            if levels is None:
                session.unreadable(Channel.BOOK, FrameError("levels that are none", symbol, Channel.BOOK))
                continue
            self._books[symbol] = loop.time()
            ts, nonce = book_time(book), book.get("nonce")
            seq = nonce if isinstance(nonce, int) and 0 <= nonce < 1 << 63 else 0
            whole = WholeBook(self._run.venue_time(recv) if ts is None else ts, seq, *levels)
            session.book(recv, BookMessage(symbol, whole.ts, whole))
            self._works(backoff)
            await asyncio.sleep(0)  # what has come already is given without waiting

    async def _watch_trades(self, session: MarketSession, backoff: Backoff) -> None:
        symbol = session.instrument.native
        began: int | None = self._run.venue_time(self._clock()) - _HISTORY_NS
        while True:
            given = await self._exchange.watch_trades(symbol)
            recv = self._clock()
            fills, odd = read_trades(given)
            if odd:
                session.unreadable(Channel.TRADES, FrameError(f"{odd} trades that are none", symbol, Channel.TRADES))
            if began is not None:
                old = [fill for fill in fills if fill.ts < began]
                if old:
                    session.trades(recv, TradeMessage(symbol, old, history=True))
                fills, began = [fill for fill in fills if fill.ts >= began], None
            if fills:
                session.trades(recv, TradeMessage(symbol, fills))
                self._works(backoff)
            await asyncio.sleep(0)

    def _works(self, backoff: Backoff) -> None:
        backoff.reset()
        self._told = ""

    # ---- subscribing anew

    def _again(self, session: MarketSession, channel: Channel) -> None:
        """A channel is silent, or the book is wrong: every book is whole, so the next one mends it, unless it is wrong
        again or does not come."""
        symbol, now = session.instrument.native, asyncio.get_running_loop().time()
        if channel is Channel.BOOK:
            fresh = now - self._books.get(symbol, -_FRESH) < _FRESH
            again = now - self._asked.get(symbol, -1e9) < 10.0
            self._asked[symbol] = now
            if fresh and not again:
                return
        task = self._watching.get((symbol, channel))
        if task is not None and not task.done():
            leaving = asyncio.ensure_future(self._unwatch(symbol, channel, task))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _unwatch(self, symbol: str, channel: Channel, task: asyncio.Task[None]) -> None:
        """Without a way to leave one channel, all connections are made anew."""
        has, method = _UNWATCH[channel]
        try:
            if self._exchange.has.get(has):
                await getattr(self._exchange, method)(symbol)
            else:
                await self._exchange.close()
        except Exception as error:
            self._notice(f"{symbol}: subscribing again failed: {' '.join(str(error).split())[:200]}")
        task.cancel()  # its market is watched anew
