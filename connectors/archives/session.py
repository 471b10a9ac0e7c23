"""Recorded sessions of exchanges as sources: every market in them, each proven by its venue's own rules.

A first reading finds out which markets there are and on which grid: by the venue's listing where the recording holds
it, else by the digits of prices and sizes. A second one gives the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from connectors.archives.digits import STRAY, Digits
from connectors.archives.identity import Identity, of_instrument
from connectors.archives.opening import Notify
from connectors.archives.recorded import AggregatedTrades, RecordedVenue, recorded_venues
from connectors.archives.rows import CHUNK_ROWS
from connectors.archives.session_fold import SessionFold
from connectors.archives.session_lines import SessionLines
from connectors.archives.session_routes import Key, Receiver, Routes, Where
from connectors.live.wire import BookMessage, BookRule, Dialect, TradeMessage, Update
from engine.codes import Reason
from engine.feed import SourceError
from engine.instrument import Instrument
from engine.tape import Rows

#: For rules that ask for an instrument before there is one.
_PROVISIONAL = Decimal(1).scaleb(-8)


@dataclass
class SessionMarket:
    """A market of a session; `listed` is what the venue's own listing says of it, if the recording holds it."""

    key: Key
    identity: Identity
    listed: Instrument | None = None
    messages: int = 0
    single_trades: bool = False
    prices: Digits = field(default_factory=lambda: Digits(STRAY))
    sizes: Digits = field(default_factory=Digits)

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
        self, instruments: Sequence[Instrument], notice: Notify, span_ns: int
    ) -> Iterator[list[tuple[int, Rows]]]:
        """Rows stretch by stretch, in the order of receive times: lists of (number of the market, its rows). A stretch
        ends after `span_ns`, or with about CHUNK_ROWS rows. `instruments` go with `markets`."""
        numbers = {market.key: i for i, market in enumerate(self.markets)}
        folds: dict[int, SessionFold] = {}

        def open_market(key: Key, dialect: Dialect) -> Receiver | None:
            i = numbers.get(key)
            if i is None:
                return None
            venue = next(v for v in self._venues if v.name == key.venue)
            folds[i] = SessionFold(
                instruments[i],
                venue.traits(key.section),
                dialect.rule(instruments[i]),
                single_trades=self.markets[i].single_trades,
                fault=lambda where, why: routes.fault(where, why),
                place=lambda where: routes.place(where),
                notice=notice,
            )
            return folds[i]

        routes = Routes(self._lines, self._venues, open_market, notice)
        begun = 0
        for recv in routes.run():
            begun = begun or recv
            if recv - begun >= span_ns or sum(map(len, folds.values())) >= CHUNK_ROWS:
                if found := _taken(folds):
                    yield found
                begun = recv
        for fold in folds.values():
            fold.end()
        if found := _taken(folds):
            yield found
        for name in dict.fromkeys(routes.foreign):
            notice(self.paths[0].name, f"the connection {name[:80]!r} is of no venue that is read; its lines are skipped")

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
    """Counts a market's messages, and the digits of one that no listing has told of."""

    def __init__(self, market: SessionMarket, listed: Mapping[Key, Instrument], rule: BookRule) -> None:
        self._market, self._listed, self._rule = market, listed, rule

    def connected(self, recv: int, connection: int) -> None:
        """The next snapshot begins anew."""
        self._rule.reset()

    def lost(self, recv: int, where: Where, connection: int | None, reason: Reason) -> None:
        """Without meaning for digits."""

    def book(self, recv: int, where: Where, connection: int, message: BookMessage) -> None:
        """Levels as the rule lets them through."""
        self._market.messages += 1
        if self._market.key in self._listed:
            return
        verdict = self._rule.take(message.body)
        if isinstance(verdict, Sequence):
            for update in verdict:
                self._add(update)

    def snapshot(self, recv: int, where: Where, update: Update) -> None:
        """Levels of REST."""
        if self._market.key in self._listed:
            return
        self._add(update)
        join = getattr(self._rule, "join", None)
        for later in (join(update) or ()) if join is not None else ():
            self._add(later)

    def trades(self, recv: int, where: Where, connection: int, message: TradeMessage) -> None:
        """Digits of trades count for the grid as well."""
        market = self._market
        market.messages += 1
        market.single_trades = market.single_trades or not isinstance(message, AggregatedTrades)
        if market.key not in self._listed:
            _scan(market.prices, [fill.price for fill in message.fills])
            _scan(market.sizes, [fill.size for fill in message.fills])

    def _add(self, update: Update) -> None:
        levels = (*update.bids, *update.asks)
        _scan(self._market.prices, [price for price, _ in levels])
        _scan(self._market.sizes, [f"{size:.12f}" for _, size in levels])


def _scan(digits: Digits, texts: Sequence[str]) -> None:
    needing, width = [], 1
    for text in texts:
        whole, _, decimals = text.partition(".")
        width = max(width, len(whole))
        if decimals := decimals.rstrip("0"):
            needing.append(len(decimals))
    digits.add(len(texts), needing, width)


def _quiet(_source: str, _text: str) -> None:
    """The first reading finds what the second finds again: it is told once."""
