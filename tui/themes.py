"""Colour themes: `themes/*.toml`, shipped and the user's own, turned into Textual themes.

A theme is three tables of colours. Whatever is wrong in a file is reported with the file's name and
the key, and left out; a theme file can never keep the monitor from starting.
"""

from __future__ import annotations

import difflib
import importlib.resources
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.app import App
from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT = "okabe-dark"
#: The theme without hues, for NO_COLOR and for terminals without colour.
COLOURLESS = "mono"

#: Textual's base colours a theme may set under [colors].
COLORS = (
    "primary",
    "secondary",
    "warning",
    "error",
    "success",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "boost",
)

#: The roles of [flow], each with where it comes from when a theme leaves it out: a variable that is known by
#: then, and how much of it is mixed into the background (1: the colour itself).
ROLES: Mapping[str, tuple[str, float]] = {
    "bid": ("success", 1.0),
    "ask": ("error", 1.0),
    "buy": ("flow-bid", 1.0),
    "sell": ("flow-ask", 1.0),
    "bid-bar": ("flow-bid", 0.3),
    "ask-bar": ("flow-ask", 0.3),
    "flash-up": ("flow-buy", 0.55),
    "flash-down": ("flow-sell", 0.55),
    "alert": ("warning", 1.0),
    "toxic": ("accent", 1.0),
    "large": ("warning", 1.0),
    "mid": ("foreground", 1.0),
    "dim": ("foreground", 0.6),
}

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_TOP = {"name": str, "author": str, "dark": bool, "ansi": bool, "colors": dict, "flow": dict, "textual": dict}
_TEXT_STYLES = frozenset({"none", "bold", "dim", "italic", "reverse", "strike", "underline", "not"})
#: Textual's style sheets name these two under an ANSI theme and do not generate them.
_ANSI_VARIABLES: Mapping[str, str] = {"ansi-background": "ansi_black", "ansi-foreground": "ansi_white"}
_MAX_BYTES = 65_536
_MAX_FILES = 200


@dataclass(slots=True)
class ThemeSet:
    """Loaded themes by name, and what was wrong with the files."""

    themes: dict[str, Theme] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def choose(self, name: str) -> tuple[str, str | None]:
        """The theme to use for a wished name, and a problem when it is not the wished one."""
        if name in self.themes:
            return name, None
        return DEFAULT, f"theme {name[:40]!r} is unknown{nearest(name, self.themes)}; using {DEFAULT}"


def nearest(text: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` or nothing."""
    close = difflib.get_close_matches(text, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


def load_themes(user_dir: Path | None = None) -> ThemeSet:
    """Shipped themes, then those of `user_dir`, which may replace a shipped one of the same name."""
    found = ThemeSet()
    for entry in sorted(importlib.resources.files("themes").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            _add(found, f"themes/{entry.name}", entry.name[:-5], entry.read_bytes)
    if user_dir is not None and user_dir.is_dir():
        try:
            paths = sorted(path for path in user_dir.iterdir() if path.suffix == ".toml")
        except OSError as error:
            found.problems.append(f"{user_dir}: {error.strerror or error}")
            return found
        if len(paths) > _MAX_FILES:
            found.problems.append(f"{user_dir}: only the first {_MAX_FILES} of {len(paths)} themes are read")
        for path in paths[:_MAX_FILES]:
            _add(found, str(path), path.stem, path.read_bytes)
    return found


def _add(found: ThemeSet, where: str, stem: str, read: Callable[[], bytes]) -> None:
    try:
        raw = read()
        if len(raw) > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES} bytes, not read")
        theme, problems = parse_theme(raw.decode("utf-8"), where, stem)
    except OSError as error:
        found.problems.append(f"{where}: {error.strerror or error}")
        return
    except UnicodeDecodeError:
        found.problems.append(f"{where}: not UTF-8 text")
        return
    except ValueError as error:
        found.problems.append(f"{where}: {error}")
        return
    found.problems += problems
    if theme is not None:
        found.themes[theme.name] = theme


def parse_theme(text: str, where: str, stem: str) -> tuple[Theme | None, list[str]]:
    """A theme file's text to a theme and the problems found in it; no theme when it cannot be one.

    `where` names the file in the problems; `stem` is the theme's name when the file gives none.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [f"{where}: {error}"]
    problems: list[str] = []
    top: dict[str, Any] = {}
    for key, value in raw.items():
        kind = _TOP.get(key)
        if kind is None:
            problems.append(f"{where}: unknown key {key[:40]!r}{nearest(key, _TOP)}")
        elif not isinstance(value, kind):
            problems.append(f"{where}: {key} must be a {'table' if kind is dict else kind.__name__}")
        else:
            top[key] = value
    name = top.get("name", stem)
    if not _NAME.fullmatch(name):
        return None, [*problems, f"{where}: name {name[:40]!r}: use lower-case letters, digits, - and _ (at most 40)"]

    colors = _table(top, "colors", COLORS, where, problems)
    flow = _table(top, "flow", tuple(ROLES), where, problems)
    if "primary" not in colors:
        return None, [*problems, f"{where}: colors.primary is needed"]
    theme = Theme(name=name, dark=top.get("dark", True), ansi=top.get("ansi", False), primary=colors.pop("primary"))
    for key, value in colors.items():
        setattr(theme, key, value)
    extra: dict[str, str] = {}
    if "textual" in top:  # generating a palette only to know the names in it takes milliseconds
        known = (*theme.to_color_system().generate(), *_ANSI_VARIABLES)
        extra = _table(top, "textual", known, where, problems)
    needed = _ANSI_VARIABLES if theme.ansi else {}
    theme.variables = {**needed, **{f"flow-{role}": value for role, value in flow.items()}, **extra}
    return theme, problems


def _table(
    top: Mapping[str, Any], table: str, allowed: tuple[str, ...], where: str, problems: list[str]
) -> dict[str, str]:
    good: dict[str, str] = {}
    for key, value in top.get(table, {}).items():
        if key not in allowed:
            problems.append(f"{where}: unknown key {table}.{key[:40]!r}{nearest(key, allowed)}")
        elif not isinstance(value, str) or not _valid(key, value):
            what = "a text style" if key.endswith("style") else "a colour such as '#56b4e9' or 'ansi_cyan'"
            problems.append(f"{where}: {table}.{key} = {str(value)[:40]!r} is not {what}")
        else:
            good[key] = value
    return good


def _valid(key: str, value: str) -> bool:
    if key.endswith("style"):
        return bool(value.split()) and set(value.split()) <= _TEXT_STYLES
    try:
        Color.parse(value)
    except ColorParseError:
        return False
    return True


def with_flow(variables: Mapping[str, str]) -> dict[str, str]:
    """CSS variables with every `flow-…` role defined: theme variables cannot refer to one another, so those a
    theme leaves out are mixed here from the generated palette. A terminal's own colours cannot be mixed: there a
    role is the colour itself."""
    css = dict(variables)
    background = Color.parse(css["background"])
    for role, (source, share) in ROLES.items():
        if f"flow-{role}" in css:
            continue
        color = Color.parse(css[source])
        plain = share == 1.0 or color.ansi is not None or background.ansi is not None
        css[f"flow-{role}"] = css[source] if plain else background.blend(color, share).hex
    return css


class FlowVariables(App[None]):
    """An app whose style sheets may use `$flow-bid` and the other roles, whatever the theme defines."""

    def get_css_variables(self) -> dict[str, str]:
        self.theme_variables = with_flow(super().get_css_variables())
        return self.theme_variables
