"""`flowtape doctor`: is everything there that the monitor needs, what can this terminal show, do the exchanges answer,
and what to do."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tui.commands.finding import Finding, Level
from tui.commands.reach import reach
from tui.commands.screen import ScreenSettings, no_arguments, screen_settings
from tui.commands.validators import VALIDATORS
from tui.config.loading import load
from tui.config.model import Config
from tui.config.paths import themes_dir
from tui.driver.answers import Answers, ask_terminal
from tui.driver.choice import DriverChoice
from tui.terminal import Color, Terminal, detect
from tui.tmux import Run, ask, run_command
from tui.untrusted import escape_text

_DISTRIBUTION = "flowtape"
_PYTHON = (3, 11)
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(==|>=)\s*(\d+(?:\.\d+)*)\s*$")
_COLORS = {
    Color.TRUE: "24-bit colours",
    Color.C256: "256 colours",
    Color.C16: "16 colours",
    Color.MONO: "no colours",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor`."""
    text = "check Python, packages, the terminal, the configuration and the exchanges, and say what to do"
    parser = subparsers.add_parser(
        "doctor",
        help=text,
        description=text[0].upper() + text[1:] + ". Of each exchange in use (or named) every address is asked, our "
        "clock compared, and a market subscribed to until its book and its trades have really begun to come.",
        epilog="flowtape doctor okx coinbase:BTC/USD",
    )
    parser.add_argument(
        "venues",
        nargs="*",
        metavar="VENUE|MARKET",
        help="exchanges to ask (default: those of the configured markets; none without them)",
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=argparse.SUPPRESS, help="another configuration file"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something failed, else 0. UsageError for a name that is no exchange or market."""
    config = getattr(args, "config", None)
    loaded = load(config, validators=VALIDATORS)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    findings = [
        *python_and_packages(),
        *terminal(os.environ, interactive=interactive, size=_size(), config=loaded.config),
        *(answers(os.environ) if interactive else ()),
        *configuration(config, os.environ),
        *notifications(config, os.environ),
        *reach(args.venues, loaded),
    ]
    for line in report(findings):
        print(line)
    return 1 if any(finding.level == "fail" for finding in findings) else 0


def report(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings as plain lines, the advice below each."""
    width = max(len(finding.about) for finding in findings)
    for finding in findings:
        yield f"{finding.level:<4}  {finding.about:<{width}}  {escape_text(finding.text, 1000)}"
        if finding.advice:
            yield f"{'':<4}  {'':<{width}}  -> {escape_text(finding.advice, 1000)}"
    counts = {level: sum(finding.level == level for finding in findings) for level in ("ok", "warn", "fail")}
    yield ""
    yield f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed"


def python_and_packages(
    version: tuple[int, ...] = tuple(sys.version_info[:3]),
    requirements: Callable[[], Sequence[str]] = lambda: importlib.metadata.requires(_DISTRIBUTION) or [],
    installed: Callable[[str], str] = importlib.metadata.version,
) -> Iterator[Finding]:
    """Versions against what this release was made for."""
    text = f"{'.'.join(map(str, version))} ({platform.python_implementation()}, {platform.system()})"
    if version >= _PYTHON:
        yield Finding("ok", "Python", text)
    else:
        yield Finding("fail", "Python", text, "flowtape needs Python 3.11 or newer")
    try:
        needed = [match for match in map(_REQUIREMENT.fullmatch, requirements()) if match]
    except importlib.metadata.PackageNotFoundError:
        yield Finding("warn", "packages", "flowtape itself is not installed", "in a clone, run it through `make run`")
        return
    for match in needed:
        yield _package(match[1], match[2], match[3], installed)


def _package(name: str, relation: str, wanted: str, installed: Callable[[str], str]) -> Finding:
    again = "install flowtape again (pipx reinstall flowtape, uv tool upgrade flowtape, or make run in a clone)"
    try:
        version = installed(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding("fail", name, "not installed", again)
    have, want = _numbers(version), _numbers(wanted)
    if relation == "==" and have != want:
        return Finding("warn", name, f"{version}, made for exactly {wanted}", again)
    if relation == ">=" and have < want:
        return Finding("fail", name, f"{version}, needed is {wanted} or newer", again)
    return Finding("ok", name, version)


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()  # 1.0 is 1.0.0
    return tuple(numbers)


def terminal(
    environ: Mapping[str, str],
    *,
    interactive: bool,
    size: tuple[int, int] | None,
    run: Run = run_command,
    platform: str = sys.platform,
    config: Config | None = None,
) -> Iterator[Finding]:
    """What the monitor will look like here, and how it is sent. `size` is (columns, rows)."""
    config = config or Config()
    settings = screen_settings(no_arguments(), config, environ, platform)
    found = settings.terminal
    if interactive:
        yield Finding("ok", "terminal", f"TERM={found.term or 'not set'}" + (", over SSH" if found.ssh else ""))
    else:
        yield Finding(
            "warn",
            "terminal",
            "input or output is not a terminal",
            "the monitor needs both; `flowtape stream` does not",
        )
    if size is not None:
        yield _room(*size)
    yield _colors(found)
    yield _characters(found)
    if found.multiplexer == "tmux":
        yield from _tmux(found, run)
    elif found.multiplexer == "screen":
        yield Finding("ok", "screen", "colours are kept to 256")
    yield _mouse(settings, config, found)
    yield _driver(settings.driver)
    if found.ssh:
        thrifty = settings.driver.name == "thrifty"
        advice = "for a metered link: --low-bandwidth" if thrifty else "over a slow link: --low-bandwidth, or `ssh -C`"
        yield Finding("ok", "SSH", "pictures cross the network", advice)


def _mouse(settings: ScreenSettings, config: Config, found: Terminal) -> Finding:
    reason = "asked for" if config.terminal.mouse != "auto" else "over SSH" if found.ssh else "not over SSH"
    return Finding("ok", "mouse", f"{'on' if settings.mouse else 'off'} ({reason})")


def _driver(choice: DriverChoice) -> Finding:
    if choice.name == "thrifty":
        return Finding("ok", "driver", f"thrifty: only what changes is sent ({choice.reason})")
    text = f"stock: Textual's own, which sends several times as much ({choice.reason})"
    return Finding("ok", "driver", text, "if the terminal is a modern one: --driver thrifty")


def answers(
    environ: Mapping[str, str], ask: Callable[[bool], Answers] = lambda mode: ask_terminal(0, 1, ask_mode=mode)
) -> Iterator[Finding]:
    """What the terminal itself says. `ask` gets whether to ask about synchronised output."""
    try:
        said = ask(environ.get("TERM_PROGRAM") != "Apple_Terminal")  # which would print a part of the question
    except OSError as error:
        yield Finding("warn", "round trip", f"the terminal cannot be asked: {error.strerror or error}")
        return
    if said.round_trip is None:
        yield Finding(
            "warn",
            "round trip",
            "the terminal does not answer: pictures are sent as fast as it takes them, whatever lies between",
            "over a slow link: --low-bandwidth",
        )
    else:
        yield Finding("ok", "round trip", f"{1000 * said.round_trip:.0f} ms to the terminal and back")
    if said.synchronised:
        yield Finding("ok", "whole pictures", "the terminal shows each one at once (synchronised output)")
    else:
        yield Finding("ok", "whole pictures", "no synchronised output: a change may be seen half done for a moment")


def _room(columns: int, rows: int) -> Finding:
    from tui.layout import MIN_HEIGHT, MIN_WIDTH, size_class

    text = f"{columns} columns, {rows} rows"
    kind = size_class(columns, rows)
    if kind == "small":
        return Finding(
            "fail", "size", text, f"enlarge it to at least {MIN_WIDTH} by {MIN_HEIGHT}, or use a smaller font"
        )
    if kind == "narrow":
        return Finding("ok", "size", f"{text}: the ladder and one panel beside it", "120 by 40 shows all panels")
    return Finding("ok", "size", text)


def _colors(found: Terminal) -> Finding:
    text = f"{_COLORS[found.color]} ({found.color_reason})"
    if found.color is Color.TRUE or found.no_color:
        return Finding("ok", "colours", text)
    if found.color is Color.C256:
        return Finding("ok", "colours", text, "if the terminal can do more: export COLORTERM=truecolor")
    if found.color is Color.C16:
        return Finding(
            "warn",
            "colours",
            f"{text}: themes are reduced to the terminal's own palette",
            "if the terminal can do more: export COLORTERM=truecolor, or --color 256; else the theme `ansi` fits best",
        )
    return Finding(
        "warn",
        "colours",
        f"{text}: the theme `mono` is used",
        "set TERM to what the terminal is, such as xterm-256color",
    )


def _characters(found: Terminal) -> Finding:
    text = f"{found.glyphs} ({found.glyphs_reason})"
    if found.glyphs != "ascii":
        return Finding("ok", "characters", text)
    return Finding(
        "warn", "characters", f"{text}: charts are coarse", "where the terminal shows UTF-8: export LANG=C.UTF-8"
    )


def _tmux(found: Terminal, run: Run) -> Iterator[Finding]:
    tmux = ask(run)
    if tmux.version is None:
        yield Finding("warn", "tmux", "TERM or TMUX tell of tmux, but `tmux -V` does not answer", "is it on the PATH?")
        return
    major, minor = tmux.version
    yield Finding("ok", "tmux", f"{major}.{minor}")
    if tmux.rgb:
        yield Finding("ok", "tmux colours", "24-bit colours reach the outer terminal")
    elif tmux.rgb is None:
        yield Finding("ok", "tmux colours", "what the outer terminal shows is not known (no client is attached)")
    else:
        yield Finding(
            "warn" if found.color is Color.TRUE else "ok",
            "tmux colours",
            "tmux cuts 24-bit colours down to 256",
            "if the outer terminal has them, in ~/.tmux.conf: set -as terminal-features ',*:RGB'",
        )


def configuration(path: Path | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The configuration file, the user's themes, and what is wrong with them."""
    from tui.themes import load_themes

    loaded = load(path, environ=environ, validators=VALIDATORS)
    if loaded.exists:
        yield Finding("ok", "configuration", str(loaded.path))
    else:
        yield Finding(
            "ok",
            "configuration",
            f"{loaded.path} (not there: defaults)",
            "`flowtape config init` writes one to start from",
        )
    for problem in loaded.problems:
        yield Finding(
            "fail", "configuration", str(problem), "change that line; `flowtape config show` shows the effect"
        )
    for text in load_themes(themes_dir(environ)).problems:
        yield Finding("warn", "themes", text)


def notifications(path: Path | None, environ: Mapping[str, str], run: Run = run_command) -> Iterator[Finding]:
    """The ways that alerts take: through the terminal to the desktop, and to the sinks."""
    from tui.commands.notify import advice
    from tui.delivery.building import destinations, outbox_path
    from tui.delivery.outbox import Outbox
    from tui.delivery.terminals import find_path

    config = load(path, environ=environ, validators=VALIDATORS).config
    tmux = ask(run) if detect(environ).multiplexer == "tmux" else None
    wanted = None if config.notify.desktop == "auto" else config.notify.desktop
    way = find_path(environ, wanted=wanted, tmux=tmux)
    hints = advice(way)
    inside = f" inside {way.multiplexer}" if way.multiplexer else ""
    shown = "the bell only" if way.protocol == "none" else f"{way.protocol.upper().replace('OSC', 'OSC ')}{inside}"
    if way.passes is False and way.protocol != "none":
        shown = f"{shown}, which tmux holds back: only the bell gets out"
    level: Level = "warn" if way.passes is False and way.protocol != "none" else "ok"
    yield Finding(level, "notifications", f"{shown} ({way.reason})", "; ".join(hints))
    for to in destinations(config.sinks, environ):
        if to.problem:
            yield Finding("fail", f"sink {to.name}", to.problem, "alerts wait for it until that is put right")
        else:
            yield Finding("ok", f"sink {to.name}", to.kind, f"try it: flowtape notify test --sink {to.name}")
    path_of_outbox = outbox_path(environ)
    if path_of_outbox.exists():
        outbox = Outbox(path_of_outbox)
        waiting = outbox.sinks()
        if outbox.problem is not None:
            yield Finding("warn", "outbox", outbox.problem, f"move {path_of_outbox} away if it is broken")
        elif waiting:
            counts = ", ".join(f"{count} for {name}" for name, count in waiting.items())
            yield Finding("ok", "outbox", f"alerts wait to be delivered: {counts}", "flowtape notify status tells more")
        outbox.close()


def _size() -> tuple[int, int] | None:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return None
    return size.columns, size.lines
