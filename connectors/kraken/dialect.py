"""How a connection to Kraken's WebSocket API v2 speaks.

https://docs.kraken.com/exchange/api-reference/spot-websocket-v2: one acknowledgement a market; a `heartbeat` each
second without other messages; a connection without a ping is closed after about a minute. A subscription to `trade`
begins with a snapshot of the last 50 trades, which is history.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.kraken.book_rule import KrakenBook
from connectors.kraken.instruments import DEPTH
from connectors.kraken.messages import Answer, Book, Status, Trade, Trades, decode
from connectors.live.wire import BookMessage, BookRule, Event, Fill, Reply, Request, TradeMessage
from engine.codes import Channel
from engine.instrument import Instrument

_MARKETS_A_FRAME = 50
_PING_EVERY = 20.0
_NAMES = {Channel.BOOK: "book", Channel.TRADES: "trade"}


class KrakenDialect:
    """A `Dialect` of Kraken."""

    def __init__(self, url: str, depth: int = DEPTH) -> None:
        self._url, self._depth = url, depth
        self._numbers = 0
        self._asked: dict[int, tuple[str, set[str]]] = {}  # request -> its channel, its markets without an answer
        self._depths: dict[str, int] = {}  # of markets whose acknowledgement told another depth: recorded ones
        self._newest = 0

    @property
    def url(self) -> str:
        """See Dialect."""
        return self._url

    @property
    def ping(self) -> tuple[float, str] | None:
        """See Dialect."""
        return _PING_EVERY, '{"method":"ping"}'

    def connected(self) -> None:
        """See Dialect."""
        self._asked.clear()
        self._depths.clear()

    def opening(self) -> Sequence[Request]:
        """See Dialect: nothing."""
        return ()

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """See Dialect."""
        return self._requests("subscribe", markets)

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """See Dialect."""
        return self._requests("unsubscribe", markets)

    def _requests(self, method: str, markets: Sequence[tuple[str, Channel]]) -> list[Request]:
        requests = []
        for channel, name in _NAMES.items():
            natives = [native for native, wanted in markets if wanted is channel]
            for i in range(0, len(natives), _MARKETS_A_FRAME):
                part = natives[i : i + _MARKETS_A_FRAME]
                self._numbers += 1
                self._asked[self._numbers] = name, set(part)
                params: dict[str, object] = {"channel": name, "symbol": part}
                if channel is Channel.BOOK:
                    params["depth"] = self._depth
                if method == "subscribe":
                    params["snapshot"] = True
                frame = msgspec.json.encode({"method": method, "params": params, "req_id": self._numbers})
                requests.append(Request(frame.decode(), topics=[_topic(name, native) for native in part]))
        return requests

    def decode(self, frame: bytes) -> Sequence[Event]:
        """See Dialect."""
        events: list[Event] = []
        for message in decode(frame):
            if type(message) is Book:
                self._newest = max(self._newest, message.ts)
                if not message.ts:
                    # Snapshots tell no time in some versions: it is not older than what came before it.
                    message = msgspec.structs.replace(message, ts=self._newest)
                events.append(BookMessage(message.symbol, message.ts, message))
            elif type(message) is Trades:
                events += _of_markets(message)
                self._newest = max(self._newest, message.trades[-1].ts)
            elif type(message) is Answer:
                self._newest = max(self._newest, message.ts)
                if message.depth and message.depth != self._depth:
                    self._depths[message.symbol] = message.depth
                events.append(self._reply(message))
            else:
                assert type(message) is Status  # what it means for the data, the data shows
        return events

    def _reply(self, a: Answer) -> Reply:
        name, waiting = self._asked.get(a.request or 0, (a.channel, set()))
        # A refusal of the whole request names no market.
        natives = {a.symbol} if a.symbol else set(waiting)
        waiting -= natives
        if not waiting:
            self._asked.pop(a.request or 0, None)
        return Reply([_topic(a.channel or name, native) for native in sorted(natives)], a.request, a.error)

    def rule(self, instrument: Instrument) -> BookRule:
        """See Dialect."""
        return KrakenBook(instrument, self._depths.get(instrument.native, self._depth))


def _topic(channel: str, native: str) -> str:
    return f"{channel}:{native}"


def _of_markets(message: Trades) -> list[TradeMessage]:
    by_market: dict[str, list[Trade]] = {}
    for trade in message.trades:
        by_market.setdefault(trade.symbol, []).append(trade)
    return [
        TradeMessage(
            native,
            [Fill(t.trade_id, t.ts, t.price, t.size, t.side) for t in sorted(trades, key=lambda t: t.trade_id)],
            message.snapshot,
        )
        for native, trades in by_market.items()
    ]
