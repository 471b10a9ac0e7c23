"""`flowtape markets VENUE [TEXT]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.simulator import DEFAULT_SYMBOLS
from tui.cli import main


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("FLOWTAPE_CONFIG", raising=False)


def test_simulated_markets_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "sim"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["MARKET", "KIND", "TICK", "LOT", "CONTRACT", "NATIVE"]
    assert [row.split()[0] for row in rows] == sorted(f"sim:{symbol}" for symbol in DEFAULT_SYMBOLS)
    # Every column stands under its heading.
    assert all(row[head.index("KIND") :].startswith("spot") for row in rows)


def test_only_names_with_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "sim", "eth"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["sim:ETH/USDT"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sim", "doge"], 1, "sim: none of its"),
        (["bnance"], 1, "there is no venue 'bnance'; did you mean binance"),
        (["sim", "--config", "/no/such.toml"], 2, "no such file"),
    ],
)
def test_what_cannot_be_listed(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
