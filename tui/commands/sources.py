"""From what was typed to feeds: recordings, live markets, the simulator."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from engine.feed import Feed, SourceError
from engine.instrument import Instrument, OffGridError
from tui.commands.failure import Failure, UsageError
from tui.config.loading import LoadedConfig, load
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from connectors.archives.archive import FileArchive
    from connectors.composite import Composite
    from connectors.replay import Playback
    from connectors.venues import VenueSettings
    from tui.config.model import Venue

#: Where simulated time begins when nobody watches it pass: the same command gives the same numbers.
SIMULATED_START = 1_735_732_800_000_000_000  # 2025-01-01 12:00 UTC
#: A market made of several: not a venue, but written as one.
COMPOSITE = "composite"
_MARKET = re.compile(r"([a-z][a-z0-9_]*):(\S.*)")


@dataclass(frozen=True, slots=True)
class Sources:
    """Feeds, and what is known of them before they run."""

    feeds: tuple[Feed, ...]
    live: bool  # some of them never end by themselves
    markets: tuple[str, ...]  # asked for by name, or in the recordings
    playback: Playback | None = None


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say what a recording is, where it can't tell itself, and which channels a live market needs."""
    group = parser.add_argument_group("sources")
    group.add_argument(
        "--as",
        dest="market",
        metavar="MARKET",
        help="the recording is of this market (venue:SYMBOL); of a session, the market to pick",
    )
    group.add_argument("--tick", metavar="SIZE", help="price step, where the file can't tell")
    group.add_argument("--lot", metavar="SIZE", help="size step, where the file can't tell")
    group.add_argument("--contract", metavar="VALUE", help="value of one contract, where the file can't tell")
    group.add_argument("--adv", metavar="SIZE", help="average daily volume, for buckets such as adv/50")
    group.add_argument("--channels", metavar="LIST", help="of live markets: trades, book, contract (all)")
    group.add_argument(
        "--config", metavar="FILE", type=Path, help="configuration file (default: see flowtape config path)"
    )


def read_config(args: argparse.Namespace, *, strict: bool) -> LoadedConfig:
    """The user's configuration; with `strict` its problems are errors (exit code 2)."""
    from tui.commands.validators import VALIDATORS

    loaded = load(args.config, validators=VALIDATORS)
    if strict and loaded.problems:
        raise UsageError("\n".join(str(problem) for problem in loaded.problems))
    return loaded


def positive(option: str, text: str | None) -> Decimal | None:
    """A positive decimal number of an option; raises UsageError."""
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise UsageError(f"{option}: {text[:40]!r} is not a number") from None
    if not (value.is_finite() and 0 < value < Decimal("1e18")):
        raise UsageError(f"{option}: {text[:40]!r} must be a number above 0")
    return value


def day_lots(args: argparse.Namespace) -> Callable[[Instrument], int | None]:
    """`--adv` in lots of an instrument."""
    adv = positive("--adv", args.adv)

    def of(instrument: Instrument) -> int | None:
        return None if adv is None else max(1, round(adv / (instrument.lot * instrument.contract)))

    return of


def split_market(text: str) -> tuple[str, str] | None:
    """(venue, symbol) when `text` has the form of a market."""
    match = _MARKET.fullmatch(text)
    return (match[1], match[2]) if match else None


def check_venues(markets: Sequence[str], loaded: LoadedConfig) -> None:
    """Every venue is known, before anything is loaded for it; raises Failure."""
    from connectors.venues import known_venue

    for text in markets:
        if split_market(text) is not None:
            try:
                for source in members(text, loaded):
                    known_venue(source.partition(":")[0])
            except SourceError as error:
                raise Failure(str(error)) from None


def members(market: str, loaded: LoadedConfig) -> tuple[str, ...]:
    """The markets that `market` needs: of a composite its members and rates, else itself. Raises SourceError."""
    parts = split_market(market)
    return _composite(parts[1], loaded).sources if parts is not None and parts[0] == COMPOSITE else (market,)


def _composite(symbol: str, loaded: LoadedConfig) -> Composite:
    """What `composite:SYMBOL` stands for; raises SourceError."""
    from connectors.composite import Composite, checked, parse

    given = loaded.config.composites.get(symbol)
    if given is not None:
        return checked(Composite(symbol, given.markets, given.rates))
    return parse(symbol, tuple(loaded.config.composites))


