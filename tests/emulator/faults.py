"""What goes wrong on the way from an exchange, by name. Each fault runs against a feed that is live."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.codes import Channel, Reason, Trust
from tests.emulator.exchange import Binary, Exchange, Frame, answer, eventually
from tests.emulator.seeded import SeededMarket
from tests.emulator.watched import WatchedEngine, WatchedSink


@dataclass
class Run:
    """A feed over two markets of one exchange; faults aim at `market`, `calm` must not notice."""

    exchange: Exchange[Any]
    engine: WatchedEngine
    market: SeededMarket
    calm: SeededMarket
    unseen: set[int] = field(default_factory=set)  # trades whose loss nothing on the wire shows
    task: asyncio.Task[None] | None = None  # the feed
    other_ids: bool = False  # the connector gives trades ids of its own

    @property
    def sink(self) -> WatchedSink:
        """The sink of the market that is aimed at."""
        sink = self.engine.of(self.market)
        assert sink is not None
        return sink

    async def step(self, count: int = 1, trades: int = 1) -> None:
        """Both markets go on."""
        for _ in range(count):
            for market in (self.market, self.calm):
                await self.exchange.step(market, trades=trades)
            await asyncio.sleep(0)

    async def settle(self, seconds: float = 8.0) -> None:
        """Goes on until both books are the true ones and every trade has come."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            if self.task is not None and self.task.done():
                self.task.result()
            if all(self.exchange.listened(m, c) for m in (self.market, self.calm) for c in (BOOK, TRADES)):
                await self.step()
                if await self._comes(self._settled, 0.3):
                    return
            else:
                await asyncio.sleep(0.005)
            if asyncio.get_running_loop().time() > end:
                said = {m.symbol: (s.said[-6:] if s else None) for m, s in self._sinks()}
                raise AssertionError(f"not settled within {seconds} s: {said}; {self.engine.notices[-3:]}")

    def _sinks(self) -> list[tuple[SeededMarket, WatchedSink | None]]:
        return [(m, self.engine.of(m)) for m in (self.market, self.calm)]

    def _settled(self) -> bool:
        return all(s is not None and s.current and bool(s.trades) and self._newest(s, m) for m, s in self._sinks())

    def _newest(self, sink: WatchedSink, market: SeededMarket) -> bool:
        """Whether the market's last trade has come."""
        if self.other_ids:
            return sink.trades[-1].ts == market.prints[-1].ms * 1_000_000
        return sink.ids[-1] == self.exchange.trade_id(market.prints[-1])

    async def _comes(self, condition: Callable[[], bool], seconds: float) -> bool:
        try:
            await eventually(condition, seconds=seconds)
        except AssertionError:
            return False
        return True

    async def mangled(self, mangle: Callable[[Frame], Iterable[bytes]], channel: Channel, steps: int = 1) -> None:
        """Step while frames of one channel of the market go through `mangle`."""
        native = self.market.native
        self.exchange.mangle = lambda f: mangle(f) if (f.native, f.channel) == (native, channel) else [f]
        await self.step(steps)
        self.exchange.mangle = None


Fault = Callable[[Run], Awaitable[None]]
BOOK, TRADES = Channel.BOOK, Channel.TRADES


def _replacing(channel: Channel, make: Callable[[Run, Frame], Iterable[bytes]], steps: int = 1) -> Fault:
    async def fault(run: Run) -> None:
        await run.mangled(lambda f: make(run, f), channel, steps)

    return fault


def _lose(run: Run, frame: Frame) -> list[bytes]:
    if frame.channel is TRADES and not run.exchange.consecutive_ids:
        run.unseen.add(run.exchange.trade_id(run.market.prints[-1]))
    return []


def _swapped(channel: Channel) -> Fault:
    async def fault(run: Run) -> None:
        held: list[bytes] = []

        def swap(frame: Frame) -> list[bytes]:
            if not held:
                held.append(frame)
                return []
            return [frame, held.pop()]

        await run.mangled(swap, channel, 2)

    return fault


def _corrupt(run: Run, frame: Frame) -> list[bytes]:
    bad = run.exchange.corrupt(frame)
    assert bad != frame, "nothing was corrupted"
    return [bad]


