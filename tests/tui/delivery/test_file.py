"""One line for each alert, whole, whatever happened to the file before."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from tests.tui.delivery.test_webhook import letter
from tui.delivery.file import LinesFile
from tui.delivery.sink import Trouble


async def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "alerts.jsonl"
    file = LinesFile(path, 10)
    await file.send(letter(0))
    await file.send(letter(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.rename(tmp_path / "rotated")
    await file.send(letter(2))
    assert len((tmp_path / "rotated").read_text().splitlines()) == 2
    assert json.loads(path.read_text())["rule"] == "toxic"


async def test_a_torn_line_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(b'{"half')
    await LinesFile(path, 10).send(letter())
    torn, whole = path.read_text().splitlines()
    assert torn == '{"half'
    assert json.loads(whole)


async def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="Is a directory"):
        await LinesFile(tmp_path, 10).send(letter())


async def test_a_disk_that_hangs_gets_every_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, answers = tmp_path / "alerts.jsonl", threading.Event()
    file = LinesFile(path, 0.1)
    append = LinesFile._append

    def slow(self: LinesFile, body: bytes) -> None:
        answers.wait(30)
        append(self, body)

    monkeypatch.setattr(LinesFile, "_append", slow)
    first, second = letter(0), letter(1)
    for _ in range(3):
        with pytest.raises(Trouble, match="has not answered"):
            await file.send(first)
    with pytest.raises(Trouble, match="has not answered"):
        await file.send(second)
    answers.set()
    file._timeout = 30
    await file.send(second)
    assert [json.loads(line)["t"] for line in path.read_text().splitlines()] == [
        json.loads(first.body)["t"],
        json.loads(second.body)["t"],
    ]
