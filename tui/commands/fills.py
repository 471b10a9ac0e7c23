"""`flowtape fills`: what one's own fills come to."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.feed import SourceError
from engine.instrument import ContractKind, Instrument
from tui.commands.failure import Failure, UsageError
from tui.commands.sources import read_config, split_market
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.own_result import MarketResult, OwnTrade, VenueResult
    from tui.config.model import Config


def add_parser(subparsers: Any) -> None:
    """`fills` on the command line."""
    parser = subparsers.add_parser(
        "fills",
        help="what your own fills come to",
        description="Reads your fills from CSV files with a header: time (ISO, or since 1970), market, side, price, "
        "size, and optionally fee (quote currency, negative: a rebate) and maker. Sizes are in base units; inverse "
        "contracts are refused. Prints results by market, and your 30-day volume and fee tier by venue.",
        epilog="flowtape fills fills.csv --posted orders.csv --json",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="CSV files of fills")
    parser.add_argument(
        "--posted", metavar="ORDERS", type=Path, help="CSV file of resting orders: placed, ended, side, price, size"
    )
    parser.add_argument("--market", metavar="MARKET", help="the market (venue:SYMBOL), where a file doesn't say")
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read everything, then print everything."""
    from connectors.own_fills import read_fills, read_orders
    from engine.own_result import market_result

    if args.market is not None and split_market(args.market) is None:
        raise UsageError(f"--market: {args.market[:80]!r} is not venue:SYMBOL, such as binance:ETH/USDT")
    config = read_config(args, strict=True).config
    try:
        trades = read_fills(args.files, args.market, _notice)
        posted = None if args.posted is None else read_orders(args.posted, args.market, _notice)
        by_market = defaultdict(list)
        for trade in trades:
            by_market[trade.market].append(trade)
        markets = {
            market: market_result(
                _instrument(market),
                found,
                None if posted is None else [one.order for one in posted if one.market == market],
            )
            for market, found in sorted(by_market.items())
        }
    except (SourceError, ValueError) as error:
        raise Failure(str(error)) from None
    for market in sorted({one.market for one in posted or ()} - set(markets)):
        _notice(market, f"{args.posted}: orders of {market} are left out: no file has fills of it")
    venues = _venues(trades, config)
    if args.json:
        plain = {
            "markets": {market: asdict(result) for market, result in markets.items()},
            "venues": [_plain_venue(*key, result) for key, result in venues.items()],
        }
        print(json.dumps(plain, allow_nan=False))
    else:
        blocks = [_market_text(market, result) for market, result in markets.items()]
        print("\n\n".join([*blocks, *(_venue_text(*key, result) for key, result in venues.items())]))
    return 0


def _notice(source: str, text: str) -> None:
    print(f"flowtape: {escape_text(text, 500)}", file=sys.stderr)


def _instrument(market: str) -> Instrument:
    venue, _, symbol = market.partition(":")
    pair, _, settled = symbol.partition(":")
    base, _, quote = pair.partition("/")
    kind: ContractKind = "spot" if not settled else "inverse" if settled.split("-")[0] == base else "linear"
    return Instrument(venue, symbol, Decimal("1e-18"), Decimal("1e-18"), kind, base=base, quote=quote)


def _venues(trades: list[OwnTrade], config: Config) -> dict[tuple[str, str], VenueResult]:
    """By the name of the fees that apply and the quote currency: volumes of two currencies don't add up."""
    from engine.own_result import venue_result
    from tui.config.fees import fees_of

    of, now = fees_of(config), time.time_ns()
    grouped, schedules = defaultdict(list), {}
    for trade in trades:
        instrument = _instrument(trade.market)
        by_kind = f"{instrument.venue}:{instrument.kind}"
        key = (by_kind if by_kind in config.fees else instrument.venue, instrument.quote)
        grouped[key].append(trade)
        schedules[key] = of(instrument)
    return {key: venue_result(found, schedules[key], now) for key, found in sorted(grouped.items())}


def _plain_venue(fees: str, quote: str, result: VenueResult) -> dict[str, Any]:
    plain = {"fees": fees, "quote": quote, **asdict(result)}
    if not result.roles_known:  # then all of unknown role would count as taken
        plain["volume"] = {"maker": None, "taker": None}
        if result.next is not None:
            plain["next"]["saving"] = None
    return plain | {"total": result.volume.total}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.8g}"


def _market_text(market: str, r: MarketResult) -> str:
    c = r.capital
    rows = [
        ("fills", f"{r.fills}"),
        ("bought", f"{_number(r.bought)} at {_number(r.bought_price)}"),
        ("sold", f"{_number(r.sold)} at {_number(r.sold_price)}"),
        ("realised, before fees", _number(r.realised)),
        ("position", _number(c.position)),
        ("fees", _number(c.fees)),
        ("result at the last own price, less fees", _number(c.pnl)),
        ("mean posted notional", _number(c.mean_posted)),
        ("utilisation", _number(c.utilisation)),
        ("fill ratio", _number(c.fill_ratio)),
        ("result per posted notional", _number(c.pnl_per_posted)),
    ]
    if r.unmatched:
        rows.append(("maker fills without a fitting order", f"{r.unmatched}"))
    return _block(market, rows)


def _venue_text(fees: str, quote: str, r: VenueResult) -> str:
    rows = [("own volume, last 30 closed UTC days", f"{_number(r.volume.total)} {quote}")]
    if r.tier is None:
        rows.append(("fee tier", f"unknown; flowtape config fees {fees.partition(':')[0]} prints tiers to configure"))
    else:
        rows.append(("present tier", f"maker {r.tier.maker_bps:g} bps, taker {r.tier.taker_bps:g} bps"))
        if r.next is None:
            rows.append(("next tier", "none: this is the highest"))
        else:
            saving = _number(r.next.saving) if r.roles_known else "unknown: not every fill says maker or taker"
            rows += [("to the next tier", f"{_number(r.next.missing)} {quote}"), ("it would save a month", saving)]
    return _block(f"{fees} ({quote})", rows)


def _block(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {escape_text(text, 120)}" for name, text in rows]
    return "\n".join([f"== {escape_text(title, 100)} ==", *lines])
