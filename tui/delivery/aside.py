"""Blocking work beside the loop, in threads that do not keep the program from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")
_KEPT = 100


async def aside(work: Callable[[], _Value], name: str) -> _Value:
    """What `work` returns or raises, from a daemon thread. Cancelling forgets it; the thread ends when it ends.

    `asyncio.to_thread` would be waited for at the end of the loop and again at that of the interpreter: a file on a
    server that is gone would hold the program for ever.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Value] = loop.create_future()

    def settle(value: _Value | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, failed = None, None
        try:
            value = work()
        except BaseException as error:
            failed = error
        try:
            loop.call_soon_threadsafe(settle, value, failed)
        except RuntimeError:  # the loop has ended meanwhile
            return

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


class Once:
    """Work beside the loop, one piece at a time, each once: what was not waited for to its end may still succeed, so
    whoever comes again with the same name gets that result instead of a second run."""

    def __init__(self, thread: str) -> None:
        self._thread = thread
        self._running: tuple[str, asyncio.Task[object]] | None = None
        self._finished: dict[str, asyncio.Task[object]] = {}  # whose result nobody has had yet

    async def run(self, name: str, work: Callable[[], object], seconds: float) -> object:
        """The result of the work of this name. Raises TimeoutError, after which it goes on, and what `work` raises."""
        if self._running is not None and self._running[0] != name:
            other, task = self._running
            await asyncio.wait([task], timeout=seconds)
            if not task.done():
                raise TimeoutError
            self._running = None
            task.exception()  # looked at: asyncio would complain of one that nobody comes for
            self._finished[other] = task
            while len(self._finished) > _KEPT:
                self._finished.pop(next(iter(self._finished)))
        if name in self._finished:
            return self._finished.pop(name).result()
        if self._running is None:
            self._running = name, asyncio.ensure_future(aside(work, self._thread))
        task = self._running[1]
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError
        self._running = None
        return task.result()