def _beside(extra: Callable[[Frame], bytes]) -> Fault:
    """A frame of no use before each of the market's."""
    return _replacing(BOOK, lambda _run, frame: [extra(frame), frame], 3)


async def _disconnected(run: Run) -> None:
    await run.exchange.disconnect()
    for _ in range(5):
        run.market.move()
        run.market.execute()


async def _storm(run: Run) -> None:
    for _ in range(6):
        await run.exchange.disconnect()
        run.market.execute()
        await asyncio.sleep(0.01)


async def _refused(run: Run) -> None:
    run.exchange.refuse_sockets = True
    await run.exchange.disconnect()
    run.market.execute()
    await asyncio.sleep(0.1)
    run.exchange.refuse_sockets = False


async def _unanswered(run: Run) -> None:
    run.exchange.mute_requests = True
    await run.exchange.disconnect()
    await asyncio.sleep(0.2)
    run.exchange.mute_requests = False


async def _half_open(run: Run) -> None:
    run.exchange.frozen = True
    before = run.exchange.connections
    await run.step(2)
    await eventually(lambda: run.exchange.connections > before, "given up and connected again")
    run.exchange.frozen = False


async def _silent_channel(run: Run) -> None:
    native = run.market.native
    run.exchange.mangle = lambda f: [] if (f.native, f.channel) == (native, BOOK) else [f]
    before = len(run.exchange.subscriptions)
    for _ in range(500):
        if len(run.exchange.subscriptions) > before:
            break
        await run.step()
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the silent channel was not asked for again")
    run.exchange.mangle = None


async def _first_gap(run: Run) -> None:
    """The first message after the snapshot is missing."""
    seen: list[Frame] = []

    def mangle(frame: Frame) -> list[bytes]:
        if frame.native != run.market.native or frame.channel is not BOOK or frame.snapshot:
            return [frame]
        seen.append(frame)
        return [] if len(seen) == 1 else [frame]

    await run.exchange.disconnect()
    run.exchange.mangle = mangle
    await eventually(lambda: run.exchange.listened(run.market, BOOK), "subscribed")
    await run.step(3)
    run.exchange.mangle = None


async def _replayed(run: Run) -> None:
    """After connecting again the stream repeats the newest trades."""
    await run.exchange.disconnect()
    await eventually(lambda: run.exchange.listened(run.market, TRADES), "subscribed")
    for old in run.market.prints[-8:]:
        await run.exchange.tell_trades(run.market, [old])


async def _skewed(run: Run) -> None:
    """The venue's clock is set back, then far ahead."""
    for ms in (-7_000, 25_000):
        for market in (run.market, run.calm):
            market.now_ms += ms
        await run.step(2)


async def _snapshot_fails(run: Run) -> None:
    path = run.exchange.snapshot_path
    run.exchange.fail_next(path, answer(500), answer(429, Retry_After="0.05"), answer(200, {"nonsense": 1}))
    await run.exchange.disconnect()


async def _trades_fail_first(run: Run) -> None:
    run.exchange.fail_next(run.exchange.trades_path, answer(503), answer(429, Retry_After="0.05"), answer(200, "?"))
    await _disconnected(run)


async def _lost_trades(run: Run) -> None:
    await run.mangled(lambda f: _lose(run, f), TRADES, 7)


async def _delisted(run: Run) -> None:
    ended = run.exchange.end_frame(run.market)
    assert ended is not None
    for socket in run.exchange.sockets:
        await socket.send(ended)
    await eventually(lambda: run.sink.trust(BOOK) == (Trust.STALE, Reason.DELISTED), "told that it is delisted")


