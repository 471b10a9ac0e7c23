"""How the screen is shown: options of the command line over the configuration over what the terminal seems to be."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.commands.failure import UsageError
from tui.driver.choice import DRIVER_CHOICES, DriverChoice, choose_driver
from tui.terminal import COLOR_CHOICES, Terminal, detect, mouse_default

if TYPE_CHECKING:
    from tui.config.model import Config

#: With `--low-bandwidth`: pictures a second, and colours.
_LOW_FPS = 2.0
_LOW_COLOR = "256"


def add_screen_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of everything that opens the screen."""
    group = parser.add_argument_group("screen")
    group.add_argument("--theme", metavar="NAME", help="colours: okabe-dark (default), classic, ansi, mono, …")
    group.add_argument(
        "--fps", type=float, metavar="N", help="frames a second at most (default 10); a slow link gets fewer by itself"
    )
    group.add_argument(
        "--low-bandwidth",
        action="store_true",
        help="for slow or metered links: 2 frames a second, 256 colours, no mouse",
    )
    group.add_argument("--color", choices=COLOR_CHOICES, help="colour depth (default auto; `flowtape doctor` says why)")
    group.add_argument("--ascii", action="store_true", help="no box or block characters")
    group.add_argument("--mouse", choices=("auto", "on", "off"), help="auto (default): off over SSH")
    group.add_argument(
        "--driver",
        choices=DRIVER_CHOICES,
        help="how frames are sent: thrifty only what changed and as fast as the link takes it, stock as Textual does; "
        "auto (default): thrifty where the terminal is known to understand it",
    )


def no_arguments() -> argparse.Namespace:
    """As when no option of the screen was given."""
    parser = argparse.ArgumentParser()
    add_screen_arguments(parser)
    return parser.parse_args([])


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """What is in effect."""

    terminal: Terminal
    fps: float
    mouse: bool
    driver: DriverChoice


def screen_settings(
    args: argparse.Namespace, config: Config, environ: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> ScreenSettings:
    """Raises UsageError."""
    if args.fps is not None and not 0.5 <= args.fps <= 60:
        raise UsageError("--fps: must be a number from 0.5 to 60")
    low = args.low_bandwidth or config.terminal.low_bandwidth
    glyphs = "ascii" if args.ascii else config.layout.glyphs
    color = args.color or config.terminal.color
    terminal = detect(environ, color=color, glyphs=glyphs, platform=platform)
    if low and color == "auto":
        terminal = terminal.at_most(_LOW_COLOR, "low bandwidth")
    mouse = args.mouse or config.terminal.mouse
    return ScreenSettings(
        terminal=terminal,
        fps=args.fps or (min(config.fps, _LOW_FPS) if low else config.fps),
        mouse=not low and mouse_default(environ) if mouse == "auto" else mouse == "on",
        driver=choose_driver(args.driver or config.terminal.driver, environ, platform),
    )
