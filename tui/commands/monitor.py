"""`flowtape [MARKET…]` and `flowtape play SOURCE…`: the screen."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from tui.commands.failure import Failure, UsageError
from tui.commands.sources import Sources, add_source_arguments, day_lots, open_sources, read_config
from tui.config.loading import LoadedConfig
from tui.config.paths import themes_dir
from tui.terminal import detect, tell_textual


def add_screen_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of everything that opens the screen."""
    group = parser.add_argument_group("screen")
    group.add_argument("--theme", metavar="NAME", help="colours: okabe-dark (default), classic, ansi, mono, …")
    group.add_argument("--fps", type=float, metavar="N", help="frames a second (default 10)")
    group.add_argument("--color", choices=("auto", "truecolor", "256", "16", "none"), default="auto", help="colour depth")
    group.add_argument("--ascii", action="store_true", help="no box or block characters")
    group.add_argument("--mouse", choices=("auto", "on", "off"), default="auto", help="auto: off over SSH")


def add_parser(subparsers: Any) -> None:
    """`play` on the command line."""
    parser = subparsers.add_parser(
        "play",
        help="the monitor over recordings: pause, seek, speed",
        description="Opens the monitor on recorded data, paced by the recording's own clock.",
        epilog="flowtape play capture_20240808.gz capture_20240809.gz --speed 10",
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="recordings; files of one market in their order")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="seconds of tape a second (0: no pacing)")
    add_source_arguments(parser)
    add_screen_arguments(parser)
    parser.set_defaults(run=run_play)


def run_play(args: argparse.Namespace) -> int:
    """The monitor over recordings."""
    if args.speed < 0 or args.speed != args.speed:
        raise UsageError("--speed: must be 0 or more")
    missing = [text for text in args.sources if not Path(text).exists()]
    if missing:
        raise Failure(f"{missing[0]}: no such file")
    tell_textual(detect(color=args.color))  # checking the theme or the keys imports textual
    loaded = read_config(args, strict=False)
    return _open(args, loaded, open_sources(args, loaded, paced=True, speed=args.speed))


def run(args: argparse.Namespace) -> int:
    """The monitor on live or simulated markets."""
    tell_textual(detect(color=args.color))  # checking the theme or the keys imports textual
    loaded = read_config(args, strict=False)
    if not args.sources:
        args.sources = list(loaded.config.markets) or [f"sim:{symbol}" for symbol in loaded.config.simulator.markets]
    return _open(args, loaded, open_sources(args, loaded, paced=True))


def _open(args: argparse.Namespace, loaded: LoadedConfig, sources: Sources) -> int:
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise UsageError("the monitor needs a terminal; for scripts use `flowtape stream`")
    if args.fps is not None and not 0.5 <= args.fps <= 60:
        raise UsageError("--fps: must be a number from 0.5 to 60")
    glyphs = "ascii" if args.ascii else loaded.config.layout.glyphs
    terminal = detect(color=args.color, glyphs=glyphs)

    from engine.runtime import Runtime
    from tui.app import AppOptions, FlowtapeApp, mouse_default
    from tui.config.editing import add_alert
    from tui.monitor import AlertFields
    from tui.session import Session, rule_of

    config = loaded.config
    rules = [
        rule_of(
            AlertFields(alert.name, alert.when, alert.on, alert.hold, alert.rearm, alert.cooldown, alert.severity),
            alert.message,
        )
        for alert in config.alerts
        if alert.enabled
    ]
    runtime = Runtime(sources.feeds, rules=rules, chart=True, day_lots=day_lots(args))
    session = Session(runtime, sources.markets, sources.playback)

    def save(fields: AlertFields) -> None:
        add_alert(
            loaded.path,
            {
                "name": fields.name,
                "when": fields.when,
                "on": fields.on,
                "for": fields.for_,
                "rearm": fields.rearm,
                "cooldown": fields.cooldown,
                "severity": fields.severity,
            },
        )

    app = FlowtapeApp(
        session,
        session.run,
        AppOptions(
            fps=args.fps or config.fps,
            theme=args.theme or config.theme,
            themes_dir=themes_dir(),
            keys=config.keys,
            sound=config.sinks.bell,
            save_alert=save,
            notices=tuple(("config", str(problem)) for problem in loaded.problems),
        ),
    )
    mouse = mouse_default(os.environ) if args.mouse == "auto" else args.mouse == "on"
    app.run(mouse=mouse)
    return app.return_code or 0
