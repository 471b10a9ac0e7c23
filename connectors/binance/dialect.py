"""How one connection to Binance's combined streams speaks."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from connectors.binance.book_rule import DepthRule
from connectors.binance.endpoints import SERVICES
from connectors.binance.messages import Depth, ForceOrder, MarketType, Reply, Shutdown, Trade, decode
from connectors.live import wire
from connectors.live.wire import BookMessage, Ended, Event, Fill, FrameError, Liquidation, Request, TradeMessage
from engine.codes import Channel
from engine.instrument import Instrument

#: Stream names in one SUBSCRIBE.
NAMES_A_REQUEST = 50
_STREAM_NAME = re.compile(rb'"stream":\s*"([^"@]{1,120})@(depth|trade)\b')
_CHANNEL_OF = {b"depth": Channel.BOOK, b"trade": Channel.TRADES}


class BinanceDialect:
    """A `connectors.live.wire.Dialect`."""

    def __init__(self, market: MarketType, url: str) -> None:
        self._market, self._url = market, url
        self._next_id = 1
        self._natives: dict[bytes, str] = {}  # by the name in lower case that streams have

    @property
    def url(self) -> str:
        """See Dialect."""
        return self._url

    @property
    def ping(self) -> tuple[float, str] | None:
        """See Dialect: the protocol's own pings do."""
        return None

    def connected(self) -> None:
        """See Dialect: nothing is kept from one connection to the next."""

    def opening(self) -> Sequence[Request]:
        """See Dialect."""
        return ()

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """See Dialect."""
        self._natives.update((native.lower().encode(), native) for native, _ in markets)
        return self._requests("SUBSCRIBE", markets)

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        """See Dialect."""
        return self._requests("UNSUBSCRIBE", markets)

    def _requests(self, method: str, markets: Sequence[tuple[str, Channel]]) -> list[Request]:
        names = [stream_name(native, channel, self._market) for native, channel in markets]
        requests = []
        for i in range(0, len(names), NAMES_A_REQUEST):
            number, self._next_id = self._next_id, self._next_id + 1
            body = {"method": method, "params": names[i : i + NAMES_A_REQUEST], "id": number}
            requests.append(Request(msgspec.json.encode(body).decode(), number))
        return requests

    def decode(self, frame: bytes) -> Sequence[Event]:
        """See Dialect."""
        try:
            message = decode(frame)
        except FrameError as e:
            name = _STREAM_NAME.search(frame[:200])
            if name is not None:
                e.native, e.channel = self._natives.get(name[1], ""), _CHANNEL_OF[name[2]]
            raise
        if type(message) is Depth:
            return (BookMessage(message.symbol, message.ts, message),)
        if type(message) is Trade:
            m = message
            return (TradeMessage(m.symbol, (Fill(m.trade_id, m.ts, m.price, m.size, m.side, m.flags),)),)
        if type(message) is ForceOrder:
            order = message.order
            side = 1 if order.side == "BUY" else -1
            return (Liquidation(order.symbol, order.ts, order.average, order.filled, side, average=True),)
        if type(message) is Reply:
            error = None if message.code is None else f"{message.text} (code {message.code})"
            return (wire.Reply(request=message.id if isinstance(message.id, int) else None, error=error),)
        if type(message) is Shutdown:
            return (Ended(),)
        return ()

    def rule(self, instrument: Instrument) -> DepthRule:
        """See Dialect."""
        return DepthRule(self._market)


def stream_name(native: str, channel: Channel, market: MarketType) -> str:
    """The venue's name of a market's stream."""
    kinds = {
        Channel.TRADES: "trade",
        Channel.BOOK: f"depth{SERVICES[market].depth_speed}",
        Channel.LIQUIDATIONS: "forceOrder",
    }
    return f"{native.lower()}@{kinds[channel]}"
