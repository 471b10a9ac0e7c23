"""Sinks in the configuration: four kinds, each with its own keys; half a sink is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.config.loading import load
from tui.config.sinks import AppriseSink, CommandSink, FileSink, WebhookSink

GOOD = """
[[sinks]]
name = "ops"
kind = "webhook"
url = "https://example.org/x"
secret_file = "~/secret"
severity = "high"
rules = ["toxic*"]
markets = ["binance:*"]
events = ["fired", "resolved", "trouble"]
burst = 3
timeout = "2s"
give_up = "4h"
[[sinks]]
name = "phone"
kind = "apprise"
url_env = "PHONE"
[[sinks]]
name = "script"
kind = "command"
command = ["/bin/true", "-x"]
[[sinks]]
name = "log"
kind = "file"
path = "~/alerts.jsonl"
"""


def test_every_kind(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(GOOD)
    loaded = load(file, environ={})
    assert loaded.problems == ()
    assert loaded.config.sinks == (
        WebhookSink(
            name="ops",
            kind="webhook",
            url="https://example.org/x",
            secret_file="~/secret",
            severity="high",
            rules=("toxic*",),
            markets=("binance:*",),
            events=("fired", "resolved", "trouble"),
            burst=3,
            timeout="2s",
            give_up="4h",
        ),
        AppriseSink(name="phone", kind="apprise", url_env="PHONE"),
        CommandSink(name="script", kind="command", command=("/bin/true", "-x")),
        FileSink(name="log", kind="file", path="~/alerts.jsonl"),
    )
    assert loaded.config.sinks[2].give_up == "10m"


KINDS = '"webhook", "apprise", "command", "file"'


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (
            "kind = 'webhok'",
            "3: sinks[a].kind",
            f'expected one of {KINDS}, got "webhok", did you mean "webhook"?',
        ),
        (
            "url = 'https://x.y'",
            "1: sinks[a]",
            f'the key "kind" is missing: one of {KINDS}',
        ),
        (
            "kind = 'webhook'",
            "3: sinks[a].kind",
            'exactly one of "url", "url_env" or "url_file" says where to send',
        ),
        (
            "kind = 'webhook'\nurl = 'x.y'",
            "4: sinks[a].url",
            'expected an address that starts with https:// or http://, got "x.y"',
        ),
        (
            "kind = 'webhook'\nurl = 'https://x.y'\nurl_env = 'X'",
            "5: sinks[a].url_env",
            'exactly one of "url", "url_env" or "url_file" says where to send',
        ),
        (
            "kind = 'webhook'\nurl = 'https://x.y'\nsecret_env = 'X'\nsecret_file = 'Y'",
            "6: sinks[a].secret_file",
            'only one of "secret_env" or "secret_file" can hold the secret',
        ),
        (
            "kind = 'apprise'\nurl = 'ntfy://x'",
            "4: sinks[a].url",
            'unknown key "url", did you mean "url_env"?',
        ),
        (
            "kind = 'apprise'\nurl_env = '$X'",
            "4: sinks[a].url_env",
            'expected the name of an environment variable, without $, got "$X"',
        ),
        (
            "kind = 'command'\ncommand = 'ls -l'",
            "4: sinks[a].command",
            'expected a list in square brackets, got "ls -l"',
        ),
        (
            "kind = 'command'\ncommand = []",
            "4: sinks[a].command",
            "expected a list of a program and its arguments, got an empty list",
        ),
        (
            "kind = 'file'\npaht = 'x'",
            "4: sinks[a].paht",
            'unknown key "paht", did you mean "path"?',
        ),
        (
            "kind = 'file'\npath = 'x'\nevents = ['fire']",
            "5: sinks[a].events[#1]",
            'expected one of "fired", "resolved", "trouble", got "fire", did you mean "fired"?',
        ),
        (
            "kind = 'file'\npath = 'x'\ntimeout = '6m'",
            "5: sinks[a].timeout",
            '"6m" is too long; at most "5m"',
        ),
        (
            "kind = 'file'\npath = 'x'\ngive_up = '15d'",
            "5: sinks[a].give_up",
            '"15d" is too long; at most "14d"',
        ),
        (
            "kind = 'file'\npath = 'x'\nburst = 0",
            "5: sinks[a].burst",
            "expected a whole number of alerts a minute from 1 to 10000, got 0",
        ),
        (
            "kind = 'file'\npath = 'x'\n[[sinks]]\nname = 'a'\nkind = 'file'\npath = 'y'",
            "6: sinks[a].name",
            "another sink has this name already",
        ),
    ],
)
def test_half_a_sink_is_none(tmp_path: Path, text: str, where: str, what: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"[[sinks]]\nname = 'a'\n{text}\n")
    loaded = load(file, environ={})
    assert str(loaded.problems[0]) == f"{file}:{where}: {what}; this sink is left out"
    assert len(loaded.config.sinks) == (1 if "[[sinks]]" in text else 0)


def test_an_alert_and_a_sink_may_share_a_name(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[[alerts]]\nname='a'\nwhen='x'\n[[sinks]]\nname='a'\nkind='file'\npath='x'\n")
    assert load(file, environ={}).problems == ()
