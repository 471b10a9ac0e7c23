"""What was promised is kept, once a sink and key, over crashes and between processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.tui.delivery.notes import note
from tui.delivery import outbox as module
from tui.delivery.notification import Notification
from tui.delivery.outbox import Outbox
from tui.delivery.sink import Letter

LEASE = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def add(outbox: Outbox, sink: str, one: Notification, body: bytes = b"{}") -> bool:
    (outcome,) = outbox.add([(sink, one, body)])
    assert outcome != "full"
    return outcome == "added"


def claim(outbox: Outbox, sink: str = "ops") -> Letter | None:
    return outbox.claim(sink, LEASE)


def test_in_order_and_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "state" / "outbox.db")
    assert outbox.problem is None
    assert [add(outbox, "ops", note(n), b"{}") for n in (0, 1, 0)] == [True, True, False]
    assert add(outbox, "other", note(0), b"{}")
    assert outbox.waiting("ops")[0] == 2
    first = claim(outbox)
    assert first is not None
    assert first.key == note(0).key
    outbox.sent(first)
    assert not add(outbox, "ops", note(0), b"{}")  # delivered: never again
    second = claim(outbox)
    assert second is not None
    assert second.key == note(1).key
    outbox.failed(second, "refused")
    assert claim(outbox) is None
    assert outbox.sinks() == {"other": 1}
    outbox.close()
    assert (tmp_path / "state" / "outbox.db").stat().st_mode & 0o077 == 0


def test_two_sinks_have_different_ids_and_one_sink_always_the_same(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db")
    for sink in ("a", "b"):
        add(outbox, sink, note(0), b"{}")
    a, b = claim(outbox, "a"), claim(outbox, "b")
    assert a is not None
    assert b is not None
    assert a.id != b.id
    outbox.again(a)
    again = claim(outbox, "a")
    assert again is not None
    assert (again.id, again.tries) == (a.id, 1)
    outbox.close()


def test_a_letter_that_nobody_can_digest_does_not_hold_up_the_others() -> None:
    outbox = Outbox(None)
    for n in range(2):
        add(outbox, "ops", note(n), b"{}")
    order = []
    for _ in range(10):
        letter = claim(outbox)
        assert letter is not None
        order.append(letter.key == note(0).key)
        outbox.again(letter)
    assert order == [True] * 4 + [False] * 4 + [True, False]
    outbox.close()


def test_between_processes_a_lease_decides(tmp_path: Path) -> None:
    clock = Clock()
    mine, theirs = (Outbox(tmp_path / "o.db", clock) for _ in range(2))
    add(mine, "ops", note(0), b"{}")
    letter = claim(mine)
    assert letter is not None
    assert claim(theirs) is None
    assert not add(theirs, "ops", note(0), b"{}")
    clock.now += LEASE - 1
    assert claim(theirs) is None
    clock.now += 2  # whoever had it has died
    assert claim(theirs) is not None
    clock.now -= 500_000  # the clock was set back: a lease is no longer than it may be
    assert claim(mine) is not None
    mine.release(letter)
    assert claim(theirs) is not None
    for outbox in (mine, theirs):
        outbox.close()


def test_a_process_that_is_killed_leaves_what_it_promised(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from tui.delivery.outbox import Outbox;"
        "from tests.tui.delivery.notes import note; o = Outbox(Path(sys.argv[1]));"
        "[o.add([('ops', note(n), b'{\"n\": %d}' % n)]) for n in range(20)]; o.claim('ops', 0.0);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "o.db")], check=False)
    assert done.returncode == -9
    outbox = Outbox(tmp_path / "o.db")
    bodies = []
    while (letter := claim(outbox)) is not None:
        bodies.append(letter.body)
        outbox.sent(letter)
    assert bodies == [b'{"n": %d}' % n for n in range(20)]
    outbox.close()


def test_no_more_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    outbox = Outbox(None)
    assert add(outbox, "ops", note(0), b"")
    assert add(outbox, "ops", note(1), b"")
    assert outbox.add([("ops", note(2), b""), ("ops", note(1), b""), ("other", note(2), b"")]) == [
        "full",
        "known",
        "added",
    ]
    outbox.close()


def test_what_is_old_is_forgotten() -> None:
    clock = Clock()
    outbox = Outbox(None, clock)
    add(outbox, "ops", note(0), b"")
    letter = claim(outbox)
    assert letter is not None
    outbox.sent(letter)
    add(outbox, "gone", note(1), b"")
    clock.now += module.REMEMBER_S - 1
    assert outbox.prune() == 0
    clock.now += 2
    assert outbox.prune() == 1
    assert outbox.sinks() == {}
    assert add(outbox, "ops", note(0), b"")
    outbox.close()


def test_a_file_that_is_none_of_ours_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    path.write_bytes(b"not a database, but long enough to be looked at " * 40)
    outbox = Outbox(path)
    assert outbox.problem is not None
    assert "o.db.unused" in outbox.problem
    assert add(outbox, "ops", note(0), b"")
    outbox.close()
    assert (tmp_path / "o.db.unused").read_bytes().startswith(b"not a database")
    again = Outbox(path)
    assert again.problem is None
    assert again.sinks() == {"ops": 1}
    again.close()


def test_where_nothing_can_be_kept_memory_must_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outbox = Outbox(tmp_path / "file" / "o.db")
    assert outbox.problem is not None
    assert "memory" in outbox.problem
    assert add(outbox, "ops", note(0), b"")
    outbox.close()


def test_a_file_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    outbox = Outbox(path)
    assert outbox.problem is not None
    assert "newer" in outbox.problem
    outbox.close()
    assert path.read_bytes() == before or path.exists()
    assert not path.with_name("o.db.unused").exists()


class Model(RuleBasedStateMachine):
    """Against a plain dictionary: nothing lost, nothing twice, whatever the order of what happens."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.outbox = Outbox(None, self.clock)
        self.promised: dict[str, str] = {}  # key -> waiting, sent, failed
        self.held: list[Letter] = []

    @rule(n=st.integers(0, 6))
    def add(self, n: int) -> None:
        key = note(n).key
        assert add(self.outbox, "ops", note(n), b"x") == (key not in self.promised)
        self.promised.setdefault(key, "waiting")

    @rule()
    def claim(self) -> None:
        letter = claim(self.outbox)
        free = {k for k, state in self.promised.items() if state == "waiting"} - {h.key for h in self.held}
        if letter is None:
            assert not free
        else:
            assert letter.key in free
            self.held.append(letter)

    @precondition(lambda self: self.held)
    @rule(what=st.sampled_from(["sent", "failed", "again", "release"]))
    def settle(self, what: str) -> None:
        letter = self.held.pop(0)
        if what == "failed":
            self.outbox.failed(letter, "x")
        else:
            getattr(self.outbox, what)(letter)
        if what in ("sent", "failed"):
            self.promised[letter.key] = what

    @rule()
    def die(self) -> None:
        """All leases run out."""
        self.clock.now += LEASE + 1
        self.held.clear()

    @rule()
    def count(self) -> None:
        waiting = sum(state == "waiting" for state in self.promised.values())
        assert self.outbox.waiting("ops")[0] == waiting

    def teardown(self) -> None:
        self.outbox.close()


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestModel = Model.TestCase
