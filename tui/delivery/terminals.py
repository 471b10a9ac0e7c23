"""Which notifications the terminal shows, by what it leaves in the environment and what tmux knows of it.

Nothing is asked of the terminal itself. One that is not known gets the bell alone: a sequence that it does not know
might be printed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tui.delivery.escapes import Multiplexer, Protocol
from tui.terminal import detect
from tui.tmux import Tmux, ask

#: By name of the program. VTE stands for GNOME Terminal and its kin, which show OSC 777 where they are patched to
#: (Fedora) and swallow it elsewhere; rxvt-unicode needs its `notify` extension.
_BY_PROGRAM: Mapping[str, Protocol] = {
    "kitty": "osc99",
    "foot": "osc777",
    "ghostty": "osc777",
    "wezterm": "osc777",
    "contour": "osc777",
    "rxvt": "osc777",
    "vte": "osc777",
    "iterm2": "osc9",
    "iterm.app": "osc9",
    "vscode": "osc9",
    "warpterminal": "osc9",
    "zed": "osc9",
    "alacritty": "none",
    "apple_terminal": "none",
    "konsole": "none",
    "linux": "none",
    "windows terminal": "none",
    "xterm": "none",
}
#: Variables that only one terminal sets. Inside a multiplexer they tell where its server was started.
_MARKS = {
    "KITTY_WINDOW_ID": "kitty",
    "GHOSTTY_RESOURCES_DIR": "ghostty",
    "WEZTERM_PANE": "wezterm",
    "ITERM_SESSION_ID": "iterm2",
    "WT_SESSION": "windows terminal",
    "KONSOLE_VERSION": "konsole",
    "ALACRITTY_WINDOW_ID": "alacritty",
    "VTE_VERSION": "vte",
}
_HINTS = {
    "rxvt": "rxvt-unicode shows it with its extension `notify`",
    "vte": "GNOME Terminal and its kin show it where they are patched to (Fedora)",
    "apple_terminal": "Terminal.app marks the tab and the Dock icon at a bell",
    "windows terminal": "Windows Terminal marks the tab at a bell",
    "konsole": "Konsole notifies at a bell: Settings > Configure Notifications",
    "xterm": "xterm marks the window at a bell: XTerm*bellIsUrgent: true",
    "alacritty": "Alacritty marks the window as urgent at a bell, or runs its bell.command",
}


@dataclass(frozen=True, slots=True)
class Path:
    """How a notification gets from here to the desktop."""

    protocol: Protocol
    multiplexer: Multiplexer
    ascii_only: bool
    title: bool  # whether the window's title may be set
    program: str  # the terminal's name, empty when it is not known
    reason: str
    hint: str = ""  # what the terminal needs, or does instead
    passes: bool | None = None  # whether tmux lets it through; None: not known, or no tmux


def find_path(
    environ: Mapping[str, str] = os.environ,
    *,
    wanted: Protocol | None = None,
    tmux: Tmux | None = None,
    ascii_only: bool | None = None,
) -> Path:
    """Judge by the environment, and inside tmux by what it says of its client (`tui.tmux.ask`).

    `wanted` is what the user asked for, None to find out; `ascii_only` the same.
    """
    terminal = detect(environ)
    narrow = terminal.glyphs == "ascii" if ascii_only is None else ascii_only
    program, how = _program(environ, terminal.multiplexer, tmux)
    known = _BY_PROGRAM.get(program, "none")
    bare = terminal.term in ("", "dumb", "unknown", "linux") and terminal.multiplexer is None
    if wanted is not None:
        protocol, reason = wanted, "asked for"
    elif bare:
        protocol, reason = "none", f"TERM={terminal.term}" if terminal.term else "TERM is not set"
    elif program:
        protocol, reason = known, f"the terminal is {program}, says {how}"
    else:
        protocol, reason = "none", "the terminal is not known"
    return Path(
        protocol=protocol,
        multiplexer=terminal.multiplexer,
        ascii_only=narrow,
        title=not bare,
        program=program,
        reason=reason,
        hint=_HINTS.get(program, ""),
        passes=_passes(tmux) if terminal.multiplexer == "tmux" else None,
    )


def path_here(desktop: str, environ: Mapping[str, str] = os.environ, *, ascii_only: bool | None = None) -> Path:
    """The path from this process; asks tmux, which may take a second or two. `desktop` is the setting."""
    tmux = ask() if detect(environ).multiplexer == "tmux" else None
    wanted: dict[str, Protocol] = {"osc9": "osc9", "osc777": "osc777", "osc99": "osc99", "none": "none"}
    return find_path(environ, wanted=wanted.get(desktop), tmux=tmux, ascii_only=ascii_only)


def _passes(tmux: Tmux | None) -> bool | None:
    if tmux is None or tmux.version is None:
        return None
    if tmux.version < (3, 3):
        return True  # before the option there was none to forbid it
    return None if tmux.passthrough is None else tmux.passthrough in ("on", "all")


def _program(environ: Mapping[str, str], multiplexer: Multiplexer, tmux: Tmux | None) -> tuple[str, str]:
    """(name, where it was found); empty when it can't be told."""
    if multiplexer == "tmux" and tmux is not None:
        # The client that looks at tmux now, not the terminal in which its server was once started.
        for text, how in ((tmux.client_type, "tmux of its client"), (tmux.client_term, "tmux of its client's TERM")):
            if text and (name := _named(text)):
                return name, how
        if tmux.client_term:
            return "", ""
    if multiplexer is None:
        program = environ.get("TERM_PROGRAM", "").lower()
        if program in _BY_PROGRAM:
            return program, "TERM_PROGRAM"
    if (forwarded := environ.get("LC_TERMINAL", "").lower()) in _BY_PROGRAM:
        return forwarded, "LC_TERMINAL"
    if multiplexer is None and (name := _named(environ.get("TERM", ""))):
        return name, "TERM"
    for variable, name in _MARKS.items():
        if environ.get(variable):
            return name, variable
    return "", ""


def _named(text: str) -> str:
    """The program that a TERM, or a terminal's own word on its version, speaks of."""
    words = re.split(r"[^a-z0-9.]+", text.lower())
    if words[:2] == ["xterm", "kitty"] or words[:2] == ["xterm", "ghostty"]:
        return words[1]
    first = words[0]
    if first == "xterm":
        return ""  # everybody says so
    return first if first in _BY_PROGRAM else ""
