"""Recorded sessions of exchanges: what was asked by HTTP, what was sent, and every frame as it came."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import zstandard

from tests.real_data import data_file


class Line(NamedTuple):
    """One event of a session."""

    kind: str  # http, connect, send, recv
    connection: str
    recv: int  # ns
    url: str  # of http
    data: bytes


class _Line(msgspec.Struct):
    t: str
    conn: str = ""
    ts: float = 0.0
    url: str = ""
    data: str = ""


_decode = msgspec.json.Decoder(_Line).decode


def session(venue: str) -> Iterator[Line]:
    """The lines of a venue's session after its header; skips the test when the file is absent."""
    path = data_file(f"sessions/{venue}.jsonl.zst")
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        for raw in io.BufferedReader(stream):
            line = _decode(raw)
            if line.t != "header":
                yield Line(line.t, line.conn, round(line.ts * 1e9), line.url, line.data.encode())


def frames(venue: str) -> Sequence[bytes]:
    """Every frame received."""
    return [line.data for line in session(venue) if line.kind == "recv"]
