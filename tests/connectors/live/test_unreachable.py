"""Places that cannot be reached: a name nobody knows, a server without TLS, one that talks nonsense."""

from __future__ import annotations

import asyncio

import pytest

from connectors.binance import BinanceFeed, Endpoints
from engine.codes import Channel, Reason, Trust
from tests.connectors.binance.conftest import running
from tests.emulator.binance import BinanceEmulator, eventually
from tests.emulator.exchange import QUICK
from tests.emulator.market import spot
from tests.emulator.recording import RecordingEngine


async def told(rest: str, ws: str, text: str) -> None:
    engine = RecordingEngine()
    feed = BinanceFeed(["ETH/USDT"], Endpoints(rest, ws), timing=QUICK)
    task = asyncio.create_task(feed.run(engine))
    try:
        await eventually(lambda: engine.told(text), text, 20)
        assert not task.done(), "it gave up"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_name_that_nobody_knows() -> None:
    await told("http://no-such-exchange.invalid", "ws://no-such-exchange.invalid", "is there a network?")


async def test_a_server_without_tls() -> None:
    async with BinanceEmulator(spot()) as emulator:
        await told(emulator.url.replace("http", "https"), emulator.ws_url, "cannot be reached")
        await told(emulator.url, emulator.ws_url.replace("ws", "wss"), "trying again until it works")


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"\x00" * 9_000]
)
async def test_a_server_that_is_no_exchange(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        await told(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", "trying again until it works")


async def test_a_socket_that_dies_in_the_middle_of_a_frame() -> None:
    engine, market = RecordingEngine(), spot()
    async with BinanceEmulator(market) as emulator:
        pipes: set[asyncio.StreamWriter] = set()

        async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """A proxy that can be cut."""
            there, back = await asyncio.open_connection("127.0.0.1", int(emulator.url.rpartition(":")[2]))
            pipes.update((writer, back))

            async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
                try:
                    while data := await source.read(65_536):
                        target.write(data)
                except ConnectionError:
                    pass
                finally:
                    target.close()

            await asyncio.gather(pump(reader, back), pump(there, writer))

        proxy = await asyncio.start_server(through, "127.0.0.1", 0)
        ws = f"ws://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with proxy:
            async with running(emulator, "ETH/USDT", engine=engine, endpoints=Endpoints(emulator.url, ws)):
                await eventually(lambda: emulator.subscribed(market), "subscribed")
                await emulator.step(market)
                sink = engine.sinks["binance:ETH/USDT"]
                await eventually(lambda: sink.live, "live")
                for pipe in list(pipes):
                    pipe.write(b"\x81\x7e\x01")  # a frame of text begins
                    pipe.transport.abort()
                await eventually(lambda: (Channel.BOOK, Trust.STALE, Reason.DISCONNECTED) in sink.said, "told")
                await eventually(lambda: emulator.connections > 1 and emulator.subscribed(market), "again")
                await emulator.step(market)
                await eventually(lambda: sink.live, "live again")
            for pipe in pipes:
                pipe.close()
