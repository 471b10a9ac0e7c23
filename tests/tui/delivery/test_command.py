"""A command gets the payload, and can neither stall the courier nor leave anything behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.tui.delivery.test_webhook import letter
from tui.delivery.command import Command
from tui.delivery.sink import Trouble


async def test_it_gets_the_payload_and_no_shell(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import sys, json; json.dump([sys.argv[1:], json.load(sys.stdin)], open(sys.argv[1], 'w'))"
    await Command((sys.executable, "-c", script, str(out), "$HOME; touch x"), 20).send(letter())
    arguments, payload = json.loads(out.read_text())
    assert arguments[1] == "$HOME; touch x"
    assert payload["rule"] == "toxic"


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("/bin/sh", "-c", "echo first >&2; printf 'b\\033[31mad\\n' >&2; exit 3"), "/bin/sh: exit status 3: bad"),
        (("/bin/sh", "-c", "exit 1"), "/bin/sh: exit status 1"),
        (("/bin/sh", "-c", "kill -TERM $$"), "/bin/sh: ended by signal 15"),
        (("/no/such/program",), "/no/such/program: can't be run: No such file or directory"),
        (("/bin/s\0h",), "can't be run"),
    ],
)
async def test_what_went_wrong_is_said(argv: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Trouble) as caught:
        await Command(argv, 20).send(letter())
    assert reason in str(caught.value).replace("\N{REPLACEMENT CHARACTER}", "")
    assert "\x1b" not in str(caught.value)


async def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! $$ > {pids}; trap '' TERM; wait"
    with pytest.raises(Trouble, match="killed, still running"):
        await Command(("/bin/sh", "-c", script), 0.5).send(letter())
    for pid in map(int, pids.read_text().split()):
        await _gone(pid)


async def test_cancelled_it_is_killed_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = Command(("/bin/sh", "-c", f"echo $$ > {pids}; sleep 600"), 600)
    task = asyncio.create_task(command.send(letter()))
    end = time.monotonic() + 30
    while not (pids.exists() and pids.read_text().strip()):
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _gone(int(pids.read_text()))


async def test_one_that_reads_nothing_and_leaves_a_child_with_its_output() -> None:
    # Its own exit counts; a child that was meant to live on is left alone.
    await Command(("/bin/sh", "-c", "sleep 2 & exit 0"), 30).send(letter())


async def _gone(pid: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return  # dead, and its parent (not ours any more) has not looked yet
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")
