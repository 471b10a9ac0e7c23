"""Checkpoints: everything a market's numbers stand on, so that a restart goes on where the last run stopped.

A file is a magic word, a head that can be read alone, the states of all calculators (compressed), and a
checksum over all of it. What does not fit is never used in part: it is set aside and said.

Never stored: the order book and the trust in it. They come live.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import zstandard

from engine.metrics.calculator import State
from engine.metrics.windows import DAY
from engine.state_codec import CodecError, decode, encode

if TYPE_CHECKING:
    from engine.market import Market

#: Layout of the file; the states in it have versions of their own.
FORMAT: Final = 1
_MAGIC: Final = b"flowtape checkpoint\n"
_LENGTHS: Final = struct.Struct("<IQQ")  # head, body as stored, body as it was
_DIGEST: Final = 16
_LARGEST: Final = 1 << 32
#: A clock so far ahead of ours cannot be told from a wrong one.
_AHEAD: Final = 60_000_000_000


class CheckpointError(Exception):
    """A checkpoint that must not be used: the text says why."""


class Store(Protocol):
    """Where checkpoints are kept. Errors of the storage are OSError."""

    def save(self, market: str, data: bytes) -> None:
        """Replace the checkpoint of a market as a whole or not at all. Called off the event loop."""

    def load(self, market: str) -> bytes | None:
        """The checkpoint of a market; None when there is none."""

    def set_aside(self, market: str, reason: str) -> str | None:
        """Put a checkpoint that can't be used where it is not found again; where that is, for the user."""


@dataclass(frozen=True)
class Checkpoint:
    """What one market stood at."""

    market: str
    identity: tuple[str, ...]  # of the instrument: what its numbers stand on
    clock: int  # ns
    last_trade_id: int | None
    calculators: dict[str, str]  # share key -> kind and version of its state
    state: State = field(repr=False)


class _Head(msgspec.Struct):
    format: int
    market: str
    identity: list[str]
    clock: int
    last_trade_id: int | None
    calculators: dict[str, str]


_decode_head = msgspec.msgpack.Decoder(_Head).decode


def identity(market: Market) -> tuple[str, ...]:
    """What numbers of a market stand on; fees and names may change under way."""
    i = market.instrument
    grid = (str(i.tick), str(i.lot), i.kind, str(i.contract), i.base, i.quote, str(i.fixed_tick))
    return (i.market, *grid, str(market.context.day_lots))


def checkpoint_of(market: Market) -> Checkpoint:
    """The market as it stands, with everything folded that came."""
    state = market.state()
    kinds = {key: f"{s.get('kind')} {s.get('version')}" for key, s in state["calculators"].items()}
    return Checkpoint(market.instrument.market, identity(market), market.t, market.last_trade_id, kinds, state)


def pack(checkpoint: Checkpoint) -> tuple[bytes, bytes]:
    """(head, body) as bytes, neither compressed nor sealed: the part that must not be overtaken by the fold."""
    head = _Head(
        FORMAT,
        checkpoint.market,
        list(checkpoint.identity),
        checkpoint.clock,
        checkpoint.last_trade_id,
        checkpoint.calculators,
    )
    return msgspec.msgpack.encode(head), encode(checkpoint.state)


def seal(head: bytes, body: bytes) -> bytes:
    """The file; may run in another thread."""
    stored = zstandard.ZstdCompressor(level=1).compress(body)
    data = b"".join((_MAGIC, _LENGTHS.pack(len(head), len(stored), len(body)), head, stored))
    return data + blake2b(data, digest_size=_DIGEST).digest()


def unpack(data: bytes) -> Checkpoint:
    """The checkpoint in a file. CheckpointError when it is damaged or of another version."""
    start = len(_MAGIC) + _LENGTHS.size
    if len(data) < start + _DIGEST or not data.startswith(_MAGIC):
        raise CheckpointError("it is damaged: no checkpoint begins like this")
    if blake2b(data[:-_DIGEST], digest_size=_DIGEST).digest() != data[-_DIGEST:]:
        raise CheckpointError("it is damaged: the checksum is wrong")
    head_size, stored_size, size = _LENGTHS.unpack_from(data, len(_MAGIC))
    if start + head_size + stored_size + _DIGEST != len(data) or size > _LARGEST:
        raise CheckpointError("it is damaged: its parts don't have the lengths it names")
    raw_head = data[start : start + head_size]
    try:
        version: Any = msgspec.msgpack.decode(raw_head)["format"]
        if version != FORMAT:
            raise CheckpointError(f"it is of format {version}, and this program reads {FORMAT}")
        head = _decode_head(raw_head)
        body = zstandard.ZstdDecompressor().decompress(data[start + head_size : -_DIGEST], max_output_size=size)
        state = decode(body)
    except (msgspec.MsgspecError, zstandard.ZstdError, CodecError, KeyError, TypeError, MemoryError) as error:
        raise CheckpointError(f"it can't be read: {str(error)[:200]}") from None
    if len(body) != size or not isinstance(state, dict):
        raise CheckpointError("it is damaged: its parts don't have the lengths it names")
    return Checkpoint(head.market, tuple(head.identity), head.clock, head.last_trade_id, dict(head.calculators), state)


def check(checkpoint: Checkpoint, market: Market, now: int) -> bool:
    """Whether to resume at wall time `now` (ns): False when it is of an earlier session.

    CheckpointError when it is not of this instrument, or of a time that has not come.
    """
    if checkpoint.identity != identity(market):
        raise CheckpointError("it is of another instrument, or tick, lot, contract or the given daily volume changed")
    if checkpoint.clock > now + _AHEAD:
        raise CheckpointError("its clock is ahead of ours")
    return checkpoint.clock // DAY == now // DAY


def resume(market: Market, checkpoint: Checkpoint) -> None:
    """Let a market that has not begun go on from a checkpoint. CheckpointError when a calculator refuses its state;
    the market must not be used then."""
    try:
        market.resume(checkpoint.state)
    except Exception as error:  # whatever a state of our own earlier self does to us must not stop the start
        raise CheckpointError(f"it is of another version: {type(error).__name__}: {str(error)[:200]}") from None
