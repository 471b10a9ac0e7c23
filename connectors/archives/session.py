"""Recorded sessions of exchanges as sources: every market in them, each proven by its venue's own rules.

A first reading finds out which markets there are and on which grid: by the venue's listing where the recording holds
it, else by the digits of prices and sizes. A second one gives the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from connectors.archives.digits import MAX_DIGITS, STRAY, Digits, step
from connectors.archives.identity import Identity, of_instrument
from connectors.archives.opening import Notify
from connectors.archives.recorded import AggregatedTrades, RecordedVenue, recorded_venues
from connectors.archives.rows import BAD, CHUNK_ROWS, PriceTicks, SizeLots
from connectors.archives.session_fold import SessionFold
from connectors.archives.session_lines import SessionLines
from connectors.archives.session_routes import Key, Receiver, Routes, Where
from connectors.live.wire import BookMessage, BookRule, Dialect, Liquidation, TradeMessage, Update
from engine.codes import Channel, Reason
from engine.feed import SourceError
from engine.instrument import Instrument
from engine.tape import Rows

#: Lines after which the rows that wait are counted.
_LOOK_EVERY = 64
#: For rules that ask for an instrument before there is one.
_PROVISIONAL = Decimal(1).scaleb(-8)


#: Prices off the listed tick in so many updates, or in one snapshot, are orders of an older tick, not damage.
_OFF_TICK = 3


@dataclass
class SessionMarket:
    """A market of a session; `listed` is what the venue's own listing says of it, if the recording holds it."""

    key: Key
    identity: Identity
    listed: Instrument | None = None
    messages: int = 0
    carries: set[Channel] = field(default_factory=set)
    single_trades: bool = False
    prices: Digits = field(default_factory=lambda: Digits(STRAY))
    sizes: Digits = field(default_factory=Digits)
    deepest: int = 0  # levels of a side that a snapshot had at most
    off_tick: int = 0  # how much speaks for a finer tick than the listed one
    finest: list[int] = field(default_factory=lambda: [0, 0])  # decimals of off-grid prices and sizes

    def grid(self, listed: Instrument) -> tuple[Decimal, Decimal]:
        """Tick and lot as listed, or finer where the recording needs it: books hold orders from before a change of
        the tick, and a venue's lot is not always that of its fills."""
        tick, lot = listed.tick, listed.lot
        if self.off_tick >= _OFF_TICK:
            tick = min(tick, step(max(self.finest[0], -int(tick.normalize().as_tuple().exponent), 0)))
        if self.finest[1]:
            lot = min(lot, step(max(self.finest[1], -int(lot.normalize().as_tuple().exponent), 0)))
        return tick, lot

    @property
    def price_decimals(self) -> tuple[int, int]:
        """Decimals of the prices, and how many prices have more."""
        return self.prices.decimals, self.prices.finer(self.prices.decimals)

    @property
    def size_decimals(self) -> tuple[int, int]:
        """Decimals of the sizes, and how many sizes have more."""
        return self.sizes.decimals, self.sizes.finer(self.sizes.decimals)


class SessionReader:
    """The sessions of some files, as one."""

    def __init__(self, paths: Sequence[Path], captures: Sequence[bool]) -> None:
        """`captures`: which of the files are lines of `RECEIVE_TIME {frame}`. SourceError when no market of a
        venue that is read is in them."""
        self.paths = tuple(paths)
        self._lines = SessionLines(paths, captures)
        self._venues = recorded_venues()
        self.markets = tuple(self._survey())

    def parts(
        self, wanted: Mapping[Key, tuple[int, Instrument]], notice: Notify, span_ns: int
    ) -> Iterator[list[tuple[int, Rows]]]:
        """Rows stretch by stretch, in the order of receive times: lists of (number of the market, its rows). A stretch
        ends after `span_ns`, or with about CHUNK_ROWS rows. `wanted`: number and instrument of the markets to read."""
        markets = {market.key: market for market in self.markets}
        folds: dict[int, SessionFold] = {}

        def open_market(key: Key, dialect: Dialect) -> Receiver | None:
            if key not in wanted:
                return None
            i, instrument = wanted[key]
            venue = next(v for v in self._venues if v.name == key.venue)
            folds[i] = SessionFold(
                instrument,
                venue.traits(key.section),
                dialect.rule(instrument),
                carries=markets[key].carries,
                single_trades=markets[key].single_trades,
                fault=lambda where, why: routes.fault(where, why),
                place=lambda where: routes.place(where),
                notice=notice,
            )
            return folds[i]

        routes = Routes(self._lines, self._venues, open_market, notice)
        begun = lines = 0
        for recv in routes.run():
            begun, lines = begun or recv, lines + 1
            full = lines % _LOOK_EVERY == 0 and sum(map(len, folds.values())) >= CHUNK_ROWS
            if full or recv - begun >= span_ns:
                if found := _taken(folds):
                    yield found
                begun = recv
        for fold in folds.values():
            fold.end()
        if found := _taken(folds):
            yield found
        for name in dict.fromkeys(routes.foreign):
            notice(
                self.paths[0].name, f"the connection {name[:80]!r} is of no venue that is read; its lines are skipped"
            )

    def _survey(self) -> list[SessionMarket]:
        markets: dict[Key, SessionMarket] = {}
        listed: dict[Key, Instrument] = {}
        by_name = {venue.name: venue for venue in self._venues}

        def listing(venue: RecordedVenue, section: str, body: bytes) -> None:
            for instrument in venue.listing(section, body):
                listed[Key(venue.name, section, instrument.native)] = instrument

        def open_market(key: Key, dialect: Dialect) -> Receiver | None:
            market = markets[key] = SessionMarket(key, by_name[key.venue].identity(key.section, key.native))
            provisional = market.identity.instrument(_PROVISIONAL, _PROVISIONAL, True)
            return _Surveyor(market, listed, dialect.rule(provisional))

        routes = Routes(self._lines, self._venues, open_market, _quiet, listing)
        for _ in routes.run():
            continue
        most = max((market.messages for market in markets.values()), default=0)
        found = []
        for key, market in markets.items():
            market.listed = listed.get(key)
            # A name that comes once or twice beside many of another, and in no listing, is a damaged frame.
            if market.messages and (market.listed is not None or market.messages >= 3 or 2 * market.messages >= most):
                if market.listed is not None:
                    market.identity = of_instrument(market.listed)
                if market.identity.book_depth and market.deepest:
                    # A recording may be of a stream of fewer levels than the one that is asked for live.
                    depth = min(market.identity.book_depth, market.deepest)
                    market.identity = replace(market.identity, book_depth=depth)
                found.append(market)
        if not found:
            names = ", ".join(venue.name for venue in self._venues)
            foreign = ", ".join(repr(name[:80]) for name in dict.fromkeys(routes.foreign))
            met = f"its connections are {foreign}" if foreign else "it holds no trades and no book updates"
            raise SourceError(
                f"{self.paths[0]}: a recorded session, but of no venue and protocol that is read ({names}): {met}"
            )
        return found


