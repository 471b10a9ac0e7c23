"""Binance's REST interface: snapshots, listings, missed trades, bars, the day's volume, the clock.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints, and the same paths of both
futures exchanges. Volumes are in the unit sizes are quoted in; the other unit is the quote currency, on COIN-M the
base currency.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated

import aiohttp
import msgspec
from msgspec import Meta, Struct, field

from connectors.binance.endpoints import SERVICES, Endpoints
from connectors.binance.instruments import native_guess, read_listing
from connectors.binance.messages import Epoch, Id, MarketType, decode_snapshot, epoch_ns
from connectors.live.http import SHARE_OF_HISTORY, Budget, RefusedError, RestClient, UnreachableError
from connectors.live.listing import Listing
from connectors.live.wire import Bar, Figures, Fill, FrameError, TradePage, Update
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

#: Trades one request can give.
TRADES_A_PAGE = 1_000
_BARS_A_PAGE = 1_000
_INTERVALS = {MINUTE: "1m", 5 * MINUTE: "5m", DAY: "1d"}
#: Natives asked for by name; more than that and the whole listing is the smaller request.
_NAMED_SYMBOLS = 50
_INVALID_SYMBOL = -1121
_ILLEGAL_CHARACTERS = -1100


class _Refusal(Struct, gc=False):
    code: int | None = None
    msg: str = ""


class _Fill(Struct, gc=False):
    id: Id
    price: str
    size: str = field(name="qty")
    time: Epoch
    buyer_is_maker: bool = field(name="isBuyerMaker")


class _Ticker(Struct, gc=False):
    volume: Annotated[str, Meta(max_length=40)]


class _Kline(Struct, gc=False, array_like=True):
    """One bar as the venue writes it; it is followed by fields we don't need."""

    open_time: Epoch
    open: Annotated[str, Meta(max_length=40)]
    high: Annotated[str, Meta(max_length=40)]
    low: Annotated[str, Meta(max_length=40)]
    close: Annotated[str, Meta(max_length=40)]
    volume: Annotated[str, Meta(max_length=40)]
    close_time: Epoch
    quote: Annotated[str, Meta(max_length=40)]  # COIN-M: base units
    trades: Annotated[int, Meta(ge=0)]
    bought: Annotated[str, Meta(max_length=40)]  # by takers


class _Premium(Struct, gc=False):
    mark: Annotated[str, Meta(max_length=40)] = field(name="markPrice")
    index: Annotated[str, Meta(max_length=40)] = field(name="indexPrice")
    time: Epoch
    funding: Annotated[str, Meta(max_length=40)] = field(name="lastFundingRate", default="")
    due: Epoch = field(name="nextFundingTime", default=0)


class _Interest(Struct, gc=False):
    interest: Annotated[str, Meta(max_length=40)] = field(name="openInterest")


class _Time(Struct, gc=False):
    now: Epoch = field(name="serverTime")


_decode_refusal = msgspec.json.Decoder(_Refusal, strict=False).decode
_decode_fills = msgspec.json.Decoder(list[_Fill], strict=False).decode
_decode_ticker = msgspec.json.Decoder(_Ticker).decode
_decode_tickers = msgspec.json.Decoder(list[_Ticker]).decode
_decode_klines = msgspec.json.Decoder(list[_Kline]).decode
_decode_premium = msgspec.json.Decoder(_Premium, strict=False).decode
_decode_premiums = msgspec.json.Decoder(list[_Premium], strict=False).decode
_decode_interest = msgspec.json.Decoder(_Interest, strict=False).decode
_decode_time = msgspec.json.Decoder(_Time).decode


