"""Files given together as one archive: recognised by content, grouped by market, put in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from connectors.archives import binance_capture, columns, tardis_book
from connectors.archives.binance_capture import CaptureReader, TickerHook
from connectors.archives.digits import step
from connectors.archives.faults import excerpt
from connectors.archives.identity import Identity, binance_kind, from_native, from_tardis, from_user, with_contract
from connectors.archives.merge import in_turn, interleaved, stretches
from connectors.archives.opening import EXPECTED, Notify, head
from connectors.archives.recorded import recorded_venues
from connectors.archives.session import SessionMarket, SessionReader
from connectors.archives.session_lines import looks_like_session
from connectors.archives.tardis_book import BookReader
from connectors.archives.times import epoch_of
from connectors.archives.trade_csv import TradeReader
from connectors.archives.trade_layout import Layout, layout_of
from engine.feed import Chunk, SourceError
from engine.instrument import Instrument
from engine.tape import Rows

#: How much of a file is looked at to recognise it.
_HEAD = 1 << 20
#: Lines of a capture that are looked at to find out whose it is.
_LINES_SNIFFED = 200
#: Stretch of time after which markets take turns: what a paced replay shows of several is at most so far apart.
TURN_NS = 250_000_000

_NAME = re.compile(r"([A-Z0-9]{4,20}(?:_PERP|_\d{6})?)(?=[-_. ])")


class _Digits(Protocol):
    """Something whose prices and sizes show a grid."""

    @property
    def price_decimals(self) -> tuple[int, int]: ...

    @property
    def size_decimals(self) -> tuple[int, int]: ...


class _Reader(_Digits, Protocol):
    """One kind of files of one market."""

    def rows(self, instrument: Instrument, notice: Notify) -> Iterator[Rows]: ...


@dataclass(frozen=True)
class _File:
    """A recognised file. `content`: the market is told by the content, not by the file's name."""

    path: Path
    identity: Identity
    content: bool
    layout: Layout | None = None  # of a trade file
    counted: bool = True  # ids of trades are consecutive
    start: int | None = None  # first receive time, of a book file
    others: tuple[str, ...] = ()  # other markets in the same capture


@dataclass
class _Market:
    """All files of one market."""

    identity: Identity
    files: list[_File] = field(default_factory=list)
    readers: list[_Reader] = field(default_factory=list)
    session: SessionMarket | None = None  # instead of files and readers
    instrument: Instrument | None = None

    @property
    def digits(self) -> Sequence[_Digits]:
        """What its grid can be told by."""
        return self.readers if self.session is None else (self.session,)


