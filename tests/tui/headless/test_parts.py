"""The watcher's log, health file, silence and supervisor, each alone."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from engine.view import EngineView
from tests.tui.delivery.notes import note
from tests.tui.delivery.receiver import until
from tests.tui.views import make_overview, make_view
from tui.delivery.courier import SinkStatus
from tui.delivery.silence import Silence
from tui.headless import log as log_module
from tui.headless.counted import Counted
from tui.headless.health import picture, write_health
from tui.headless.log import LogLines
from tui.headless.supervisor import Supervisor

NS = 1_000_000_000
NOW = 1_750_500_000 * NS


def lines_of(form: log_module.Form, *calls: tuple) -> list[str]:  # type: ignore[type-arg]
    read, write = os.pipe()
    log = LogLines(write, form, lambda: NOW, lambda: None)
    for args, fields in calls:
        log.write(*args, **fields)
    log.close()
    os.close(write)
    with os.fdopen(read) as stream:
        return stream.read().splitlines()


def test_text_and_json() -> None:
    call = (("warning", "fired", "a\x1b[2J\nb", NOW), {"rule": "x\x9by", "n": 3})
    (text,) = lines_of("text", call)
    assert text.startswith("2025-06-21T10:00:00.000Z warning fired      a")
    assert text.endswith("[2025-06-21T10:00:00.000Z]")
    (line,) = lines_of("json", call)
    told = json.loads(line)
    assert (told["time"], told["level"], told["event"], told["n"]) == (
        "2025-06-21T10:00:00.000Z",
        "warning",
        "fired",
        3,
    )
    for shown in (text, line):
        assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in shown)


def test_a_reader_that_stalls_holds_up_nobody_and_is_told_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MOST_WAITING", 5)
    read, write = os.pipe()
    log = LogLines(write, "json", lambda: NOW, lambda: None)
    long = "x" * 900
    for _ in range(500):  # more than the pipe and the queue hold
        log.write("info", "e", long)
    assert log._dropped > 0
    got: list[str] = []

    def drain() -> None:
        with os.fdopen(read) as stream:
            got.extend(stream)

    reader = threading.Thread(target=drain)
    reader.start()
    until(lambda: log._queue.empty(), "written")
    log.write("info", "last", "")
    log.close(30)
    os.close(write)
    reader.join()
    told = [json.loads(line) for line in got]
    assert told[-1]["event"] == "last"
    dropped = sum(line.get("dropped", 0) for line in told)
    assert dropped > 0
    assert len([line for line in told if line["event"] == "e"]) + dropped == 500


def test_a_reader_that_has_gone_is_told() -> None:
    read, write = os.pipe()
    os.close(read)
    gone = threading.Event()
    log = LogLines(write, "text", lambda: NOW, gone.set)
    log.write("info", "e", "x")
    assert gone.wait(30)
    os.close(write)


OVERVIEW: EngineView = make_overview()
STATUS = SinkStatus("ops", "webhook", 2, 1_750_499_940.0, 5, 1, 0, 3, "")


def told(**changes: object) -> dict:  # type: ignore[type-arg]
    view = make_view(t=NOW, recv=NOW - 2 * NS)
    fields = {
        "now": NOW, "started": NOW - 60 * NS, "state": "running", "asked": [view.instrument.market], "views": [view],
        "overview": OVERVIEW, "sinks": [STATUS], "last": note(), "told": 7, "failures": [], "live": True,
    }  # fmt: skip
    return picture(**(fields | changes))  # type: ignore[arg-type]


def test_the_picture_of_health() -> None:
    health = told()
    assert health["ok"]
    (market,) = health["markets"].values()
    assert (market["age_s"], market["book"], market["trades"]) == (2.0, "LIVE", "LIVE")
    assert health["alerts"]["told"] == 7
    assert health["alerts"]["last"]["rule"] == "toxic"
    assert health["sinks"][0]["oldest_s"] == 60.0
    assert (health["sinks"][0]["waiting"], health["uptime_s"], health["pid"]) == (2, 60.0, os.getpid())


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "stopped"},
        {"now": NOW + 60 * NS},
        {"asked": ["binance:ETH/USDT"], "views": []},
        {"asked": [], "views": []},
        {"failures": ["binance: no such symbol"]},
        {"sinks": [SinkStatus("ops", "webhook", 0, None, 0, 0, 0, 0, "HTTP 503")]},
    ],
)
def test_what_is_not_healthy(changes: dict[str, object]) -> None:
    assert not told(**changes)["ok"]


def test_a_recording_has_no_age() -> None:
    health = told(live=False, now=NOW + 10**6 * NS)
    assert health["ok"]
    assert [market["age_s"] for market in health["markets"].values()] == [None]


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "health.json"
    write_health(path, told())
    first = path.stat().st_ino
    write_health(path, told(state="stopped"))
    assert json.loads(path.read_text())["state"] == "stopped"
    assert path.stat().st_ino != first
    assert os.listdir(path.parent) == ["health.json"]
    write_health(path, told(failures=["half a pair \ud800 \x9b2J"]))
    assert path.read_bytes().isascii()
    with pytest.raises(OSError, match="exists"):
        write_health(path / "x", told())


def test_the_same_again_is_counted() -> None:
    counted = Counted()
    times = [0, 1, 59, 60, 61, 130, 100, 101]
    assert [counted.tell("a", t * NS) for t in times] == [1, None, None, 3, None, 2, 1, None]
    assert counted.tell("b", 0) == 1
    for n in range(5000):
        counted.tell(n, 0)
    assert len(counted._since) <= 1000


def test_silence_is_told_once_and_so_is_its_end() -> None:
    silence = Silence(0, 30.0)
    assert silence.look(29 * NS, {"a": None, "b": 1 * NS}) == []
    first = silence.look(31 * NS, {"a": None, "b": 1 * NS})
    assert [(n.market, n.text) for n in first] == [
        ("a", "feed SILENT: it has not opened for 31 s"),
        ("b", "feed SILENT: nothing has come for 30 s"),
    ]
    assert silence.look(90 * NS, {"a": None, "b": 1 * NS}) == []
    back = silence.look(91 * NS, {"a": 90 * NS, "b": 91 * NS})
    assert [n.kind for n in back] == ["recovered", "recovered"]
    assert silence.look(100 * NS, {"a": 99 * NS, "b": 99 * NS}) == []
    assert len({n.key for n in (*first, *back)}) == 4


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears(tmp_path: Path, abstract: bool) -> None:
    name = f"\0flowtape-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(name)
        server.settimeout(30)
        environ = {
            "NOTIFY_SOCKET": name.replace("\0", "@"),
            "WATCHDOG_USEC": "6000000",
            "WATCHDOG_PID": str(os.getpid()),
        }
        supervisor = Supervisor(environ)
        assert supervisor.watchdog == 6.0
        supervisor.ready("watching\nx\ud800")
        supervisor.alive("3 alerts")
        supervisor.reloading()
        supervisor.stopping()
        heard = [server.recv(4096).decode() for _ in range(4)]
    assert heard[0] == "READY=1\nSTATUS=watching x?"
    assert heard[1] == "WATCHDOG=1\nSTATUS=3 alerts"
    assert heard[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[3] == "STOPPING=1"


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    Supervisor({}).ready("x")
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive("x")
    assert Supervisor({"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}).watchdog is None
