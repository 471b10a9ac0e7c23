"""Bybit's REST interface: listings, recent trades, bars, the day's volume, the clock.

https://bybit-exchange.github.io/docs/v5/market: every answer is `{"retCode": …, "retMsg": …, "result": {…}}`, refusals
come with status 200.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import aiohttp
import msgspec
from msgspec import Meta, Raw, Struct, field

from connectors.bybit.instruments import VENUE, read_listing
from connectors.bybit.messages import Millis, Text, trade_id
from connectors.live.http import SHARE_OF_BUDGET, SHARE_OF_HISTORY, Budget, RefusedError, RestClient, UnreachableError
from connectors.live.listing import Listed, Listing
from connectors.live.wire import Bar, Figures, Fill, TradePage, Update
from engine.codes import Flag
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

#: An address may ask 600 times in 5 seconds; three categories share that.
_REQUESTS, _WINDOW = 200, 5
#: Trades that one request gives at most; there is no second page, so a longer interruption leaves a hole.
_TRADES = {"spot": 60}
_MOST_TRADES = 1_000
_BARS_A_PAGE = 1_000
_MARKETS_A_PAGE = 1_000
_MOST_PAGES = 20
_INTERVALS = {MINUTE: "1", 5 * MINUTE: "5", DAY: "D"}
_TOO_OFTEN = frozenset({10006, 10018, 10429})
_ITS_OWN_TROUBLE = frozenset({10000, 10016, 10019})
#: What the content network in front of the venue writes to whole countries.
_BLOCKED = "block access from your country"


class _Envelope(Struct, gc=False):
    code: int = field(name="retCode")
    text: str = field(name="retMsg", default="")
    result: Raw = Raw(b"{}")
    time: Millis = 0


class _Fill(Struct, gc=False):
    id: Text = field(name="execId")
    price: Text
    size: Text
    side: Literal["Buy", "Sell"]
    time: Millis
    block: bool = field(name="isBlockTrade", default=False)


class _Fills(Struct, gc=False):
    entries: list[_Fill] = field(name="list")


class _Ticker(Struct, gc=False):
    volume: Annotated[str, Meta(max_length=40)] = field(name="volume24h")
    mark: Annotated[str, Meta(max_length=40)] = field(name="markPrice", default="")
    index: Annotated[str, Meta(max_length=40)] = field(name="indexPrice", default="")
    funding: Annotated[str, Meta(max_length=40)] = field(name="fundingRate", default="")
    due: Annotated[str, Meta(max_length=20)] = field(name="nextFundingTime", default="")
    interest: Annotated[str, Meta(max_length=40)] = field(name="openInterest", default="")


class _Tickers(Struct, gc=False):
    entries: list[_Ticker] = field(name="list")


class _Kline(Struct, gc=False, array_like=True):
    start: Millis
    open: Text
    high: Text
    low: Text
    close: Text
    volume: Text
    turnover: Text


class _Klines(Struct, gc=False):
    entries: list[_Kline] = field(name="list")


class _Time(Struct, gc=False):
    nano: Annotated[int, Meta(ge=0, le=4_102_444_800_000_000_000)] = field(name="timeNano")


def _decoder(kind: Any) -> Callable[[Raw | bytes], Any]:
    return msgspec.json.Decoder(kind, strict=False).decode


_decode_envelope = _decoder(_Envelope)
_decode_fills = _decoder(_Fills)
_decode_tickers = _decoder(_Tickers)
_decode_klines = _decoder(_Klines)
_decode_time = _decoder(_Time)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class BybitRest:
    """Requests to one category; a `connectors.live.venue.Rest` and
    `ContractRest`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        root: str,
        category: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._category, self._clock = category, clock
        budget = Budget(f"{VENUE} {category}", _REQUESTS, _WINDOW, monotonic=monotonic, clock=clock)
        self._client = RestClient(http, root, budget, refusal=_refusal)

    async def listing(self, symbols: Sequence[str] = ()) -> Listing:
        """See Rest: the whole category, page by page."""
        listed: list[Listed] = []
        skipped, cursor = 0, ""
        for _ in range(_MOST_PAGES):
            params = {"limit": str(_MARKETS_A_PAGE)} if self._category != "spot" else {}
            if cursor:
                params["cursor"] = cursor
            page, cursor = read_listing((await self._asked("/v5/market/instruments-info", params))[0])
            listed += page
            skipped += page.skipped
            if not cursor:
                break
        return Listing(VENUE, listed, skipped)

    async def clock_ahead(self) -> int:
        """See Rest."""
        before = self._clock()
        result = await self._get("/v5/market/time", {}, category=False)
        after = self._clock()
        try:
            return int(_decode_time(result).nano - (before + after) // 2)
        except _UNREADABLE as e:
            raise UnreachableError(f"the server's time cannot be read: {str(e)[:200]}") from None

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """See Rest: never asked for, the stream brings it."""
        raise RefusedError(f"{VENUE}: the book comes by the stream", None)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """See Rest: the newest trades, there is no way to ask for older ones."""
        limit = _TRADES.get(self._category, _MOST_TRADES)
        params = {"symbol": instrument.native, "limit": str(limit)}
        result = await self._get("/v5/market/recent-trade", params)
        try:
            newest_first = _decode_fills(result).entries
        except _UNREADABLE as e:
            raise UnreachableError(f"the trades of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        fills = [_fill(f) for f in reversed(newest_first)]
        return TradePage(sorted(fills, key=lambda fill: fill.ts))

    async def day_volume(self, instrument: Instrument) -> str:
        """See Rest."""
        return (await self._ticker(instrument, SHARE_OF_BUDGET))[1].volume

    async def figures(self, instrument: Instrument) -> Figures:
        """See ContractRest. Dated contracts have no funding: the venue leaves it empty."""
        ts, t = await self._ticker(instrument, SHARE_OF_HISTORY)
        due = int(t.due) * 1_000_000 if t.due.isascii() and t.due.isdecimal() and len(t.due) < 14 else 0
        return Figures(ts, t.mark or None, t.index or None, t.funding or None, due, t.interest or None)

    async def _ticker(self, instrument: Instrument, share: float) -> tuple[int, _Ticker]:
        """The venue's time in ns, and what it tells of the market."""
        answer = await self._answer("/v5/market/tickers", {"symbol": instrument.native}, share)
        try:
            (ticker,) = _decode_tickers(answer.result).entries
        except (*_UNREADABLE, ValueError) as e:
            said = str(e)[:200]
            raise UnreachableError(f"the ticker of {instrument.native!r} cannot be read: {said}") from None
        return answer.time * 1_000_000, ticker

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> Sequence[Bar]:
        """See Rest. They do not tell what takers bought."""
        until = min(end, start + _BARS_A_PAGE * step)
        params = {
            "symbol": instrument.native,
            "interval": _INTERVALS[step],
            "start": str(start // 1_000_000),
            "end": str(until // 1_000_000 - 1),
            "limit": str(_BARS_A_PAGE),
        }
        result = await self._get("/v5/market/kline", params, SHARE_OF_HISTORY)
        try:
            newest_first = _decode_klines(result).entries
        except _UNREADABLE as e:
            raise UnreachableError(f"the bars of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        return [
            Bar(k.start * 1_000_000, k.open, k.high, k.low, k.close, k.volume, quote=k.turnover)
            for k in reversed(newest_first)
            if start <= k.start * 1_000_000 < end
        ]

    async def _get(
        self, path: str, params: Mapping[str, str], share: float = SHARE_OF_BUDGET, *, category: bool = True
    ) -> Raw:
        return (await self._answer(path, params, share, category=category)).result

    async def _answer(
        self, path: str, params: Mapping[str, str], share: float = SHARE_OF_BUDGET, *, category: bool = True
    ) -> _Envelope:
        """An answer that is no refusal."""
        return (await self._asked(path, params, share, category=category))[1]

    async def _asked(
        self, path: str, params: Mapping[str, str], share: float = SHARE_OF_BUDGET, *, category: bool = True
    ) -> tuple[bytes, _Envelope]:
        asked = {"category": self._category, **params} if category else params
        try:
            body = await self._client.get(path, asked, share=share)
        except UnreachableError as e:
            if _BLOCKED in str(e):
                raise RefusedError(f"{VENUE} is not available from this place: {e}", None) from None
            raise
        try:
            answer: _Envelope = _decode_envelope(body)
        except _UNREADABLE as e:
            raise UnreachableError(f"{VENUE}: the answer of {path} cannot be read: {str(e)[:200]}") from None
        if answer.code == 0:
            return body, answer
        said = f"{answer.text[:300]!r} (code {answer.code})"
        if answer.code in _TOO_OFTEN:
            raise self._client.limited(path, said)
        if answer.code in _ITS_OWN_TROUBLE:
            raise UnreachableError(f"{VENUE}: {path} failed: {said}")
        raise RefusedError(f"{VENUE}: {path} refused: {said}", answer.code)


def _fill(f: _Fill) -> Fill:
    flags = int(Flag.NOT_FLOW) if f.block else 0
    return Fill(trade_id(f.id), f.time * 1_000_000, f.price, f.size, 1 if f.side == "Buy" else -1, flags)


def _refusal(body: bytes) -> tuple[int | None, str]:
    try:
        answer = _decode_envelope(body)
    except _UNREADABLE:
        return (403, _BLOCKED) if _BLOCKED.encode() in body else (None, "")
    return answer.code, answer.text[:300]
