"""How a connection to Hyperliquid speaks.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket: a connection without a message for 60 s is
closed, so one pings; a subscription to a coin that does not exist closes it at once and without a word, so coins are
looked up before; an address may hold 1,000 subscriptions and send 2,000 messages a minute.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.hyperliquid.book_rule import HyperliquidRule
from connectors.hyperliquid.messages import decode, topic
from connectors.live.wire import BookRule, Event, Request, TradeMessage
from engine.codes import Channel
from engine.instrument import Instrument

_NAMES = {Channel.BOOK: "l2Book", Channel.TRADES: "trades"}
_PING_EVERY = 25.0
#: Far above what an address may subscribe to: damaged names must not fill the memory.
_MOST_COINS = 4_096


class HyperliquidDialect:
    """One connection. It remembers of which coins trades have come, for the first message of a coin is history."""

    def __init__(self, root: str) -> None:
        """`root`: such as wss://api.hyperliquid.xyz, without a slash at its end."""
        self._url = f"{root}/ws"
        self._told: set[str] = set()  # coins whose history has come

    @property
    def url(self) -> str:
        """Where to connect."""
        return self._url

    @property
    def ping(self) -> tuple[float, str] | None:
        """See above."""
        return _PING_EVERY, '{"method":"ping"}'

    def connected(self) -> None:
        """A new connection begins: every coin's trades begin with history."""
        self._told.clear()

    def opening(self) -> Sequence[Request]:
        """Nothing is needed."""
        return ()

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """Requests for channels of markets, one each: the venue takes no lists."""
        for coin, channel in markets:
            if channel is Channel.TRADES:
                self._told.discard(coin)
        return [self._request("subscribe", coin, channel) for coin, channel in markets]

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """The opposite."""
        return [self._request("unsubscribe", coin, channel) for coin, channel in markets]

    def decode(self, frame: bytes) -> Sequence[Event]:
        """The events of a frame. Raises FrameError and nothing else."""
        return [self._marked(event) for event in decode(frame)]

    def rule(self, instrument: Instrument) -> BookRule:
        """A fresh rule for a market's book."""
        return HyperliquidRule()

    def _marked(self, event: Event) -> Event:
        """The first message of trades repeats what traded before the subscription, up to minutes of it."""
        if type(event) is not TradeMessage or event.native in self._told:
            return event
        if len(self._told) < _MOST_COINS:
            self._told.add(event.native)
        return TradeMessage(event.native, event.fills, True)

    def _request(self, method: str, coin: str, channel: Channel) -> Request:
        name = _NAMES[channel]
        subscription: dict[str, object] = {"type": name, "coin": coin}
        if channel is Channel.BOOK:
            # Five levels twice a second; without it twenty levels every five seconds, too old to read flow by.
            subscription["fast"] = True
        frame = msgspec.json.encode({"method": method, "subscription": subscription}).decode()
        return Request(frame, None, (topic(name, coin),))
