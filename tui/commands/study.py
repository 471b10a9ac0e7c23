"""`flowtape study`: plain tables from recordings, each with a line of honest reading."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.feed import SourceError
from engine.instrument import OffGridError
from tui.commands.failure import Failure, UsageError
from tui.commands.sources import day_lots, open_archive_of, split_market
from tui.commands.tables import Progress, table_text
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.study.recording import RecordingStudy
    from engine.study.table import Table

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
    progress = Progress()
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


def _studies(args: argparse.Namespace, files: list[Path], progress: Progress) -> list[tuple[str, list[Table]]]:
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


def _recorded(args: argparse.Namespace, files: list[Path], progress: Progress) -> list[tuple[str, list[Table]]]:
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


# ---- as text


def _text(market: str, tables: Iterable[Table]) -> str:
    return "\n\n".join([f"== {escape_text(market, 100)} ==", *(table_text(table) for table in tables)])