def _taken(folds: Mapping[int, SessionFold]) -> list[tuple[int, Rows]]:
    return [(i, fold.take()) for i, fold in folds.items() if len(fold)]


class _Surveyor:
    """Counts a market's messages, and the digits of its prices and sizes: all of them where no listing has told of
    it, else those that the listed grid cannot hold."""

    def __init__(self, market: SessionMarket, listed: Mapping[Key, Instrument], rule: BookRule) -> None:
        self._market, self._listings, self._rule = market, listed, rule
        self._listed: Instrument | None = None
        self._ticks: PriceTicks | None = None
        self._lots: SizeLots | None = None

    def connected(self, recv: int, connection: int) -> None:
        """The next snapshot begins anew."""
        self._rule.reset()

    def lost(self, recv: int, where: Where, connection: int | None, reason: Reason) -> None:
        """Without meaning for digits."""

    def book(self, recv: int, where: Where, connection: int, message: BookMessage) -> None:
        """Levels as the rule lets them through."""
        self._market.messages += 1
        self._market.carries.add(Channel.BOOK)
        verdict = self._rule.take(message.body)
        if isinstance(verdict, Sequence):
            for update in verdict:
                self._levels(update)

    def snapshot(self, recv: int, where: Where, update: Update) -> None:
        """Levels of REST."""
        self._levels(update)
        join = getattr(self._rule, "join", None)
        for later in (join(update) or ()) if join is not None else ():
            self._levels(later)

    def liquidation(self, recv: int, where: Where, message: Liquidation) -> None:
        """Their prices need not be on the grid."""

    def trades(self, recv: int, where: Where, connection: int, message: TradeMessage) -> None:
        """Digits of trades count for the grid as well."""
        market = self._market
        market.messages += 1
        market.carries.add(Channel.TRADES)
        market.single_trades = market.single_trades or not isinstance(message, AggregatedTrades)
        self._scan([fill.price for fill in message.fills], [fill.size for fill in message.fills], 1)

    def _levels(self, update: Update) -> None:
        levels = (*update.bids, *update.asks)
        weight = _OFF_TICK if update.snapshot else 1
        if update.snapshot:
            self._market.deepest = max(self._market.deepest, len(update.bids), len(update.asks))
        self._scan([price for price, _ in levels], [size for _, size in levels], weight)

    def _scan(self, prices: Sequence[str], sizes: Sequence[str] | Sequence[float], weight: int) -> None:
        if self._listed is None and (listed := self._listings.get(self._market.key)) is not None:
            self._listed, self._ticks, self._lots = listed, PriceTicks(listed), SizeLots(listed)
        ticks, lots, market = self._ticks, self._lots, self._market
        if lots is None or ticks is None:
            _count(market.prices, prices)
            _count(market.sizes, [_written(size) for size in sizes])
            return
        strange = [price for price in prices if ticks[price] == BAD]
        if strange and (finest := max(map(_decimals, strange))):
            market.off_tick += weight
            market.finest[0] = max(market.finest[0], finest)
        counts = lots.of([_number(size) for size in sizes])
        if len(counts) and counts.min() < 0:
            finest = max(_decimals(_written(sizes[i])) for i in np.flatnonzero(counts == BAD).tolist())
            market.finest[1] = max(market.finest[1], finest)


def _number(size: str | float) -> float:
    try:
        return float(size)
    except ValueError:
        return 0.0


def _written(size: str | float) -> str:
    return size if isinstance(size, str) else f"{size:.{MAX_DIGITS}f}"


def _decimals(text: str) -> int:
    """Decimals of a number as written; 0 for what is none, or finer than any venue quotes."""
    decimals = text.partition(".")[2].rstrip("0")
    return len(decimals) if decimals.isascii() and decimals.isdecimal() and len(decimals) <= MAX_DIGITS else 0


def _count(digits: Digits, texts: Sequence[str]) -> None:
    needing, width = [], 1
    for text in texts:
        whole, _, decimals = text.partition(".")
        width = max(width, len(whole))
        if decimals := decimals.rstrip("0"):
            needing.append(len(decimals))
    digits.add(len(texts), needing, width)


def _quiet(_source: str, _text: str) -> None:
    """The first reading finds what the second finds again: it is told once."""
