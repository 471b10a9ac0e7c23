"""`flowtape config`: where the configuration is, a first one to start from, and what is in effect."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import msgspec
import tomlkit

from tui.commands.failure import Failure
from tui.commands.validators import VALIDATORS
from tui.config.loading import LoadedConfig, load
from tui.config.paths import config_path
from tui.config.problems import ConfigError
from tui.config.template import write_template
from tui.untrusted import escape_text

_USER_IN_URL = re.compile(r"(?<=://)[^/@\s\"']+@")
_PATH_OF_URL = re.compile(r"(?<=://)([^/?#\s]+)[/?#].+")  # of a webhook: who knows it can post there
_WIDTH = 4000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `config path|init|show|fees`."""
    parser = subparsers.add_parser(
        "config",
        help="where the configuration is, a first one, what is in effect",
        description="The configuration is one TOML file. Without one everything has its default.",
    )
    commands = parser.add_subparsers(dest="config_command", metavar="COMMAND", required=True)
    for name, text in (
        ("path", "print the path of the configuration file, whether or not it exists"),
        ("init", "write a configuration with every key, its default and what it means, all switched off"),
        ("show", "print every value in effect, as TOML, with where it was set"),
    ):
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.add_argument(
            "--config", metavar="FILE", type=Path, default=argparse.SUPPRESS, help="another configuration file"
        )
        if name == "init":
            command.add_argument("--force", action="store_true", help="replace the file that is there")
        command.set_defaults(run=run)
    fees = commands.add_parser(
        "fees",
        help="print what a venue publishes as its fees, to copy into the configuration",
        description="Print what ccxt knows of the fees of a venue as tables for the configuration. They may be out of "
        "date: what your account shows goes before them.",
    )
    fees.add_argument("venue", metavar="VENUE", help="an exchange, by ccxt's name")
    fees.set_defaults(run=_fees)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 failed, 2 the configuration has errors (`show`)."""
    named: Path | None = getattr(args, "config", None)
    path = named if named is not None else config_path()
    if args.config_command == "path":
        # Exactly, for scripts; only a terminal is spared control bytes.
        print(escape_text(str(path), _WIDTH) if sys.stdout.isatty() else path)
        return 0
    if args.config_command == "init":
        return _init(path, force=args.force)
    loaded = load(named, validators=VALIDATORS)
    write_effective(loaded, sys.stdout)
    for problem in loaded.problems:
        print(problem, file=sys.stderr)
    return 2 if loaded.problems else 0


def _init(path: Path, *, force: bool) -> int:
    try:
        write_template(path, force=force)
    except ConfigError as error:
        print(escape_text(str(error), _WIDTH), file=sys.stderr)
        return 1
    print(f"wrote {escape_text(str(path), _WIDTH)}")
    return 0


def _fees(args: argparse.Namespace) -> int:
    """Published fees as TOML."""
    from connectors.fees import published_fees
    from engine.feed import SourceError

    try:
        found = published_fees(args.venue)
    except SourceError as error:
        raise Failure(str(error)) from None
    print("# [volume of the last 30 days from which on it applies, maker bps, taker bps]")
    for kind, schedule in found.items():
        name = f"{args.venue}:{kind}" if kind else args.venue
        tiers = [[tier.volume, tier.maker_bps, tier.taker_bps] for tier in schedule.tiers]
        print(f"\n[fees.{_quoted(name)}]  # {schedule.source}\ntiers = {tomlkit.item(tiers).as_string()}")
    return 0


def write_effective(loaded: LoadedConfig, stream: TextIO) -> None:
    """The configuration as a TOML document that gives the same configuration; the origin of each value beside it."""
    state = "" if loaded.exists else " (not there)"
    stream.write(f"# {escape_text(str(loaded.path), _WIDTH)}{state}\n")
    for line in _lines(msgspec.to_builtins(loaded.config), loaded):
        stream.write(escape_text(_USER_IN_URL.sub("***@", line), _WIDTH) + "\n")


def _lines(values: Mapping[str, Any], loaded: LoadedConfig) -> Iterator[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    for key, value in values.items():
        if key not in tables and key not in ("alerts", "sinks"):
            yield _setting(key, value, key, loaded)
    for name, table in tables.items():
        if name == "venues":
            for venue, endpoint in table.items():
                yield from _table(f"venues.{_quoted(venue)}", endpoint, f"venues.{venue}", loaded)
        elif name == "fees":
            for venue, fees in loaded.config.fees.items():  # as they are, so that a date is written as one
                yield from _table(f"fees.{_quoted(venue)}", msgspec.structs.asdict(fees), f"fees.{venue}", loaded)
        else:
            yield from _table(name, table, name, loaded)
    for key in ("alerts", "sinks"):
        for item in values[key]:
            if key == "sinks" and item.get("url"):
                item["url"] = _PATH_OF_URL.sub(r"\1/***", item["url"])
            yield from _table(key, item, f"{key}[{item['name']}]", loaded, array=True)


def _table(
    header: str, table: Mapping[str, Any], path: str, loaded: LoadedConfig, *, array: bool = False
) -> Iterator[str]:
    yield ""
    yield f"[[{header}]]" if array else f"[{header}]"
    for key, value in table.items():
        if isinstance(value, dict):
            for name, item in value.items():
                yield _setting(f"{key}.{_quoted(name)}", item, f"{path}.{key}.{name}", loaded)
        elif value is not None:
            yield _setting(_quoted(key), value, f"{path}.{key}", loaded)


def _setting(key: str, value: object, path: str, loaded: LoadedConfig) -> str:
    origin = loaded.origins.get(path, "default")
    file = str(loaded.path) + ":"
    if origin.startswith(file):
        origin = f"line {origin.removeprefix(file)}"
    elif origin == str(loaded.path):
        origin = "file"
    return f"{key} = {tomlkit.item(value).as_string()}  # {origin}"


def _quoted(name: str) -> str:
    return tomlkit.key(name).as_string()
