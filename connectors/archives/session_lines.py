"""The lines of recorded sessions: what was sent and received on several connections, with receive times.

Two forms are read, plain or compressed:

- JSON lines: `{"t":"header",…}`, then `http` (`url`, `ts`, `data` = body of the answer), `connect` (`conn`, `addr`),
  `send` (`conn`, `addr`, `data`) and `recv` (`conn`, `ts` in seconds since the Unix epoch, `data` = the message
  exactly as received);
- captures: `RECEIVE_TIME {frame}`, one connection without an address, the time in ns (older recorders: µs).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from connectors.archives.binance_capture import epoch
from connectors.archives.faults import Faults, excerpt
from connectors.archives.opening import Notify, blocks_of_lines

_KINDS = ("connect", "send", "recv", "http")


_IS_LINE = re.compile(rb'\s*\{"t":"(?:header|connect|send|recv|http)"')


class _Line(Struct, gc=False):
    t: str
    conn: str = ""
    ts: float = 0.0
    url: str = ""
    addr: str = ""
    data: str = ""


class Item(NamedTuple):
    """One line. `file` and `conn` together name a connection; `address` is empty in captures."""

    recv: int  # ns; never runs back within a file
    at: int  # ns; of an http line the time of its answer, which stands before the messages whatever it is
    file: int
    number: int
    kind: str
    conn: str
    address: str
    data: bytes


_decode = msgspec.json.Decoder(_Line).decode


def looks_like_session(head: bytes) -> bool:
    """Whether lines of the start of a file are JSON lines of a session."""
    return any(_IS_LINE.match(line) for line in head.split(b"\n", 20)[:20])


class SessionLines:
    """The lines of several files in the order of their times; of the same time, in the order of the files."""

    def __init__(self, paths: Sequence[Path], captures: Sequence[bool]) -> None:
        """`captures`: which of the files are in the second form."""
        self.paths = tuple(paths)
        self._captures = tuple(captures)

    def items(self, faults: Sequence[Faults]) -> Iterator[Item]:
        """Every line that can be read; the others are told to the file's `faults`."""
        readers = [
            self._capture(i, path, faults[i]) if capture else self._session(i, path, faults[i])
            for i, (path, capture) in enumerate(zip(self.paths, self._captures, strict=True))
        ]
        return readers[0] if len(readers) == 1 else heapq.merge(*readers, key=lambda item: item.recv)

    def _session(self, file: int, path: Path, faults: Faults) -> Iterator[Item]:
        newest = 0
        for number, line in _lines(path, faults.notice):
            try:
                x = _decode(line)
                recv = _nanoseconds(x.ts)
            except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, ValueError, RecursionError) as error:
                faults.add(number, f"{str(error)[:120]} in {excerpt(line)}")
                continue
            if x.t not in _KINDS:
                continue
            if x.t == "http":
                yield Item(newest, recv or newest, file, number, x.t, x.conn, x.url, x.data.encode())
                continue
            if x.t == "recv" and not recv:
                faults.add(number, f"no receive time in {excerpt(line)}")
                continue
            newest = max(newest, recv)
            yield Item(newest, newest, file, number, x.t, x.conn, x.addr, x.data.encode())

    def _capture(self, file: int, path: Path, faults: Faults) -> Iterator[Item]:
        newest = 0
        for number, line in _lines(path, faults.notice):
            stamp, space, frame = line.partition(b" ")
            recv = epoch(int(stamp)) if space and stamp.isdigit() and len(stamp) < 20 else None
            if recv is None:
                faults.add(number, f"expected a receive time and a frame, found {excerpt(line)}")
                continue
            newest = max(newest, recv)
            yield Item(newest, newest, file, number, "recv", "", "", frame)


def _lines(path: Path, notice: Notify) -> Iterator[tuple[int, bytes]]:
    for first, block in blocks_of_lines(path, notice):
        for number, line in enumerate(block.split(b"\n"), first):
            if line.strip():
                yield number, line


def _nanoseconds(seconds: float) -> int:
    """A time in seconds, good to a µs as it is a double; 0 where there is none."""
    if not seconds:
        return 0
    if not 600_000_000 <= seconds < 9_000_000_000:
        raise ValueError(f"{seconds} is no time in seconds since 1970")
    return round(seconds * 1e6) * 1_000
