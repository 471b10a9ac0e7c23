"""Checkpoint files: whole or not at all, private, and out of the way when they can't be used."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from tui.checkpoints import CheckpointFiles

MARKET = "binance:ETH/USDT:USDT"


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path / "state" / "checkpoints")
    assert files.load(MARKET) is None
    files.save(MARKET, b"one")
    files.save(MARKET, b"two")
    assert files.load(MARKET) == b"two"
    assert len(names(tmp_path / "state" / "checkpoints")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_the_user_can_read_them(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path / "checkpoints")
    files.save(MARKET, b"x")
    assert stat.S_IMODE(files.path(MARKET).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "checkpoints").stat().st_mode) == 0o700


@pytest.mark.parametrize("market", ["sim:A/B", "../../etc/passwd", "x:\x00\n", "v:" + "Ä" * 500, "v:A/B ", "v:A-B", ""])
def test_names_stay_in_the_folder(tmp_path: Path, market: str) -> None:
    files = CheckpointFiles(tmp_path)
    files.save(market, market.encode())
    assert files.load(market) == market.encode()
    assert files.path(market).parent == tmp_path
    assert len(files.path(market).name) < 120


def test_different_markets_have_different_files(tmp_path: Path) -> None:
    files = CheckpointFiles(tmp_path)
    markets = ["v:A/B", "v:A-B", "v:A/B:B", "v:a/b", "v:A//B", "v-A:B"]
    assert len({files.path(market) for market in markets}) == len(markets)


def test_a_failed_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = CheckpointFiles(tmp_path)
    files.save(MARKET, b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.save(MARKET, b"new")
    assert files.load(MARKET) == b"old"
    assert len(names(tmp_path)) == 1


def test_set_aside_is_kept_but_not_found_again(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    files = CheckpointFiles(tmp_path, clock=lambda: now)
    assert files.set_aside(MARKET, "damaged") is None
    for i in range(5):
        now += 1
        files.save(MARKET, b"%d" % i)
        where = files.set_aside(MARKET, "damaged")
        assert where is not None
        assert Path(where).read_bytes() == b"%d" % i
        assert files.load(MARKET) is None
    assert len(names(tmp_path)) == 3
    assert Path(where).exists()


def test_fresh_reads_nothing_and_writes_all_the_same(tmp_path: Path) -> None:
    CheckpointFiles(tmp_path).save(MARKET, b"old")
    fresh = CheckpointFiles(tmp_path, fresh=True)
    assert fresh.load(MARKET) is None
    fresh.save(MARKET, b"new")
    assert CheckpointFiles(tmp_path).load(MARKET) == b"new"


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / ".new-old", tmp_path / ".new-new"
    for file, age in ((old, 3600), (new, 0)):
        file.write_bytes(b"half")
        os.utime(file, (time.time() - age, time.time() - age))
    files = CheckpointFiles(tmp_path)
    files.save(MARKET, b"x")
    assert names(tmp_path) == sorted([".new-new", files.path(MARKET).name])
