"""Binance's REST interface: snapshots, listings, missed trades, the day's volume, the clock.

Every method makes one attempt and says by its exception how to go on: `RateLimitedError` carries the
seconds to wait, `UnreachableError` is worth trying again, `RefusedError` is not without a change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

import aiohttp
import msgspec
from msgspec import Meta, Struct, field

from connectors.binance.endpoints import SERVICES, Endpoints
from connectors.binance.instruments import Listing, read_listing
from connectors.binance.messages import Epoch, FrameError, Id, MarketType, Snapshot, Trade, decode_snapshot, epoch_ns
from engine.feed import SourceError

#: A connection that takes longer is as good as none; an answer may be 10 MB on a slow line.
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5, sock_connect=5, sock_read=15)
#: Trades one request can give.
TRADES_A_PAGE = 1_000
BARS_A_PAGE = 1_000
#: Natives asked for by name; more than that and the whole listing is the smaller request.
_NAMED_SYMBOLS = 50
_SHARE_OF_BUDGET = 0.8  # other programs at this address need some weight too
_SHARE_OF_HISTORY = 0.4  # what is wanted now must not wait for what is past
_LONGEST_BAN = 3 * 86_400.0
_DEFAULT_WAIT = 10.0
_INVALID_SYMBOL = -1121
_ILLEGAL_CHARACTERS = -1100


class UnreachableError(Exception):
    """No answer, or a failure on the venue's side (5xx)."""