class FileArchive:
    """Recorded files as `engine.feed.Archive`. Made by `open_archive`."""

    #: See TURN_NS; larger is faster where only the end matters.
    turn_ns: int = TURN_NS

    def __init__(
        self,
        paths: Sequence[Path],
        markets: Sequence[_Market],
        session: SessionReader | None,
        tick: Decimal | None,
        lot: Decimal | None,
    ) -> None:
        """`session`: the reader of those of the markets that have a `session`."""
        self._paths = tuple(paths)
        self._session = session
        self._markets = tuple(markets)
        self._tick, self._lot = tick, lot
        self._told: set[tuple[str, str]] = set()

    @property
    def name(self) -> str:
        """File name or names, for messages."""
        first = self._paths[0].name
        return first if len(self._paths) == 1 else f"{first} and {len(self._paths) - 1} more"

    @property
    def markets(self) -> tuple[str, ...]:
        """The markets in it, as `venue:SYMBOL`."""
        return tuple(market.identity.market for market in self._markets)

    def chunks(self, notice: Callable[[str, str], None]) -> Iterator[Chunk]:
        """The whole tape in order; several markets take turns. The same notice is given only once.

        Raises SourceError when nothing in the files can be read.
        """

        def once(source: str, text: str) -> None:
            if (source, text) not in self._told:
                self._told.add((source, text))
                notice(source, text)

        instruments = [self._instrument(market, once) for market in self._markets]
        empty = True
        for parts in self._parts(instruments, once):
            for i, rows in parts:
                empty = False
                yield Chunk(instruments[i], rows)
        if empty:
            raise SourceError(f"{self.name}: not one line in it could be used; expected {EXPECTED}")

    def _parts(self, instruments: Sequence[Instrument], notice: Notify) -> Iterator[list[tuple[int, Rows]]]:
        """Stretches of the tapes of all markets, with the number of the market."""
        plain = [i for i, market in enumerate(self._markets) if market.session is None]
        sources = [_rows_of(self._markets[i].readers, instruments[i], notice) for i in plain]
        if len(sources) == 1:
            files: Iterator[list[tuple[int, Rows]]] = ([(0, rows)] for rows in sources[0])
        else:
            files = stretches(sources, self.turn_ns)
        numbered = ([(plain[i], rows) for i, rows in parts] for parts in files)
        if self._session is None:
            return numbered
        wanted = {
            market.session.key: (i, instruments[i])
            for i, market in enumerate(self._markets)
            if market.session is not None
        }
        session = self._session.parts(wanted, notice, self.turn_ns)
        return in_turn(numbered, session) if plain else session

    def _instrument(self, market: _Market, notice: Notify) -> Instrument:
        """The grid: as the user gave it, else from the venue's listing in the files, else from their digits."""
        if market.instrument is not None:
            return market.instrument
        name, tick, lot = market.identity.market, self._tick, self._lot
        listed = market.session.listed if market.session is not None else None
        if market.session is not None and listed is not None:
            right = market.session.grid(listed)
            if tick is None and right[0] != listed.tick:
                notice(name, f"some prices are finer than the listed tick of {listed.tick:f}; counted in {right[0]:f}")
            if lot is None and right[1] != listed.lot:
                notice(name, f"some sizes are finer than the listed lot of {listed.lot:f}; counted in {right[1]:f}")
            market.instrument = market.identity.instrument(tick or right[0], lot or right[1], False)
            return market.instrument
        prices = [digits.price_decimals for digits in market.digits]
        sizes = max(digits.size_decimals[0] for digits in market.digits)
        if tick is None:
            tick = step(max(decimals for decimals, _ in prices))
            strays = sum(n for _, n in prices)
            if strays:
                notice(
                    name,
                    f"{strays:,} prices have more decimals than the tick of {tick:f} that the rest shows, "
                    "and are refused; if they are right, set the tick with --tick",
                )
        if lot is None:
            lot = step(sizes)
        elif sizes > max(0, -int(lot.normalize().as_tuple().exponent)):
            # A finer lot changes no amount; a refused size would cost the book.
            notice(name, f"some sizes are finer than the lot of {lot:f}; counted in {step(sizes):f} to keep them exact")
            lot = step(sizes)
        inferred = self._tick is None or self._lot is None
        if inferred:
            notice(name, f"tick {tick:f} and lot {lot:f} come from the digits in the file; --tick and --lot set them")
        if market.identity.doubt:
            notice(name, f"{market.identity.doubt}; --as names the market")
        market.instrument = market.identity.instrument(tick, lot, inferred)
        return market.instrument


