"""Small recorded sessions for tests, and what an archive of several markets gave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from connectors.archives import open_archive
from connectors.archives.archive import FileArchive
from engine.instrument import Instrument
from engine.tape import Channel, Flag, Kind, Reason, Rows, Trust

#: Epoch second at which sessions begin.
BEGIN = 1_786_310_820
LINEAR = "wss://stream.bybit.com/v5/public/linear"
SPOT = "wss://stream.bybit.com/v5/public/spot"


def header(exchange: str = "BYBIT") -> str:
    return json.dumps({"t": "header", "format": 2, "exchange": exchange, "config": {}}, separators=(",", ":"))


def connect(conn: str, addr: str, at: float = 0.0) -> str:
    return _line("connect", conn, at, addr=addr)


def recv(conn: str, at: float, frame: object) -> str:
    text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
    return _line("recv", conn, at, data=text)


def http(url: str, at: float, body: object) -> str:
    return _line("http", "http.1", at, url=url, data=json.dumps(body, separators=(",", ":")))


def _line(kind: str, conn: str, at: float, **more: str) -> str:
    return json.dumps({"t": kind, "conn": conn, "ts": BEGIN + at, **more}, separators=(",", ":"))


def write(path: Path, lines: Iterable[str]) -> Path:
    path.write_bytes(zstandard.ZstdCompressor().compress(("\n".join(lines) + "\n").encode()))
    return path


def book(
    n: int, u: int, kind: str, bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]], symbol: str = "BTCUSDT"
) -> dict[str, Any]:
    """Bybit's book message number n, `10n` ms after the beginning."""
    ts = BEGIN * 1000 + 10 * n
    data = {"s": symbol, "b": bids, "a": asks, "u": u, "seq": 7 * u}
    return {"topic": f"orderbook.200.{symbol}", "type": kind, "ts": ts + 1, "data": data, "cts": ts}


def trade(
    n: int, side: str, price: str, size: str, id_: str, symbol: str = "BTCUSDT", block: bool = False
) -> dict[str, Any]:
    """A Bybit message of one trade."""
    ts = BEGIN * 1000 + 10 * n
    one = {"T": ts, "s": symbol, "S": side, "v": size, "p": price, "i": id_, "BT": block, "RPI": False, "seq": n}
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": ts + 1, "data": [one]}


def uuid(n: int) -> str:
    return f"{n:08x}-27f6-5f1f-8a24-{n:012x}"


@dataclass
class Got:
    """What an archive gave, by market."""

    archive: FileArchive
    rows: dict[str, Rows]
    instruments: dict[str, Instrument]
    notices: list[str] = field(default_factory=list)

    def kind(self, market: str, kind: Kind) -> Rows:
        rows = self.rows[market]
        return rows[rows["kind"] == kind]

    def holes(self, market: str) -> list[tuple[int, int]]:
        return [(int(r["id"]), int(r["qty"])) for r in self.kind(market, Kind.HOLE)]

    def statuses(self, market: str, channel: Channel) -> list[tuple[Trust, Reason]]:
        rows = self.kind(market, Kind.STATUS)
        rows = rows[rows["channel"] == int(channel)]
        return [(Trust(int(r["aux"]) & 0xFF), Reason(int(r["aux"]) >> 8)) for r in rows]

    def signed(self, market: str) -> float:
        """CVD in the venue's size unit."""
        trades = self.kind(market, Kind.TRADE)
        flow = trades[trades["flags"] & (Flag.REPLAYED | Flag.NOT_FLOW) == 0]
        return float(int((flow["qty"] * flow["side"]).sum()) * self.instruments[market].lot)


def read_all(*paths: Path, **options: Any) -> Got:
    archive = open_archive(list(paths), **options)
    got = Got(archive, {}, {})
    parts: dict[str, list[Rows]] = {}
    for chunk in archive.chunks(lambda source, text: got.notices.append(f"{source}: {text}")):
        name = chunk.instrument.market
        assert chunk.rows["flags"][-1] & Flag.LAST, "a chunk is cut inside a message"
        assert got.instruments.setdefault(name, chunk.instrument) == chunk.instrument
        parts.setdefault(name, []).append(chunk.rows)
    got.rows = {name: np.concatenate(found) for name, found in parts.items()}
    return got


def dict_book(rows: Rows) -> tuple[dict[int, int], dict[int, int]]:
    """The book at the end, in ticks and lots, by a plain reading."""
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for r in rows:
        if r["kind"] == Kind.SNAPSHOT:
            sides = {1: {}, -1: {}}
        elif r["kind"] == Kind.LEVEL:
            if r["qty"]:
                sides[int(r["side"])][int(r["px"])] = int(r["qty"])
            else:
                sides[int(r["side"])].pop(int(r["px"]), None)
    return sides[1], sides[-1]
