"""`flowtape watch MARKET…`: the rules and their delivery without a screen, for a server or a corner of the desk."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from tui.commands.failure import UsageError
from tui.commands.sources import add_source_arguments, open_sources, read_config


def add_parser(subparsers: Any) -> None:
    """`watch` on the command line."""
    parser = subparsers.add_parser(
        "watch",
        help="rules and their delivery without a screen",
        description="Runs the alert rules of your configuration and delivers what fires: to the terminal when there "
        "is one, and to your [[sinks]]. Writes a line for everything that happens, and a health file. Ends with a "
        "recording; live markets run until SIGTERM or Ctrl+C. SIGHUP reads rules and sinks anew.",
        epilog="flowtape watch binance:BTC/USDT:USDT --health /run/user/1000/flowtape.json",
    )
    parser.add_argument("sources", nargs="*", metavar="MARKET|FILE", help="live markets, or recordings")
    parser.add_argument(
        "--log",
        choices=("auto", "text", "json"),
        default="auto",
        help="form of the lines; auto: JSON unless on a terminal",
    )
    parser.add_argument(
        "--health",
        metavar="FILE",
        help="where to say how it stands (default: watch.json in the state folder; none: nowhere)",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="begin anew instead of going on where the last watch of today stopped"
    )
    add_source_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Watch until the sources end or somebody says so."""
    loaded = read_config(args, strict=True)
    if not args.sources:
        args.sources = list(loaded.config.markets)
    if not args.sources:
        raise UsageError("watch needs a MARKET or a FILE, or `markets` in the configuration")
    recorded = any(Path(text).exists() for text in args.sources)
    sources = open_sources(args, loaded, paced=not recorded)

    from tui.headless.watcher import Watcher, health_path

    terminal = sys.stdout.isatty()
    text = args.log == "text" or (args.log == "auto" and terminal)
    watcher = Watcher(
        args,
        loaded.config,
        sources,
        form="text" if text else "json",
        health=health_path(args.health),
        terminal=terminal,
        recorded=recorded,
    )
    code = asyncio.run(watcher.run())
    if watcher.broken:
        raise BrokenPipeError(os.strerror(32))
    return code
