"""Colours and characters are judged right for the terminals that people use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tui.terminal import Color, detect, is_utf8_locale, tell_textual

UTF8 = {"LANG": "en_US.UTF-8"}


@pytest.mark.parametrize(
    ("environ", "color"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Color.TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, Color.TRUE),
        ({"TERM": "xterm-256color"}, Color.C256),
        ({"TERM": "xterm"}, Color.C16),
        ({"TERM": "xterm", "COLORTERM": "yes"}, Color.C16),
        ({"TERM": "xterm-direct"}, Color.TRUE),
        ({"TERM": "alacritty"}, Color.TRUE),
        ({"TERM": "foot"}, Color.TRUE),
        ({"TERM": "foot-extra"}, Color.TRUE),
        ({"TERM": "xterm-kitty"}, Color.TRUE),
        ({"TERM": "xterm-ghostty"}, Color.TRUE),
        ({"TERM": "wezterm"}, Color.TRUE),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, Color.TRUE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}, Color.TRUE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, Color.C256),
        ({"TERM": "xterm-256color", "WT_SESSION": "x"}, Color.TRUE),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, Color.TRUE),
        ({"TERM": "xterm-256color", "VTE_VERSION": "3405"}, Color.C256),
        ({"TERM": "xterm-256color", "VTE_VERSION": "new"}, Color.C256),
        ({"TERM": "rxvt-unicode-256color"}, Color.C256),
        ({"TERM": "linux"}, Color.C16),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Color.MONO),
        ({"TERM": "vt220"}, Color.MONO),
        ({"TERM": "xterm-mono"}, Color.MONO),
        ({}, Color.MONO),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, Color.MONO),
        ({"TERM": "xterm-kitty", "NO_COLOR": ""}, Color.TRUE),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0"}, Color.C256),
        ({"TERM": "screen", "TMUX": "/tmp/x,1,0"}, Color.C256),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0", "COLORTERM": "truecolor"}, Color.TRUE),
        ({"TERM": "tmux-256color", "TMUX": "x", "KITTY_WINDOW_ID": "1"}, Color.C256),
        ({"TERM": "screen.xterm-256color", "STY": "1.x", "COLORTERM": "truecolor"}, Color.C256),
        ({"TERM": "never-heard-of"}, Color.C16),
    ],
)
def test_colour_depth(environ: dict[str, str], color: Color) -> None:
    terminal = detect(environ, platform="linux")
    assert terminal.color is color
    assert terminal.color_reason


@pytest.mark.parametrize(
    ("environ", "glyphs"),
    [
        ({"TERM": "xterm-256color", **UTF8}, "braille"),
        ({"TERM": "xterm-256color", "LC_ALL": "de_DE.utf8", "LANG": "C"}, "braille"),
        ({"TERM": "xterm-256color", "LC_ALL": "C", **UTF8}, "ascii"),
        ({"TERM": "xterm-256color", "LANG": "de_DE.ISO-8859-1"}, "ascii"),
        ({"TERM": "xterm-256color", "LANG": "de_DE.UTF-8@euro"}, "braille"),
        ({"TERM": "xterm-256color", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, "ascii"),
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, "braille"),
        ({"TERM": "xterm-256color"}, "ascii"),
        ({"TERM": "xterm-kitty"}, "braille"),
        ({"TERM": "xterm-kitty", "LANG": "C"}, "ascii"),
        ({"TERM": "tmux-256color", "TMUX": "x", "KITTY_WINDOW_ID": "1"}, "ascii"),
        ({"TERM": "linux", **UTF8}, "ascii"),
        ({"TERM": "dumb", **UTF8}, "ascii"),
        (UTF8, "ascii"),
    ],
)
def test_characters(environ: dict[str, str], glyphs: str) -> None:
    assert detect(environ, platform="linux").glyphs == glyphs


def test_windows_needs_no_term() -> None:
    terminal = detect({"WT_SESSION": "x"}, platform="win32")
    assert (terminal.color, terminal.glyphs) == (Color.TRUE, "braille")
    assert detect({}, platform="win32").color is Color.C16


def test_what_the_user_asks_for_counts() -> None:
    terminal = detect({"TERM": "dumb", "NO_COLOR": "1"}, color="256", glyphs="block", platform="linux")
    assert (terminal.color, terminal.glyphs, terminal.no_color) == (Color.C256, "block", True)


def test_where_it_runs() -> None:
    terminal = detect({"TERM": "screen-256color", "SSH_CONNECTION": "1 2 3 4", "TMUX": "x"})
    assert (terminal.multiplexer, terminal.ssh) == ("tmux", True)
    assert detect({"TERM": "screen"}).multiplexer == "screen"
    assert detect({"TERM": "xterm"}).multiplexer is None


def test_a_locale_that_says_nothing() -> None:
    assert is_utf8_locale({}) is None
    assert is_utf8_locale({"LANG": ""}) is None


def test_textual_paints_what_was_found() -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM")}
    environ["TERM"] = "xterm-ghostty"
    code = (
        "from tui.terminal import detect, tell_textual; tell_textual(detect())\n"
        "from textual import constants; print(constants.COLOR_SYSTEM)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "truecolor\n"


def test_each_depth_has_a_name_that_textual_knows() -> None:
    for choice, expected in (("truecolor", "truecolor"), ("256", "256"), ("16", "standard"), ("none", "standard")):
        environ = {"NO_COLOR": ""}
        tell_textual(detect({"NO_COLOR": "1"}, color=choice), environ)
        assert environ.pop("NO_COLOR", None) == ("1" if choice == "none" else None)
        assert environ == {"TEXTUAL_COLOR_SYSTEM": expected}