class BinanceRest:
    """Requests to one of the three exchanges, within the weight it allows a minute. A `connectors.live.venue.Rest`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        endpoints: Endpoints,
        market: MarketType,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._market, self._clock = market, clock
        budget = Budget(f"binance {market.value}", SERVICES[market].weight, monotonic=monotonic, clock=clock)
        self._client = RestClient(
            http, endpoints.rest_url(market), budget, refusal=_refusal, used="X-MBX-USED-WEIGHT-1M"
        )

    async def listing(self, symbols: Sequence[str] = ()) -> Listing:
        """See Rest: of spot only the markets asked for if they all exist (the whole list is some 10 MB)."""
        params: dict[str, str] = {}
        # The venue's own name of a spot market is nearly always the two currencies together.
        natives = sorted({native_guess(symbol) for symbol in symbols})
        if self._market is MarketType.SPOT:
            params["showPermissionSets"] = "false"
            if 0 < len(natives) <= _NAMED_SYMBOLS:
                names = msgspec.json.encode(natives).decode()
                try:
                    body = await self._client.get("/exchangeInfo", {**params, "symbols": names}, 20)
                except RefusedError as e:
                    if e.code not in (_INVALID_SYMBOL, _ILLEGAL_CHARACTERS):
                        raise
                else:
                    listing = read_listing(self._market, body)
                    if {x.instrument.symbol for x in listing}.issuperset(symbols):
                        return listing
        return read_listing(self._market, await self._client.get("/exchangeInfo", params, 20))

    async def snapshot(self, instrument: Instrument, shallow: bool = False) -> Update:
        """See Rest: as deep as the venue gives it (`shallow`: the next smaller size, for many markets at once)."""
        native = instrument.native
        limit, weight = SERVICES[self._market].depth_limits[-1 if shallow else 0]
        body = await self._client.get("/depth", {"symbol": native, "limit": str(limit)}, weight)
        try:
            s = decode_snapshot(body)
        except FrameError as e:
            raise UnreachableError(f"the book snapshot of {native!r} cannot be read: {e}") from None
        return Update(s.ts, s.last_update, s.bids, s.asks, snapshot=True)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """See Rest.

        Spot gives any past trade by id. Futures give their history only to holders of a key, so there
        it is the newest page; it holds order-book trades only (no insurance fund, no auto-deleveraging).
        """
        spot, native = self._market is MarketType.SPOT, instrument.native
        params = {"symbol": native, "limit": str(TRADES_A_PAGE)}
        if spot:
            body = await self._client.get("/historicalTrades", {**params, "fromId": str(last)}, 25)
        else:
            body = await self._client.get("/trades", params, 5)
        try:
            fills = _decode_fills(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise UnreachableError(f"the trades of {native!r} cannot be read: {str(e)[:200]}") from None
        page = [
            Fill(f.id, epoch_ns(f.time), f.price, f.size, -1 if f.buyer_is_maker else 1)
            for f in sorted(fills, key=lambda f: f.id)
            if f.id >= last
        ]
        return TradePage(page, flow_only=not spot)

    async def day_volume(self, instrument: Instrument) -> str:
        """See Rest."""
        weight, native = 2 if self._market is MarketType.SPOT else 1, instrument.native
        body = await self._client.get("/ticker/24hr", {"symbol": native}, weight)
        try:
            # COIN-M answers with a list of one.
            return _decode_tickers(body)[0].volume if body.lstrip()[:1] == b"[" else _decode_ticker(body).volume
        except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as e:
            raise UnreachableError(f"the day's volume of {native!r} cannot be read: {str(e)[:200]}") from None

    async def figures(self, instrument: Instrument) -> Figures:
        """See ContractRest. Delivery contracts have no funding: the venue leaves it empty."""
        weight = 1 if self._market is MarketType.USDM else 10
        body = await self._client.get("/premiumIndex", {"symbol": instrument.native}, weight, SHARE_OF_HISTORY)
        held = await self._client.get("/openInterest", {"symbol": instrument.native}, 1, SHARE_OF_HISTORY)
        try:
            # COIN-M answers with a list of one.
            p = _decode_premiums(body)[0] if body.lstrip()[:1] == b"[" else _decode_premium(body)
            interest = _decode_interest(held).interest
        except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as e:
            raise UnreachableError(f"the figures of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        due = epoch_ns(p.due) if p.due else 0
        return Figures(epoch_ns(p.time), p.mark or None, p.index or None, p.funding or None, due, interest)

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> list[Bar]:
        """See Rest."""
        weight, native = 2 if self._market is MarketType.SPOT else 5, instrument.native
        span = {"startTime": str(start // 1_000_000), "endTime": str(end // 1_000_000 - 1)}
        params = {"symbol": native, "interval": _INTERVALS[step], "limit": str(_BARS_A_PAGE), **span}
        body = await self._client.get("/klines", params, weight, SHARE_OF_HISTORY)
        try:
            klines = _decode_klines(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise UnreachableError(f"the bars of {native!r} cannot be read: {str(e)[:200]}") from None
        return [
            Bar(epoch_ns(k.open_time), k.open, k.high, k.low, k.close, k.volume, k.bought, k.quote, k.trades)
            for k in klines
        ]

    async def clock_ahead(self) -> int:
        """See Rest."""
        before = self._clock()
        body = await self._client.get("/time")
        after = self._clock()
        try:
            return epoch_ns(_decode_time(body).now) - (before + after) // 2
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise UnreachableError(f"the server's time cannot be read: {str(e)[:200]}") from None


def _refusal(body: bytes) -> tuple[int | None, str]:
    try:
        r = _decode_refusal(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, ""
    return r.code, r.msg[:300]
