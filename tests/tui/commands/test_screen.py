"""Flags go before the configuration, that before what the terminal seems to be."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from tui.commands.failure import UsageError
from tui.commands.screen import ScreenSettings, add_screen_arguments, screen_settings
from tui.config.model import Config, Layout, Terminal
from tui.driver.choice import choose_driver
from tui.terminal import Color

LOCAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
SSH = LOCAL | {"SSH_CONNECTION": "10.0.0.1 22 10.0.0.2 22"}


def effective(*words: str, environ: dict[str, str] = LOCAL, **config: Any) -> ScreenSettings:
    """What is in effect with these flags and this configuration."""
    parser = argparse.ArgumentParser()
    add_screen_arguments(parser)
    return screen_settings(parser.parse_args(words), Config(**config), environ, "linux")


def test_what_is_in_effect_by_itself() -> None:
    found = effective()
    assert (found.fps, found.mouse, found.driver.name) == (10.0, True, "thrifty")
    assert (found.terminal.color, found.terminal.glyphs) == (Color.TRUE, "braille")


def test_the_mouse_stays_off_over_ssh() -> None:
    assert not effective(environ=SSH).mouse
    assert not effective(environ=LOCAL | {"SSH_TTY": "/dev/pts/3"}).mouse
    assert effective("--mouse", "on", environ=SSH).mouse
    assert effective(environ=SSH, terminal=Terminal(mouse="on")).mouse
    assert not effective("--mouse", "auto", environ=SSH, terminal=Terminal(mouse="on")).mouse
    assert not effective(terminal=Terminal(mouse="off")).mouse


def test_colours_and_characters() -> None:
    assert effective(terminal=Terminal(color="16")).terminal.color is Color.C16
    assert effective("--color", "256", terminal=Terminal(color="16")).terminal.color is Color.C256
    assert effective("--color", "auto", terminal=Terminal(color="16")).terminal.color is Color.TRUE
    assert effective(layout=Layout(glyphs="block")).terminal.glyphs == "block"
    assert effective("--ascii", layout=Layout(glyphs="block")).terminal.glyphs == "ascii"


def test_low_bandwidth() -> None:
    for low in (effective("--low-bandwidth"), effective(terminal=Terminal(low_bandwidth=True))):
        assert (low.fps, low.mouse, low.terminal.color) == (2.0, False, Color.C256)
    assert effective("--low-bandwidth", fps=1.0).fps == 1.0
    asked = effective("--low-bandwidth", "--fps", "5", "--mouse", "on", "--color", "truecolor")
    assert (asked.fps, asked.mouse, asked.terminal.color) == (5.0, True, Color.TRUE)
    poor = LOCAL | {"TERM": "linux", "COLORTERM": ""}
    assert effective("--low-bandwidth", environ=poor).terminal.color is Color.C16


@pytest.mark.parametrize("fps", ["0", "61", "nan", "-3"])
def test_a_rate_that_cannot_be(fps: str) -> None:
    with pytest.raises(UsageError, match="--fps"):
        effective("--fps", fps)


@pytest.mark.parametrize(
    ("asked", "environ", "platform", "name"),
    [
        ("auto", LOCAL, "linux", "thrifty"),
        ("auto", LOCAL, "darwin", "thrifty"),
        ("auto", {"TERM": "tmux-256color"}, "linux", "thrifty"),
        ("auto", {"TERM": "screen.xterm-256color"}, "linux", "thrifty"),
        ("auto", {"TERM": "xterm-ghostty"}, "linux", "thrifty"),
        ("auto", {"TERM": "vt220"}, "linux", "thrifty"),
        ("auto", {"TERM": "linux"}, "linux", "thrifty"),
        ("auto", {"TERM": "vt100"}, "linux", "stock"),  # cannot switch a single attribute off
        ("auto", {"TERM": "never-heard-of"}, "linux", "stock"),
        ("auto", {}, "linux", "stock"),
        ("thrifty", {"TERM": "never-heard-of"}, "linux", "thrifty"),
        ("stock", LOCAL, "linux", "stock"),
        ("auto", LOCAL, "win32", "stock"),
        ("thrifty", LOCAL, "win32", "stock"),
        ("thrifty", LOCAL | {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}, "linux", "stock"),
    ],
)
def test_the_driver(asked: Any, environ: dict[str, str], platform: str, name: str) -> None:
    choice = choose_driver(asked, environ, platform)
    assert choice.name == name
    assert choice.reason
    loaded = choice.load()
    assert (None if loaded is None else loaded.__name__) == {"stock": None, "thrifty": "ThriftyDriver"}[name]
