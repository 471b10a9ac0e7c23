"""Is a venue to be reached from here, does what was subscribed to really come, and is our clock right?

One market of each section is asked for as a feed would ask: the listing and the clock by REST, then a socket with
both channels. An acknowledgement proves nothing, so each channel must bring its first frame.
"""

from __future__ import annotations

import asyncio
import errno
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import aiohttp

from connectors.live.connection import LARGEST_FRAME
from connectors.live.http import RateLimitedError, RefusedError, UnreachableError
from connectors.live.listing import Listed, Listing
from connectors.live.venue import LiveVenue, Rest
from connectors.live.wire import BookMessage, Dialect, Event, FrameError, Reply, Request, Respond, TradeMessage
from engine.codes import Channel
from engine.feed import SourceError
from engine.instrument import Instrument


class Outcome(Enum):
    """What was found out."""

    OK = "ok"
    NO_HOST = "the name of the host cannot be resolved"
    NO_ROUTE = "there is no way to the network it is in"
    NOT_LISTENING = "nothing listens there"
    NO_TLS = "no secure connection can be made"
    NO_ANSWER = "no answer in time"
    BLOCKED = "not available from this place"
    GONE = "the address is no longer in use"
    LIMITED = "too many requests from this address"
    FAILING = "the venue fails"
    UNREADABLE = "what it sends is not of its protocol"
    REFUSED = "refused"
    UNACKNOWLEDGED = "the subscription is not acknowledged"
    SILENT = "acknowledged, and nothing comes"
    QUIET = "acknowledged; no trade yet, while the book moves"
    SKEWED = "our clock is off"


@dataclass(frozen=True)
class Check:
    """One thing that was tried. `part` is REST, clock, socket, book or trades."""

    section: str
    part: str
    outcome: Outcome
    text: str


@dataclass(frozen=True)
class Patience:
    """Seconds."""

    connect: float = 8.0
    first: float = 15.0  # frame of a channel, and the answer to its subscription
    skew: float = 1.0  # of our clock that is told
    pause: float | None = None  # between frames that are sent; None: what the venue wants


