"""Which driver the monitor runs on, and why: the thrifty one where the terminal is known to understand it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from textual.driver import Driver

DriverName = Literal["auto", "thrifty", "stock"]
DRIVER_CHOICES: tuple[DriverName, ...] = ("auto", "thrifty", "stock")

#: First part of TERM. All of these move their cursor and switch attributes off as ECMA-48 says, which is what it takes.
_KNOWN = re.compile(
    r"alacritty|contour|cygwin|eterm|foot|ghostty|gnome|iterm2?|kitty|konsole|linux|mintty|mlterm|putty|rio|rxvt|screen"
    r"|st|stterm|terminology|tmux|vscode|vte|vt[2-5]\d\d|wezterm|xterm"
)


@dataclass(frozen=True, slots=True)
class DriverChoice:
    """What was chosen."""

    name: Literal["thrifty", "stock"]
    reason: str

    def load(self) -> type[Driver] | None:
        """The driver's class; None: the one that Textual takes by itself."""
        if self.name == "stock":
            return None
        from tui.driver.thrifty import ThriftyDriver

        return ThriftyDriver


def choose_driver(
    asked: DriverName = "auto", environ: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> DriverChoice:
    """Judge by what the user asked for, the platform and the environment."""
    if asked == "stock":
        return DriverChoice("stock", "asked for")
    if environ.get("TEXTUAL_DRIVER"):
        return DriverChoice("stock", "TEXTUAL_DRIVER names another one, as in a browser")
    if platform == "win32":
        return DriverChoice("stock", "Windows has its own")
    if asked == "thrifty":
        return DriverChoice("thrifty", "asked for")
    term = environ.get("TERM", "").lower()
    if not _KNOWN.fullmatch(re.split(r"[-.+]", term)[0]):
        return DriverChoice("stock", f"TERM={term or 'not set'} is not known")
    return DriverChoice("thrifty", f"TERM={term} is known to understand it")
