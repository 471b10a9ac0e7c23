"""`flowtape config` says where the file is, writes a first one once, and shows what is in effect and why."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tui.commands import config
from tui.config.loading import load
from tui.config.template import TEMPLATE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("FLOWTAPE_CONFIG", "FLOWTAPE_THEME", "FLOWTAPE_FPS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "flowtape" / "config.toml"


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    config.add_parser(parser.add_subparsers())
    args = parser.parse_args(["config", *argv])
    return int(args.run(args))


def test_path(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("path") == 0
    assert run("path", "--config", "/else/where.toml") == 0
    assert capsys.readouterr().out == f"{home}\n/else/where.toml\n"


def test_init_writes_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init") == 0
    assert home.read_text() == TEMPLATE
    home.write_text("fps = 3\n")
    assert run("init") == 1
    captured = capsys.readouterr()
    assert captured.out == f"wrote {home}\n"
    assert captured.err == f"{home}: there already, nothing was written (--force replaces it)\n"
    assert home.read_text() == "fps = 3\n"
    assert run("init", "--force") == 0
    assert home.read_text() == TEMPLATE


def test_init_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run("init", "--config", str(tmp_path / "file" / "config.toml")) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_show_tells_each_origin_and_is_a_configuration(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWTAPE_FPS", "7")
    home.parent.mkdir()
    home.write_text(
        'theme = "mono"\nkeys = { pause = "f9" }\n[venues.binance]\nrest = "https://localhost"\n'
        'endpoints.usdm_ws = "wss://x"\n[[alerts]]\nname = "a"\nwhen = "cvd > 3"\nrearm = 0.5\n'
    )
    assert run("show") == 0
    shown = capsys.readouterr().out
    lines = shown.split("\n")
    assert lines[0] == f"# {home}"
    for line in (
        'theme = "mono"  # line 1',
        "fps = 7.0  # environment FLOWTAPE_FPS",
        'flow = "60s"  # default',
        'pause = "f9"  # line 2',
        "[venues.binance]",
        'rest = "https://localhost"  # line 4',
        'endpoints.usdm_ws = "wss://x"  # line 5',
        "[[alerts]]",
        'when = "cvd > 3"  # line 8',
        'rearm = "0.5"  # line 9',
        'for = "0s"  # default',
    ):
        assert line in lines
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load(again, environ={}).config == load(home).config
    assert load(again, environ={}).problems == ()


def test_show_with_problems_is_an_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.parent.mkdir()
    home.write_text('theme = "mno"\n')
    assert run("show") == 2
    captured = capsys.readouterr()
    assert captured.err == f'{home}:1: theme: unknown theme "mno", did you mean "mono"?; using "okabe-dark"\n'
    assert 'theme = "okabe-dark"  # default' in captured.out


def test_show_keeps_secrets_and_control_bytes_to_itself(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.parent.mkdir()
    home.write_text(
        '[venues.binance]\nrest = "https://me:hunter2@host/"\n'
        '[[alerts]]\nname = "a"\nwhen = "cvd > 3"\nmessage = "x\\u001b[2J\\u009b\\u202e"\n'
    )
    assert run("show") == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert "***@host" in out
    assert not set("\x1b\x9b\u202e") & set(out)


def test_sinks_are_shown_without_what_would_let_others_post(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[[sinks]]\nname = "ops"\nkind = "webhook"\nurl = "https://u:p@example.org/hooks/t0ken?k=1"\n')
    assert run("show", "--config", str(file)) == 0
    out = capsys.readouterr().out
    assert 'url = "https://***@example.org/***"  # line 4' in out
    assert 'rules = ["*"]  # default' in out
    assert "t0ken" not in out
