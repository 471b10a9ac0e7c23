"""`flowtape markets VENUE [TEXT]`: the symbols of a venue."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from engine.feed import SourceError
from engine.instrument import Instrument
from tui.commands.failure import Failure
from tui.commands.sources import read_config, venue_settings
from tui.untrusted import escape_text


def add_parser(subparsers: Any) -> None:
    """`markets` on the command line."""
    parser = subparsers.add_parser(
        "markets",
        help="list the symbols of a venue",
        description="Lists the markets of a venue with tick, lot and contract value, as they are typed elsewhere.",
        epilog="flowtape markets binance eth/usdt",
    )
    parser.add_argument("venue", metavar="VENUE", help="such as binance, or sim")
    parser.add_argument("text", nargs="?", default="", metavar="TEXT", help="only names that contain this")
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line per market."""
    from connectors.venues import list_markets

    loaded = read_config(args, strict=True)
    try:
        found = asyncio.run(list_markets(args.venue, venue_settings(loaded, args.venue, None, True)))
    except SourceError as error:
        raise Failure(str(error)) from None
    wanted = args.text.casefold()
    chosen = [m for m in found if wanted in m.market.casefold() or wanted in m.native.casefold()]
    if not chosen:
        raise Failure(f"{args.venue}: none of its {len(found)} markets contains {args.text[:60]!r}")
    rows = [_cells(instrument) for instrument in sorted(chosen, key=lambda m: m.market)]
    head = ("MARKET", "KIND", "TICK", "LOT", "CONTRACT", "NATIVE")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _cells(m: Instrument) -> tuple[str, ...]:
    contract = "" if m.kind == "spot" else f"{m.contract:f} {m.unit}"
    return tuple(escape_text(text, 60) for text in (m.market, m.kind, f"{m.tick:f}", f"{m.lot:f}", contract, m.native))