class RateLimitedError(UnreachableError):
    """The venue asked to wait (429, 418), or would if this were sent now."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class RefusedError(SourceError):
    """The venue understood and refused: `code` is its own number for why, None if it gave none."""

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text)
        self.code = code


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


class Kline(Struct, gc=False, array_like=True):
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

    @property
    def opened(self) -> int:
        """When it began, ns."""
        return epoch_ns(self.open_time)


class _Time(Struct, gc=False):
    now: Epoch = field(name="serverTime")


_decode_refusal = msgspec.json.Decoder(_Refusal, strict=False).decode
_decode_fills = msgspec.json.Decoder(list[_Fill], strict=False).decode
_decode_ticker = msgspec.json.Decoder(_Ticker).decode
_decode_tickers = msgspec.json.Decoder(list[_Ticker]).decode
_decode_klines = msgspec.json.Decoder(list[Kline]).decode
_decode_time = msgspec.json.Decoder(_Time).decode


class BinanceRest:
    """Requests to the three exchanges, within the weight each allows per minute."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoints: Endpoints,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._session, self._endpoints = session, endpoints
        self._monotonic, self._clock = monotonic, clock
        self._blocked_until = dict.fromkeys(MarketType, 0.0)
        self._used = dict.fromkeys(MarketType, 0)  # weight in the minute named beside it
        self._minute = dict.fromkeys(MarketType, -1)

    async def listing(self, market: MarketType, natives: Iterable[str] = ()) -> Listing:
        """The markets listed; of spot only `natives` if they all exist (the whole list is some 10 MB)."""
        params: dict[str, str] = {}
        wanted = sorted(set(natives))
        if market is MarketType.SPOT:
            params["showPermissionSets"] = "false"
            if 0 < len(wanted) <= _NAMED_SYMBOLS:
                names = msgspec.json.encode(wanted).decode()
                try:
                    body = await self._get(market, "/exchangeInfo", 20, {**params, "symbols": names})
                except RefusedError as e:
                    if e.code not in (_INVALID_SYMBOL, _ILLEGAL_CHARACTERS):
                        raise
                else:
                    return read_listing(market, body)
        return read_listing(market, await self._get(market, "/exchangeInfo", 20, params))

    async def depth(self, market: MarketType, native: str, shallow: bool = False) -> Snapshot:
        """The book, as deep as the venue gives it (`shallow`: the next smaller size, for many markets at once)."""
        limit, weight = SERVICES[market].depth_limits[-1 if shallow else 0]
        body = await self._get(market, "/depth", weight, {"symbol": native, "limit": str(limit)})
        try:
            return decode_snapshot(body)
        except FrameError as e:
            raise UnreachableError(f"the book snapshot of {native!r} cannot be read: {e}") from None

    async def trades(self, market: MarketType, native: str, first_id: int) -> list[Trade]:
        """Trades from `first_id` on, in order of id, at most `TRADES_A_PAGE`; may begin later than asked.

        Spot gives any past trade by id. Futures give their history only to holders of a key, so there
        it is the newest page; it holds order-book trades only (no insurance fund, no auto-deleveraging).
        """
        params = {"symbol": native, "limit": str(TRADES_A_PAGE)}
        if market is MarketType.SPOT:
            body = await self._get(market, "/historicalTrades", 25, {**params, "fromId": str(first_id)})
        else:
            body = await self._get(market, "/trades", 5, params)
        try:
            fills = _decode_fills(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise UnreachableError(f"the trades of {native!r} cannot be read: {str(e)[:200]}") from None
        return [
            Trade(native, f.id, f.price, f.size, f.buyer_is_maker, f.time)
            for f in sorted(fills, key=lambda f: f.id)
            if f.id >= first_id
        ]

    async def day_volume(self, market: MarketType, native: str) -> str:
        """Volume of the last 24 hours in the unit sizes are quoted in, as the venue writes it."""
        weight = 2 if market is MarketType.SPOT else 1
        body = await self._get(market, "/ticker/24hr", weight, {"symbol": native})
        try:
            # COIN-M answers with a list of one.
            return _decode_tickers(body)[0].volume if body.lstrip()[:1] == b"[" else _decode_ticker(body).volume
        except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as e:
            raise UnreachableError(f"the day's volume of {native!r} cannot be read: {str(e)[:200]}") from None

    async def klines(self, market: MarketType, native: str, interval: str, start: int, end: int) -> list[Kline]:
        """Bars (`interval` 1m, 5m, 1d) that begin from `start` on and before `end` (ns), oldest first, at most
        `BARS_A_PAGE`."""
        weight = 2 if market is MarketType.SPOT else 5
        span = {"startTime": str(start // 1_000_000), "endTime": str(end // 1_000_000 - 1)}
        params = {"symbol": native, "interval": interval, "limit": str(BARS_A_PAGE), **span}
        body = await self._get(market, "/klines", weight, params, _SHARE_OF_HISTORY)
        try:
            return _decode_klines(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise UnreachableError(f"the bars of {native!r} cannot be read: {str(e)[:200]}") from None

    async def clock_ahead(self, market: MarketType) -> int:
        """How far the venue's clock is ahead of ours, ns, good to half the round trip."""
        before = self._clock()
        body = await self._get(market, "/time", 1, {})
        after = self._clock()
        try:
            return epoch_ns(_decode_time(body).now) - (before + after) // 2
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise UnreachableError(f"the server's time cannot be read: {str(e)[:200]}") from None

    async def _get(
        self,
        market: MarketType,
        path: str,
        weight: int,
        params: Mapping[str, str],
        share: float = _SHARE_OF_BUDGET,
    ) -> bytes:
        self._reserve(market, weight, share)
        url = self._endpoints.rest_url(market, path)
        try:
            async with self._session.get(url, params=params, timeout=TIMEOUT, allow_redirects=False) as answer:
                body = await answer.read()
                self._count(market, answer.headers.get("X-MBX-USED-WEIGHT-1M", ""))
                if answer.status == 200:
                    return body
                self._refuse(market, url, answer.status, body, answer.headers.get("Retry-After", ""))
        except TimeoutError:
            raise UnreachableError(f"{url} did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as e:
            raise UnreachableError(f"{url} cannot be reached: {_reason(e)}") from None
        raise AssertionError("unreachable")

    def _reserve(self, market: MarketType, weight: int, share: float) -> None:
        wait = self._blocked_until[market] - self._monotonic()
        if wait > 0:
            raise RateLimitedError(f"binance {market.value} asked to wait another {wait:.0f} s", wait)
        now = self._clock() // 1_000_000_000
        if now // 60 != self._minute[market]:
            self._minute[market], self._used[market] = now // 60, 0
        budget = SERVICES[market].weight * share
        if self._used[market] and self._used[market] + weight > budget:
            raise RateLimitedError(f"the request budget of binance {market.value} is used up", 60.5 - now % 60)
        self._used[market] += weight

    def _count(self, market: MarketType, used: str) -> None:
        """The venue's own count of this address covers other programs as well."""
        if used.isascii() and used.isdigit():
            self._used[market] = max(self._used[market], int(used[:9]))

    def _refuse(self, market: MarketType, url: str, status: int, body: bytes, retry_after: str) -> None:
        code, text = _refusal(body)
        said = f"{text!r} (code {code})" if code is not None else f"HTTP {status}"
        if status in (418, 429):
            seconds = _seconds(retry_after)
            self._blocked_until[market] = self._monotonic() + seconds
            raise RateLimitedError(f"{url} asked to wait {seconds:.0f} s: {said}", seconds)
        if status >= 500 or status in (403, 408):  # 403: its firewall, which lets one in again later
            raise UnreachableError(f"{url} failed: {said}")
        if status == 451:
            raise RefusedError(f"{url} is not available from this place (HTTP 451): {said}", code)
        raise RefusedError(f"{url} refused: {said}", code)


def _refusal(body: bytes) -> tuple[int | None, str]:
    try:
        r = _decode_refusal(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, ""
    return r.code, r.msg[:300]


def _seconds(retry_after: str) -> float:
    """Of a Retry-After header; a missing or odd one still means to wait."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return _DEFAULT_WAIT
    return min(max(seconds, 0.0), _LONGEST_BAN) if seconds == seconds else _DEFAULT_WAIT


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:200]
