"""The command line: help that teaches, exit codes, and the nearest name for a mistyped one."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tui import cli
from tui.cli import COMMANDS, main
from tui.commands.failure import Failure, UsageError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("FLOWTAPE_CONFIG", "FLOWTAPE_THEME", "FLOWTAPE_FPS"):
        monkeypatch.delenv(name, raising=False)


def ends(words: list[str]) -> int:
    """The exit code, also when the parser ends the program itself."""
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


def test_help_names_every_command_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(["--help"]) == 0
    text = capsys.readouterr().out
    for name, (_, line) in COMMANDS.items():
        assert f"flowtape {name}" in text
        assert line in text
    for part in (
        "examples:",
        "Exit codes: 0 done, 1 failed with a message, 2 usage, 130 interrupted",
        "? lists the keys",
    ):
        assert part in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends([name, "--help"]) == 0
    assert f"usage: flowtape {name}" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(["--version"]) == 0
    assert capsys.readouterr().out == f"flowtape {metadata.version('flowtape')}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["strem"], "'strem' is neither a market nor a command; did you mean 'stream'?"),
        (["strem", "--for", "60s"], "did you mean 'stream'?"),
        (["docter"], "did you mean 'doctor'?"),
        (["BTC/USDT"], "a market is venue:SYMBOL, such as binance:ETH/USDT"),
        (["sim:BTC/USDT", "plya"], "did you mean 'play'?"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["stream", "--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["--color", "pink"], "invalid choice: 'pink'"),
        (["--fps", "fast"], "invalid float value: 'fast'"),
        (["config"], "the following arguments are required"),
        (["play"], "the following arguments are required: SOURCE"),
        (["play", "x", "--speed", "-1"], "--speed: must be 0 or more"),
        (["play", "x", "--speed", "nan"], "--speed: must be 0 or more"),
        ([], "the monitor needs a terminal; for scripts use `flowtape stream`"),
        (["sim:BTC/USDT"], "the monitor needs a terminal"),
    ],
)
def test_wrong_use_ends_with_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_a_recording_where_a_market_is_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.gz"
    file.write_bytes(b"")
    assert ends([str(file)]) == 2
    assert f"is a file; to watch a recording: flowtape play {file}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["play", "/no/such/file.gz"], "/no/such/file.gz: no such file"),
        (["bnance:BTC/USDT"], "did you mean binance"),
    ],
)
def test_what_fails_ends_with_1(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(words) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Failure("the disk\x1b[2J is full\nreally"), 1, "flowtape: the disk"),
        (UsageError("not so"), 2, "flowtape: not so\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_how_a_command_ends(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Command:
        def run(self, args: object) -> int:
            raise error

    monkeypatch.setattr(cli, "_parse", lambda words: Command())
    assert main([]) == code
    text = capsys.readouterr().err
    assert text.startswith(said)
    assert "\x1b" not in text
    assert all(line.startswith("flowtape: ") for line in text.splitlines())


def test_every_command_can_be_loaded() -> None:
    for module, _ in COMMANDS.values():
        assert callable(importlib.import_module(module).add_parser)


def test_output_that_nobody_reads_is_no_error() -> None:
    argv = [sys.executable, "-c", "from tui.cli import main; import sys; sys.exit(main(['stream', '--list']))"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""
