"""Frames as a bad line or a hostile server might send them."""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Callable, Sequence

#: Mutated frames for each decoder; a long run sets this to a million.
FRAMES = int(os.environ.get("FLOWTAPE_FUZZ_FRAMES", "4000"))
_TOKENS = (
    b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0", b"1e400", b"-0.0", b"1e-400", b"9" * 400, b"NaN", b"Infinity",
    b"[" * 2_000, b'"\\ud800"', b'"\x1b[2J"', b"18446744073709551616", b"\xff\xfe", b"\x00", b'"x" :', b'{"a":', b"1e",
)  # fmt: skip


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """`frame` with one to three things wrong with it."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        frame = rng.choice(_WAYS)(frame, rng)
    return frame


def memory() -> int:
    """The most memory this process has had so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _at(frame: bytes, rng: random.Random) -> int:
    return rng.randrange(len(frame) + 1)


def _flip(frame: bytes, rng: random.Random) -> bytes:
    at = _at(frame, rng)
    return frame[:at] + bytes([rng.randrange(256)]) + frame[at + 1 :]


def _digit(frame: bytes, rng: random.Random) -> bytes:
    digits = [i for i, b in enumerate(frame) if 48 <= b <= 57]
    if not digits:
        return frame
    at = rng.choice(digits)
    return frame[:at] + rng.choice((b"0", b"9", b"-", b".", b"e", b"")) + frame[at + 1 :]


def _cut(frame: bytes, rng: random.Random) -> bytes:
    return frame[: _at(frame, rng)]


def _drop(frame: bytes, rng: random.Random) -> bytes:
    at = _at(frame, rng)
    return frame[:at] + frame[at + rng.randint(1, 40) :]


def _repeat(frame: bytes, rng: random.Random) -> bytes:
    at = _at(frame, rng)
    part = frame[at : at + rng.randint(1, 40)]
    return frame[:at] + part * rng.randint(2, 5) + frame[at:]


def _value(frame: bytes, rng: random.Random) -> bytes:
    """The value behind some colon or comma is another one."""
    places = [i for i, b in enumerate(frame) if b in b":,["]
    if not places:
        return frame
    at = rng.choice(places) + 1
    end = at
    while end < len(frame) and frame[end] not in b",]}":
        end += 1
    return frame[:at] + rng.choice(_TOKENS) + frame[end:]


def _wrap(frame: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"[" + frame + b"]", b" " + frame, frame + frame, frame + b"}", b'{"data":' + frame + b"}"))


_WAYS: Sequence[Callable[[bytes, random.Random], bytes]] = (_flip, _digit, _cut, _drop, _repeat, _value, _value, _wrap)
