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
from connectors.archives.merge import interleaved, stretches
from connectors.archives.opening import EXPECTED, Notify, head
from connectors.archives.tardis_book import BookReader
from connectors.archives.times import epoch_of
from connectors.archives.trade_csv import TradeReader
from connectors.archives.trade_layout import Layout, layout_of
from engine.feed import Chunk, SourceError
from engine.instrument import Instrument
from engine.tape import Rows

#: How much of a file is looked at to recognise it.
_HEAD = 1 << 20
#: Stretch of time after which markets take turns: what a paced replay shows of several is at most so far apart.
TURN_NS = 250_000_000

_NAME = re.compile(r"([A-Z0-9]{4,20}(?:_PERP|_\d{6})?)(?=[-_. ])")


class _Reader(Protocol):
    """One kind of files of one market."""

    @property
    def price_decimals(self) -> tuple[int, int]: ...

    @property
    def size_decimals(self) -> tuple[int, int]: ...

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
    instrument: Instrument | None = None


class FileArchive:
    """Recorded files as `engine.feed.Archive`. Made by `open_archive`."""

    #: See TURN_NS; larger is faster where only the end matters.
    turn_ns: int = TURN_NS

    def __init__(
        self, paths: Sequence[Path], markets: Sequence[_Market], tick: Decimal | None, lot: Decimal | None
    ) -> None:
        self._paths = tuple(paths)
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
        sources = [
            _rows_of(market.readers, instrument, once)
            for market, instrument in zip(self._markets, instruments, strict=True)
        ]
        empty = True
        if len(sources) == 1:
            for rows in sources[0]:
                empty = False
                yield Chunk(instruments[0], rows)
        else:
            for parts in stretches(sources, self.turn_ns):
                for i, rows in parts:
                    empty = False
                    yield Chunk(instruments[i], rows)
        if empty:
            raise SourceError(f"{self.name}: not one line in it could be used; expected {EXPECTED}")

    def _instrument(self, market: _Market, notice: Notify) -> Instrument:
        """The grid: as the user gave it, else from the digits in the files."""
        if market.instrument is not None:
            return market.instrument
        name, tick, lot = market.identity.market, self._tick, self._lot
        prices = [reader.price_decimals for reader in market.readers]
        sizes = max(reader.size_decimals[0] for reader in market.readers)
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
    for path in files:
        found += _recognise(path)
        if (real := path.resolve()) in seen:
            raise SourceError(f"{path}: given twice; name each file once")
        seen.add(real)
    if market is not None:
        groups = [_named(market, contract, found)]
    else:
        by_market: dict[str, _Market] = {}
        for file in found:
            identity = with_contract(file.identity, contract)
            by_market.setdefault(identity.market, _Market(identity)).files.append(file)
        groups = list(by_market.values())
    for group in groups:
        group.readers = _readers(group, on_ticker)
    return FileArchive(files, groups, tick, lot)


def _recognise(path: Path) -> list[_File]:
    """What a file is, and of which market; a capture may hold several."""
    start = head(path, _HEAD)
    if binance_capture.looks_like_capture(start):
        found = binance_capture.identities(start)
        if not found:
            raise SourceError(f"{path}: a capture, but not of Binance's combined streams, which is what is read")
        natives = [identity.native for identity in found]
        return [_File(path, i, True, others=tuple(n for n in natives if n != i.native)) for i in found]
    lines = [line for line in start.removeprefix(b"\xef\xbb\xbf").splitlines()[:2_000] if line.strip()]
    if tardis_book.is_book(start):
        identity, first = _tardis_book(path, lines)
        return [_File(path, identity, True, start=first)]
    layout = layout_of(start)
    if layout is None and b"\0" in start:
        raise SourceError(f"{path}: is not text; expected {EXPECTED}")
    if layout is None:
        begins = excerpt(lines[0] if lines else b"")
        raise SourceError(f"{path}: the format is not known (it begins {begins}); expected {EXPECTED}")
    return [_trade_file(path, layout, lines)]


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


def _named(market: str, contract: Decimal | None, files: Sequence[_File]) -> _Market:
    """All files as the one market that the user names."""
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
