"""`flowtape alerts`: what it lists, what it refuses and where, and what it finds on a recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.alerts.presets import CATALOGUE
from tests.tui.commands.test_study import capture
from tui.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """(exit code, what was printed, what was said) of `flowtape alerts …`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["alerts", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def configured(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return file


def tried(out: str) -> dict[str, dict[str, Any]]:
    """The rows of the table by rule."""
    table = json.loads(out)
    return {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}


def test_the_list_has_every_preset_with_its_line_and_the_users_rules(run: Run, tmp_path: Path) -> None:
    file = configured(
        tmp_path,
        'presets = ["drawdown"]\n[[alerts]]\nname = "m\\u001b[2J"\nwhen = "cvd > 5"\nrearm = 3\nenabled = false\n',
    )
    code, out, _ = run("list", "--config", file)
    assert code == 0
    for name, preset in CATALOGUE.items():
        assert f"{'on ' if name == 'drawdown' else 'off'} {name}" in out
        assert preset.line in out
        assert all(rule.when in out for rule in preset.rules)
    assert "\x1b" not in out
    assert "no rules of your own" in run("list")[1]
    file.write_text('[[alerts]]\nname = "mine"\nwhen = "cvd > 5"\nrearm = 3\nfor = "2s"\nenabled = false\n')
    assert "off mine                 cvd > 5, for 2s, re-arm 3" in run("list", "--config", file)[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[[alerts]]\nname = "a"\nwhen = "vpn > 1"\n',
            ":3: alerts[a].when: column 1: unknown metric 'vpn'; did you mean 'vpin'?",
        ),
        ('[[alerts]]\nname = "a"\nwhen = "vpin > 1"\nrearm = "2"\n', ":4: alerts[a].rearm: '2' must lie at or below"),
        (
            '[[alerts]]\nname = "a"\nwhen = "cvd > 1"\nfro = "2s"\n',
            ':4: alerts[a].fro: unknown key "fro", did you mean "for"?',
        ),
        (
            '[[alerts]]\nname = "a"\nwhen = "cvd > 1"\nmessage = "{x}"\n',
            ":4: alerts[a].message: {x} can't be filled in",
        ),
        ('[[alerts]]\nname = "a"\nwhen = "cvd > 1"\nrepeat = "often"\n', ':4: alerts[a].repeat: expected "never" or'),
        ('[[alerts]]\nname = "a"\nwhen = "cvd > 1"\nexpires = "soon"\n', ":4: alerts[a].expires: 'soon' is no day"),
        ('[quiet_hours]\nfrom = "25:00"\n', ":2: quiet_hours.from: expected a time of day"),
        ('[quiet_hours]\nzone = "Berlin"\n', ':2: quiet_hours.zone: "Berlin" is no time zone'),
        ('presets = ["drawdwn"]\n', 'unknown preset "drawdwn", did you mean "drawdown"?'),
    ],
)
def test_what_is_wrong_is_told_with_its_place(run: Run, tmp_path: Path, text: str, said: str) -> None:
    file = configured(tmp_path, text)
    code, out, err = run("check", "--config", file)
    assert (code, out) == (2, "")
    assert f"{file}" in err
    assert said in err


def test_what_is_right_is_counted(run: Run, tmp_path: Path) -> None:
    text = '[[alerts]]\nname = "a"\nwhen = "cvd > 1"\n[[alerts]]\nname = "b"\nwhen = "cvd > 2"\nenabled = false\n'
    code, out, err = run("check", "--config", configured(tmp_path, f'presets = ["expensive-book"]\n{text}'))
    assert (code, err) == (0, "")
    assert out.endswith("3 rules are right (1 more are off)\n")


def test_a_recording_tells_what_would_have_fired(run: Run, tmp_path: Path) -> None:
    """Bid sizes step 1 2 3 4 5 every half second for a minute: 2.5 s a round, 4 and 5 for one second of it."""
    file = capture(tmp_path / "c.gz")
    rules = """presets = []
[[alerts]]
name = "often"
when = "bid_size >= 4"
[[alerts]]
name = "seldom"
when = "bid_size >= 4"
cooldown = "10s"
[[alerts]]
name = "long"
when = "bid_size >= 4"
rearm = 1
[[alerts]]
name = "never"
when = "bid_size >= 4"
for = "2s"
[[alerts]]
name = "elsewhere"
when = "bid_size >= 4"
on = "sim:*"
"""
    config = configured(tmp_path, rules)
    code, out, _ = run("test", "--config", config, "--on", file, "--json", "--per-day", "100000")
    assert code == 0
    rows = tried(out)
    assert set(rows) == {"often", "seldom", "long", "never"}
    often, seldom, long, never = (rows[name] for name in ("often", "seldom", "long", "never"))
    assert often["episodes"] == 24
    assert often["suppressed"] == 0
    assert often["longest"] == "1.0 s"
    assert often["a day"] == pytest.approx(24 * 1440, rel=0.03)
    assert (seldom["episodes"], seldom["suppressed"]) == (24, 18)
    assert (long["episodes"], long["bare"]) == (1, 24)  # `< 1` never comes
    # Levels are looked for from the middle of what was seen on.
    assert (never["episodes"], never["level"], often["level"]) == (0, 3.0, 3.0)
    text = run("test", "--config", config, "--on", file)[1]
    assert text.startswith("What the rules would have done\nrule ")
    assert "says little about a day" in text


def test_a_single_condition_and_every_alert_as_a_line(run: Run, tmp_path: Path) -> None:
    file = capture(tmp_path / "c.gz")
    words = (
        "test",
        "--on",
        file,
        "--when",
        "bid_size >= 4 and last > 1",
        "--hold",
        "500ms",
        "--rearm",
        "3",
        "--events",
    )
    code, out, _ = run(*words)
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert {event["kind"] for event in events} == {"fired", "resolved"}
    assert all("detected" not in event for event in events)
    assert events[0]["readings"][1]["what"] == "last"
    assert events[0]["surroundings"]["mid"] is not None
    # The same lines whenever it is asked.
    assert run(*words)[1] == out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--when", "bid_size > x"), "--when: column 12: unknown metric 'x'"),
        (("--when", "bid_size > 1", "--rearm", "2"), "--rearm: '2' must lie at or below"),
        (("--when", "bid_size > 1", "--hold", "x"), "--hold: 'x' is not a duration"),
        (("--rearm", "2"), "--rearm goes with --when"),
        (("--preset", "drwdown"), 'unknown preset "drwdown", did you mean "drawdown"?'),
        (("--per-day", "0"), "--per-day: must be a number above 0"),
    ],
)
def test_what_cannot_be_tried(run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    code, out, err = run("test", "--on", capture(tmp_path / "c.gz"), *words)
    assert (code, out) == (2, "")
    assert said in err


def test_recordings_only(run: Run, tmp_path: Path) -> None:
    code, _, err = run("test", "--on", "binance:ETH/USDT")
    assert code == 2
    assert "is a live market" in err
    code, _, err = run("test", "--on", tmp_path / "no.gz")
    assert code == 1
    file = configured(tmp_path, "presets = []\n")
    code, _, err = run("test", "--config", file, "--on", capture(tmp_path / "c.gz"))
    assert code == 2
    assert "no rules to try" in err


def test_the_simulated_market_can_be_tried_without_any_file(run: Run) -> None:
    code, out, _ = run("test", "--on", "sim:BTC/USDT", "--for", "30s", "--when", "abs(imbalance(5)) > 0.5", "--json")
    assert code == 0
    assert tried(out)["--when"]["episodes"] > 0
