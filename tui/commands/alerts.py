"""`flowtape alerts`: list, check and try the rules without being called."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.failure import Failure, UsageError
from tui.commands.sources import (
    SIMULATED_START,
    add_source_arguments,
    day_lots,
    open_archive_of,
    read_config,
    split_market,
)
from tui.untrusted import escape_text

if TYPE_CHECKING:
    from engine.alerts.rule import Rule
    from engine.feed import Archive, Chunk
    from tui.commands.tables import Progress

_LANGUAGE = """\
what `when` can say:
  vpin_pct(adv/50,50) >= 99%              a metric against a level: > >= < <=
  abs(delta(30s)) > 50                    regardless of side
  last crosses up $70k                    an edge: crosses up, crosses down, crosses (either way)
  imbalance(5) outside [-0.7, 0.7]        inside, outside; as edges: enters, exits
  last falls by 1% within 5m              rises, falls, moves; by an amount or by %
  count(abs(ti_z(30s)) >= 4, 10m) >= 3    how often a condition became true
  trades absent for 5s                    silence of trades, book or feed (both), or of a metric
  A and B, A or B, not A, (…)             joined
  A then B within 30s                     one after the other
levels:
  10bps, $1.5M, 50k, 70%, 500 lots, 30s   numbers with units, where the metric has such a unit
  3 * median(spread_bps, 1d)              another metric, with + - * / and brackets; pct, median, min, max, z of any
                                          metric over a look-back, tod_median(metric): usual at this time of day

