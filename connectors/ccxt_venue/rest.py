"""What is asked of an exchange by ccxt's unified methods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from connectors.ccxt_venue.instruments import read_listing
from connectors.ccxt_venue.messages import read_trades
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from connectors.live.listing import Listing
from connectors.live.wire import Bar, TradePage, Update
from engine.history import MINUTE
from engine.instrument import Instrument
from engine.metrics.windows import DAY

_FRAMES = {MINUTE: "1m", 5 * MINUTE: "5m", DAY: "1d"}
_BARS_A_PAGE = 500
_WAIT = 10.0
#: By the names of ccxt's classes, for importing them would import ccxt.
LIMITED = frozenset(("RateLimitExceeded", "DDoSProtection"))
_PASSING = frozenset(("NetworkError", "OperationFailed", "BadResponse", "NullResponse"))


def kinds(error: BaseException) -> set[str]:
    """Names of an error's classes."""
    return {kind.__name__ for kind in type(error).__mro__}


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Inside, ccxt's errors become those of `connectors.live.http`."""
    try:
        yield
    except (asyncio.CancelledError, UnreachableError, RefusedError):
        raise
    except Exception as e:
        names, said = kinds(e), " ".join(str(e).split())[:200] or type(e).__name__
        if names & LIMITED:
            raise RateLimitedError(f"{what}: asked to wait: {said}", _WAIT) from None
        if names & _PASSING or isinstance(e, OSError | TimeoutError):
            raise UnreachableError(f"{what} failed: {said}") from None
        if "BaseError" in names:
            raise RefusedError(f"{what} was refused: {said}", None) from None
        # ccxt reads answers without checking them: one that it cannot take leads to any error.
        raise UnreachableError(f"{what} cannot be read: {type(e).__name__}: {said}") from None


class CcxtRest:
    """A `connectors.live.venue.Rest` over an exchange of ccxt."""

    def __init__(self, exchange: Any, *, clock: Callable[[], int]) -> None:
        self.exchange, self._clock = exchange, clock

    @property
    def name(self) -> str:
        """The exchange's."""
        return str(self.exchange.id)

    async def listing(self, symbols: Sequence[str] = ()) -> Listing:
        """See Rest."""
        with translated(f"the list of markets of {self.name}"):
            markets = await self.exchange.load_markets(True)
            return read_listing(self.name, markets, self.exchange.precisionMode)

    async def clock_ahead(self) -> int:
        """See Rest."""
        if not self.exchange.has.get("fetchTime"):
            return 0
        before = self._clock()
        with translated(f"the time of {self.name}"):
            told = int(await self.exchange.fetch_time()) * 1_000_000
        return told - (before + self._clock()) // 2

    async def snapshot(self, instrument: Instrument, shallow: bool) -> Update:
        """See Rest: the stream brings it."""
        raise RefusedError(f"{self.name}: books come in the stream", None)

    async def trades(self, instrument: Instrument, last: int, since: int) -> TradePage:
        """See Rest: the newest ones, or those since a time, as the exchange will."""
        if not self.exchange.has.get("fetchTrades"):
            raise RefusedError(f"{self.name} gives no past trades", None)
        with translated(f"the trades of {instrument.symbol}"):
            given = await self.exchange.fetch_trades(instrument.native, since // 1_000_000 or None)
            return TradePage(read_trades(given)[0])

    async def day_volume(self, instrument: Instrument) -> str:
        """See Rest: only of markets whose size unit is the base currency, for ccxt does not say in which it is."""
        self._in_base(instrument)
        with translated(f"the day's volume of {instrument.symbol}"):
            volume = float((await self.exchange.fetch_ticker(instrument.native))["baseVolume"])
        lots = round(volume / float(instrument.lot))
        return str(lots * instrument.lot)

    async def bars(self, instrument: Instrument, step: int, start: int, end: int) -> list[Bar]:
        """See Rest."""
        self._in_base(instrument)
        if not self.exchange.has.get("fetchOHLCV"):
            raise RefusedError(f"{self.name} gives no bars", None)
        count = min(_BARS_A_PAGE, (end - start) // step)
        with translated(f"the bars of {instrument.symbol}"):
            rows = await self.exchange.fetch_ohlcv(instrument.native, _FRAMES[step], start // 1_000_000, count)
            bars = []
            for row in rows:
                first, high, low, last, volume = (repr(float(x)) for x in row[1:6])
                bars.append(Bar(int(row[0]) * 1_000_000, first, high, low, last, volume))
        return [bar for bar in bars if start <= bar.opened < end]

    def _in_base(self, instrument: Instrument) -> None:
        if instrument.kind == "inverse" or instrument.contract != 1:
            raise RefusedError(f"{instrument.market}: the unit of its volume is not known", None)

    async def close(self) -> None:
        """Close the exchange's connections."""
        await self.exchange.close()
