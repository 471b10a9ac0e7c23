"""`flowtape [MARKET…]` and `flowtape play SOURCE…`: the screen."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.begin import add_begin_argument, read_begin
from tui.commands.failure import Failure, UsageError
from tui.commands.screen import add_screen_arguments, screen_settings
from tui.commands.sources import Sources, add_source_arguments, check_venues, day_lots, open_sources, read_config
from tui.config.loading import LoadedConfig
from tui.config.paths import state_dir, themes_dir
from tui.config.problems import ConfigError
from tui.terminal import detect, tell_textual

if TYPE_CHECKING:
    from engine.checkpoint import Store
    from engine.instrument import Instrument
    from engine.metrics.names import Metric
    from engine.sampling import Sampler
    from tui.app import FlowtapeApp
    from tui.arrangement import Arrangement
    from tui.config.model import Config
    from tui.delivery.courier import Courier
    from tui.delivery.desk import Desk
    from tui.delivery.terminal import TerminalAlerts
    from tui.delivery.terminals import Path as Way
    from tui.monitor import Playback
    from tui.opening import Opening
    from tui.session import Session

#: At the end, how long what was just told may still take to leave, s.
_GRACE_S = 3.0


def add_parser(subparsers: Any) -> None:
    """`play` on the command line."""
    parser = subparsers.add_parser(
        "play",
        help="the monitor over recordings: pause, seek, speed",
        description="Opens the monitor on recorded data, paced by the recording's own clock.",
        epilog="flowtape play capture_20240808.gz capture_20240809.gz --speed 10",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="captures, recorded sessions of several markets, or CSV of trades or books, told by their content; "
        "files of one market in their order",
    )
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="seconds of tape a second (0: no pacing)")
    add_begin_argument(parser)
    add_source_arguments(parser)
    add_screen_arguments(parser)
    parser.set_defaults(run=run_play, fresh=True)


def run_play(args: argparse.Namespace) -> int:
    """The monitor over recordings."""
    if args.speed < 0 or args.speed != args.speed:
        raise UsageError("--speed: must be 0 or more")
    begin = read_begin(args.begin)
    missing = [text for text in args.sources if not Path(text).exists()]
    if missing:
        raise Failure(f"{missing[0]}: no such file")
    tell_textual(detect(color=args.color or "auto"))  # checking the theme or the keys imports textual
    loaded = read_config(args, strict=False)
    sources = open_sources(args, loaded, paced=True, speed=args.speed, begin=begin.at if begin else None)
    return _open(args, loaded, lambda: sources, sources.markets, sources.playback)


def run(args: argparse.Namespace) -> int:
    """The monitor on live or simulated markets."""
    # What is imported until the first frame stays for good: collections would only walk it again and again.
    gc.disable()
    try:
        tell_textual(detect(color=args.color or "auto"))  # checking the theme or the keys imports textual
        loaded = read_config(args, strict=False)
        if not args.sources:
            simulated = [f"sim:{symbol}" for symbol in loaded.config.simulator.markets]
            args.sources = list(loaded.config.markets) or simulated
        check_venues(args.sources, loaded)
        return _open(args, loaded, lambda: open_sources(args, loaded, paced=True), args.sources)
    finally:
        gc.enable()


def _open(
    args: argparse.Namespace,
    loaded: LoadedConfig,
    sources: Callable[[], Sources],
    asked: Sequence[str],
    playback: Playback | None = None,
) -> int:
    """The screen first; the engine, the sources and all they import are loaded beneath it."""
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise UsageError("the monitor needs a terminal; for scripts use `flowtape stream`")
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        raise UsageError(
            f"TERM={os.environ['TERM'].lower()}: such a terminal cannot place text on a screen; set TERM to what it "
            "really is (xterm-256color, say), or use `flowtape stream`"
        )
    config = loaded.config
    settings = screen_settings(args, config)
    tell_textual(settings.terminal)

    from engine.duration import parse_duration
    from tui.app import AppOptions, FlowtapeApp
    from tui.arrangement import all_layouts
    from tui.checkpoints import CheckpointFiles
    from tui.config.holdings import Holdings
    from tui.config.own_alerts import ConfigAlerts, own_alerts
    from tui.opening import Opening
    from tui.panels import glyphs
    from tui.screens.main import Look

    glyphs.use(settings.terminal.glyphs)
    volume = day_lots(args)
    store = CheckpointFiles(fresh=args.fresh) if config.checkpoint else None
    desks: list[Desk] = []

    def desk() -> Desk:
        from tui.delivery.desk import Desk

        if not desks:
            after = parse_duration(config.notify.trouble_after)
            desks.append(Desk(time.monotonic, replay=playback is not None, trouble_after=after))
        return desks[0]

    monitor = Opening(lambda: _session(config, sources(), volume, store, desk().samplers), asked, playback)
    ended: list[Failure | UsageError] = []

    async def start() -> None:
        gc.enable()
        sinks = asyncio.create_task(_open_sinks(config, desk(), app))
        silence = asyncio.create_task(_hear_silence(monitor, desk()))
        try:
            await monitor.run()
        except (Failure, UsageError) as error:  # nothing to show: say so where it can be read
            ended.append(error)
            app.exit()
        finally:
            silence.cancel()
            await sinks

    holdings = Holdings(state_dir() / "positions.json")
    app = FlowtapeApp(
        monitor,
        start,
        AppOptions(
            fps=settings.fps,
            driver=settings.driver.load(),
            theme=args.theme or config.theme,
            themes_dir=themes_dir(),
            keys=config.keys,
            muted=not config.notify.bell and config.notify.desktop == "none",
            desk=desk,
            terminal=lambda write: _terminal_alerts(config, write),
            look=Look(
                config.windows.flow,
                config.windows.ofi,
                parse_duration(config.windows.chart),
                config.tape.minimum,
                config.layout.beside,
                config.layout.name,
                all_layouts({name: own.columns for name, own in config.layouts.items()}),
                holdings,
            ),
            alerts=own_alerts(config),
            presets=config.presets,
            keeper=ConfigAlerts(loaded.path),
            save_layout=lambda layout: _save_layout(loaded.path, layout),
            notices=(
                *(("config", str(problem)) for problem in loaded.problems),
                *([("position", holdings.problem)] if holdings.problem else []),
            ),
        ),
    )
    app.run(mouse=settings.mouse)
    _close_sinks(desks)
    if ended:
        raise ended[0]
    return app.return_code or 0


async def _open_sinks(config: Config, desk: Desk, app: FlowtapeApp) -> None:
    if not config.sinks or desk.replay:
        return
    loop = asyncio.get_running_loop()

    def report(source: str, text: str) -> None:
        # In the courier's thread; at the end the loop may have gone before it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(app.report, f"sink {source}", text)

    def begin() -> Courier:
        from tui.delivery.building import open_courier

        return open_courier(config.sinks, report)

    desk.courier = await asyncio.to_thread(begin)


async def _hear_silence(monitor: Opening, desk: Desk) -> None:
    """A feed that is dead moves no market's clock: only the wall clock tells."""
    while True:
        await asyncio.sleep(1.0)
        desk.look(time.time_ns(), monitor.received())


