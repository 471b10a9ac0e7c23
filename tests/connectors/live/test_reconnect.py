"""How connections come back, over hours of a virtual clock: capped, spread, reset by data alone, never given up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import aiohttp

from connectors.live.connection import Connection
from connectors.live.timing import Timing
from connectors.live.venue import Traits
from connectors.live.wire import Event, Fill, Request, TradeMessage
from engine.codes import Channel
from engine.instrument import Instrument
from tests.emulator.virtual_time import run

TIMING = Timing()
HOUR = 3_600.0


class PlainDialect:
    """Every frame is a trade; nothing is acknowledged."""

    url = "ws://exchange"
    ping = None

    def connected(self) -> None:
        """Nothing is kept."""

    def opening(self) -> Sequence[Request]:
        return ()

    def subscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        return [Request(f"subscribe {markets}")]

    def unsubscribe(self, markets: Sequence[tuple[str, Channel]]) -> Sequence[Request]:
        return ()

    def decode(self, frame: bytes) -> Sequence[Event]:
        return [TradeMessage("X", [Fill(1, 1, "1", "1", 1)])] if frame == b"trade" else ()

    def rule(self, instrument: Instrument) -> Any:
        raise AssertionError("no book is asked for")


class FakeSocket:
    """A connection on which the server sends `frames` one every second and then closes."""

    close_code = 1006

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._frames = list(frames)

    async def send_str(self, _text: str) -> None:
        """Taken."""

    async def receive(self) -> aiohttp.WSMessage:
        if not self._frames:
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)
        await asyncio.sleep(1.0)
        return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, self._frames.pop(0), None)

    async def close(self) -> None:
        self._frames.clear()


class Server:
    """What answers connection attempts, and when they came."""

    def __init__(self, answer: Callable[[float], Sequence[bytes] | None]) -> None:
        self._answer = answer
        self.attempts: list[float] = []

    async def ws_connect(self, *_: Any, **__: Any) -> FakeSocket:
        now = asyncio.get_running_loop().time()
        self.attempts.append(now)
        frames = self._answer(now)
        if frames is None:
            raise aiohttp.ClientConnectionError("refused")
        return FakeSocket(frames)


def market() -> Any:
    """A session that takes everything."""
    ignore = lambda *_: None  # noqa: E731
    instrument = Instrument("x", "X/Y", Decimal(1), Decimal(1), native="X")
    names = ("connecting", "subscribed", "disconnected", "book", "trades", "unreadable", "tainted", "ended")
    return SimpleNamespace(instrument=instrument, channels=(Channel.TRADES,), **dict.fromkeys(names, ignore))


def serve(answer: Callable[[float], Sequence[bytes] | None], seconds: float, connections: int = 1) -> list[list[float]]:
    """When each of some connections tried, in `seconds`."""

    async def main() -> list[list[float]]:
        loop = asyncio.get_running_loop()
        servers = [Server(answer) for _ in range(connections)]
        tasks = [
            asyncio.create_task(
                Connection(
                    PlainDialect(), Traits(), server, [market()], lambda _text: None,  # type: ignore[arg-type]
                    timing=TIMING, rng=random.Random(i), clock=lambda: 0, monotonic=loop.time,
                ).run()
            )
            for i, server in enumerate(servers)
        ]  # fmt: skip
        await asyncio.sleep(seconds)
        for task in tasks:
            assert not task.done(), "it gave up"
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [server.attempts for server in servers]

    return run(main())


def waits(attempts: Sequence[float]) -> list[float]:
    return [b - a for a, b in pairwise(attempts)]


def test_a_dead_server_is_asked_for_a_day_at_the_capped_pace() -> None:
    (attempts,) = serve(lambda _now: None, 24 * HOUR)
    pauses = waits(attempts)
    assert max(pauses) <= TIMING.backoff_cap + 1e-6
    assert max(pauses[:3]) <= 4 * TIMING.backoff_base
    assert attempts[-1] > 24 * HOUR - TIMING.backoff_cap
    later = pauses[10:]
    # Full jitter: uniform between nothing and the cap.
    assert 0.4 < sum(later) / len(later) / TIMING.backoff_cap < 0.6
    assert sum(p < TIMING.backoff_cap / 4 for p in later) / len(later) > 0.2


def test_a_server_that_accepts_and_says_nothing_does_not_reset_the_pauses() -> None:
    (attempts,) = serve(lambda _now: [], HOUR)
    assert len(attempts) < 2.5 * HOUR / (TIMING.backoff_cap / 2)
    (chatting,) = serve(lambda _now: [b"hello"], HOUR)
    assert len(chatting) < 2.5 * HOUR / (TIMING.backoff_cap / 2)


def test_data_resets_the_pauses_once_it_has_lasted() -> None:
    def answer(now: float) -> Sequence[bytes] | None:
        if now < HOUR:
            return None
        return [b"trade"] * (3 if now < 2 * HOUR else 20)

    (attempts,) = serve(answer, 3 * HOUR)
    brief = [p for a, p in zip(attempts, waits(attempts), strict=False) if HOUR < a < 2 * HOUR - 60]
    lasting = [p for a, p in zip(attempts, waits(attempts), strict=False) if a > 2 * HOUR + 120]
    assert max(brief) > 3 + TIMING.backoff_cap / 2, "three seconds of data prove nothing"
    assert max(lasting) <= 20 + 1 + 2 * TIMING.backoff_base, "after lasting data one tries at once"


def test_fifty_connections_that_lose_their_server_together_do_not_come_back_together() -> None:
    died = HOUR

    def answer(now: float) -> Sequence[bytes] | None:
        return [b"trade"] * int(died - now) if now < died else None

    runs = serve(answer, died + 600, connections=50)
    after = [t - died for attempts in runs for t in attempts if t > died + 60]
    busiest = max(Counter(int(t * 10) for t in after).values())
    assert busiest <= 8, f"{busiest} of 50 within a tenth of a second"
    assert all(any(t > died + 500 for t in attempts) for attempts in runs)
