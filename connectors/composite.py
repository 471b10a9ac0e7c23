"""One instrument on several venues as one market: the trades of all of them on one tape, in the order they came.

A composite is written `composite:SYMBOL@venue+venue+venue:SYMBOL`, the symbol of a member being that of the composite
where it is not given, or `composite:NAME` for a name of the configuration's `[composites]`. Its sizes are in base
units on the finest grid that all members share; inverse contracts, whose base amount depends on the price, are rounded
to 1e-8. Prices of members in another quote currency are converted by the last trade of a market between the two
(`rates`), when it is not older than five minutes; without one such a member is refused.

Nothing is fetched twice: the members are watched as markets of their own, and what they are told is told on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from connectors.nearest import did_you_mean
from engine.codes import Channel, Flag, Kind, Reason, Trust
from engine.feed import Engine, Feed, Levels, Sink, SourceError
from engine.history import Bars, History, HistoryError
from engine.instrument import Instrument
from engine.metrics.batch import Bools
from engine.tape import ROW, Rows

VENUE = "composite"
#: An observed rate so old no longer converts.
RATE_NS = 300_000_000_000
#: A member that has not been listed so long after the first is left out until it is.
PATIENCE_NS = 10_000_000_000
#: Base units of a lot where the amount of a trade depends on its price.
ROUNDED = Fraction(1, 10**8)
_CACHE = 20_000
_MEMBER = re.compile(r"[a-z][a-z0-9_]*(?::\S+)?")
_GOOD = (Trust.LIVE, Trust.UNVERIFIABLE)


@dataclass(frozen=True)
class Composite:
    """What is summed. `symbol` names it; `rates` are markets by the quote currency that they convert."""

    symbol: str
    members: tuple[str, ...]
    rates: Mapping[str, str] = field(default_factory=dict)

    @property
    def market(self) -> str:
        """As users name it."""
        return f"{VENUE}:{self.symbol}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Every market that must be watched for it."""
        return tuple(dict.fromkeys((*self.members, *self.rates.values())))


def currencies(symbol: str) -> tuple[str, str]:
    """(base, quote) of a unified symbol; raises SourceError."""
    base, slash, rest = symbol.partition("/")
    quote = re.split(r"[:\-]", rest, maxsplit=1)[0]
    if not slash or not base or not quote:
        raise SourceError(f"{symbol[:60]!r} is no symbol; write BASE/QUOTE, such as BTC/USDT")
    return base, quote


def parse(symbol: str, named: Sequence[str] = ()) -> Composite:
    """The composite of what stands behind `composite:`, other than one of the names there are. SourceError with how to
    write one."""
    own, at, rest = symbol.partition("@")
    if not at:
        names = f"{did_you_mean(symbol, named)} (there are {', '.join(named)})" if named else ""
        raise SourceError(
            f"there is no composite {symbol[:60]!r}{names}; write composite:BTC/USDT@binance+bybit+okx, "
            "or name one in [composites] of the configuration"
        )
    members = []
    for text in rest.split("+"):
        if not _MEMBER.fullmatch(text):
            raise SourceError(f"composite:{symbol[:80]}: {text[:40]!r} is neither a venue nor venue:SYMBOL")
        members.append(text if ":" in text else f"{text}:{own}")
    return checked(Composite(symbol, tuple(dict.fromkeys(members))))


