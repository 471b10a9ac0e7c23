"""Carries notifications to the sinks, in a thread with a loop of its own.

Whoever posts only appends to a queue: no disk, no name server, no receiver and no library of a service can hold the
engine or the screen. What is posted is first promised (`Outbox`), then sent; a sink that fails is tried again with
growing pauses, the letter keeping its key, until it works or the alert is too old to matter.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connectors.backoff import Backoff
from tui.delivery.burst import Burst
from tui.delivery.notification import Notification, Origin
from tui.delivery.outbox import MOST_WAITING, Outbox
from tui.delivery.sink import Letter, Refused, Route, Sink, Trouble

log = logging.getLogger("flowtape")

#: Posted and not yet promised; more only pile up while the disk hangs.
MOST_POSTED = 10_000
#: Between two tries of a sink that fails, s: full jitter up to so much, doubling to the cap.
RETRY_S, RETRY_CAP_S = 1.0, 60.0
#: How often a sink with nothing to do looks for letters that another process has left, s.
_LOOK_S = 20.0
_PRUNE_S = 3600.0
_MOST_AT_ONCE = 1000  # promises in one go to the disk
Report = Callable[[str, str], None]  # source, text; called in the courier's thread


@dataclass(frozen=True, slots=True)
class Destination:
    """A sink as configured. `sink` None: it can't be used, `problem` says why; what it should get waits."""

    name: str
    kind: str
    sink: Sink | None
    route: Route
    burst: int = 20  # a minute
    timeout: float = 10.0  # s, a try
    give_up: float = 86400.0  # s after the promise
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink stands."""

    name: str
    kind: str
    waiting: int
    oldest: float | None  # when the oldest waiting letter was promised, seconds since the Unix epoch
    sent: int
    failed: int  # given up or refused
    lost: int  # could not even be promised
    suppressed: int  # by the burst limit
    problem: str  # why the last try failed; empty: it did not


@dataclass(eq=False)
class _Worker:
    to: Destination
    burst: Burst
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)  # another takes its place
    task: asyncio.Task[None] | None = None
    busy: bool = False
    waiting: int = 0
    oldest: float | None = None
    sent: int = 0
    failed: int = 0
    lost: int = 0
    problem: str = ""

    def status(self, overrun: int) -> SinkStatus:
        return SinkStatus(
            self.to.name, self.to.kind, self.waiting, self.oldest, self.sent, self.failed, self.lost + overrun,
            self.burst.suppressed, self.problem,
        )  # fmt: skip


class Courier:
    """`post` may be called from any thread and never waits. `by_tape`: the burst limit counts event time, so that a
    recording gives what was given live, however fast it runs."""

    def __init__(
        self,
        destinations: Sequence[Destination],
        outbox: Callable[[], Outbox],
        report: Report,
        *,
        origin: Origin = "live",
        by_tape: bool = False,
        retry: tuple[float, float] = (RETRY_S, RETRY_CAP_S),
    ) -> None:
        self._make_outbox = outbox
        self._report = report
        self._origin: Origin = origin
        self._by_tape = by_tape
        self._retry = retry
        self._posted: deque[Notification] = deque()
        self._orders: deque[Sequence[Destination]] = deque()
        self._workers: list[_Worker] = [_Worker(to, Burst(to.burst), problem=to.problem) for to in destinations]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._grace: float | None = None  # closing, within so many seconds
        self._patient = False
        self._retired: list[_Worker] = []
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flowtape-courier", daemon=True)
        self.overrun = 0  # notifications that found the queue full

    # ---- from any thread

    def start(self) -> None:
        """Begin; also with what an earlier run has left."""
        self._thread.start()

    def post(self, note: Notification) -> None:
        """Take a notification for all sinks that want it."""
        if len(self._posted) >= MOST_POSTED or self._gone.is_set():
            self.overrun += 1
            return
        self._posted.append(note)
        self._nudge()

    def reload(self, destinations: Sequence[Destination]) -> None:
        """Other sinks from now on; one that keeps its name keeps its letters, counts and burst limit."""
        self._orders.append(destinations)
        self._nudge()

    def status(self) -> tuple[SinkStatus, ...]:
        """Every sink now."""
        return tuple(worker.status(self.overrun) for worker in self._workers)

    def close(self, grace: float, *, patient: bool = False) -> int:
        """Let what is posted go out, for `grace` seconds at most; how many letters still wait. Blocks. A sink that
        fails is not waited for, unless `patient`."""
        self._patient = patient
        self._grace = grace
        self._nudge()
        if self._thread.is_alive():
            self._thread.join(grace + 5.0)
        return sum(worker.waiting for worker in self._workers) + len(self._posted)

    def _nudge(self) -> None:
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._news.set)
            except RuntimeError:  # it has just ended
                return

    # ---- in the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            log.exception("delivery stopped")
            for worker in self._workers:
                worker.problem = "delivery has stopped by an internal error"
            self._report("delivery", f"stopped by an internal error: {type(error).__name__}: {error}; restart flowtape")
        finally:
            self._loop = None
            self._gone.set()

    async def _main(self) -> None:
        self._outbox = self._make_outbox()
        if self._outbox.problem is not None:
            self._report("outbox", self._outbox.problem)
        self._pruned = time.monotonic()
        self._safely(self._outbox.prune)
        for worker in self._workers:
            self._begin(worker)
        self._loop = asyncio.get_running_loop()
        try:
            while self._grace is None:
                self._distribute()
                await _within(self._news, self._pause())
            await self._finish(self._grace)
        finally:
            tasks = [worker.task for worker in (*self._retired, *self._workers) if worker.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for worker in self._workers:
                self._count(worker)
            self._outbox.close()

    def _begin(self, worker: _Worker, after: _Worker | None = None) -> None:
        if worker.to.problem:
            self._report(worker.to.name, f"{worker.to.problem}; what it should get waits")
        self._count(worker)
        worker.task = asyncio.create_task(self._serve(worker, after), name=worker.to.name)

    def _pause(self) -> float:
        """Seconds until something is to be done without being told."""
        if self._by_tape:
            return _LOOK_S
        waits = [wait for worker in self._workers if (wait := worker.burst.wait) is not None]
        return min([_LOOK_S, *waits])

    def _distribute(self, *, last: bool = False) -> None:
        """Promise what was posted, and the summaries that are due."""
        self._news.clear()
        while self._orders:
            self._rearrange(self._orders.popleft())
        promises: list[tuple[_Worker, Notification]] = []
        while self._posted and len(promises) < _MOST_AT_ONCE:
            note = self._posted.popleft()
            for worker in self._workers:
                if worker.to.route.takes(note):
                    promises += self._admitted(worker, note)
        for worker in self._workers:
            if last or not self._by_tape:
                promises += self._summary(worker, time.monotonic(), time.time_ns(), last)
        if promises:
            self._promise(promises)
        if self._posted:
            self._news.set()
        if time.monotonic() - self._pruned > _PRUNE_S:
            self._pruned = time.monotonic()
            self._safely(self._outbox.prune)

    def _admitted(self, worker: _Worker, note: Notification) -> list[tuple[_Worker, Notification]]:
        """What the burst limit lets through now."""
        now = note.t / 1e9 if self._by_tape else time.monotonic()
        through = self._summary(worker, now, note.t, last=False)
        if note.kind == "test" or worker.burst.admit(note, now):
            through.append((worker, note))
        return through

    def _summary(self, worker: _Worker, now: float, t: int, last: bool) -> list[tuple[_Worker, Notification]]:
        summary = worker.burst.summary(now, t, self._origin, last=last)
        return [] if summary is None else [(worker, summary)]

    def _promise(self, promises: Sequence[tuple[_Worker, Notification]]) -> None:
        """All at once: it is the disk that takes time."""
        bodies = {note.key: note.body() for _, note in promises}
        letters = [(worker.to.name, note, bodies[note.key]) for worker, note in promises]
        try:
            outcomes = self._outbox.add(letters)
        except (sqlite3.Error, OSError) as error:
            self._fall_back(error)
            outcomes = self._outbox.add(letters)
        for (worker, _), outcome in zip(promises, outcomes, strict=True):
            if outcome == "added":
                worker.wake.set()
            elif outcome == "full":
                worker.lost += 1
                if worker.lost == 1:
                    self._report(worker.to.name, f"{MOST_WAITING} alerts wait for it: further ones are lost")
        for worker in {worker for worker, _ in promises}:
            self._count(worker)

    def _fall_back(self, error: Exception) -> None:
        self._report("outbox", f"can't be written ({error}): alerts wait in memory only, and would be lost at the end")
        self._outbox.close()
        self._outbox = Outbox(None)

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (sqlite3.Error, OSError) as error:
            self._fall_back(error)

    def _count(self, worker: _Worker) -> None:
        def count() -> None:
            worker.waiting, worker.oldest = self._outbox.waiting(worker.to.name)

        self._safely(count)

    def _rearrange(self, destinations: Sequence[Destination]) -> None:
        before = {worker.to.name: worker for worker in self._workers}
        self._retired = [worker for worker in self._retired if worker.task is not None and not worker.task.done()]
        self._workers = []
        for to in destinations:
            worker, old = _Worker(to, Burst(to.burst), problem=to.problem), before.pop(to.name, None)
            if old is not None:
                worker.sent, worker.failed, worker.lost = old.sent, old.failed, old.lost
                if old.to.burst == to.burst:
                    worker.burst = old.burst
                self._retire(old)
            self._workers.append(worker)
            self._begin(worker, old)
        for old in before.values():
            self._retire(old)

    def _retire(self, worker: _Worker) -> None:
        """What it is sending it may finish: cut off, the receiver might get it twice."""
        worker.leave.set()
        worker.wake.set()
        self._retired.append(worker)

    async def _finish(self, grace: float) -> None:
        """Send what can be sent at once."""
        while self._posted:
            self._distribute()
        self._distribute(last=True)
        end = time.monotonic() + grace

        while time.monotonic() < end and self._working():
            await asyncio.sleep(0.02)

    def _working(self) -> bool:
        for worker in self._workers:
            self._count(worker)  # another process may have sent them
        return any(worker.busy for worker in (*self._retired, *self._workers)) or any(
            worker.waiting and (self._patient or not worker.problem) for worker in self._workers
        )

    # ---- one sink

    async def _serve(self, worker: _Worker, after: _Worker | None) -> None:
        if after is not None and after.task is not None:
            await asyncio.wait([after.task])
        sink = worker.to.sink
        if sink is None:
            return
        try:
            await self._deliver(worker, sink)
        finally:
            await sink.close()

    async def _deliver(self, worker: _Worker, sink: Sink) -> None:
        backoff = Backoff(*self._retry)
        while not worker.leave.is_set():
            letter = self._claim(worker)
            if letter is None:
                worker.wake.clear()
                await _within(worker.wake, _LOOK_S)
            elif time.time() - letter.added > worker.to.give_up:
                self._drop(worker, letter, f"{worker.problem or 'it could not be delivered'}; gave up")
            else:
                pause = await self._try(worker, sink, letter)
                if pause is None:
                    backoff.reset()
                elif pause >= 0:
                    await _within(worker.leave, max(pause, backoff.next()))
            self._count(worker)

    def _claim(self, worker: _Worker) -> Letter | None:
        try:
            return self._outbox.claim(worker.to.name, 2 * worker.to.timeout + 30)
        except (sqlite3.Error, OSError) as error:
            self._fall_back(error)
            return None

    async def _try(self, worker: _Worker, sink: Sink, letter: Letter) -> float | None:
        """None: delivered. Else how long to wait before the next letter, at least; below 0: not at all."""
        worker.busy = True
        try:
            await asyncio.wait_for(sink.send(letter), 2 * worker.to.timeout + 5)
        except asyncio.CancelledError:
            self._safely(lambda: self._outbox.release(letter))
            raise
        except Refused as error:
            self._drop(worker, letter, str(error))
            return -1
        except Exception as error:
            # What is not foreseen may hold a secret in its text.
            reason = str(error) if isinstance(error, Trouble) else f"failed: {type(error).__name__}"
            self._safely(lambda: self._outbox.again(letter))
            if not worker.problem:
                self._report(worker.to.name, f"{reason}; trying again")
            worker.problem = reason
            return (error.wait or 0.0) if isinstance(error, Trouble) else 0.0
        finally:
            worker.busy = False
        self._safely(lambda: self._outbox.sent(letter))
        worker.sent += 1
        if worker.problem:
            worker.problem = ""
            self._report(worker.to.name, "works again")
        return None

    def _drop(self, worker: _Worker, letter: Letter, reason: str) -> None:
        self._safely(lambda: self._outbox.failed(letter, reason))
        worker.failed += 1
        self._report(worker.to.name, f"not delivered: {letter.title}: {reason}")


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, for so long at most."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
