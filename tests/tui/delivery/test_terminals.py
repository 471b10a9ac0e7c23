"""Which notifications a terminal gets, by what it says of itself."""

from __future__ import annotations

import pytest

from tui.delivery.terminals import find_path
from tui.tmux import Tmux

UTF8 = {"LANG": "en_US.UTF-8"}
TMUX = {"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0", "TERM_PROGRAM": "tmux", **UTF8}


@pytest.mark.parametrize(
    ("environ", "protocol", "program"),
    [
        ({"TERM": "xterm-kitty"}, "osc99", "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "osc99", "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "osc9", "iterm.app"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "SSH_TTY": "/dev/pts/1"}, "osc9", "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "osc777", "wezterm"),
        ({"TERM": "wezterm"}, "osc777", "wezterm"),
        ({"TERM": "xterm-ghostty"}, "osc777", "ghostty"),
        ({"TERM": "foot-extra"}, "osc777", "foot"),
        ({"TERM": "rxvt-unicode-256color"}, "osc777", "rxvt"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, "osc777", "vte"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}, "osc9", "vscode"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WarpTerminal"}, "osc9", "warpterminal"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "none", "apple_terminal"),
        ({"TERM": "xterm-256color", "WT_SESSION": "x"}, "none", "windows terminal"),
        ({"TERM": "alacritty"}, "none", "alacritty"),
        ({"TERM": "xterm-256color"}, "none", ""),
        ({"TERM": "linux", "KITTY_WINDOW_ID": "1"}, "none", "linux"),
        ({"TERM": "dumb"}, "none", ""),
        ({}, "none", ""),
    ],
)
def test_bare(environ: dict[str, str], protocol: str, program: str) -> None:
    path = find_path({**environ, **UTF8})
    assert (path.protocol, path.program, path.multiplexer) == (protocol, program, None)
    assert path.title == (environ.get("TERM") not in (None, "dumb", "linux"))
    assert path.reason


@pytest.mark.parametrize(
    ("client_term", "client_type", "protocol"),
    [
        ("xterm-kitty", None, "osc99"),
        ("xterm-256color", "iTerm2 3.5.4", "osc9"),
        ("xterm-256color", "WezTerm 20240203-110809-5046fc22", "osc777"),
        ("xterm-256color", "kitty(0.35.2)", "osc99"),
        ("xterm-ghostty", "ghostty 1.1.3", "osc777"),
        ("foot", "foot(1.17.2)", "osc777"),
        ("alacritty", None, "none"),
        ("xterm-256color", "XTerm(390)", "none"),
        ("xterm-256color", None, "none"),
    ],
)
def test_in_tmux_its_client_counts(client_term: str, client_type: str | None, protocol: str) -> None:
    # The server was started in another terminal: what that left in the environment is not true any more.
    environ = {**TMUX, "WEZTERM_PANE": "0"} if protocol != "osc777" else TMUX
    path = find_path(environ, tmux=Tmux((3, 4), "on", True, client_term, client_type))
    assert (path.protocol, path.multiplexer, path.passes) == (protocol, "tmux", True)


def test_in_tmux_without_an_answer_the_environment_must_do() -> None:
    path = find_path({**TMUX, "KITTY_WINDOW_ID": "3"}, tmux=Tmux(None, None, None))
    assert (path.protocol, path.passes) == ("osc99", None)
    assert find_path(TMUX).protocol == "none"


@pytest.mark.parametrize(
    ("tmux", "passes"),
    [
        (Tmux((3, 4), "off", True, "foot"), False),
        (Tmux((3, 4), "on", True, "foot"), True),
        (Tmux((3, 4), "all", True, "foot"), True),
        (Tmux((3, 4), None, True, "foot"), None),
        (Tmux((3, 2), None, True, "foot"), True),
    ],
)
def test_whether_tmux_lets_it_through(tmux: Tmux, passes: bool | None) -> None:
    assert find_path(TMUX, tmux=tmux).passes is passes


def test_screen_and_what_the_user_wants() -> None:
    environ = {"TERM": "screen", "STY": "1.pts", "LC_TERMINAL": "iTerm2", **UTF8}
    assert (find_path(environ).protocol, find_path(environ).multiplexer) == ("osc9", "screen")
    asked = find_path({"TERM": "xterm"}, wanted="osc777")
    assert (asked.protocol, asked.reason, asked.ascii_only) == ("osc777", "asked for", True)
    assert find_path({"TERM": "dumb"}, wanted="osc9").protocol == "osc9"


def test_text_follows_the_locale() -> None:
    assert find_path({"TERM": "xterm-kitty", "LANG": "C"}).ascii_only
    assert not find_path({"TERM": "xterm-kitty", **UTF8}).ascii_only
    assert find_path({"TERM": "xterm-kitty", **UTF8}, ascii_only=True).ascii_only
