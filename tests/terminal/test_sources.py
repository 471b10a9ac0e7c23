"""What feeds the screen, on a real terminal: an exchange on loopback, none at all, hostile names, a recording."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tests.connectors.archives.recordings import SYNCED, capture, depth, trade
from tests.emulator.binance import BinanceEmulator, eventually
from tests.emulator.market import EmulatedMarket, spot
from tests.terminal.screen import Screen

Result = TypeVar("Result")


def configuration(home: Path, url: str, ws_url: str) -> Path:
    """A configuration file that sends Binance's connector to other addresses."""
    path = home / "config.toml"
    path.write_text(f'[venues.binance]\nrest = "{url}"\nws = "{ws_url}"\n')
    return path


async def watched(see: Callable[..., Result], *args: object) -> Result:
    """What waits for the screen, while the emulator beside it goes on."""
    return await asyncio.to_thread(see, *args)


@asynccontextmanager
async def trading(exchange: BinanceEmulator, market: EmulatedMarket) -> AsyncIterator[None]:
    """The market trades as soon as someone listens."""

    async def go_on() -> None:
        await eventually(lambda: exchange.subscribed(market), "a subscription", 30)
        while True:
            await exchange.step(market)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_live_market(tmp_path: Path) -> None:
    market = spot()
    async with BinanceEmulator(market) as exchange, trading(exchange, market):
        config = configuration(tmp_path, exchange.url, exchange.ws_url)
        with Screen(tmp_path, "binance:ETH/USDT", "--config", str(config)) as screen:
            await watched(screen.sees, r"book LIVE +trades LIVE")
            await watched(screen.sees, r"ETH/USDT +\d+\.\d\d")
            assert "SIMULATED" not in screen.text
            screen.type(b"q")
            assert await watched(screen.ended) == 0
            assert screen.restored == []


async def test_an_unknown_market(tmp_path: Path) -> None:
    async with BinanceEmulator(spot("NOTEUSDT", "NOTE")) as exchange:
        config = configuration(tmp_path, exchange.url, exchange.ws_url)
        with Screen(tmp_path, "binance:NOPE/USDT", "--config", str(config)) as screen:
            await watched(screen.sees, r"(?s)NOPE/USDT.*NOTE/USDT")
            assert screen.process.poll() is None
            assert "Traceback" not in screen.text


async def test_no_network_and_then_one(tmp_path: Path) -> None:
    market = spot()
    exchange = BinanceEmulator(market)
    await exchange.start()
    config = configuration(tmp_path, exchange.url, exchange.ws_url)
    await exchange.stop()  # its port refuses from here on
    with Screen(tmp_path, "binance:ETH/USDT", "--config", str(config)) as screen:
        await watched(screen.sees, r"(?i)127\.0\.0\.1.*|cannot (connect|be reached)", 10.0)
        await watched(screen.changes, lambda: re.findall(r"\d\d:\d\d:\d\d UTC", screen.text))  # alive
        await exchange.start()
        try:
            async with trading(exchange, market):
                await watched(screen.sees, r"book LIVE +trades LIVE")
        finally:
            await exchange.stop()


async def test_a_silent_address(tmp_path: Path) -> None:
    with socket.socket() as listener:  # accepts and never answers
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        config = configuration(tmp_path, f"http://{address}", f"ws://{address}")
        with Screen(tmp_path, "binance:ETH/USDT", "--config", str(config)) as screen:
            screen.sees("DEPTH")
            screen.sees(r"(?i)waiting|connecting")
            screen.type(b"q")
            assert screen.ended() == 0


async def test_a_hostile_name(tmp_path: Path) -> None:
    base = "[red]A[/]\x1b]0;owned\x07\x1b[2J"
    market = spot("AUSDT", base)
    async with BinanceEmulator(market) as exchange, trading(exchange, market):
        config = configuration(tmp_path, exchange.url, exchange.ws_url)
        with Screen(tmp_path, "binance:AUSDX", f"binance:{base}/USDT", "--config", str(config)) as screen:
            await watched(screen.sees, r"\[red\]A")
            await watched(screen.paints, 5)
            screen.type(b"I")
            await watched(screen.sees, "(?i)notices")
            assert b"owned\x07" not in screen.written
            assert b"\x1b[2J" not in screen.written.split(b"\x1b[?1049h", 1)[1]
            assert "Traceback" not in screen.text


def test_a_recording(tmp_path: Path) -> None:
    lines = [*SYNCED]
    for n in range(1, 200):  # 40 s
        at, update = 200 * n, 106 + n
        lines.append(depth(at, update, update, update - 1, [("99.99", f"{1 + n % 7}.000")], []))
        lines.append(trade(at + 1, n, "100.01" if n % 3 else "100.00", "0.500", maker=n % 3 == 0))
    path = capture(tmp_path / "usdm_ethusdt_20240808.gz", lines)

    with Screen(
        tmp_path, "play", str(path), "--as", "binance:ETH/USDT:USDT", "--tick", "0.01", "--lot", "0.001"
    ) as screen:
        clock = r"\d\d:\d\d:(\d\d)"
        screen.sees("100.0[01]")
        screen.changes(lambda: re.findall(clock, screen.text))
        screen.type(b"p")
        screen.sees("REPLAY [^\\n]* paused")
        screen.type(b"p")
        screen.type(b">>")
        screen.sees("REPLAY [^\\n]* 4×")
        screen.type(b"<")
        screen.sees("REPLAY [^\\n]* 2×")
        screen.type(b"..")
        screen.paints(2)
        screen.type(b",")
        screen.paints(2)
        screen.sees("100.0[01]")
        for _ in range(4):
            screen.type(b".")
            screen.paints(4)
        screen.sees("REPLAY .* done")
        assert screen.process.poll() is None
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.restored == []
