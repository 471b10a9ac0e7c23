"""Hyperliquid's REST interface: listings, recent trades, bars, the day's volume, the clock.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint: everything is a POST to `/info` whose
`type` says what is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec import Meta, Struct, field

from connectors.hyperliquid.instruments import VENUE, read_perpetuals, read_spot
from connectors.hyperliquid.messages import Millis, Text, decode_trades
from connectors.live.http import SHARE_OF_BUDGET, SHARE_OF_HISTORY, Budget, RefusedError, RestClient, UnreachableError
from connectors.live.listing import Listing
from connectors.live.wire import Bar, Figures, TradePage, Update
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

#: Weight an address may use in a minute; perpetuals and spot share it.
_WEIGHT = 600
_LIGHT, _USUAL = 2, 20
_BARS_A_PAGE = 1_000
#: A candle request weighs one more for every 60 bars.
_BARS_A_WEIGHT = 60
_INTERVALS = {MINUTE: "1m", 5 * MINUTE: "5m", DAY: "1d"}


class _Context(Struct, gc=False):
    volume: Text = field(name="dayBaseVlm")
    coin: str = ""
    mark: Annotated[str, Meta(max_length=40)] | None = field(name="markPx", default=None)
    oracle: Annotated[str, Meta(max_length=40)] | None = field(name="oraclePx", default=None)
    funding: Annotated[str, Meta(max_length=40)] | None = None
    interest: Annotated[str, Meta(max_length=40)] | None = field(name="openInterest", default=None)


class _Named(Struct, gc=False):
    name: str = ""


class _Universe(Struct, gc=False):
    universe: list[_Named]


class _Candle(Struct, gc=False):
    start: Millis = field(name="t")
    open: Text = field(name="o")
    high: Text = field(name="h")
    low: Text = field(name="l")
    close: Text = field(name="c")
    volume: Text = field(name="v")
    trades: Annotated[int, Meta(ge=0)] = field(name="n", default=0)


class _Status(Struct, gc=False):
    time: Millis


def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind, strict=False).decode


_decode_contexts = _decoder(tuple[_Universe, list[_Context]])
_decode_candles = _decoder(list[_Candle])
_decode_status = _decoder(_Status)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class HyperliquidRest:
    """Requests about perpetuals (`perp`) or spot markets; a `connectors.live.venue.Rest`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        root: str,
        section: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spot, self._clock = section == "spot", clock
        budget = Budget(f"{VENUE} {section}", _WEIGHT, monotonic=monotonic, clock=clock)
        self._client = RestClient(http, root, budget, refusal=_refusal)

    async def listing(self, symbols: Sequence[str] = ()) -> Listing:
        """See Rest: all of them, in one answer."""
        if self._spot:
            return read_spot(await self._ask({"type": "spotMeta"}))
        return read_perpetuals(await self._ask({"type": "meta"}))

    async def clock_ahead(self) -> int:
        """See Rest."""
        before = self._clock()
        body = await self._ask({"type": "exchangeStatus"}, _LIGHT)
        after = self._clock()
        try:
            return int(_decode_status(body).time * 1_000_000 - (before + after) // 2)
        except _UNREADABLE as e:
            raise UnreachableError(f"the server's time cannot be read: {str(e)[:200]}") from None

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """See Rest: never asked for, the stream brings it."""
        raise RefusedError(f"{VENUE}: the book comes by the stream", None)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """See Rest: the newest trades, there is no way to ask for older ones."""
        body = await self._ask({"type": "recentTrades", "coin": instrument.native})
        try:
            trades = decode_trades(body)
        except _UNREADABLE as e:
            raise UnreachableError(f"the trades of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        oldest_first = trades if not trades or trades[0].time <= trades[-1].time else trades[::-1]
        return TradePage(sorted((t.fill for t in oldest_first), key=lambda fill: fill.ts))

    async def day_volume(self, instrument: Instrument) -> str:
        """See Rest."""
        return (await self._context(instrument, SHARE_OF_BUDGET)).volume

    async def figures(self, instrument: Instrument) -> Figures:
        """See ContractRest. Funding is the rate of the next hour; neither its time nor that of the answer is told."""
        c = await self._context(instrument, SHARE_OF_HISTORY)
        return Figures(0, c.mark, c.oracle, c.funding, 0, c.interest)

    async def _context(self, instrument: Instrument, share: float) -> _Context:
        """What the venue tells of a market beside its book; one answer has it of all."""
        body = await self._ask({"type": "spotMetaAndAssetCtxs" if self._spot else "metaAndAssetCtxs"}, _USUAL, share)
        try:
            meta, contexts = _decode_contexts(body)
        except _UNREADABLE as e:
            said = str(e)[:200]
            raise UnreachableError(f"what is told of {instrument.native!r} cannot be read: {said}") from None
        # Contexts of perpetuals stand in the order of their markets, those of spot name theirs.
        names = [c.coin for c in contexts] if self._spot else [m.name for m in meta.universe]
        for name, context in zip(names, contexts, strict=False):
            if name == instrument.native:
                found: _Context = context
                return found
        raise UnreachableError(f"{VENUE} tells nothing of {instrument.native!r}")

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> Sequence[Bar]:
        """See Rest. The venue has the newest 5,000 of each length, and does not tell what takers bought."""
        until = min(end, start + _BARS_A_PAGE * step)
        span = {"startTime": start // 1_000_000, "endTime": until // 1_000_000 - 1}
        asked = {"coin": instrument.native, "interval": _INTERVALS[step], **span}
        weight = _USUAL + (until - start) // step // _BARS_A_WEIGHT
        body = await self._ask({"type": "candleSnapshot", "req": asked}, weight, SHARE_OF_HISTORY)
        try:
            candles = _decode_candles(body)
        except _UNREADABLE as e:
            raise UnreachableError(f"the bars of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        return [
            Bar(c.start * 1_000_000, c.open, c.high, c.low, c.close, c.volume, trades=c.trades)
            for c in candles
            if start <= c.start * 1_000_000 < end
        ]

    async def _ask(self, body: object, weight: float = _USUAL, share: float = SHARE_OF_BUDGET) -> bytes:
        return await self._client.post("/info", msgspec.json.encode(body), weight, share)


def _refusal(body: bytes) -> tuple[int | None, str]:
    """A refusal is a sentence without a number."""
    return None, body[:300].decode("utf-8", "replace")