def _close_sinks(desks: Sequence[Desk]) -> None:
    for desk in desks:
        left = desk.courier.close(_GRACE_S) if desk.courier is not None else 0
        if left:
            print(f"flowtape: {left} alerts are not delivered yet; they wait for the next start", file=sys.stderr)


def _terminal_alerts(config: Config, write: Callable[[str], None]) -> TerminalAlerts:
    from tui.delivery.terminal import TerminalAlerts, TerminalOptions
    from tui.delivery.terminals import path_here
    from tui.panels import glyphs

    notify = config.notify
    narrow = glyphs.current() is glyphs.ASCII

    def find() -> Way:
        return path_here(notify.desktop, ascii_only=narrow)

    options = TerminalOptions(notify.bell, title=notify.title, severity=notify.severity)
    return TerminalAlerts(write, find(), options, find)


def _session(
    config: Config,
    sources: Sources,
    volume: Callable[[Instrument], int | None],
    store: Store | None = None,
    samplers: Callable[[Instrument], Iterable[Sampler]] = lambda _: (),
) -> Session:
    """The engine, ready to run."""
    from engine.metrics.names import parse_metrics
    from engine.runtime import Runtime
    from tui.config.fees import fees_of
    from tui.config.rules import configured_rules, quiet_gate
    from tui.panels import flow, imbalance, toxicity
    from tui.session import Session

    # Also what no panel shows at the moment: a number must not begin when one looks at it.
    windows = config.windows
    gauges = imbalance.gauges(windows.flow, windows.ofi)
    shown = (*(gauge.metric for gauge in gauges), *toxicity.METRICS, *flow.metrics(windows.flow))
    metrics = [*parse_metrics(",".join(shown)), *later_metrics(config)]
    runtime = Runtime(
        sources.feeds,
        rules=configured_rules(config),
        gate=quiet_gate(config),
        metrics=metrics,
        chart=True,
        day_lots=volume,
        fees=fees_of(config),
        samplers=samplers,
        store=store,
        warm=True,
    )
    return Session(runtime, sources.markets, sources.playback)


#: Panels all of whose metrics wait until one looks.
_ON_DEMAND = ("cost", "risk", "signal")


def later_metrics(config: Config) -> list[Metric]:
    """Metrics of the panels that the default layout does not show, for those the configured layout does show.

    Impact, volatility and signal begin when their panel is first looked at (and say since when they count): they cost
    every update. So does what needs more of every book message than the touch. The rest learns from bars or is
    cheap, and is computed from the first row on.
    """
    from engine.metrics.names import parse_metrics
    from tui.arrangement import DEFAULT, all_layouts
    from tui.panels import cost, liquidity, profile, risk, signal

    layouts = all_layouts({name: own.columns for name, own in config.layouts.items()})
    shown = layouts.get(config.layout.name, DEFAULT).panels
    modules = {"cost": cost, "risk": risk, "signal": signal, "profile": profile, "liquidity": liquidity}
    wanted: list[Metric] = []
    for name, module in modules.items():
        for metric in parse_metrics(",".join(module.METRICS)) if module.METRICS else []:
            bound = metric.spec.bind(*metric.args)
            costly = name in _ON_DEMAND or bound.ladders or bound.bands or bound.changes or bound.taps
            if name in shown or not costly:
                wanted.append(metric)
    return wanted


def _save_layout(path: Path, layout: Arrangement) -> None:
    from tui.config.editing import set_layout

    try:
        set_layout(path, layout.name, layout.columns)
    except ConfigError as error:
        raise ValueError(str(error)) from error
