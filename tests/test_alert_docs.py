"""docs/alerts.md and the systemd unit say what the program does."""

from __future__ import annotations

import argparse
import configparser
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from tests.tui.delivery.notes import note
from tui.cli import COMMANDS
from tui.commands.validators import VALIDATORS
from tui.config.loading import load
from tui.config.sinks import AnySink, Notify, Sink
from tui.delivery import terminal
from tui.delivery.courier import RETRY_CAP_S
from tui.delivery.outbox import MOST_WAITING
from tui.delivery.silence import SILENT_S
from tui.delivery.webhook import _FINAL
from tui.headless.health import STALE_S
from tui.headless.watcher import GRACE_S, HEALTH_S

DOCS = Path(__file__).resolve().parents[1] / "docs"
TEXT = (DOCS / "alerts.md").read_text("utf-8")
UNIT = DOCS / "flowtape-watch.service"


def test_its_configuration_is_valid_and_has_every_kind_of_sink(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("\n".join(re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)))
    loaded = load(file, environ={}, validators=VALIDATORS)
    assert loaded.problems == ()
    kinds = {get_args(get_type_hints(sink)["kind"])[0] for sink in get_args(AnySink)}
    assert {sink.kind for sink in loaded.config.sinks} == kinds
    assert loaded.config.notify == Notify()


def test_the_table_of_conditions_is_understood() -> None:
    from engine.alerts.language import parse_condition

    rows = re.findall(r"^\| `([^`|]+)` \|", TEXT.partition("### Rule language")[2].partition("##")[0], re.MULTILINE)
    assert len(rows) >= 8
    for row in rows:
        parse_condition(row)


def test_every_key_and_every_field_is_there() -> None:
    for struct in (Sink, Notify, *get_args(AnySink)):
        for key in struct.__struct_fields__:
            assert re.search(rf"\b{key}\b", TEXT), key
    for field in note().payload:
        assert field in ("kind", "delivered", "suppressed", "reason") or f"`{field}`" in TEXT, field


def test_figures_are_those_of_the_program() -> None:
    assert f"At most {MOST_WAITING} alerts wait" in TEXT
    assert "at most twelve a\nminute" in TEXT
    assert terminal.BURST == 12
    assert (RETRY_CAP_S, STALE_S, SILENT_S, HEALTH_S, GRACE_S) == (60.0, 30.0, 30.0, 5.0, 5.0)
    assert {
        int(code) for code in re.findall(r"\b4\d\d\b", TEXT.partition("is heeded")[2].partition("refuse")[0])
    } == _FINAL


def test_links_and_commands_exist() -> None:
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", TEXT, re.M)
    }
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("https://"):
            assert (DOCS / link).exists(), link
    for command in re.findall(r"flowtape (watch|notify|doctor|config|alerts)\b", TEXT):
        assert command in COMMANDS


@pytest.mark.parametrize("section", ["watch", "notify"])
def test_help_names_the_options(section: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    import_module(COMMANDS[section][0]).add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args([section, "--help"])
    assert "usage:" in capsys.readouterr().out


def test_the_unit_can_be_read(tmp_path: Path) -> None:
    text = UNIT.read_text("utf-8")
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    assert set(unit.sections()) == {"Unit", "Service", "Install"}
    service = unit["Service"]
    assert service["Type"] == "notify"
    words = service["ExecStart"].split()
    assert words[1] == "watch"
    parser = argparse.ArgumentParser()
    import_module(COMMANDS["watch"][0]).add_parser(parser.add_subparsers())
    assert parser.parse_args(words[1:]).sources == ["binance:BTC/USDT:USDT"]
    if shutil.which("systemd-analyze") is None:
        known = {
            "Type", "ExecStart", "ExecReload", "EnvironmentFile", "Restart", "RestartSec", "RestartPreventExitStatus",
            "WatchdogSec", "TimeoutStopSec", "UMask", "NoNewPrivileges", "LockPersonality", "RestrictRealtime",
            "MemoryMax",
        }  # fmt: skip
        assert set(service) <= known
        return
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace("%h/.local/bin/flowtape", sys.executable).replace("%t", str(tmp_path)))
    # Its own unit alone: those it names live elsewhere.
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(copy)],
        capture_output=True, text=True, check=False, env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    mine = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert mine == []
