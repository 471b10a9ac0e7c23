"""What is promised is delivered once it can be, never again once it was acknowledged; whoever posts never waits."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tui.delivery.notes import note
from tests.tui.delivery.receiver import Receiver, until
from tui.delivery import outbox as outbox_module
from tui.delivery.courier import Courier, Destination
from tui.delivery.notification import Notification
from tui.delivery.outbox import Outbox, letter_id
from tui.delivery.sink import Letter, Refused, Route, Sink, Trouble
from tui.delivery.webhook import Webhook

FAST = (0.01, 0.05)


class Script:
    """A sink that does what it is told, then takes everything."""

    def __init__(self, *acts: Exception | str) -> None:
        self.acts = list(acts)
        self.taken: list[Letter] = []
        self.tried: list[str] = []
        self.closed = 0
        self.let_go = threading.Event()

    async def send(self, letter: Letter) -> None:
        self.tried.append(letter.key)
        act = self.acts.pop(0) if self.acts else None
        if isinstance(act, Exception):
            raise act
        if act == "hang":
            while not self.let_go.is_set():
                await asyncio.sleep(0.005)
        self.taken.append(letter)

    async def close(self) -> None:
        self.closed += 1


def to(sink: Sink | None, name: str = "ops", **more: Any) -> Destination:
    fields: dict[str, Any] = {"route": Route(events=("fired", "resolved", "trouble")), "burst": 10_000, "timeout": 5.0}
    return Destination(name=name, kind="test", sink=sink, **(fields | more))


class Running:
    def __init__(self, courier: Courier, reports: list[tuple[str, str]]) -> None:
        self.courier, self.reports = courier, reports

    def said(self, word: str) -> list[str]:
        return [f"{source}: {text}" for source, text in self.reports if word in text]


@contextmanager
def courier(
    *destinations: Destination, path: Path | None = None, grace: float = 20.0, **more: Any
) -> Iterator[Running]:
    reports: list[tuple[str, str]] = []
    made = Courier(
        destinations, lambda: Outbox(path), lambda source, text: reports.append((source, text)), retry=FAST, **more
    )
    made.start()
    try:
        yield Running(made, reports)
    finally:
        made.close(grace)
        assert not made._thread.is_alive()


def keys(*notes: Notification) -> list[str]:
    return [one.key for one in notes]


def test_to_every_sink_that_wants_it() -> None:
    one, two = Script(), Script()
    with courier(to(one), to(two, "high", route=Route("high"))) as running:
        running.courier.post(note(0))
        running.courier.post(note(1, severity="high"))
        until(lambda: len(one.taken) == 2 and two.taken, "delivered")
    assert [letter.key for letter in one.taken] == keys(note(0), note(1))
    assert [letter.key for letter in two.taken] == keys(note(1))
    assert json.loads(one.taken[0].body)["key"] == note(0).key
    assert (one.closed, two.closed) == (1, 1)


def test_trouble_is_told_once_and_tried_until_it_works() -> None:
    sink = Script(*[Trouble("HTTP 503")] * 7)
    with courier(to(sink)) as running:
        running.courier.post(note(0))
        running.courier.post(note(1))
        until(lambda: len(sink.taken) == 2, "delivered")
        until(lambda: running.courier.status()[0].sent == 2, "counted")
        status = running.courier.status()[0]
    assert (status.sent, status.failed, status.waiting, status.problem) == (2, 0, 0, "")
    assert running.said("trying again") == ["ops: HTTP 503; trying again"]
    assert running.said("works again") == ["ops: works again"]
    assert Counter(letter.key for letter in sink.taken) == Counter(keys(note(0), note(1)))


def test_an_unforeseen_fault_shows_no_secret_and_is_tried_again() -> None:
    sink = Script(RuntimeError("https://s3cret"))
    with courier(to(sink)) as running:
        running.courier.post(note(0))
        until(lambda: sink.taken, "delivered")
    assert running.said("RuntimeError") == ["ops: failed: RuntimeError; trying again"]


def test_what_is_refused_is_told_and_not_tried_again() -> None:
    sink = Script(Refused("HTTP 422"))
    with courier(to(sink)) as running:
        running.courier.post(note(0))
        running.courier.post(note(1))
        until(lambda: sink.taken, "delivered")
        until(lambda: running.courier.status()[0].sent == 1, "counted")
        assert running.courier.status()[0].failed == 1
    assert len(sink.tried) == 2
    assert running.said("HTTP 422")


def test_what_is_too_old_is_given_up() -> None:
    sink = Script(*[Trouble("down")] * 1000)
    with courier(to(sink, give_up=0.2), grace=0.0) as running:
        running.courier.post(note(0))
        until(lambda: running.said("gave up"), "given up")
    assert not sink.taken
    assert running.said("gave up")[0].endswith("down; gave up")


def test_a_sink_that_hangs_holds_up_no_other() -> None:
    stuck, fine = Script("hang"), Script()
    with courier(to(stuck, "stuck"), to(fine, "fine")) as running:
        for n in range(50):
            running.courier.post(note(n))
        until(lambda: len(fine.taken) == 50, "the others")
        assert not stuck.taken
        stuck.let_go.set()
        until(lambda: len(stuck.taken) == 50, "and then it")


def test_a_storm_is_held_back_and_summed_up() -> None:
    sink = Script()
    with courier(to(sink, burst=5)) as running:
        for n in range(40):
            running.courier.post(note(n))
        until(lambda: running.courier.status()[0].suppressed == 35, "held back")
    assert len(sink.taken) == 6  # the end does not wait for the minute
    assert sink.taken[-1].title == "flowtape 35 more suppressed"


def test_by_the_tape_a_recording_gives_what_was_given_live() -> None:
    def run(cut: int) -> list[str]:
        sink = Script()
        with courier(to(sink, burst=2), by_tape=True) as running:
            for n in [*range(10), *range(90, 100)]:
                running.courier.post(note(n))
                if n % cut == 0:
                    until(lambda: not running.courier._posted, "taken")
        return [letter.title.removeprefix("flowtape ") for letter in sink.taken]

    toxic = "binance:ETH/USDT: toxic"
    assert run(1) == run(7) == [toxic, toxic, "8 more suppressed", toxic, "9 more suppressed"]


def test_over_a_restart_nothing_is_lost_and_nothing_is_sent_again(tmp_path: Path) -> None:
    path, down, up = tmp_path / "o.db", Script(*[Trouble("down")] * 1000), Script()
    with courier(to(down), path=path, grace=0.0) as first:
        for n in range(5):
            first.courier.post(note(n))
        until(lambda: first.courier.status()[0].waiting == 5, "promised")
    assert first.courier.status()[0].waiting == 5
    with courier(to(up), path=path) as second:
        until(lambda: len(up.taken) == 5, "delivered")
        # The engine goes on from an older checkpoint and finds the same episodes again.
        for n in range(6):
            second.courier.post(note(n))
        until(lambda: len(up.taken) == 6, "only the new one")
    assert [letter.key for letter in up.taken] == keys(*map(note, range(6)))
    assert {letter.id for letter in up.taken} == {letter_id("ops", note(n).key) for n in range(6)}


def test_a_sink_without_its_secret_keeps_what_it_should_get(tmp_path: Path) -> None:
    path, sink = tmp_path / "o.db", Script()
    with courier(to(None, problem="the environment variable X is not set"), path=path, grace=0.0) as running:
        running.courier.post(note(0))
        until(lambda: running.courier.status()[0].waiting == 1, "promised")
        assert running.said("X is not set")
        running.courier.reload([to(sink)])
        until(lambda: sink.taken, "delivered after the reload")


def test_a_reload_cuts_nothing_off(tmp_path: Path) -> None:
    old, new = Script("hang"), Script()
    with courier(to(old), path=tmp_path / "o.db") as running:
        running.courier.post(note(0))
        until(lambda: old.tried, "under way")
        running.courier.reload([to(new), to(Script(), "other")])
        running.courier.post(note(1))
        until(lambda: running.courier.status()[0].waiting == 2, "promised")
        assert not new.tried
        old.let_go.set()
        until(lambda: new.taken, "the rest by the new one")
        assert [status.name for status in running.courier.status()] == ["ops", "other"]
    assert [letter.key for letter in old.taken] == keys(note(0))
    assert [letter.key for letter in new.taken] == keys(note(1))
    assert old.closed == 1


def test_a_full_outbox_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MOST_WAITING", 3)
    with courier(to(None, problem="x"), grace=0.0) as running:
        for n in range(10):
            running.courier.post(note(n))
        until(lambda: running.courier.status()[0].lost == 7, "lost")
    assert len(running.said("further ones are lost")) == 1


def test_a_disk_that_fails_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    sink, add = Script(), Outbox.add

    def full(self: Outbox, *args: Any) -> list[Any]:
        if self._path is not None:
            raise sqlite3.OperationalError("database or disk is full")
        return add(self, *args)

    monkeypatch.setattr(Outbox, "add", full)
    with courier(to(sink), path=tmp_path / "o.db") as running:
        running.courier.post(note(0))
        until(lambda: sink.taken, "delivered from memory")
    assert running.said("disk is full")


def test_posting_never_waits_for_the_disk() -> None:
    hold = threading.Event()

    def slow() -> Outbox:
        hold.wait(30)
        return Outbox(None)

    sink = Script()
    made = Courier([to(sink)], slow, lambda source, text: None)
    made.start()
    for n in range(100):
        made.post(note(n))
    assert not sink.taken
    hold.set()
    assert made.close(20.0) == 0
    assert len(sink.taken) == 100


def test_what_is_posted_to_a_courier_that_has_gone_is_counted() -> None:
    with courier(to(Script())) as running:
        pass
    running.courier.post(note(0))
    assert running.courier.overrun == 1


def test_an_internal_fault_is_said() -> None:
    reports: list[str] = []

    def broken() -> Outbox:
        raise RuntimeError("no")

    made = Courier([to(Script())], broken, lambda source, text: reports.append(text))
    made.start()
    until(lambda: reports, "said")
    made.close(1.0)
    assert "stopped by an internal error" in reports[0]
    made.post(note(0))
    (status,) = made.status()
    assert (status.problem, status.lost) == ("delivery has stopped by an internal error", 1)


# ---- real servers


def test_a_webhook_that_fails_hangs_refuses_and_comes_back(tmp_path: Path) -> None:
    """Every alert arrives, under one key, and none is sent again after its receiver said yes."""
    rng = random.Random(7)
    with Receiver() as receiver:
        hook = to(Webhook(receiver.url, "s3cret", 0.3), timeout=0.3)
        with courier(hook, path=tmp_path / "o.db") as running:
            n = 0
            for mood in (200, 503, "hang", "refuse", 429, 200, "mixed"):
                if mood == "refuse":
                    receiver.stop_listening()
                elif mood == "mixed":
                    receiver.script = rng.choices([200, 500, "hang", 502, 204], k=12)
                else:
                    receiver.mood = mood
                for _ in range(5):
                    running.courier.post(note(n))
                    n += 1
                tries = len(receiver.seen)
                if mood in (503, "hang", 429):
                    until(lambda tries=tries: len(receiver.seen) > tries, "a try")  # type: ignore[misc]
                    assert running.courier.status()[0].waiting > 0
                if mood == "refuse":
                    until(
                        lambda: (
                            "cannot connect to 127.0.0.1: Connection refused" in running.courier.status()[0].problem
                        ),
                        "refused",
                    )
                    receiver.listen_again()
            receiver.mood = 200
            until(lambda: running.courier.status()[0].sent == n, "all of them")
            status = running.courier.status()[0]
        assert (status.waiting, status.failed, status.lost) == (0, 0, 0)
        assert Counter(receiver.kept) == Counter(letter_id("ops", note(i).key) for i in range(n))
        assert not any("s3cret" in text or "t0ken" in text for text in running.said(""))
        assert not receiver.after_yes()


WORKER = """
import sys, time
from pathlib import Path
from tests.tui.delivery.notes import note
from tests.tui.delivery.test_courier import FAST, to
from tui.delivery.courier import Courier
from tui.delivery.outbox import Outbox
from tui.delivery.webhook import Webhook

