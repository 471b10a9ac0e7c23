"""Captures of Binance's combined streams: one line is `RECEIVE_TIME {frame}`.

The receive time is in ns (older recorders: µs). The frame is what the socket gave; the REST depth
snapshot stands in line as a bare object. Spot, USDⓈ-M and COIN-M futures.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.archives.capture_fold import CaptureFold
from connectors.archives.digits import STRAY, TextDigits
from connectors.archives.faults import Faults, excerpt
from connectors.archives.identity import Identity, binance_kind, from_native
from connectors.archives.opening import Notify, blocks_of_lines
from connectors.archives.rows import CHUNK_ROWS
from connectors.binance.messages import (
    AggTrade,
    BookTicker,
    Depth,
    MarketType,
    Snapshot,
    Trade,
    decode,
)
from connectors.live.wire import FrameError
from engine.instrument import Instrument
from engine.tape import Rows

#: Called with (receive time in ns, message) for every bookTicker; for checks of the book against it.
TickerHook = Callable[[int, BookTicker], None]

_LINE = re.compile(rb"\d{10,19} \{")
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"@]{1,60})@')
_SYMBOL = re.compile(rb'"s"\s*:\s*"([^"]{1,60})"')
_PREFIX = b'{"stream":"'
_FRAME_ENDS = (b"}}", b"}}\r")

_MARKET_TYPES = {"spot": MarketType.SPOT, "linear": MarketType.USDM, "inverse": MarketType.COINM}


def looks_like_capture(head: bytes) -> bool:
    """Whether lines of the start of a file are those of a capture, whatever the venue."""
    return any(_LINE.match(line) for line in head.split(b"\n", 20)[:20])


def identities(head: bytes) -> list[Identity]:
    """The markets named in the start of a capture (none: no capture of Binance)."""
    counts = Counter(name.decode("utf-8", "replace").upper() for name in _STREAM.findall(head) or _SYMBOL.findall(head))
    names = {name: n for name, n in counts.items() if re.fullmatch(r"\w{1,40}", name)}
    most = max(names.values(), default=0)
    found = []
    # A name seen once or twice beside many of another is a damaged frame, not a market.
    for native in sorted(name for name, n in names.items() if n >= 3 or 2 * n >= most):
        # Only frames of futures say which update they follow, and how a trade came about.
        mine = b"".join(
            line for line in head.split(b"\n") if native.lower().encode() in line[:120] or native.encode() in line[:200]
        )
        futures = b'"pu":' in mine or b'"X":' in mine or (b'"bookTicker"' in mine and b'"T":' in mine)
        found.append(from_native("binance", native, binance_kind(native, futures)))
    return found


@dataclass
class Survey:
    """What a first look over all files of a market found."""

    price: TextDigits = field(default_factory=lambda: TextDigits((rb'\["', rb'"p":"'), STRAY))
    size: TextDigits = field(default_factory=lambda: TextDigits((rb'\d","', rb'"q":"')))
    snapshots: int = 0
    trades: bool = False  # has single trades; else aggregated ones are used


@dataclass
class _Batch:
    """Decoded messages of one market, in order, not yet rows."""

    messages: list[tuple[int, int, Depth | Snapshot | Trade | AggTrade]] = field(
        default_factory=list
    )  # recv, line, message
    rows: int = 0


class CaptureReader:
    """The files of one market as rows, in the order given."""

    def __init__(
        self,
        paths: Sequence[Path],
        identity: Identity,
        others: Iterable[str] = (),
        ticker_hook: TickerHook | None = None,
    ) -> None:
        """`others`: native names of other markets in the same files, which are passed over."""
        self.identity = identity
        self.paths = tuple(paths)
        self._others = frozenset(name.lower().encode() for name in others)
        self._hook = ticker_hook
        self._survey: Survey | None = None

    def survey(self) -> Survey:
        """One cheap scan over everything: digits, snapshots, kinds of trades. Done once."""
        if self._survey is None:
            survey = Survey()
            for path in self.paths:
                for _, block in blocks_of_lines(path, _quiet):
                    values = block.count(b'["') + block.count(b'"p":"')
                    survey.price.scan(block, values)
                    survey.size.scan(block, values)
                    survey.snapshots += block.count(b' {"lastUpdateId"')
                    survey.trades = survey.trades or b'"trade"' in block
            self._survey = survey
        return self._survey

    @property
    def price_decimals(self) -> tuple[int, int]:
        """Decimals of the prices, and how many prices have more."""
        price = self.survey().price
        return price.decimals, price.strays

    @property
    def size_decimals(self) -> tuple[int, int]:
        """Decimals of the sizes, and how many sizes have more."""
        size = self.survey().size
        return size.decimals, size.strays

    def rows(self, instrument: Instrument, notice: Notify) -> Iterator[Rows]:
        """Pieces of about CHUNK_ROWS rows, cut at message boundaries."""
        survey = self.survey()
        fold = CaptureFold(instrument, _MARKET_TYPES[self.identity.kind], survey.snapshots > 0, notice)
        last_recv = 0
        for path in self.paths:
            if not survey.snapshots and path is self.paths[0]:
                notice(
                    path.name,
                    f"{path}: no book snapshot in this source, so there is no order book; trades are shown. "
                    "Give the file that the recording began with before this one.",
                )
            fold.faults = Faults(path, notice)
            first = True
            for batch in self._batches(path, fold.faults, survey.trades):
                if first and batch.messages[0][0] < last_recv:
                    notice(path.name, f"{path}: begins before the end of the file before; give captures in time order")
                first, last_recv = False, max(last_recv, batch.messages[-1][0])
                rows = fold.fold(batch.messages)
                if len(rows):
                    yield rows
            fold.faults.close()
        fold.end()

    def _batches(self, path: Path, faults: Faults, single_trades: bool) -> Iterator[_Batch]:
        """Decode the lines of this market; what cannot be read is counted and skipped."""
        native = self.identity.native
        prefix = _PREFIX + native.lower().encode() + b"@"
        skip = len(prefix)
        hook = self._hook
        batch = _Batch()
        for first_line, block in blocks_of_lines(path, faults.notice):
            lines = block.split(b"\n")
            for number, line in enumerate(lines, first_line):
                space = line.find(b" ", 10, 24)
                start = space + 1
                if line.startswith(prefix, start):
                    if hook is None and line.startswith(b"bookTicker", start + skip) and line.endswith(_FRAME_ENDS):
                        continue
                elif line.startswith(_PREFIX, start):
                    name = line[start + len(_PREFIX) : start + len(_PREFIX) + 60].partition(b"@")[0]
                    if name in self._others:
                        continue
                elif not line.strip():
                    continue
                stamp = line[:space]
                if space < 0 or not stamp.isdigit():
                    faults.add(number, f"expected a receive time and a frame, found {excerpt(line)}")
                    continue
                try:
                    message = decode(line[start:])
                except FrameError as error:
                    faults.add(number, str(error))
                    continue
                recv = epoch(int(stamp))
                if recv is None:
                    faults.add(number, f"receive time {stamp.decode()} is no time in ns or µs")
                    continue
                if isinstance(message, Depth):
                    size = len(message.bids) + len(message.asks)
                elif isinstance(message, Trade):
                    size = 1
                elif isinstance(message, Snapshot):
                    size = 1 + len(message.bids) + len(message.asks)
                elif isinstance(message, AggTrade):
                    if single_trades:
                        continue
                    size = 1
                else:
                    if hook is not None and isinstance(message, BookTicker):
                        hook(recv, message)
                    continue
                if message.symbol != native:
                    if message.symbol or not isinstance(message, Snapshot):
                        faults.add(number, f"a message of {message.symbol[:40]!r}, not of {native}")
                        continue
                    if self._others:
                        faults.add(number, "a book snapshot without a market's name, in a file of several markets")
                        continue
                if batch.rows + size > CHUNK_ROWS and batch.messages:
                    yield batch
                    batch = _Batch()
                batch.messages.append((recv, number, message))
                batch.rows += size
        if batch.messages:
            yield batch


def epoch(value: int) -> int | None:
    """A receive time in ns, whatever unit it was written in; None when it is none of ns, µs, ms, s."""
    for unit in (1, 1_000, 1_000_000, 1_000_000_000):
        if 600_000_000_000_000_000 <= value * unit < 9_000_000_000_000_000_000:  # 1989 to 2255
            return value * unit
    return None


def _quiet(_source: str, _text: str) -> None:
    """The survey reads what the reader reads again: its troubles are told once, by the reader."""
