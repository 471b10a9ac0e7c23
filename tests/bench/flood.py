"""A Binance on loopback that does nothing but send: run as a process of its own, so that its cost is not ours.

`python -m tests.bench.flood MARKETS RATE SECONDS` prints its port, serves REST, and once every market is subscribed to
sends RATE messages a second (of them a third trades, the rest book updates of six levels) for so many seconds. Then it
prints what it has sent as JSON. The first messages come at once, the others once it has read a line.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from typing import Any

from aiohttp import WSMsgType, web

LEVELS = 500
_BURST = 0.005  # seconds between writes
_PRICE = 10_000  # ticks of 0.01


def native(i: int) -> str:
    """The venue's name of market `i`."""
    return f"C{i:03}USDT"


class Flood:
    """The exchange."""

    def __init__(self, markets: int, rate: int, seconds: float) -> None:
        self.natives = [native(i) for i in range(markets)]
        self.rate, self.seconds = rate, seconds
        self.update = dict.fromkeys(self.natives, 1_000)
        self.trade = dict.fromkeys(self.natives, 5_000)
        self.subscribed: set[str] = set()
        self.sent = 0
        self.done = asyncio.Event()
        self.behind = 0.0  # seconds that writing fell behind its plan at most
        self._sockets: list[tuple[web.Request, set[str]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def rest(self, request: web.Request) -> web.StreamResponse:
        what, now = request.match_info["what"], int(time.time() * 1000)
        symbol = request.query.get("symbol", "")
        if what == "time":
            return web.json_response({"serverTime": now})
        if what == "exchangeInfo":
            return web.json_response({"symbols": [self._listed(name) for name in self.natives]})
        if what == "depth":
            levels = [[[f"{(_PRICE - side * i) / 100:.2f}", "1.000"] for i in range(1, LEVELS)] for side in (1, -1)]
            return web.json_response({"lastUpdateId": self.update[symbol], "bids": levels[0], "asks": levels[1]})
        if what == "ticker/24hr":
            return web.json_response({"volume": "1000.000"})
        return web.json_response([])

    def _listed(self, name: str) -> dict[str, Any]:
        filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.01"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}]
        return {
            "symbol": name, "baseAsset": name[:4], "quoteAsset": "USDT", "filters": filters, "status": "TRADING"
        }  # fmt: skip

    async def stream(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(request)
        mine: set[str] = set()
        self._sockets.append((request, mine))
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                mine.update(asked["params"])
                self.subscribed.update(asked["params"])
                await ws.send_json({"result": None, "id": asked["id"]})
                if len(self.subscribed) >= 2 * len(self.natives) and self._sender is None:
                    self._sender = asyncio.create_task(self._send())
        return ws

    async def _send(self) -> None:
        # Slow updates, on which the connector asks for its snapshots, until a line says that every book is there.
        go = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        while not go.done():
            for name in self.natives:
                self._write_raw(framed(self._depth(name, int(time.time() * 1000))))
            await asyncio.sleep(0.5)
        begun, at = time.monotonic(), 0
        total = int(self.rate * self.seconds)
        while self.sent < total:
            due = min(total, int((time.monotonic() - begun) * self.rate))
            self.behind = max(self.behind, (due - self.sent) / self.rate - _BURST)
            now, out = int(time.time() * 1000), bytearray()
            for n in range(self.sent, due):
                name = self.natives[at % len(self.natives)]
                at += 1
                out += framed(self._trade(name, now) if n % 3 == 0 else self._depth(name, now))
            self.sent = due
            self._write_raw(bytes(out))
            await asyncio.sleep(_BURST)
        await asyncio.sleep(1.0)
        self.done.set()

    def _depth(self, name: str, now: int) -> bytes:
        u = self.update[name] = self.update[name] + 1
        k = u % 97
        return (
            b'{"stream":"%s@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"%s","U":%d,"u":%d,'
            b'"b":[["99.%02d","%d.125"],["99.%02d","%d.250"],["98.%02d","0.000"]],'
            b'"a":[["100.%02d","%d.500"],["100.%02d","%d.750"],["101.%02d","0.000"]]}}'
            % (name.lower().encode(), now, name.encode(), u, u, 99 - k % 7, k, 99 - k % 31, k + 1, k, 1 + k % 7, k,
               1 + k % 31, k + 2, k)
        )  # fmt: skip

    def _trade(self, name: str, now: int) -> bytes:
        t = self.trade[name] = self.trade[name] + 1
        return (
            b'{"stream":"%s@trade","data":{"e":"trade","E":%d,"s":"%s","t":%d,"p":"100.%02d","q":"0.%03d","T":%d,"m":%s,'
            b'"M":true}}'
            % (name.lower().encode(), now, name.encode(), t, t % 50, 1 + t % 900, now, b"true" if t % 2 else b"false")
        )

    def _write_raw(self, data: bytes) -> None:
        for request, _ in self._sockets:
            if request.transport is not None:
                request.transport.write(data)


def framed(payload: bytes) -> bytes:
    """A WebSocket text frame of a server."""
    n = len(payload)
    head = b"\x81" + (bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n))
    return head + payload


async def main(markets: int, rate: int, seconds: float) -> None:
    flood = Flood(markets, rate, seconds)
    app = web.Application()
    app.router.add_get("/api/v3/{what:.*}", flood.rest)
    app.router.add_get("/stream", flood.stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await flood.done.wait()
    said = {"sent": flood.sent, "trades": sum(flood.trade.values()) - 5_000 * markets, "behind": flood.behind}
    print(json.dumps(said), flush=True)
    await asyncio.sleep(30)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
