"""OKX's REST interface: listings, missed trades, bars, the day's volume, the clock.

https://www.okx.com/docs-v5/en/ (Market Data, Public Data). Errors come as `code` and `msg`, some with HTTP status 200.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct, field

from connectors.live.http import SHARE_OF_BUDGET, SHARE_OF_HISTORY, Budget, RefusedError, RestClient, UnreachableError
from connectors.live.listing import Listing
from connectors.live.wire import Bar, Figures, TradePage, Update
from connectors.okx.instruments import INSTRUMENT_TYPES, VENUE, read_listing
from connectors.okx.messages import Epoch, Text, Trade, fill_of, ordered
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

ROOT = "https://www.okx.com"
_RECENT = 500  # newest trades in one answer
_PAGE = 100  # older trades in one answer
_BARS = 300
#: A day by UTC: plain 1D begins at midnight of Hong Kong.
_INTERVALS = {MINUTE: "1m", 5 * MINUTE: "5m", DAY: "1Dutc"}
#: Of the newest trades five times as many requests are allowed as of the scarcest path.
_OF_FIVE = 0.2
_TOO_MANY = 50011
_UNAVAILABLE = (50001, 50004, 50013, 50026)  # the venue's own trouble, whatever the status


class _Refusal(Struct, gc=False):
    code: str = ""
    msg: str = ""


class _Ticker(Struct, gc=False):
    volume: Text = field(name="vol24h")


class _Mark(Struct, gc=False):
    price: Text = field(name="markPx")
    ts: Epoch


class _Index(Struct, gc=False):
    price: Text = field(name="idxPx")


class _Funding(Struct, gc=False):
    rate: Text = field(name="fundingRate")
    due: Epoch = field(name="fundingTime")


class _Interest(Struct, gc=False):
    contracts: Text = field(name="oi")


class _Candle(Struct, gc=False, array_like=True):
    """Followed by whether it is over, which the times tell."""

    opened: Epoch
    open: Text
    high: Text
    low: Text
    close: Text
    volume: Text  # contracts, of spot base units
    volume_base: Text = "0"
    volume_quote: Text = "0"


class _Time(Struct, gc=False):
    ts: Epoch


def _answer(of: Any) -> Callable[[bytes], Any]:
    kind = msgspec.defstruct("Answer", [("data", list[of])], gc=False)
    return msgspec.json.Decoder(kind, strict=False).decode


_decode_trades = _answer(Trade)
_decode_ticker = _answer(_Ticker)
_decode_candles = _answer(_Candle)
_decode_mark = _answer(_Mark)
_decode_index = _answer(_Index)
_decode_funding = _answer(_Funding)
_decode_interest = _answer(_Interest)
_decode_time = _answer(_Time)
_decode_refusal = msgspec.json.Decoder(_Refusal, strict=False).decode


def read_refusal(body: bytes) -> tuple[int | None, str]:
    """Code and text of an error; (None, "") for anything else."""
    try:
        r = _decode_refusal(body)
        code = int(r.code)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None, ""
    return (code, r.msg[:300]) if code else (None, "")


class OkxRest:
    """One section's requests; the venue counts each path by itself, 20 in 2 s for the scarcest."""

    def __init__(
        self,
        section: str,
        http: aiohttp.ClientSession,
        root: str = ROOT,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._section, self._clock = section, clock
        budget = Budget(f"{VENUE} {section}", 20, 2, monotonic=monotonic, clock=clock)
        self._client = RestClient(http, root, budget, refusal=read_refusal)

    async def listing(self, symbols: Sequence[str] = ()) -> Listing:
        """All markets of the section."""
        body = await self._get("/api/v5/public/instruments", {"instType": INSTRUMENT_TYPES[self._section]})
        return read_listing(self._section, body)

    async def clock_ahead(self) -> int:
        """Of the venue's clock, ns."""
        before = self._clock()
        body = await self._get("/api/v5/public/time", {})
        after = self._clock()
        (now,) = _read(_decode_time, body, "the server's time", 1)
        return int(now.ts) * 1_000_000 - (before + after) // 2

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """Not needed: the stream begins with one."""
        raise RefusedError(f"{VENUE} gives its book snapshots in the stream", None)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """The newest trades if they reach back to `last`, else the page that begins with it (90 days are kept)."""
        params = {"instId": instrument.native, "limit": str(_RECENT)}
        fills = self._fills(await self._get("/api/v5/market/trades", params, weight=_OF_FIVE), instrument)
        if fills and fills[0].trade_id > last + 1:
            older = {"instId": instrument.native, "limit": str(_PAGE), "type": "1", "after": str(last + _PAGE)}
            fills = self._fills(await self._get("/api/v5/market/history-trades", older), instrument)
        return TradePage(fills)

    async def day_volume(self, instrument: Instrument) -> str:
        """Of the last 24 hours: contracts, of spot base units."""
        body = await self._get("/api/v5/market/ticker", {"instId": instrument.native})
        (ticker,) = _read(_decode_ticker, body, f"the day's volume of {instrument.native!r}", 1)
        return str(ticker.volume)

    async def figures(self, instrument: Instrument) -> Figures:
        """See ContractRest: three requests, four for swaps, which alone have funding."""
        what = f"the figures of {instrument.native!r}"
        one = {"instType": INSTRUMENT_TYPES[self._section], "instId": instrument.native}
        index = {"instId": f"{instrument.base}-{instrument.quote}"}

        async def of(path: str, params: Mapping[str, str], decode: Callable[[bytes], Any]) -> Any:
            (found,) = _read(decode, await self._get(path, params, SHARE_OF_HISTORY), what, 1)
            return found

        mark = await of("/api/v5/public/mark-price", one, _decode_mark)
        idx = await of("/api/v5/market/index-tickers", index, _decode_index)
        interest = await of("/api/v5/public/open-interest", one, _decode_interest)
        rate, due = None, 0
        if self._section == "swap":
            funding = await of("/api/v5/public/funding-rate", {"instId": instrument.native}, _decode_funding)
            rate, due = funding.rate or None, funding.due * 1_000_000
        return Figures(mark.ts * 1_000_000, mark.price, idx.price, rate, due, interest.contracts)

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> Sequence[Bar]:
        """Without what takers bought, which OKX does not tell."""
        last = min(end, start + _BARS * step)
        params = {
            "instId": instrument.native,
            "bar": _INTERVALS[step],
            "before": str(start // 1_000_000 - 1),  # newer than
            "after": str(last // 1_000_000),  # older than
            "limit": str(_BARS),
        }
        body = await self._get("/api/v5/market/candles", params, SHARE_OF_HISTORY)
        candles = _read(_decode_candles, body, f"the bars of {instrument.native!r}")
        return sorted(
            (
                Bar(c.opened * 1_000_000, c.open, c.high, c.low, c.close, c.volume, quote=c.volume_quote)
                for c in candles
                if start <= c.opened * 1_000_000 < end
            ),
            key=lambda bar: bar.opened,
        )

    def _fills(self, body: bytes, instrument: Instrument) -> list[Any]:
        trades = _read(_decode_trades, body, f"the trades of {instrument.native!r}")
        return ordered([fill_of(t) for t in trades if t.native == instrument.native])

    async def _get(
        self, path: str, params: Mapping[str, str], share: float = SHARE_OF_BUDGET, weight: float = 1
    ) -> bytes:
        body = await self._client.get(path, params, weight, share)
        code, text = read_refusal(body)
        if code is None:
            return body
        if code == _TOO_MANY:
            raise self._client.limited(path, text)
        if code in _UNAVAILABLE:
            raise UnreachableError(f"{VENUE}{path} failed: {text!r} (code {code})")
        raise RefusedError(f"{VENUE}{path} refused: {text!r} (code {code})", code)


def _read(decode: Callable[[bytes], Any], body: bytes, what: str, least: int = 0) -> list[Any]:
    try:
        data: list[Any] = decode(body).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise UnreachableError(f"{what} cannot be read: {str(e)[:200]}") from None
    if len(data) < least:
        raise UnreachableError(f"{what} is missing in the answer")
    return data[:least] if least else data