def checked(composite: Composite) -> Composite:
    """The same, if it can be summed; raises SourceError."""
    where = composite.market[:90]
    if len(composite.members) < 2:
        raise SourceError(f"{where}: a composite has two members or more")
    pairs = {}
    for member in (*composite.members, *composite.rates.values()):
        venue, _, symbol = member.partition(":")
        if venue == VENUE:
            raise SourceError(f"{where}: a composite cannot be a member of one")
        pairs[member] = currencies(symbol)
    base, quote = pairs[composite.members[0]]
    for member in composite.members:
        if pairs[member][0] != base:
            raise SourceError(f"{where}: {member} trades {pairs[member][0]}, the first member {base}")
        if pairs[member][1] != quote and pairs[member][1] not in composite.rates:
            raise SourceError(
                f"{where}: {member} is quoted in {pairs[member][1]}, the first member in {quote}; name the market that "
                f'tells the rate in [composites], such as rates = {{ {pairs[member][1]} = "kraken:{quote}/'
                f'{pairs[member][1]}" }}'
            )
    for currency, market in composite.rates.items():
        if set(pairs[market]) != {currency, quote}:
            raise SourceError(f"{where}: {market} tells no rate between {currency} and {quote}")
    return composite


def _common(steps: Sequence[Fraction]) -> Fraction:
    """The largest step that all of them are multiples of."""
    down = lcm(*(step.denominator for step in steps))
    return Fraction(gcd(*(int(step * down) for step in steps)), down)


def _decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)