#: By name; `applies` says of which exchanges.
FAULTS: dict[str, Fault] = {
    "book: one lost": _replacing(BOOK, _lose),
    "book: one twice": _replacing(BOOK, lambda _run, f: [f, f]),
    "book: two swapped": _swapped(BOOK),
    "book: a digit wrong": _replacing(BOOK, _corrupt),
    "book: cut off": _replacing(BOOK, lambda _run, f: [f[: len(f) // 2]]),
    "book: not text": _replacing(BOOK, lambda _run, f: [f.replace(b"0", b"\xff\xfe")]),
    "book: the first after the snapshot lost": _first_gap,
    "book: acknowledged and silent": _silent_channel,
    "trades: seven lost": _lost_trades,
    "trades: each twice": _replacing(TRADES, lambda _run, f: [f, f], 3),
    "trades: two swapped": _swapped(TRADES),
    "trades: cut off": _replacing(TRADES, lambda run, f: [f[: len(f) // 2]]),
    "trades: old ones repeated": _replayed,
    "garbage": _beside(lambda _f: b"\x1b]0;hi\x07 {[garbage"),
    "unknown types": _beside(
        lambda _f: json.dumps({"e": "news", "channel": "news", "topic": "x", "data": []}).encode()
    ),
    "binary": _beside(lambda _f: Binary(b"\x00\x01\x02")),
    "compressed": _beside(lambda f: Binary(zlib.compress(f))),
    "oversized": _replacing(BOOK, lambda _run, f: [b'{"x":"' + b"a" * (17 << 20) + b'"}', f]),
    "snapshot fails": _snapshot_fails,
    "trades by REST fail at first": _trades_fail_first,
    "disconnected": _disconnected,
    "disconnected again and again": _storm,
    "handshake refused": _refused,
    "subscription unanswered": _unanswered,
    "half open": _half_open,
    "clock set": _skewed,
    "delisted": _delisted,
}

#: The other market on the socket may notice these.
WIDE = {
    "book: the first after the snapshot lost", "trades: old ones repeated", "oversized", "snapshot fails",
    "trades by REST fail at first", "disconnected", "disconnected again and again", "handshake refused",
    "subscription unanswered", "half open", "clock set",
}  # fmt: skip
#: Nothing is wrong with the book in these: it stays.
HARMLESS = {
    "book: one twice", "trades: seven lost", "trades: each twice", "trades: two swapped", "trades: cut off", "garbage",
    "unknown types", "binary", "compressed", "clock set",
}  # fmt: skip


def applies(name: str, exchange: type[Exchange[Any]]) -> bool:
    """Whether a fault can happen on an exchange, and be found out."""
    if name == "book: a digit wrong":
        return exchange.checksum or exchange.sequence
    if name == "snapshot fails":
        return bool(exchange.snapshot_path)
    if name == "trades by REST fail at first":
        return bool(exchange.trades_path)
    if name == "delisted":
        return exchange.delists
    if name == "trades: two swapped":
        return exchange.consecutive_ids  # else which came first is not to be told
    return True


async def scripted(run: Run, seed: int, rounds: int = 6) -> None:
    """A seeded script of faults: every frame has its chance, and now and then the connection or REST fails."""
    chance = random.Random(seed)
    kind = type(run.exchange)
    provable = kind.checksum or kind.sequence

    def mangle(frame: Frame) -> list[bytes]:
        draw = chance.random()
        book = frame.channel is BOOK
        if draw < 0.05 and (kind.consecutive_ids or book):
            return []
        if draw < 0.10:
            return [frame, frame]
        if draw < 0.14 and (kind.consecutive_ids or book):
            return [frame[: chance.randint(1, len(frame) - 1)]]
        if draw < 0.18 and book and provable and not frame.snapshot:
            return [run.exchange.corrupt(frame)]
        if draw < 0.21:
            return [Binary(zlib.compress(frame)), frame]
        if draw < 0.24:
            return [b"{}", frame]
        return [frame]

    for _ in range(rounds):
        run.exchange.mangle = mangle
        await run.step(chance.randint(1, 6), trades=chance.randint(0, 3))
        draw = chance.random()
        if draw < 0.2:
            await run.exchange.disconnect()
        elif draw < 0.3 and kind.snapshot_path:
            run.exchange.fail_next(kind.snapshot_path, answer(chance.choice((500, 403))))
        elif draw < 0.4 and kind.trades_path:
            run.exchange.fail_next(kind.trades_path, answer(429, Retry_After="0.02"))
        elif draw < 0.5:
            for market in (run.market, run.calm):
                market.move()
                market.execute()
            await run.exchange.disconnect()
        run.exchange.mangle = None
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.02)
