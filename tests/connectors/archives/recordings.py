"""Small recordings for tests: lines of captures, and a plain reading of rows to compare with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np

from connectors.archives import open_archive
from engine.instrument import Instrument
from engine.tape import Channel, Flag, Kind, Reason, Rows, Trust

START = 1_723_161_256_000_000_000

Level = tuple[str, str]
_VALID = (Trust.LIVE, Trust.UNVERIFIABLE)


def ms(n: int) -> int:
    """Exchange time of message number n, in ms."""
    return START // 1_000_000 + n


def line(recv: int, frame: dict[str, object]) -> str:
    return f"{recv} {json.dumps(frame, separators=(',', ':'))}"


def depth(n: int, first: int, last: int, previous: int | None, bids: Sequence[Level], asks: Sequence[Level]) -> str:
    """Line n of ETHUSDT: a delta of futures, or of spot where `previous` is None."""
    data: dict[str, object] = {"e": "depthUpdate", "E": ms(n), "s": "ETHUSDT", "U": first, "u": last}
    if previous is not None:
        data |= {"T": ms(n), "pu": previous}
    data |= {"b": bids, "a": asks}
    return line(START + n * 1_000_000, {"stream": "ethusdt@depth@0ms", "data": data})


def trade(n: int, trade_id: int, price: str, size: str, maker: bool = False, type_: str | None = "MARKET") -> str:
    data: dict[str, object] = {
        "e": "trade",
        "E": ms(n),
        "T": ms(n),
        "s": "ETHUSDT",
        "t": trade_id,
        "p": price,
        "q": size,
    }
    if type_ is not None:
        data["X"] = type_
    return line(START + n * 1_000_000, {"stream": "ethusdt@trade", "data": data | {"m": maker}})


def snapshot(n: int, last: int, bids: Sequence[Level], asks: Sequence[Level], futures: bool = True) -> str:
    times = {"E": ms(n), "T": ms(n)} if futures else {}
    return line(START + n * 1_000_000, {"lastUpdateId": last, **times, "bids": bids, "asks": asks})


def ticker(n: int, update: int) -> str:
    data = {
        "e": "bookTicker",
        "u": update,
        "s": "ETHUSDT",
        "b": "100.00",
        "B": "1",
        "a": "100.01",
        "A": "2",
        "T": ms(n),
        "E": ms(n),
    }
    return line(START + n * 1_000_000, {"stream": "ethusdt@bookTicker", "data": data})


def capture(path: Path, lines: Iterable[str]) -> Path:
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path


#: A futures market that synchronises: two deltas before the snapshot, the second of them continues it.
SYNCED = [
    depth(0, 90, 95, 89, [("99.98", "9")], []),
    depth(1, 96, 104, 95, [("100.00", "2.000")], [("100.03", "4.500")]),
    snapshot(2, 101, [("100.00", "1.000"), ("99.99", "3.000")], [("100.01", "2.000"), ("100.02", "0.125")]),
    depth(3, 105, 106, 104, [], [("100.01", "0.000")]),
]


@dataclass
class Reading:
    """Everything an archive gave."""

    rows: Rows
    instrument: Instrument
    notices: list[str]
    sizes: list[int] = field(default_factory=list)  # rows of each chunk

    def of(self, kind: Kind) -> Rows:
        return self.rows[self.rows["kind"] == kind]

    @property
    def statuses(self) -> list[tuple[Channel, Trust, Reason]]:
        return [
            (Channel(int(r["channel"])), Trust(int(r["aux"]) & 0xFF), Reason(int(r["aux"]) >> 8))
            for r in self.of(Kind.STATUS)
        ]

    @property
    def holes(self) -> list[tuple[int, int]]:
        return [(int(r["id"]), int(r["qty"])) for r in self.of(Kind.HOLE)]

    def trades(self) -> list[tuple[int, int, int, int]]:
        return [(int(r["id"]), int(r["px"]), int(r["qty"]), int(r["side"])) for r in self.of(Kind.TRADE)]

    def book(self) -> dict[int, dict[int, int]]:
        """The book at the end: side -> ticks -> lots."""
        sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        for r in self.rows:
            if r["kind"] == Kind.SNAPSHOT:
                sides = {1: {}, -1: {}}
            elif r["kind"] == Kind.LEVEL:
                if r["qty"]:
                    sides[int(r["side"])][int(r["px"])] = int(r["qty"])
                else:
                    sides[int(r["side"])].pop(int(r["px"]), None)
            elif r["kind"] == Kind.STATUS and r["channel"] == Channel.BOOK and r["aux"] & 0xFF not in _VALID:
                sides = {1: {}, -1: {}}
        return sides

    @property
    def messages(self) -> int:
        return int((self.rows["flags"] & Flag.LAST > 0).sum())


def read(
    *paths: Path,
    market: str | None = None,
    tick: str | None = None,
    lot: str | None = None,
    contract: str | None = None,
) -> Reading:
    """Read an archive of one market as a whole."""

    def decimal(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    archive = open_archive(list(paths), market=market, tick=decimal(tick), lot=decimal(lot), contract=decimal(contract))
    notices: list[str] = []
    chunks = list(archive.chunks(lambda source, text: notices.append(f"{source}: {text}")))
    assert len({c.instrument for c in chunks}) == 1
    assert all(c.rows["flags"][-1] & Flag.LAST for c in chunks), "a chunk is cut inside a message"
    return Reading(
        np.concatenate([c.rows for c in chunks]), chunks[0].instrument, notices, [len(c.rows) for c in chunks]
    )