class Joined:
    """One composite while it runs: takes what its members are told, and tells it to its own sink."""

    def __init__(self, composite: Composite, engine: Engine) -> None:
        self.composite = composite
        self._engine = engine
        self._base, self._quote = currencies(composite.members[0].partition(":")[2])
        self._known: dict[str, Instrument] = {}
        self._sink: Sink | None = None
        self._instrument: Instrument | None = None
        self._trust: dict[str, tuple[Trust, Reason]] = {}
        self._said: tuple[Trust, Reason] | None = None
        self._rates: dict[str, tuple[float, int]] = {}  # currency: (its worth in our quote, when)
        self._first = 0  # receive time of the first news
        self._days: dict[str, Fraction] = {}
        self._prices: dict[str, Fraction] = {}  # of inverse members
        self._id = 0
        self._texts: dict[int, str] = {}

    # ---- members

    def opened(self, instrument: Instrument) -> None:
        """A member's grid is known, or has changed."""
        if instrument.market in self.composite.members and self._known.get(instrument.market) != instrument:
            self._known[instrument.market] = instrument
            if self._sink is not None or len(self._known) == len(self.composite.members):
                self._open()

    def _open(self) -> None:
        known = self._known.values()
        tick = _common([Fraction(i.tick) for i in known if i.quote == self._quote] or [ROUNDED])
        lots = [Fraction(i.lot) * Fraction(i.contract) for i in known if i.kind != "inverse"]
        lots += [ROUNDED] if any(i.kind == "inverse" for i in known) else []
        before = self._instrument
        self._instrument = Instrument(
            VENUE,
            self.composite.symbol,
            _decimal(tick),
            _decimal(_common(lots)),
            "spot" if all(i.kind == "spot" for i in known) else "linear",
            base=self._base,
            quote=self._quote,
            simulated=all(i.simulated for i in known),
            members=self.composite.members,
        )
        if self._sink is None or before != self._instrument:
            self._sink = self._engine.open(self._instrument)
            self._texts.clear()
            self._said = None

    def _ready(self, recv: int) -> Sink | None:
        """Where to tell it; None while members are waited for."""
        if self._sink is None:
            self._first = self._first or recv
            if recv - self._first >= PATIENCE_NS and self._known:
                self._open()
        return self._sink

    # ---- what members are told

    def trade(self, member: Instrument, recv: int, ts: int, px: int, qty: int, side: int, flags: int) -> None:
        """A trade of `qty` lots at `px` ticks of a member, or of a market that tells a rate."""
        self._note_rate(member, ts, px, flags)
        if member.market not in self.composite.members or (sink := self._ready(recv)) is None:
            return
        if self._said is None:
            self._say(sink, recv, ts)
        converted = self._convert(member, ts, px, qty)
        if converted is None:
            sink.hole(recv, ts, -1, 1)  # how much it was of ours nobody can say now
            return
        self._id += 1
        sink.trade(recv, ts, self._id, self._price_text(converted[0]), self._size_text(converted[1]), side, flags)

    def rows(self, member: Instrument, rows: Rows) -> None:
        """What a member was told as rows: all of it at once where every trade converts the same way."""
        exact = member.quote == self._quote and member.kind != "inverse" and not self.composite.rates
        told = rows[_of_trades(rows)]
        if not len(told):
            return
        sink = self._ready(int(told["recv"][0]))
        if not exact or sink is None or not (told["kind"] == Kind.TRADE).all():
            for r in told:
                self._row(member, r)
            return
        assert self._instrument is not None
        if self._said is None:
            self._say(sink, int(told["recv"][0]), int(told["ts"][0]))
        ours = np.zeros(len(told), ROW)
        ticks, lots = self._ratios(member)
        for name in ("recv", "ts", "side", "kind", "channel"):
            ours[name] = told[name]
        ours["px"], ours["qty"] = told["px"] * ticks, told["qty"] * lots
        ours["flags"] = told["flags"] | Flag.LAST
        ours["id"] = self._id + 1 + np.arange(len(told))
        self._id += len(told)
        sink.apply(ours)

    def _row(self, member: Instrument, r: np.void) -> None:
        recv, ts, kind = int(r["recv"]), int(r["ts"]), int(r["kind"])
        if kind == Kind.TRADE:
            self.trade(member, recv, ts, int(r["px"]), int(r["qty"]), int(r["side"]), int(r["flags"]) & ~Flag.LAST)
        elif kind == Kind.HOLE:
            self.hole(member, recv, ts, int(r["qty"]))
        elif kind == Kind.DAY_VOLUME:
            self.day_volume(member, recv, ts, int(r["qty"]))
        else:
            aux = int(r["aux"])
            self.status(member, recv, ts, Trust(aux & 0xFF), Reason(aux >> 8))

    def hole(self, member: Instrument, recv: int, ts: int, count: int) -> None:
        """Trades of a member are missing."""
        if member.market in self.composite.members and (sink := self._ready(recv)) is not None:
            sink.hole(recv, ts, -1, count)

    def status(self, member: Instrument, recv: int, ts: int, trust: Trust, reason: Reason) -> None:
        """The trades of a member are to be relied on so far. The sum is LIVE while one of them is, and says when it is
        not all of them."""
        if member.market not in self.composite.members:
            return
        self._trust[member.market] = (trust, reason)
        if (sink := self._ready(recv)) is not None:
            self._say(sink, recv, ts)

    def _say(self, sink: Sink, recv: int, ts: int) -> None:
        states = list(self._trust.values())
        good = sum(trust in _GOOD for trust, _ in states)
        if good == len(self.composite.members):
            said = (Trust.LIVE, Reason.NONE)
        elif good:
            said = (Trust.LIVE, Reason.MEMBERS_OUT)
        else:
            said = states[-1] if states else (Trust.WARMING, Reason.NO_DATA_YET)
        if said != self._said:
            self._said = said
            sink.status(recv, ts, Channel.TRADES, *said)

    def day_volume(self, member: Instrument, recv: int, ts: int, lots: int) -> None:
        """A member's volume of 24 hours; the sum is told when all have told theirs."""
        if member.market not in self.composite.members:
            return
        amount = lots * Fraction(member.lot) * Fraction(member.contract)
        if member.kind == "inverse":
            price = self._prices.get(member.market)
            if price is None:
                return  # it is told again within the hour
            amount /= price
        self._days[member.market] = amount
        if len(self._days) == len(self.composite.members) and (sink := self._ready(recv)) is not None:
            assert self._instrument is not None
            sink.day_volume(recv, ts, self._size_text(round(sum(self._days.values()) / Fraction(self._instrument.lot))))

    # ---- units

    def _ratios(self, member: Instrument) -> tuple[int, int]:
        """Our ticks and lots in one of a member's."""
        assert self._instrument is not None
        ticks = Fraction(member.tick) / Fraction(self._instrument.tick)
        lots = Fraction(member.lot) * Fraction(member.contract) / Fraction(self._instrument.lot)
        return int(ticks), int(lots)

    def _convert(self, member: Instrument, ts: int, px: int, qty: int) -> tuple[int, int] | None:
        """(ticks, lots) of ours; None while the rate is not known."""
        assert self._instrument is not None
        price = Fraction(member.tick) * px
        if member.kind == "inverse":
            if px <= 0:
                return None
            self._prices[member.market] = price
            lots = round(
                qty * Fraction(member.lot) * Fraction(member.contract) / price / Fraction(self._instrument.lot)
            )
        else:
            lots = qty * self._ratios(member)[1]
        if member.quote == self._quote:
            return px * self._ratios(member)[0], lots
        worth, at = self._rates.get(member.quote, (0.0, 0))
        if not worth or ts - at > RATE_NS:
            return None
        return round(price * Fraction(worth) / Fraction(self._instrument.tick)), lots

    def _note_rate(self, told: Instrument, ts: int, px: int, flags: int) -> None:
        for currency, market in self.composite.rates.items():
            if market == told.market and px > 0 and not flags & (Flag.NOT_FLOW | Flag.REPLAYED):
                price = told.price(px)
                self._rates[currency] = (price if told.base == currency else 1 / price, ts)

    def _price_text(self, ticks: int) -> str:
        text = self._texts.get(ticks)
        if text is None:
            assert self._instrument is not None
            if len(self._texts) > _CACHE:
                self._texts.clear()
            text = self._texts[ticks] = f"{ticks * self._instrument.tick:f}"
        return text

    def _size_text(self, lots: int) -> str:
        assert self._instrument is not None
        return f"{lots * self._instrument.lot:f}"


