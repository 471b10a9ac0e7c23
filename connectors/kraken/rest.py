"""Kraken's REST interface: the listing, missed trades, bars, the day's volume, the clock.

https://docs.kraken.com/api-reference/market-data: every answer is `{"error": [...], "result": ...}`, refusals come with
status 200. Trades cannot be asked for by id, but from a time on, and bring their ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import aiohttp
import msgspec
from msgspec import Meta, Raw, Struct

from connectors.kraken.instruments import VENUE, read_listing, rest_name
from connectors.live.http import SHARE_OF_BUDGET, SHARE_OF_HISTORY, Budget, RefusedError, RestClient, UnreachableError
from connectors.live.listing import Listing
from connectors.live.wire import Bar, Fill, TradePage, Update
from engine.codes import EARLIEST, LATEST
from engine.feed import SourceError
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

INTERVALS = {MINUTE: "1", 5 * MINUTE: "5", DAY: "1440"}
#: Public requests allowed per minute and address; the venue speaks of about one a second.
_REQUESTS = 60
TRADES_A_PAGE = 1_000
#: Times of trades have more digits here than in the stream: ask from a little before.
_MARGIN_NS = 1_000_000
_Text = Annotated[str, Meta(max_length=40)]
_Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Second = Annotated[int, Meta(ge=EARLIEST // 1_000_000_000, lt=LATEST // 1_000_000_000)]


class _Answer(Struct, gc=False):
    error: list[str]
    result: Raw = Raw(b"{}")


class _Fill(Struct, gc=False, array_like=True):
    price: _Text
    size: _Text
    time: Raw  # seconds with a fraction
    side: Literal["b", "s"]
    kind: str
    misc: str
    trade_id: _Id


class _Bar(Struct, gc=False, array_like=True):
    opened: _Second
    open: _Text
    high: _Text
    low: _Text
    close: _Text
    vwap: _Text
    volume: _Text
    count: Annotated[int, Meta(ge=0)]


class _Ticker(Struct, gc=False):
    v: tuple[_Text, _Text]  # today, last 24 hours


class _Time(Struct, gc=False):
    unixtime: _Second


def _decoder(kind: Any) -> Callable[[Raw | bytes], Any]:
    return msgspec.json.Decoder(kind).decode


_decode_answer = _decoder(_Answer)
_decode_pairs = _decoder(dict[str, Raw])
_decode_fills = _decoder(list[_Fill])
_decode_bars = _decoder(list[_Bar])
_decode_tickers = _decoder(dict[str, _Ticker])
_decode_time = _decoder(_Time)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError)


class KrakenRest:
    """Requests to Kraken; a `Rest`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        root: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock = clock
        budget = Budget(VENUE, _REQUESTS, monotonic=monotonic, clock=clock)
        self._client = RestClient(http, root, budget, refusal=_refusal)

    async def listing(self, symbols: Sequence[str] = ()) -> Listing:
        """See Rest. The whole list is one small answer."""
        result = await self._get("/0/public/AssetPairs", {})
        try:
            pairs = _decode_pairs(result)
        except _UNREADABLE as e:
            raise SourceError(f"{VENUE}'s list of markets cannot be read: {str(e)[:200]}") from None
        return read_listing(pairs)

    async def clock_ahead(self) -> int:
        """See Rest; it tells whole seconds only, so it is good to half a second."""
        before = self._clock()
        result = await self._get("/0/public/Time", {})
        after = self._clock()
        try:
            return int(_decode_time(result).unixtime * 1_000_000_000 + 500_000_000 - (before + after) // 2)
        except _UNREADABLE as e:
            raise UnreachableError(f"the server's time cannot be read: {str(e)[:200]}") from None

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """See Rest: never asked for, the stream brings it with its checksum."""
        raise RefusedError(f"{VENUE}: the book comes by the stream", None)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """See Rest."""
        params = {"pair": rest_name(instrument.native), "count": str(TRADES_A_PAGE)}
        if since:
            params["since"] = str(since - _MARGIN_NS)
        result = await self._get("/0/public/Trades", params)
        try:
            fills = [_fill(f) for f in _decode_fills(_of_pair(result))]
        except _UNREADABLE as e:
            raise UnreachableError(f"the trades of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        return TradePage(sorted(fills, key=lambda fill: fill.trade_id))

    async def day_volume(self, instrument: Instrument) -> str:
        """See Rest."""
        result = await self._get("/0/public/Ticker", {"pair": rest_name(instrument.native)})
        try:
            (ticker,) = _decode_tickers(result).values()
        except _UNREADABLE as e:
            raise UnreachableError(
                f"the day's volume of {instrument.native!r} cannot be read: {str(e)[:200]}"
            ) from None
        return str(ticker.v[1])

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> Sequence[Bar]:
        """See Rest. The venue has the newest 720 bars of each length, and does not tell what takers bought."""
        params = {
            "pair": rest_name(instrument.native),
            "interval": INTERVALS[step],
            "since": str(start // 1_000_000_000 - 1),  # those after it
        }
        result = await self._get("/0/public/OHLC", params, SHARE_OF_HISTORY)
        try:
            bars = _decode_bars(_of_pair(result))
        except _UNREADABLE as e:
            raise UnreachableError(f"the bars of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        return [
            Bar(b.opened * 1_000_000_000, b.open, b.high, b.low, b.close, b.volume, trades=b.count)
            for b in bars
            if start <= b.opened * 1_000_000_000 < end
        ]

    async def _get(self, path: str, params: Mapping[str, str], share: float = SHARE_OF_BUDGET) -> Raw:
        body = await self._client.get(path, params, share=share)
        try:
            answer = _decode_answer(body)
        except _UNREADABLE as e:
            raise UnreachableError(f"{VENUE}: the answer of {path} cannot be read: {str(e)[:200]}") from None
        errors = [text for text in answer.error if text[:1] == "E"]  # W…: warnings
        if not errors:
            return answer.result  # type: ignore[no-any-return]
        said = ", ".join(errors)[:300]
        if any(e.startswith(("EGeneral:Too many", "EAPI:Rate limit", "EService:Throttled")) for e in errors):
            raise self._client.limited(path, said)
        if any(e.startswith(("EService:", "EGeneral:Internal")) for e in errors):
            raise UnreachableError(f"{VENUE}: {path} failed: {said!r}")
        raise RefusedError(f"{VENUE}: {path} refused: {said!r}", None)


def _of_pair(result: Raw) -> Raw:
    """What the answer has for the one pair asked for, whatever it is called there."""
    pairs = _decode_pairs(result)
    pairs.pop("last", None)
    (found,) = pairs.values()
    return found  # type: ignore[no-any-return]


def _fill(f: _Fill) -> Fill:
    second, _, fraction = str(f.time, "ascii").partition(".")
    ts = int(second) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
    if not EARLIEST <= ts < LATEST:
        raise ValueError(f"a trade at {second[:40]}")
    return Fill(f.trade_id, ts, f.price, f.size, 1 if f.side == "b" else -1)


def _refusal(body: bytes) -> tuple[int | None, str]:
    try:
        return None, ", ".join(_decode_answer(body).error)[:300]
    except _UNREADABLE:
        return None, ""