url, path, first, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
courier = Courier([to(Webhook(url, None, 1.0), timeout=1.0)], lambda: Outbox(path), lambda *said: None, retry=FAST)
courier.start()
for n in range(first, last):
    courier.post(note(n))
while sum(status.waiting + status.sent for status in courier.status()) < last:
    time.sleep(0.001)
print("promised", flush=True)
time.sleep(600)
"""


def test_killed_at_any_moment_nothing_that_was_promised_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with Receiver() as receiver:
        # One receives nothing, one is killed while its request hangs, one while they go through.
        for turn, mood in enumerate((500, "hang", 200)):
            receiver.mood = mood
            child = subprocess.Popen(
                [sys.executable, "-c", WORKER, receiver.url, str(path), str(turn * 10), str(turn * 10 + 10)],
                stdout=subprocess.PIPE,
            )
            assert child.stdout is not None
            assert child.stdout.readline() == b"promised\n"
            child.kill()
            child.wait()
            child.stdout.close()
        receiver.mood = 200
        with _leases_over(path), courier(to(Webhook(receiver.url, None, 5.0)), path=path) as running:
            until(lambda: len(set(receiver.kept)) == 30, "all thirty")
            until(lambda: running.courier.status()[0].waiting == 0, "nothing left")
    assert set(receiver.kept) == {letter_id("ops", note(n).key) for n in range(30)}
    # Killed between the receiver's yes and our note of it, at most that one letter goes out again, under its key.
    assert len(receiver.kept) <= 31


@contextmanager
def _leases_over(path: Path) -> Iterator[None]:
    """As if the time of a lease had passed since the last process died."""
    import sqlite3

    db = sqlite3.connect(path)
    db.execute("UPDATE letters SET lease = 0")
    db.commit()
    db.close()
    yield


def test_two_processes_share_one_outbox_and_send_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with Receiver() as receiver:
        pair = [to(Webhook(receiver.url, None, 5.0)) for _ in range(2)]
        with courier(pair[0], path=path) as one, courier(pair[1], path=path) as two:
            for n in range(60):
                one.courier.post(note(n))
                two.courier.post(note(n))
            until(lambda: len(receiver.kept) >= 60, "all")
            until(lambda: one.courier.status()[0].sent + two.courier.status()[0].sent == 60, "counted")
    assert Counter(receiver.kept) == Counter(letter_id("ops", note(n).key) for n in range(60))