def _of_trades(rows: Rows) -> Bools:
    """Which rows are trades, or tell of them."""
    said: Bools = (rows["kind"] == Kind.STATUS) & (rows["channel"] == Channel.TRADES)
    return said | np.isin(rows["kind"], (Kind.TRADE, Kind.HOLE, Kind.DAY_VOLUME))


class Told:
    """The sink of a market that is summed somewhere: tells everything on."""

    def __init__(self, sink: Sink, instrument: Instrument, joined: Sequence[Joined]) -> None:
        self.sink, self.instrument, self._joined = sink, instrument, joined
        self._ticks: dict[str, int] = {}

    def apply(self, rows: Rows) -> None:
        """See Sink."""
        self.sink.apply(rows)
        for joined in self._joined:
            joined.rows(self.instrument, rows)

    def snapshot(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """See Sink."""
        self.sink.snapshot(recv, ts, seq, bids, asks)

    def book(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        """See Sink."""
        self.sink.book(recv, ts, seq, bids, asks)

    def trade(self, recv: int, ts: int, trade_id: int, px: str, size: str, side: int, flags: int = 0) -> None:
        """See Sink."""
        self.sink.trade(recv, ts, trade_id, px, size, side, flags)  # refuses what is off the grid
        ticks = self._ticks.get(px)
        if ticks is None:
            if len(self._ticks) > _CACHE:
                self._ticks.clear()
            ticks = self._ticks[px] = self.instrument.ticks(px)
        lots = self.instrument.lots(size)
        for joined in self._joined:
            joined.trade(self.instrument, recv, ts, ticks, lots, side, flags)

    def hole(self, recv: int, ts: int, first_id: int, count: int) -> None:
        """See Sink."""
        self.sink.hole(recv, ts, first_id, count)
        for joined in self._joined:
            joined.hole(self.instrument, recv, ts, count)

    def status(
        self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
    ) -> None:
        """See Sink."""
        self.sink.status(recv, ts, channel, trust, reason, percent)
        if channel is Channel.TRADES:
            for joined in self._joined:
                joined.status(self.instrument, recv, ts, trust, reason)

    def clock(self, recv: int, ts: int) -> None:
        """See Sink."""
        self.sink.clock(recv, ts)

    def day_volume(self, recv: int, ts: int, size: str) -> None:
        """See Sink."""
        self.sink.day_volume(recv, ts, size)
        for joined in self._joined:
            joined.day_volume(self.instrument, recv, ts, self.instrument.lots(size))

    def liquidation(self, recv: int, ts: int, px: str, size: str, side: int) -> None:
        """See Sink."""
        self.sink.liquidation(recv, ts, px, size, side)

    def reading(self, recv: int, ts: int, kind: Kind, value: str, due: int = 0) -> None:
        """See Sink."""
        self.sink.reading(recv, ts, kind, value, due)

    @property
    def crossed(self) -> bool:
        """See Sink."""
        return self.sink.crossed

    @property
    def t(self) -> int:
        """See Sink."""
        return self.sink.t

    @property
    def last_trade_id(self) -> int | None:
        """See Sink."""
        return self.sink.last_trade_id


class Hub:
    """The composites of a run, shared by the feeds of their members. An `Engine` in front of the engine."""

    def __init__(self, composites: Sequence[Composite]) -> None:
        self.composites = tuple(composites)
        self._engine: Engine | None = None
        self._joined: list[Joined] = []
        self._told: dict[str, Told] = {}

    def over(self, engine: Engine) -> Hub:
        """Stand in front of this engine."""
        if self._engine is not engine:
            self._engine = engine
            self._joined = [Joined(composite, engine) for composite in self.composites]
            self._told.clear()
        return self

    def open(self, instrument: Instrument) -> Sink:
        """See Engine."""
        assert self._engine is not None
        sink = self._engine.open(instrument)
        joined = [j for j in self._joined if instrument.market in j.composite.sources]
        if not joined:
            return sink
        known = self._told.get(instrument.market)
        if known is None or known.sink is not sink or known.instrument != instrument:
            self._told[instrument.market] = known = Told(sink, instrument, joined)
            for each in joined:
                each.opened(instrument)
        return known

    def notice(self, source: str, text: str) -> None:
        """See Engine."""
        assert self._engine is not None
        self._engine.notice(source, text)

    def restart(self, market: str) -> None:
        """See Engine."""
        assert self._engine is not None
        self._told.pop(market, None)
        self._engine.restart(market)

    async def drained(self) -> None:
        """See Engine."""
        assert self._engine is not None
        await self._engine.drained()


class Tapped:
    """A feed whose markets are summed; the first of them also answers for the composites."""

    def __init__(self, feed: Feed, hub: Hub, *, first: bool) -> None:
        self._feed, self._hub, self._first = feed, hub, first

    @property
    def name(self) -> str:
        """The feed's."""
        return self._feed.name

    @property
    def live(self) -> bool:
        """As the feed."""
        return self._feed.live

    @property
    def markets(self) -> Sequence[str]:
        """Those of the feed, and the composites."""
        return [*self._feed.markets, *(c.market for c in self._hub.composites if self._first)]

    async def run(self, engine: Engine) -> None:
        """As the feed."""
        await self._feed.run(self._hub.over(engine))


class TappedHistory(Tapped):
    """The same of a feed that knows what traded before."""

    def __init__(self, feed: Feed, hub: Hub, *, first: bool) -> None:
        super().__init__(feed, hub, first=first)
        assert isinstance(feed, History)
        self._history: History = feed

    async def history(self, instrument: Instrument, step: int, count: int) -> Bars:
        """As the feed; of a composite nobody has kept bars."""
        if instrument.venue == VENUE:
            raise HistoryError("nobody keeps bars of a composite")
        return await self._history.history(instrument, step, count)


def tap(feeds: Sequence[Feed], composites: Sequence[Composite]) -> list[Feed]:
    """The feeds, with the composites of their markets."""
    if not composites:
        return list(feeds)
    hub = Hub(composites)
    return [
        (TappedHistory if isinstance(feed, History) else Tapped)(feed, hub, first=i == 0)
        for i, feed in enumerate(feeds)
    ]
