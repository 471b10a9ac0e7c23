"""Do the exchanges answer from here, does what they promise really come, and is our clock right? For `doctor`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.feed import SourceError
from tui.commands.failure import UsageError
from tui.commands.finding import Finding, Level
from tui.commands.sources import members, split_market, venue_settings
from tui.config.loading import LoadedConfig

if TYPE_CHECKING:
    from connectors.ccxt_venue.feed import CcxtVenue
    from connectors.live.diagnosis import Check, Patience
    from connectors.live.venue import LiveVenue

_SIMULATED = "sim"
#: By the name of an `Outcome`; what is not here has failed.
_LEVELS: Mapping[str, Level] = {"OK": "ok", "QUIET": "warn", "LIMITED": "warn", "SKEWED": "warn"}
_ADVICE = {
    "NO_HOST": "is there a network and a name server? is the address in [venues.{venue}] right?",
    "NO_ROUTE": "is there a network? does a firewall or a VPN stand in the way?",
    "NOT_LISTENING": "is the address in [venues.{venue}] right, and the program behind it running?",
    "NO_TLS": "is the computer's date right? does a proxy or an inspecting firewall stand in the way? an address of "
    "a local server may have to begin with http or ws",
    "NO_ANSWER": "try again; if it stays so, a firewall may drop what is sent there",
    "BLOCKED": "the exchange turns this place or address away (its terms tell from where it may be used); another "
    "address of it can be set in [venues.{venue}]",
    "GONE": "the exchange has moved it: look for a newer flowtape, or set the new address in [venues.{venue}]",
    "LIMITED": "other programs here ask it, too; it lets one in again after some minutes",
    "FAILING": "the exchange has trouble (its status page will say); try again later",
    "UNREADABLE": "is the address in [venues.{venue}] one of this exchange? look for a newer flowtape",
    "REFUSED": "`flowtape markets {venue}` lists what it has",
    "UNACKNOWLEDGED": "the address takes connections and does not speak: it may be retired; look for a newer flowtape",
    "SILENT": "the address acknowledges and sends nothing: it may be retired; look for a newer flowtape, or try "
    "another market",
    "QUIET": "a quiet market, or a channel that is no longer served: try a busier one, as in `flowtape doctor "
    "{venue}:SYMBOL`",
    "SKEWED": "latency would be told wrongly: let the system set the clock (NTP)",
}
#: Without any network every exchange fails like this.
_OFFLINE = {"NO_HOST", "NO_ROUTE"}


def reach(named: Sequence[str], loaded: LoadedConfig, patience: Patience | None = None) -> Iterator[Finding]:
    """Findings for `named` exchanges and markets, or for those of the configured markets. UsageError for a name that is
    neither."""
    try:
        wanted = _wanted(named or loaded.config.markets, loaded)
    except SourceError as e:
        if named:
            raise UsageError(str(e)) from None
        yield Finding("fail", "markets", str(e), f"change `markets` or `composites` in {loaded.path}")
        return
    if not wanted:
        return
    if _SIMULATED in wanted:
        del wanted[_SIMULATED]
        yield Finding("ok", _SIMULATED, "built in: nothing to reach")
    for venue in [v for v in wanted if v in loaded.refused_venues]:
        del wanted[venue]
        yield Finding("warn", venue, "not asked: its table in the configuration has errors")
    if not wanted:
        return
    venues: dict[str, LiveVenue | CcxtVenue] = {}
    for venue, symbols in wanted.items():
        try:
            opened = _opened(venue, symbols, loaded)
        except SourceError as e:
            if named:
                raise UsageError(str(e)) from None
            yield Finding("fail", "markets", str(e), f"change `markets` or `composites` in {loaded.path}")
            continue
        if opened is None:
            yield Finding("ok", venue, "no exchange: nothing to reach")
        else:
            venues[venue] = opened
    if not venues:
        return
    if sys.stderr.isatty():
        print(f"asking {', '.join(venues)} …", file=sys.stderr)
    found = asyncio.run(_ask({live: wanted[name] for name, live in venues.items()}, patience))
    for name, live in venues.items():
        for check in found[live]:
            yield _finding(name, check, len(live.sections) > 1)
    checks = [check for each in found.values() for check in each]
    if checks and all(check.outcome.name in _OFFLINE for check in checks):
        yield Finding("fail", "network", "no exchange can be found: there seems to be no network here")


def _wanted(named: Sequence[str], loaded: LoadedConfig) -> dict[str, list[str]]:
    """Symbols by venue, those of a composite's members among them; none: whatever moves there."""
    from connectors.venues import known_venue

    wanted: dict[str, list[str]] = {}
    for text in (member for name in named for member in members(name, loaded)):
        market = split_market(text)
        venue = text if market is None else market[0]
        known_venue(venue)
        symbols = wanted.setdefault(venue, [])
        if market is not None and market[1] not in symbols:
            symbols.append(market[1])
    return wanted


def _opened(venue: str, symbols: Sequence[str], loaded: LoadedConfig) -> LiveVenue | CcxtVenue | None:
    from connectors.ccxt_venue.feed import CcxtVenue
    from connectors.live.feed import LiveFeed
    from connectors.live.venue import OwnSockets
    from connectors.venues import open_feed

    feed = open_feed(venue, symbols, venue_settings(loaded, venue, None, True))
    if not isinstance(feed, LiveFeed):
        return None
    for symbol in symbols:
        feed.venue.section(symbol)
    if isinstance(feed.venue, CcxtVenue):
        return feed.venue
    return None if isinstance(feed.venue, OwnSockets) else feed.venue


async def _ask(
    venues: Mapping[LiveVenue | CcxtVenue, Sequence[str]], patience: Patience | None
) -> dict[LiveVenue | CcxtVenue, list[Check]]:
    from connectors.ccxt_venue import diagnosis as through_ccxt
    from connectors.ccxt_venue.feed import CcxtVenue
    from connectors.live import diagnosis

    async def one(venue: LiveVenue | CcxtVenue, symbols: Sequence[str]) -> list[Check]:
        try:
            if isinstance(venue, CcxtVenue):
                return await through_ccxt.diagnose(venue, symbols, patience)
            return await diagnosis.diagnose(venue, symbols, patience)
        except SourceError as e:
            return [diagnosis.Check(venue.sections[0], "exchange", diagnosis.Outcome.REFUSED, str(e))]

    found = await asyncio.gather(*(one(venue, symbols) for venue, symbols in venues.items()))
    return dict(zip(venues, found, strict=True))


def _finding(venue: str, check: Check, sections: bool) -> Finding:
    outcome = check.outcome
    about = f"{venue} {check.section} {check.part}" if sections else f"{venue} {check.part}"
    text = check.text if outcome.name == "OK" else f"{outcome.value}: {check.text}"
    return Finding(_LEVELS.get(outcome.name, "fail"), about, text, _ADVICE.get(outcome.name, "").format(venue=venue))
