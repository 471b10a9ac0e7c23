"""Where the files that a user owns are kept on this platform."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs

_APP = "flowtape"
CONFIG_VARIABLE = "FLOWTAPE_CONFIG"


def config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of `config.toml` and of the user's own themes.

    XDG_CONFIG_HOME counts on macOS too, where people who set it keep their terminal tools' files there.
    """
    return _xdg(environ, "XDG_CONFIG_HOME") or platformdirs.user_config_path(_APP, appauthor=False, roaming=True)


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file when no flag names another: FLOWTAPE_CONFIG, else `config.toml` in `config_dir`."""
    named = environ.get(CONFIG_VARIABLE)
    return Path(named).expanduser() if named else config_dir(environ) / "config.toml"


def themes_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's own themes."""
    return config_dir(environ) / "themes"


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """What the program remembers between runs and could lose without harm."""
    return _xdg(environ, "XDG_STATE_HOME") or platformdirs.user_state_path(_APP, appauthor=False)


def _xdg(environ: Mapping[str, str], variable: str) -> Path | None:
    # A relative path there is invalid and to be ignored, says the XDG base directory specification.
    base = Path(environ.get(variable) or "")
    return base / _APP if base.is_absolute() and sys.platform != "win32" else None