#: Tried first where no market is named: what always moves.
_LIVELY = ("BTC/USDT", "BTC/USD", "BTC/USDC", "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "BTC/USD:USD")
#: Sockets of a section that are tried at the same time.
_AT_ONCE = 5
CHANNELS = {Channel.BOOK: "book", Channel.TRADES: "trades"}


async def diagnose(
    venue: LiveVenue,
    symbols: Sequence[str] = (),
    patience: Patience | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> list[Check]:
    """Try every section that `symbols` (unified) belong to, or all of them, at the same time. SourceError for a symbol
    that cannot be of this venue."""
    wanted: dict[str, list[str]] = {}
    for symbol in symbols:
        wanted.setdefault(venue.section(symbol), []).append(symbol)
    patience = patience if patience is not None else Patience()
    async with aiohttp.ClientSession() as http:
        found = await asyncio.gather(
            *(
                _Sockets(venue, section, http, patience, clock).run(wanted.get(section, ()))
                for section in (wanted or venue.sections)
            )
        )
    return [check for checks in found for check in checks]


class SectionDiagnosis(ABC):
    """What is tried of one section."""

    def __init__(self, name: str, rest: Rest, patience: Patience, clock: Callable[[], float]) -> None:
        self._name, self._rest = name, rest
        self._patience, self._clock = patience, clock
        self._checks: list[Check] = []

    @abstractmethod
    async def subscribed(self, instrument: Instrument) -> list[Check]:
        """Subscribe to both channels of a market and see what comes."""

    def outcome(self, error: BaseException) -> Outcome:
        """What a failure says."""
        return outcome_of(error)

    async def run(self, symbols: Sequence[str]) -> list[Check]:
        """All checks of the section, in the order they were made."""
        began = self._clock()
        try:
            listing = await self._rest.listing(symbols)
        except (UnreachableError, SourceError) as e:
            self._failed("REST", e)
            return self._checks
        took = self._clock() - began
        self._tell("REST", Outcome.OK, f"{len(listing)} markets listed after {in_seconds(took)}")
        try:
            began = self._clock()
            ahead = await self._rest.clock_ahead()
        except (UnreachableError, SourceError) as e:
            self._failed("clock", e)
        else:
            self._compare_clocks(ahead / 1e9, self._clock() - began)
        turns = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(*(self._socket(x, turns) for x in self._chosen(listing, symbols)))
        return [*self._checks, *(check for checks in found for check in checks)]

    def check(self, part: str, outcome: Outcome, text: str) -> Check:
        """Of this section."""
        return Check(self._name, part, outcome, text)

    def _tell(self, part: str, outcome: Outcome, text: str) -> None:
        self._checks.append(self.check(part, outcome, text))

    def _failed(self, part: str, error: BaseException) -> None:
        self._tell(part, self.outcome(error), str(error)[:400] or type(error).__name__)

    def _compare_clocks(self, ahead: float, round_trip: float) -> None:
        off = abs(ahead) > self._patience.skew + round_trip / 2
        way = "behind" if ahead > 0 else "ahead of"
        text = f"ours is {in_seconds(abs(ahead))} {way} the venue's (good to {in_seconds(round_trip / 2)})"
        self._tell("clock", Outcome.SKEWED if off else Outcome.OK, text)

    def _chosen(self, listing: Listing, symbols: Sequence[str]) -> list[Instrument]:
        """The markets asked for, or one that is sure to move."""
        if not symbols:
            trading = {x.instrument.symbol: x for x in listing if x.trading}
            lively = [trading[s] for s in _LIVELY if s in trading] or list(trading.values())
            return [x.instrument for x in lively[:1]]
        found: list[Listed] = []
        for symbol in symbols:
            try:
                found.append(listing.find(symbol))
            except SourceError as e:
                self._tell("REST", Outcome.REFUSED, str(e))
        return [x.instrument for x in found]

    async def _socket(self, instrument: Instrument, turns: asyncio.Semaphore) -> list[Check]:
        async with turns:
            return await self.subscribed(instrument)


class _Sockets(SectionDiagnosis):
    """Of a venue with sockets of ours."""

    def __init__(
        self,
        venue: LiveVenue,
        name: str,
        http: aiohttp.ClientSession,
        patience: Patience,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name, venue.rest(name, http), patience, clock)
        self._venue, self._http = venue, http

    async def subscribed(self, instrument: Instrument) -> list[Check]:
        """See SectionDiagnosis."""
        dialect = self._venue.dialect(self._name)
        ping, began = dialect.ping, self._clock()
        try:
            async with asyncio.timeout(self._patience.connect):
                ws = await self._http.ws_connect(
                    dialect.url, heartbeat=15.0 if ping is None else None, max_msg_size=LARGEST_FRAME, decode_text=False
                )
        except (aiohttp.ClientError, OSError, ValueError) as e:
            return [self.check("socket", outcome_of(e), f"{dialect.url}: {str(e)[:300] or outcome_of(e).value}")]
        dialect.connected()
        connected = self.check("socket", Outcome.OK, f"{dialect.url} after {in_seconds(self._clock() - began)}")
        async with ws:
            seen = _Seen(instrument, dialect, self._clock)
            requests = [*((None, request) for request in dialect.opening()), *seen.requests()]
            pause = self._patience.pause
            pause = self._venue.traits(self._name).between_requests if pause is None else pause
            speaking = asyncio.create_task(_speak(ws, seen, requests, pause, ping))
            hearing = asyncio.create_task(_hear(ws, seen))
            await asyncio.wait([hearing], timeout=self._patience.first)
            for task in (speaking, hearing):
                task.cancel()
            await asyncio.gather(speaking, hearing, return_exceptions=True)
        return [connected, *(self.check(name, *seen.found(channel)) for channel, name in CHANNELS.items())]


@dataclass
class _Of:
    """What is known of one channel; `answered` and `first` are seconds since it was asked for."""

    asked: float = 0.0
    numbers: set[int] = field(default_factory=set)  # outstanding answers
    topics: set[str] = field(default_factory=set)
    answered: float | None = None
    first: float | None = None
    refusal: str | None = None


class _Seen:
    """What a socket has brought for one market."""

    def __init__(self, instrument: Instrument, dialect: Dialect, clock: Callable[[], float]) -> None:
        self._native, self._symbol, self._dialect, self._clock = instrument.native, instrument.symbol, dialect, clock
        self._began = clock()
        self._of = {channel: _Of() for channel in CHANNELS}
        self._unreadable = ""
        self.end = ""  # how the venue ended the connection

    def asking(self, channel: Channel | None) -> None:
        """A request for this is sent now."""
        if channel is not None:
            self._of[channel].asked = self._clock()

    def requests(self) -> list[tuple[Channel | None, Request]]:
        """To subscribe to both channels, each by itself."""
        out: list[tuple[Channel | None, Request]] = []
        for channel, of in self._of.items():
            for request in self._dialect.subscribe([(self._native, channel)]):
                of.topics.update(request.topics)
                if request.request is not None:
                    of.numbers.add(request.request)
                out.append((channel, request))
        return out

    def take(self, frame: bytes) -> str | None:
        """A frame; what is to be answered at once."""
        try:
            events: Sequence[Event] = self._dialect.decode(frame)
        except FrameError as e:
            self._unreadable = self._unreadable or str(e)
            return None
        answer = None
        for event in events:
            if isinstance(event, BookMessage | TradeMessage):
                of = self._of[Channel.BOOK if isinstance(event, BookMessage) else Channel.TRADES]
                if event.native == self._native and of.first is None:
                    of.first = self._clock() - of.asked
            elif isinstance(event, Reply):
                self._replied(event)
            elif isinstance(event, Respond):
                answer = event.frame
        return answer

    def _replied(self, reply: Reply) -> None:
        for of in self._of.values():
            mine = reply.request in of.numbers or not of.topics.isdisjoint(reply.topics)
            if reply.error is not None and (mine or not (reply.topics or reply.request is not None)):
                of.refusal = reply.error
            of.topics.difference_update(of.topics if reply.request in of.numbers else reply.topics)
            of.numbers.discard(-1 if reply.request is None else reply.request)
            if mine and not of.topics and not of.numbers and of.answered is None:
                of.answered = self._clock() - of.asked

    @property
    def complete(self) -> bool:
        """Whether nothing more is waited for."""
        return all(
            of.refusal is not None or (of.answered is not None and of.first is not None) for of in self._of.values()
        )

    def found(self, channel: Channel) -> tuple[Outcome, str]:
        """What that says of a channel."""
        of, waited = self._of[channel], in_seconds(self._clock() - self._began)
        if of.refusal is not None:
            return Outcome.REFUSED, f"{self._symbol}: {of.refusal[:300]}"
        if of.first is not None:
            said = "not acknowledged" if of.answered is None else f"acknowledged after {in_seconds(of.answered)}"
            return Outcome.OK, f"{self._symbol}: {said}, first frame after {in_seconds(of.first)}"
        if self._unreadable:
            return Outcome.UNREADABLE, f"{self._symbol}: {self._unreadable}"
        if self.end:
            return Outcome.FAILING, f"{self._symbol}: {self.end}"
        if of.answered is None:
            return Outcome.UNACKNOWLEDGED, f"{self._symbol}: no answer to the subscription within {waited}"
        text = f"{self._symbol}: acknowledged after {in_seconds(of.answered)}, then nothing for {waited}"
        moves = channel is Channel.TRADES and self._of[Channel.BOOK].first is not None
        return (Outcome.QUIET if moves else Outcome.SILENT), text


async def _speak(
    ws: aiohttp.ClientWebSocketResponse[bool],
    seen: _Seen,
    requests: Sequence[tuple[Channel | None, Request]],
    pause: float,
    ping: tuple[float, str] | None,
) -> None:
    for channel, request in requests:
        seen.asking(channel)
        await ws.send_str(request.frame)
        await asyncio.sleep(pause)
    while ping is not None:
        await asyncio.sleep(ping[0])
        await ws.send_str(ping[1])


async def _hear(ws: aiohttp.ClientWebSocketResponse[bool], seen: _Seen) -> None:
    while not seen.complete:
        message = await ws.receive()
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            seen.end = f"the venue closed the connection (code {ws.close_code})"
            return
        answer = seen.take(message.data)
        if answer is not None:
            await ws.send_str(answer)


def outcome_of(error: BaseException) -> Outcome:
    """What a failed request or handshake says about the way to the venue."""
    status = (
        error.status if isinstance(error, aiohttp.WSServerHandshakeError | UnreachableError | RefusedError) else None
    )
    if status is not None:
        return of_status(status)
    if isinstance(error, RateLimitedError):
        return Outcome.LIMITED
    cause = error.__cause__ if isinstance(error, UnreachableError) else error
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return Outcome.NO_HOST
    if isinstance(cause, aiohttp.ClientSSLError):
        return Outcome.NO_TLS
    if isinstance(cause, TimeoutError):
        return Outcome.NO_ANSWER
    if isinstance(cause, OSError):
        number = cause.os_error.errno if isinstance(cause, aiohttp.ClientConnectorError) else cause.errno
        if number in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
            return Outcome.NO_ROUTE
        if number == errno.ECONNREFUSED:
            return Outcome.NOT_LISTENING
        return Outcome.FAILING
    if isinstance(cause, aiohttp.ClientError):
        return Outcome.FAILING
    return Outcome.REFUSED if isinstance(error, RefusedError) else Outcome.UNREADABLE


def of_status(status: int) -> Outcome:
    """What a status of HTTP says."""
    if status in (403, 451):
        return Outcome.BLOCKED
    if status in (404, 410):
        return Outcome.GONE
    if status in (418, 429):
        return Outcome.LIMITED
    return Outcome.FAILING if status >= 500 or status == 408 else Outcome.REFUSED


def in_seconds(value: float) -> str:
    """A time for people."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
