"""Whether an exchange of ccxt answers from here, and whether what is watched really comes."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import aiohttp

from connectors.ccxt_venue.feed import METHODS, CcxtVenue
from connectors.ccxt_venue.rest import LIMITED, kinds
from connectors.live.diagnosis import (
    CHANNELS,
    Check,
    Outcome,
    Patience,
    SectionDiagnosis,
    in_seconds,
    of_status,
    outcome_of,
)
from connectors.live.http import RefusedError
from engine.codes import Channel
from engine.feed import SourceError
from engine.instrument import Instrument

#: ccxt names the status behind the method and the address.
_STATUS = re.compile(r" (?:GET|POST) \S+ ([45]\d\d)\b")


async def diagnose(
    venue: CcxtVenue,
    symbols: Sequence[str] = (),
    patience: Patience | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> list[Check]:
    """As `connectors.live.diagnosis.diagnose`; an acknowledgement can't be told from silence here."""
    (section,) = venue.sections
    exchange = await venue.load()
    try:
        async with aiohttp.ClientSession() as http:
            rest = venue.rest(section, http)
            patient = patience if patience is not None else Patience()
            return await _Watched(exchange, section, rest, patient, clock).run(symbols)
    finally:
        await exchange.close()


class _Watched(SectionDiagnosis):
    def __init__(self, exchange: Any, *more: Any) -> None:
        super().__init__(*more)
        self._exchange = exchange

    async def subscribed(self, instrument: Instrument) -> list[Check]:
        """See SectionDiagnosis."""
        return list(await asyncio.gather(*(self._first(channel, instrument) for channel in CHANNELS)))

    def outcome(self, error: BaseException) -> Outcome:
        """See SectionDiagnosis: what ccxt has hidden behind its own errors."""
        for cause in _chain(error):
            status = _STATUS.search(str(cause))
            if status is not None:
                return of_status(int(status[1]))
            if kinds(cause) & LIMITED:
                return Outcome.LIMITED
            if isinstance(cause, OSError | aiohttp.ClientError):
                return outcome_of(cause)
        if "BaseError" in kinds(error) or isinstance(error, RefusedError):
            return Outcome.REFUSED
        return outcome_of(error) if isinstance(error, SourceError) else Outcome.FAILING

    async def _first(self, channel: Channel, instrument: Instrument) -> Check:
        part, (has, method) = CHANNELS[channel], METHODS[channel]
        began = self._clock()
        if not self._exchange.has.get(has):
            return self.check(part, Outcome.REFUSED, f"ccxt cannot stream it from {self._exchange.id}")
        try:
            async with asyncio.timeout(self._patience.first):
                await getattr(self._exchange, method)(instrument.native)
        except TimeoutError as e:
            if kinds(e) & {"BaseError"}:
                return self.check(part, self.outcome(e), f"{instrument.symbol}: {str(e)[:300]}")
            waited = in_seconds(self._clock() - began)
            return self.check(part, Outcome.SILENT, f"{instrument.symbol}: nothing for {waited}")
        except Exception as e:
            return self.check(part, self.outcome(e), f"{instrument.symbol}: {str(e)[:300] or type(e).__name__}")
        text = f"{instrument.symbol}: first answer after {in_seconds(self._clock() - began)}, through ccxt"
        return self.check(part, Outcome.OK, text)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, outermost first."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__