def open_sources(
    args: argparse.Namespace,
    loaded: LoadedConfig,
    *,
    paced: bool,
    speed: float = 1.0,
    begin: Callable[[int], int] | None = None,
) -> Sources:
    """Feeds for what was named in `args.sources`; `paced` recordings run by their own clock, with controls, from
    `begin` of their first time (ns) on."""
    files: list[Path] = []
    wanted: dict[str, list[str]] = {}
    for text in args.sources:
        market = split_market(text)
        if Path(text).exists() or market is None:
            files.append(Path(text))
        else:
            wanted.setdefault(market[0], []).append(market[1])
    if files and wanted:
        raise UsageError("give either recordings or live markets, not both")
    try:
        if files:
            return _recorded(args, files, paced, speed, begin)
        return _live(args, loaded, wanted, paced)
    except SourceError as error:
        raise Failure(str(error)) from None
    except OffGridError as error:
        raise UsageError(str(error)) from None


def open_archive_of(args: argparse.Namespace, files: Sequence[Path]) -> FileArchive:
    """The recordings as one archive."""
    from connectors.archives import open_archive

    if args.market is not None and split_market(args.market) is None:
        raise UsageError(f"--as: {args.market[:60]!r} is not a market; write venue:SYMBOL, such as binance:ETH/USDT")
    return open_archive(
        files,
        market=args.market,
        tick=positive("--tick", args.tick),
        lot=positive("--lot", args.lot),
        contract=positive("--contract", args.contract),
    )


def _recorded(
    args: argparse.Namespace,
    files: Sequence[Path],
    paced: bool,
    speed: float,
    begin: Callable[[int], int] | None,
) -> Sources:
    from connectors.replay import Playback, ReplayFeed

    archive = open_archive_of(args, files)
    playback = Playback(speed, begin=begin) if paced else None
    return Sources((ReplayFeed(archive, playback),), False, archive.markets, playback)


def _live(args: argparse.Namespace, loaded: LoadedConfig, wanted: dict[str, list[str]], paced: bool) -> Sources:
    from connectors.venues import open_feed

    channels = None
    if args.channels is not None:
        channels = tuple(part.strip() for part in args.channels.split(","))
        if not set(channels) <= {"trades", "book", "contract"} or not set(channels) & {"trades", "book"}:
            raise UsageError(f"--channels: {args.channels[:40]!r} must be of trades, book, contract, as trades,book")
    asked = tuple(f"{venue}:{symbol}" for venue, symbols in wanted.items() for symbol in symbols)
    composites = [_composite(symbol, loaded) for symbol in wanted.pop(COMPOSITE, ())]
    for source in (source for composite in composites for source in composite.sources):
        venue, _, symbol = source.partition(":")
        if symbol not in wanted.setdefault(venue, []):
            wanted[venue].append(symbol)
    feeds = []
    for venue, symbols in wanted.items():
        if venue in loaded.refused_venues:
            problems = "\n".join(str(p) for p in loaded.problems)
            raise Failure(
                f"the settings of {venue} are wrong, so it is not asked for anything:\n{escape_text(problems, 2000)}"
            )
        feeds.append(open_feed(venue, symbols, venue_settings(loaded, venue, channels, paced)))
    if composites:
        from connectors.composite import tap

        feeds = tap(feeds, composites)
    members = tuple(f"{venue}:{symbol}" for venue, symbols in wanted.items() for symbol in symbols)
    markets = tuple(dict.fromkeys((*asked, *members)))
    return Sources(tuple(feeds), any(venue != "sim" for venue in wanted), markets)


def venue_settings(loaded: LoadedConfig, venue: str, channels: tuple[str, ...] | None, paced: bool) -> VenueSettings:
    """What a connector needs to know: the user's `[venues.NAME]`, the simulator's seed, the flags."""
    from connectors.venues import VenueSettings

    given: Venue | None = loaded.config.venues.get(venue)
    return VenueSettings(
        rest=given.rest if given else None,
        ws=given.ws if given else None,
        endpoints=dict(given.endpoints) if given else {},
        channels=channels or (given.channels if given else None) or ("trades", "book", "contract"),
        seed=loaded.config.simulator.seed,
        speed=1.0 if paced else 0.0,
        start_ns=None if paced else SIMULATED_START,
    )