`flowtape stream --list` lists the metrics. `flowtape config init` writes a commented [[alerts]] table.
exit codes: 0 done, 1 failed with a message, 2 a rule or an option is wrong"""


def add_parser(subparsers: Any) -> None:
    """`alerts` on the command line."""
    parser = subparsers.add_parser(
        "alerts",
        help="list, check and try alert rules",
        description="Alert rules: those of the configuration ([[alerts]]) and the presets.",
        epilog=_LANGUAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="alerts_command", required=True, metavar="COMMAND")
    listing = commands.add_parser(
        "list", help="presets with a line each, and your own rules", description="Lists rules."
    )
    _add_config(listing)
    listing.set_defaults(run=run_list)
    check = commands.add_parser(
        "check",
        help="are the rules right? file, line and key of what is not",
        description="Checks the configuration; what is wrong is told with file, line and key, and the exit code is 2.",
    )
    _add_config(check)
    check.set_defaults(run=run_check)
    test = commands.add_parser(
        "test",
        help="how often would each rule have fired on a recording",
        description="Runs the rules over recordings as fast as they can be read and prints, per rule and market: "
        "episodes, how many the cooldown would have suppressed, the longest, how many a day, the same without re-arm "
        "and keep_firing_for, and the level that would have called at most --per-day times a day.",
        epilog="flowtape alerts test --on day1.gz day2.gz · flowtape alerts test --on sim:BTC/USDT --preset all",
    )
    test.add_argument(
        "--on", dest="sources", nargs="+", required=True, metavar="FILE", help="recordings, or sim:SYMBOL"
    )
    test.add_argument("--for", dest="duration", metavar="DURATION", default="1h", help="of sim:SYMBOL (default 1h)")
    test.add_argument("--preset", action="append", default=[], metavar="NAME", help="also this preset (all: every one)")
    test.add_argument("--when", metavar="CONDITION", help="only this condition, instead of all rules")
    test.add_argument("--hold", metavar="DURATION", help="with --when: how long it must hold (`for`)")
    test.add_argument("--rearm", metavar="LEVEL", help="with --when: the level or condition that ends an episode")
    test.add_argument("--cooldown", metavar="DURATION", help="with --when: least time between two calls")
    test.add_argument(
        "--per-day", type=float, default=3.0, metavar="K", help="alerts a day to find a level for (default 3)"
    )
    test.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    test.add_argument("--events", action="store_true", help="print every alert as a line of JSON instead of the table")
    add_source_arguments(test)
    test.set_defaults(run=run_test)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="configuration file (default: see flowtape config path)"
    )


def run_list(args: argparse.Namespace) -> int:
    """Presets and own rules."""
    from engine.alerts.presets import CATALOGUE

    config = read_config(args, strict=False).config
    print("presets (the configuration's `presets` switches them on):")
    for name, preset in CATALOGUE.items():
        print(f"  {'on ' if name in config.presets else 'off'} {name:<20} {preset.line}")
        for rule in preset.rules:
            print(f"      {_rule_line(rule)}")
    print(
        "\nyour own rules:" if config.alerts else "\nno rules of your own: write [[alerts]], or press a in the monitor"
    )
    for alert in config.alerts:
        more = "".join(
            f", {key} {value}"
            for key, value in (
                ("for", alert.hold if alert.hold != "0s" else None),
                ("re-arm", alert.rearm),
                ("cooldown", alert.cooldown if alert.cooldown != "0s" else None),
                ("on", alert.on if alert.on != "*" else None),
            )
            if value
        )
        state = "on " if alert.enabled else "off"
        print(escape_text(f"  {state} {alert.name:<20} {alert.when}{more}", 300))
    return 0


def _rule_line(rule: Rule) -> str:
    from engine.metrics.names import duration_text

    parts = [rule.when]
    for key, ns in (("for", rule.hold), ("keep_firing_for", rule.keep), ("cooldown", rule.cooldown)):
        if ns:
            parts.append(f"{key} {duration_text(ns)}")
    if rule.rearm_text:
        parts.append(f"re-arm {rule.rearm_text}")
    return ", ".join(parts)


def run_check(args: argparse.Namespace) -> int:
    """Every problem with its place; 2 when there is any."""
    from tui.config.rules import configured_rules

    loaded = read_config(args, strict=True)  # problems leave from there
    rules = configured_rules(loaded.config)
    off = sum(not alert.enabled for alert in loaded.config.alerts)
    where = f"{loaded.path}" if loaded.exists else f"{loaded.path} is not there: defaults"
    print(escape_text(f"{where}: {len(rules)} rules are right" + (f" ({off} more are off)" if off else ""), 400))
    return 0


def run_test(args: argparse.Namespace) -> int:
    """The rules over recordings."""
    from engine.alerts.dry_run import MarketDryRun, table_of
    from engine.feed import SourceError
    from engine.instrument import OffGridError
    from engine.market import Market
    from engine.study.table import second
    from tui.commands.tables import Progress, table_text
    from tui.config.fees import fees_of

    if not (math.isfinite(args.per_day) and args.per_day > 0):
        raise UsageError("--per-day: must be a number above 0")
    loaded = read_config(args, strict=True)
    rules = _rules(args, loaded.config)
    if not rules:
        raise UsageError("no rules to try: write [[alerts]] into the configuration, or give --preset or --when")
    lots, fees, progress = day_lots(args), fees_of(loaded.config), Progress()
    runs: dict[str, tuple[MarketDryRun, Market]] = {}
    try:
        for chunk in _chunks(_archive(args, loaded.config.simulator.seed), progress):
            name = chunk.instrument.market
            if name not in runs:
                run = MarketDryRun(chunk.instrument, rules)
                market = Market(
                    chunk.instrument, run.samplers, day_lots=lots(chunk.instrument), fees=fees(chunk.instrument)
                )
                runs[name] = run, market
            market = runs[name][1]
            market.apply(chunk.rows)
            progress.show(f"{second(market.t)} UTC")
    except SourceError as error:
        raise Failure(str(error)) from None
    except OffGridError as error:
        raise UsageError(str(error)) from None
    finally:
        progress.clear()
    for _, market in runs.values():
        market.finish()
    if not runs:
        raise Failure("the recordings held no rows: nothing to try the rules on")
    if args.events:
        events = [event for run, _ in runs.values() for event in run.events]
        for event in sorted(events, key=lambda event: event.t):
            print(event_line(event))
        return 0
    tried = [each for run, _ in runs.values() for each in run.results(args.per_day)]
    table = table_of(tried, args.per_day, any(run.cut_short for run, _ in runs.values()))
    print(json.dumps(table.plain(), allow_nan=False) if args.json else table_text(table))
    return 0


def event_line(event: Any) -> str:
    """An alert's event as a line of JSON; values that are not finite are null. When it was found out is left out: it
    depends on how fast the tape came, and on nothing else."""
    import msgspec

    plain = msgspec.to_builtins(event)
    del plain["detected"]
    return json.dumps({"key": event.key, **plain}, allow_nan=False)


def _rules(args: argparse.Namespace, config: Any) -> list[Rule]:
    from engine.alerts.condition import ConditionError
    from engine.alerts.presets import PRESETS, preset_rules
    from engine.alerts.rule import compile_rule
    from tui.config.problems import unknown_name
    from tui.config.rules import configured_rules

    names = list(PRESETS) if "all" in args.preset else args.preset
    for name in names:
        if name not in PRESETS:
            raise UsageError(f"--preset: {unknown_name(name, PRESETS, 'preset')}")
    if args.when is None:
        for option in ("hold", "rearm", "cooldown"):
            if getattr(args, option) is not None:
                raise UsageError(f"--{option} goes with --when")
        found = {rule.name: rule for rule in (*configured_rules(config), *preset_rules(names))}
        return list(found.values())
    try:
        rule = compile_rule("--when", args.when, None, args.hold, args.rearm, args.cooldown)
    except ConditionError as error:
        key, _, text = str(error).partition(": ")
        option = {"when": "--when", "for": "--hold"}.get(key, f"--{key}")
        raise UsageError(f"{option}: {text}") from None
    return [rule, *preset_rules(names)]


def _archive(args: argparse.Namespace, seed: int) -> Archive:
    markets = [text for text in args.sources if split_market(text) is not None and not Path(text).exists()]
    if not markets:
        return open_archive_of(args, [Path(text) for text in args.sources])
    parts = [split_market(text) for text in args.sources]
    symbols = [part[1] for part in parts if part is not None and part[0] == "sim"]
    if len(symbols) < len(parts):
        raise UsageError(f"{markets[0][:80]!r} is a live market: rules are tried on recordings, or on sim:SYMBOL")
    from connectors.simulator.feed import SimulatedArchive
    from engine.duration import parse_duration

    try:
        duration = parse_duration(args.duration)
        return SimulatedArchive(symbols, duration_ns=duration, seed=seed, start_ns=SIMULATED_START)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from None


def _chunks(archive: Archive, progress: Progress) -> Iterator[Chunk]:
    return archive.chunks(progress.notice)
