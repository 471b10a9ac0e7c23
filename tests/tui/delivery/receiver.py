"""A webhook receiver on loopback that hangs, fails, refuses and comes back, and keeps what it acknowledged."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from aiohttp import web

#: Seconds after which something that has not happened counts as never happening.
PATIENCE = 30.0


class Receiver:
    """`mood` is what the next requests meet: a status, or "hang". `seen` has every request, `kept` the ids that got
    a 2xx, in order. It runs in a thread of its own, so that a test may block."""

    def __init__(self) -> None:
        self.mood: int | str = 200
        self.script: list[int | str] = []  # goes before `mood`, one a request
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.kept: list[str] = []
        self.late: list[str] = []
        self.port = 0
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.AppRunner | None = None
        self._hanging = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/s3cret-path?token=t0ken"

    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.seen]

    def after_yes(self) -> list[str]:
        """What came once more although it had been acknowledged."""
        return list(self.late)

    def __enter__(self) -> Receiver:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        self._call(self.refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)

    def _call(self, work: Any) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def stop_listening(self) -> None:
        """Connections are refused from now on."""
        self._call(self.refuse())

    def listen_again(self) -> None:
        """At the same port."""
        self._call(self.listen())

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self.listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def listen(self) -> None:
        self._hanging = asyncio.Event()
        app = web.Application()
        app.router.add_post("/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        self._hanging.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        identity = request.headers["webhook-id"]
        if identity in self.kept:
            self.late.append(identity)
        self.seen.append((identity, dict(request.headers), body))
        mood = self.script.pop(0) if self.script else self.mood
        if mood == "hang":
            await self._hanging.wait()
            return web.Response(status=503)
        status = int(mood)
        if 200 <= status < 300:
            self.kept.append(identity)
        return web.Response(status=status, headers=self.headers)


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something; AssertionError when it never comes."""
    import time

    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.005)
