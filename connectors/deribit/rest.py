"""Deribit's REST interface: the listing, missed trades, bars, the day's volume, the clock.

https://docs.deribit.com/api-reference/market-data: the methods of JSON-RPC by GET. Trades are asked for by their number
in the instrument (`trade_seq`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import aiohttp
import msgspec
from msgspec import Raw, Struct, field

from connectors.deribit.instruments import VENUE, read_listing
from connectors.deribit.messages import Epoch, WireTrade
from connectors.live.http import SHARE_OF_BUDGET, SHARE_OF_HISTORY, Budget, RefusedError, RestClient, UnreachableError
from connectors.live.listing import Listing
from connectors.live.wire import Bar, Figures, Fill, TradePage, Update
from engine.feed import SourceError
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

RESOLUTIONS = {MINUTE: "1", 5 * MINUTE: "5", DAY: "1D"}
#: Requests per minute and address: the venue refills 20 a second.
_REQUESTS = 600
#: A listing costs as much as so many of them.
_LISTING_WEIGHT = 20
TRADES_A_PAGE = 1_000
#: With more parts than this the whole listing is the smaller request.
_MOST_PARTS = 3
_TOO_MANY_REQUESTS = 10_028
#: Refusals that pass: maintenance, time-outs, failures inside.
_PASSING = frozenset({11_051, 11_094, 13_888, 13_028})


class _Error(Struct, gc=False):
    code: int | None = None
    message: str = ""


class _Answer(Struct, gc=False):
    result: Raw = Raw(b"null")
    error: _Error | None = None


class _TradePage(Struct, gc=False):
    trades: list[WireTrade]


_NULL = Raw(b"null")


class _Stats(Struct, gc=False):
    volume: Raw = _NULL
    volume_usd: Raw = _NULL


class _Ticker(Struct, gc=False):
    stats: _Stats
    timestamp: Epoch
    mark: Raw = field(name="mark_price", default=_NULL)
    index: Raw = field(name="index_price", default=_NULL)
    funding: Raw = field(name="current_funding", default=_NULL)  # per 8 hours, paid all the time; perpetuals only
    interest: Raw = field(name="open_interest", default=_NULL)


class _Chart(Struct, gc=False):
    status: str = ""
    ticks: list[Epoch] = []
    open: list[float] = []
    high: list[float] = []
    low: list[float] = []
    close: list[float] = []
    volume: list[float] = []  # coins
    cost: list[float] = []  # the currency of prices, dollars for inverse futures


def _decoder(kind: Any) -> Callable[[Raw | bytes], Any]:
    return msgspec.json.Decoder(kind).decode


_decode_answer = _decoder(_Answer)
_decode_list = _decoder(list[Raw])
_decode_trades = _decoder(_TradePage)
_decode_ticker = _decoder(_Ticker)
_decode_chart = _decoder(_Chart)
_decode_time = _decoder(Epoch)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, ValueError, InvalidOperation, RecursionError)


class DeribitRest:
    """Requests to Deribit; a `Rest`."""

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
        """See Rest. All instruments are some MB: only the parts that the symbols lie in are asked for."""
        parts = {_part(symbol) for symbol in symbols}
        entries: list[Raw] = []
        if not 0 < len(parts) <= _MOST_PARTS:
            parts = {("any", "")}
        for currency, kind in sorted(parts):
            params = {"currency": currency, "expired": "false"}
            if kind:
                params["kind"] = kind
            result = await self._get("/public/get_instruments", params, _LISTING_WEIGHT)
            try:
                entries += _decode_list(result)
            except _UNREADABLE as e:
                raise SourceError(f"{VENUE}'s list of markets cannot be read: {str(e)[:200]}") from None
        return read_listing(entries)

    async def clock_ahead(self) -> int:
        """See Rest."""
        before = self._clock()
        result = await self._get("/public/get_time", {})
        after = self._clock()
        try:
            return int(_decode_time(result) * 1_000_000 - (before + after) // 2)
        except _UNREADABLE as e:
            raise UnreachableError(f"the server's time cannot be read: {str(e)[:200]}") from None

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """See Rest: never asked for, the stream brings it."""
        raise RefusedError(f"{VENUE}: the book comes by the stream", None)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """See Rest."""
        params = {
            "instrument_name": instrument.native,
            "start_seq": str(last),
            "count": str(TRADES_A_PAGE),
            "sorting": "asc",
        }
        result = await self._get("/public/get_last_trades_by_instrument", params)
        try:
            trades = sorted((t.trade() for t in _decode_trades(result).trades), key=lambda t: t.seq)
        except _UNREADABLE as e:
            raise UnreachableError(f"the trades of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        return TradePage([Fill(t.seq, t.ts, t.price, t.size, t.side, t.flags) for t in trades])

    async def day_volume(self, instrument: Instrument) -> str:
        """See Rest; to the nearest lot, for the venue adds up doubles."""
        stats = (await self._ticker(instrument, SHARE_OF_BUDGET)).stats
        try:
            volume = Decimal(str(stats.volume_usd if instrument.kind == "inverse" else stats.volume, "ascii"))
            return format((volume / instrument.lot).to_integral_value() * instrument.lot, "f")
        except _UNREADABLE as e:
            raise UnreachableError(
                f"the day's volume of {instrument.native!r} cannot be read: {str(e)[:200]}"
            ) from None

    async def figures(self, instrument: Instrument) -> Figures:
        """See ContractRest. Funding is the rate per 8 hours as it is now, which is paid continuously."""
        t = await self._ticker(instrument, SHARE_OF_HISTORY)
        mark, index, funding, interest = (_told(number) for number in (t.mark, t.index, t.funding, t.interest))
        return Figures(t.timestamp * 1_000_000, mark, index, funding, 0, interest)

    async def _ticker(self, instrument: Instrument, share: float) -> _Ticker:
        result = await self._get("/public/ticker", {"instrument_name": instrument.native}, 1, share)
        try:
            return _decode_ticker(result)  # type: ignore[no-any-return]
        except _UNREADABLE as e:
            said = str(e)[:200]
            raise UnreachableError(f"the ticker of {instrument.native!r} cannot be read: {said}") from None

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> Sequence[Bar]:
        """See Rest. The venue does not tell what takers bought."""
        params = {
            "instrument_name": instrument.native,
            "start_timestamp": str(start // 1_000_000),
            "end_timestamp": str(end // 1_000_000 - 1),
            "resolution": RESOLUTIONS[step],
        }
        result = await self._get("/public/get_tradingview_chart_data", params, 1, SHARE_OF_HISTORY)
        try:
            c = _decode_chart(result)
            sizes, others = (c.cost, c.volume) if instrument.kind == "inverse" else (c.volume, c.cost)
            rows = list(zip(c.ticks, c.open, c.high, c.low, c.close, sizes, others, strict=True))
        except _UNREADABLE as e:
            raise UnreachableError(f"the bars of {instrument.native!r} cannot be read: {str(e)[:200]}") from None
        return [
            Bar(tick * 1_000_000, repr(o), repr(h), repr(low), repr(c), repr(size), quote=repr(other))
            for tick, o, h, low, c, size, other in rows
            if start <= tick * 1_000_000 < end
        ]

    async def _get(
        self, path: str, params: Mapping[str, str], weight: float = 1, share: float = SHARE_OF_BUDGET
    ) -> Raw:
        try:
            body = await self._client.get(path, params, weight, share)
        except RefusedError as e:
            if e.code == _TOO_MANY_REQUESTS:
                raise self._client.limited(path, str(e)) from None
            if e.code in _PASSING:
                raise UnreachableError(str(e)) from None
            raise
        try:
            answer = _decode_answer(body)
        except _UNREADABLE as e:
            raise UnreachableError(f"{VENUE}: the answer of {path} cannot be read: {str(e)[:200]}") from None
        if answer.error is not None:
            said = f"{answer.error.message[:300]!r} (code {answer.error.code})"
            if answer.error.code == _TOO_MANY_REQUESTS:
                raise self._client.limited(path, said)
            raise RefusedError(f"{VENUE}: {path} refused: {said}", answer.error.code)
        return answer.result  # type: ignore[no-any-return]


def _told(number: Raw) -> str | None:
    text = str(number, "utf-8")[:60]
    return None if text == "null" else text


def _part(symbol: str) -> tuple[str, str]:
    """Currency and kind under which a unified symbol is listed: its settlement currency; spot has none."""
    _, colon, contract = symbol.partition(":")
    if not colon:
        return "any", "spot"
    settle, *rest = contract.split("-")
    return settle, "option" if len(rest) > 1 else "future"


def _refusal(body: bytes) -> tuple[int | None, str]:
    try:
        error = _decode_answer(body).error
    except _UNREADABLE:
        return None, ""
    return (None, "") if error is None else (error.code, error.message[:300])
