"""What the terminal can show: how many colours, which characters; judged from the environment alone.

Nothing is asked of the terminal itself: the answer would come over a link that may be slow or one-way. Rich and
Textual know only part of the names below (alacritty, foot, ghostty and wezterm fall to 16 colours over SSH, where
COLORTERM does not arrive), so the judgement is made here and handed to Textual before it is imported.
"""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

Glyphs = Literal["braille", "block", "ascii"]
COLOR_CHOICES = ("auto", "truecolor", "256", "16", "none")


class Color(Enum):
    """Colour depth. The value is how `--color` names it."""

    TRUE = "truecolor"
    C256 = "256"
    C16 = "16"
    MONO = "none"


_TEXTUAL = {Color.TRUE: "truecolor", Color.C256: "256", Color.C16: "standard", Color.MONO: "standard"}

# By the first part of TERM. All of these draw 24-bit colours and UTF-8, whether or not they say so.
_MODERN = frozenset({"alacritty", "contour", "foot", "ghostty", "iterm2", "kitty", "rio", "wezterm"})
_PROGRAMS = {  # TERM_PROGRAM, or LC_TERMINAL, which SSH forwards
    "iterm.app": Color.TRUE,
    "iterm2": Color.TRUE,
    "wezterm": Color.TRUE,
    "ghostty": Color.TRUE,
    "vscode": Color.TRUE,
    "warpterminal": Color.TRUE,
    "mintty": Color.TRUE,
    "hyper": Color.TRUE,
    "apple_terminal": Color.C256,
}
_COLOURLESS = re.compile(r"dumb|unknown|cons25-m|vt\d+|.*-m(?:ono)?")
_BY_TERM = {"linux": Color.C16, "cygwin": Color.C16, "ansi": Color.C16, "tmux": Color.C256, "putty": Color.C256}
_NO_UTF8 = re.compile(r"dumb|unknown|linux|ansi|cygwin|cons25.*|vt\d+")
_VTE_TRUECOLOR = 3600  # VTE_VERSION from which GNOME's and kindred terminals draw 24-bit colours


@dataclass(frozen=True, slots=True)
class Terminal:
    """What was found, each with its reason in words."""

    term: str
    multiplexer: Literal["tmux", "screen"] | None
    ssh: bool
    color: Color
    color_reason: str
    no_color: bool  # asked for by NO_COLOR
    glyphs: Glyphs
    glyphs_reason: str

    def at_most(self, color: str, reason: str) -> Terminal:
        """The same with no more colours than `color` (one of COLOR_CHOICES but "auto")."""
        depths = list(Color)
        if depths.index(self.color) >= depths.index(Color(color)):
            return self
        return replace(self, color=Color(color), color_reason=reason)


def detect(
    environ: Mapping[str, str] = os.environ,
    *,
    color: str = "auto",
    glyphs: Glyphs | Literal["auto"] = "auto",
    platform: str = sys.platform,
) -> Terminal:
    """Judge the terminal. `color` is one of COLOR_CHOICES, `glyphs` "auto" or a set: what the user asked for."""
    term = environ.get("TERM", "").lower()
    multiplexer = _multiplexer(environ, term)
    depth, depth_reason = (
        (Color(color), "asked for") if color != "auto" else _color(environ, term, multiplexer, platform)
    )
    chosen, glyphs_reason = (glyphs, "asked for") if glyphs != "auto" else _glyphs(environ, term, multiplexer, platform)
    return Terminal(
        term=term,
        multiplexer=multiplexer,
        ssh=bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")),
        color=depth,
        color_reason=depth_reason,
        no_color=bool(environ.get("NO_COLOR")),
        glyphs=chosen,
        glyphs_reason=glyphs_reason,
    )