def open_archive(
    paths: Sequence[str | Path],
    *,
    market: str | None = None,
    tick: Decimal | None = None,
    lot: Decimal | None = None,
    contract: Decimal | None = None,
    on_ticker: TickerHook | None = None,
) -> FileArchive:
    """Recognise files by content and make one archive of them.

    Captures keep the order given (a pair over midnight); trade files are ordered by trade id, book
    files by time. `market` names the instrument (`venue:SYMBOL`), `tick`, `lot` and `contract` set
    its grid (in the units of the venue: coins, or contracts). `on_ticker` gets the bookTicker
    messages of captures, which are not part of the tape. Raises SourceError naming the file.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise SourceError(f"no file given; expected {EXPECTED}")
    for name, value in (("tick", tick), ("lot", lot), ("contract", contract)):
        if value is not None and not (value.is_finite() and value > 0):
            raise SourceError(f"{name} must be a positive number, not {value}")
    seen: set[Path] = set()
    found: list[_File] = []
    sessions: list[tuple[Path, bool]] = []
    for path in files:
        start = head(path, _HEAD)
        kind = _session_kind(start)
        if kind is not None:
            sessions.append((path, kind))
        else:
            found += _recognise(path, start)
        if (real := path.resolve()) in seen:
            raise SourceError(f"{path}: given twice; name each file once")
        seen.add(real)
    session = SessionReader([path for path, _ in sessions], [kind for _, kind in sessions]) if sessions else None
    if market is not None:
        groups = [_named(market, contract, found, session)]
    else:
        by_market: dict[str, _Market] = {}
        for file in found:
            identity = with_contract(file.identity, contract)
            by_market.setdefault(identity.market, _Market(identity)).files.append(file)
        groups = list(by_market.values())
        for recorded in session.markets if session is not None else ():
            identity = with_contract(recorded.identity, contract)
            if identity.market in by_market:
                raise SourceError(
                    f"{sessions[0][0]} and {by_market[identity.market].files[0].path}: both hold {identity.market}; "
                    "give the session or the other files, not both"
                )
            groups.append(_Market(identity, session=recorded))
    for group in groups:
        group.readers = _readers(group, on_ticker) if group.session is None else []
    return FileArchive(files, groups, session, tick, lot)


def _session_kind(start: bytes) -> bool | None:
    """Whether a file is a recorded session: False in JSON lines, True as a capture, None it is none."""
    if looks_like_session(start):
        return False
    if not binance_capture.looks_like_capture(start):
        return None
    # Captures of Binance have a reader of their own.
    venues = [venue for venue in recorded_venues() if venue.name != "binance"]
    frames = [line.partition(b" ")[2] for line in start.split(b"\n", _LINES_SNIFFED)[:_LINES_SNIFFED]]
    return True if any(venue.sniff(frame) is not None for frame in frames for venue in venues) else None


def _recognise(path: Path, start: bytes) -> list[_File]:
    """What a file is, and of which market, by its start; a capture may hold several."""
    if binance_capture.looks_like_capture(start):
        found = binance_capture.identities(start)
        if not found:
            raise SourceError(
                f"{path}: a capture, but of no venue whose streams are read (Binance's combined streams and others)"
            )
        natives = [identity.native for identity in found]
        return [_File(path, i, True, others=tuple(n for n in natives if n != i.native)) for i in found]
    lines = [line for line in start.removeprefix(b"\xef\xbb\xbf").splitlines()[:2_000] if line.strip()]
    if tardis_book.is_book(start):
        identity, first = _tardis_book(path, lines)
        return [_File(path, identity, True, start=first)]
    layout = layout_of(start)
    if layout is None and b"\0" in start:
        raise SourceError(f"{path}: is not text; expected {EXPECTED}")
    if layout is None and _bars(path):
        raise SourceError(f"{path}: holds bars, not trades: `flowtape study` reads them")
    if layout is None:
        begins = excerpt(lines[0] if lines else b"")
        raise SourceError(f"{path}: the format is not known (it begins {begins}); expected {EXPECTED}")
    return [_trade_file(path, layout, lines)]


def _bars(path: Path) -> bool:
    from connectors.archives.bars import looks_like_bars  # what reads bars is only loaded to study them

    return looks_like_bars(path)


def _tardis_book(path: Path, lines: Sequence[bytes]) -> tuple[Identity, int]:
    for line in lines[1:]:
        try:
            row = columns.fields_of(line)
            return from_tardis(row[0], row[1]), epoch_of(row[3])
        except (ValueError, IndexError):
            continue
    raise SourceError(f"{path}: has the header of a Tardis book file and no readable row after it")


def _trade_file(path: Path, layout: Layout, lines: Sequence[bytes]) -> _File:
    if layout.exchange >= 0 and layout.symbol >= 0:
        for line in lines[1:]:
            try:
                row = columns.fields_of(line)
                identity = from_tardis(row[layout.exchange], row[layout.symbol])
            except (ValueError, IndexError):
                continue
            # Elsewhere ids are not consecutive, or are no numbers.
            return _File(path, identity, True, layout, counted=identity.venue == "binance")
        raise SourceError(f"{path}: has the header of a trade file and no readable row after it")
    named = _NAME.match(path.name.upper())
    if named is not None:
        native = named[1]
        futures = layout.futures
        kind = "inverse" if layout.base_volume else binance_kind(native, bool(futures))
        identity = from_native("binance", native, kind)
        if not identity.doubt:
            if futures is None:
                doubt = f"taken for {identity.market} by the name of the file"
                identity = replace(identity, doubt=doubt)
            return _File(path, identity, False, layout)
    label = re.sub(r"[^A-Za-z0-9]+", "_", path.name.split(".")[0]).strip("_").upper() or "TRADES"
    identity = Identity("file", label, native=label, doubt="the file does not say which market it is of")
    return _File(path, identity, False, layout)


def _picked(market: str, contract: Decimal | None, session: SessionReader) -> _Market:
    """The one market of a session that the user names; a session of one may be given another name."""
    told = [found.identity.market for found in session.markets]
    chosen = session.markets[told.index(market) if market in told else 0]
    if market in told:
        return _Market(with_contract(chosen.identity, contract), session=chosen)
    if len(told) > 1:
        raise SourceError(f"the session is of several markets; --as picks one of {', '.join(told)}")
    identity = from_user(market, contract, chosen.identity.native)
    if (chosen.identity.kind == "inverse") != (identity.kind == "inverse"):
        raise SourceError(f"the session is of {told[0]}, whose sizes count something else than those of {market}")
    of_file = chosen.identity
    return _Market(replace(identity, fixed_tick=of_file.fixed_tick, book_depth=of_file.book_depth), session=chosen)


def _named(market: str, contract: Decimal | None, files: Sequence[_File], session: SessionReader | None) -> _Market:
    """All files as the one market that the user names."""
    if session is not None:
        if files:
            raise SourceError("a recorded session and other files cannot be one market; give them without --as")
        return _picked(market, contract, session)
    told = sorted({file.identity.market for file in files if file.identity.venue != "file"})
    if len(told) > 1:
        raise SourceError(f"the files are of several markets ({', '.join(told)}); --as can name only one")
    identity = from_user(market, contract, files[0].identity.native)
    for file in files:
        if file.content and (file.identity.kind == "inverse") != (identity.kind == "inverse"):
            inverse = file.identity.kind == "inverse"
            right = "contracts worth a fixed amount of quote currency" if inverse else "amounts of base currency"
            raise SourceError(
                f"{file.path}: its sizes are {right}, which does not go with {market}; "
                f"a name of the same kind is {file.identity.market}"
            )
    return _Market(identity, list(files))


def _readers(market: _Market, on_ticker: TickerHook | None) -> list[_Reader]:
    captures = [f for f in market.files if f.layout is None and f.start is None]
    books = [f for f in market.files if f.start is not None]
    trades = [f for f in market.files if f.layout is not None]
    if captures and (books or trades):
        raise SourceError(
            f"{captures[0].path} and {(books + trades)[0].path}: both hold trades or book of {market.identity.market}; "
            "give the captures or the CSV files, not both"
        )
    readers: list[_Reader] = []
    if captures:
        others = {other for f in captures for other in f.others}
        readers.append(CaptureReader([f.path for f in captures], captures[0].identity, others, on_ticker))
    if books:
        readers.append(BookReader([f.path for f in books], [f.start or 0 for f in books]))
    if trades:
        layouts = [f.layout for f in trades if f.layout is not None]
        readers.append(TradeReader([f.path for f in trades], layouts, all(f.counted for f in trades)))
    return readers


def _rows_of(readers: Sequence[_Reader], instrument: Instrument, notice: Notify) -> Iterator[Rows]:
    sources = [reader.rows(instrument, notice) for reader in readers]
    return sources[0] if len(sources) == 1 else interleaved(sources)
