"""`flowtape study`: plain tables from recordings, each with a line of honest reading."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.feed import SourceError
from engine.instrument import OffGridError
from tui.commands.failure import Failure, UsageError
from tui.commands.sources import day_lots, open_archive_of, split_market
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.study.recording import RecordingStudy
    from engine.study.table import Cell, Table

_PROGRESS_S = 0.5
_WIDTH = 100
#: A turn of markets: only the end matters here.
_TURN_NS = 3_600_000_000_000


def add_parser(subparsers: Any) -> None:
    """`study` on the command line."""
    parser = subparsers.add_parser(
        "study",
        help="what a recording says, as tables",
        description="Prints tables of whole recordings: how well order flow explains the price, markouts, impact and "
        "size, volatility, value at risk against what followed, skill of forecasts, VPIN and its alerts. Bars without "
        "sides (JSON, times are ends of bars) give bulk VPIN. A line under each table says what it does not show.",
        epilog="flowtape study day1.gz day2.gz · flowtape study bars/*.json.gz --json",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings of markets, or files of OHLCV bars")
    parser.add_argument("--json", action="store_true", help="all tables as one JSON object")
    group = parser.add_argument_group("recordings")
    group.add_argument("--as", dest="market", metavar="MARKET", help="the recording is of this market (venue:SYMBOL)")
    group.add_argument("--tick", metavar="SIZE", help="price step, where the file can't tell")
    group.add_argument("--lot", metavar="SIZE", help="size step, where the file can't tell")
    group.add_argument("--contract", metavar="VALUE", help="value of one contract, where the file can't tell")
    group.add_argument("--adv", metavar="SIZE", help="average daily volume, for the buckets of VPIN")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read everything, then print everything."""
    files = [Path(text) for text in args.files]
    for text, path in zip(args.files, files, strict=True):
        if split_market(text) is not None and not path.exists():
            raise UsageError(f"{text[:80]!r} is a market; a study needs recordings: files")
    progress = _Progress()
    try:
        studies = _studies(args, files, progress)
    except SourceError as error:
        raise Failure(str(error)) from None
    except OffGridError as error:
        raise UsageError(str(error)) from None
    finally:
        progress.clear()
    if args.json:
        plain = [{"market": market, "tables": {t.key: t.plain() for t in tables}} for market, tables in studies]
        print(json.dumps({"studies": plain}, allow_nan=False))
    else:
        print("\n\n".join(_text(market, tables) for market, tables in studies))
    return 0


def _studies(args: argparse.Namespace, files: list[Path], progress: _Progress) -> list[tuple[str, list[Table]]]:
    from connectors.archives.bars import looks_like_bars, read_bars

    of_bars = [path for path in files if looks_like_bars(path)]
    if of_bars and len(of_bars) < len(files):
        other = next(path for path in files if path not in of_bars)
        raise UsageError(f"{of_bars[0]} holds bars and {other} does not; study them one after the other")
    if of_bars:
        from engine.study.bars import bars_tables

        bars = read_bars(of_bars, progress.notice)
        return [(bars.market, bars_tables(bars, lambda done, all_: progress.show(f"bulk VPIN {done}/{all_}")))]
    return _recorded(args, files, progress)


def _recorded(args: argparse.Namespace, files: list[Path], progress: _Progress) -> list[tuple[str, list[Table]]]:
    from engine.study.recording import RecordingStudy
    from engine.study.table import second

    archive, lots = open_archive_of(args, files), day_lots(args)
    archive.turn_ns = _TURN_NS
    studies: dict[str, RecordingStudy] = {}
    for chunk in archive.chunks(progress.notice):
        study = studies.get(chunk.instrument.market)
        if study is None:
            study = RecordingStudy(chunk.instrument, lots(chunk.instrument))
            studies[chunk.instrument.market] = study
        study.apply(chunk.rows)
        progress.show(f"{second(study.clock)} UTC")
    return [(market, study.tables()) for market, study in studies.items()]


class _Progress:
    """One line on a terminal, nothing anywhere else; notices go before it."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._next = time.monotonic() + 1
        self._shown = False

    def show(self, text: str) -> None:
        """How far we are; seldom."""
        if self._on and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_S
            self._shown = True
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave nothing behind."""
        if self._shown:
            self._shown = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def notice(self, source: str, text: str) -> None:
        """What a reader has to say."""
        self.clear()
        print(f"flowtape: {escape_text(source, 120)}: {escape_text(text, 500)}", file=sys.stderr)


# ---- as text


def _text(market: str, tables: Iterable[Table]) -> str:
    return "\n\n".join([f"== {escape_text(market, 100)} ==", *(_table(table) for table in tables)])


def _table(table: Table) -> str:
    import textwrap

    head = [column.strip() for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    left = [all(isinstance(row[i], str) or row[i] is None for row in table.rows) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in ((head, *rows) if any(head) else rows)
    ]
    return "\n".join([table.title, *lines, *textwrap.wrap(f"Reading: {table.reading}", _WIDTH)])


def _cell(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return escape_text(cell, 100)
    if isinstance(cell, int):
        return f"{cell:,}"
    if not math.isfinite(cell):
        return "–" if math.isnan(cell) else ("inf" if cell > 0 else "-inf")
    size = abs(cell)
    if size >= 100_000:
        return f"{cell:,.0f}"
    return f"{cell:.4g}" if size < 1000 else f"{cell:,.2f}"