def mouse_default(environ: Mapping[str, str]) -> bool:
    """Whether to use the mouse: not over SSH, where every cell it crosses would travel."""
    return not (environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def tell_textual(terminal: Terminal, environ: MutableMapping[str, str] = os.environ) -> None:
    """Hand the colour depth to Textual before an app is made, if possible before Textual is imported.

    NO_COLOR is made to agree, so that a depth asked for on the command line counts for everyone who reads it.
    """
    environ["TEXTUAL_COLOR_SYSTEM"] = _TEXTUAL[terminal.color]
    imported = sys.modules.get("textual.constants")
    if imported is not None:  # it has read the variable
        vars(imported)["COLOR_SYSTEM"] = _TEXTUAL[terminal.color]
    if terminal.color is Color.MONO:
        environ["NO_COLOR"] = "1"
    else:
        environ.pop("NO_COLOR", None)


def hung_up(fileno: int) -> bool:
    """Whether the terminal behind a file is gone: its window was closed, or the connection to it.

    The signal that says so goes to the leader of the session, and one that lives on (make, some shells) leaves its
    programs to find out.
    """
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(fileno, 0)
    try:
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
    except OSError:
        return False


def is_utf8_locale(environ: Mapping[str, str]) -> bool | None:
    """Whether the locale says UTF-8; None when it says nothing.

    Python sets LC_CTYPE to C.UTF-8 for itself when the locale is C or absent (PEP 538): that is not the user's word.
    """
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    values = {name: environ.get(name, "") for name in names}
    plain = values["LANG"] in ("", "C", "POSIX")
    if not values["LC_ALL"] and plain and values["LC_CTYPE"] in ("C.UTF-8", "C.utf8"):
        values["LC_CTYPE"] = ""
    value = next((values[name] for name in names if values[name]), "")
    if not value:
        return None
    return value.lower().replace("-", "").partition("@")[0].endswith("utf8")


def _multiplexer(environ: Mapping[str, str], term: str) -> Literal["tmux", "screen"] | None:
    if environ.get("TMUX") or term.startswith("tmux"):
        return "tmux"
    return "screen" if environ.get("STY") or term.startswith("screen") else None


def _modern(environ: Mapping[str, str], term: str) -> str | None:
    """The name of a terminal that is known to draw everything, by TERM or what else it leaves in the environment."""
    for part in term.removeprefix("xterm-").split("-"):
        if part in _MODERN:
            return part
    for variable in ("TERM_PROGRAM", "LC_TERMINAL"):
        program = environ.get(variable, "")
        if _PROGRAMS.get(program.lower()) is Color.TRUE:
            return program
    for variable in ("WT_SESSION", "KONSOLE_VERSION", "KITTY_WINDOW_ID"):
        if environ.get(variable):
            return variable
    vte = environ.get("VTE_VERSION", "")
    return "VTE_VERSION" if vte.isdecimal() and int(vte) >= _VTE_TRUECOLOR else None


def _color(
    environ: Mapping[str, str], term: str, multiplexer: Literal["tmux", "screen"] | None, platform: str
) -> tuple[Color, str]:
    if environ.get("NO_COLOR"):
        return Color.MONO, "NO_COLOR is set"
    if platform != "win32" and (not term or _COLOURLESS.fullmatch(term)):
        return Color.MONO, f"TERM={term}" if term else "TERM is not set"
    says_true = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    if multiplexer == "screen":
        # GNU screen hands COLORTERM of the outer terminal on, but cuts 24-bit colours before version 5.
        return Color.C256, "inside screen"
    if says_true:
        return Color.TRUE, "COLORTERM says so"
    if multiplexer == "tmux":
        # What surrounds tmux is hidden from here; it maps 256 colours to what its client has.
        return Color.C256, "inside tmux, COLORTERM is not set"
    if term.endswith("-direct"):
        return Color.TRUE, f"TERM={term}"
    if (name := _modern(environ, term)) is not None:
        return Color.TRUE, f"{name} is known to have them"
    program = environ.get("TERM_PROGRAM", "").lower()
    if program in _PROGRAMS:
        return _PROGRAMS[program], f"TERM_PROGRAM={program}"
    if "256color" in term:
        return Color.C256, f"TERM={term}"
    if platform == "win32":
        return Color.C16, "a Windows console that does not say more"
    first = term.partition("-")[0]
    return _BY_TERM.get(first, Color.C16), f"TERM={term}"


def _glyphs(
    environ: Mapping[str, str], term: str, multiplexer: Literal["tmux", "screen"] | None, platform: str
) -> tuple[Glyphs, str]:
    if platform == "win32":
        return "braille", "Windows"
    if not term or _NO_UTF8.fullmatch(term):
        return "ascii", f"TERM={term}" if term else "TERM is not set"
    utf8 = is_utf8_locale(environ)
    if utf8 is None and multiplexer is None and (name := _modern(environ, term)) is not None:
        return "braille", f"{name} is known to have them"
    if not utf8:
        return "ascii", "the locale is not UTF-8" if utf8 is False else "no locale is set"
    return "braille", "the locale is UTF-8"
