"""Blocking work beside the loop, in threads that do not keep the program from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")


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
