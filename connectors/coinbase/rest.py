"""Coinbase's public REST interface: the listing, missed trades, bars, the day's volume, the clock.

https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api (Public); no key is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct

from connectors.coinbase.instruments import VENUE, CoinbaseListing, read_listing
from connectors.coinbase.messages import Text, Trade, fill_of
from connectors.live.http import SHARE_OF_HISTORY, Budget, RefusedError, RestClient, UnreachableError
from connectors.live.wire import Bar, Fill, TradePage, Update
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

ROOT = "https://api.coinbase.com"
_BROKERAGE = "/api/v3/brokerage"
_TRADES = 1_000  # in one answer
#: Requests for the page after a trade: more than that and the budget of a second is gone.
_ATTEMPTS = 4
_BARS = 300
_SECOND = 1_000_000_000
_INTERVALS = {MINUTE: "ONE_MINUTE", 5 * MINUTE: "FIVE_MINUTE", DAY: "ONE_DAY"}


class _Refusal(Struct, gc=False):
    error: str = ""
    message: str = ""
    error_details: str = ""


class _Trades(Struct, gc=False):
    trades: list[Trade]


class _Product(Struct, gc=False):
    volume_24h: Text


class _Candle(Struct, gc=False):
    start: int
    open: Text
    high: Text
    low: Text
    close: Text
    volume: Text


class _Candles(Struct, gc=False):
    candles: list[_Candle]


class _Time(Struct, gc=False):
    epochMillis: int  # noqa: N815 (the venue's name)


def _decoder(of: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(of, strict=False).decode


_decode_trades = _decoder(_Trades)
_decode_product = _decoder(_Product)
_decode_candles = _decoder(_Candles)
_decode_time = _decoder(_Time)
_decode_refusal = _decoder(_Refusal)


def read_refusal(body: bytes) -> tuple[int | None, str]:
    """Text of an error (there are no numbers, so the code is None)."""
    try:
        r = _decode_refusal(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, ""
    return None, (r.message or r.error_details or r.error)[:300]


class CoinbaseRest:
    """Its requests: 10 a second for an address without a key."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        root: str = ROOT,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock = clock
        budget = Budget(VENUE, 10, 1, monotonic=monotonic, clock=clock)
        self._client = RestClient(http, root, budget, refusal=read_refusal)

    async def listing(self, symbols: Sequence[str] = ()) -> CoinbaseListing:
        """All spot markets."""
        return read_listing(await self._client.get(f"{_BROKERAGE}/market/products"))

    async def clock_ahead(self) -> int:
        """Of the venue's clock, ns."""
        before = self._clock()
        body = await self._client.get(f"{_BROKERAGE}/time")
        after = self._clock()
        return int(_read(_decode_time, body, "the server's time").epochMillis) * 1_000_000 - (before + after) // 2

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """Not needed: the stream begins with one."""
        raise RefusedError(f"{VENUE} gives its book snapshots in the stream", None)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """The newest page if it reaches back to `last`, else the one after it. Trades can only be asked for by time, in
        whole seconds, and of too long a time come the newest: the ids tell how long a time a page holds."""
        newest = await self._page(instrument, {})
        if not newest or newest[0].trade_id <= last + 1 or not since:
            return TradePage(newest)
        start = since // _SECOND
        seconds = newest[0].ts // _SECOND + 1 - start
        span = max(1, seconds * _TRADES * 4 // (5 * (newest[0].trade_id - last)))
        for _ in range(_ATTEMPTS):
            page = await self._page(instrument, {"start": str(start), "end": str(start + span)})
            if len(page) >= _TRADES and page[0].trade_id > last + 1 and span > 1:
                span = max(1, span // 4)
            elif page and page[-1].trade_id > last:
                return TradePage(page)
            elif span >= seconds:
                break
            else:
                span = min(seconds, span * 8)
        return TradePage(newest)

    async def day_volume(self, instrument: Instrument) -> str:
        """Of the last 24 hours, in base units."""
        body = await self._client.get(f"{_BROKERAGE}/market/products/{_path(instrument)}")
        return str(_read(_decode_product, body, f"the day's volume of {instrument.native!r}").volume_24h)

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> Sequence[Bar]:
        """Without what takers bought, which Coinbase does not tell."""
        last = min(end, start + _BARS * step)
        params = {
            "granularity": _INTERVALS[step],
            "start": str(start // _SECOND),
            "end": str((last - 1) // _SECOND),
            "limit": str(_BARS),
        }
        path = f"{_BROKERAGE}/market/products/{_path(instrument)}/candles"
        body = await self._client.get(path, params, share=SHARE_OF_HISTORY)
        candles = _read(_decode_candles, body, f"the bars of {instrument.native!r}").candles
        return sorted(
            (
                Bar(c.start * _SECOND, c.open, c.high, c.low, c.close, c.volume)
                for c in candles
                if start <= c.start * _SECOND < end
            ),
            key=lambda bar: bar.opened,
        )

    async def _page(self, instrument: Instrument, span: Mapping[str, str]) -> list[Fill]:
        """At most `_TRADES`, in order of id."""
        path = f"{_BROKERAGE}/market/products/{_path(instrument)}/ticker"
        what = f"the trades of {instrument.native!r}"
        body = await self._client.get(path, {"limit": str(_TRADES), **span})
        try:
            fills = [fill_of(t) for t in _read(_decode_trades, body, what).trades if t.product_id == instrument.native]
        except (ValueError, OverflowError) as e:
            raise UnreachableError(f"{what} cannot be read: {str(e)[:200]}") from None
        return sorted(fills, key=lambda fill: fill.trade_id)


def _path(instrument: Instrument) -> str:
    return quote(instrument.native, safe="")


def _read(decode: Callable[[bytes], Any], body: bytes, what: str) -> Any:
    try:
        return decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise UnreachableError(f"{what} cannot be read: {str(e)[:200]}") from None
